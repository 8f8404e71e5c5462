package kubelet

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"

	"podsim/conform"
)

// The pod's annotations that say how long it is watched and when it is deleted, in seconds after
// its creation.
const (
	secondsAnnotation     = "trace/seconds"
	deleteAfterAnnotation = "trace/delete-after"
	// gatesAnnotation: see conform.GateChanges.
	gatesAnnotation = "trace/gates"
)

// Run gives a pod to a new kubelet in a bubble of its own, and says what became of it. The pod's
// annotations say how long that is watched.
//
// A process should run at most a thousand: each leaves about 1 MiB behind, see below. It should
// have one processor (GOMAXPROCS=1): with more, the order of what happens in one instant varies.
func Run(t *testing.T, pod *v1.Pod, o Options) []conform.Line {
	setUp()
	root, err := os.MkdirTemp("/dev/shm", "kubelet")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	var lines []conform.Line
	bubble(t, func(t *testing.T) {
		if lines, err = watch(pod, o, root); err != nil {
			t.Error(err)
		}
	})
	return lines
}

// bubble is synctest.Test for what does not end: some of the kubelet's loops have no stop (status
// manager, image puller, PLEG, and others). synctest says so with a panic after the test.
func bubble(t *testing.T, f func(*testing.T)) {
	defer func() {
		if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "blocked goroutines remain") {
			panic(p)
		}
	}()
	synctest.Test(t, f)
}

// watch runs the kubelet. It is in a bubble.
func watch(pod *v1.Pod, o Options, root string) ([]conform.Line, error) {
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logger()))
	defer cancel()
	defer stopLoops()()
	freshRegistries()
	rand.Seed(o.Seed) //nolint:staticcheck // wait.Jitter has no other source
	l := newLuck(o.Seed)
	s := newServer(l)
	broadcaster, err := start(ctx, &o, l, s, root)
	if err != nil {
		return nil, err
	}
	defer broadcaster.Shutdown()
	time.Sleep(o.Phase)

	r := newRecorder(pod)
	s.mu.Lock()
	s.watch = r
	s.mu.Unlock()
	go setGates(ctx, s, pod)
	s.create(pod)
	if after, ok := secondsOf(pod, deleteAfterAnnotation); ok {
		go deleteAfter(ctx, s, r, pod, after)
	}
	total, ok := secondsOf(pod, secondsAnnotation)
	if !ok {
		total = 30 * time.Second
	}
	r.await(total)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = nil
	return r.lines, nil
}

// await waits until the pod has been gone for a moment, or the time is over.
func (r *recorder) await(total time.Duration) {
	select {
	case <-r.gone:
		time.Sleep(1500 * time.Millisecond)
	case <-time.After(total - time.Since(r.begun)):
	}
}

func secondsOf(pod *v1.Pod, annotation string) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(pod.Annotations[annotation], 64)
	return time.Duration(seconds * float64(time.Second)), err == nil
}

func deleteAfter(ctx context.Context, s *server, r *recorder, pod *v1.Pod, after time.Duration) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return
	}
	s.mu.Lock()
	r.add(conform.Line{Type: "request", Message: "DELETE"})
	s.mu.Unlock()
	_ = s.delete(metav1.NamespaceDefault, pod.Name, metav1.DeleteOptions{})
}

// setGates sets the conditions of readiness gates, as their controller does.
func setGates(ctx context.Context, s *server, pod *v1.Pod) {
	begun := time.Now()
	for _, g := range conform.GateChanges(pod) {
		select {
		case <-time.After(time.Duration(g.Seconds*float64(time.Second)) - time.Since(begun)):
		case <-ctx.Done():
			return
		}
		s.setCondition(pod.Namespace, pod.Name, g.Type, g.Status)
	}
}

// stopLoops gives wait.NeverStop, which ends most of the kubelet's loops, a channel of this
// bubble: to wait for one that was made outside is not durably blocking, so time would stand
// still. The result closes it.
func stopLoops() (stop func()) {
	old, never := wait.NeverStop, make(chan struct{})
	wait.NeverStop = never
	return func() {
		close(never)
		wait.NeverStop = old
	}
}

// freshRegistries gives the next kubelet new registries of metrics: a collector can be registered
// once only.
func freshRegistries() {
	prometheus.DefaultRegisterer = prometheus.NewRegistry()
	gatherer := reflect.ValueOf(legacyregistry.DefaultGatherer).Elem()
	gatherer.FieldByName("PromRegistry").Set(reflect.ValueOf(prometheus.NewRegistry()))
}

// setUp prepares the process. It must not be called in a bubble.
var setUp = sync.OnceFunc(func() {
	// The resolver makes a channel at its first use, which must be outside.
	_, _ = net.LookupHost("localhost")
	// The usual handlers sleep until a millisecond after the last error, whose time may be that of
	// another bubble, or of the process, which is many years of virtual time away.
	runtime.ErrorHandlers = []runtime.ErrorHandler{func(ctx context.Context, err error, words string, more ...any) {
		klog.FromContext(ctx).Error(err, words, more...)
	}}
	silence()
})

// verbosity is that of the kubelet's own log, empty for none.
var verbosity = os.Getenv("KUBELET_LOG")

func logger() logr.Logger {
	if verbosity != "" {
		return klog.Background()
	}
	return logr.Discard()
}

func silence() {
	flags := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(flags)
	if verbosity != "" {
		_ = flags.Set("v", verbosity)
		return
	}
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard)
	klog.SetLogger(logr.Discard())
}
