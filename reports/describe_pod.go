package reports

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"podsim/model"
)

// pod follows describePod.
func (p *printer) pod(x *object) {
	o := p.s.pod(x)
	p.podHead(x, o)
	if len(o.Spec.InitContainers) > 0 {
		p.containers("Init Containers", "", o.Spec.InitContainers, o.Status.InitContainerStatuses, o)
	}
	p.containers("Containers", "", o.Spec.Containers, o.Status.ContainerStatuses, o)
	p.podConditions(o)
	p.volumes("", o.Spec.Volumes)
	p.line(0, "QoS Class:\t%s", o.Status.QOSClass)
	p.labels("Node-Selectors", o.Spec.NodeSelector)
	p.tolerations("Tolerations", o.Spec.Tolerations)
	p.spreadConstraints("", o.Spec.TopologySpreadConstraints)
}

// podHead is what comes before the containers.
func (p *printer) podHead(x *object, o *v1.Pod) {
	p.line(0, "Name:\t%s", o.Name)
	p.line(0, "Namespace:\t%s", o.Namespace)
	if o.Spec.Priority != nil {
		p.line(0, "Priority:\t%d", *o.Spec.Priority)
	}
	if o.Spec.PriorityClassName != "" {
		p.line(0, "Priority Class Name:\t%s", o.Spec.PriorityClassName)
	}
	if name := o.Spec.RuntimeClassName; name != nil && *name != "" {
		p.line(0, "Runtime Class Name:\t%s", *name)
	}
	if o.Spec.ServiceAccountName != "" {
		p.line(0, "Service Account:\t%s", o.Spec.ServiceAccountName)
	}
	if o.Spec.NodeName == "" {
		p.line(0, "Node:\t<none>")
	} else {
		p.line(0, "Node:\t%s/%s", o.Spec.NodeName, o.Status.HostIP)
	}
	if o.Status.StartTime != nil {
		p.line(0, "Start Time:\t%s", p.time(*o.Status.StartTime))
	}
	p.labels("Labels", o.Labels)
	p.annotations("Annotations", o.Annotations)
	p.podStatus(x, o)
	p.line(0, "IP:\t%s", o.Status.PodIP)
	if len(o.Status.PodIPs) == 0 {
		p.line(0, "IPs:\t<none>")
	} else {
		p.line(0, "IPs:")
	}
	for _, ip := range o.Status.PodIPs {
		p.line(1, "IP:\t%s", ip.IP)
	}
	p.controlledBy(x)
	if o.Status.NominatedNodeName != "" {
		p.line(0, "NominatedNodeName:\t%s", o.Status.NominatedNodeName)
	}
	if o.Spec.Resources != nil {
		p.line(0, "Resources:")
		p.resources(1, o.Spec.Resources)
	}
}

func (p *printer) podStatus(x *object, o *v1.Pod) {
	if o.DeletionTimestamp != nil && o.Status.Phase != v1.PodFailed && o.Status.Phase != v1.PodSucceeded {
		// "<invalid>" until the grace period is over: so says kubectl.
		since := p.s.now - model.Time(x.Deletion)
		p.line(0, "Status:\tTerminating (lasts %s)", duration.HumanDuration(since.Duration()))
		p.line(0, "Termination Grace Period:\t%ds", *o.DeletionGracePeriodSeconds)
	} else {
		p.line(0, "Status:\t%s", o.Status.Phase)
	}
	if o.Status.Reason != "" {
		p.line(0, "Reason:\t%s", o.Status.Reason)
	}
	if o.Status.Message != "" {
		p.line(0, "Message:\t%s", o.Status.Message)
	}
	if c := o.Spec.SecurityContext; c != nil {
		p.seccomp(0, c.SeccompProfile)
	}
}

func (p *printer) seccomp(level int, s *v1.SeccompProfile) {
	if s == nil {
		return
	}
	p.line(level, "SeccompProfile:\t%s", s.Type)
	if s.Type == v1.SeccompProfileTypeLocalhost {
		p.line(level+level/2, "LocalhostProfile:\t%s", *s.LocalhostProfile)
	}
}

// containers lists containers, those of a template (indent is not empty) without statuses.
func (p *printer) containers(title, indent string, list []v1.Container, statuses []v1.ContainerStatus, pod *v1.Pod) {
	if len(list) == 0 {
		title += ": <none>"
	} else {
		title += ":"
	}
	p.line(0, "%s%s", indent, title)
	more := ""
	if indent != "" {
		more = " "
	}
	for i := range list {
		c := &list[i]
		p.line(1, "%s%s:", more, c.Name)
		j := slices.IndexFunc(statuses, func(s v1.ContainerStatus) bool { return s.Name == c.Name })
		if j < 0 {
			p.container(c, nil, pod)
		} else {
			p.container(c, &statuses[j], pod)
		}
	}
}

func (p *printer) container(c *v1.Container, s *v1.ContainerStatus, pod *v1.Pod) {
	if s != nil {
		p.line(2, "Container ID:\t%s", s.ContainerID)
	}
	p.line(2, "Image:\t%s", c.Image)
	if s != nil {
		p.line(2, "Image ID:\t%s", s.ImageID)
	}
	p.ports(c)
	if c.SecurityContext != nil {
		p.seccomp(2, c.SecurityContext.SeccompProfile)
	}
	p.words("Command", c.Command)
	p.words("Args", c.Args)
	if s != nil {
		p.state("State", &s.State)
		if s.LastTerminationState.Terminated != nil {
			p.state("Last State", &s.LastTerminationState)
		}
		p.line(2, "Ready:\t%s", truth(s.Ready))
		p.line(2, "Restart Count:\t%d", s.RestartCount)
	}
	p.resources(2, &c.Resources)
	p.probe("Liveness", c.LivenessProbe)
	p.probe("Readiness", c.ReadinessProbe)
	p.probe("Startup", c.StartupProbe)
	p.environment(c, pod)
	p.mounts(c)
}

func truth(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

func (p *printer) ports(c *v1.Container) {
	var ports, hosts []string
	for _, x := range c.Ports {
		name := ""
		if x.Name != "" {
			name = " (" + x.Name + ")"
		}
		ports = append(ports, fmt.Sprintf("%d/%s%s", x.ContainerPort, x.Protocol, name))
		hosts = append(hosts, fmt.Sprintf("%d/%s%s", x.HostPort, x.Protocol, name))
	}
	title := "Port"
	if len(ports) > 1 {
		title = "Ports"
	}
	p.line(2, "%s:\t%s", title, none(strings.Join(ports, ", ")))
	p.line(2, "Host %s:\t%s", title, none(strings.Join(hosts, ", ")))
}

// words lists the words of a command, one a line.
func (p *printer) words(title string, list []string) {
	if len(list) == 0 {
		return
	}
	p.line(2, "%s:", title)
	for _, word := range list {
		for _, l := range strings.Split(word, "\n") {
			p.line(3, "%s", l)
		}
	}
}

// state follows describeStatus.
func (p *printer) state(title string, s *v1.ContainerState) {
	switch {
	case s.Running != nil:
		p.line(2, "%s:\tRunning", title)
		p.line(3, "Started:\t%s", p.time(s.Running.StartedAt))
	case s.Terminated != nil:
		t := s.Terminated
		p.line(2, "%s:\tTerminated", title)
		if t.Reason != "" {
			p.line(3, "Reason:\t%s", t.Reason)
		}
		if t.Message != "" {
			p.line(3, "Message:\t%s", t.Message)
		}
		p.line(3, "Exit Code:\t%d", t.ExitCode)
		if t.Signal > 0 {
			p.line(3, "Signal:\t%d", t.Signal)
		}
		p.line(3, "Started:\t%s", p.time(t.StartedAt))
		p.line(3, "Finished:\t%s", p.time(t.FinishedAt))
	default:
		p.line(2, "%s:\tWaiting", title)
		if s.Waiting != nil && s.Waiting.Reason != "" {
			p.line(3, "Reason:\t%s", s.Waiting.Reason)
		}
	}
}

func (p *printer) resources(level int, r *v1.ResourceRequirements) {
	if len(r.Limits) > 0 {
		p.line(level, "Limits:")
		p.resourceList(level+1, r.Limits)
	}
	if len(r.Requests) > 0 {
		p.line(level, "Requests:")
		p.resourceList(level+1, r.Requests)
	}
}

// probe follows DescribeProbe.
func (p *printer) probe(title string, x *v1.Probe) {
	if x == nil {
		return
	}
	numbers := fmt.Sprintf("delay=%ds timeout=%ds period=%ds successThreshold=%d failureThreshold=%d",
		x.InitialDelaySeconds, x.TimeoutSeconds, x.PeriodSeconds, x.SuccessThreshold, x.FailureThreshold)
	what := "unknown"
	switch {
	case x.Exec != nil:
		what = fmt.Sprintf("exec %v", x.Exec.Command)
	case x.HTTPGet != nil:
		h := x.HTTPGet
		u := url.URL{Scheme: strings.ToLower(string(h.Scheme)), Host: net.JoinHostPort(h.Host, h.Port.String()), Path: h.Path}
		what = "http-get " + u.String()
	case x.TCPSocket != nil:
		what = fmt.Sprintf("tcp-socket %s:%s", x.TCPSocket.Host, x.TCPSocket.Port.String())
	case x.GRPC != nil:
		service := ""
		if x.GRPC.Service != nil {
			service = *x.GRPC.Service
		}
		what = fmt.Sprintf("grpc <pod>:%d %s", x.GRPC.Port, service)
	}
	p.line(2, "%s:\t%s %s", title, what, numbers)
}

// environment follows describeContainerEnvFrom and describeContainerEnvVars.
func (p *printer) environment(c *v1.Container, pod *v1.Pod) {
	if len(c.EnvFrom) > 0 {
		p.line(2, "Environment Variables from:")
	}
	for _, e := range c.EnvFrom {
		p.line(3, "%s", envSource(&e))
	}
	if len(c.Env) == 0 {
		p.line(2, "Environment:\t<none>")
		return
	}
	p.line(2, "Environment:")
	for i := range c.Env {
		e := &c.Env[i]
		if e.ValueFrom == nil {
			p.value(e)
		} else if text := valueFrom(e, c, pod); text != "" {
			p.line(3, "%s:\t%s", e.Name, text)
		}
	}
}

// value prints a variable, one line for each of its value's.
func (p *printer) value(e *v1.EnvVar) {
	for i, l := range strings.Split(e.Value, "\n") {
		if i == 0 {
			p.line(3, "%s:\t%s", e.Name, l)
		} else {
			p.line(3, "\t%s", l)
		}
	}
}

func envSource(e *v1.EnvFromSource) string {
	name, from := "", ""
	optional := false
	switch {
	case e.ConfigMapRef != nil:
		name, from, optional = e.ConfigMapRef.Name, "ConfigMap", set(e.ConfigMapRef.Optional)
	case e.SecretRef != nil:
		name, from, optional = e.SecretRef.Name, "Secret", set(e.SecretRef.Optional)
	}
	if e.Prefix != "" {
		from += " with prefix '" + e.Prefix + "'"
	}
	return fmt.Sprintf("%s\t%s\tOptional: %t", name, from, optional)
}

// set says whether an optional truth is there and true.
func set(b *bool) bool { return b != nil && *b }

// valueFrom is a variable's value and where it comes from. Of a template the pod is nil.
func valueFrom(e *v1.EnvVar, c *v1.Container, pod *v1.Pod) string {
	f := e.ValueFrom
	switch {
	case f.FieldRef != nil:
		return fmt.Sprintf("%s (%s:%s)", podField(pod, f.FieldRef.FieldPath), f.FieldRef.APIVersion, f.FieldRef.FieldPath)
	case f.ResourceFieldRef != nil:
		return fmt.Sprintf("%s (%s)", resourceField(f.ResourceFieldRef, c), f.ResourceFieldRef.Resource)
	case f.SecretKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' in secret '%s'>\tOptional: %t", f.SecretKeyRef.Key, f.SecretKeyRef.Name, set(f.SecretKeyRef.Optional))
	case f.ConfigMapKeyRef != nil:
		return fmt.Sprintf("<set to the key '%s' of config map '%s'>\tOptional: %t", f.ConfigMapKeyRef.Key, f.ConfigMapKeyRef.Name,
			set(f.ConfigMapKeyRef.Optional))
	}
	return ""
}

// resourceField is an amount in units of the divisor, rounded up
// (k8s.io/kubectl/pkg/util/resource ExtractContainerResourceValue).
func resourceField(f *v1.ResourceFieldSelector, c *v1.Container) string {
	list := c.Resources.Requests
	side, name, _ := strings.Cut(f.Resource, ".")
	if side == "limits" {
		list = c.Resources.Limits
	}
	q, divisor := list[v1.ResourceName(name)], f.Divisor
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	n, of := q.Value(), divisor.Value()
	if name == string(v1.ResourceCPU) {
		n, of = q.MilliValue(), divisor.MilliValue()
	}
	if n == 0 && side == "limits" && (name == string(v1.ResourceCPU) || name == string(v1.ResourceMemory)) {
		return "node allocatable"
	}
	return fmt.Sprint((n + of - 1) / of)
}

// podField is a field of the downward API, empty for those that only a kubelet fills in
// (k8s.io/kubectl/pkg/util/fieldpath).
func podField(pod *v1.Pod, path string) string {
	if pod == nil {
		return ""
	}
	if inner, ok := strings.CutPrefix(path, "metadata.labels['"); ok {
		return pod.Labels[strings.TrimSuffix(inner, "']")]
	}
	if inner, ok := strings.CutPrefix(path, "metadata.annotations['"); ok {
		return pod.Annotations[strings.TrimSuffix(inner, "']")]
	}
	switch path {
	case "metadata.name":
		return pod.Name
	case "metadata.namespace":
		return pod.Namespace
	case "metadata.uid":
		return string(pod.UID)
	}
	return ""
}

func (p *printer) mounts(c *v1.Container) {
	if len(c.VolumeMounts) == 0 {
		p.line(2, "Mounts:\t<none>")
	} else {
		p.line(2, "Mounts:")
	}
	mounts := slices.Clone(c.VolumeMounts)
	sort.SliceStable(mounts, func(i, j int) bool { return mounts[i].MountPath < mounts[j].MountPath })
	for _, m := range mounts {
		flags := "rw"
		if m.ReadOnly {
			flags = "ro"
		}
		if m.SubPath != "" {
			flags += fmt.Sprintf(",path=%q", m.SubPath)
		}
		p.line(3, "%s from %s (%s)", m.MountPath, m.Name, flags)
	}
	if len(c.VolumeDevices) > 0 {
		p.line(2, "Devices:")
	}
	for _, d := range c.VolumeDevices {
		p.line(3, "%s from %s", d.DevicePath, d.Name)
	}
}

func (p *printer) podConditions(o *v1.Pod) {
	status := func(t v1.PodConditionType) string {
		for i := range o.Status.Conditions {
			if o.Status.Conditions[i].Type == t {
				return string(o.Status.Conditions[i].Status)
			}
		}
		return "<none>"
	}
	if len(o.Spec.ReadinessGates) > 0 {
		p.line(0, "Readiness Gates:")
		p.line(1, "Type\tStatus")
	}
	for _, g := range o.Spec.ReadinessGates {
		p.line(1, "%s \t%s ", g.ConditionType, status(g.ConditionType))
	}
	if len(o.Status.Conditions) > 0 {
		p.line(0, "Conditions:")
		p.line(1, "Type\tStatus")
	}
	for _, c := range o.Status.Conditions {
		p.line(1, "%s \t%s ", c.Type, c.Status)
	}
}

func (p *printer) spreadConstraints(indent string, list []v1.TopologySpreadConstraint) {
	list = slices.Clone(list)
	sort.SliceStable(list, func(i, j int) bool { return list[i].TopologyKey < list[j].TopologyKey })
	title := indent + "Topology Spread Constraints:"
	for i, c := range list {
		text := fmt.Sprintf("%s:%v when max skew %d is exceeded", c.TopologyKey, c.WhenUnsatisfiable, c.MaxSkew)
		if c.LabelSelector != nil {
			text += " for selector " + metav1.FormatLabelSelector(c.LabelSelector)
		}
		if i > 0 {
			title = indent
		}
		p.line(0, "%s\t%s", title, text)
	}
}
