package framework

// Extender is a process beside the scheduler that has a say in where pods go
// (pkg/scheduler/extender.go HTTPExtender).
type Extender interface {
	// Name is how messages call it.
	Name() string
	// Interested says whether it is asked about pods of the class.
	Interested(c *PodClass) bool
	// Filter says which of the nodes can take the pod.
	Filter(p *Pod, nodes []*NodeInfo) (ExtenderFilterResult, error)
	// Ignorable says that a pod goes on without the extender when Filter fails.
	Ignorable() bool
	// Prioritize scores nodes by name from 0 to 10, and says what the scores are multiplied with. When it
	// fails, the extender gives no scores.
	Prioritize(p *Pod, nodes []*NodeInfo) (scores []HostPriority, weight int64, err error)
}

// ExtenderFilterResult is which nodes an extender takes.
type ExtenderFilterResult struct {
	// Fit are the nodes that can take the pod. Bare says that the extender gave them back as objects:
	// from then on the scheduler knows no pods of them, and scores them as if they had none (HTTPExtender
	// Filter).
	Fit  []*NodeInfo
	Bare bool
	// Failed are those of the others of which it says why.
	Failed []FailedNode
}

// FailedNode is a node that an extender turns down.
type FailedNode struct {
	Node    *NodeInfo
	Message string
	// Unresolvable says that preemption would not help.
	Unresolvable bool
}

// HostPriority is an extender's score of a node.
type HostPriority struct {
	Host  string
	Score int64
}
