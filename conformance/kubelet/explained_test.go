package kubelet

import (
	"strings"

	"podsim/conform"
)

// explanation is why podsim and the real kubelet differ, or what is still to be mended.
type explanation struct {
	// why says what happens, and where in upstream's source.
	why string
	// pods are the names of the pods that show it in the default run.
	pods string
}

// explanations are all that the default run may show; pods of other seeds are judged without them.
// Races within the time of a call to the API server need none, see TestExact.
var explanations = []explanation{
	{"not in podsim yet: which of the probes that run while a container ends or a pod stops " +
		"find the container gone, and how they say it (pkg/kubelet/prober/worker.go doProbe, " +
		"prober.go probe)",
		"rnd-1000439 wild-1000076 wild-1000201 wild-1000871 wild-1000897"},
	{"not understood yet: a container is seen as running, or as ended, one look of the PLEG later " +
		"(pkg/kubelet/pleg/generic.go Relist)",
		"rnd-1000120 rnd-1000619 wild-1000629"},
	{"not understood yet: one more FailedMount (pkg/kubelet/volumemanager/reconciler/reconciler.go)",
		"wild-1000905"},
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
