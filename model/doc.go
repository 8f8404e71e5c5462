// Package model says what Kubernetes says: its objects as compact facts, the rules that
// derive phases, conditions and columns from them, and the inputs and the record of a run.
//
// It has no idea of how time passes: it asks for no clock, draws no random number and does
// no input or output. The rule book is k8s.io/kubernetes v1.37.1; each rule names the
// upstream file and function that it follows. The state machines of the kubelet and of the
// controllers stand in the packages below this one.
package model
