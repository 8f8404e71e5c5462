package model

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// spec gives a specification with the containers named: "name" in the first list is an init
// container, "name+" a sidecar.
func spec(init []string, containers ...string) *v1.PodSpec {
	s := &v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}
	for _, name := range init {
		c := v1.Container{Name: name, Image: "i:1"}
		if n := len(name) - 1; name[n] == '+' {
			always := v1.ContainerRestartPolicyAlways
			c.Name, c.RestartPolicy = name[:n], &always
		}
		s.InitContainers = append(s.InitContainers, c)
	}
	for _, name := range containers {
		s.Containers = append(s.Containers, v1.Container{Name: name, Image: "i:1"})
	}
	return s
}

func waiting(reason Text) ContainerStatus {
	return ContainerStatus{State: ContainerState{Kind: StateWaiting, Reason: reason}}
}

func running(ready bool) ContainerStatus {
	return ContainerStatus{State: ContainerState{Kind: StateRunning, ContainerID: 1}, Ready: ready, Started: true, ContainerID: 1}
}

func terminated(code, signal int32, reason Text) ContainerStatus {
	return ContainerStatus{State: ContainerState{Kind: StateTerminated, ExitCode: code, Signal: signal, Reason: reason, ContainerID: 1}, ContainerID: 1}
}

// restarted is a container whose last instance ended with the code at 10s.
func restarted(c ContainerStatus, n, code int32) ContainerStatus {
	c.Restarts = n
	c.Last = ContainerState{Kind: StateTerminated, ExitCode: code, Reason: ReasonError, FinishedAt: 10 * Second, ContainerID: 1}
	return c
}

func list(c ...ContainerStatus) []ContainerStatus { return c }

func TestPodColumns(t *testing.T) {
	one, two := spec(nil, "app"), spec(nil, "app", "log")
	init, init2 := spec([]string{"a"}, "app"), spec([]string{"a", "b"}, "app")
	sidecar := spec([]string{"proxy+", "a"}, "app")
	through := terminated(0, 0, ReasonCompleted)
	creating, initializing := waiting(ReasonContainerCreating), waiting(ReasonPodInitializing)
	gated := func(p *Pod) {
		p.Status.Conditions[PodScheduled] = Condition{Status: ConditionFalse, Reason: ReasonSchedulingGated}
	}
	deleting := func(p *Pod) { p.Deleting = true }
	phase := func(ph Phase) func(*Pod) { return func(p *Pod) { p.Status.Phase = ph } }
	reason := func(ph Phase, r Text) func(*Pod) {
		return func(p *Pod) { p.Status.Phase, p.Status.Reason = ph, r }
	}
	condition := func(c ConditionType, s ConditionStatus) func(*Pod) {
		return func(p *Pod) { p.Status.Conditions[c].Status = s }
	}
	for _, c := range []struct {
		spec       *v1.PodSpec
		containers []ContainerStatus
		facts      []func(*Pod)
		ready      string
		status     string
		restarts   string
	}{
		{one, nil, nil, "0/1", "Pending", "0"},
		{one, nil, []func(*Pod){gated}, "0/1", "SchedulingGated", "0"},
		{one, nil, []func(*Pod){phase(PodUnknown)}, "0/1", "Unknown", "0"},
		{one, list(creating), nil, "0/1", "ContainerCreating", "0"},
		{one, list(running(true)), []func(*Pod){phase(PodRunning)}, "1/1", "Running", "0"},
		{one, list(running(false)), []func(*Pod){phase(PodRunning)}, "0/1", "Running", "0"},
		{one, list(restarted(running(true), 3, 1)), []func(*Pod){phase(PodRunning)}, "1/1", "Running", "3 (50s ago)"},
		{one, list(restarted(waiting(ReasonCrashLoopBackOff), 1, 1)), []func(*Pod){phase(PodRunning)}, "0/1", "CrashLoopBackOff", "1 (50s ago)"},
		{one, list(through), []func(*Pod){phase(PodSucceeded)}, "0/1", "Completed", "0"},
		{one, list(terminated(1, 0, ReasonError)), []func(*Pod){phase(PodFailed)}, "0/1", "Error", "0"},
		{one, list(terminated(137, 0, ReasonOOMKilled)), []func(*Pod){phase(PodRunning)}, "0/1", "OOMKilled", "0"},
		{one, list(terminated(137, 0, ReasonContainerStatusUnknown)), []func(*Pod){phase(PodFailed)}, "0/1", "ContainerStatusUnknown", "0"},
		{one, list(terminated(3, 0, NoText)), []func(*Pod){phase(PodRunning)}, "0/1", "ExitCode:3", "0"},
		{one, list(terminated(137, 9, NoText)), []func(*Pod){phase(PodRunning)}, "0/1", "Signal:9", "0"},
		{one, list(waiting(ReasonErrImagePull)), nil, "0/1", "ErrImagePull", "0"},
		{one, list(waiting(ReasonImagePullBackOff)), nil, "0/1", "ImagePullBackOff", "0"},
		{one, list(waiting(ReasonInvalidImageName)), nil, "0/1", "InvalidImageName", "0"},
		{one, list(waiting(ReasonErrImageNeverPull)), nil, "0/1", "ErrImageNeverPull", "0"},
		{one, list(waiting(ReasonCreateContainerConfigError)), nil, "0/1", "CreateContainerConfigError", "0"},
		{one, list(waiting(ReasonRunContainerError)), nil, "0/1", "RunContainerError", "0"},
		// A waiting container without a reason leaves the phase.
		{one, list(waiting(NoText)), nil, "0/1", "Pending", "0"},

		// The pod's own reason, and a container that overrules it.
		{one, nil, []func(*Pod){reason(PodFailed, ReasonEvicted)}, "0/1", "Evicted", "0"},
		{one, list(terminated(137, 0, ReasonError)), []func(*Pod){reason(PodFailed, ReasonEvicted)}, "0/1", "Error", "0"},
		{one, list(running(true)), []func(*Pod){reason(PodRunning, ReasonNodeLost)}, "1/1", "NodeLost", "0"},
		{one, list(running(true)), []func(*Pod){reason(PodRunning, ReasonNodeLost), deleting}, "1/1", "Unknown", "0"},

		// Deletion shows unless the pod is through.
		{one, nil, []func(*Pod){deleting}, "0/1", "Terminating", "0"},
		{one, list(running(true)), []func(*Pod){phase(PodRunning), deleting}, "1/1", "Terminating", "0"},
		{one, list(through), []func(*Pod){phase(PodSucceeded), deleting}, "0/1", "Completed", "0"},
		{one, list(terminated(1, 0, ReasonError)), []func(*Pod){phase(PodFailed), deleting}, "0/1", "Error", "0"},

		// Several containers: the first one counts, unless it is completed and others run.
		{two, list(waiting(ReasonCrashLoopBackOff), running(true)), []func(*Pod){phase(PodRunning)}, "1/2", "CrashLoopBackOff", "0"},
		{two, list(terminated(1, 0, ReasonError), waiting(ReasonErrImagePull)), nil, "0/2", "Error", "0"},
		{two, list(through, running(true)), []func(*Pod){phase(PodRunning), condition(PodReady, ConditionTrue)}, "1/2", "Running", "0"},
		{two, list(through, running(true)), []func(*Pod){phase(PodRunning)}, "1/2", "NotReady", "0"},
		{two, list(running(true), through), []func(*Pod){phase(PodRunning)}, "1/2", "NotReady", "0"},
		{two, list(through, terminated(1, 0, ReasonError)), []func(*Pod){phase(PodFailed)}, "0/2", "Error", "0"},
		{two, list(through, terminated(2, 0, NoText)), []func(*Pod){phase(PodFailed)}, "0/2", "ExitCode:2", "0"},
		{two, list(running(true), terminated(1, 0, ReasonError)), []func(*Pod){phase(PodRunning)}, "1/2", "Error", "0"},
		{two, list(restarted(running(true), 1, 1), restarted(running(true), 2, 1)), []func(*Pod){phase(PodRunning)}, "2/2", "Running", "3 (50s ago)"},

		// Init containers: the first that is not through counts.
		{init2, list(initializing, initializing, initializing), nil, "0/1", "Init:0/2", "0"},
		{init2, list(running(false), initializing, initializing), nil, "0/1", "Init:0/2", "0"},
		{init2, list(through, initializing, initializing), nil, "0/1", "Init:1/2", "0"},
		{init2, list(through, through, initializing), nil, "0/1", "PodInitializing", "0"},
		{init, list(terminated(1, 0, ReasonError), initializing), nil, "0/1", "Init:Error", "0"},
		{init, list(restarted(waiting(ReasonCrashLoopBackOff), 2, 1), initializing), nil, "0/1", "Init:CrashLoopBackOff", "2 (50s ago)"},
		{init, list(waiting(ReasonImagePullBackOff), initializing), nil, "0/1", "Init:ImagePullBackOff", "0"},
		{init, list(terminated(137, 0, ReasonOOMKilled), initializing), nil, "0/1", "Init:OOMKilled", "0"},
		{init, list(terminated(4, 0, NoText), initializing), nil, "0/1", "Init:ExitCode:4", "0"},
		{init, list(terminated(143, 15, NoText), initializing), nil, "0/1", "Init:Signal:15", "0"},
		// Restarts of init containers are forgotten once the pod is initialized.
		{init, list(restarted(through, 4, 1), running(true)), []func(*Pod){phase(PodRunning)}, "1/1", "Running", "0"},

		// Sidecars count as containers, in READY and in RESTARTS.
		{sidecar, list(initializing, initializing, initializing), nil, "0/2", "Init:0/2", "0"},
		{sidecar, list(running(true), initializing, initializing), nil, "1/2", "Init:1/2", "0"},
		{sidecar, list(running(true), through, creating), nil, "1/2", "ContainerCreating", "0"},
		{sidecar, list(restarted(running(true), 2, 1), restarted(through, 5, 1), running(true)), []func(*Pod){phase(PodRunning)}, "2/2", "Running", "2 (50s ago)"},
		{sidecar, list(waiting(ReasonCrashLoopBackOff), through, running(true)),
			[]func(*Pod){phase(PodRunning), condition(PodInitialized, ConditionTrue)}, "1/2", "Init:CrashLoopBackOff", "0"},
	} {
		s := &State{Start: testStart}
		p := &Pod{Name: "web", Template: s.Compile("default", nil, nil, c.spec)}
		p.Status.Containers = c.containers
		for _, f := range c.facts {
			f(p)
		}
		got := s.PodColumns(p, Minute)
		name := fmt.Sprintf("%s %s %s", c.ready, c.status, c.restarts)
		assert.Equal(t, name, fmt.Sprintf("%s %s %s", got.Ready, got.Status, got.Restarts))
		assert.Equal(t, c.status, s.StatusWord(p))
		assert.Equal(t, twinColumns(apiPod(s, p), apiTime(Minute).Time), twinRow{got.Ready, got.Status, got.Restarts}, "%s: upstream", name)
	}
}

// A container that ended in the first second of the run ended at a moment that is known,
// though its time is zero.
func TestRestartsColumn(t *testing.T) {
	s := &State{}
	p := &Pod{Template: s.Compile("default", nil, nil, spec(nil, "app"))}
	p.Status.Containers = list(restarted(running(true), 1, 1))
	p.Status.Containers[0].Last.FinishedAt = 0
	assert.Equal(t, "1 (5s ago)", s.PodColumns(p, 5*Second).Restarts)
	assert.Equal(t, Summary{Ready: 1, Containers: 1, Status: "Pending", Restarts: 1}, s.Summary(p))

	p.Status.Containers[0].Last.ContainerID = 0
	assert.Equal(t, "1", s.PodColumns(p, 5*Second).Restarts, "a container that could not be located ended nobody knows when")
	assert.Equal(t, Never, s.Summary(p).LastRestart)
}

func TestPodColumnsWide(t *testing.T) {
	s := &State{Nodes: []Node{{}, {ID: 1, Name: "worker-0"}, {ID: 2, Name: "worker-1"}}}
	gates := spec(nil, "app")
	gates.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "a"}, {ConditionType: "b"}}
	p := &Pod{Name: "web", Serial: 3, Template: s.Compile("default", nil, nil, gates), Created: 1500 * Millisecond}
	got := s.PodColumns(p, 90*Second)
	assert.Equal(t, Columns{"web", "0/1", "Pending", "0", "89s", "<none>", "<none>", "<none>", "0/2"}, got)

	p.Node, p.Nominated, p.Status.HasIP = 1, 2, true
	p.Status.Gates = []Condition{{Status: ConditionTrue}, {Status: ConditionFalse}}
	got = s.PodColumns(p, 3*Hour)
	assert.Equal(t, Columns{"web", "0/1", "Pending", "0", "179m", "10.64.1.5", "worker-0", "worker-1", "1/2"}, got)

	host := spec(nil, "app")
	host.HostNetwork = true
	p.Template = s.Compile("default", nil, nil, host)
	got = s.PodColumns(p, 3*Hour)
	assert.Equal(t, "172.16.0.1 <none>", got.IP+" "+got.ReadinessGates)
}

// The usual words cost no memory: they are asked for at every change of every pod.
func TestStatusWordAllocatesNothing(t *testing.T) {
	s := &State{}
	one, init := s.Compile("default", nil, nil, spec(nil, "app")), s.Compile("default", nil, nil, spec([]string{"a", "b"}, "app"))
	for _, c := range []struct {
		template   *PodTemplate
		containers []ContainerStatus
		word       string
	}{
		{one, nil, "Pending"},
		{one, list(waiting(ReasonContainerCreating)), "ContainerCreating"},
		{one, list(waiting(ReasonCrashLoopBackOff)), "CrashLoopBackOff"},
		{one, list(terminated(0, 0, ReasonCompleted)), "Completed"},
		{init, list(running(false), waiting(ReasonPodInitializing), waiting(ReasonPodInitializing)), "Init:0/2"},
		{init, list(waiting(ReasonCrashLoopBackOff), waiting(ReasonPodInitializing), waiting(ReasonPodInitializing)), "Init:CrashLoopBackOff"},
	} {
		p := &Pod{Template: c.template}
		p.Status.Containers = c.containers
		require.Equal(t, c.word, s.StatusWord(p))
		assert.Zero(t, testing.AllocsPerRun(100, func() { s.StatusWord(p) }), c.word)
	}
}

func TestPodColumnsTwin(t *testing.T) {
	r := luck(t)
	words := map[string]int{}
	for range 30_000 {
		s := &State{Start: testStart}
		p := randomPod(r, s)
		now := Hour + Time(r.Int64N(int64(Hour)))
		c := s.PodColumns(p, now)
		got, want := twinRow{c.Ready, c.Status, c.Restarts}, twinColumns(apiPod(s, p), apiTime(now).Time)
		require.Equal(t, want, got, "%+v", p.Status)
		require.Equal(t, c.Status, s.StatusWord(p))
		words[c.Status]++
	}
	for _, w := range []string{"Running", "Completed", "NotReady", "Error", "Terminating", "Unknown", "SchedulingGated", "ExitCode:1", "Signal:9",
		"Init:0/1", "Init:1/3", "Init:ExitCode:42", "Init:Signal:9", "Init:Odd", "Odd", "NodeLost"} {
		assert.Positive(t, words[w], "no random pod was %s", w)
	}
}

// twinRow is what the twin and the model are compared by.
type twinRow struct{ ready, status, restarts string }

// twin is printPod of pkg/printers/internalversion/printers.go in plain words, over the API's
// own object.
type twin struct {
	pod      *v1.Pod
	word     string
	ready    int
	restarts int
	// seen is the number of init containers up to the first that is not through.
	seen int
	// last is when the last of the counted restarts' containers ended.
	last time.Time
}

func twinColumns(pod *v1.Pod, now time.Time) twinRow {
	w := &twin{pod: pod, word: string(pod.Status.Phase)}
	if pod.Status.Reason != "" {
		w.word = pod.Status.Reason
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == v1.PodScheduled && c.Reason == "SchedulingGated" {
			w.word = "SchedulingGated"
		}
	}
	initialized := w.initialize()
	if initialized || w.condition(v1.PodInitialized) {
		w.run()
	}
	over := pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
	if pod.DeletionTimestamp != nil && pod.Status.Reason == "NodeLost" {
		w.word = "Unknown"
	} else if pod.DeletionTimestamp != nil && !over {
		w.word = "Terminating"
	}
	total := len(pod.Spec.Containers)
	for i := range pod.Spec.InitContainers {
		if w.isSidecar(pod.Spec.InitContainers[i].Name) {
			total++
		}
	}
	row := twinRow{fmt.Sprintf("%d/%d", w.ready, total), w.word, strconv.Itoa(w.restarts)}
	if w.restarts > 0 && !w.last.IsZero() {
		row.restarts += " (" + duration.HumanDuration(now.Sub(w.last)) + " ago)"
	}
	return row
}

func (w *twin) condition(name v1.PodConditionType) bool {
	for _, c := range w.pod.Status.Conditions {
		if c.Type == name {
			return c.Status == v1.ConditionTrue
		}
	}
	return false
}

func (w *twin) isSidecar(name string) bool {
	for _, c := range w.pod.Spec.InitContainers {
		if c.Name == name {
			return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
		}
	}
	return false
}

func (w *twin) count(s v1.ContainerStatus) {
	w.restarts += int(s.RestartCount)
	if end := s.LastTerminationState.Terminated; end != nil && end.FinishedAt.After(w.last) {
		w.last = end.FinishedAt.Time
	}
}

// initialize looks for the init container that the pod waits for.
func (w *twin) initialize() (done bool) {
	for i, s := range w.pod.Status.InitContainerStatuses {
		w.count(s)
		w.seen = i + 1
		end, wait := s.State.Terminated, s.State.Waiting
		if end != nil && end.ExitCode == 0 {
			continue
		}
		if w.isSidecar(s.Name) && s.Started != nil && *s.Started {
			if s.Ready {
				w.ready++
			}
			continue
		}
		if end != nil {
			w.word = "Init:" + twinEnd(end)
		} else if wait != nil && wait.Reason != "" && wait.Reason != "PodInitializing" {
			w.word = "Init:" + wait.Reason
		} else {
			w.word = fmt.Sprintf("Init:%d/%d", i, len(w.pod.Spec.InitContainers))
		}
		return false
	}
	return true
}

func twinEnd(end *v1.ContainerStateTerminated) string {
	if end.Reason != "" {
		return end.Reason
	}
	if end.Signal != 0 {
		return fmt.Sprintf("Signal:%d", end.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", end.ExitCode)
}

// run takes the word from the containers, from the last to the first.
func (w *twin) run() {
	w.restarts, w.last = 0, time.Time{}
	for _, s := range w.pod.Status.InitContainerStatuses[:w.seen] {
		if w.isSidecar(s.Name) {
			w.count(s)
		}
	}
	anyRuns, failure := false, ""
	for i := len(w.pod.Status.ContainerStatuses); i > 0; i-- {
		s := w.pod.Status.ContainerStatuses[i-1]
		w.count(s)
		if wait := s.State.Waiting; wait != nil && wait.Reason != "" {
			w.word = wait.Reason
		} else if end := s.State.Terminated; end != nil {
			w.word = twinEnd(end)
			if end.ExitCode != 0 {
				failure = w.word
			}
		} else if s.State.Running != nil && s.Ready {
			anyRuns = true
			w.ready++
		}
	}
	if w.word != "Completed" {
		return
	}
	isReady := false
	for _, c := range w.pod.Status.Conditions {
		isReady = isReady || c.Type == v1.PodReady && c.Status == v1.ConditionTrue
	}
	if anyRuns && isReady {
		w.word = "Running"
	} else if failure != "" {
		w.word = failure
	} else if anyRuns {
		w.word = "NotReady"
	}
}
