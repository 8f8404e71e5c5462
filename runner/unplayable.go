package runner

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/workload"
)

// Check refuses a scenario with a step that has no meaning on a real node: all nodes of a scenario are
// played on this machine, which is not switched off. The error is the user's: where, what is wrong and what
// would be right.
func Check(sc *model.Scenario) error {
	for i := range sc.Steps {
		s := &sc.Steps[i]
		switch {
		case s.Verb == model.StepFail && s.Failure == model.FailCrash:
			return fmt.Errorf("%v: a node cannot crash on a real node, which this machine is: want mode: network or kubelet, or run it in the simulation", s.Where)
		case s.Verb == model.StepShutdown && !holdsShutdownUp(sc, s.Name):
			return fmt.Errorf("%v: a shutdown that the kubelet does not hold up is a crash, which cannot be on a real node: "+
				"want shutdownGracePeriod in the KubeletConfiguration of %s, or run it in the simulation", s.Where, s.Name)
		}
	}
	return nil
}

// CheckPulls refuses a scenario that says how long a pull may get nothing on a private node whose containerd has another
// timeout. What another containerd has is not known.
func CheckPulls(sc *model.Scenario, endpoint string) error {
	n, err := ReadNode(filepath.Dir(strings.TrimPrefix(endpoint, "unix://")))
	want := time.Duration(sc.PullProgressTimeout)
	if err != nil || want == 0 || n.PullProgressTimeout == want && n.majorVersion() >= 2 {
		return nil
	}
	return fmt.Errorf(errPullTimeout, want, endpoint, want)
}

// holdsShutdownUp says that a node's kubelet ends its pods before the node goes off.
func holdsShutdownUp(sc *model.Scenario, node string) bool {
	for i := range sc.Nodes {
		if n := &sc.Nodes[i]; n.Name == node && n.Kubelet != nil {
			return len(kubelet.ShutdownPeriods(n.Kubelet)) > 0
		}
	}
	return false
}

// Unplayable lists what of a scenario a real node does not play, or in another way, a line each. The
// simulation of the control plane and of the kubelets goes on as ever, so most of it still counts for
// scheduling, for evictions and for what is recorded.
func Unplayable(sc *model.Scenario) []string { return unplayable(sc, cgroupV2()) }

// unplayable is the same for a node of one version of cgroups.
func unplayable(sc *model.Scenario, v2 bool) []string {
	u := unplayed{sc: sc, v2: v2}
	u.nodes()
	u.images()
	u.behaviors()
	u.objects()
	u.steps()
	return u.lines
}

// unplayed collects the lines.
type unplayed struct {
	sc *model.Scenario
	// v2 says that the node has cgroup v2 only.
	v2    bool
	lines []string
}

// add adds a line once.
func (u *unplayed) add(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(u.lines, line) {
		u.lines = append(u.lines, line)
	}
}

func (u *unplayed) nodes() {
	for i := range u.sc.Nodes {
		n := &u.sc.Nodes[i]
		if n.NodeFilesystem != nil || n.ImageFilesystem != nil {
			u.add("file systems of nodes: they count for evictions and image garbage collection; this machine has its own")
		}
		if n.Processes.Max > 0 {
			u.add("processes of nodes: they count for evictions; this machine has its own limit")
		}
	}
	u.outOfMemory()
	for i := range u.sc.Storage {
		if len(u.sc.Storage[i].Failures) > 0 {
			u.add("failures of storage drivers (%v): they are simulated", u.sc.Storage[i].Where)
		}
	}
}

func (u *unplayed) images() {
	for i := range u.sc.Images {
		for _, l := range u.sc.Images[i].Layers {
			if l.Unpacked > l.Size {
				u.add("unpacked sizes of layers: a layer takes no more on the disk of this machine than it transfers")
			}
		}
	}
}

// outOfMemory looks for children that are out of memory and take their containers with them: with cgroup v1 the kernel
// kills one process alone, and a kubelet does not start if it is told otherwise (validation_linux.go).
func (u *unplayed) outOfMemory() {
	if u.v2 || !slices.ContainsFunc(u.sc.Behaviors, func(b model.Behavior) bool { return b.MemoryChild }) {
		return
	}
	for i := range u.sc.Nodes {
		if c := u.sc.Nodes[i].Kubelet; c == nil || c.SingleProcessOOMKill == nil || !*c.SingleProcessOOMKill {
			u.add("memory.child: under cgroup v1 the kernel kills the child alone, as with singleProcessOOMKill: true")
		}
	}
}

func (u *unplayed) behaviors() {
	for i := range u.sc.Behaviors {
		b := &u.sc.Behaviors[i]
		if b.UsesMemory() {
			u.add("memory of nodes: what their containers are measured to use of it counts for evictions; the kernel knows the limits of containers, of pods and of all pods of a node, and the memory of this machine")
		}
		if b.Run.MilliCPUs > 0 {
			u.add("CPUs of nodes: the containers of all nodes share those of this machine")
		}
		if w := b.MemoryWalk; w != nil && u.sc.Duration/w.Period > workload.MostPoints {
			u.add("memory.walk (%v): not each of its steps, but %d in a run", b.Where, workload.MostPoints)
		}
		for _, p := range b.Disk {
			if p.Use > workload.MostBytes || p.Inodes > workload.MostInodes {
				u.add("disk: up to %d MiB of a file or log and %d files are really written; what a file, a log or a writable layer lacks of what the scenario says counts all the same", workload.MostBytes>>20, workload.MostInodes)
			}
		}
		for _, p := range b.Processes {
			if p.Count > workload.MostProcesses {
				u.add("processes (%v): more than %d of a container", b.Where, workload.MostProcesses)
			}
		}
	}
}

// What more than one kind of object leads to.
const (
	driverVolumes = "volumes of drivers: they are provisioned, attached and mounted in the simulation; a container sees an empty folder"
	devices       = "devices: they are allocated; a container sees none"
)

// objects looks at what manifests ask for.
func (u *unplayed) objects() {
	for i := range u.sc.Steps {
		for _, o := range u.sc.Steps[i].Objects {
			switch o.Object.(type) {
			case *v1.PersistentVolume, *v1.PersistentVolumeClaim:
				u.add(driverVolumes)
			case *resourcev1.ResourceClaim, *resourcev1.ResourceClaimTemplate, *resourcev1.ResourceSlice:
				u.add(devices)
			}
			if spec := podSpec(o.Object); spec != nil {
				u.pod(spec)
			}
		}
	}
}

// podSpec is that of a pod or of a workload's pods, nil where there is none.
func podSpec(o any) *v1.PodSpec {
	switch o := o.(type) {
	case *v1.Pod:
		return &o.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *appsv1.ReplicaSet:
		return &o.Spec.Template.Spec
	}
	return nil
}

func (u *unplayed) pod(spec *v1.PodSpec) {
	for i := range spec.Volumes {
		v := &spec.Volumes[i]
		if v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			u.add(driverVolumes)
		}
	}
	if len(spec.ResourceClaims) > 0 {
		u.add(devices)
	}
}

func (u *unplayed) steps() {
	for i := range u.sc.Steps {
		s := &u.sc.Steps[i]
		switch {
		case s.Verb == model.StepFail && s.Failure == model.FailNetwork:
			u.add("fail (%v): the node is cut off from the control plane, not from the other pods", s.Where)
		case s.Verb == model.StepShutdown:
			u.add("shutdown (%v): the pods end; the machine stays on", s.Where)
		}
	}
}
