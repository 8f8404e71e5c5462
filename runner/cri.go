package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/runner/workload"
	"podsim/sim"
)

// The labels of all that a run makes on a node.
const (
	// LabelRun has the run's id, LabelPod the pod as namespace/name, LabelNode the scenario's node.
	LabelRun  = "podsim.run"
	LabelPod  = "podsim.pod"
	LabelNode = "podsim.node"
)

// CRI is a container runtime that is asked over the Container Runtime Interface, v1. It is the sim.Runtime
// of a cluster that a Driver runs: Do and what it hands to the driver run in the driver's goroutine, and
// only there the fields are touched, but for those that say otherwise; the calls themselves are made in
// goroutines of their own.
type CRI struct {
	// What who makes it gives it, before begin. Run is the id of the run, which is part of the names of all that
	// it makes. Directory is where its files are on the node.
	Run, Directory string
	// ctx ends all calls.
	ctx     context.Context
	cluster *sim.Cluster
	driver  *Driver
	conn    *grpc.ClientConn
	images  Images
	// sandboxImage is nil where the runtime sees to it itself.
	sandboxImage *sandboxImage
	// configs are the scenario's ConfigMaps and Secrets.
	configs configData
	// operations, where it is not nil, gets what the probes take that the runtime has no part in.
	operations *operations
	// podNetworks says that pods have networks of their own.
	podNetworks bool

	runtime runtimeapi.RuntimeServiceClient
	store   runtimeapi.ImageServiceClient
	// pulled are the images that the run has pulled, by the runtime's names for them.
	pulled map[string]bool
	// pods are those that the runtime has something of, by their serial numbers; instances are their
	// containers by the runtime's ids.
	pods      map[int64]*pod
	instances map[string]*instance
	// nodes are the cgroups of the nodes that have had a pod, by their names.
	nodes     map[string]*nodeCgroups
	addresses int
	// busyPorts are the machine's own, nil before they are known.
	busyPorts map[int]bool
	// exits has a lock for what its goroutines share.
	exits exits
	// nodeMemory is what the containers of each node were last measured to use, peakMemory the most that all
	// were seen to use, in bytes.
	nodeMemory map[model.NodeID]int64
	peakMemory int64
	// notPlayed are the parts of the scenario that are played in another way than it says.
	notPlayed map[string]bool
}

// begin makes it the runtime of its cluster, which has not begun.
func (r *CRI) begin() {
	r.runtime, r.store = runtimeapi.NewRuntimeServiceClient(r.conn), runtimeapi.NewImageServiceClient(r.conn)
	r.pulled, r.notPlayed = map[string]bool{}, map[string]bool{}
	r.pods, r.instances, r.nodes = map[int64]*pod{}, map[string]*instance{}, map[string]*nodeCgroups{}
	r.nodeMemory = map[model.NodeID]int64{}
	r.exits = exits{listedFor: map[model.NodeID]model.Time{}, known: map[string]bool{}}
	r.cluster.UseRuntime(r)
	r.driver.Go(r.watchEvents)
	r.driver.Go(r.relistForSafety)
}

// pod is what the runtime has of a pod.
type pod struct {
	// ref is the pod as the kubelet knew it when it last asked for something.
	ref                        sim.PodRef
	serial                     int64
	namespace, name, uid, node string
	template                   *model.PodTemplate
	address, directory, logs   string
	// sandbox is the last one, config how it was made; sandboxes are all that are there.
	sandbox    string
	config     *runtimeapi.PodSandboxConfig
	sandboxes  []string
	attempts   uint32
	containers []container
	volumes    map[string]*volume
	// standIns is nil until it is asked for. A pod keeps its ports.
	standIns *standIns
	// limits are those of its cgroup; burstable is the CPU request of a Burstable pod, in milli-cores.
	limits    podResources
	burstable int64
}

// container is one of a pod's containers.
type container struct {
	// created counts the instances, runs the starts.
	created uint32
	runs    int32
	// last is the latest instance, byNumber has those that are there by the machine's numbers.
	last     *instance
	byNumber map[int32]*instance
}

// instance is a container in the runtime.
type instance struct {
	pod    *pod
	index  int8
	number int32
	id     string
	// directory is the instance's own on the node, logPath its log.
	directory, logPath string
	// run is what the stand-in does, nil where there is none.
	run *workload.Run
	// started says that the machine knows that it runs, ended has how it ended, told that the machine
	// knows that too.
	started, told bool
	ended         *runtimeapi.ContainerStatus
}

// pod finds what the runtime has of a pod, or begins it.
func (r *CRI) pod(id model.PodID) *pod {
	o := &r.cluster.State().Pods[id]
	p := r.pods[o.Serial]
	if p == nil {
		s := r.cluster.State()
		p = &pod{serial: o.Serial, namespace: o.Template.Namespace, name: o.Name, uid: s.UID(model.KindPod, o.Serial),
			node: s.Nodes[o.Node].Name, address: r.nextAddress(), containers: make([]container, len(o.Template.Containers))}
		p.directory = filepath.Join(r.Directory, "pods", p.uid)
		p.logs = filepath.Join(r.Directory, "logs", p.namespace+"_"+p.name+"_"+p.uid)
		for i := range p.containers {
			p.containers[i].byNumber = map[int32]*instance{}
		}
		r.pods[o.Serial] = p
	}
	p.ref, p.template = r.cluster.Ref(id), r.cluster.Allocated(id)
	if p.volumes == nil {
		p.volumes = r.volumes(p)
	}
	return p
}

// note notes what took until now.
func (r *CRI) note(kind OperationKind, p *pod, i int8, from time.Time) {
	if r.operations != nil {
		r.operations.note(kind, Subject{Node: p.node, Namespace: p.namespace, Pod: p.name, Container: p.template.Containers[i].Name}, from, time.Now())
	}
}

// nextAddress is the next pod's own address in 127.0.0.0/8, whose every address is one of the machine. Where
// the addresses of a run begin follows from its id, so that those of two runs hardly meet.
func (r *CRI) nextAddress() string {
	const first, many = 64 << 16, 191 << 16
	run, _ := strconv.ParseUint(r.Run, 16, 64)
	r.addresses++
	n := first + (run*1021+uint64(r.addresses))%many
	return fmt.Sprintf("127.%d.%d.%d", n>>16, n>>8&255, n&255)
}

// Do begins an effect.
func (r *CRI) Do(id model.PodID, f *kubelet.Effect) {
	p := r.pod(id)
	switch f.Kind {
	case kubelet.RunSandbox:
		r.runSandbox(p)
	case kubelet.StopSandbox:
		r.stopSandbox(p, f.OK)
	case kubelet.AskImage:
		r.askImage(p, f.Container)
	case kubelet.Pull:
		r.pull(p, f.Container)
	case kubelet.Create:
		r.create(p, f.Container)
	case kubelet.Start:
		r.start(p, f.Container, f.Instance)
	case kubelet.Stop:
		r.stop(p, f.Container, f.Instance, f.GraceSeconds)
	case kubelet.Remove:
		r.remove(p, f.Container, f.Instance, kubelet.Event{Kind: kubelet.ContainerRemoved, Container: f.Container})
	case kubelet.Discard:
		r.remove(p, f.Container, f.Instance, kubelet.Event{Kind: kubelet.ContainerDiscarded, Container: f.Container, Instance: f.Instance})
	case kubelet.Collect:
		r.collect(p, f)
	case kubelet.RunProbe:
		r.probe(p, f)
	case kubelet.RunHook:
		r.hook(p, f)
	case kubelet.Resize:
		r.resize(p)
	case kubelet.Done:
		r.forget(p)
	default:
		panic("runner: the runtime cannot " + f.Kind.String())
	}
}

// call makes a call in a goroutine of its own and hands its end to the cluster.
func (r *CRI) call(limit time.Duration, do func(context.Context) error, then func(error)) {
	r.driver.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, limit)
		defer cancel()
		err := do(ctx)
		r.driver.Answer(func() { then(err) })
	})
}

// callTime is how long a call may take that waits for nothing (cri-client runtimeRequestTimeout: 2 min).
const callTime = 2 * time.Minute

// answer hands an event to a pod's machine.
func (r *CRI) answer(p *pod, e kubelet.Event) { r.cluster.Inject(p.ref, e) }

// failed puts an error's text into an event, NoText for none.
func (r *CRI) failed(e kubelet.Event, err error, text func(error) string) kubelet.Event {
	if err != nil {
		e.Text = r.intern(text(err))
	}
	return e
}

func (r *CRI) intern(text string) model.Text {
	return r.cluster.State().Texts.Intern(r.images.Original(text))
}

// description is an error as the kubelet shows it of containers: without the code
// (kuberuntime_container.go startContainer, grpc status Message).
func description(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

func whole(err error) string { return err.Error() }

// removePod removes a pod's sandboxes with what is in them, its cgroup, its files and its logs
// (kuberuntime_gc.go evictPodLogsDirectories).
func (r *CRI) removePod(ctx context.Context, p *pod, sandboxes []string) error {
	for _, id := range sandboxes {
		if err := removePodSandbox(ctx, r.runtime, id); err != nil {
			return err
		}
	}
	return errors.Join(clearCgroup(r.podCgroup(p)), unmountBelow(p.directory), os.RemoveAll(p.directory), os.RemoveAll(p.logs))
}

// forget removes what is left of a pod that the kubelet is through with.
func (r *CRI) forget(p *pod) {
	delete(r.pods, p.serial)
	// Also those that were created and never started.
	maps.DeleteFunc(r.instances, func(_ string, x *instance) bool { return x.pod == p })
	sandboxes, node := p.sandboxes, r.countBurstable(p)
	r.call(callTime, func(ctx context.Context) error {
		// The kubelet only logs what goes wrong.
		_ = node.update()
		return retry(ctx, func() error { return r.removePod(ctx, p, sandboxes) })
	}, func(error) {
		// What could not be removed is looked for at the end of the run.
	})
}
