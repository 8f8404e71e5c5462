package sim

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"podsim/model"
)

// TestTemplateHash: the names of ReplicaSets are those that a real cluster gave in every
// recording of a Deployment.
func TestTemplateHash(t *testing.T) {
	files, err := filepath.Glob("testdata/controller-traces/deploy-*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, path := range files {
		f, err := os.Open(path)
		require.NoError(t, err)
		line, err := bufio.NewReaderSize(f, 1<<20).ReadBytes('\n')
		require.NoError(t, err)
		require.NoError(t, f.Close())
		var spec struct {
			Steps []struct {
				Verb, What string
				Object     json.RawMessage
			}
			Aliases map[string]string
		}
		require.NoError(t, json.Unmarshal(line, &spec))
		for _, s := range spec.Steps {
			if s.Verb == "create" && s.What == "Deployment/web" {
				assert.Equal(t, spec.Aliases["rs1"], replicaSetName(t, s.Object), filepath.Base(path))
			}
		}
	}
}

func replicaSetName(t *testing.T, object []byte) string {
	var d appsv1.Deployment
	require.NoError(t, json.Unmarshal(object, &d))
	model.DefaultDeployment(&d)
	return d.Name + "-" + templateHash(&d.Spec.Template)
}
