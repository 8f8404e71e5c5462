package kubelet

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // the defaults of the scheme
	"k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
)

// nodeName is the name of the only node.
const nodeName = "real0"

// server is the pods and Events of an API server, as far as the kubelet can tell.
type server struct {
	luck *luck

	mu sync.Mutex
	// version is the last resource version. Events count on their own: whether the kubelet gets
	// its node's Events out before the pod comes is chance.
	version, eventVersion int
	pods                  []*v1.Pod
	events                map[string]*v1.Event
	// feed carries all pods of the node to the kubelet, after each change.
	feed chan []*v1.Pod
	// watch sees each change of a pod and each Event. It is called with mu held.
	watch watcher
}

// watcher sees what changes in the API server.
type watcher interface {
	pod(change string, p *v1.Pod)
	event(e *v1.Event)
}

func newServer(l *luck) *server {
	return &server{luck: l, version: 100, events: map[string]*v1.Event{}, feed: make(chan []*v1.Pod, 4096)}
}

// call lets a call take its time.
func (s *server) call(name string) {
	time.Sleep(apiCall + time.Duration(s.luck.draw(name)*float64(apiCall)))
}

// find gives a pod, nil if there is none. mu is held.
func (s *server) find(namespace, name string) *v1.Pod {
	for _, p := range s.pods {
		if p.Namespace == namespace && p.Name == name {
			return p
		}
	}
	return nil
}

// store puts a changed pod in place of the old one, and tells everyone. The pod goes through JSON,
// which cuts its times to seconds. mu is held.
func (s *server) store(change string, changed *v1.Pod) *v1.Pod {
	p := &v1.Pod{}
	remarshal(changed, p)
	s.version++
	p.ResourceVersion = strconv.Itoa(s.version)
	s.pods = slices.DeleteFunc(s.pods, func(old *v1.Pod) bool { return old.UID == p.UID })
	if change != "DELETED" {
		s.pods = append(s.pods, p)
	}
	if s.watch != nil {
		s.watch.pod(change, p)
	}
	var ours []*v1.Pod
	for _, p := range s.pods {
		if p.Spec.NodeName == nodeName {
			ours = append(ours, p.DeepCopy())
		}
	}
	s.feed <- ours
	return p.DeepCopy()
}

func remarshal(from, to any) {
	data, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		panic(err)
	}
}

// create defaults, admits and stores a pod, and binds it as the scheduler would.
func (s *server) create(template *v1.Pod) {
	p := template.DeepCopy()
	legacyscheme.Scheme.Default(p)
	s.admit(p)
	s.mu.Lock()
	s.store("ADDED", p)
	s.mu.Unlock()
	if p.Spec.NodeName != "" || len(p.Spec.SchedulingGates) > 0 {
		return
	}
	time.Sleep(4 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	p.Spec.NodeName = nodeName
	p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{
		Type: v1.PodScheduled, Status: v1.ConditionTrue, LastTransitionTime: metav1.Now(),
	})
	s.store("MODIFIED", p)
}

// admit does what the API server does to a new pod (pkg/registry/core/pod/strategy.go and the
// admission plugins Priority and DefaultTolerationSeconds).
func (s *server) admit(p *v1.Pod) {
	if p.Namespace == "" {
		p.Namespace = metav1.NamespaceDefault
	}
	uid := uint64(s.luck.draw("uid/"+p.Name) * (1 << 48))
	p.UID = types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012x", uid))
	p.CreationTimestamp = metav1.Now()
	p.Generation = 1
	p.Status = v1.PodStatus{Phase: v1.PodPending, QOSClass: qos.ComputePodQOS(p)}
	if p.Spec.Priority == nil {
		p.Spec.Priority = new(int32)
	}
	for _, taint := range []string{v1.TaintNodeNotReady, v1.TaintNodeUnreachable} {
		seconds := int64(300)
		p.Spec.Tolerations = append(p.Spec.Tolerations, v1.Toleration{Key: taint,
			Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute, TolerationSeconds: &seconds})
	}
	if len(p.Spec.SchedulingGates) > 0 {
		p.Status.Conditions = append(p.Status.Conditions, v1.PodCondition{
			Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonSchedulingGated,
			Message: "Scheduling is blocked due to non-empty scheduling gates",
		})
	}
}

// delete is a DELETE of a pod (staging/src/k8s.io/apiserver/pkg/registry/rest/delete.go,
// BeforeDelete; pkg/registry/core/pod/strategy.go, CheckGracefulDelete).
func (s *server) delete(namespace, name string, o metav1.DeleteOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(namespace, name).DeepCopy()
	if p == nil {
		return errors.NewNotFound(v1.Resource("pods"), name)
	}
	if o.Preconditions != nil && o.Preconditions.UID != nil && *o.Preconditions.UID != p.UID {
		return errors.NewConflict(v1.Resource("pods"), name, fmt.Errorf("the UID is another one"))
	}
	grace := gracePeriod(p, o)
	switch {
	case grace == 0:
		s.remove(p)
	case p.DeletionTimestamp == nil || *p.DeletionGracePeriodSeconds > grace:
		at := metav1.NewTime(time.Now().Add(time.Duration(grace) * time.Second))
		p.DeletionTimestamp, p.DeletionGracePeriodSeconds = &at, &grace
		p.Generation++
		s.store("MODIFIED", p)
	}
	return nil
}

func gracePeriod(p *v1.Pod, o metav1.DeleteOptions) int64 {
	final := p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed
	switch {
	case p.Spec.NodeName == "" || final:
		return 0
	case o.GracePeriodSeconds != nil:
		return *o.GracePeriodSeconds
	}
	return *p.Spec.TerminationGracePeriodSeconds
}

// remove takes a pod away, after an update that sets its grace period to 0 (apiserver's
// pkg/registry/generic/registry/store.go, updateForGracefulDeletionAndFinalizers). mu is held.
func (s *server) remove(p *v1.Pod) {
	if p.DeletionTimestamp == nil {
		now := metav1.Now()
		p.DeletionTimestamp = &now
	}
	p.DeletionGracePeriodSeconds = new(int64)
	s.store("DELETED", s.store("MODIFIED", p))
}

// patchStatus is a PATCH of a pod's status.
func (s *server) patchStatus(namespace, name string, patch []byte) (*v1.Pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.find(namespace, name)
	if old == nil {
		return nil, errors.NewNotFound(v1.Resource("pods"), name)
	}
	patched := &v1.Pod{}
	if err := merge(old, patch, patched); err != nil {
		return nil, err
	}
	if patched.UID != old.UID {
		return nil, errors.NewConflict(v1.Resource("pods"), name, fmt.Errorf("the UID is another one"))
	}
	p := old.DeepCopy()
	p.Status = patched.Status
	if same(p, old) {
		return p, nil
	}
	return s.store("MODIFIED", p), nil
}

// setCondition sets a condition of a pod, if that is there and has another.
func (s *server) setCondition(namespace, name, condition, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(cmp.Or(namespace, metav1.NamespaceDefault), name).DeepCopy()
	if p == nil {
		return
	}
	c := v1.PodCondition{Type: v1.PodConditionType(condition), Status: v1.ConditionStatus(status), LastTransitionTime: metav1.Now()}
	i, old := podutil.GetPodCondition(&p.Status, c.Type)
	switch {
	case old == nil:
		p.Status.Conditions = append(p.Status.Conditions, c)
	case old.Status == c.Status:
		return
	default:
		p.Status.Conditions[i] = c
	}
	s.store("MODIFIED", p)
}

// merge applies a strategic merge patch to an object.
func merge[T any](old *T, patch []byte, patched *T) error {
	data, err := json.Marshal(old)
	if err != nil {
		return err
	}
	var zero T
	data, err = strategicpatch.StrategicMergePatch(data, patch, zero)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, patched)
}

func same(a, b *v1.Pod) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return string(x) == string(y)
}

// putEvent stores a new Event. Its name has the nanosecond of its making, which is not enough to
// tell apart Events of one instant of virtual time: the later ones get a longer name, with which
// the recorder goes on.
func (s *server) putEvent(e *v1.Event) *v1.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	e = e.DeepCopy()
	for s.events[e.Namespace+"/"+e.Name] != nil {
		e.Name += "x"
	}
	return s.storeEvent(e)
}

// patchEvent changes the count of an Event, among others.
func (s *server) patchEvent(namespace, name string, patch []byte) (*v1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.events[namespace+"/"+name]
	if old == nil {
		return nil, errors.NewNotFound(v1.Resource("events"), name)
	}
	e := &v1.Event{}
	if err := merge(old, patch, e); err != nil {
		return nil, err
	}
	return s.storeEvent(e), nil
}

// storeEvent stores an Event and tells the watcher. mu is held.
func (s *server) storeEvent(e *v1.Event) *v1.Event {
	s.eventVersion++
	e.ResourceVersion = strconv.Itoa(s.eventVersion)
	s.events[e.Namespace+"/"+e.Name] = e
	if s.watch != nil {
		s.watch.event(e)
	}
	return e.DeepCopy()
}

// eventCall is the name of a call that writes an Event.
func eventCall(e *v1.Event) string {
	return strings.Join([]string{"event", e.InvolvedObject.Name, e.Reason, e.Message}, "/")
}
