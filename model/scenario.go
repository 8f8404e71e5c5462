package model

import (
	"fmt"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"podsim/model/kubeletconfig"
	"podsim/model/schedulerconfig"
)

// Scenario is what a run is given: a cluster, what its containers do, and what happens when.
type Scenario struct {
	Name string
	Seed uint64
	// Duration is how long the run lasts.
	Duration Time
	// Start is the wall clock at time 0, on a whole second.
	Start time.Time

	Nodes      []NodeSpec
	Registries []Registry
	Images     []ImageSpec
	Behaviors  []Behavior
	// Storage are the drivers of volumes; the first that matches a name counts.
	Storage []StorageDriver
	// Steps in order of time; what is applied at the start stands first, at 0s.
	Steps []Step

	ControlPlane ControlPlane
	Latencies    Latencies
	// Scheduler is the scheduler's configuration, nil for the default one.
	Scheduler *schedulerconfig.Configuration

	// PullProgressTimeout is how long the container runtimes let a pull get nothing; 0 is containerd's 5 minutes.
	PullProgressTimeout Time

	// Unsimulated lists the fields that the manifests set and the simulation has no use for,
	// such as "Pod spec.hostPID", with the number of objects that set each. Sorted.
	Unsimulated []Unsimulated
}

// Unsimulated is a field that has no effect in the simulation.
type Unsimulated struct {
	// Kind is the kind of object, Field the path of the field in it.
	Kind, Field string
	Objects     int
}

// Position is a place in a file that a user wrote.
type Position struct {
	File string
	Line int
}

// String is "file:line".
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// NodeSpec is one node of the cluster at the start.
type NodeSpec struct {
	Name string
	// Object has the node's labels, taints and capacity. Nodes of a pool share it, so the
	// name and the hostname label are not in it.
	Object *v1.Node
	// Images are the images on the node at the start.
	Images []string
	// StaticPods are the manifests that its kubelet finds at the start: Pods.
	StaticPods []Object
	// Bandwidth is what the node can download, in bytes per second; 0 is no limit.
	Bandwidth int64
	// NodeFilesystem is the kubelet's file system, whose capacity is that of ephemeral-storage; nil when
	// nothing else is known of it. ImageFilesystem is that of images and writable layers, nil when it is
	// the same one.
	NodeFilesystem, ImageFilesystem *Filesystem
	// Processes are those that the node may have and has without its pods.
	Processes ProcessLimit
	// MissingPaths are paths that hostPath volumes do not find there.
	MissingPaths []string
	// Kubelet is the configuration of its kubelet, nil for the default one. Nodes of a pool share it.
	Kubelet *kubeletconfig.Configuration
	// SystemMemory is what the system and the kubelet use of the memory, in bytes.
	SystemMemory int64
}

// Filesystem is a file system of a node.
type Filesystem struct {
	// Capacity is in bytes, Used what is taken by something else than pods and images.
	Capacity, Used int64
	// Inodes is how many there are, 0 when it is not known, InodesUsed how many of them are taken by
	// something else.
	Inodes, InodesUsed int64
}

// ProcessLimit is how many processes a node may have, 0 when it is not known, and how many it has
// without its pods.
type ProcessLimit struct{ Max, Used int64 }

// Registry says how fast images come from a registry.
type Registry struct {
	// Host is the registry's host, or a pattern with "*"; the first that matches counts. With a "/" it is
	// a pattern for an image's repository, such as quay.io/slow/*, as if that came from elsewhere.
	Host string
	// Bandwidth is in bytes per second for all nodes together, Connection for each layer that a node
	// downloads; 0 is no limit.
	Bandwidth, Connection int64
	// Latency is added to each pull.
	Latency Dist
	Where   Position
}

// Gives says that the image comes from there.
func (r *Registry) Gives(i *Image) bool {
	if strings.Contains(r.Host, "/") {
		return Matches(r.Host, i.Repository())
	}
	return Matches(r.Host, i.Registry())
}

// ImageSpec says what is known of an image.
type ImageSpec struct {
	Name string
	// Size is in bytes, zero when the scenario gives none.
	Size int64
	// Error is what pulling it ends with: "" for no error, one of the kinds that sim puts into a
	// container runtime's words, or a text.
	Error string
	// Credentials are the names of the pull secrets with which the registry gives it, none when
	// it gives it to everybody.
	Credentials []string
	// User is the user that the image's containers run as, a number or a name; empty when not
	// known.
	User string
	// Layers are the image's layers, the lowest first; none when it is one layer of its size.
	Layers []LayerSpec
	// Pinned says that the runtime needs the image itself, so that it is never removed.
	Pinned bool
	Where  Position
}

// LayerSpec is a layer of an image. Layers with one name are one.
type LayerSpec struct {
	Name string
	// Size is what a pull transfers, in bytes; Unpacked is what its snapshot takes beside it on a disk.
	Size, Unpacked int64
}

// DefaultImageSize is the size in bytes of an image that the scenario does not describe.
// A guess: between a small static image and a language runtime.
const DefaultImageSize = 64 << 20

// Behavior says what containers do once they are started. The first one that matches a
// container counts.
type Behavior struct {
	// Patterns with "*"; empty matches all. Namespace, Pod and Container match names, Image
	// the image as the manifest writes it, Args the command and the args, joined by spaces.
	Namespace, Pod, Container, Image, Args string

	// Run says how long the main process runs and how it ends.
	Run Run
	// OnTerm says what SIGTERM does.
	OnTerm OnTerm
	// CreateError and StartError, when set, are the runtime's errors when the container is
	// created and when it is started.
	CreateError, StartError string
	// Probes gives the answers of the probes over time since the container's start. Nil
	// answers well always.
	Probes [NumProbes][]ProbePoint
	// Memory is the memory in use over time since the container's start, MemoryWalk is set where it
	// goes up and down at random instead. MemoryChild says that it is that of a child of the main
	// process.
	Memory      []MemoryPoint
	MemoryWalk  *MemoryWalk
	MemoryChild bool
	// Disk is what the container has written, over time since its start.
	Disk []DiskPoint
	// Processes is the number of its processes, over time since its start; one when nothing is said.
	Processes []ProcessPoint
	// PostStart and PreStop are how long exec and http hooks take and whether they fail.
	PostStart, PreStop HookRun
	// Port is what the process's server listens on, 0 when only the container's own probes reach it.
	// Of a pod's containers with the same port, the one that was started first answers them all.
	// Listens is how long after its start the process listens there.
	Port    int32
	Listens Time
	Where   Position
}

// Run is the life of a container's main process.
type Run struct {
	// Forever says that it does not end by itself.
	Forever bool
	// For is how long it runs, in nanoseconds.
	For Dist
	// Work, if MilliCPUs is set, is how much CPU time it needs instead, in nanoseconds: it can use that many
	// thousandths of cores at a time.
	Work      Dist
	MilliCPUs int64
	// Exit lists exit codes: the first run ends with the first, the last is used for all
	// further runs. Empty means 0.
	Exit []int32
	// OOM says that the end is a kill for want of memory (exit code 137, OOMKilled).
	OOM bool
	// Message is what the process has written to its terminationMessagePath when it ends, Log the
	// end of its log.
	Message, Log string
}

// OnTerm is what a process does on SIGTERM.
type OnTerm struct {
	// Ignore says that it goes on until it is killed.
	Ignore bool
	// After is how long it takes to end, in nanoseconds.
	After Dist
	Exit  int32
}

// ProbePoint is a probe's answer from At on.
type ProbePoint struct {
	At Time
	OK bool
	// Output is what a probe that fails says; empty for the usual words.
	Output string
	// Takes is how long the answer takes, in nanoseconds, beside the probe's usual time. After the
	// probe's timeout there is none.
	Takes Dist
	// Status is the status code of the HTTP server, 0 for 200 or 503.
	Status int32
	// Refused says that nobody listens.
	Refused bool
}

// Redirects says that an HTTP probe is sent somewhere else, which counts as success with a
// warning (pkg/probe/http/http.go DoHTTPProbe).
func (p *ProbePoint) Redirects() bool { return p.Status >= 300 && p.Status < 400 }

// DiskPoint is what a container has written to a volume, in bytes, from At on; with no volume, to
// its writable layer, and with LogVolume, to its log. All but the layer is kept when the container starts
// anew.
type DiskPoint struct {
	At     Time
	Volume string
	Use    int64
	// Inodes is the number of files and folders.
	Inodes int64
}

// LogVolume stands for a container's log, which is on the kubelet's file system. No volume has such a
// name.
const LogVolume = "/log"

// ProcessPoint is the number of a container's processes from At on.
type ProcessPoint struct {
	At    Time
	Count int64
}

// HookRun is how an exec or http hook goes.
type HookRun struct {
	// Takes is in nanoseconds.
	Takes Dist
	Fail  bool
	// Exit is the exit code of a command that fails, 0 for the usual 1. Output is what it says, or
	// the error of a request; empty for the usual words.
	Exit   int32
	Output string
}

// StepVerb is what a step does.
type StepVerb uint8

// The verbs of steps.
const (
	// StepApply applies Objects.
	StepApply StepVerb = iota
	// StepDelete deletes the target; Grace and Force as in kubectl.
	StepDelete
	// StepScale sets the target's replicas.
	StepScale
	// StepSetImage sets Image for Container ("*" for all) of the target.
	StepSetImage
	// StepCordon and StepUncordon set spec.unschedulable of a node.
	StepCordon
	StepUncordon
	// StepTaint adds Taint to a node, StepUntaint removes it.
	StepTaint
	StepUntaint
	// StepDrain cordons a node and evicts its pods.
	StepDrain
	// StepFail makes a node fail as Failure says; StepRecover brings it back.
	StepFail
	StepRecover
	// StepRestartKubelet is how a scenario file writes a kubelet that fails and recovers at once or later:
	// a StepFail and a StepRecover.
	StepRestartKubelet
	// StepShutdown shuts a node down, which is then off for For, or for good when that is 0.
	StepShutdown
	// StepSetCondition sets the condition of a readiness gate, Condition, to Status, in all pods there
	// are whose names match the pattern Name.
	StepSetCondition
	// StepRegistry says what is wrong with the registries whose hosts match the pattern Name: the Error
	// that requests end with, and the Bandwidth. Without both all is well again.
	StepRegistry
	// StepResize patches the resize subresource of a pod: Requests and Limits of Container, of the pod as
	// a whole when that is empty.
	StepResize
	// StepReseed takes another seed for all draws from now on: the run goes on as another run
	// might have from here.
	StepReseed
	// StepStaticPod puts the manifest Objects[0], a Pod, onto the node Name, or changes it.
	StepStaticPod
	// StepRemoveStaticPod takes the manifest of Pod in Namespace away from the node Name.
	StepRemoveStaticPod
)

var stepVerbNames = [...]string{"apply", "delete", "scale", "setImage", "cordon", "uncordon", "taint", "untaint", "drain", "fail", "recover", "restartKubelet", "shutdown", "setCondition", "registry", "resize", "reseed", "staticPod", "removeStaticPod"}

// String is the verb as a scenario file writes it.
func (v StepVerb) String() string { return stepVerbNames[v] }

// Failure is how a node fails.
type Failure uint8

// The ways in which a node fails.
const (
	// FailCrash is loss of power: the containers end, nothing is reported.
	FailCrash Failure = iota
	// FailNetwork cuts the node from the control plane; its containers run on.
	FailNetwork
	// FailKubelet stops the kubelet; its containers run on.
	FailKubelet
)

var failureNames = [...]string{"crash", "network", "kubelet"}

// String is the failure as a scenario file writes it.
func (f Failure) String() string { return failureNames[f] }

// Step is something that happens in a run.
type Step struct {
	At   Time
	Verb StepVerb
	// Objects are what StepApply applies, in the order of the manifests.
	Objects []Object

	// The target of the other verbs.
	Kind            ObjectKind
	Namespace, Name string

	Replicas  int32
	Container string
	Image     string
	// Requests and Limits are those that StepResize sets.
	Requests, Limits v1.ResourceList
	// GraceSeconds is -1 for the object's own.
	GraceSeconds int64
	Force        bool
	Taint        v1.Taint
	Failure      Failure
	// Pod is the name in a manifest.
	Pod string
	For Time
	// Kubelet is the configuration of a kubelet that comes back, nil for the one that it had.
	Kubelet   *kubeletconfig.Configuration
	Condition string
	Status    ConditionStatus
	Seed      uint64
	// Error is what pulls end with, as that of an ImageSpec; Bandwidth is in bytes per second, 0 for the
	// usual one.
	Error     string
	Bandwidth int64

	Where Position
}

// Object is an API object from a manifest, with the API server's defaults applied.
type Object struct {
	runtime.Object
	Where Position
}

// ControlPlane has the delays of the control plane and the limits of its clients.
type ControlPlane struct {
	// Write is from a client's request until the API server has stored it, and Watch from
	// there until a watcher has it, in nanoseconds.
	Write, Watch Dist
	// Reconcile is the time that a controller takes for one key, Schedule the time of one
	// scheduling attempt, in nanoseconds.
	Reconcile, Schedule Dist
	// Provision is from when a driver is asked for a volume until there is one, in nanoseconds.
	Provision Dist
	// FirstOfTies says that the scheduler takes the first of the nodes with the best score, in the order
	// in which it looks at them, where Kubernetes draws one.
	FirstOfTies bool
	// KubeletAdmit is from the kubelet's watch to the first sync of a pod, KubeletSync from the
	// beginning of any sync until the kubelet has made the pod's status.
	KubeletAdmit, KubeletSync Dist
	// KubeletNodeStatus is how long a kubelet takes to make the status of its node. It asks for the
	// address of its host by name, which takes 10 s where no name server answers (measured).
	KubeletNodeStatus Time
	// KubeletAge is how long before the start of the run each kubelet began, in nanoseconds: it sets
	// the phase of the kubelet's loops.
	KubeletAge Dist
	// KubeletJitter is the largest part of a pod worker's delay that is added to it at random
	// (pod_workers.go workerResyncIntervalJitterFactor, workerBackOffPeriodJitterFactor).
	KubeletJitter float64
	// KubeletTick is how late a goroutine of the kubelet, such as a probe worker, comes to a tick, in
	// nanoseconds: of two things that are due at one moment it decides which comes first.
	KubeletTick Dist

	ControllerManager, Scheduler ClientLimit
	// Kubelet is the limit of each kubelet. A QPS of 0 means what its configuration says.
	Kubelet ClientLimit
}

// ClientLimit is a client's rate limit (client-go flowcontrol token bucket). A QPS below 0
// means no limit.
type ClientLimit struct {
	QPS   float64
	Burst int32
}

// Latencies has the delays of the container runtime, in nanoseconds. PullPerMiB is in
// nanoseconds for each MiB: unpacking; the transfer is the registry's.
type Latencies struct {
	RunSandbox, StopSandbox      Dist
	Create, Start, Remove        Dist
	StopTerm, Kill               Dist
	ExecProbe, NetProbe          Dist
	PullLookup                   Dist
	PullPerMiB                   Dist
	MountVolumes, UnmountVolumes Dist
	// LayerStats is from a write to a container's writable layer until the runtime shows it.
	LayerStats Dist
	// ExitVisible is from the end of a container's process until the runtime says so, OOMVisible the same where the
	// kernel killed it at the end of a run (Run.OOM). What ends on SIGTERM or by SIGKILL has it in StopTerm and Kill.
	ExitVisible, OOMVisible Dist
	// UpdateResources is the change of the CPU or the memory of a pod's running containers.
	UpdateResources Dist
	// ConcurrencyPerCPU is how many operations of the runtime have full speed at a time, for each processor of
	// the node; beyond that they share. One always has full speed. 0 is no limit.
	ConcurrencyPerCPU float64
}

// DefaultConnectionBandwidth is what each download has, in bytes per second, from a registry of which
// the scenario gives no bandwidth. All together have no limit there, as behind a content network.
const DefaultConnectionBandwidth = 100 << 20

// DefaultControlPlane is measured on recorded runs of the real components on an idle node:
// an object is stored 2 ms after the request, seen 1 ms later; a reconcile takes 2 ms. That a volume
// is made in 2 s, as a disk of a cloud is, is a guess. The
// limits are the components' defaults (kube-controller-manager 20/30, kube-scheduler 50/100).
func DefaultControlPlane() ControlPlane {
	return ControlPlane{
		Write:             around(2 * Millisecond),
		Watch:             around(1 * Millisecond),
		Reconcile:         around(2 * Millisecond),
		Schedule:          Dist{Kind: DistConstant},
		Provision:         around(2 * Second),
		KubeletAdmit:      around(25 * Millisecond),
		KubeletSync:       around(1 * Millisecond),
		KubeletAge:        Dist{Kind: DistUniform, Min: float64(10 * Minute), Max: float64(11 * Minute)},
		KubeletJitter:     0.5,
		ControllerManager: ClientLimit{QPS: 20, Burst: 30},
		Scheduler:         ClientLimit{QPS: 50, Burst: 100},
	}
}

// around is uniform between t and 1.3 t.
func around(t Time) Dist {
	return Dist{Kind: DistUniform, Min: float64(t), Max: 1.3 * float64(t)}
}
