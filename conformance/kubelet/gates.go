package kubelet

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// GatedPod is the pod of a seed whose containers are well, but for their readiness, and whose
// readiness gates change.
func GatedPod(seed int64) *v1.Pod {
	d := newDice(seed)
	p := newPod(seed)
	p.Name = fmt.Sprintf("gated-%d", seed)
	p.Annotations[secondsAnnotation] = "60"
	for i := range d.between(1, 3) {
		c := v1.Container{Name: fmt.Sprint("c", i), Image: registry + "tester:1", ImagePullPolicy: v1.PullIfNotPresent, Args: []string{"forever"}}
		if d.oneIn(2) {
			flap := judgement{kind: "flap", n: d.between(2, 20), m: d.between(1, 8)}
			c.ReadinessProbe = &v1.Probe{PeriodSeconds: int32(d.between(1, 4)), FailureThreshold: 1,
				ProbeHandler: v1.ProbeHandler{Exec: flap.exec()}}
		}
		if i > 0 && d.oneIn(2) {
			c.RestartPolicy = pointer(v1.ContainerRestartPolicyAlways)
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		} else {
			p.Spec.Containers = append(p.Spec.Containers, c)
		}
	}
	d.readinessGates(p, []float64{30, 5, 0.1}[d.weighted(2, 2, 1)])
	return p
}

// readinessGates draws gates and what somebody sets them to, when: at most so many seconds apart.
func (d dice) readinessGates(p *v1.Pod, apart float64) {
	var changes []string
	seconds := 0.05 // the pod is bound by then
	for i := range d.between(1, 4) {
		p.Spec.ReadinessGates = append(p.Spec.ReadinessGates, v1.PodReadinessGate{
			ConditionType: v1.PodConditionType(fmt.Sprint("example.com/gate", i))})
	}
	for range d.between(0, 12) {
		seconds += d.Float64() * d.Float64() * apart
		gate := p.Spec.ReadinessGates[d.Intn(len(p.Spec.ReadinessGates))].ConditionType
		status := []v1.ConditionStatus{v1.ConditionTrue, v1.ConditionFalse, v1.ConditionUnknown}[d.weighted(70, 20, 10)]
		changes = append(changes, fmt.Sprintf("%.3f %s %s", seconds, gate, status))
	}
	p.Annotations[gatesAnnotation] = strings.Join(changes, ",")
}
