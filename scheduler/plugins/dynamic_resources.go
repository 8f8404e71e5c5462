package plugins

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/dynamic-resource-allocation/cel"
	"k8s.io/dynamic-resource-allocation/resourceclaim"
	"k8s.io/dynamic-resource-allocation/structured"
	"podsim/model"
	"podsim/scheduler/framework"
)

// dynamicResources allocates devices with Kubernetes' own allocator.
type dynamicResources struct {
	cluster     *framework.Cluster
	expressions *cel.Cache
	// pending are the claims with the allocations of reserved pods, until the API server has them;
	// reserved are those of each pod.
	pending  assumed[*resourcev1.ResourceClaim]
	reserved map[model.PodID][]*resourcev1.ResourceClaim

	// The rest is scratch: what preFilter found, and what the allocator found for each node.

	claims    []podClaim
	allocator structured.Allocator
	toDo      []*resourcev1.ResourceClaim
	found     map[model.NodeID][]resourcev1.AllocationResult
}

// podClaim is a claim of the pod, and the nodes on which it is available once it is allocated, nil
// for all.
type podClaim struct {
	claim *resourcev1.ResourceClaim
	nodes *nodeaffinity.NodeSelector
}

// allocatorFeatures are the feature gates that are on by default (AllocatorFeatures).
var allocatorFeatures = structured.Features{AdminAccess: true, PrioritizedList: true, PartitionableDevices: true,
	DeviceTaints: true, DeviceBindingAndStatus: true, ConsumableCapacity: true, FractionalCapacityRange: true}

// DynamicResources keeps pods to the nodes where the devices of their ResourceClaims are or can be
// allocated, and prefers those where the first of several alternatives can be
// (pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go).
//
// Differs from Kubernetes: no claims are made for extended resources of DeviceClasses, taints of
// DeviceTaintRules and binding conditions of devices are not looked at, and no claim is
// deallocated for another pod's sake (PostFilter). A pod whose claims are not there yet is tried
// and rejected, where upstream leaves it aside (PreEnqueue).
func DynamicResources() framework.Plugin {
	pl := &dynamicResources{
		expressions: cel.NewCache(10, cel.Features{EnableConsumableCapacity: true}),
		pending:     assumed[*resourcev1.ResourceClaim]{},
		reserved:    map[model.PodID][]*resourcev1.ResourceClaim{},
		found:       map[model.NodeID][]resourcev1.AllocationResult{},
	}
	return framework.Plugin{
		ID:        framework.DynamicResources,
		Weight:    2,
		Normalize: framework.NormalizeDefault,
		Global: &framework.Global{
			Concerns:  func(c *framework.PodClass) bool { return len(c.Template.Spec.ResourceClaims) > 0 },
			PreFilter: pl.preFilter,
			Filter:    pl.filter,
			Score:     pl.score,
			Reserve:   pl.reserve,
			Unreserve: pl.unreserve,
			PodMoved:  pl.podMoved,
			Claims:    func(p model.PodID) []*resourcev1.ResourceClaim { return pl.reserved[p] },
		},
		Events: framework.NodeAdd | framework.UpdateNodeLabel | framework.UpdateNodeAllocatable |
			framework.UpdatePodGeneratedResourceClaim | framework.ObjectChange,
		Hint:    hintDynamicResources,
		HintPod: pl.hintPod,
	}
}

// preFilter finds the pod's claims, and prepares the allocation of those that are not allocated.
func (pl *dynamicResources) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.cluster, pl.claims, pl.toDo, pl.allocator = y.Cluster, pl.claims[:0], pl.toDo[:0], nil
	clear(pl.found)
	if err := pl.eachClaim(y.Pod, c, func(claim *resourcev1.ResourceClaim) { pl.claims = append(pl.claims, podClaim{claim: claim}) }); err != nil {
		r.Message = err.Error()
		return
	}
	for i := range pl.claims {
		if r.Message = pl.prepare(&pl.claims[i]); r.Message != "" {
			return
		}
	}
	if r.Skip = len(pl.claims) == 0; r.Skip || len(pl.toDo) == 0 {
		return
	}
	allocator, err := structured.NewAllocator(context.Background(), allocatorFeatures, pl.allocated(), deviceClasses{y.Cluster},
		y.Objects.ResourceSlices.All(), pl.expressions)
	if err != nil {
		r.Code, r.Message = framework.Error, fmt.Sprintf("running PreFilter plugin %q: %v", framework.DynamicResources, err)
		return
	}
	pl.allocator = allocator
}

// eachClaim calls do with the claims that the pod has (foreachPodResourceClaim).
func (pl *dynamicResources) eachClaim(p *framework.Pod, c *framework.PodClass, do func(*resourcev1.ResourceClaim)) error {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: c.Template.Namespace, Name: p.Name}}
	if p.ResourceClaims != nil {
		pod.Status.ResourceClaimStatuses = p.ResourceClaims.Statuses
	}
	for i := range c.Template.Spec.ResourceClaims {
		name, made, err := resourceclaim.Name(pod, &c.Template.Spec.ResourceClaims[i])
		if err != nil {
			return err
		}
		if name == nil {
			continue
		}
		key := framework.Key(pod.Namespace, *name)
		claim, ok := pl.cluster.Objects.ResourceClaims.Get(key)
		switch {
		case !ok:
			return fmt.Errorf("could not find ResourceClaim %q", key)
		case claim.DeletionTimestamp != nil:
			return fmt.Errorf("resourceclaim %q is being deleted", claim.Name)
		case made && !claimIsForPod(claim, p.Name):
			return fmt.Errorf("ResourceClaim %s was not created for Pod %s/%s (Pod is not owner)", key, pod.Namespace, pod.Name)
		}
		do(claim)
	}
	return nil
}

// claimIsForPod knows the owner by its name, as madeForPod does.
func claimIsForPod(claim *resourcev1.ResourceClaim, pod string) bool {
	owner := metav1.GetControllerOfNoCopy(claim)
	return owner != nil && owner.Kind == "Pod" && owner.Name == pod
}

// prepare notes where a claim is allocated, or that it is to be. It says why the pod must wait.
func (pl *dynamicResources) prepare(k *podClaim) (message string) {
	claim := k.claim
	if claim.Status.Allocation != nil {
		if s := claim.Status.Allocation.NodeSelector; s != nil {
			// The selector is the allocator's own, so there is no error.
			k.nodes, _ = nodeaffinity.NewNodeSelector(s)
		}
		return ""
	}
	key := framework.Key(claim.Namespace, claim.Name)
	if pl.pending.latest(key, claim) != claim {
		return fmt.Sprintf("resource claim %s is in the process of being allocated", key)
	}
	pl.toDo = append(pl.toDo, claim)
	for i := range claim.Spec.Devices.Requests {
		request := &claim.Spec.Devices.Requests[i]
		if request.Exactly != nil {
			if message = pl.checkClass(request.Exactly.DeviceClassName, request.Name); message != "" {
				return message
			}
		}
		for j := range request.FirstAvailable {
			sub := &request.FirstAvailable[j]
			if message = pl.checkClass(sub.DeviceClassName, resourceclaim.CreateSubRequestRef(request.Name, sub.Name)); message != "" {
				return message
			}
		}
	}
	return ""
}

// checkClass follows validateDeviceClass.
func (pl *dynamicResources) checkClass(class, request string) (message string) {
	if _, ok := pl.cluster.Objects.DeviceClasses.Get(class); !ok {
		return fmt.Sprintf("request %s: device class %s does not exist", request, class)
	}
	return ""
}

// allocated is what is allocated already, or about to be (GatherAllocatedState).
func (pl *dynamicResources) allocated() structured.AllocatedState {
	state := structured.AllocatedState{AllocatedDevices: sets.New[structured.DeviceID](),
		AllocatedSharedDeviceIDs: sets.New[structured.SharedDeviceID](), AggregatedCapacity: structured.NewConsumedCapacityCollection()}
	for _, claim := range pl.cluster.Objects.ResourceClaims.All() {
		claim = pl.pending.latest(framework.Key(claim.Namespace, claim.Name), claim)
		if claim.Status.Allocation == nil {
			continue
		}
		for i := range claim.Status.Allocation.Devices.Results {
			addAllocated(&state, &claim.Status.Allocation.Devices.Results[i])
		}
	}
	return state
}

// addAllocated follows foreachAllocatedDevice.
func addAllocated(state *structured.AllocatedState, r *resourcev1.DeviceRequestAllocationResult) {
	id := structured.MakeDeviceID(r.Driver, r.Pool, r.Device)
	switch {
	case r.AdminAccess != nil && *r.AdminAccess:
	case r.ShareID == nil:
		state.AllocatedDevices.Insert(id)
	default:
		state.AllocatedSharedDeviceIDs.Insert(structured.MakeSharedDeviceID(id, r.ShareID))
		if r.ConsumedCapacity != nil {
			state.AggregatedCapacity.Insert(structured.NewDeviceConsumedCapacity(id, r.ConsumedCapacity))
		}
	}
}

// deviceClasses are the DeviceClasses as the allocator asks for them.
type deviceClasses struct{ *framework.Cluster }

func (l deviceClasses) List() ([]*resourcev1.DeviceClass, error) {
	return l.Objects.DeviceClasses.All(), nil
}

func (l deviceClasses) Get(name string) (*resourcev1.DeviceClass, error) {
	class, ok := l.Objects.DeviceClasses.Get(name)
	if !ok {
		return nil, apierrors.NewNotFound(resourcev1.Resource("deviceclass"), name)
	}
	return class, nil
}

func (pl *dynamicResources) filter(y *framework.Cycle, _ *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	reject := func(text string) bool {
		st.Reject(framework.UnschedulableAndUnresolvable, y.Symbols.LearnReason(text))
		return false
	}
	available := true
	for i := range pl.claims {
		if nodes := pl.claims[i].nodes; nodes != nil && !nodes.Match(&n.Object) {
			available = false
		}
	}
	if pl.allocator != nil {
		results, err := pl.allocator.Allocate(context.Background(), &n.Object, pl.toDo)
		switch {
		case errors.Is(err, structured.ErrFailedAllocationOnNode):
			return reject(err.Error())
		case err != nil:
			return fail(y, st, framework.DynamicResources, err.Error())
		case len(results) != len(pl.toDo):
			return reject("cannot allocate all claims")
		}
		pl.found[n.ID] = results
	}
	return available || reject("resourceclaim not available on the node")
}

// score counts how early in the lists of alternatives the allocated requests stand (computeScore).
func (pl *dynamicResources) score(_ *framework.Cycle, _ *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		scores[i] = 0
		results := pl.found[n.ID]
		for k := range pl.claims {
			claim := pl.claims[k].claim
			allocation := claim.Status.Allocation
			if allocation == nil {
				allocation, results = &results[0], results[1:]
			}
			scores[i] += alternativesScore(claim, allocation)
		}
	}
}

func alternativesScore(claim *resourcev1.ResourceClaim, allocation *resourcev1.AllocationResult) int64 {
	var score int64
	for i := range claim.Spec.Devices.Requests {
		request := &claim.Spec.Devices.Requests[i]
		if request.Exactly != nil {
			continue
		}
		for j := range request.FirstAvailable {
			name := resourceclaim.CreateSubRequestRef(request.Name, request.FirstAvailable[j].Name)
			for r := range allocation.Devices.Results {
				if allocation.Devices.Results[r].Request == name {
					score += int64(resourcev1.FirstAvailableDeviceRequestMaxSize - j)
					break
				}
			}
		}
	}
	return score
}

// reserve keeps the allocations for the node until the API server has them. The pod is to be listed
// as a user of all of its claims (Reserve, bindClaim).
func (pl *dynamicResources) reserve(_ *framework.Cycle, c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	results := pl.found[n.ID]
	var list []*resourcev1.ResourceClaim
	for i := range pl.claims {
		before := pl.claims[i].claim
		claim := before.DeepCopy()
		claim.Status.ReservedFor = append(claim.Status.ReservedFor, resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: p.Name})
		if claim.Status.Allocation == nil {
			claim.Status.Allocation, results = &results[0], results[1:]
			pl.pending.assume(framework.Key(claim.Namespace, claim.Name), before, claim)
		}
		list = append(list, claim)
	}
	pl.reserved[p.ID] = list
}

func (pl *dynamicResources) unreserve(_ *framework.Cycle, _ *framework.PodClass, p *framework.Pod, _ *framework.NodeInfo) {
	for _, claim := range pl.reserved[p.ID] {
		pl.pending.restore(framework.Key(claim.Namespace, claim.Name), claim)
	}
}

// podMoved forgets what a pod waited for that has left its node.
func (pl *dynamicResources) podMoved(p *framework.Pod, _ *framework.NodeInfo, sign int64) {
	if sign < 0 && len(p.Class.Template.Spec.ResourceClaims) > 0 {
		delete(pl.reserved, p.ID)
	}
}

// hintDynamicResources follows EventsToRegister and, for claims, isSchedulableAfterClaimChange as
// far as it does not depend on the pod.
func hintDynamicResources(_ *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action != framework.ObjectChange {
		return true
	}
	switch e.Object.(type) {
	case *resourcev1.DeviceClass, *resourcev1.ResourceSlice, *resourcev1.ResourceClaim:
		return true
	case nil:
		old, ok := e.OldObject.(*resourcev1.ResourceClaim)
		return ok && old.Status.Allocation != nil
	}
	return false
}

// hintPod says whether the change of a claim may help the pod: the claim is its own, or was
// deallocated.
func (pl *dynamicResources) hintPod(p *framework.Pod, e *framework.ClusterEvent) bool {
	claim, ok := e.Object.(*resourcev1.ResourceClaim)
	if !ok {
		return true
	}
	uses := false
	use := func(own *resourcev1.ResourceClaim) { uses = uses || own == claim }
	if err := pl.eachClaim(p, p.Class, use); err != nil {
		return false
	}
	old, ok := e.OldObject.(*resourcev1.ResourceClaim)
	if ok && old.Status.Allocation != nil && claim.Status.Allocation == nil {
		return true
	}
	return uses && (!ok || !equality.Semantic.DeepEqual(&old.Status, &claim.Status))
}
