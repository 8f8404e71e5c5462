package kubelet

import "podsim/model"

// Pod is a kubelet's view of one pod.
type Pod struct {
	template *model.PodTemplate
	// NoCgroupsPerQOS says that the kubelet runs with cgroupsPerQOS: false: then it cannot read the
	// pod's cgroup. It is set after NewPod or Reset.
	NoCgroupsPerQOS bool
	// KubeletStart is when the kubelet began. It is set with it.
	KubeletStart model.Time
	// Settings are those of the kubelet; Reset keeps them.
	Settings Settings

	// The pod as the API server last told it (kubelet/config, pod_manager.go).
	config config

	// The pod worker (pod_workers.go podSyncStatus).
	work work
	// The sync that the worker carries out.
	sync syncState

	volumes    volumes
	sandbox    sandbox
	containers []container
	// resize is nil unless the pod was resized in place.
	resize *resize
	// instances counts the container instances made so far.
	instances int32

	// What the PLEG last saw (pleg/generic.go, container/cache.go), and the status that the sync
	// under way was given.
	seen seen
	view status

	// Status is the status manager's entry for the pod (status/status_manager.go podStatuses);
	// version counts its changes, 0 means that there is none yet. The driver publishes it.
	Status  *model.PodStatus
	Version int64
	// orphaned says that housekeeping has taken the entry away, since the pod is gone from the API
	// server; Status has what it was.
	orphaned bool
	// sending is the status on its way to the API server; published says that by the one that came
	// there last the pod has run containers.
	sending   sending
	published bool
	// next is the status being generated: it and Status change places when it becomes the entry.
	// spare is memory for the containers of the entry before the first, which has none.
	next     *model.PodStatus
	statuses [2]model.PodStatus
	spare    []model.ContainerStatus

	// The step under way: the moment, the PLEG's last look at all pods, the effects so far.
	now, global model.Time
	joins, held bool
	out         []Effect
}

// config is what the kubelet knows of the pod's object.
type config struct {
	deleting bool
	// removed says that the object is gone from the API server.
	removed bool
	// graceSeconds is metadata.deletionGracePeriodSeconds, valid when deleting.
	graceSeconds int64
	// phase is the phase in the API server's copy, initialized says that by it the pod has run
	// containers.
	phase       model.Phase
	initialized bool
	// gates are the readiness gates there.
	gates model.Gates
	// generation is metadata.generation.
	generation int64
}

// workType is what the pod worker does next (pod_workers.go PodWorkType).
type workType uint8

const (
	syncPod workType = iota
	terminatingPod
	terminatedPod
	// finished: the worker has ended.
	finished
)

// work is the state of the pod worker.
type work struct {
	kind workType
	// pending says that an update waits for the worker, busy that the worker is in a sync, stale
	// that the update has the pod's object as the sync before had it.
	pending, busy, stale bool
	// lastSync is when the last sync ended; the next one waits for a PLEG newer than that.
	lastSync model.Time
	// evicted is the reason why the kubelet itself ends the pod, NoText otherwise.
	evicted        model.Text
	evictedMessage model.Message
	// disruption is the message of the condition DisruptionTarget, which says so too; none when it is
	// not set.
	disruption model.Message
	// refused says that the pod ran and that this kubelet does not admit it.
	refused bool
	// shutdown says that this is a node shutdown, for which nothing of the pod is removed.
	shutdown bool
	// graceSeconds is the effective grace period of the termination, 0 before.
	graceSeconds int64
	// phase is the phase of the object that the pending update came with.
	phase model.Phase
	// initialized says that the object that the pending update came with had run containers
	// (hasPodInitialized), gates are its readiness gates.
	initialized bool
	gates       model.Gates
	// deadline says that the tick after the pod's deadline was asked for.
	deadline bool
	// rejected says that the kubelet did not admit the pod and that housekeeping has not taken it.
	rejected bool
	// podFinished says that SyncTerminatedPod is done (versionedPodStatus.podIsFinished).
	podFinished bool
}

// sandbox is the pod's sandbox in the runtime.
type sandbox struct {
	// exists says that there is one, ready that it runs.
	exists, ready bool
	// attempt numbers the pod's sandboxes; an instance of another attempt is not active.
	attempt int16
}

// sending is the status that a batch of the status manager has taken: the entry itself until
// the entry changes, then a copy of what it was.
type sending struct {
	taken, copied, finished bool
	status                  *model.PodStatus
}

// seen is the PLEG's record of the pod beside the instances.
type seen struct {
	// listed is the sandbox of the last list of the runtime's pods, at the moment of that list when
	// it showed a change; worthy says that the change makes the worker sync.
	listed   sandbox
	listedAt model.Time
	worthy   bool
	// died says that the list showed that a container or the sandbox has ended.
	died bool
	// The cache: the sandbox, and whether the pod has had an address.
	status
	// at is when the pod was last observed; -Never before.
	at model.Time
	// dirty says that the runtime's state changed since the last list, first at since; asked that a look
	// is under way, inspecting that Inspected is to come.
	dirty, asked, inspecting bool
	since                    model.Time
}

// status is the pod's status beside the instances, as the PLEG's cache has it
// (kubecontainer.PodStatus).
type status struct {
	sandbox sandbox
	hasIP   bool
}

// runtimeState is the state of a container instance in the runtime.
type runtimeState uint8

const (
	absent runtimeState = iota
	created
	running
	exited
)

// instance is one container in the runtime (kubecontainer.Status).
type instance struct {
	id       int32
	state    runtimeState
	attempt  int16
	restarts int32
	exitCode int32
	reason   model.Text
	message  model.Message
	started  model.Time
	finished model.Time
}

// listing is a container instance in a list of the runtime's pods.
type listing struct {
	id    int32
	state runtimeState
}

// container is what the kubelet keeps for one container of the pod.
type container struct {
	// cur is the latest instance in the runtime and prev the one before; the seen ones are those of
	// the PLEG's cache, the view's those that the sync under way was given.
	cur, prev         instance
	seenCur, seenPrev instance
	viewCur, viewPrev instance
	// listedCur and listedPrev are the instances of the PLEG's list, by which it finds what has
	// happened (podRecords).
	listedCur, listedPrev listing
	// ended says that the list showed that an instance has ended.
	ended bool
	// old is the instance before prev, when it is in the runtime still; 0 otherwise.
	old, seenOld, viewOld int32

	// failure is the reason cache's entry: why the container could not be started
	// (reason_cache.go).
	failure        model.Text
	failureMessage model.Message

	// logs numbers the container's next log, which stays when the container is removed
	// (kuberuntime_container.go calcRestartCountByLogDir).
	logs int32

	// crash is the entry of the crash loop back-off, pull that of the image back-off.
	crash, pull backoff
	// pullError is why the last pull failed (image_manager.go prevPullErrMsg).
	pullError model.Message

	kill   kill
	probes [model.NumProbes]probe
}

// backoff is an entry of client-go's util/flowcontrol Backoff.
type backoff struct {
	delay  model.Time
	update model.Time
}

// The kubelet's back-off of images (kubelet.go imageBackOffPeriod, MaxImageBackOff), and when an entry
// is forgotten: those of crashes do so after the same time whatever the longest delay is
// (kubelet.go HasExpiredFunc).
const (
	backoffInitial = 10 * model.Second
	backoffMax     = 300 * model.Second
	backoffExpires = 600 * model.Second
)

func (b *backoff) expired(at model.Time) bool {
	return b.delay == 0 || at-b.update > backoffExpires
}

// next follows Backoff.Next: at is the moment of the failure.
func (b *backoff) next(at, now, initial, most model.Time) {
	if b.expired(at) {
		b.delay = initial
	} else {
		b.delay = min(2*b.delay, most)
	}
	b.update = now
}

// NewPod makes the machine of a pod that has just been bound to a node.
func NewPod(t *model.PodTemplate) *Pod {
	p := &Pod{Settings: DefaultSettings()}
	p.Reset(t)
	return p
}

// Reset makes p the machine of a new pod, using its memory again.
func (p *Pod) Reset(t *model.PodTemplate) {
	containers := p.containers[:0]
	status, next, sent := p.statuses[0].Containers, p.statuses[1].Containers, p.sending.status
	gates := [2][]model.Condition{p.statuses[0].Gates[:0], p.statuses[1].Gates[:0]}
	backoff := p.volumes.backoff[:0]
	*p = Pod{template: t, Settings: p.Settings}
	p.volumes.backoff = backoff
	p.sending.status = sent
	p.seen.at = -model.Never
	p.work.lastSync = -model.Never
	for range t.Containers {
		containers = append(containers, container{})
	}
	p.containers = containers
	p.Status, p.next = &p.statuses[0], &p.statuses[1]
	p.Status.StartTime = model.Never
	p.Status.Gates, p.next.Gates = gates[0], gates[1]
	p.next.Containers = next[:0]
	p.spare = status[:0]
}

// EventKind is what happened to a pod.
type EventKind uint8

// The events of a pod.
const (
	// Configured: the API server's object was added or changed (kubelet.go HandlePodAdditions,
	// HandlePodUpdates): Deleting, Grace, Phase and Gates are the object's, N is its generation.
	Configured EventKind = iota
	// Rejected: the kubelet does not admit the pod (kubelet.go rejectPod): Reason and Text are the
	// Event's, Message is the status's; the rest is that of Configured.
	Rejected
	// Removed: the object is gone (HandlePodRemoves).
	Removed
	// Reconciled: only the status in the API server changed (HandlePodReconcile): Phase and Gates are
	// its, OK asks for a sync (PodStatus.ReconcilesReady).
	Reconciled
	// Woken: the wake that was asked for is due, at a tick of the sync loop.
	Woken
	// DeadlineReached is the tick of the sync loop that DeadlineAt asked for: the deadline is over.
	DeadlineReached
	// Housekept is the round of housekeeping that Housekeep asked for.
	Housekept
	// Relisted: the PLEG has listed the pod; what it saw is the state at this moment. OK says
	// that it was asked to, and did not look at all pods. If Unseen was true before, Inspected
	// follows: the PLEG has looked closer, and its cache has the state at that moment.
	Relisted
	Inspected
	// LookOver: a look of the PLEG at all pods is over that saw the pod unchanged while it inspected
	// others. It comes instead of Relisted.
	LookOver
	// Evict: the eviction manager ends the pod (evictPod, killPodNow): Text is the reason, Message the
	// message, Disruption that of the condition DisruptionTarget, none when it is not set. GraceSeconds
	// is the grace period, 0 for the pod's own.
	Evict
	// Preempt is the same for the sake of a critical pod (preemption/preemption.go
	// evictPodsToFreeRequests).
	Preempt
	// Shutdown is the same for a graceful node shutdown (nodeshutdown/nodeshutdown_manager.go killPods).
	Shutdown
	// ResizeAllocated: the kubelet gives the pod the resources of Template, which it asked for with
	// generation N. OK gives the worker work, here and in the next two.
	ResizeAllocated
	// ResizePended: it cannot: Reason is Deferred or Infeasible, Message says why, Text is the message of
	// the Event.
	ResizePended
	// ResizeReverted: the pod asks again for what it has.
	ResizeReverted

	// SyncBegun answers BeginSync.
	SyncBegun

	// The answers of the runtime. Text is the error, NoText for success.
	SandboxStarted
	SandboxStopped
	// VolumesMounted answers MountVolumes when all are. VolumeFailed says that one could not be set up,
	// Message why; VolumeSetUp is its success after SetUpVolume. N is the index of the volume in
	// the template's VolumeSources.
	VolumesMounted
	VolumeFailed
	VolumeSetUp
	// VolumesUnprocessed answers MountVolumes when a claim is not bound: Text says so.
	VolumesUnprocessed
	// VolumesStale says that a volume that is mounted could not be set up again.
	VolumesStale
	VolumesUnmounted
	// ImageStatus answers AskImage: OK says that the image is present and that the pod may use it
	// (PullRecords).
	ImageStatus
	// ImagePulled answers Pull: N is the duration of the pull, M the same with waiting, S the
	// size in bytes. Reason is the error's reason; with an error, Secrets names the pod's pull
	// secrets that do not exist.
	ImagePulled
	// ConfigGenerated answers GenerateConfig.
	ConfigGenerated
	ContainerCreated
	ContainerStarted
	// ContainerStopped answers Stop: the container is not running any more.
	ContainerStopped
	ContainerRemoved
	// ContainerDiscarded answers Discard: Instance is not in the runtime any more.
	ContainerDiscarded
	// Resized answers Resize.
	Resized
	// ContainerExited says that the main process ended: N is the exit code, Reason the reason. At is when, by
	// the runtime, 0 for the present moment.
	ContainerExited
	// HookDone answers RunHook; OK says that the hook succeeded. If not, N is the exit code of a
	// command, Text its output or the error of a request.
	HookDone
	// TimerFired answers Timer: Container is -1 for the volumes' timer.
	TimerFired
	// ProbeDue is the tick that ProbeAt asked for.
	ProbeDue
	// Probed answers RunProbe: OK is the answer, At until when the same answer is certain (the
	// present moment when nothing is). N is the ProbeEnd of a failure, Text what it says; a Text
	// beside OK is a warning. Errored says that the probe could not be run.
	Probed
	// MirrorReconciled answers ReconcileMirror.
	MirrorReconciled
)

var eventNames = [...]string{"Configured", "Rejected", "Removed", "Reconciled", "Woken", "DeadlineReached", "Housekept", "Relisted", "Inspected", "LookOver", "Evict", "Preempt", "Shutdown", "ResizeAllocated", "ResizePended", "ResizeReverted", "SyncBegun", "SandboxStarted",
	"SandboxStopped", "VolumesMounted", "VolumeFailed", "VolumeSetUp", "VolumesUnprocessed", "VolumesStale", "VolumesUnmounted", "ImageStatus", "ImagePulled", "ConfigGenerated", "ContainerCreated",
	"ContainerStarted", "ContainerStopped", "ContainerRemoved", "ContainerDiscarded", "Resized", "ContainerExited", "HookDone", "TimerFired", "ProbeDue", "Probed",
	"MirrorReconciled"}

// String is the event's name.
func (k EventKind) String() string { return eventNames[k] }

// Event is something that happened to a pod.
type Event struct {
	Kind EventKind
	// Container is the index of the container that the event is about, Probe its probe.
	Container int8
	Probe     model.ProbeType
	OK        bool
	Errored   bool
	// Joins says that what the worker is given now and what another event of the same moment gave it
	// are one: its goroutine has not run between them.
	Joins    bool
	Deleting bool
	Phase    model.Phase
	Gates    model.Gates
	// Now is the moment of the event and Global the beginning of the PLEG's last look at all pods.
	Now, Global model.Time
	// At: see the kinds.
	At model.Time
	// Resynced: see Wake; 0 when there was none.
	Resynced model.Time
	// Instance is the container instance that the event is about.
	Instance int32
	// Gen is the generation of the timer or tick; a stale one is ignored.
	Gen          uint16
	GraceSeconds int64
	N, M, S      int64
	Text, Reason model.Text
	Secrets      model.Text
	Message      model.Message
	Disruption   model.Message
	// Held says that the kubelet's sync loop is busy: what comes through it waits (HoldWake).
	Held bool
	// Template: see ResizeAllocated.
	Template *model.PodTemplate
}

// EffectKind is what a pod asks of the world.
type EffectKind uint8

// The effects of a pod.
const (
	// Wake asks for Woken at a tick of the sync loop, Delay from now, lengthened by a random
	// part of up to half of it (wait.Jitter with factor 0.5), and replaces an earlier Wake. OK
	// says that the wakes of each such Delay from now on would find nothing to do: they need not
	// come, but the next event says in Resynced when the latest of them would have been over.
	Wake EffectKind = iota
	// HoldWake asks for Woken once the sync loop is free.
	HoldWake
	// DeadlineAt asks for DeadlineReached at the first tick of the sync loop from At on.
	DeadlineAt
	// Housekeep asks for Housekept at the next round of housekeeping (kubelet_pods.go
	// HandlePodCleanups).
	Housekeep
	// RelistSoon asks the PLEG to look at the pod at once, RelistNext to report at its next
	// look at all pods.
	RelistSoon
	RelistNext
	// BeginSync asks for SyncBegun after Delay and the time that a worker takes to begin.
	BeginSync
	// PublishStatus says that Status changed.
	PublishStatus
	// PublishHeld says that Status did not change, but that what was held back of it while
	// containers could run may go with the status manager's next look at all statuses.
	PublishHeld
	// Emit writes a Kubernetes Event: Reason, Warning, Container, Message, M, S.
	Emit

	// ReconcileMirror sees to it that a static pod has its mirror in the API server (kubelet.go
	// tryReconcileMirrorPods).
	ReconcileMirror
	MountVolumes
	// SetUpVolume tries to set up a volume, M, again at the reconciler's first round after At.
	SetUpVolume
	// RemountVolumes sets up the volumes again that are made of what may have changed.
	RemountVolumes
	UnmountVolumes
	RunSandbox
	// StopSandbox stops the sandbox; OK says that it runs.
	StopSandbox
	// AskImage and GenerateConfig, which makes a container's configuration, are answered at once;
	// the rest takes time.
	AskImage
	GenerateConfig
	Pull
	Create
	Start
	// Stop sends SIGTERM and, GraceSeconds later, SIGKILL.
	Stop
	Remove
	// Discard lets the kubelet's deletor remove an instance that has ended, after those of all the
	// node's pods that it was given before (pod_container_deletor.go).
	Discard
	// Collect lets the container GC remove such an instance, if its next round comes before the
	// PLEG's next list: then the deletor takes care of it. With OK, if it comes before the container
	// is started. ContainerDiscarded answers it too. Container is -1 where it removes all dead instances
	// of a deleted pod that has stopped (kuberuntime_gc.go evictContainers): those of one container after
	// the other, the newest first.
	Collect
	// Resize changes the resources of running containers and of the pod's cgroup.
	Resize
	// RunHook runs the container's hook: PostStart or PreStop by OK (true is postStart).
	RunHook
	// Timer asks for TimerFired after Delay.
	Timer
	// ProbeAt asks for ProbeDue at At, put off by a random part of Delay.
	ProbeAt
	// RunProbe runs the probe once.
	RunProbe
	// Done says that the worker has ended.
	Done
)

var effectNames = [...]string{"Wake", "HoldWake", "DeadlineAt", "Housekeep", "RelistSoon", "RelistNext", "BeginSync", "PublishStatus", "PublishHeld", "Emit", "ReconcileMirror", "MountVolumes", "SetUpVolume", "RemountVolumes", "UnmountVolumes",
	"RunSandbox", "StopSandbox", "AskImage", "GenerateConfig", "Pull", "Create", "Start", "Stop", "Remove", "Discard", "Collect", "Resize", "RunHook", "Timer", "ProbeAt",
	"RunProbe", "Done"}

// String is the effect's name.
func (k EffectKind) String() string { return effectNames[k] }

// Effect is something that a pod asks of the world.
type Effect struct {
	Kind         EffectKind
	Container    int8
	Probe        model.ProbeType
	OK           bool
	Warning      bool
	Reason       model.EventReason
	Instance     int32
	Gen          uint16
	Delay, At    model.Time
	GraceSeconds int64
	Message      model.Message
	M, S         int64
}
