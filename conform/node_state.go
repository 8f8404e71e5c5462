package conform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// object is the name that a line's object has in a comparison, such as "Pod/p1".
func (l *NodeLine) object() string {
	if l.Object != "" {
		return l.Object
	}
	return l.Kind + "/" + l.Name
}

// Words are what two states of a pod or a node are compared by. Amounts of memory and disk depend on
// the machine.
func (l *NodeLine) Words() string {
	if l.Kind == "Node" {
		return l.nodeWords()
	}
	head := strings.TrimSpace(l.Type + " " + l.Phase + " " + l.Reason)
	if l.Node != "" {
		head += " on " + l.Node
	}
	if l.Ready {
		head += " ready"
	}
	if l.Grace != nil {
		head += fmt.Sprintf(" deleting(%d)", *l.Grace)
	}
	parts := []string{head}
	for _, c := range []struct{ name, is string }{{"PodScheduled", l.PodScheduled}, {"DisruptionTarget", l.DisruptionTarget},
		{"PodResizePending", l.ResizePending}, {"PodResizeInProgress", l.ResizeInProgress}} {
		if c.is != "" {
			parts = append(parts, c.name+"="+condition(c.is))
		}
	}
	for i := range l.Containers {
		parts = append(parts, l.Containers[i].words())
	}
	return strings.Join(parts, separator)
}

func (c *NodeContainer) words() string {
	w := c.Container.words()
	if c.Resources != nil {
		w += amounts(" requests", c.Resources.Requests) + amounts(" limits", c.Resources.Limits)
	}
	return w + amounts(" allocated", c.AllocatedResources)
}

// amounts writes a list of resources in the order of their names.
func amounts(what string, list v1.ResourceList) string {
	var out []string
	for name, q := range list {
		out = append(out, fmt.Sprintf("%s=%s", name, canonical(q)))
	}
	if len(out) == 0 {
		return ""
	}
	slices.Sort(out)
	return what + "(" + strings.Join(out, ",") + ")"
}

// canonical writes equal amounts alike.
func canonical(q resource.Quantity) string {
	if milli := q.MilliValue(); milli%1000 != 0 {
		return resource.NewMilliQuantity(milli, resource.DecimalSI).String()
	}
	return fmt.Sprint(q.Value())
}

func (l *NodeLine) nodeWords() string {
	head := l.Kind
	if l.Type == "DELETED" {
		head = l.Type
	}
	if l.Unschedulable {
		head += " unschedulable"
	}
	parts := []string{head}
	for _, name := range []string{"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"} {
		parts = append(parts, name+"="+condition(l.Conditions[name]))
	}
	for _, t := range slices.Sorted(slices.Values(l.Taints)) {
		parts = append(parts, "taint "+t)
	}
	pods := l.Allocatable[v1.ResourcePods]
	parts = append(parts, fmt.Sprintf("%d pods", pods.Value()))
	for _, name := range slices.Sorted(slices.Values(l.Images)) {
		parts = append(parts, "image "+name)
	}
	return strings.Join(parts, separator)
}

// mask takes a part out of a message.
type mask struct {
	what *regexp.Regexp
	with string
}

// machineMasks take out of a message what depends on the machine: its memory and disk.
var machineMasks = []mask{
	{regexp.MustCompile(`available: \d+[KMG]?i?\b`), "available: SIZE"},
	{regexp.MustCompile(`was using \d+[KMG]?i?\b`), "was using SIZE"},
	{regexp.MustCompile(`usage \(\d+\)`), "usage (SIZE)"},
	{regexp.MustCompile(`\(\d+% of [0-9.]+ .iB used\)`), "(SIZE used)"},
	{regexp.MustCompile(`\bfreed \d+ bytes`), "freed SIZE bytes"},
}

// clusterMasks take out how many other nodes the cluster has, which the pods do not match.
var clusterMasks = []mask{
	{regexp.MustCompile(`\b0/\d+ nodes`), "0/N nodes"},
	{regexp.MustCompile(`(: |, )\d+ node\(s\) didn't match Pod's node affinity/selector`), "$1"},
	{regexp.MustCompile(`(: |, )\d+ Preemption is not helpful for scheduling`), "$1"},
	{regexp.MustCompile(`: , `), ": "},
	{regexp.MustCompile(`, +\.`), "."},
	{regexp.MustCompile(`: \.`), ": none."},
}

// nodeEvent is what an Event of a recording of a node is compared by. life counts the kubelets that
// the node has had: each counts its Events anew.
func nodeEvent(l *NodeLine, life int) event {
	e := event{l.EventType + " " + l.Event, l.Field, masked(l.Message, machineMasks, clusterMasks, masks)}
	if life > 1 && l.From == "kubelet" {
		e.kind += fmt.Sprintf(" of kubelet %d", life)
	}
	return e
}

// uncompared are the Events that are not caused by what is replayed: what kind of cgroups the machine
// has, and a controller manager that began anew.
var uncompared = []string{"CgroupV1", "RegisteredNode"}

// anyTime is an Event whose place in the order is chance: a goroutine of the kubelet writes it when its
// first try succeeds, or a minute later (cm/node_container_manager_linux.go).
const anyTime = "NodeAllocatableEnforced"
