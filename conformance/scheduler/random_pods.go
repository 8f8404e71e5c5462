package scheduler

import (
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// begin is when the first pods started.
var begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// existing draws the pods that are on nodes already, and the nominated ones.
func (d *random) existing(full bool) {
	most := 5
	if len(d.in.Nodes) > 60 {
		most = 3
	}
	n := 0
	for _, node := range d.in.Nodes {
		for range d.IntN(most) {
			p := d.pod(fmt.Sprintf("p%04d", n), full, false)
			n++
			p.Spec.NodeName = node.Name
			p.Status.Phase = v1.PodRunning
			if !d.chance(10) {
				t := metav1.NewTime(begin.Add(time.Duration(d.IntN(20)) * time.Second))
				p.Status.StartTime = &t
			}
			if d.on["terminating"] && d.chance(6) {
				t := metav1.NewTime(begin.Add(time.Minute))
				p.DeletionTimestamp = &t
			}
			if d.chance(40) {
				p.Status.Phase = v1.PodSucceeded
			}
			d.in.Pods = append(d.in.Pods, p)
		}
	}
	if d.on["nominated"] {
		for i := range d.IntN(4) {
			p := d.pod(fmt.Sprintf("nominated-%d", i), full, false)
			p.Status.NominatedNodeName = pick(d, d.in.Nodes...).Name
			d.in.Pods = append(d.in.Pods, p)
		}
	}
	if d.on["no such node"] {
		p := d.pod("orphan", false, false)
		p.Spec.NodeName = "gone"
		d.in.Pods = append(d.in.Pods, p)
	}
}

// pending draws the pod that the decision is about.
func (d *random) pending(full bool) *v1.Pod {
	p := d.pod("pending", full, true)
	if d.on["gates"] && d.chance(2) {
		p.Spec.SchedulingGates = []v1.PodSchedulingGate{{Name: "example.com/wait"}}
	}
	if d.on["node name"] {
		p.Spec.NodeName = pick(d, d.in.Nodes...).Name
	}
	if d.on["never preempt"] {
		never := v1.PreemptNever
		p.Spec.PreemptionPolicy = &never
	}
	if d.on["nominated"] && d.chance(3) {
		p.Status.NominatedNodeName = pick(d, d.in.Nodes...).Name
	}
	if d.on["priorities"] && d.chance(2) {
		high := int32(1000)
		p.Spec.Priority = &high
	}
	return p
}

// pod draws a pod. Pods of a full cluster ask for much. Only a pending pod has what does not matter
// on a pod that is placed.
func (d *random) pod(name string, full, pending bool) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: d.namespace(), Labels: d.podLabels()}}
	p.UID = types.UID(p.Namespace + "/" + name)
	d.containers(p, full)
	if d.on["priorities"] && !d.chance(3) {
		priority := int32(d.IntN(4)) * 100
		p.Spec.Priority = &priority
	}
	if d.on["taints"] || d.on["cordons"] {
		p.Spec.Tolerations = d.tolerations()
	}
	if d.on["owners"] {
		p.OwnerReferences = d.owner()
	}
	if pending {
		d.nodeSelectors(p)
	}
	if d.on["spread"] && (pending || d.chance(4)) {
		p.Spec.TopologySpreadConstraints = d.constraints()
	}
	if pending || d.on["existing terms"] && d.chance(3) {
		d.podAffinity(p)
	}
	d.volumes(p, pending)
	if pending {
		d.claimDevices(p)
	}
	return p
}

// containers draws containers with requests, ports and images.
func (d *random) containers(p *v1.Pod, full bool) {
	for i := range 1 + d.IntN(2)*d.IntN(3) {
		p.Spec.Containers = append(p.Spec.Containers, d.container(fmt.Sprintf("c%d", i), full))
	}
	if d.on["init containers"] {
		for i := range d.IntN(4) {
			c := d.container(fmt.Sprintf("i%d", i), full)
			if d.chance(2) {
				always := v1.ContainerRestartPolicyAlways
				c.RestartPolicy = &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
	}
	if d.on["overhead"] && d.chance(2) {
		p.Spec.Overhead = v1.ResourceList{v1.ResourceCPU: resource.MustParse("120m"), v1.ResourceMemory: resource.MustParse("64Mi")}
	}
	if d.on["requests of pods"] && d.chance(2) {
		d.podResources(p)
	}
	d.ports(p)
}

// ports gives containers host ports, each to one container.
func (d *random) ports(p *v1.Pod) {
	if !d.on["ports"] {
		return
	}
	p.Spec.HostNetwork = d.chance(6)
	free := []int32{8000, 8001, 8002}
	for _, list := range [][]v1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if len(free) == 0 || d.chance(2) {
				continue
			}
			at := d.IntN(len(free))
			port := v1.ContainerPort{ContainerPort: free[at], HostPort: free[at], Protocol: pick(d, "", v1.ProtocolTCP, v1.ProtocolUDP)}
			free = append(free[:at], free[at+1:]...)
			if p.Spec.HostNetwork {
				port.HostPort = pick(d, 0, port.HostPort)
			} else {
				port.HostIP = pick(d, "", "", "0.0.0.0", "127.0.0.1", "10.0.0.1")
			}
			list[i].Ports = []v1.ContainerPort{port}
		}
	}
}

// podResources draws the requests of the pod as a whole, above those of its containers.
func (d *random) podResources(p *v1.Pod) {
	r := &v1.ResourceRequirements{}
	if d.chance(2) {
		r.Requests = v1.ResourceList{v1.ResourceCPU: resource.MustParse("12")}
		if d.chance(2) {
			r.Requests[v1.ResourceMemory] = resource.MustParse("20Gi")
		}
	}
	if r.Requests == nil || d.chance(2) {
		r.Limits = v1.ResourceList{v1.ResourceCPU: resource.MustParse("12")}
		if d.chance(2) {
			r.Limits[v1.ResourceMemory] = resource.MustParse("20Gi")
		}
	}
	if d.chance(2) {
		// Small enough for a node, where the containers ask for nothing themselves.
		for i := range p.Spec.InitContainers {
			p.Spec.InitContainers[i].Resources = v1.ResourceRequirements{}
		}
		for i := range p.Spec.Containers {
			p.Spec.Containers[i].Resources = v1.ResourceRequirements{}
		}
		for _, list := range []v1.ResourceList{r.Requests, r.Limits} {
			for name := range list {
				list[name] = resource.MustParse(map[v1.ResourceName]string{v1.ResourceCPU: "700m", v1.ResourceMemory: "300Mi"}[name])
			}
		}
	}
	p.Spec.Resources = r
}

func (d *random) container(name string, full bool) v1.Container {
	c := v1.Container{Name: name, Image: "img:a"}
	if d.on["images"] {
		c.Image = pick(d, images...)
	}
	requests := v1.ResourceList{}
	if !d.chance(4) {
		requests[v1.ResourceCPU] = resource.MustParse(pick(d, "0", "50m", "100m", "250m", "500m", "1"))
	}
	if !d.chance(4) {
		requests[v1.ResourceMemory] = resource.MustParse(pick(d, "0", "32Mi", "100Mi", "256Mi", "1Gi"))
	}
	if full && !d.chance(4) {
		requests[v1.ResourceCPU] = resource.MustParse(pick(d, "700m", "1", "1500m", "2"))
	}
	if d.chance(8) {
		requests[v1.ResourceEphemeralStorage] = resource.MustParse(pick(d, "1Gi", "8Gi"))
	}
	c.Resources.Requests = requests
	if d.on["extended"] && d.chance(2) {
		c.Resources.Limits = v1.ResourceList{gpu: resource.MustParse(pick(d, "0", "1", "2"))}
		if d.chance(3) {
			requests[v1.ResourceCPU] = resource.MustParse("100m")
			c.Resources.Limits["hugepages-2Mi"] = resource.MustParse("32Mi")
		}
	}
	return c
}

// nodeSelectors draws nodeSelector and node affinity.
func (d *random) nodeSelectors(p *v1.Pod) {
	if d.on["node selector"] && d.chance(2) {
		p.Spec.NodeSelector = map[string]string{"disk": pick(d, "ssd", "hdd")}
	}
	affinity := &v1.NodeAffinity{}
	if d.on["node affinity"] && d.chance(2) {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = &v1.NodeSelector{}
		for range 1 + d.IntN(2) {
			required := affinity.RequiredDuringSchedulingIgnoredDuringExecution
			required.NodeSelectorTerms = append(required.NodeSelectorTerms, d.nodeTerm())
		}
	}
	if d.on["node affinity"] && d.chance(2) {
		for range 1 + d.IntN(3) {
			affinity.PreferredDuringSchedulingIgnoredDuringExecution = append(affinity.PreferredDuringSchedulingIgnoredDuringExecution,
				v1.PreferredSchedulingTerm{Weight: int32(1 + d.IntN(100)), Preference: d.nodeTerm()})
		}
	}
	if d.on["node fields"] {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = d.nodeFields()
	}
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution != nil || affinity.PreferredDuringSchedulingIgnoredDuringExecution != nil {
		p.Spec.Affinity = &v1.Affinity{NodeAffinity: affinity}
	}
}

func (d *random) nodeTerm() v1.NodeSelectorTerm {
	var t v1.NodeSelectorTerm
	for range 1 + d.IntN(2) {
		r := v1.NodeSelectorRequirement{Key: "disk", Operator: pick(d, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn), Values: []string{pick(d, "ssd", "hdd")}}
		switch d.IntN(4) {
		case 0:
			r = v1.NodeSelectorRequirement{Key: "gen", Operator: pick(d, v1.NodeSelectorOpGt, v1.NodeSelectorOpLt), Values: []string{fmt.Sprint(d.IntN(9))}}
		case 1:
			r = v1.NodeSelectorRequirement{Key: pick(d, "gen", v1.LabelTopologyZone), Operator: pick(d, v1.NodeSelectorOpExists, v1.NodeSelectorOpDoesNotExist)}
		case 2:
			r = v1.NodeSelectorRequirement{Key: v1.LabelTopologyZone, Operator: v1.NodeSelectorOpIn, Values: []string{pick(d, "z1", "z2"), "z3"}}
		}
		t.MatchExpressions = append(t.MatchExpressions, r)
	}
	return t
}

// nodeFields names nodes, as a DaemonSet does: those that exist, none, or ones that contradict.
func (d *random) nodeFields() *v1.NodeSelector {
	s := &v1.NodeSelector{}
	for range 1 + d.IntN(3) {
		var t v1.NodeSelectorTerm
		for range 1 + d.IntN(8)/6 {
			name := pick(d, append(nodeNames(d.in.Nodes), "n999")...)
			t.MatchFields = append(t.MatchFields, v1.NodeSelectorRequirement{Key: metav1.ObjectNameField,
				Operator: pick(d, v1.NodeSelectorOpIn, v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn), Values: []string{name}})
		}
		if d.chance(4) {
			t.MatchExpressions = d.nodeTerm().MatchExpressions
		}
		s.NodeSelectorTerms = append(s.NodeSelectorTerms, t)
	}
	return s
}

func nodeNames(nodes []*v1.Node) []string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	return names
}

var topologyKeys = []string{v1.LabelTopologyZone, v1.LabelTopologyZone, v1.LabelHostname, v1.LabelHostname, "disk", "gen", v1.LabelTopologyRegion}

// constraints draws topology spread constraints, no two with the same key and action.
func (d *random) constraints() []v1.TopologySpreadConstraint {
	var list []v1.TopologySpreadConstraint
	seen := map[string]bool{}
	for range 1 + d.IntN(3) {
		c := v1.TopologySpreadConstraint{
			MaxSkew:           int32(1 + d.IntN(3)),
			TopologyKey:       pick(d, topologyKeys...),
			WhenUnsatisfiable: pick(d, v1.DoNotSchedule, v1.ScheduleAnyway),
			LabelSelector:     d.selector(),
		}
		if id := c.TopologyKey + string(c.WhenUnsatisfiable); seen[id] {
			continue
		} else {
			seen[id] = true
		}
		if c.WhenUnsatisfiable == v1.DoNotSchedule && d.chance(3) {
			domains := int32(1 + d.IntN(5))
			c.MinDomains = &domains
		}
		if d.chance(3) {
			c.NodeAffinityPolicy = policy(d)
		}
		if d.chance(3) {
			c.NodeTaintsPolicy = policy(d)
		}
		if c.LabelSelector != nil && d.chance(3) {
			c.LabelSelector.MatchExpressions = nil
			c.MatchLabelKeys = []string{"version"}
			if d.chance(2) {
				c.MatchLabelKeys = append(c.MatchLabelKeys, "absent")
			}
		}
		list = append(list, c)
	}
	return list
}

func policy(d *random) *v1.NodeInclusionPolicy {
	p := pick(d, v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore)
	return &p
}

// podAffinity draws affinity and anti-affinity to pods.
func (d *random) podAffinity(p *v1.Pod) {
	if !d.on["pod affinity"] && !d.on["pod anti-affinity"] {
		return
	}
	if p.Spec.Affinity == nil {
		p.Spec.Affinity = &v1.Affinity{}
	}
	if d.on["pod affinity"] && !d.chance(4) {
		p.Spec.Affinity.PodAffinity = &v1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution:  d.required(),
			PreferredDuringSchedulingIgnoredDuringExecution: d.preferred(),
		}
	}
	if d.on["pod anti-affinity"] && !d.chance(4) {
		p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution:  d.required(),
			PreferredDuringSchedulingIgnoredDuringExecution: d.preferred(),
		}
	}
}

func (d *random) required() []v1.PodAffinityTerm {
	var list []v1.PodAffinityTerm
	for range d.IntN(3) {
		list = append(list, d.podTerm())
	}
	return list
}

func (d *random) preferred() []v1.WeightedPodAffinityTerm {
	var list []v1.WeightedPodAffinityTerm
	for range d.IntN(3) {
		list = append(list, v1.WeightedPodAffinityTerm{Weight: int32(1 + d.IntN(100)), PodAffinityTerm: d.podTerm()})
	}
	return list
}

func (d *random) podTerm() v1.PodAffinityTerm {
	t := v1.PodAffinityTerm{TopologyKey: pick(d, topologyKeys...), LabelSelector: d.selector()}
	if d.on["namespaces"] {
		switch d.IntN(5) {
		case 0:
			t.Namespaces = []string{pick(d, namespaces...)}
		case 1:
			t.NamespaceSelector = &metav1.LabelSelector{}
		case 2:
			t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": pick(d, "a", "b")}}
			if d.chance(3) {
				t.Namespaces = []string{pick(d, namespaces...)}
			}
		}
	}
	if t.LabelSelector != nil && d.chance(5) {
		t.LabelSelector.MatchExpressions = nil
		t.MatchLabelKeys = []string{"version"}
	} else if t.LabelSelector != nil && d.chance(5) {
		t.LabelSelector.MatchExpressions = nil
		t.MismatchLabelKeys = []string{"version"}
	}
	return t
}
