package runtimetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/sim"
)

// Node is what a case runs on.
type Node struct {
	// Cluster has not begun.
	Cluster *sim.Cluster
	// Begin begins it; Run lets time pass until the moment is there or done says that it is enough, which
	// it asks after each event.
	Begin func()
	Run   func(until model.Time, done func() bool)
	// MissesOOM says that the runtime may show the end of a container whose process the kernel killed for
	// want of memory as if it had ended by itself: containerd before 2 loses that now and then in a race of
	// its events.
	MissesOOM bool
	// KillsOne says that the kernel kills one process alone for want of memory, as it does with cgroup v1.
	KillsOne bool
}

// patience is how long a call may take, and quiet how long nothing more may come at the end of a case.
const (
	patience = 30 * model.Second
	quiet    = 100 * model.Millisecond
)

// Run runs all cases, each on a node of its own that newNode makes.
func Run(t *testing.T, newNode func(*testing.T, *model.Scenario) Node) {
	for i := range Cases {
		c := &Cases[i]
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := &run{t: t, c: c, Node: newNode(t, c.scenario())}
			if c.Together && r.KillsOne {
				t.Skip("the kernel kills one process alone, as it does with cgroup v1")
			}
			r.begin()
			for j := range c.Calls {
				r.call(&c.Calls[j])
			}
			r.wait(quiet)
		})
	}
}

// run is a case under way.
type run struct {
	Node
	t    *testing.T
	c    *Case
	pods map[string]model.PodID
	// heard are the answers that nobody has waited for yet.
	heard []heard
}

// heard is an answer of the runtime about a pod.
type heard struct {
	pod model.PodID
	Answer
	at model.Time
}

// begin waits until the node's kubelet has all pods.
func (r *run) begin() {
	r.pods = map[string]model.PodID{}
	r.Cluster.Listen(func(id model.PodID, e *kubelet.Event) bool {
		s := r.Cluster.State()
		switch {
		case e.Kind == kubelet.Configured:
			r.pods[s.Pods[id].Name] = id
		case r.c.Driven && e.Kind == r.c.Only || !r.c.Driven && answers[e.Kind]:
			r.heard = append(r.heard, heard{id, answerOf(s, id, e), r.Cluster.Now()})
		}
		return !r.c.Driven
	})
	r.Begin()
	r.Node.Run(patience, func() bool { return len(r.pods) == r.c.pods() })
	require.Len(r.t, r.pods, r.c.pods(), "the kubelet has not got all pods")
}

// answers are the events that come from the runtime.
var answers = map[kubelet.EventKind]bool{kubelet.SandboxStarted: true, kubelet.SandboxStopped: true, kubelet.ImageStatus: true,
	kubelet.ImagePulled: true, kubelet.ContainerCreated: true, kubelet.ContainerStarted: true, kubelet.ContainerStopped: true,
	kubelet.ContainerRemoved: true, kubelet.ContainerDiscarded: true, kubelet.Resized: true, kubelet.ContainerExited: true,
	kubelet.HookDone: true, kubelet.Probed: true}

// call makes a call and compares its answers.
func (r *run) call(c *Call) {
	if c.After > 0 {
		r.wait(c.After)
	}
	id := r.pods[podName(c.Pod)]
	asked := r.Cluster.Now()
	if c.Ask != nil {
		r.Cluster.Ask(id, *c.Ask)
	}
	rest := slices.Clone(c.Want)
	for n := 1; len(rest) > 0; n++ {
		r.Node.Run(asked+patience, func() bool { return len(r.heard) > 0 })
		require.NotEmpty(r.t, r.heard, "%v: no answer %d: want %v", c, n, rest[0])
		got := r.heard[0]
		r.heard = r.heard[1:]
		at := 0
		if c.AnyOrder {
			at = max(0, slices.IndexFunc(rest, got.is))
		}
		if r.MissesOOM && rest[at].Reason == oomKilled && got.Reason != oomKilled {
			rest[at].Reason = reasonOf(rest[at].Exit)
		}
		require.True(r.t, got.pod == id && got.is(rest[at]), "%v: answer %d:\n got %v (pod %d)\nwant %v (pod %d)", c, n, got.Answer, got.pod, rest[at], id)
		rest = slices.Delete(rest, at, at+1)
		if len(rest) == 0 {
			r.inTime(c, got.at-asked)
		}
	}
}

const oomKilled = "OOMKilled"

// reasonOf is the reason that follows from an exit code.
func reasonOf(exit int64) string {
	if exit == 0 {
		return "Completed"
	}
	return "Error"
}

// inTime compares how long the last answer of a call took.
func (r *run) inTime(c *Call, took model.Time) {
	require.GreaterOrEqual(r.t, took, c.AtLeast, "%v: the last answer came too early", c)
	if c.AtMost > 0 {
		require.LessOrEqual(r.t, took, c.AtMost, "%v: the last answer came too late", c)
	}
}

// wait lets time pass in which nothing may come.
func (r *run) wait(d model.Time) {
	r.Node.Run(r.Cluster.Now()+d, func() bool { return len(r.heard) > 0 })
	for _, h := range r.heard {
		r.t.Fatalf("nobody waits for %v", h.Answer)
	}
}

func (c *Case) pods() int { return max(1, c.Pods) }

func podName(i int) string { return fmt.Sprintf("p%d", i) }

// scenario is what the case says, on one node.
func (c *Case) scenario() *model.Scenario {
	containers := c.Containers
	if len(containers) == 0 {
		containers = []model.Behavior{forever}
	}
	room := v1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("2Gi"), "pods": resource.MustParse("110")}
	sc := &model.Scenario{Name: c.Name, Seed: 1, Duration: model.Hour, Start: time.Unix(1767600000, 0).UTC(),
		ControlPlane: model.DefaultControlPlane(), Latencies: model.DefaultLatencies(),
		Nodes:  []model.NodeSpec{{Name: "n", Object: &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}}},
		Images: []model.ImageSpec{{Name: image, Size: 64 << 10}}}
	for i := range containers {
		b := containers[i]
		b.Container = containerName(i)
		sc.Behaviors = append(sc.Behaviors, b)
	}
	var first model.Step
	for i := range c.pods() {
		p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: podName(i), Namespace: "default"}, Spec: v1.PodSpec{NodeName: "n"}}
		none := false
		p.Spec.AutomountServiceAccountToken = &none
		for j := range containers {
			p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: containerName(j), Image: image})
		}
		if c.Pod != nil {
			c.Pod(p)
		}
		model.DefaultPod(p)
		first.Objects = append(first.Objects, model.Object{Object: p})
	}
	sc.Steps = []model.Step{first}
	if c.Scenario != nil {
		c.Scenario(sc)
	}
	return sc
}

// image is the image of all containers where a case has no other.
const image = "app:1"

func containerName(i int) string { return fmt.Sprintf("c%d", i) }
