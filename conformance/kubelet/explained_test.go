package kubelet

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/conform"
)

// explanation is why podsim and the real kubelet differ.
type explanation struct {
	// why says what happens, and where in upstream's source.
	why string
	// pods are the names of the pods that show it in the default run.
	pods string
}

// explanations are the pods that may differ; all others are judged without them. A race that the real
// kubelet has one way or the other needs none, see agreesAgain.
var explanations = []explanation{
	{"a race in the kubelet: a pod is deleted in the moment of its binding, when its worker's goroutine has not run: " +
		"it is never synced (pkg/kubelet/pod_workers.go UpdatePod, startPodSync)",
		"wild-4000229"},
	{"a race in the kubelet: a probe's timeout is over at a tick of its worker, which is one run more or less " +
		"(pkg/kubelet/prober/worker.go run)",
		"wild-1000823"},
	{"a race in the kubelet: a readiness probe is asked for by hand at the moment when its run before ends, " +
		"which is one run more or less (pkg/kubelet/prober/prober_manager.go UpdatePodStatus, worker.go run)",
		"wild-2000138"},
}

// TestExplanationsAreTold: users find each difference in docs/fidelity.md.
func TestExplanationsAreTold(t *testing.T) {
	page, err := os.ReadFile("../../docs/fidelity.md")
	require.NoError(t, err)
	for _, e := range explanations {
		for _, name := range strings.Fields(e.pods) {
			assert.Contains(t, string(page), name)
		}
	}
}

func explanationOf(r *conform.Recording) *explanation {
	for i := range explanations {
		for _, name := range strings.Fields(explanations[i].pods) {
			if name == r.Name {
				return &explanations[i]
			}
		}
	}
	return nil
}
