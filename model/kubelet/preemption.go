package kubelet

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Requirement is an amount of a resource that a pod asks for and its node does not have: milli-cores,
// bytes or units.
type Requirement struct {
	Resource v1.ResourceName
	Amount   int64
}

// Preemptee is a pod on the node of one that is to be admitted. Requests is what it was allocated.
type Preemptee struct {
	Template *model.PodTemplate
	Requests *model.Resources
}

// PodsToPreempt chooses the pods that must end so that a critical pod has what it needs, as indexes
// of pods, in the order in which they are ended (preemption/preemption.go getPodsToPreempt). Of a QoS
// class only those go that the classes before cannot make up for: BestEffort, Burstable, Guaranteed.
// Of two that are equal the later one goes. An error says what cannot be had.
func PodsToPreempt(preemptor *model.PodTemplate, pods []Preemptee, need []Requirement) ([]int, error) {
	var bestEffort, burstable, guaranteed []int
	for i := range pods {
		if !preemptable(preemptor, pods[i].Template) {
			continue
		}
		switch pods[i].Template.QOS {
		case v1.PodQOSBestEffort:
			bestEffort = append(bestEffort, i)
		case v1.PodQOSBurstable:
			burstable = append(burstable, i)
		case v1.PodQOSGuaranteed:
			guaranteed = append(guaranteed, i)
		}
	}
	if left := subtract(subtract(subtract(need, pods, bestEffort), pods, burstable), pods, guaranteed); len(left) > 0 {
		return nil, fmt.Errorf("no set of running pods found to reclaim resources: %s", requirementWords(left))
	}
	third := byDistance(pods, guaranteed, subtract(subtract(need, pods, bestEffort), pods, burstable))
	second := byDistance(pods, burstable, subtract(subtract(need, pods, bestEffort), pods, third))
	first := byDistance(pods, bestEffort, subtract(subtract(need, pods, second), pods, third))
	return append(append(first, second...), third...), nil
}

// preemptable follows pkg/kubelet/types/pod_update.go Preemptable.
func preemptable(preemptor, t *model.PodTemplate) bool {
	return preemptor.Critical() && !t.Critical() || preemptor.Priority > t.Priority
}

// byDistance takes pods of the list until the need is met, each time the one that leaves the least of
// it (getPodsToPreemptByDistance). The pods of the list together have what is needed.
func byDistance(pods []Preemptee, list []int, need []Requirement) (chosen []int) {
	list = append([]int(nil), list...)
	for len(need) > 0 {
		best, least := 0, float64(len(need)+1)
		for j, i := range list {
			d := distance(need, &pods[i])
			if d < least || d == least && !lessRequested(&pods[list[best]], &pods[i]) {
				best, least = j, d
			}
		}
		i := list[best]
		chosen = append(chosen, i)
		need = subtract(need, pods, []int{i})
		list[best] = list[len(list)-1]
		list = list[:len(list)-1]
	}
	return chosen
}

// distance is how far a pod is from the need: each resource counts by the part of it that would be
// left, squared (admissionRequirementList.distance).
func distance(need []Requirement, p *Preemptee) float64 {
	sum := 0.0
	for _, r := range need {
		if left := float64(r.Amount - p.request(r.Resource)); left > 0 {
			sum += left / float64(r.Amount) * (left / float64(r.Amount))
		}
	}
	return sum
}

// subtract is what is needed still when the listed pods have ended.
func subtract(need []Requirement, pods []Preemptee, list []int) (left []Requirement) {
	for _, r := range need {
		for _, i := range list {
			r.Amount -= pods[i].request(r.Resource)
		}
		if r.Amount > 0 {
			left = append(left, r)
		}
	}
	return left
}

// lessRequested compares by memory and then by CPU (smallerResourceRequest).
func lessRequested(a, b *Preemptee) bool {
	if a.Requests.Memory != b.Requests.Memory {
		return a.Requests.Memory < b.Requests.Memory
	}
	return a.Requests.MilliCPU < b.Requests.MilliCPU
}

// request is how much of a resource a pod gives back (pkg/api/v1/resource/helpers.go GetResourceRequest).
func (p *Preemptee) request(name v1.ResourceName) int64 {
	switch name {
	case v1.ResourcePods:
		return 1
	case v1.ResourceCPU:
		return p.Requests.MilliCPU
	case v1.ResourceMemory:
		return p.Requests.Memory
	case v1.ResourceEphemeralStorage:
		return p.Requests.EphemeralStorage
	}
	return p.Requests.Amount(name)
}

// requirementWords are the requirements in upstream's form.
func requirementWords(need []Requirement) string {
	var b strings.Builder
	b.WriteString("[")
	for _, r := range need {
		fmt.Fprintf(&b, "(res: %s, q: %d), ", r.Resource, r.Amount)
	}
	return b.String() + "]"
}
