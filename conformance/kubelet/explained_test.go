package kubelet

import "podsim/conform"

// explanation is why podsim and the real kubelet may differ.
type explanation struct {
	// why says what happens, and where in upstream's source.
	why string
	// covers says whether a difference is of this kind.
	covers func(*conform.Recording, *conform.Result) bool
}

// explanations are all that are allowed.
var explanations = []explanation{}

func explanationOf(r *conform.Recording, result *conform.Result) *explanation {
	for i := range explanations {
		if explanations[i].covers(r, result) {
			return &explanations[i]
		}
	}
	return nil
}
