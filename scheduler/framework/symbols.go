package framework

import (
	"strings"

	v1 "k8s.io/api/core/v1"
	"podsim/model"
)

// ResourceID numbers the extended resources of a run in the order in which they were seen.
type ResourceID int32

// TaintSetID numbers the distinct lists of taints of a run's nodes. Zero is the empty list.
type TaintSetID int32

// Symbols are the names of a run that the scheduler compares as numbers. The zero Symbols
// is ready to use; it grows only.
type Symbols struct {
	resources     []v1.ResourceName
	resourceIndex map[v1.ResourceName]ResourceID
	// insufficient are the reasons for the extended resources.
	insufficient []ReasonID
	reasons      []string
	reasonIndex  map[string]ReasonID
	taintSets    [][]v1.Taint
	taintIndex   map[string]TaintSetID
	hostIPs      map[string]uint16
	// classes is how many classes were compiled.
	classes int
}

// Resource is the id of an extended resource.
func (s *Symbols) Resource(name v1.ResourceName) ResourceID {
	if id, ok := s.resourceIndex[name]; ok {
		return id
	}
	if s.resourceIndex == nil {
		s.resourceIndex = map[v1.ResourceName]ResourceID{}
	}
	id := ResourceID(len(s.resources))
	s.resources = append(s.resources, name)
	s.insufficient = append(s.insufficient, s.LearnReason("Insufficient "+string(name)))
	s.resourceIndex[name] = id
	return id
}

// ResourceName is the name of an extended resource.
func (s *Symbols) ResourceName(id ResourceID) v1.ResourceName { return s.resources[id] }

// Insufficient is the reason that says that there is too little of an extended resource.
func (s *Symbols) Insufficient(id ResourceID) ReasonID { return s.insufficient[id] }

// LearnReason is the reason with a text that names an object or a resource.
func (s *Symbols) LearnReason(text string) ReasonID {
	if id, ok := s.reasonIndex[text]; ok {
		return id
	}
	if s.reasonIndex == nil {
		s.reasonIndex = map[string]ReasonID{}
	}
	id := firstLearned + ReasonID(len(s.reasons))
	s.reasons = append(s.reasons, text)
	s.reasonIndex[text] = id
	return id
}

// Reason is the text of a reason as upstream writes it.
func (s *Symbols) Reason(id ReasonID) string {
	if id < firstLearned {
		return reasonTexts[id]
	}
	return s.reasons[id-firstLearned]
}

// NumReasons is one more than the highest ReasonID.
func (s *Symbols) NumReasons() int { return int(firstLearned) + len(s.reasons) }

// TaintSet is the id of a list of taints. When a taint was added has no bearing on where a
// pod may go, so it does not make another list.
func (s *Symbols) TaintSet(taints []v1.Taint) TaintSetID {
	if len(taints) == 0 {
		return 0
	}
	var key strings.Builder
	for i := range taints {
		t := &taints[i]
		key.WriteString(t.Key + "\x00" + t.Value + "\x00" + string(t.Effect) + "\x00")
	}
	if id, ok := s.taintIndex[key.String()]; ok {
		return id
	}
	if s.taintIndex == nil {
		s.taintIndex = map[string]TaintSetID{}
		s.taintSets = [][]v1.Taint{nil}
	}
	id := TaintSetID(len(s.taintSets))
	s.taintSets = append(s.taintSets, append([]v1.Taint(nil), taints...))
	s.taintIndex[key.String()] = id
	return id
}

// Taints is the list of taints that id stands for. The caller must not change it.
func (s *Symbols) Taints(id TaintSetID) []v1.Taint {
	if id == 0 {
		return nil
	}
	return s.taintSets[id]
}

// hostIP is the number of a host address; 0 is all addresses.
func (s *Symbols) hostIP(ip string) uint16 {
	if ip == "" || ip == "0.0.0.0" {
		return 0
	}
	if id, ok := s.hostIPs[ip]; ok {
		return id
	}
	if s.hostIPs == nil {
		s.hostIPs = map[string]uint16{}
	}
	id := uint16(len(s.hostIPs) + 1)
	s.hostIPs[ip] = id
	return id
}

// HostPort is a port of the node that a pod wants for itself.
type HostPort struct {
	// IP is 0 for all addresses.
	IP       uint16
	Protocol uint8
	Port     int32
}

var protocols = [...]v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP, v1.ProtocolSCTP}

// hostPorts are the host ports of a specification's containers and sidecars
// (pkg/scheduler/util/utils.go GetHostPorts).
func (s *Symbols) hostPorts(spec *v1.PodSpec) []HostPort {
	var ports []HostPort
	add := func(c *v1.Container) {
		for i := range c.Ports {
			if p := &c.Ports[i]; p.HostPort > 0 {
				ports = append(ports, HostPort{s.hostIP(p.HostIP), protocol(p.Protocol), p.HostPort})
			}
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			add(c)
		}
	}
	return ports
}

// protocol is the number of a protocol; an absent one is TCP. Validation admits no others.
func protocol(p v1.Protocol) uint8 {
	for i, q := range protocols {
		if p == q {
			return uint8(i)
		}
	}
	return 0
}

// conflicts says whether two host ports cannot be held at once
// (k8s.io/kube-scheduler/framework HostPortInfo.CheckConflict).
func (p HostPort) conflicts(q HostPort) bool {
	return p.Port == q.Port && p.Protocol == q.Protocol && (p.IP == q.IP || p.IP == 0 || q.IP == 0)
}

// Conflict says whether a port of want conflicts with a port of used.
func Conflict(want, used []HostPort) bool {
	for _, p := range want {
		for _, q := range used {
			if p.conflicts(q) {
				return true
			}
		}
	}
	return false
}

// ExtendedRequest is an amount of an extended resource.
type ExtendedRequest struct {
	Resource ResourceID
	Amount   int64
}

// extended numbers the extended resources of a vector, in the vector's order: by name.
func (s *Symbols) extended(r *model.Resources) []ExtendedRequest {
	var list []ExtendedRequest
	for _, e := range r.Extended {
		list = append(list, ExtendedRequest{s.Resource(e.Name), e.Amount})
	}
	return list
}
