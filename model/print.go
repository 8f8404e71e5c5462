package model

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/util/duration"
)

// Columns are what `kubectl get pods` shows of a pod; the last five with -o wide.
type Columns struct {
	Name, Ready, Status, Restarts, Age string

	IP, Node, NominatedNode, ReadinessGates string
}

// PodColumns are a pod's columns at the moment now (pkg/printers/internalversion/printers.go
// printPod).
func (s *State) PodColumns(p *Pod, now Time) Columns {
	w := summarize(p)
	c := Columns{
		Name:           p.Name,
		Ready:          fmt.Sprintf("%d/%d", w.ready, w.total),
		Status:         w.status(s),
		Restarts:       RestartsColumn(w.restarts, w.lastRestart, now),
		Age:            Age(now - p.Created.TruncateSecond()),
		IP:             none(s.IP(p)),
		Node:           "<none>",
		NominatedNode:  "<none>",
		ReadinessGates: "<none>",
	}
	if p.Node != 0 {
		c.Node = s.Nodes[p.Node].Name
	}
	if p.Nominated != 0 {
		c.NominatedNode = s.Nodes[p.Nominated].Name
	}
	if n := len(p.Template.Spec.ReadinessGates); n > 0 {
		c.ReadinessGates = fmt.Sprintf("%d/%d", w.gates, n)
	}
	return c
}

// StatusWord is the STATUS column alone. The usual words cost no memory.
func (s *State) StatusWord(p *Pod) string {
	w := summarize(p)
	return w.status(s)
}

// status puts the summary's word together.
func (w *podSummary) status(s *State) string {
	switch {
	case w.word != "":
		return w.word
	case !w.init:
		return s.Texts.String(w.reason)
	case w.reason < firstFree:
		return initReasons[w.reason]
	}
	return "Init:" + s.Texts.String(w.reason)
}

// Summary is what `kubectl get pods` says of a pod, without the layout.
type Summary struct {
	// Ready and Containers are the READY column.
	Ready, Containers int
	Status            string
	Restarts          int32
	// LastRestart is when the last of the counted restarts' containers ended, Never for none.
	LastRestart Time
}

// Summary is the pod's row of `kubectl get pods`.
func (s *State) Summary(p *Pod) Summary {
	w := summarize(p)
	return Summary{Ready: w.ready, Containers: w.total, Status: w.status(s), Restarts: w.restarts, LastRestart: w.lastRestart}
}

// RestartCount is the RESTARTS column without the time.
func (p *Pod) RestartCount() int32 { return summarize(p).restarts }

// RestartsColumn is the RESTARTS column: a count, and how long ago the last one was, which
// is Never when nobody knows.
func RestartsColumn(restarts int32, last, now Time) string {
	if restarts != 0 && last != Never {
		return fmt.Sprintf("%d (%s ago)", restarts, Age(now-last))
	}
	return strconv.Itoa(int(restarts))
}

// Age is a span of time as kubectl prints it.
func Age(d Time) string { return duration.HumanDuration(max(0, d).Duration()) }

func none(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

// TimesKnown says whether the times of a terminated state are known: those of a container
// that could not be located are not. A time of zero does not tell, it is the run's first
// second.
func (s *ContainerState) TimesKnown() bool { return s.ContainerID != 0 || s.FinishedAt != 0 }

// podSummary is what printPod counts. The status is word if it is set, else reason, which
// init says is that of an init container.
type podSummary struct {
	reason       Text
	init         bool
	word         string
	ready, total int
	restarts     int32
	lastRestart  Time
	gates        int
}

// summarize follows printPod: the phase, overruled by the pod's reason, by the first init
// container that is not through, by the containers, by the deletion.
func summarize(p *Pod) podSummary {
	st := &p.Status
	w := podSummary{word: st.Phase.String(), lastRestart: Never}
	if st.Reason != NoText {
		w.set(st.Reason)
	}
	if st.Conditions[PodScheduled].Reason == ReasonSchedulingGated {
		w.set(ReasonSchedulingGated)
	}
	for i := range p.Template.Containers {
		if p.Template.Containers[i].Kind != InitContainer {
			w.total++
		}
	}
	for i := range st.Gates {
		if st.Gates[i].Status == ConditionTrue {
			w.gates++
		}
	}
	seen, initializing := w.initContainers(p)
	if !initializing || st.Conditions[PodInitialized].Status == ConditionTrue {
		w.sidecarRestarts(p, seen)
		w.containers(p)
	}
	switch {
	case p.Deleting && st.Reason == ReasonNodeLost:
		w.word = "Unknown"
	case p.Deleting && !st.Phase.Terminal():
		w.word = "Terminating"
	}
	return w
}

func (w *podSummary) set(reason Text) { w.reason, w.word, w.init = reason, "", false }

// initContainers says whether the pod is still initializing, and by what. It looks at the
// first containers, up to the one that is not through: seen of them.
func (w *podSummary) initContainers(p *Pod) (seen int, initializing bool) {
	if p.Status.Containers == nil {
		return 0, false
	}
	n := p.Template.NumInit
	for i := range n {
		k := &p.Status.Containers[i]
		sidecar := p.Template.Containers[i].Kind == Sidecar
		w.restarts += k.Restarts
		w.restarted(k)
		switch {
		case k.State.Kind == StateTerminated && k.State.ExitCode == 0:
			continue
		case sidecar && k.Started:
			if k.Ready {
				w.ready++
			}
			continue
		case k.State.Kind == StateTerminated:
			w.failedInit(&k.State)
		case k.State.Kind == StateWaiting && k.State.Reason != NoText && k.State.Reason != ReasonPodInitializing:
			w.set(k.State.Reason)
			w.init = true
		default:
			w.word = initProgress(i, n)
		}
		return i + 1, true
	}
	return n, false
}

// initReasons are the words of waiting and failed init containers, so that the usual ones
// cost no memory.
var initReasons = func() (words [firstFree]string) {
	for i, r := range wellKnown {
		words[i] = "Init:" + r
	}
	return words
}()

// progressMax is the number of init containers up to which progressWords has the words.
const progressMax = 8

// progressWords are the words Init:N/M for few init containers, so that they cost no memory.
var progressWords = func() (words [progressMax][progressMax + 1]string) {
	for i := range words {
		for n := range words[i] {
			words[i][n] = fmt.Sprintf("Init:%d/%d", i, n)
		}
	}
	return words
}()

func initProgress(i, n int) string {
	if n <= progressMax {
		return progressWords[i][n]
	}
	return fmt.Sprintf("Init:%d/%d", i, n)
}

// failedInit is the word for an init container that failed.
func (w *podSummary) failedInit(s *ContainerState) {
	switch {
	case s.Reason != NoText:
		w.set(s.Reason)
		w.init = true
	case s.Signal != 0:
		w.word = fmt.Sprintf("Init:Signal:%d", s.Signal)
	default:
		w.word = fmt.Sprintf("Init:ExitCode:%d", s.ExitCode)
	}
}

func (w *podSummary) restarted(k *ContainerStatus) {
	if k.Last.Kind != StateTerminated || !k.Last.TimesKnown() {
		return
	}
	if w.lastRestart == Never || w.lastRestart < k.Last.FinishedAt {
		w.lastRestart = k.Last.FinishedAt
	}
}

// containers takes over the status from the containers, the first one last. They stand in a
// status in the order of their names (pkg/kubelet/types/types.go SortedContainerStatuses).
func (w *podSummary) containers(p *Pod) {
	if p.Status.Containers == nil {
		return
	}
	running, failed := false, podSummary{}
	for i := len(p.Template.ByName) - 1; i >= 0; i-- {
		k := &p.Status.Containers[p.Template.ByName[i]]
		w.restarts += k.Restarts
		w.restarted(k)
		switch {
		case k.State.Kind == StateWaiting && k.State.Reason != NoText:
			w.set(k.State.Reason)
		case k.State.Kind == StateTerminated:
			w.terminated(&k.State)
			if k.State.ExitCode != 0 {
				failed.reason, failed.word = w.reason, w.word
			}
		case k.Ready && k.State.Kind == StateRunning:
			running = true
			w.ready++
		}
	}
	if w.word != "" || w.init || w.reason != ReasonCompleted {
		return
	}
	switch {
	case running && p.Status.Ready():
		w.word = "Running"
	case failed.reason != NoText || failed.word != "":
		w.reason, w.word = failed.reason, failed.word
	case running:
		w.word = "NotReady"
	}
}

// sidecarRestarts counts only the sidecars' restarts of the init containers that were seen:
// those behind one that starts over, as after a change of the sandbox, do not count.
func (w *podSummary) sidecarRestarts(p *Pod, seen int) {
	w.restarts, w.lastRestart = 0, Never
	for i := range seen {
		if p.Template.Containers[i].Kind == Sidecar {
			w.restarts += p.Status.Containers[i].Restarts
			w.restarted(&p.Status.Containers[i])
		}
	}
}

func (w *podSummary) terminated(s *ContainerState) {
	switch {
	case s.Reason != NoText:
		w.set(s.Reason)
	case s.Signal != 0:
		w.word = fmt.Sprintf("Signal:%d", s.Signal)
	default:
		w.word = fmt.Sprintf("ExitCode:%d", s.ExitCode)
	}
}
