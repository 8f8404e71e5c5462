package scheduler

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"podsim/conform"
)

// Real is the real scheduler with what it knows of a cluster.
type Real struct {
	ctx       context.Context
	stop      context.CancelFunc
	scheduler *scheduler.Scheduler
	framework framework.Framework
	snapshot  *cache.Snapshot
	informers informers.SharedInformerFactory
	input     *conform.Input
}

// NewReal gives the objects of an input to the real scheduler, all but the pending pod. The
// objects belong to it from then on.
func NewReal(in *conform.Input) (*Real, error) {
	ctx, stop := context.WithCancel(context.Background())
	r := &Real{ctx: ctx, stop: stop, snapshot: cache.NewEmptySnapshot(), input: in}
	if err := r.start(); err != nil {
		stop()
		return nil, err
	}
	return r, nil
}

// Close ends the scheduler's goroutines.
func (r *Real) Close() { r.stop() }

func (r *Real) start() error {
	// The assume caches of volumes and claims live on the informers' events. Without such objects
	// the stores are filled without starting them, which costs no goroutine and no wait.
	others, watched := otherObjects(r.input)
	client := fake.NewClientset()
	if watched {
		client = fake.NewClientset(others...)
	}
	r.informers = scheduler.NewInformerFactory(client, 0, nil)
	options, err := r.options()
	if err != nil {
		return err
	}
	noEvents := func(string) events.EventRecorderLogger { return noRecorder{} }
	if r.scheduler, err = scheduler.New(r.ctx, client, r.informers, nil, noEvents, options...); err != nil {
		return err
	}
	if watched {
		r.informers.Start(r.ctx.Done())
		r.informers.WaitForCacheSync(r.ctx.Done())
		if err := r.scheduler.WaitForHandlersSync(r.ctx); err != nil {
			return err
		}
	} else if err := r.store(others); err != nil {
		return err
	}
	r.framework = r.scheduler.Profiles[v1.DefaultSchedulerName]
	for _, n := range r.input.Nodes {
		if err := r.AddNode(n); err != nil {
			return err
		}
	}
	for _, p := range r.input.Pods {
		if err := r.AddPod(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *Real) options() ([]scheduler.Option, error) {
	options := []scheduler.Option{scheduler.WithNodeInfoSnapshot(r.snapshot), scheduler.WithParallelism(1)}
	if len(r.input.Config) == 0 {
		return options, nil
	}
	object, _, err := scheme.Codecs.UniversalDecoder().Decode(r.input.Config, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	c, ok := object.(*config.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("config is a %T, want a KubeSchedulerConfiguration", object)
	}
	return append(options, scheduler.WithProfiles(c.Profiles...), scheduler.WithPercentageOfNodesToScore(c.PercentageOfNodesToScore)), nil
}

// otherObjects are those that are neither nodes nor pods, with the namespaces of pods that are not
// given. watched says that some of them reach the scheduler by the informers' events.
func otherObjects(in *conform.Input) (list []runtime.Object, watched bool) {
	known := map[string]bool{}
	for _, n := range in.Namespaces {
		known[n.Name] = true
	}
	list = add(nil, in.Namespaces)
	for _, p := range append(slices.Clone(in.Pods), in.Pending) {
		if p == nil || known[namespace(p)] {
			continue
		}
		known[namespace(p)] = true
		list = append(list, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: namespace(p), Labels: map[string]string{v1.LabelMetadataName: namespace(p)},
		}})
	}
	list = add(list, in.Services)
	list = add(list, in.ReplicationControllers)
	list = add(list, in.ReplicaSets)
	list = add(list, in.StatefulSets)
	list = add(list, in.PodDisruptionBudgets)
	stored := len(list)
	list = add(list, in.PersistentVolumes)
	list = add(list, in.PersistentVolumeClaims)
	list = add(list, in.StorageClasses)
	list = add(list, in.CSINodes)
	list = add(list, in.CSIDrivers)
	list = add(list, in.CSIStorageCapacities)
	list = add(list, in.VolumeAttachments)
	list = add(list, in.DeviceClasses)
	list = add(list, in.ResourceSlices)
	list = add(list, in.ResourceClaims)
	list = add(list, in.ResourceClaimTemplates)
	return list, len(list) > stored
}

func add[T runtime.Object](list []runtime.Object, more []T) []runtime.Object {
	for _, o := range more {
		list = append(list, o)
	}
	return list
}

// store puts objects into the stores that the plugins' listers read.
func (r *Real) store(list []runtime.Object) error {
	for _, o := range list {
		kinds, _, err := kubernetesscheme.Scheme.ObjectKinds(o)
		if err != nil {
			return err
		}
		resource, _ := meta.UnsafeGuessKindToResource(kinds[0])
		informer, err := r.informers.ForResource(resource)
		if err != nil {
			return err
		}
		if err := informer.Informer().GetIndexer().Add(o); err != nil {
			return err
		}
	}
	return nil
}

// AddNode adds a node.
func (r *Real) AddNode(n *v1.Node) error {
	defaults.SetObjectDefaults_Node(n)
	r.scheduler.Cache.AddNode(klog.FromContext(r.ctx), n)
	return r.informers.Core().V1().Nodes().Informer().GetIndexer().Add(n)
}

// AddPod adds a pod that is on a node, or nominated. The scheduler's informer leaves out those
// that have ended.
func (r *Real) AddPod(p *v1.Pod) error {
	complete(p)
	if p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
		return nil
	}
	if err := r.informers.Core().V1().Pods().Informer().GetIndexer().Add(p); err != nil {
		return err
	}
	if p.Spec.NodeName != "" {
		return r.scheduler.Cache.AddPod(klog.FromContext(r.ctx), p)
	}
	if p.Status.NominatedNodeName != "" {
		// Only a pod that is in the queue counts with all it has where it is nominated to
		// (backend/queue/scheduling_queue.go nominatedPodToInfo).
		r.scheduler.SchedulingQueue.Add(r.ctx, p)
	}
	return nil
}

// UpdateNode takes over a change of a node, which is a new object.
func (r *Real) UpdateNode(before, n *v1.Node) error {
	defaults.SetObjectDefaults_Node(n)
	r.scheduler.Cache.UpdateNode(klog.FromContext(r.ctx), before, n)
	return r.informers.Core().V1().Nodes().Informer().GetIndexer().Update(n)
}

// DeleteNode takes a node away. Its pods are still there.
func (r *Real) DeleteNode(n *v1.Node) error {
	if err := r.scheduler.Cache.RemoveNode(klog.FromContext(r.ctx), n); err != nil {
		return err
	}
	return r.informers.Core().V1().Nodes().Informer().GetIndexer().Delete(n)
}

// DeletePod takes a pod off its node.
func (r *Real) DeletePod(p *v1.Pod) error {
	if err := r.scheduler.Cache.RemovePod(klog.FromContext(r.ctx), p); err != nil {
		return err
	}
	return r.informers.Core().V1().Pods().Informer().GetIndexer().Delete(p)
}

// complete gives a pod what the API server gives it.
func complete(p *v1.Pod) {
	p.Namespace = namespace(p)
	if p.UID == "" {
		p.UID = types.UID(p.Namespace + "/" + p.Name)
	}
	defaults.SetObjectDefaults_Pod(p)
}

func namespace(p *v1.Pod) string {
	if p.Namespace == "" {
		return metav1.NamespaceDefault
	}
	return p.Namespace
}

// nextStart is where in the snapshot the next cycle begins to look.
func (r *Real) nextStart() int {
	return int(reflect.ValueOf(r.scheduler).Elem().FieldByName("nextStartNodeIndex").Int())
}

// noRecorder records no Events.
type noRecorder struct{}

func (noRecorder) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}
func (n noRecorder) WithLogger(klog.Logger) events.EventRecorderLogger                           { return n }
