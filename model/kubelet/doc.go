// Package kubelet is the kubelet of one pod as a pure state machine: the pod worker, the
// PLEG's record of the pod, its probe workers, its start and image back-offs and its entry
// in the status manager.
//
// Step takes an event and returns effects. It has no clock, draws nothing and changes only
// its own Pod. What takes time in a real kubelet (a call to the container runtime, a
// request to the API server, a ticker) is an effect, and the answer comes back as an event:
// from the simulated runtime in virtual time, from a real one in wall time. What all pods of
// a node share (the tickers, the image puller, the status manager's one loop) stands in
// node.go.
//
// The rule book is pkg/kubelet of k8s.io/kubernetes v1.37.1; each rule names its file and
// function. The files follow upstream: worker.go is pod_workers.go and the Sync functions of
// kubelet.go, actions.go is kuberuntime computePodActions, start.go and kill.go are the
// container calls of kuberuntime, status.go is kubelet_pods.go, probe.go is prober.
package kubelet
