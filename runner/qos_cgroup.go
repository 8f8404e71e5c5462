package runner

import (
	"fmt"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"podsim/model"
)

// nodeCgroups are the cgroups of a scenario's node: the one of all its pods, which is a real kubelet's /kubepods
// (cm/node_container_manager_linux.go createNodeAllocatableCgroups), and in it those of the QoS classes Burstable
// and BestEffort (cm/qos_container_manager_linux.go Start). Guaranteed pods stand beside these two.
type nodeCgroups struct {
	name string
	// limits are those of all the node's pods.
	limits podResources
	// burstable is what the node's Burstable pods request now, in milli-cores.
	burstable atomic.Int64

	// lock is held by who makes or changes the cgroups.
	lock sync.Mutex
	made bool
}

// nodeCgroup is the cgroup of all pods of a node.
func (r *CRI) nodeCgroup(node string) string { return path.Join(cgroupOfAll, r.Run, node) }

// qosCgroup is the parent of the cgroups of a class of pods.
func qosCgroup(node string, class v1.PodQOSClass) string {
	if class == v1.PodQOSGuaranteed {
		return node
	}
	return path.Join(node, strings.ToLower(string(class)))
}

// cgroupsOfNode are those of a pod's node.
func (r *CRI) cgroupsOfNode(p *pod) *nodeCgroups {
	n := r.nodes[p.node]
	if n == nil {
		id := r.cluster.State().Pods[p.ref.ID].Node
		n = &nodeCgroups{name: r.nodeCgroup(p.node), limits: podResources{
			shares: cpuShares(r.cluster.State().Nodes[id].Allocatable.MilliCPU),
			period: r.cluster.KubeletConfiguration(p.ref.ID).CPUCFSQuotaPeriod.Microseconds(),
			memory: r.cluster.PodsMemoryLimit(id), hugePages: hugePagesOf(&r.cluster.State().Nodes[id].Allocatable, hugePageSizes()),
		}}
		r.nodes[p.node] = n
	}
	return n
}

// countBurstable counts what the Burstable pods of a pod's node request, this one as it is now (setCPUCgroupConfig).
func (r *CRI) countBurstable(p *pod) *nodeCgroups {
	p.burstable = burstableRequest(p.template)
	sum := int64(0)
	for _, other := range r.pods {
		if other.node == p.node {
			sum += other.burstable
		}
	}
	n := r.cgroupsOfNode(p)
	n.burstable.Store(sum)
	return n
}

// burstableRequest is the CPU request of a Burstable pod in milli-cores.
func burstableRequest(t *model.PodTemplate) int64 {
	if t.QOS != v1.PodQOSBurstable {
		return 0
	}
	requests := resourcehelper.PodRequests(&v1.Pod{Spec: *t.Spec}, resourcehelper.PodResourcesOptions{})
	return requests.Cpu().MilliValue()
}

// make makes the cgroups that are not there.
func (n *nodeCgroups) make() error {
	n.lock.Lock()
	defer n.lock.Unlock()
	if !n.made {
		if err := makePodCgroup(n.name, n.limits); err != nil {
			return err
		}
		bestEffort := qosCgroup(n.name, v1.PodQOSBestEffort)
		for _, name := range []string{qosCgroup(n.name, v1.PodQOSBurstable), bestEffort} {
			if err := makeCgroup(name); err != nil {
				return err
			}
		}
		if err := setShares(bestEffort, sharesMin); err != nil {
			return err
		}
		n.made = true
	}
	return n.share()
}

// update gives the Burstable pods their part of the CPUs as it is now (UpdateCgroups, which the kubelet calls each
// 2 s and for a pod that comes).
func (n *nodeCgroups) update() error {
	n.lock.Lock()
	defer n.lock.Unlock()
	if !n.made {
		return nil
	}
	return n.share()
}

func (n *nodeCgroups) share() error {
	return setShares(qosCgroup(n.name, v1.PodQOSBurstable), cpuShares(n.burstable.Load()))
}

// setShares sets how much of the CPUs a cgroup gets beside others.
func setShares(name string, shares int64) error {
	if err := setFiles(name, []cgroupFile{sharesFile(shares, cgroupV2())}); err != nil {
		return fmt.Errorf("failed to update the QoS cgroup %s: %w", name, err)
	}
	return nil
}
