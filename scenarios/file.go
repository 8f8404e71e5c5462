package scenarios

import (
	"slices"
	"time"

	"gopkg.in/yaml.v3"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
)

// The types of this file are the shape of a scenario file: the decoder reads into them, and
// the JSON Schema is made from them and their doc tags. need:"true" marks what may not be
// left out.

// scenarioFile is a whole scenario file.
type scenarioFile struct {
	Where      place    `json:"-"`
	APIVersion string   `json:"apiVersion" need:"true" doc:"Always podsim/v1alpha1."`
	Kind       string   `json:"kind" need:"true" doc:"Always Scenario."`
	Metadata   metaFile `json:"metadata" doc:"The scenario's name."`
	Spec       specFile `json:"spec" need:"true" doc:"What is run."`
}

type metaFile struct {
	Name        string            `json:"name" doc:"The scenario's name; the file's name without its ending when left out."`
	Labels      map[string]string `json:"labels" doc:"Labels, for your own use."`
	Annotations map[string]string `json:"annotations" doc:"Annotations, for your own use."`
}

type specFile struct {
	Where        place             `json:"-"`
	Seed         *uint64           `json:"seed" doc:"The seed of all random draws; 1 when left out. The same seed gives the same run."`
	Duration     *span             `json:"duration" doc:"How long the run lasts, such as 15m."`
	StartTime    *clock            `json:"startTime" doc:"The wall clock at 0s, such as 2026-01-05T08:00:00Z, on a whole second."`
	Include      []string          `json:"include" doc:"Other scenario files whose spec lies below this one: what is said here wins. Paths are relative to this file."`
	Config       *configFile       `json:"config" doc:"The configuration of the components, as they themselves read it."`
	Nodes        []nodeFile        `json:"nodes" doc:"The nodes of the cluster."`
	Registries   []registryFile    `json:"registries" doc:"How fast images come; the first host that matches an image counts."`
	Images       []imageFile       `json:"images" doc:"What is known of images. An image that is not listed has 64Mi and can be pulled."`
	Storage      []storageFile     `json:"storage" doc:"How drivers of volumes behave; the first whose name matches counts."`
	Manifests    []document        `json:"manifests" doc:"What kubectl apply would be given at 0s: files, folders or objects. Paths are relative to this file."`
	Generate     []generateFile    `json:"generate" doc:"Many like objects, applied at 0s after the manifests."`
	Behaviors    []behaviorFile    `json:"behaviors" doc:"What containers do once started; the first that matches a container counts. A container that none matches runs for ever and is ready."`
	Steps        []stepFile        `json:"steps" doc:"What happens when: each step has a time and one verb."`
	ControlPlane *controlPlaneFile `json:"controlPlane" doc:"The delays and limits of the control plane."`
	Latencies    *latenciesFile    `json:"latencies" doc:"The delays of the container runtime on each node."`
}

type configFile struct {
	Where     place     `json:"-"`
	Kubelet   *document `json:"kubelet" doc:"The KubeletConfiguration (kubelet.config.k8s.io/v1beta1) of all nodes whose pool has none of its own: a file, whose path is relative to this one, or the object."`
	Scheduler *document `json:"scheduler" doc:"A KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): a file, whose path is relative to this one, or the object."`

	PullProgressTimeout *span `json:"pullProgressTimeout" doc:"How long the container runtimes let a pull get nothing before they cancel it, containerd's image_pull_progress_timeout; 5m when left out."`
}

type nodeFile struct {
	Where        place      `json:"-"`
	Name         string     `json:"name" need:"true" doc:"The node's name; with a count, the pool's: nodes are NAME-0, NAME-1 and so on."`
	Count        *int32     `json:"count" doc:"How many nodes there are. Left out, there is one with exactly the name."`
	StaticPods   []document `json:"staticPods" doc:"The static pods of each of the nodes: the manifest of a Pod each, as a file, whose path is relative to this one, or the object."`
	Template     objectTree `json:"template" need:"true" doc:"A v1.Node without a name: labels, taints and status.capacity (cpu and memory; pods is 110 when left out). Allocatable, when left out, is the capacity, less what the pool's KubeletConfiguration reserves (systemReserved, kubeReserved, evictionHard)."`
	Images       []string   `json:"images" doc:"The images that are on the node at the start."`
	SystemMemory *amount    `json:"systemMemory" doc:"What the system, the container runtime and the kubelet use of the memory, such as 600Mi; 256Mi, but at most an eighth of the memory, when left out."`
	Bandwidth    *amount    `json:"bandwidth" doc:"What each node can download, in bytes per second, such as 50Mi; no limit when left out."`

	NodeFilesystem  *filesystemFile `json:"nodeFilesystem" doc:"The file system of the kubelet, with logs and emptyDirs. Its capacity is status.capacity ephemeral-storage."`
	ImageFilesystem *filesystemFile `json:"imageFilesystem" doc:"The file system of images and writable layers. When left out, they are on the node's."`
	Processes       *processesFile  `json:"processes" doc:"How many processes the node may have, which pid.available counts from."`

	MissingPaths []string `json:"missingPaths" doc:"Paths that are not there on the node: a hostPath volume of a type that must be there, such as Directory, cannot be mounted. All others are there."`

	Kubelet *document `json:"kubelet" doc:"The KubeletConfiguration (kubelet.config.k8s.io/v1beta1) of the pool's nodes: a file, whose path is relative to this one, or the object. When left out, spec.config.kubelet."`
}

type filesystemFile struct {
	Where      place   `json:"-"`
	Capacity   *amount `json:"capacity" doc:"Its size, such as 100Gi: of the file system of images."`
	Used       *amount `json:"used" doc:"What is taken by something else than pods and images, such as 8Gi; nothing when left out."`
	Inodes     *amount `json:"inodes" doc:"How many files and folders it can have; when left out, inodesFree is not known."`
	InodesUsed *amount `json:"inodesUsed" doc:"How many there are beside those of pods."`
}

type processesFile struct {
	Where place  `json:"-"`
	Max   amount `json:"max" need:"true" doc:"How many there can be, such as 32768."`
	Used  amount `json:"used" doc:"How many there are beside those of pods."`
}

type registryFile struct {
	Where      place        `json:"-"`
	Host       string       `json:"host" need:"true" doc:"The registry's host, such as docker.io, or a pattern with *; with a / a pattern for repositories, such as quay.io/slow/*, as if they came from elsewhere."`
	Bandwidth  *amount      `json:"bandwidth" doc:"Bytes per second to all nodes together, such as 100Mi, which they share fairly; no limit when left out."`
	Connection *amount      `json:"connection" doc:"Bytes per second of each connection, which is a layer that a node downloads; no limit when left out, and 100Mi when bandwidth is left out too."`
	Latency    distribution `json:"latency" doc:"What each pull takes on top."`
}

type imageFile struct {
	Where  place       `json:"-"`
	Name   string      `json:"name" need:"true" doc:"The image as manifests write it."`
	Size   *amount     `json:"size" doc:"The bytes that a pull transfers, such as 54Mi. With layers, leave it out: it is their sum."`
	Layers []layerFile `json:"layers" doc:"The image's layers, the lowest first; one of its own when left out."`
	Pinned *bool       `json:"pinned" doc:"The container runtime needs the image itself, as that of the sandbox, so the kubelet never removes it."`
	Error  pullError   `json:"error" doc:"What a pull ends with: notFound, unauthorized, refused, serverError, rateLimited, timeout (30s without an answer), stalled (no progress for config.pullProgressTimeout), or the text of an error."`

	Credentials []string `json:"credentials" doc:"The names of the pull secrets with which the registry gives the image, each a Secret among the manifests; everybody gets it when left out."`
	User        string   `json:"user" doc:"The user that the image's containers run as, as a number or a name. It matters to runAsNonRoot; somebody else than root when left out."`
}

type layerFile struct {
	Where    place   `json:"-"`
	Name     string  `json:"name" need:"true" doc:"The layer's name, such as its digest. Images share the layers of one name."`
	Size     *amount `json:"size" doc:"The bytes that a pull transfers. It may be left out where another image has the layer."`
	Unpacked *amount `json:"unpacked" doc:"The bytes that it takes on a node's disk once unpacked, beside those transferred, which stay; as many as its size when left out."`
}

type storageFile struct {
	Where     place                `json:"-"`
	Driver    string               `json:"driver" need:"true" doc:"The name of the CSI driver, which is the provisioner of its classes, such as ebs.csi.aws.com, or a pattern with *. Of a volume that Kubernetes mounts itself, the plugin's: kubernetes.io/nfs, kubernetes.io/local-volume, ..."`
	Provision *distribution        `json:"provision" doc:"How long it takes to make a volume; controlPlane.provision when left out."`
	Attach    *distribution        `json:"attach" doc:"How long it takes to attach a volume to a node; 2s to 2.6s when left out."`
	Detach    *distribution        `json:"detach" doc:"How long it takes to detach it; 2s to 2.6s when left out."`
	Mount     *distribution        `json:"mount" doc:"How long it takes to mount it on the node; 500ms to 650ms when left out."`
	Unmount   *distribution        `json:"unmount" doc:"How long it takes to unmount it; 200ms to 260ms when left out."`
	Failures  []storageFailureFile `json:"failures" doc:"When the driver fails, and with which error."`
}

type storageFailureFile struct {
	Where     place            `json:"-"`
	Operation storageOperation `json:"operation" need:"true" doc:"What fails: attach, detach or mount."`
	Error     string           `json:"error" need:"true" doc:"The error, such as rpc error: code = Internal desc = ..."`
	At        *span            `json:"at" doc:"From when on; from the start when left out."`
	For       *span            `json:"for" doc:"For how long; until the end when left out."`
}

type generateFile struct {
	Where    place      `json:"-"`
	Name     string     `json:"name" need:"true" doc:"The objects are NAME-0, NAME-1 and so on."`
	Count    int32      `json:"count" need:"true" doc:"How many objects there are."`
	Template objectTree `json:"template" need:"true" doc:"A Deployment or Pod without a name. A Deployment without a selector selects the label app: NAME-0, which its pods get."`
}

type behaviorFile struct {
	Where       place       `json:"-"`
	Match       matchFile   `json:"match" doc:"Which containers this is about; all when left out. Patterns may have *."`
	Run         *runFile    `json:"run" doc:"How long the main process runs and how it ends. For ever when left out."`
	OnTerm      *onTermFile `json:"onTerm" doc:"What the process does on SIGTERM. It ends at once with exit code 0 when left out."`
	CreateError string      `json:"createError" doc:"The container runtime's error when the container is created."`
	StartError  string      `json:"startError" doc:"The container runtime's error when the container is started."`
	Readiness   []probeFile `json:"readiness" doc:"The answers of the readiness probe. It always succeeds when left out."`
	Liveness    []probeFile `json:"liveness" doc:"The answers of the liveness probe. It always succeeds when left out."`
	Startup     []probeFile `json:"startup" doc:"The answers of the startup probe. It always succeeds when left out."`
	Memory      memoryUse   `json:"memory" doc:"The memory in use over time: a list of points, each a step, or a mapping. Above the limit of the container, of its pod, of all pods or of the node the kernel kills."`
	Disk        []diskFile  `json:"disk" doc:"What it has written over time."`
	Processes   []countFile `json:"processes" doc:"The number of its processes over time; one when left out."`
	PostStart   *hookFile   `json:"postStart" doc:"How the postStart hook goes, if it is exec or http."`
	PreStop     *hookFile   `json:"preStop" doc:"How the preStop hook goes, if it is exec or http."`
	Port        *int32      `json:"port" doc:"The port that the process listens on. Of a pod's containers with one port, the first that runs answers the HTTP, TCP and gRPC probes of all. When left out, a container answers its own."`
}

type matchFile struct {
	Namespace string `json:"namespace" doc:"The pod's namespace."`
	Pod       string `json:"pod" doc:"The pod's name, such as web-*."`
	Container string `json:"container" doc:"The container's name."`
	Image     string `json:"image" doc:"The container's image as the manifest writes it."`
	Args      string `json:"args" doc:"The container's command and args as the manifest writes them, joined by spaces, such as *--leak*."`
}

type runFile struct {
	Where   place         `json:"-"`
	For     *distribution `json:"for" doc:"How long each run lasts."`
	Work    *distribution `json:"work" doc:"How much CPU time each run needs, such as 30s: on one core it lasts that long; with a lower limit, or where its node's cores are not enough, longer."`
	CPUs    *float64      `json:"cpus" doc:"With work: how many cores it can use at a time; 1 when left out."`
	Exit    numbers       `json:"exit" doc:"The exit code, or a list: the first run ends with the first, the last one is used for all further runs. 0 when left out."`
	Forever *bool         `json:"forever" doc:"It does not end by itself."`
	OOM     *bool         `json:"oom" doc:"It ends because it is killed for want of memory: exit code 137, reason OOMKilled."`
	Message string        `json:"message" doc:"What it has written to its terminationMessagePath when it ends, which its status then shows."`
	Log     string        `json:"log" doc:"The end of its log, which its status shows after a failure by terminationMessagePolicy FallbackToLogsOnError."`
}

type onTermFile struct {
	Where  place         `json:"-"`
	Ignore *bool         `json:"ignore" doc:"It goes on until it is killed."`
	After  *distribution `json:"after" doc:"How long it takes to end."`
	Exit   *int32        `json:"exit" doc:"The exit code; 0 when left out."`
}

type probeFile struct {
	Where place `json:"-"`
	At    span  `json:"at" need:"true" doc:"From when on, counted from the container's start."`
	OK    bool  `json:"ok" need:"true" doc:"Whether the probe succeeds."`

	Output  string       `json:"output" doc:"What a probe that fails says, as the kubelet's Event shows it."`
	Takes   distribution `json:"takes" doc:"How long the answer takes; the probe fails when that is longer than its timeoutSeconds."`
	Refused *bool        `json:"refused" doc:"Nobody listens: the connection of an HTTP, TCP or gRPC probe is refused."`
	Status  *int32       `json:"status" doc:"The status code of an HTTP server: 200 to 399 is ok, 300 to 399 with the Event ProbeWarning."`
}

type useFile struct {
	Where place  `json:"-"`
	At    span   `json:"at" need:"true" doc:"From when on, counted from the container's start."`
	Use   amount `json:"use" need:"true" doc:"The memory in use, such as 300Mi."`
}

type diskFile struct {
	Where  place   `json:"-"`
	At     span    `json:"at" need:"true" doc:"From when on, counted from the container's start."`
	Use    amount  `json:"use" need:"true" doc:"How much it has written in all, such as 300Mi."`
	Volume string  `json:"volume" doc:"The emptyDir that holds it, which keeps it when the container starts anew; the container's own writable layer when left out."`
	Inodes *amount `json:"inodes" doc:"How many files and folders it has made in all."`
	Log    *bool   `json:"log" doc:"It has written that to its log, which is on the file system of the node, also when images have their own."`
}

type countFile struct {
	Where place  `json:"-"`
	At    span   `json:"at" need:"true" doc:"From when on, counted from the container's start."`
	Count amount `json:"count" need:"true" doc:"How many processes there are."`
}

type hookFile struct {
	Where  place        `json:"-"`
	Takes  distribution `json:"takes" doc:"How long the hook takes."`
	Fail   bool         `json:"fail" doc:"Whether it fails."`
	Exit   *int32       `json:"exit" doc:"The exit code of its command; one that is not 0 is a failure. When left out, a hook that fails has 1."`
	Output string       `json:"output" doc:"What its command writes, or the error of its request, which the container's status shows when a postStart hook fails."`
}

type stepFile struct {
	Where place `json:"-"`
	At    *span `json:"at" need:"true" doc:"When, counted from the start of the run."`

	Apply    *document `json:"apply" doc:"kubectl apply: a file, a folder or an object."`
	Delete   string    `json:"delete" doc:"kubectl delete: KIND/NAME."`
	Scale    string    `json:"scale" doc:"kubectl scale: KIND/NAME, with replicas."`
	SetImage string    `json:"setImage" doc:"kubectl set image: KIND/NAME, with image and, for one of several containers, container."`
	Cordon   string    `json:"cordon" doc:"kubectl cordon: the node's name."`
	Uncordon string    `json:"uncordon" doc:"kubectl uncordon: the node's name."`
	Drain    string    `json:"drain" doc:"kubectl drain: the node's name, and gracePeriod."`
	Taint    string    `json:"taint" doc:"kubectl taint: the node's name, with value."`
	Untaint  string    `json:"untaint" doc:"Removes a taint: the node's name, with value."`
	Fail     string    `json:"fail" doc:"The node fails: its name, with mode and for."`
	Recover  string    `json:"recover" doc:"A node that failed comes back: its name."`

	Resize string `json:"resize" doc:"kubectl patch --subresource resize: pod/NAME, or a pattern with * for all such pods there are, with requests, limits and the container; without one the pod as a whole is resized. What the API server refuses is told at the end of the run."`

	RestartKubelet string `json:"restartKubelet" doc:"The kubelet of a node stops and begins anew, the containers run on: the node's name, with for and kubelet."`

	Shutdown string `json:"shutdown" doc:"A node is shut down, gracefully where its kubelet is configured so (shutdownGracePeriod, shutdownGracePeriodByPodPriority): the node's name, with for."`

	SetCondition string `json:"setCondition" doc:"What the controller of a readiness gate does: pod/NAME, or a pattern with * for all such pods there are, with type and status."`

	StaticPod       string `json:"staticPod" doc:"Puts the manifest of a static pod onto a node, or changes it: the node's name, with manifest. The pod is called NAME-NODE."`
	RemoveStaticPod string `json:"removeStaticPod" doc:"Takes the manifest of a static pod away: the node's name, with name."`

	Registry string `json:"registry" doc:"Something is wrong with a registry: its host, or a pattern with *, with error, bandwidth or both, and for. A later step about the same host replaces this one; one with neither ends it."`

	Namespace   string    `json:"namespace" doc:"The target's namespace; default when left out."`
	Name        string    `json:"name" doc:"With removeStaticPod: the pod's name in its manifest."`
	Manifest    *document `json:"manifest" doc:"With staticPod: a Pod, as a file, whose path is relative to this one, or the object. It may not need other objects, such as ConfigMaps or service accounts."`
	Replicas    *int32    `json:"replicas" doc:"With scale: how many replicas."`
	Container   string    `json:"container" doc:"With setImage: the container's name, or * for all, which is the default. With resize: the container's name."`
	Requests    *amounts  `json:"requests" doc:"With resize: the new requests, such as {cpu: 300m, memory: 200Mi}; what is left out stays."`
	Limits      *amounts  `json:"limits" doc:"With resize: the new limits."`
	Image       string    `json:"image" doc:"With setImage: the new image."`
	GracePeriod *span     `json:"gracePeriod" doc:"With delete and drain: the grace period, in whole seconds; the pod's own when left out."`
	Force       *bool     `json:"force" doc:"With delete: remove the object at once, as kubectl delete --force does."`
	Value       string    `json:"value" doc:"With taint: KEY=VALUE:EFFECT as kubectl writes it; with a - at its end the taint is removed. With untaint: KEY or KEY:EFFECT."`
	Type        string    `json:"type" doc:"With setCondition: the condition's type, which is a readiness gate of the pod."`
	Status      truth     `json:"status" doc:"With setCondition: \"True\", \"False\" or \"Unknown\", in quotes."`
	Mode        nodeMode  `json:"mode" doc:"With fail: crash (loss of power, the default), network (cut off, containers run on) or kubelet (the kubelet stops, containers run on)."`
	For         *span     `json:"for" doc:"With fail: when the node comes back. With restartKubelet: how long the kubelet is down, 0s when left out. With shutdown: how long the node is off before it boots again; for good when left out. With registry: when all is well again."`
	Kubelet     *document `json:"kubelet" doc:"With restartKubelet: a KubeletConfiguration that holds from then on, a file or an object; the one before when left out."`
	Error       pullError `json:"error" doc:"With registry: what pulls end with, as an image's error. With timeout and stalled transfers stand still, with refused they break off, otherwise they go on and the next layer fails."`
	Bandwidth   *amount   `json:"bandwidth" doc:"With registry: its bandwidth in bytes per second to all nodes together."`
}

type controlPlaneFile struct {
	Where                 place         `json:"-"`
	Write                 *distribution `json:"write" doc:"From a request until the API server has stored it."`
	Watch                 *distribution `json:"watch" doc:"From there until a watcher has it."`
	Reconcile             *distribution `json:"reconcile" doc:"What a controller takes for one key."`
	Schedule              *distribution `json:"schedule" doc:"What one scheduling attempt takes: 1ms is 1,000 pods a second. Nothing when left out."`
	Ties                  *tieRule      `json:"ties" doc:"Which of the nodes with the best score a pod gets: random, which is upstream's and the default, or first in the order in which they are looked at."`
	Provision             *distribution `json:"provision" doc:"From when a driver is asked for a volume until there is one."`
	KubeletAdmit          *distribution `json:"kubeletAdmit" doc:"From when the kubelet sees a pod to its first sync."`
	KubeletAge            *distribution `json:"kubeletAge" doc:"How long before the start of the run each kubelet began, which sets the phase of its loops; 10m to 11m when left out. A kubelet puts off the first run of a probe whose period is longer than its age."`
	KubeletJitter         *float64      `json:"kubeletJitter" doc:"The largest part of a pod worker's delay that is added to it at random, from 0 to 0.5, which is upstream's and the default. With 0, back-offs are exact."`
	KubeControllerManager *limitFile    `json:"kubeControllerManager" doc:"The request limit of the controllers; 20 and 30 when left out."`
	KubeScheduler         *limitFile    `json:"kubeScheduler" doc:"The request limit of the scheduler; 50 and 100 when left out."`
	Kubelet               *limitFile    `json:"kubelet" doc:"The request limit of each kubelet; what its configuration says (kubeAPIQPS, kubeAPIBurst) when left out."`
}

type limitFile struct {
	Where place    `json:"-"`
	QPS   *float64 `json:"qps" doc:"Requests per second; -1 is no limit."`
	Burst *int32   `json:"burst" doc:"Requests that may come at once."`
}

// amounts are the CPU and the memory that a container gets.
type amounts struct {
	CPU    *quantity `json:"cpu" doc:"CPU, such as 300m or 1.5."`
	Memory *quantity `json:"memory" doc:"Memory, such as 200Mi."`
}

// list is what is given of them.
func (a *amounts) list() v1.ResourceList {
	if a == nil {
		return nil
	}
	list := v1.ResourceList{}
	if a.CPU != nil {
		list[v1.ResourceCPU] = resource.Quantity(*a.CPU)
	}
	if a.Memory != nil {
		list[v1.ResourceMemory] = resource.Quantity(*a.Memory)
	}
	return list
}

// clock is a moment of the wall clock on a whole second.
type clock time.Time

func (c *clock) decodeNode(d *decoder, n *yaml.Node, path string) {
	t := d.decodeTime(n, time.RFC3339, path)
	if t.Nanosecond() != 0 {
		d.errorf(n, "%s is %s, must be a whole second", path, quoted(n.Value))
	}
	*c = clock(t.UTC())
}

// pullErrors are the words for what a pull may end with. sim puts them into the words of a
// container runtime.
var pullErrors = []string{"notFound", "unauthorized", "refused", "serverError", "rateLimited", "timeout", "stalled"}

// pullError is what a pull ends with: one of pullErrors, or a text of the user's own.
type pullError string

func (p *pullError) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	s, ok := d.decodeString(n, path)
	if !ok {
		return
	}
	if near := nearest(s, pullErrors); near != "" && !slices.Contains(pullErrors, s) {
		d.errorf(n, "%s is %s, did you mean %s?", path, quoted(s), near)
	}
	*p = pullError(s)
}

// nodeMode is how a node fails.
type nodeMode string

var nodeModes = []string{"crash", "network", "kubelet"}

func (m *nodeMode) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	s, ok := d.decodeString(n, path)
	for _, mode := range nodeModes {
		if s == mode {
			*m = nodeMode(s)
			return
		}
	}
	if ok {
		d.errorf(n, "%s is %s, want %s%s", path, quoted(s), either(nodeModes), didYouMean(s, nodeModes))
	}
}

// tieRule says which of several best nodes a pod gets.
type tieRule string

var tieRules = []string{"random", "first"}

func (t *tieRule) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	s, ok := d.decodeString(n, path)
	if ok && !slices.Contains(tieRules, s) {
		d.errorf(n, "%s is %s, want %s%s", path, quoted(s), either(tieRules), didYouMean(s, tieRules))
	}
	*t = tieRule(s)
}

// truth is the status of a condition.
type truth model.ConditionStatus

var truths = []string{model.ConditionTrue.String(), model.ConditionFalse.String(), model.ConditionUnknown.String()}

func (t *truth) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	s, ok := d.decodeString(n, path)
	if !ok {
		return
	}
	i := slices.Index(truths, s)
	if i < 0 {
		d.errorf(n, "%s is %s, want %s%s", path, quoted(s), either(truths), didYouMean(s, truths))
	}
	*t = truth(model.ConditionTrue) + truth(max(i, 0))
}

// check refuses a file that is not a scenario at all.
func (f *scenarioFile) check() error {
	const apiVersion, kind = "podsim/v1alpha1", "Scenario"
	if f.APIVersion != apiVersion {
		return errorAt(f.Where.at("apiVersion"), "apiVersion is %s, want %s", quoted(f.APIVersion), apiVersion)
	}
	if f.Kind != kind {
		return errorAt(f.Where.at("kind"), "kind is %s, want %s", quoted(f.Kind), kind)
	}
	return nil
}
