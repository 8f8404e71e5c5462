package kubelet

import (
	"strings"

	"podsim/conform"
)

// explanation is why podsim and the real kubelet differ.
type explanation struct {
	// why says what happens, and where in upstream's source.
	why string
	// pods are the names of the pods that show it in the default run.
	pods string
}

// explanations are all that the default run may show. Pods of other seeds are judged without them.
var explanations = []explanation{}

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
