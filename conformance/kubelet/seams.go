package kubelet

import (
	"context"
	"io"
	"net"
	"reflect"
	"time"
	"unsafe"

	"k8s.io/apimachinery/pkg/types"
	upstream "k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/pleg"
)

// What a kubelet takes as a dependency is given to it in kubelet.go. A few things it makes itself:
// these are replaced in its unexported fields, by name, when it is finished and not yet running.
// A field that is no longer there panics at once.

// set puts a value into an unexported field of the struct that object points to; nil is its zero.
func set(object any, field string, value any) {
	f := fieldOf(object, field)
	if value == nil {
		f.SetZero()
		return
	}
	f.Set(reflect.ValueOf(value))
}

// get reads an unexported field.
func get(object any, field string) any { return fieldOf(object, field).Interface() }

func fieldOf(object any, name string) reflect.Value {
	f := reflect.ValueOf(object).Elem().FieldByName(name)
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

// fit replaces in a finished kubelet what does not go in a bubble.
func fit(k *upstream.Kubelet, o *Options, l *luck, r *fakeRuntime) {
	// It would look up the node's addresses.
	set(k, "nodeIPValidator", func(net.IP) error { return nil })
	// It would read /dev/kmsg; the file is open already.
	closeOOMWatcher(k)
	set(k, "oomWatcher", nil)
	set(k, "pluginManager", noPlugins{})
	fitNetwork(k, network{r})
	fitTimes(k, o, l)
}

func closeOOMWatcher(k *upstream.Kubelet) {
	w := get(k, "oomWatcher")
	if w == nil {
		return
	}
	if parser, ok := get(get(w, "oomStreamer"), "parser").(io.Closer); ok {
		_ = parser.Close()
	}
}

// fitNetwork gives the probers and the hooks a network without sockets.
func fitNetwork(k *upstream.Kubelet, n network) {
	prober := get(get(k, "probeManager"), "prober")
	set(prober, "http", httpProber{n})
	set(prober, "tcp", tcpProber{n})
	set(prober, "grpc", grpcProber{n})
	set(get(get(k, "containerRuntime"), "runner"), "httpDoer", n)
}

// fitTimes gives the pod workers their jitter, and lets time pass where a real kubelet computes.
func fitTimes(k *upstream.Kubelet, o *Options, l *luck) {
	workers := get(k, "podWorkers")
	set(workers, "clock", newWorkerClock(o.WorkerJitter, l))
	set(workers, "podCache", slowCache{get(workers, "podCache").(kubecontainer.ROCache)})
	lister := get(k, "pleg").(*pleg.GenericPLEG)
	set(lister, "runtime", slowRuntime{get(lister, "runtime").(kubecontainer.Runtime)})
}

// slowRuntime lets time pass before each answer to the PLEG. The kubelet compares instants
// strictly (pkg/kubelet/container/cache.go, GetNewerThan): a relist in the very instant of the
// sync that asked for it would count as old, and a container's start would be seen up to a second
// late. The PLEG asks with its relist lock held, which nothing but its own goroutine takes.
type slowRuntime struct{ kubecontainer.Runtime }

func (s slowRuntime) GetPods(ctx context.Context, all bool) ([]*kubecontainer.Pod, error) {
	time.Sleep(relistCall)
	return s.Runtime.GetPods(ctx, all)
}

func (s slowRuntime) GetPod(ctx context.Context, uid types.UID) (*kubecontainer.Pod, error) {
	time.Sleep(relistCall)
	return s.Runtime.GetPod(ctx, uid)
}

func (s slowRuntime) GetPodStatus(ctx context.Context, p *kubecontainer.Pod) (*kubecontainer.PodStatus, error) {
	time.Sleep(relistCall)
	return s.Runtime.GetPodStatus(ctx, p)
}

// slowCache is the time that a pod worker's sync takes. Without it states that follow each other
// fall into one instant, and the status manager publishes the last of them only; a real kubelet
// publishes each.
type slowCache struct{ kubecontainer.ROCache }

func (c slowCache) GetNewerThan(uid types.UID, at time.Time) (*kubecontainer.PodStatus, error) {
	s, err := c.ROCache.GetNewerThan(uid, at)
	time.Sleep(syncTime)
	return s, err
}
