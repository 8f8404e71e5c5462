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

// explanations are all that the default run may show; pods of other seeds are judged without them.
// Races within the time of a call to the API server need none, see TestExact.
var explanations = []explanation{
	{"a race in the kubelet: a readiness probe is run by hand while its sync sets the status, and may " +
		"find the container of before (pkg/kubelet/prober/prober_manager.go UpdatePodStatus, worker.go doProbe)",
		"rnd-1000439"},
	{"a race in the kubelet: two loops of 100 ms of the volume manager, so one FailedMount more or less " +
		"(pkg/kubelet/volumemanager/reconciler/reconciler.go, populator/desired_state_of_world_populator.go)",
		"wild-1000905"},
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
