package kubelet

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// plain draws the kind of pods of the file kubelet-random.jsonl.gz, pod for pod the same: the order
// of the draws must stay. All its containers share one port, as no real pod's can.
type plain struct{ dice }

const plainPort = 8080

// PlainPod is the pod of a seed, as in the file kubelet-random.jsonl.gz.
func PlainPod(seed int64) *v1.Pod {
	d := plain{newDice(seed)}
	p := newPod(seed)
	policies := []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}
	p.Spec.RestartPolicy = policies[d.weighted(50, 25, 25)]
	p.Spec.TerminationGracePeriodSeconds = pointer(int64(d.between(1, 16)))
	// The number of containers is drawn again for each.
	for i := 0; i < d.weighted(60, 25, 10, 5); i++ {
		if d.oneIn(2) {
			p.Spec.InitContainers = append(p.Spec.InitContainers, d.initContainer(fmt.Sprint("i", i)))
		} else {
			c := d.service(fmt.Sprint("s", i), pointer(v1.ContainerRestartPolicyAlways))
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
	}
	for i := 0; i <= d.weighted(60, 30, 10); i++ {
		c := d.service(fmt.Sprint("c", i), nil)
		d.rules(&c)
		p.Spec.Containers = append(p.Spec.Containers, c)
	}
	if d.oneIn(10) {
		p.Spec.ActiveDeadlineSeconds = pointer(int64(d.between(5, 125)))
	}
	if d.oneIn(2) {
		p.Annotations[deleteAfterAnnotation] = fmt.Sprintf("%.3f", d.Float64()*d.Float64()*400)
	}
	return p
}

func newPod(seed int64) *v1.Pod {
	p := &v1.Pod{}
	p.Name = fmt.Sprintf("rnd-%d", seed)
	p.Annotations = map[string]string{secondsAnnotation: "600"}
	p.Spec.AutomountServiceAccountToken, p.Spec.EnableServiceLinks = pointer(false), pointer(false)
	return p
}

// container begins every container; noServer lets one in four only have a server.
func (d plain) container(name string, noServer bool) v1.Container {
	images := []string{"tester:1", "none:1", "denied:1", "big:1"}
	c := v1.Container{Name: name, Image: registry + images[d.weighted(90, 3, 2, 5)], ImagePullPolicy: v1.PullIfNotPresent}
	if d.oneIn(12) {
		c.Args = append(c.Args, "ignoreterm")
	} else if d.oneIn(5) {
		c.Args = append(c.Args, fmt.Sprintf("term-exit=%d", d.Intn(4)))
	}
	if d.oneIn(4) || !noServer {
		c.Args = append(c.Args, fmt.Sprintf("http=:%d", plainPort))
	}
	return c
}

func (d plain) initContainer(name string) v1.Container {
	c := d.container(name, true)
	c.Args = append(c.Args, d.sleep(100, 5000), []string{"exit=0", "exit=2"}[d.weighted(85, 15)])
	return c
}

// service is a sidecar or an ordinary container.
func (d plain) service(name string, policy *v1.ContainerRestartPolicy) v1.Container {
	c := d.container(name, false)
	c.RestartPolicy = policy
	switch d.weighted(40, 45, 10, 5) {
	case 0:
		c.Args = append(c.Args, "forever")
	case 1:
		c.Args = append(c.Args, d.sleep(50, 20000), d.exit())
	case 2:
		c.Args = append(c.Args, d.sleep(500, 8000), "alloc=200", "forever")
		c.Resources.Limits = v1.ResourceList{
			v1.ResourceMemory: resource.MustParse("48Mi"), v1.ResourceCPU: resource.MustParse("100m"),
		}
	case 3:
		c.Args = append(c.Args, d.exit())
	}
	d.probes(&c)
	if d.oneIn(8) {
		sleep := &v1.SleepAction{Seconds: int64(d.between(1, 7))}
		c.Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: sleep}}
	}
	return c
}

func (d plain) exit() string {
	return fmt.Sprintf("exit=%d", []int{0, 1, 3, 42}[d.weighted(40, 30, 15, 15)])
}

func (d plain) probes(c *v1.Container) {
	if d.oneIn(5) {
		c.LivenessProbe = d.probe()
	}
	if d.oneIn(4) {
		c.ReadinessProbe = d.probe()
		c.ReadinessProbe.SuccessThreshold = int32(d.between(1, 3))
	}
	if d.oneIn(8) {
		c.StartupProbe = d.probe()
		c.StartupProbe.FailureThreshold += 5
	}
}

func (d plain) probe() *v1.Probe {
	p := &v1.Probe{}
	p.PeriodSeconds = int32(d.between(1, 6))
	p.FailureThreshold = int32(d.between(1, 5))
	p.InitialDelaySeconds = int32(d.Intn(6) * d.Intn(2))
	j := judgement{kind: []string{"after", "until", "flap"}[d.Intn(3)], n: d.between(1, 21), m: d.between(1, 9)}
	if d.oneIn(3) {
		p.HTTPGet = j.http(plainPort)
	} else {
		p.Exec = j.exec()
	}
	return p
}

// rules lets some containers restart on exit code 42 only.
func (d plain) rules(c *v1.Container) {
	if d.oneIn(10) {
		c.RestartPolicy = pointer(v1.ContainerRestartPolicyNever)
		c.RestartPolicyRules = []v1.ContainerRestartRule{restartOn(v1.ContainerRestartRuleActionRestart, 42)}
	}
}

func restartOn(action v1.ContainerRestartRuleAction, codes ...int32) v1.ContainerRestartRule {
	return v1.ContainerRestartRule{Action: action, ExitCodes: &v1.ContainerRestartRuleOnExitCodes{
		Operator: v1.ContainerRestartRuleOnExitCodesOpIn, Values: codes,
	}}
}
