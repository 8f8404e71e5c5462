package plugins

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

const devices = `
DeviceClass gpu
spec: {selectors: [{cel: {expression: 'device.driver == "gpu.example.com"'}}]}
---
ResourceSlice n1
spec:
  driver: gpu.example.com
  nodeName: n1
  pool: {name: n1, generation: 1, resourceSliceCount: 1}
  devices:
  - {name: d0, attributes: {model: {string: big}}, capacity: {memory: {value: 40Gi}}}
  - {name: d1, attributes: {model: {string: small}}, capacity: {memory: {value: 10Gi}}}
---
ResourceClaim one
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu}}]}}
---
ResourceClaim three
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu, count: 3}}]}}
---
ResourceClaim big
spec:
  devices:
    requests:
    - name: r
      exactly: {deviceClassName: gpu, selectors: [{cel: {expression: 'device.attributes["gpu.example.com"].model == "big"'}}]}
---
ResourceClaim roomy
spec:
  devices:
    requests:
    - name: r
      firstAvailable:
      - {name: huge, deviceClassName: gpu, selectors: [{cel: {expression: 'device.capacity["gpu.example.com"].memory.compareTo(quantity("80Gi")) >= 0'}}]}
      - {name: large, deviceClassName: gpu, selectors: [{cel: {expression: 'device.capacity["gpu.example.com"].memory.compareTo(quantity("20Gi")) >= 0'}}]}
---
ResourceClaim wrong
spec:
  devices:
    requests:
    - {name: r, exactly: {deviceClassName: gpu, selectors: [{cel: {expression: 'device.attributes["gpu.example.com"].none == "x"'}}]}}
---
ResourceClaim elsewhere
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: none}}]}}
---
ResourceClaim taken
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu}}]}}
status:
  allocation:
    devices: {results: [{request: r, driver: gpu.example.com, pool: n1, device: d1}]}
    nodeSelector: {nodeSelectorTerms: [{matchFields: [{key: metadata.name, operator: In, values: [n1]}]}]}
---
ResourceClaim p-made-x
metadata: {ownerReferences: [{kind: Pod, name: p, controller: true}]}
spec: {devices: {requests: [{name: r, exactly: {deviceClassName: gpu}}]}}
---
`

// resourceClaims gives a pod claims, a name with a leading * one that is made of a template.
func resourceClaims(names ...string) func(*v1.PodSpec) {
	return func(s *v1.PodSpec) {
		for _, name := range names {
			claim := v1.PodResourceClaim{Name: name, ResourceClaimName: &name}
			if name[0] == '*' {
				claim = v1.PodResourceClaim{Name: name[1:], ResourceClaimTemplateName: &name}
			}
			s.ResourceClaims = append(s.ResourceClaims, claim)
		}
	}
}

func TestDynamicResources(t *testing.T) {
	const never = framework.UnschedulableAndUnresolvable
	for _, c := range []struct {
		name   string
		claims []string
		node   string
		code   framework.Code
		text   string
	}{
		{name: "none", node: "n1"},
		{name: "one", claims: []string{"one"}, node: "n1"},
		{name: "one elsewhere", claims: []string{"one"}, node: "n2", code: never, text: "cannot allocate all claims"},
		{name: "too many", claims: []string{"three"}, node: "n1", code: never, text: "cannot allocate all claims"},
		{name: "big", claims: []string{"big"}, node: "n1"},
		{name: "alternatives", claims: []string{"roomy"}, node: "n1"},
		{name: "the same device twice", claims: []string{"big", "roomy"}, node: "n1", code: never, text: "cannot allocate all claims"},
		{name: "allocated", claims: []string{"taken"}, node: "n1"},
		{name: "allocated elsewhere", claims: []string{"taken"}, node: "n2", code: never, text: "resourceclaim not available on the node"},
		{name: "absent", claims: []string{"absent"}, node: "n1", code: never, text: `could not find ResourceClaim "default/absent"`},
		{name: "no class", claims: []string{"elsewhere"}, node: "n1", code: never, text: "request r: device class none does not exist"},
		{name: "made", claims: []string{"*made"}, node: "n1"},
		{name: "not made yet", claims: []string{"*other"}, node: "n1", code: never, text: `pod "default/p": ResourceClaim not created yet`},
		{name: "expression that fails", claims: []string{"wrong"}, node: "n1", code: framework.Error,
			text: `running "DynamicResources" filter plugin: claim default/wrong: selector #0 on device gpu.example.com/n1/d0: CEL runtime error: no such key: none. ` +
				"consider using CEL optional chaining (.? followed by orValue()) or guarding the check with has() for optional fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, pl := newWorld(), DynamicResources()
			w.set(t, devices)
			name := "p-made-x"
			w.made = &model.ResourceClaims{Statuses: []v1.PodResourceClaimStatus{{Name: "made", ResourceClaimName: &name}}}
			code, text := w.judge(pl, w.class(resourceClaims(c.claims...)), w.node(func(n *model.Node) { n.Name = c.node }))
			require.Equal(t, c.text, text)
			require.Equal(t, c.code, code)
		})
	}
}

// What is reserved for one pod is not there for the next until it is given back. The second of two
// alternatives scores 7 of 8.
func TestReservedDevices(t *testing.T) {
	w, pl := newWorld(), DynamicResources()
	w.set(t, devices)
	n := w.node()
	roomy, big := w.class(resourceClaims("roomy")), w.class(resourceClaims("big"))
	code, text := w.judge(pl, roomy, n)
	require.Equal(t, framework.Success, code, text)
	scores := []int64{-1}
	pl.Global.Score(&w.cycle, roomy, []*framework.NodeInfo{n}, scores)
	require.Equal(t, int64(resourcev1.FirstAvailableDeviceRequestMaxSize-1), scores[0])
	p := &framework.Pod{ID: 3, Name: "p", Class: roomy}
	pl.Global.Reserve(&w.cycle, roomy, p, n)
	require.Equal(t, "d0", pl.Global.Claims(3)[0].Status.Allocation.Devices.Results[0].Device)
	code, _ = w.judge(pl, big, n)
	require.Equal(t, framework.UnschedulableAndUnresolvable, code)
	_, text = w.judge(pl, roomy, n)
	require.Equal(t, "resource claim default/roomy is in the process of being allocated", text)
	pl.Global.Unreserve(&w.cycle, roomy, p, n)
	code, _ = w.judge(pl, big, n)
	require.Equal(t, framework.Success, code)
}

func TestDeviceHints(t *testing.T) {
	w, pl := newWorld(), DynamicResources()
	w.set(t, devices)
	c := w.class(resourceClaims("one"))
	w.judge(pl, c, w.node())
	p := &framework.Pod{Name: "p", Class: c}
	get := func(name string) *resourcev1.ResourceClaim {
		claim, _ := w.cluster.Objects.ResourceClaims.Get("default/" + name)
		return claim
	}
	freed := get("taken").DeepCopy()
	freed.Status.Allocation = nil
	for _, e := range []struct {
		name  string
		event framework.ClusterEvent
		want  bool
	}{
		{"own claim", framework.ClusterEvent{Object: get("one")}, true},
		{"other claim", framework.ClusterEvent{Object: get("big")}, false},
		{"unchanged status", framework.ClusterEvent{Object: get("one"), OldObject: get("one").DeepCopy()}, false},
		{"deallocated", framework.ClusterEvent{Object: freed, OldObject: get("taken")}, true},
		{"gone with its devices", framework.ClusterEvent{OldObject: get("taken")}, true},
		{"gone", framework.ClusterEvent{OldObject: get("one")}, false},
		{"slice", framework.ClusterEvent{Object: &resourcev1.ResourceSlice{}}, true},
	} {
		e.event.Action = framework.ObjectChange
		require.Equal(t, e.want, pl.Hint(c, &e.event) && pl.HintPod(p, &e.event), e.name)
	}
}
