// Package runtimetest is the conformance suite of sim.Runtime: cases of calls and the answers that they must
// get, which every runtime has to pass. The simulated runtime runs them in virtual time (go test ./sim), a
// real node's in wall time (go test ./runner).
//
// In a case the suite is the kubelet: the pods' machines hear nothing. So it can also ask for what the
// kubelet of a healthy pod never does, such as the removal of a container that runs. What the answers must be
// is what containerd gives; a runtime that is right where a case is wrong changes the case.
package runtimetest
