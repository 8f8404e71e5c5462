package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/scheduler"
)

// TestAdmissionCheck asks what a kubelet asks of a pod that was given to its node.
func TestAdmissionCheck(t *testing.T) {
	node := model.Node{ID: 1, Name: "n", Labels: map[string]string{"zone": "a"},
		Allocatable: model.Resources{MilliCPU: 2000, Memory: 4 << 30, Pods: 3, Extended: []model.ExtendedResource{{Name: "x/gpu", Amount: 2}}},
		Taints:      []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoExecute}, {Key: "s", Effect: v1.TaintEffectNoSchedule}}}
	tolerate := []v1.Toleration{{Key: "k", Operator: v1.TolerationOpExists}}
	requests := func(name v1.ResourceName, amount string) []v1.Container {
		return []v1.Container{{Name: "c", Image: "i", Resources: v1.ResourceRequirements{
			Requests: v1.ResourceList{name: resource.MustParse(amount)}}}}
	}
	port := func(p int32) []v1.Container {
		return []v1.Container{{Name: "c", Image: "i", Ports: []v1.ContainerPort{{HostPort: p, Protocol: v1.ProtocolTCP}}}}
	}
	const affinity = "node(s) didn't match Pod's node affinity/selector"
	for _, x := range []struct {
		name   string
		spec   v1.PodSpec
		others []v1.PodSpec
		want   []scheduler.AdmissionResult
	}{
		{"fits", v1.PodSpec{Tolerations: tolerate, Containers: requests("cpu", "2")}, nil, nil},
		{"cpu", v1.PodSpec{Tolerations: tolerate, Containers: requests("cpu", "1500m")},
			[]v1.PodSpec{{Containers: requests("cpu", "600m")}},
			[]scheduler.AdmissionResult{{Resource: "cpu", Requested: 1500, Used: 600, Capacity: 2000}}},
		{"memory", v1.PodSpec{Tolerations: tolerate, Containers: requests("memory", "5Gi")}, nil,
			[]scheduler.AdmissionResult{{Resource: "memory", Requested: 5 << 30, Capacity: 4 << 30}}},
		{"pods", v1.PodSpec{Tolerations: tolerate, Containers: requests("cpu", "0")},
			[]v1.PodSpec{{Containers: port(1)}, {Containers: port(2)}, {Containers: port(3)}},
			[]scheduler.AdmissionResult{{Resource: "pods", Requested: 1, Used: 3, Capacity: 3}}},
		{"extended", v1.PodSpec{Tolerations: tolerate, Containers: requests("x/gpu", "2")},
			[]v1.PodSpec{{Containers: requests("x/gpu", "1")}},
			[]scheduler.AdmissionResult{{Resource: "x/gpu", Requested: 2, Used: 1, Capacity: 2}}},
		{"extended resource of no node", v1.PodSpec{Tolerations: tolerate, Containers: requests("x/tpu", "2")}, nil, nil},
		{"port", v1.PodSpec{Tolerations: tolerate, Containers: port(80)}, []v1.PodSpec{{Containers: port(80)}},
			[]scheduler.AdmissionResult{{Plugin: "NodePorts", Reason: "node(s) didn't have free ports for the requested pod ports"}}},
		{"selector and taint", v1.PodSpec{NodeSelector: map[string]string{"zone": "b"}, Containers: port(80)}, nil,
			[]scheduler.AdmissionResult{{Plugin: "NodeAffinity", Reason: affinity},
				{Plugin: "TaintToleration", Reason: "node(s) had taints that the pod didn't tolerate"}}},
	} {
		t.Run(x.name, func(t *testing.T) {
			state := model.State{Pods: make([]model.Pod, 1)}
			s := scheduler.New(&state, scheduler.DefaultConfig())
			var others []model.PodID
			for i := range x.others {
				others = append(others, model.PodID(len(state.Pods)))
				state.Pods = append(state.Pods, model.Pod{Template: state.Compile("default", nil, nil, &x.others[i])})
			}
			got := s.AdmissionCheck(state.Compile("default", nil, nil, &x.spec), &node, others,
				func(id model.PodID) *model.PodTemplate { return state.Pods[id].Template })
			assert.Equal(t, x.want, append([]scheduler.AdmissionResult(nil), got...))
		})
	}
}
