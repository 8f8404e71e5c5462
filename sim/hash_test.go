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

// recordedDeployment is a Deployment as it was given to a real API server, and the name of
// the ReplicaSet that the real controller made of it.
const recordedDeployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":3,
"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"},"annotations":{"sim/ready-after":"1s"}},
"spec":{"nodeSelector":{"pool":"shared"},"automountServiceAccountToken":false,"enableServiceLinks":false,
"containers":[{"name":"c","image":"127.0.0.1:25000/tester:1","args":["forever"]}]}}}}`

// TestTemplateHash: names of ReplicaSets are those that a real cluster gives.
func TestTemplateHash(t *testing.T) {
	assert.Equal(t, "web-f74df7bd7", replicaSetName(t, []byte(recordedDeployment)))
}

// TestTemplateHashRecorded does the same for every recording of a Deployment.
func TestTemplateHashRecorded(t *testing.T) {
	files, err := filepath.Glob("../../shared/controller-traces/deploy-*.jsonl")
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skip("no recordings: ../shared/controller-traces is not there")
	}
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
