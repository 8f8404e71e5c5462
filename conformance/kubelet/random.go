package kubelet

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// features are what a random pod may have. Each pod has a few of them only, which its seed
// chooses: a pod with a bit of everything seldom comes far enough to show any (swarm testing).
type features struct {
	initContainers, sidecars, several       bool
	liveness, readiness, startup            bool
	network, slowProbes, probeGrace         bool
	postStart, preStop, failingHooks        bool
	restartRules, restartAll                bool
	exits, crashes, outOfMemory, badCommand bool
	ignoreTerm, noGrace, longGrace          bool
	pulls, badImages, pullPolicies          bool
	messages, missingConfig, gates          bool
	deadline, deletion, earlyDeletion       bool
}

// all lists the features, for the draw.
func (f *features) all() []*bool {
	return []*bool{
		&f.initContainers, &f.sidecars, &f.several, &f.liveness, &f.readiness, &f.startup, &f.network, &f.slowProbes,
		&f.probeGrace, &f.postStart, &f.preStop, &f.failingHooks, &f.restartRules, &f.restartAll, &f.exits, &f.crashes,
		&f.outOfMemory, &f.badCommand, &f.ignoreTerm, &f.noGrace, &f.longGrace, &f.pulls, &f.badImages,
		&f.pullPolicies, &f.messages, &f.missingConfig, &f.gates, &f.deadline, &f.deletion, &f.earlyDeletion,
	}
}

// wild draws pods of all kinds.
type wild struct {
	dice
	features
	// port is the next container's.
	port int32
	// graceSeconds is the pod's grace period: no hook may sleep that long.
	graceSeconds int64
}

// WildPod is the pod of a seed, with anything that a pod may have and this package can judge.
func WildPod(seed int64) *v1.Pod {
	w := &wild{dice: newDice(seed), port: 8080}
	for _, f := range w.all() {
		*f = w.oneIn(3)
	}
	p := newPod(seed)
	p.Name = fmt.Sprintf("wild-%d", seed)
	p.Annotations[secondsAnnotation] = "300"
	policies := []v1.RestartPolicy{v1.RestartPolicyAlways, v1.RestartPolicyOnFailure, v1.RestartPolicyNever}
	p.Spec.RestartPolicy = policies[w.weighted(50, 25, 25)]
	w.graceSeconds = w.grace()
	p.Spec.TerminationGracePeriodSeconds = pointer(w.graceSeconds)
	for i := range w.initCount() {
		p.Spec.InitContainers = append(p.Spec.InitContainers, w.initContainer(i))
	}
	for i := range w.mainCount() {
		p.Spec.Containers = append(p.Spec.Containers, w.mainContainer(fmt.Sprint("c", i)))
	}
	w.ends(p)
	if w.missingConfig && w.oneIn(3) {
		w.missingVolume(p)
	}
	if w.gates {
		w.readinessGates(p, 30)
	}
	return p
}

func (w *wild) grace() int64 {
	switch {
	case w.noGrace:
		return 0
	case w.longGrace:
		return 30
	}
	return int64(w.between(1, 12))
}

func (w *wild) initCount() int {
	if w.initContainers || w.sidecars {
		return w.between(1, 4)
	}
	return 0
}

func (w *wild) mainCount() int {
	if w.several {
		return w.between(2, 5)
	}
	return 1
}

// ends draws when the pod is deleted or over its time.
func (w *wild) ends(p *v1.Pod) {
	if w.deadline {
		p.Spec.ActiveDeadlineSeconds = pointer(int64(w.between(1, 120)))
	}
	switch {
	case w.earlyDeletion:
		p.Annotations[deleteAfterAnnotation] = fmt.Sprintf("%.3f", w.Float64()*3)
	case w.deletion:
		p.Annotations[deleteAfterAnnotation] = fmt.Sprintf("%.3f", w.Float64()*w.Float64()*400)
	}
}

// container begins every container.
func (w *wild) container(name string) v1.Container {
	c := v1.Container{Name: name, ImagePullPolicy: v1.PullIfNotPresent, Image: w.image()}
	if w.pullPolicies && w.oneIn(2) {
		c.ImagePullPolicy = []v1.PullPolicy{v1.PullAlways, v1.PullNever}[w.weighted(2, 1)]
	}
	if w.badCommand && w.oneIn(3) {
		c.Command = []string{"/nothing"}
	}
	switch {
	case w.ignoreTerm && w.oneIn(2):
		c.Args = append(c.Args, "ignoreterm")
	case w.oneIn(3):
		c.Args = append(c.Args, fmt.Sprintf("term-exit=%d", w.Intn(4)))
	}
	if w.messages && w.oneIn(2) {
		c.Args = append(c.Args, "failmsg=the tester's last words")
		if w.oneIn(2) {
			c.TerminationMessagePolicy = v1.TerminationMessageFallbackToLogsOnError
		}
	}
	if w.missingConfig && w.oneIn(3) {
		c.Env = []v1.EnvVar{{Name: "SETTING", ValueFrom: w.missingValue()}}
	}
	return c
}

func (w *wild) image() string {
	switch {
	case w.pulls && w.oneIn(2):
		return registry + []string{"slow:1", "big:1"}[w.Intn(2)]
	case w.badImages && w.oneIn(3):
		return []string{registry + "none:1", registry + "denied:1", registry + "err500:1", "127.0.0.1:25001/x:1",
			"Not A Name"}[w.Intn(5)]
	}
	return registry + "tester:1"
}

// missingValue refers to a ConfigMap or a Secret that is not there.
func (w *wild) missingValue() *v1.EnvVarSource {
	name := v1.LocalObjectReference{Name: "missing"}
	optional := pointer(w.oneIn(3))
	if w.oneIn(2) {
		return &v1.EnvVarSource{ConfigMapKeyRef: &v1.ConfigMapKeySelector{
			LocalObjectReference: name, Key: "key", Optional: optional}}
	}
	return &v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: name, Key: "key", Optional: optional}}
}

// missingVolume mounts a ConfigMap or a Secret that is not there.
func (w *wild) missingVolume(p *v1.Pod) {
	optional := pointer(w.oneIn(3))
	source := v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "missing", Optional: optional}}
	if w.oneIn(2) {
		source = v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{
			LocalObjectReference: v1.LocalObjectReference{Name: "missing"}, Optional: optional}}
	}
	p.Spec.Volumes = []v1.Volume{{Name: "settings", VolumeSource: source}}
	c := &p.Spec.Containers[0]
	c.VolumeMounts = []v1.VolumeMount{{Name: "settings", MountPath: "/settings"}}
}

// initContainer is an init container that ends, or a sidecar.
func (w *wild) initContainer(i int) v1.Container {
	if w.sidecars && (!w.initContainers || w.oneIn(2)) {
		c := w.container(fmt.Sprint("s", i))
		w.life(&c)
		c.RestartPolicy = pointer(v1.ContainerRestartPolicyAlways)
		return c
	}
	c := w.container(fmt.Sprint("i", i))
	if w.exits && w.oneIn(2) {
		c.Args = append(c.Args, w.sleep(1, 40))
	} else {
		c.Args = append(c.Args, w.sleep(100, 6000))
	}
	c.Args = append(c.Args, []string{"exit=0", "exit=2"}[w.weighted(85, 15)])
	if w.restartRules {
		w.rules(&c)
	}
	return c
}

func (w *wild) mainContainer(name string) v1.Container {
	c := w.container(name)
	w.life(&c)
	if w.restartRules || w.restartAll {
		w.rules(&c)
	}
	return c
}

// life is what a sidecar or an ordinary container does, and how it is watched.
func (w *wild) life(c *v1.Container) {
	port := w.port
	w.port++
	if w.network {
		c.Args = append(c.Args, fmt.Sprintf("http=:%d", port))
	}
	w.work(c)
	if w.liveness && w.oneIn(2) {
		c.LivenessProbe = w.probe(port)
		w.killGrace(c.LivenessProbe)
	}
	if w.readiness && w.oneIn(2) {
		c.ReadinessProbe = w.probe(port)
		c.ReadinessProbe.SuccessThreshold = int32(w.between(1, 4))
	}
	if w.startup && w.oneIn(2) {
		c.StartupProbe = w.probe(port)
		c.StartupProbe.FailureThreshold += int32(w.between(0, 8))
		w.killGrace(c.StartupProbe)
	}
	w.hooks(c, port)
}

// work is how long a container goes on, and how it ends.
func (w *wild) work(c *v1.Container) {
	end := fmt.Sprintf("exit=%d", []int{0, 1, 3, 42, 43}[w.weighted(40, 25, 10, 15, 10)])
	switch {
	case w.outOfMemory && w.oneIn(2):
		c.Args = append(c.Args, w.sleep(100, 15000), "alloc=200", "forever")
		c.Resources.Limits = v1.ResourceList{v1.ResourceMemory: resource.MustParse("48Mi")}
	case w.crashes && w.oneIn(2):
		c.Args = append(c.Args, w.sleep(1, 3000), end)
	case w.exits && w.oneIn(2):
		c.Args = append(c.Args, w.sleep(50, 60000), end)
	default:
		c.Args = append(c.Args, "forever")
	}
}

func (w *wild) probe(port int32) *v1.Probe {
	p := &v1.Probe{
		PeriodSeconds:    int32(w.between(1, 11)),
		TimeoutSeconds:   int32(w.between(1, 4)),
		FailureThreshold: int32(w.between(1, 5)),
	}
	if w.oneIn(2) {
		p.InitialDelaySeconds = int32(w.Intn(12))
	}
	j := w.judgement()
	switch {
	case w.network && w.oneIn(4):
		p.TCPSocket = &v1.TCPSocketAction{Port: intstr.FromInt32(port)}
	case w.network && w.oneIn(3):
		p.GRPC = &v1.GRPCAction{Port: port, Service: pointer(j.service())}
	case w.network && w.oneIn(2):
		p.HTTPGet = j.http(port)
	case w.slowProbes && w.oneIn(2):
		p.Exec = &v1.ExecAction{Command: []string{tester, w.sleep(100, 4000), fmt.Sprintf("exit=%d", w.Intn(2))}}
	default:
		p.Exec = j.exec()
	}
	return p
}

func (w *wild) judgement() judgement {
	kind := []string{"after", "until", "flap", "ok"}[w.weighted(3, 3, 3, 2)]
	return judgement{kind: kind, n: w.between(1, 30), m: w.between(1, 12)}
}

// killGrace gives a probe a grace period of its own.
func (w *wild) killGrace(p *v1.Probe) {
	if w.probeGrace && w.oneIn(2) {
		p.TerminationGracePeriodSeconds = pointer(int64(w.between(1, 8)))
	}
}

func (w *wild) hooks(c *v1.Container, port int32) {
	h := &v1.Lifecycle{}
	if w.postStart && w.oneIn(2) {
		h.PostStart = w.hook(port)
	}
	if w.preStop && w.oneIn(2) {
		h.PreStop = w.hook(port)
	}
	if h.PostStart != nil || h.PreStop != nil {
		c.Lifecycle = h
	}
}

func (w *wild) hook(port int32) *v1.LifecycleHandler {
	switch {
	case w.network && w.oneIn(3):
		return &v1.LifecycleHandler{HTTPGet: judgement{kind: "ok"}.http(port)}
	case w.oneIn(2) && w.graceSeconds > 1:
		return &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 1 + w.Int63n(min(14, w.graceSeconds-1))}}
	}
	command := []string{tester, w.sleep(10, 12000)}
	if w.failingHooks {
		command = append(command, fmt.Sprintf("exit=%d", w.Intn(2)))
	}
	return &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: command}}
}

// rules draws a container's own restart policy and its exceptions.
func (w *wild) rules(c *v1.Container) {
	if w.oneIn(2) {
		return
	}
	policies := []v1.ContainerRestartPolicy{v1.ContainerRestartPolicyNever, v1.ContainerRestartPolicyOnFailure,
		v1.ContainerRestartPolicyAlways}
	c.RestartPolicy = pointer(policies[w.weighted(3, 1, 1)])
	if *c.RestartPolicy == v1.ContainerRestartPolicyAlways && w.initContainers {
		c.RestartPolicy = pointer(v1.ContainerRestartPolicyNever) // an init container would be a sidecar
	}
	if w.oneIn(4) {
		return
	}
	action := v1.ContainerRestartRuleActionRestart
	if w.restartAll && w.oneIn(2) {
		action = v1.ContainerRestartRuleActionRestartAllContainers
	}
	rule := restartOn(action, 42, int32(w.Intn(4)))
	if w.oneIn(5) {
		rule.ExitCodes.Operator = v1.ContainerRestartRuleOnExitCodesOpNotIn
	}
	c.RestartPolicyRules = []v1.ContainerRestartRule{rule}
}
