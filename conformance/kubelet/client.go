package kubelet

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// client is the kubelet's client. Pods are ours; the rest, which the kubelet only
// reads, is client-go's fake: node, services, configMaps, secrets, runtime classes.
type client struct {
	*fake.Clientset
	server *server
}

func newClient(s *server) client { return client{fake.NewClientset(testNode()), s} }

func (c client) CoreV1() typedv1.CoreV1Interface { return coreClient{c.Clientset.CoreV1(), c.server} }

type coreClient struct {
	typedv1.CoreV1Interface
	server *server
}

func (c coreClient) Pods(namespace string) typedv1.PodInterface {
	return podClient{c.CoreV1Interface.Pods(namespace), c.server, namespace}
}

type podClient struct {
	typedv1.PodInterface
	server    *server
	namespace string
}

func (c podClient) Get(_ context.Context, name string, _ metav1.GetOptions) (*v1.Pod, error) {
	c.server.call("get/" + name)
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if p := c.server.find(c.namespace, name); p != nil {
		return p.DeepCopy(), nil
	}
	return nil, errors.NewNotFound(v1.Resource("pods"), name)
}

func (c podClient) Delete(_ context.Context, name string, o metav1.DeleteOptions) error {
	c.server.call("delete/" + name)
	return c.server.delete(c.namespace, name, o)
}

func (c podClient) Patch(
	_ context.Context, name string, kind types.PatchType, data []byte, _ metav1.PatchOptions, subresources ...string,
) (*v1.Pod, error) {
	c.server.call("patch/" + name)
	if kind != types.StrategicMergePatchType || len(subresources) != 1 || subresources[0] != "status" {
		return nil, fmt.Errorf("the fake API server has no patch %s of %v", kind, subresources)
	}
	return c.server.patchStatus(c.namespace, name, data)
}

// eventSink is where the recorder writes Events.
type eventSink struct{ server *server }

func (s eventSink) Create(e *v1.Event) (*v1.Event, error) {
	s.server.call(eventCall(e))
	return s.server.putEvent(e), nil
}

// Update is not called by the recorder, which patches.
func (s eventSink) Update(e *v1.Event) (*v1.Event, error) { return s.Create(e) }

func (s eventSink) Patch(e *v1.Event, data []byte) (*v1.Event, error) {
	s.server.call(eventCall(e))
	return s.server.patchEvent(e.Namespace, e.Name, data)
}

// testNode is the node of the recordings.
func testNode() *v1.Node {
	n := &v1.Node{}
	n.Name, n.UID = nodeName, types.UID(nodeName)
	n.Labels = map[string]string{v1.LabelHostname: nodeName, v1.LabelOSStable: "linux", v1.LabelArchStable: "amd64"}
	n.Status = v1.NodeStatus{
		Phase: v1.NodeRunning,
		Addresses: []v1.NodeAddress{
			{Type: v1.NodeInternalIP, Address: nodeAddress}, {Type: v1.NodeHostName, Address: nodeName},
		},
		Conditions: []v1.NodeCondition{{Type: v1.NodeReady, Status: v1.ConditionTrue}},
		Capacity: v1.ResourceList{
			v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("24Gi"),
			v1.ResourcePods: resource.MustParse("110"), v1.ResourceEphemeralStorage: resource.MustParse("100Gi"),
		},
	}
	n.Status.Allocatable = n.Status.Capacity
	return n
}
