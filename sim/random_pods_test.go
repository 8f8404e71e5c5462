package sim_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"podsim/model"
	"podsim/sim"
)

var (
	randomPods = flag.Int64("random-pods", 5000, "the number of random pods, each with a seed of its own")
	tell       = flag.Bool("random-pods-tell", false, "print every event")
	podSeed    = flag.Int64("random-pods-seed", 1, "the seed of the first random pod")
)

// TestRandomPods runs random pods, each on a small cluster of its own, some with neighbours, and
// looks after every event for what must never be: Check knows what a moment must be like, a
// watcher what may follow on what.
//
// To run one seed alone: go test ./sim -run TestRandomPods -random-pods 1 -random-pods-seed N
func TestRandomPods(t *testing.T) {
	const shards = 8
	t.Logf("seeds %d to %d", *podSeed, *podSeed+*randomPods-1)
	seen, lock := &seenWords{}, sync.Mutex{}
	t.Run("shards", func(t *testing.T) {
		for shard := range int64(shards) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				mine := &seenWords{}
				for n := shard; n < *randomPods && !t.Failed(); n += shards {
					runRandomPods(t, *podSeed+n, mine)
				}
				lock.Lock()
				defer lock.Unlock()
				seen.add(mine)
			})
		}
	})
	if !t.Failed() && *randomPods >= 1000 {
		seen.checkAll(t)
	}
}

// runRandomPods runs the pods of one seed until they are gone or their time is over.
func runRandomPods(t *testing.T, seed int64, seen *seenWords) {
	pods, sc := randomPodsScenario(seed)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	w := newWatcher(c, sc)
	w.seen = seen
	happened := "the beginning"
	defer func() {
		if wrong := recover(); wrong != nil {
			t.Fatalf("%v\nat %s, after %s\nto run it alone: go test ./sim -run TestRandomPods -random-pods 1 -random-pods-seed %d\n%s",
				wrong, c.Now(), happened, seed, inWords(pods, sc))
		}
	}()
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		if at < c.Now() {
			panic(fmt.Sprintf("time runs backwards, to %s", at))
		}
		c.StepTold(&happened)
		if *tell {
			fmt.Println(c.Now(), happened)
		}
		c.Check()
		w.look()
	}
}

// inWords is a seed's scenario for the reader of a failure.
func inWords(pods []*v1.Pod, sc *model.Scenario) string {
	out := ""
	for _, s := range sc.Steps[1:] {
		out += fmt.Sprintf("step %s: %s %s/%s grace=%d force=%t %s %s %v %v\n", s.At, s.Verb, s.Kind, s.Name, s.GraceSeconds, s.Force, s.Failure,
			s.Container, s.Requests, s.Limits)
	}
	for i := range sc.Behaviors {
		out += fmt.Sprintf("behavior %+v\n", sc.Behaviors[i])
	}
	for _, p := range pods {
		b, err := yaml.Marshal(p)
		out += fmt.Sprintf("---\n%s", b)
		if err != nil {
			out += err.Error()
		}
	}
	return out
}

// seenWords are the reasons of containers and Events and the phases that random pods came to, so
// that a draw that no longer reaches something is noticed.
type seenWords struct {
	reasons [1 << 10]bool
	events  [1 << 8]bool
	phases  [8]bool
}

func (s *seenWords) add(o *seenWords) {
	for i := range s.reasons {
		s.reasons[i] = s.reasons[i] || o.reasons[i]
	}
	for i := range s.events {
		s.events[i] = s.events[i] || o.events[i]
	}
	for i := range s.phases {
		s.phases[i] = s.phases[i] || o.phases[i]
	}
}

func (s *seenWords) pod(p *model.Pod) {
	s.phases[p.Status.Phase] = true
	s.reasons[p.Status.Reason] = true
	for i := range p.Status.Containers {
		k := &p.Status.Containers[i]
		for _, r := range []model.Text{k.State.Reason, k.Last.Reason} {
			if int(r) < len(s.reasons) {
				s.reasons[r] = true
			}
		}
	}
}

func (s *seenWords) checkAll(t *testing.T) {
	for _, r := range []model.Text{model.ReasonContainerCreating, model.ReasonPodInitializing, model.ReasonCrashLoopBackOff,
		model.ReasonErrImagePull, model.ReasonImagePullBackOff, model.ReasonInvalidImageName, model.ReasonErrImageNeverPull,
		model.ReasonRunContainerError, model.ReasonCompleted, model.ReasonError, model.ReasonOOMKilled, model.ReasonStartError,
		model.ReasonContainerStatusUnknown,
		model.ReasonCreateContainerConfigError, model.ReasonCreateContainerError, model.ReasonDeadlineExceeded,
		model.ReasonRestartingAllContainers, model.ReasonEvicted} {
		assert.True(t, s.reasons[r], "no random pod came to reason %d", r)
	}
	for _, r := range []model.EventReason{model.EventScheduled, model.EventFailedScheduling, model.EventPulling, model.EventPulled,
		model.EventCreated, model.EventStarted, model.EventFailed, model.EventBackOff, model.EventKilling, model.EventUnhealthy,
		model.EventInspectFailed, model.EventErrImageNeverPull, model.EventFailedPostStartHook, model.EventFailedPreStopHook,
		model.EventDeadlineExceeded, model.EventRejected, model.EventFailedMount, model.EventEvicted, model.EventNodeNotReady, model.EventTaintManagerEviction,
		model.EventResizeStarted, model.EventResizeCompleted, model.EventResizeDeferred, model.EventResizeError} {
		assert.True(t, s.events[r], "no random pod has an Event %s", r)
	}
	for _, p := range []model.Phase{model.PodPending, model.PodRunning, model.PodSucceeded, model.PodFailed} {
		assert.True(t, s.phases[p], "no random pod is %s", p)
	}
}

// The properties.

// watcher checks what must hold from one event to the next, and panics with what does not.
type watcher struct {
	cluster *sim.Cluster
	bounds  bounds
	pods    map[int64]*podHistory
	seen    *seenWords
	at      model.Time
}

// podHistory is what a watcher keeps of a pod.
type podHistory struct {
	id         model.PodID
	pod        model.Pod
	containers []containerHistory
	deleted    bool
	// crashed says that the pod's node has failed: its kubelet then begins anew, and nobody may say
	// when it ends.
	crashed bool
	// evicted says that its kubelet evicts it.
	evicted bool
	// final is when the pod came to its last phase.
	final model.Time
	// late says that it was deleted when its kubelet was ending it already, for which the deletion
	// comes too late.
	late bool
	// busy and terminating are the pod worker after the event before, since is when the latter began.
	busy, terminating bool
	since             model.Time
	// latest is when a pod that is being deleted is gone at the latest, Never for no bound; before is
	// what it was before the last delete. heard is when the kubelet has heard of this, delayed says
	// that a sync was under way then.
	latest, before, heard model.Time
	delayed               bool
}

// containerHistory is what a watcher keeps of a container: its instances in the runtime, and the
// last status.
type containerHistory struct {
	instance          int32
	running, stopping bool
	// codes are the exit codes of the instances that have ended.
	codes map[int32]int32
	// ready says that an init container has completed, or that a sidecar was started.
	ready  bool
	status model.ContainerStatus
}

func newWatcher(c *sim.Cluster, sc *model.Scenario) *watcher {
	w := &watcher{cluster: c, bounds: boundsOf(sc), pods: map[int64]*podHistory{}, seen: &seenWords{}}
	c.Observe(w.transition, func(e *model.Event) {
		w.seen.events[e.Reason] = true
	})
	return w
}

func (w *watcher) wrong(o *model.Pod, format string, args ...any) {
	panic(fmt.Sprintf("pod %s: ", o.Name) + fmt.Sprintf(format, args...))
}

// transition takes a change of an object in the API server.
func (w *watcher) transition(tr model.Transition) {
	if tr.At < w.at {
		panic("transitions run backwards")
	}
	w.at = tr.At
	if tr.Kind != model.KindPod {
		return
	}
	o := &w.cluster.State().Pods[tr.ID]
	if o.Template.Static {
		// A mirror pod follows none of this.
		return
	}
	h := w.pods[o.Serial]
	if h == nil {
		h = &podHistory{id: model.PodID(tr.ID), latest: model.Never, containers: make([]containerHistory, len(o.Template.Containers))}
		h.pod = *o
		h.pod.Status = model.PodStatus{StartTime: model.Never}
		for i := range h.containers {
			h.containers[i].codes = map[int32]int32{}
		}
		w.pods[o.Serial] = h
	}
	if h.deleted {
		w.wrong(o, "changes after its end")
	}
	h.deleted = tr.Type == model.Deleted
	w.seen.pod(o)
	w.checkObject(h, o)
	w.checkConditions(h, o)
	for i := range o.Status.Containers {
		w.checkState(h, o, i)
		h.containers[i].status = o.Status.Containers[i]
	}
	if o.Status.Containers == nil {
		// A kubelet that refuses a pod takes its container statuses away, and with them what was before.
		for i := range h.containers {
			h.containers[i].status.Last = model.ContainerState{}
		}
	}
	w.noteDeletion(h, o)
	if o.Status.Phase.Terminal() && !h.pod.Status.Phase.Terminal() {
		h.final = w.at
	}
	h.pod = *o
}

// overtaken says that the deadline of a pod that has succeeded came before the kubelet had its
// Succeeded back from the API server: the real kubelet makes it Failed then
// (pkg/kubelet/kubelet_pods.go generateAPIPodStatus; wild-2000509 of
// conform/testdata/kubelet-chance.jsonl.gz). A pod otherwise stays in its last phase.
func (w *watcher) overtaken(h *podHistory, o *model.Pod) bool {
	return h.pod.Status.Phase == model.PodSucceeded && o.Status.Phase == model.PodFailed &&
		o.Status.Reason == model.ReasonDeadlineExceeded && w.at-h.final <= 2*model.Second
}

// preemptedLate says that the kubelet has preempted a pod, or shut it down with its node, whose containers
// had ended by themselves: it writes Failed before it looks at them (kubelet.go SyncTerminatingPod).
func (w *watcher) preemptedLate(h *podHistory, o *model.Pod) bool {
	preempted := func(s *model.PodStatus) bool {
		reason := w.cluster.State().Texts.String(s.Reason)
		return s.Phase == model.PodFailed && (reason == "Preempting" || reason == "Terminated")
	}
	from, to := &h.pod.Status, &o.Status
	return w.at-h.final <= 2*model.Second && (preempted(from) && to.Phase == model.PodSucceeded || from.Phase == model.PodSucceeded && preempted(to))
}

// checkObject looks at the phase and the metadata.
func (w *watcher) checkObject(h *podHistory, o *model.Pod) {
	old, s := &h.pod.Status, &o.Status
	switch {
	case old.Phase.Terminal() && s.Phase != old.Phase && !w.overtaken(h, o) && !w.preemptedLate(h, o):
		w.wrong(o, "goes from %s to %s", old.Phase, s.Phase)
	case old.Phase == model.PodRunning && s.Phase == model.PodPending && !h.crashed && o.Template.NumInit == 0:
		// One with init containers may begin anew in another sandbox.
		w.wrong(o, "goes from %s to %s", old.Phase, s.Phase)
	case s.Phase == model.PodRunning && (o.Node == 0 || s.StartTime == model.Never):
		w.wrong(o, "runs and has no node or no startTime")
	case h.pod.Node != 0 && o.Node != h.pod.Node:
		w.wrong(o, "is bound again")
	case old.StartTime != model.Never && s.StartTime != old.StartTime:
		w.wrong(o, "changes its startTime")
	case s.StartTime != model.Never && s.StartTime > w.at:
		w.wrong(o, "has a startTime to come")
	case h.pod.Deleting && (!o.Deleting || o.GraceSeconds > h.pod.GraceSeconds ||
		o.DeletionTimestamp > max(h.pod.DeletionTimestamp, w.at)):
		w.wrong(o, "has more time to its deletion than before")
	case o.Generation < h.pod.Generation:
		w.wrong(o, "has generation %d after %d", o.Generation, h.pod.Generation)
	case !h.crashed && s.Containers == nil && old.Containers != nil:
		w.wrong(o, "loses its container statuses")
	}
}

// checkConditions looks at the conditions.
func (w *watcher) checkConditions(h *podHistory, o *model.Pod) {
	old, s := &h.pod.Status, &o.Status
	is := func(s *model.PodStatus, t model.ConditionType) bool {
		return s.Conditions[t].Status == model.ConditionTrue
	}
	ready, gates := !s.Phase.Terminal() && s.Containers != nil, true
	for i := range s.Containers {
		ready = ready && (s.Containers[i].Ready || o.Template.Containers[i].Kind == model.InitContainer)
	}
	for i := range o.Template.Spec.ReadinessGates {
		gates = gates && i < len(s.Gates) && s.Gates[i].Status == model.ConditionTrue
	}
	// The status manager holds back the phase of a pod that may still have running containers, not
	// the conditions that follow from it (status_manager.go mergePodStatus).
	reason := s.Conditions[model.ContainersReady].Reason
	ending := reason == model.ReasonPodFailed || reason == model.ReasonPodCompleted
	// A kubelet that rejects a pod takes all conditions away (kubelet.go rejectPod); if it then ends a
	// deletion, they come back.
	rejected := s.Phase == model.PodFailed && (s.Containers == nil || old.Containers == nil)
	switch {
	case is(s, model.ContainersReady) != (ready && !ending):
		w.wrong(o, "ContainersReady is %t, its containers say %t", !ready, ready)
	case is(s, model.PodReady) && !(ready && gates):
		w.wrong(o, "is Ready, its containers: %t, its gates: %t", ready, gates)
	case ready && gates && !ending && !is(s, model.PodReady) && !h.crashed:
		w.wrong(o, "is not Ready, its containers and gates are")
	case is(old, model.PodScheduled) && !is(s, model.PodScheduled) && !rejected:
		w.wrong(o, "PodScheduled falls")
	case s.Containers != nil && !is(s, model.PodScheduled):
		w.wrong(o, "has containers and is not PodScheduled")
	case is(old, model.PodInitialized) && !is(s, model.PodInitialized) && !h.crashed && !is(s, model.AllContainersRestarting):
		w.wrong(o, "Initialized falls")
	case s.Phase.Terminal() && !old.Phase.Terminal() && is(s, model.PodReadyToStartContainers) && !h.crashed:
		w.wrong(o, "ends with PodReadyToStartContainers")
	}
	for t := range s.Conditions {
		now, before := &s.Conditions[t], &old.Conditions[t]
		// What came and went between two writes of the kubelet moves the time and not the status. A
		// kubelet that comes back writes its own old times over those of the node controller. One that
		// ends a pod writes why over the reason of others, when the containers have stopped.
		back := now.Status != model.ConditionAbsent && now.Transition < before.Transition
		back = back && (model.ConditionType(t) != model.DisruptionTarget || now.Reason != model.ReasonTerminationByKubelet)
		if now.Transition > w.at || back && !h.crashed && !rejected {
			w.wrong(o, "%s has the transition time %s after %s", model.ConditionType(t), now.Transition, before.Transition)
		}
	}
}

// checkState looks at the status of a container.
func (w *watcher) checkState(h *podHistory, o *model.Pod, i int) {
	s, k := &o.Status.Containers[i], &h.containers[i]
	old, name := &k.status, o.Template.Containers[i].Name
	// A readiness or startup probe may answer when the status says that the container has ended
	// (status_manager.go SetContainerReadiness, SetContainerStartup).
	late := s.State.Kind == model.StateTerminated && s.State == old.State
	// An init container that starts over with all others stays ready (prober_manager.go UpdatePodStatus).
	late = late || o.Template.CanRestartAll && o.Template.Containers[i].Kind == model.InitContainer
	switch {
	case s.Restarts < old.Restarts:
		w.wrong(o, "container %s: restartCount falls from %d to %d", name, old.Restarts, s.Restarts)
	case s.Started && s.State.Kind != model.StateRunning && !late:
		w.wrong(o, "container %s is started and does not run", name)
	case s.Ready && s.State.Kind != model.StateRunning && !late &&
		!(o.Template.Containers[i].Kind == model.InitContainer && s.State.Kind == model.StateTerminated && s.State.ExitCode == 0):
		w.wrong(o, "container %s is ready and does not run", name)
	// One that a kubelet has created and not started before it stopped waits for ever.
	case s.Last.Kind != model.StateNone && s.Last.Kind != model.StateTerminated && !(h.crashed && s.Last.Kind == model.StateWaiting):
		w.wrong(o, "container %s: lastState is %s", name, s.Last.Kind)
	case old.Last.Kind == model.StateTerminated && s.Last.Kind == model.StateNone:
		w.wrong(o, "container %s loses its lastState", name)
	case s.State.Kind == model.StateRunning && s.State.StartedAt > w.at || s.State.FinishedAt > w.at || s.Last.FinishedAt > w.at:
		w.wrong(o, "container %s has a time to come", name)
	case s.State.Kind == model.StateRunning && s.State.ContainerID > k.instance:
		w.wrong(o, "container %s: instance %d is said to run, the runtime has %d", name, s.State.ContainerID, k.instance)
	}
	w.checkEnded(h, o, i, &s.State)
	w.checkEnded(h, o, i, &s.Last)
	w.checkRestart(h, o, i)
}

// checkEnded looks at a terminated state: an instance has ended so.
func (w *watcher) checkEnded(h *podHistory, o *model.Pod, i int, s *model.ContainerState) {
	if s.Kind != model.StateTerminated || s.ContainerID == 0 || s.Reason == model.ReasonStartError || h.crashed {
		return
	}
	code, ended := h.containers[i].codes[s.ContainerID]
	if !ended || code != s.ExitCode {
		w.wrong(o, "container %s: instance %d has ended with %d, in the runtime: %t with %d", o.Template.Containers[i].Name, s.ContainerID,
			s.ExitCode, ended, code)
	}
}

// checkRestart looks at containerID, restartCount and lastState, which change together.
func (w *watcher) checkRestart(h *podHistory, o *model.Pod, i int) {
	s, old := &o.Status.Containers[i], &h.containers[i].status
	name, another := o.Template.Containers[i].Name, old.ContainerID != 0 && s.ContainerID != old.ContainerID
	switch {
	case h.crashed, h.evicted, o.Template.CanRestartAll, o.Deleting && o.Status.Phase.Terminal():
		// A container that starts over with all others is first removed, and counted then. Those of an
		// evicted pod are removed when they have ended, though the status may not yet say so; those of a
		// deleted pod that has stopped are, by the container GC.
	case another && s.ContainerID < old.ContainerID:
		w.wrong(o, "container %s: instance %d comes after %d", name, s.ContainerID, old.ContainerID)
	case another && s.Restarts == old.Restarts:
		w.wrong(o, "container %s: another instance and the restartCount stays %d", name, s.Restarts)
	case !another && s.Restarts != old.Restarts && old.State.Kind != model.StateNone:
		w.wrong(o, "container %s: restartCount goes from %d to %d without another instance", name, old.Restarts, s.Restarts)
	case another && s.Last.Kind != model.StateTerminated && old.State.Kind == model.StateTerminated:
		// One whose end was never published may be removed by the kubelet's deletor before.
		w.wrong(o, "container %s: another instance and no lastState", name)
	}
}

// look takes what is not seen in the API server, after an event.
func (w *watcher) look() {
	for serial, h := range w.pods {
		o := &w.cluster.State().Pods[h.id]
		if o.Serial != serial || !w.cluster.Known(h.id) {
			delete(w.pods, serial)
			continue
		}
		h.crashed = h.crashed || w.cluster.NodeFailed(h.id)
		h.evicted = h.evicted || w.cluster.Evicted(h.id)
		for i := range h.containers {
			w.lookAtRuntime(h, o, i)
		}
		w.lookAtDeletion(h, o)
	}
}

// lookAtRuntime follows the instances of a container.
func (w *watcher) lookAtRuntime(h *podHistory, o *model.Pod, i int) {
	k, name := &h.containers[i], o.Template.Containers[i].Name
	instance, running, code := w.cluster.InRuntime(h.id, i)
	switch {
	case k.running && running && instance != k.instance:
		w.wrong(o, "container %s: instances %d and %d run together", name, k.instance, instance)
	case k.running && !running:
		k.codes[k.instance] = code
		k.ready = k.ready || o.Template.Containers[i].Kind == model.InitContainer && code == 0
	case !k.running && running:
		if _, ended := k.codes[instance]; ended {
			w.wrong(o, "container %s: instance %d runs again", name, instance)
		}
		w.checkOrder(h, o, i)
	}
	if o.Template.Containers[i].Kind == model.Sidecar && running {
		k.ready = k.ready || o.Template.Containers[i].Probes[model.Startup] == nil || w.cluster.Started(h.id, i)
	}
	stopping := w.cluster.Stopping(h.id, i)
	if stopping && !k.stopping && h.terminating {
		w.checkTurn(h, o, i)
	}
	k.instance, k.running, k.stopping = instance, running, stopping
}

// checkTurn is the moment at which a container of a pod that ends is told to stop: a sidecar waits
// for the containers and for the next sidecar, as long as the grace period lasts
// (kuberuntime_termination_order.go). Without one they do not wait; a deleted pod has 1 s at least, unless
// it ended already.
func (w *watcher) checkTurn(h *podHistory, o *model.Pod, i int) {
	grace := o.Template.GraceSeconds
	if o.Deleting {
		grace = min(grace, o.GraceSeconds)
	}
	if h.evicted {
		grace = 1
	}
	over := h.since + model.Time(max(1, grace))*model.Second
	waits := o.Deleting && !h.late || grace > 0
	if o.Template.Containers[i].Kind != model.Sidecar || h.crashed || !waits || w.cluster.Now() >= over {
		return
	}
	next := true
	for j := i + 1; j < len(h.containers); j++ {
		kind := o.Template.Containers[j].Kind
		_, running, _ := w.cluster.InRuntime(h.id, j)
		if running && (kind == model.AppContainer || kind == model.Sidecar && next) {
			w.wrong(o, "sidecar %s is told to stop before %s has ended", o.Template.Containers[i].Name, o.Template.Containers[j].Name)
		}
		next = next && kind != model.Sidecar
	}
}

// checkOrder is the moment at which a container starts: all init containers before it are through,
// and the pod has not ended.
func (w *watcher) checkOrder(h *podHistory, o *model.Pod, i int) {
	if o.Status.Phase.Terminal() && !h.deleted {
		w.wrong(o, "container %s starts after the end", o.Template.Containers[i].Name)
	}
	for j := range min(i, o.Template.NumInit) {
		if !h.containers[j].ready {
			w.wrong(o, "container %s starts before init container %s is through", o.Template.Containers[i].Name, o.Template.Containers[j].Name)
		}
	}
}

// noteDeletion takes a delete, or one that leaves less time.
func (w *watcher) noteDeletion(h *podHistory, o *model.Pod) {
	if !o.Deleting || h.pod.Deleting && h.pod.GraceSeconds == o.GraceSeconds || h.crashed || o.Node == 0 {
		return
	}
	// A termination under way goes on as it was: SyncTerminatingPod is not cancelled.
	grace := o.GraceSeconds
	h.late = h.late || h.terminating && !h.pod.Deleting
	if h.terminating {
		grace = max(grace, o.Template.GraceSeconds, h.pod.GraceSeconds)
	}
	h.before = h.latest
	h.latest = min(h.latest, w.at+w.bounds.admission+w.bounds.termination(grace))
	h.heard, h.delayed = w.at+w.bounds.admission, false
}

// lookAtDeletion holds a deletion against its bound.
func (w *watcher) lookAtDeletion(h *podHistory, o *model.Pod) {
	if !h.terminating {
		h.since = w.cluster.Now()
	}
	h.busy, h.terminating = w.cluster.Worker(h.id)
	if h.crashed {
		h.latest = model.Never
	}
	// A SyncPod that has begun before the kubelet hears of the deletion goes on.
	if h.latest != model.Never && !h.delayed && w.cluster.Now() <= h.heard && h.busy && !h.terminating {
		h.latest = min(h.before, h.latest+w.bounds.sync(o.Template))
		h.delayed = true
	}
	// The kubelet hears of nothing while it waits for the end of a pod that it preempts.
	if h.latest != model.Never && w.cluster.Preempting(h.id) {
		h.heard = max(h.heard, w.cluster.Now()+w.bounds.admission)
		h.latest = max(h.latest, h.heard+w.bounds.termination(max(o.GraceSeconds, o.Template.GraceSeconds)))
	}
	if h.latest < w.cluster.Now() {
		w.wrong(o, "is to be gone at %s: %s", h.latest, w.cluster.State().StatusWord(o))
	}
}

// bounds are the longest that the parts of a deletion take in a scenario.
type bounds struct {
	// admission is from a change in the API server until the kubelet's worker has it.
	admission model.Time
	// relist is the longest that a sync waits for its look of the PLEG, with the beginning of the
	// sync; stop is what a StopContainer takes beyond its grace period.
	relist, stop                                 model.Time
	sandbox, stopSandbox, create, prune, unmount model.Time
	// pull is a pull with those of all pods before it in the puller, hook the longest postStart.
	pull, hook model.Time
	// publish is the status manager's way to the final delete, with the statuses of the neighbours.
	publish model.Time
}

// slowest is the longest time that one of the latencies takes.
func slowest(d model.Dist) model.Time { return model.Time(max(d.Max, d.Value)) }

func boundsOf(sc *model.Scenario) bounds {
	l, cp := &sc.Latencies, &sc.ControlPlane
	b := bounds{
		admission: slowest(cp.Watch) + slowest(cp.KubeletAdmit),
		// The PLEG looks each second, 2 ms after it has begun; each pod that changed delays it.
		relist:  model.Second + 50*model.Millisecond + slowest(cp.KubeletSync),
		stop:    slowest(l.StopTerm) + slowest(l.Kill),
		sandbox: slowest(l.RunSandbox), stopSandbox: slowest(l.StopSandbox),
		create: slowest(l.Create) + slowest(l.Start), prune: slowest(l.Remove), unmount: slowest(l.UnmountVolumes),
		hook: slowest(l.ExecProbe),
		// A GET and a PATCH for each of the statuses, then the DELETE.
		publish: 20 * slowest(cp.Write),
	}
	if l.ConcurrencyPerCPU > 0 {
		// Each container of each pod of a node may have an operation under way.
		const underWay = 40
		for _, t := range []*model.Time{&b.stop, &b.sandbox, &b.stopSandbox, &b.create, &b.prune} {
			*t *= underWay
		}
	}
	for i := range sc.Behaviors {
		b.hook = max(b.hook, slowest(l.ExecProbe)+slowest(sc.Behaviors[i].PostStart.Takes))
	}
	for i := range sc.Images {
		size := float64(sc.Images[i].Size)
		b.pull = max(b.pull, slowest(l.PullLookup)+model.Time(size/model.DefaultConnectionBandwidth*float64(model.Second)+size*l.PullPerMiB.Value/(1<<20)))
	}
	b.pull = max(b.pull, slowest(l.PullLookup)+lostPull)
	b.pull *= model.Time(len(sc.Steps[0].Objects))
	return b
}

// kill is the kill of a container: the preStop hook has the grace period and leaves 2 s for the
// end (kuberuntime minimumGracePeriodInSeconds); what the hook and the wait for the turn took is
// taken off in whole seconds.
func (b *bounds) kill(grace int64) model.Time {
	return model.Time(grace+2+2)*model.Second + b.stop
}

// termination is SyncTerminatingPod, which kills all containers at once, and SyncTerminatedPod.
func (b *bounds) termination(grace int64) model.Time {
	return b.relist + b.kill(max(1, grace)) + b.stopSandbox + b.relist + b.unmount + b.publish
}

// sync is a SyncPod, which a deletion does not interrupt: it kills containers one after the other
// for their probes, makes a sandbox, and starts the containers one after the other. A postStart hook
// that fails kills its container.
func (b *bounds) sync(t *model.PodTemplate) model.Time {
	d := b.relist + b.sandbox
	for i := range t.Containers {
		grace := t.GraceSeconds
		for _, p := range t.Containers[i].Probes {
			if p != nil {
				grace = max(grace, p.GraceSeconds)
			}
		}
		d += b.kill(grace) + b.prune + b.pull + b.create
		if hook := t.Containers[i].PostStart; hook != nil {
			d += max(b.hook, hook.Sleep) + b.kill(t.GraceSeconds)
		}
	}
	return d
}

// The draw.

// randomPodsScenario draws a pod and in a quarter of the cases neighbours, on one or two nodes.
func randomPodsScenario(seed int64) ([]*v1.Pod, *model.Scenario) {
	r := rand.New(rand.NewSource(seed))
	pods := []*v1.Pod{drawPod(r, "p0")}
	if r.Intn(4) == 0 {
		for i := range 1 + r.Intn(2) {
			pods = append(pods, drawPod(r, fmt.Sprintf("p%d", i+1)))
		}
	}
	sc := podsScenario(uint64(seed), 1+r.Intn(2), pods...)
	room := v1.ResourceList{"cpu": resource.MustParse("4"), "memory": resource.MustParse("8Gi"),
		"ephemeral-storage": resource.MustParse("100Gi"), "pods": resource.MustParse("4")}
	for i := range sc.Nodes {
		sc.Nodes[i].Object = &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}}
	}
	sc.Images = randomImages
	sc.Duration = model.Time(1+r.Intn(6)) * model.Minute
	for _, p := range pods {
		for _, k := range containersOf(p) {
			b := randomBehavior(r)
			b.Pod, b.Container = p.Name, k.Name
			sc.Behaviors = append(sc.Behaviors, b)
		}
		sc.Steps = append(sc.Steps, randomDeletes(r, p.Name, sc.Duration)...)
	}
	if r.Intn(12) == 0 {
		sc.Steps = append(sc.Steps, randomFailure(r, sc.Duration)...)
		sc.Duration += 2 * model.Minute
	}
	// Their own draws: the others stay as they were.
	again := rand.New(rand.NewSource(seed ^ 1<<40))
	for _, p := range pods {
		if again.Intn(3) == 0 {
			randomResizePolicies(again, p)
			sc.Steps = append(sc.Steps, randomResizes(again, p, sc.Duration)...)
		}
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	return pods, sc
}

func randomResizePolicies(r *rand.Rand, p *v1.Pod) {
	for _, k := range containersOf(p) {
		if r.Intn(3) == 0 {
			k.ResizePolicy = []v1.ContainerResizePolicy{{ResourceName: one(r, v1.ResourceCPU, v1.ResourceMemory), RestartPolicy: v1.RestartContainer}}
		}
	}
}

// randomResizes resizes a pod some times, up and down; some of it is refused.
func randomResizes(r *rand.Rand, p *v1.Pod, before model.Time) []model.Step {
	var steps []model.Step
	at := model.Time(r.Int63n(int64(one(r, 3*model.Second, before))))
	for range 1 + r.Intn(4) {
		s := model.Step{At: at, Verb: model.StepResize, Kind: model.KindPod, Namespace: "default", Name: p.Name, Container: one(r, containersOf(p)...).Name}
		if r.Intn(3) > 0 {
			s.Requests = v1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(r.Intn(one(r, 600, 4000))), resource.DecimalSI)}
		}
		if r.Intn(3) == 0 {
			s.Limits = v1.ResourceList{"memory": *resource.NewQuantity(int64(16+r.Intn(200))<<20, resource.BinarySI)}
		}
		steps = append(steps, s)
		at += model.Time(r.Int63n(int64(one(r, 50*model.Millisecond, 20*model.Second))))
	}
	return steps
}

var randomImages = []model.ImageSpec{{Name: "a:1", Size: 1 << 20}, {Name: "big:1", Size: 300 << 20}, {Name: "gone:1", Error: "notFound"},
	{Name: "denied:1", Error: "unauthorized"}, {Name: "broken:1", Error: "serverError"}, {Name: "lost:1", Error: "timeout"}}

// lostPull is how long a pull of the image lasts that no registry answers for.
const lostPull = 30 * model.Second

func drawPod(r *rand.Rand, name string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: randomPodSpec(r)}
	p.Spec.RestartPolicy = []v1.RestartPolicy{"Always", "OnFailure", "Never"}[r.Intn(3)]
	if r.Intn(3) > 0 {
		p.Spec.NodeName = "n0"
	}
	model.DefaultPod(p)
	return p
}

func pointer[T any](x T) *T { return &x }

// one draws one of several.
func one[T any](r *rand.Rand, of ...T) T { return of[r.Intn(len(of))] }

// randomPodSpec draws a pod without its restart policy.
func randomPodSpec(r *rand.Rand) v1.PodSpec {
	spec := v1.PodSpec{AutomountServiceAccountToken: pointer(r.Intn(2) == 0)}
	if r.Intn(8) > 0 {
		spec.TerminationGracePeriodSeconds = pointer(int64(r.Intn(20) * r.Intn(2)))
	}
	for i := range r.Intn(4) * r.Intn(2) {
		spec.InitContainers = append(spec.InitContainers, randomInitContainer(r, fmt.Sprintf("i%d", i)))
	}
	for i := range 1 + r.Intn(3) {
		spec.Containers = append(spec.Containers, randomContainer(r, fmt.Sprintf("c%d", i)))
	}
	if r.Intn(8) == 0 {
		spec.ActiveDeadlineSeconds = pointer(int64(1 + r.Intn(90)))
	}
	if r.Intn(30) == 0 {
		spec.Volumes = []v1.Volume{{Name: "files", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{
			LocalObjectReference: v1.LocalObjectReference{Name: "gone"}}}}}
		spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "files", MountPath: "/files"}}
	}
	if r.Intn(16) == 0 {
		spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "example.com/gate"}}
	}
	return spec
}

// randomInitContainer draws a sidecar or an init container, which has no probes and hooks.
func randomInitContainer(r *rand.Rand, name string) v1.Container {
	k := randomContainer(r, name)
	if r.Intn(2) == 0 {
		k.RestartPolicy, k.RestartPolicyRules = pointer(v1.ContainerRestartPolicyAlways), nil
		return k
	}
	k.LivenessProbe, k.ReadinessProbe, k.StartupProbe, k.Lifecycle = nil, nil, nil, nil
	if k.RestartPolicy != nil && *k.RestartPolicy == v1.ContainerRestartPolicyAlways {
		k.RestartPolicy, k.RestartPolicyRules = nil, nil
	}
	return k
}

func randomContainer(r *rand.Rand, name string) v1.Container {
	k := v1.Container{Name: name, Image: "a:1"}
	if r.Intn(3) == 0 {
		k.Image = one(r, "big:1", "big:1", "big:1", "gone:1", "denied:1", "broken:1", "lost:1", "B")
	}
	if r.Intn(4) == 0 {
		k.ImagePullPolicy = one(r, v1.PullAlways, v1.PullNever, v1.PullIfNotPresent)
	}
	k.Resources.Requests = v1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(r.Intn(600)), resource.DecimalSI)}
	switch r.Intn(50) {
	case 0:
		k.Resources.Requests["cpu"] = resource.MustParse("10")
	case 1:
		k.EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "gone"}}}}
	}
	if r.Intn(3) == 0 {
		k.Resources.Limits = v1.ResourceList{"memory": *resource.NewQuantity(64<<20, resource.BinarySI)}
		if r.Intn(3) == 0 {
			k.Resources.Limits["ephemeral-storage"] = resource.MustParse("1Gi")
		}
	}
	k.LivenessProbe, k.ReadinessProbe, k.StartupProbe = randomProbe(r), randomProbe(r), randomProbe(r)
	if k.ReadinessProbe != nil {
		k.ReadinessProbe.TerminationGracePeriodSeconds = nil
		k.ReadinessProbe.SuccessThreshold = int32(1 + r.Intn(3))
	}
	if r.Intn(3) == 0 {
		k.Lifecycle = &v1.Lifecycle{PostStart: randomHook(r), PreStop: randomHook(r)}
	}
	if r.Intn(4) == 0 {
		k.RestartPolicy = one(r, pointer(v1.ContainerRestartPolicyAlways), pointer(v1.ContainerRestartPolicyOnFailure), pointer(v1.ContainerRestartPolicyNever))
		for range r.Intn(3) {
			action := one(r, v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestart, v1.ContainerRestartRuleActionRestartAllContainers)
			k.RestartPolicyRules = append(k.RestartPolicyRules, v1.ContainerRestartRule{Action: action,
				ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: one(r, v1.ContainerRestartRuleOnExitCodesOpIn, v1.ContainerRestartRuleOnExitCodesOpNotIn),
					Values: []int32{one[int32](r, 0, 1, 42, 137, 143)}}})
		}
	}
	return k
}

func randomProbe(r *rand.Rand) *v1.Probe {
	if r.Intn(3) > 0 {
		return nil
	}
	p := &v1.Probe{PeriodSeconds: int32(1 + r.Intn(6)), TimeoutSeconds: int32(1 + r.Intn(2)),
		InitialDelaySeconds: int32(r.Intn(2) * r.Intn(5)), FailureThreshold: int32(1 + r.Intn(4))}
	p.ProbeHandler = one(r,
		v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"x"}}},
		v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/"}},
		v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{}},
		v1.ProbeHandler{GRPC: &v1.GRPCAction{Port: 1}})
	if r.Intn(4) == 0 {
		p.TerminationGracePeriodSeconds = pointer(int64(1 + r.Intn(8)))
	}
	return p
}

func randomHook(r *rand.Rand) *v1.LifecycleHandler {
	return one(r, nil,
		&v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"x"}}},
		&v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Path: "/"}},
		&v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: int64(r.Intn(7))}})
}

// randomBehavior draws what a container does.
func randomBehavior(r *rand.Rand) model.Behavior {
	b := model.Behavior{}
	b.Run.Forever = r.Intn(2) == 0
	b.Run.For = model.Dist{Kind: model.DistUniform, Min: 1e7, Max: one(r, 1e9, 6e10)}
	for range r.Intn(3) {
		b.Run.Exit = append(b.Run.Exit, one[int32](r, 0, 0, 1, 2, 42))
	}
	b.OnTerm = model.OnTerm{Ignore: r.Intn(4) == 0, After: model.Dist{Kind: model.DistUniform, Min: 0, Max: one(r, 1e8, 8e9)}, Exit: one[int32](r, 0, 143)}
	for k := range b.Probes {
		for at := model.Time(0); r.Intn(3) > 0; at += model.Time(r.Int63n(int64(20*model.Second))) + 1 {
			b.Probes[k] = append(b.Probes[k], model.ProbePoint{At: at, OK: r.Intn(2) == 0})
		}
	}
	hook := func() model.HookRun {
		return model.HookRun{Fail: r.Intn(4) == 0, Takes: model.Dist{Kind: model.DistUniform, Min: 0, Max: one(r, 1e8, 6e9)}}
	}
	b.PostStart, b.PreStop = hook(), hook()
	if r.Intn(20) == 0 {
		b.Disk = []model.DiskPoint{{At: model.Time(r.Int63n(int64(60 * model.Second))), Use: 2 << 30}}
	}
	switch r.Intn(16) {
	case 0:
		b.StartError = "no such file"
	case 1:
		b.CreateError = "no space left on device"
	case 2:
		b.Memory = []model.MemoryPoint{{At: 0, Use: 1 << 20}, {At: model.Time(r.Int63n(int64(30 * model.Second))), Use: 1 << 30}}
	case 3:
		b.Memory = []model.MemoryPoint{{Use: 1 << 20, Rate: model.RatePer(r.Int63n(8<<30), model.Minute)}}
		b.MemoryChild = r.Intn(2) == 0
	case 4:
		b.MemoryWalk = &model.MemoryWalk{Base: 32 << 20, Step: r.Int63n(64 << 20), Max: one[int64](r, 80<<20, 4<<30), Period: model.Time(1e6 + r.Int63n(5e9))}
	}
	return b
}

// randomDeletes draws what becomes of a pod: nothing, or one or two deletes.
func randomDeletes(r *rand.Rand, pod string, before model.Time) []model.Step {
	var steps []model.Step
	span := one(r, model.Second, 10*model.Second, before)
	at := model.Time(r.Int63n(int64(span)))
	grace := int64(-1)
	for range one(r, 0, 1, 1, 1, 2) {
		s := model.Step{At: at, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: pod, GraceSeconds: grace}
		switch r.Intn(4) {
		case 0:
			s.Force, s.GraceSeconds = true, 0
		case 1:
			s.GraceSeconds = int64(r.Intn(15))
		}
		steps = append(steps, s)
		at += model.Time(r.Int63n(int64(12 * model.Second)))
		grace = int64(r.Intn(4))
	}
	return steps
}

// randomFailure draws a failure of the first node and its end.
func randomFailure(r *rand.Rand, before model.Time) []model.Step {
	at := model.Time(r.Int63n(int64(before)))
	steps := []model.Step{{At: at, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: model.Failure(r.Intn(3))}}
	if r.Intn(4) > 0 {
		at += model.Time(r.Int63n(int64(100 * model.Second)))
		steps = append(steps, model.Step{At: at, Verb: model.StepRecover, Kind: model.KindNode, Name: "n0"})
	}
	return steps
}
