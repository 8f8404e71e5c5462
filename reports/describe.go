package reports

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"

	"podsim/model"
)

// DescribeOptions says what describe shows.
type DescribeOptions struct {
	Kind string
	// Names are the objects, or the beginnings of their names; all when there is none.
	Names     []string
	Namespace string
	Labels    labels.Selector
	At        model.Time
}

// Describe prints objects at length, as `kubectl describe` does.
func (r *Record) Describe(w io.Writer, o DescribeOptions) error {
	s, err := r.At(o.At, true)
	if err != nil {
		return err
	}
	chosen, err := s.described(&o)
	if err != nil {
		return err
	}
	for i, x := range chosen {
		if i > 0 {
			fmt.Fprint(w, "\n\n")
		}
		p := &printer{w: tableWriter(w), s: s}
		p.describe(x)
		if err := p.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// described finds the objects: by name, or else by the beginning of a name as kubectl does.
func (s *Snapshot) described(o *DescribeOptions) ([]*object, error) {
	get := &GetOptions{Kinds: []string{o.Kind}, Namespace: o.Namespace, Labels: o.Labels}
	if len(o.Names) == 0 {
		return s.choose(get)
	}
	var out []*object
	for _, name := range o.Names {
		get.Names = []string{name}
		if found, err := s.choose(get); err == nil {
			out = append(out, found...)
			continue
		}
		n := len(out)
		for _, x := range s.objects {
			if x.Kind == o.Kind && get.inNamespace(x.Kind, x.Namespace) && strings.HasPrefix(x.Name, name) {
				out = append(out, x)
			}
		}
		if len(out) == n {
			return nil, NotFound{o.Kind, name}
		}
	}
	return out, nil
}

// printer writes the lines of a description.
type printer struct {
	w *tabwriter.Writer
	s *Snapshot
}

func (p *printer) line(level int, format string, args ...any) {
	fmt.Fprintf(p.w, strings.Repeat("  ", level)+format+"\n", args...)
}

func (p *printer) describe(x *object) {
	switch x.Kind {
	case "Pod":
		p.pod(x)
	case "Node":
		p.node(x)
	case "Deployment":
		p.deployment(x)
	case "ReplicaSet":
		p.replicaSet(x)
	default:
		p.service(x)
	}
}

// list prints a set of labels or annotations, one a line.
func (p *printer) list(title string, m map[string]string) {
	if len(m) == 0 {
		p.line(0, "%s:\t<none>", title)
		return
	}
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for i, k := range keys {
		if i == 0 {
			p.line(0, "%s:\t%s=%s", title, k, m[k])
		} else {
			p.line(0, "\t%s=%s", k, m[k])
		}
	}
}

func (p *printer) time(t metav1.Time) string {
	return t.Time.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")
}

func (p *printer) pod(x *object) {
	o := p.s.pod(x)
	p.line(0, "Name:\t%s", o.Name)
	p.line(0, "Namespace:\t%s", o.Namespace)
	priority := int32(0)
	if o.Spec.Priority != nil {
		priority = *o.Spec.Priority
	}
	p.line(0, "Priority:\t%d", priority)
	p.line(0, "Service Account:\t%s", o.Spec.ServiceAccountName)
	p.line(0, "Node:\t%s", p.nodeOf(x))
	if o.Status.StartTime != nil {
		p.line(0, "Start Time:\t%s", p.time(*o.Status.StartTime))
	}
	p.list("Labels", o.Labels)
	p.list("Annotations", o.Annotations)
	if o.DeletionTimestamp != nil {
		p.line(0, "Status:\tTerminating (lasts %s)", p.s.age(x.Deletion-x.Grace*int64(model.Second)))
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
	p.line(0, "IP:\t%s", o.Status.PodIP)
	if x.Owner != "" {
		p.line(0, "Controlled By:\t%s/%s", x.OwnerKind, x.Owner)
	}
	p.containers("Init Containers", o.Spec.InitContainers, o.Status.InitContainerStatuses)
	p.containers("Containers", o.Spec.Containers, o.Status.ContainerStatuses)
	p.podConditions(o)
	p.volumes(o)
	p.line(0, "QoS Class:\t%s", o.Status.QOSClass)
	p.nodeSelectors(o.Spec.NodeSelector)
	p.tolerations(o.Spec.Tolerations)
	p.events(x)
}

func (p *printer) nodeOf(x *object) string {
	if x.Node == "" {
		return "<none>"
	}
	for _, n := range p.s.objects {
		if n.Kind == "Node" && n.Name == x.Node {
			m := model.Node{ID: model.NodeID(n.Serial)}
			return x.Node + "/" + m.IP()
		}
	}
	return x.Node
}

func (p *printer) containers(title string, list []v1.Container, statuses []v1.ContainerStatus) {
	if len(list) == 0 {
		return
	}
	p.line(0, "%s:", title)
	for i := range list {
		c := &list[i]
		p.line(1, "%s:", c.Name)
		var s *v1.ContainerStatus
		for j := range statuses {
			if statuses[j].Name == c.Name {
				s = &statuses[j]
			}
		}
		p.container(c, s)
	}
}

func (p *printer) container(c *v1.Container, s *v1.ContainerStatus) {
	if s != nil {
		p.line(2, "Container ID:\t%s", s.ContainerID)
	}
	p.line(2, "Image:\t%s", c.Image)
	p.ports(c)
	if len(c.Command) > 0 {
		p.line(2, "Command:\t%s", strings.Join(c.Command, " "))
	}
	if len(c.Args) > 0 {
		p.line(2, "Args:\t%s", strings.Join(c.Args, " "))
	}
	if s != nil {
		p.state("State", s.State)
		if s.LastTerminationState.Terminated != nil {
			p.state("Last State", s.LastTerminationState)
		}
		p.line(2, "Ready:\t%s", truth(s.Ready))
		p.line(2, "Restart Count:\t%d", s.RestartCount)
	}
	p.resources("Limits", c.Resources.Limits)
	p.resources("Requests", c.Resources.Requests)
	p.probe("Liveness", c.LivenessProbe)
	p.probe("Readiness", c.ReadinessProbe)
	p.probe("Startup", c.StartupProbe)
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
		ports = append(ports, fmt.Sprintf("%d/%s", x.ContainerPort, x.Protocol))
		hosts = append(hosts, fmt.Sprintf("%d/%s", x.HostPort, x.Protocol))
	}
	if len(ports) == 0 {
		ports, hosts = []string{"<none>"}, []string{"<none>"}
	}
	name := "Port"
	if len(ports) > 1 {
		name = "Ports"
	}
	p.line(2, "%s:\t%s", name, strings.Join(ports, ", "))
	p.line(2, "Host %s:\t%s", name, strings.Join(hosts, ", "))
}

func (p *printer) state(title string, s v1.ContainerState) {
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

func (p *printer) resources(title string, list v1.ResourceList) {
	if len(list) == 0 {
		return
	}
	p.line(2, "%s:", title)
	var names []string
	for n := range list {
		names = append(names, string(n))
	}
	sort.Strings(names)
	for _, n := range names {
		q := list[v1.ResourceName(n)]
		p.line(3, "%s:\t%s", n, q.String())
	}
}

// probe follows kubectl's DescribeProbe.
func (p *printer) probe(title string, x *v1.Probe) {
	if x == nil {
		return
	}
	what := "unknown"
	switch {
	case x.Exec != nil:
		what = fmt.Sprintf("exec %v", x.Exec.Command)
	case x.HTTPGet != nil:
		what = fmt.Sprintf("http-get %s://%s:%s%s", strings.ToLower(string(x.HTTPGet.Scheme)), x.HTTPGet.Host, x.HTTPGet.Port.String(), x.HTTPGet.Path)
	case x.TCPSocket != nil:
		what = fmt.Sprintf("tcp-socket %s:%s", x.TCPSocket.Host, x.TCPSocket.Port.String())
	case x.GRPC != nil:
		what = fmt.Sprintf("grpc <pod>:%d", x.GRPC.Port)
	}
	p.line(2, "%s:\t%s delay=%ds timeout=%ds period=%ds #success=%d #failure=%d", title, what,
		x.InitialDelaySeconds, x.TimeoutSeconds, x.PeriodSeconds, x.SuccessThreshold, x.FailureThreshold)
}

func (p *printer) mounts(c *v1.Container) {
	if len(c.VolumeMounts) == 0 {
		p.line(2, "Mounts:\t<none>")
		return
	}
	p.line(2, "Mounts:")
	for _, m := range c.VolumeMounts {
		mode := "rw"
		if m.ReadOnly {
			mode = "ro"
		}
		p.line(3, "%s from %s (%s)", m.MountPath, m.Name, mode)
	}
}

func (p *printer) podConditions(o *v1.Pod) {
	if len(o.Status.Conditions) == 0 {
		return
	}
	p.line(0, "Conditions:")
	p.line(1, "Type\tStatus\tReason\tMessage")
	for _, c := range o.Status.Conditions {
		p.line(1, "%s\t%s\t%s\t%s", c.Type, c.Status, c.Reason, c.Message)
	}
}

func (p *printer) volumes(o *v1.Pod) {
	if len(o.Spec.Volumes) == 0 {
		p.line(0, "Volumes:\t<none>")
		return
	}
	p.line(0, "Volumes:")
	for _, v := range o.Spec.Volumes {
		p.line(1, "%s:", v.Name)
		p.line(2, "Type:\t%s", volumeType(&v))
	}
}

func volumeType(v *v1.Volume) string {
	switch {
	case v.EmptyDir != nil:
		return "EmptyDir (a temporary directory that shares a pod's lifetime)"
	case v.ConfigMap != nil:
		return "ConfigMap " + v.ConfigMap.Name
	case v.Secret != nil:
		return "Secret " + v.Secret.SecretName
	case v.Projected != nil:
		return "Projected (a volume that contains injected data from multiple sources)"
	case v.PersistentVolumeClaim != nil:
		return "PersistentVolumeClaim " + v.PersistentVolumeClaim.ClaimName
	case v.HostPath != nil:
		return "HostPath " + v.HostPath.Path
	case v.DownwardAPI != nil:
		return "DownwardAPI (a volume populated by information about the pod)"
	}
	return "other"
}

func (p *printer) nodeSelectors(m map[string]string) { p.list("Node-Selectors", m) }

func (p *printer) tolerations(list []v1.Toleration) {
	if len(list) == 0 {
		p.line(0, "Tolerations:\t<none>")
		return
	}
	for i, t := range list {
		text := t.Key
		if t.Value != "" {
			text += "=" + t.Value
		}
		if t.Effect != "" {
			text += ":" + string(t.Effect)
		}
		if t.Operator == v1.TolerationOpExists {
			text += " op=Exists"
		}
		if t.TolerationSeconds != nil {
			text += fmt.Sprintf(" for %ds", *t.TolerationSeconds)
		}
		if i == 0 {
			p.line(0, "Tolerations:\t%s", text)
		} else {
			p.line(0, "\t%s", text)
		}
	}
}

// events prints the Events about an object.
func (p *printer) events(x *object) {
	var mine []eventRow
	for _, e := range p.s.events {
		if e.Kind == x.Kind && e.ObjectSerial == x.Serial {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		p.line(0, "Events:\t<none>")
		return
	}
	// A table of its own: the columns above are not these columns.
	p.w.Flush()
	p.line(0, "Events:")
	p.line(1, "Type\tReason\tAge\tFrom\tMessage")
	p.line(1, "----\t------\t----\t----\t-------")
	for i := range mine {
		e := &mine[i]
		when := p.s.age(e.Time)
		if e.Count > 1 {
			when = fmt.Sprintf("%s (x%d over %s)", p.s.age(e.Time), e.Count, p.s.age(e.First))
		}
		p.line(1, "%s\t%s\t%s\t%s\t%s", e.Type, e.Reason, when, e.Source, strings.TrimSpace(e.Message))
	}
}

func (p *printer) node(x *object) {
	n := p.s.node(x)
	p.line(0, "Name:\t%s", n.Name)
	p.line(0, "Roles:\t%s", roles(p.s.clock, x))
	p.list("Labels", n.Labels)
	p.list("Annotations", n.Annotations)
	p.line(0, "CreationTimestamp:\t%s", p.time(n.CreationTimestamp))
	p.taints(n.Spec.Taints)
	p.line(0, "Unschedulable:\t%t", n.Spec.Unschedulable)
	p.line(0, "Conditions:")
	p.line(1, "Type\tStatus\tLastTransitionTime\tReason")
	p.line(1, "----\t------\t------------------\t------")
	for _, c := range n.Status.Conditions {
		p.line(1, "%s\t%s\t%s\t%s", c.Type, c.Status, p.time(c.LastTransitionTime), c.Reason)
	}
	p.nodeResources("Capacity", n.Status.Capacity)
	p.nodeResources("Allocatable", n.Status.Allocatable)
	p.nodePods(n)
	p.events(x)
}

func (p *printer) taints(list []v1.Taint) {
	if len(list) == 0 {
		p.line(0, "Taints:\t<none>")
		return
	}
	for i, t := range list {
		if i == 0 {
			p.line(0, "Taints:\t%s", t.ToString())
		} else {
			p.line(0, "\t%s", t.ToString())
		}
	}
}

func (p *printer) nodeResources(title string, list v1.ResourceList) {
	p.line(0, "%s:", title)
	var names []string
	for n := range list {
		names = append(names, string(n))
	}
	sort.Strings(names)
	for _, n := range names {
		q := list[v1.ResourceName(n)]
		p.line(1, "%s:\t%s", n, q.String())
	}
}

// nodePods lists the pods that hold a node's resources, with their requests and limits.
func (p *printer) nodePods(n *v1.Node) {
	var sum, limits model.Resources
	allocatable := model.ResourcesOf(n.Status.Allocatable)
	var pods []*object
	for _, x := range p.s.objects {
		if x.Kind == "Pod" && x.Node == n.Name && x.Phase != "Succeeded" && x.Phase != "Failed" {
			pods = append(pods, x)
		}
	}
	p.line(0, "Non-terminated Pods:\t(%d in total)", len(pods))
	p.line(1, "Namespace\tName\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge")
	p.line(1, "---------\t----\t------------\t----------\t---------------\t-------------\t---")
	for _, x := range pods {
		o := p.s.pod(x)
		request, limit := podResources(&o.Spec)
		sum.Add(&request)
		limits.Add(&limit)
		p.line(1, "%s\t%s\t%s\t%s\t%s\t%s\t%s", x.Namespace, x.Name, cpu(request.MilliCPU, allocatable.MilliCPU), cpu(limit.MilliCPU, allocatable.MilliCPU),
			memory(request.Memory, allocatable.Memory), memory(limit.Memory, allocatable.Memory), age(p.s.clock, x))
	}
	p.line(0, "Allocated resources:")
	p.line(1, "Resource\tRequests\tLimits")
	p.line(1, "--------\t--------\t------")
	p.line(1, "cpu\t%s\t%s", cpu(sum.MilliCPU, allocatable.MilliCPU), cpu(limits.MilliCPU, allocatable.MilliCPU))
	p.line(1, "memory\t%s\t%s", memory(sum.Memory, allocatable.Memory), memory(limits.Memory, allocatable.Memory))
}

// podResources are a pod's requests and limits: the sum over containers and sidecars, or the
// largest init container.
func podResources(spec *v1.PodSpec) (requests, limits model.Resources) {
	add := func(c *v1.Container) {
		r, l := model.ResourcesOf(c.Resources.Requests), model.ResourcesOf(c.Resources.Limits)
		requests.Add(&r)
		limits.Add(&l)
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways {
			add(c)
			continue
		}
		r, l := model.ResourcesOf(c.Resources.Requests), model.ResourcesOf(c.Resources.Limits)
		requests.Max(&r)
		limits.Max(&l)
	}
	return requests, limits
}

func cpu(n, of int64) string {
	r := model.Resources{MilliCPU: n}
	q := r.List()[v1.ResourceCPU]
	return fmt.Sprintf("%s (%d%%)", q.String(), percent(n, of))
}

func memory(n, of int64) string {
	r := model.Resources{Memory: n}
	q := r.List()[v1.ResourceMemory]
	return fmt.Sprintf("%s (%d%%)", q.String(), percent(n, of))
}

func percent(n, of int64) int64 {
	if of == 0 {
		return 0
	}
	return n * 100 / of
}

func (p *printer) deployment(x *object) {
	d := p.s.deployment(x)
	p.line(0, "Name:\t%s", d.Name)
	p.line(0, "Namespace:\t%s", d.Namespace)
	p.line(0, "CreationTimestamp:\t%s", p.time(d.CreationTimestamp))
	p.list("Labels", d.Labels)
	p.list("Annotations", d.Annotations)
	p.line(0, "Selector:\t%s", metav1.FormatLabelSelector(d.Spec.Selector))
	p.line(0, "Replicas:\t%d desired | %d updated | %d total | %d available | %d unavailable", x.Replicas, x.UpdatedReplicas, x.CurrentReplicas, x.AvailableReplicas, x.Unavailable)
	p.line(0, "StrategyType:\t%s", d.Spec.Strategy.Type)
	p.line(0, "MinReadySeconds:\t%d", d.Spec.MinReadySeconds)
	if r := d.Spec.Strategy.RollingUpdate; r != nil {
		p.line(0, "RollingUpdateStrategy:\t%s max unavailable, %s max surge", r.MaxUnavailable.String(), r.MaxSurge.String())
	}
	p.template(&d.Spec.Template)
	p.line(0, "Conditions:")
	p.line(1, "Type\tStatus\tReason")
	p.line(1, "----\t------\t------")
	for _, c := range d.Status.Conditions {
		p.line(1, "%s\t%s\t%s", c.Type, c.Status, c.Reason)
	}
	p.replicaSetsOf(d)
	p.events(x)
}

func (p *printer) template(t *v1.PodTemplateSpec) {
	p.line(0, "Pod Template:")
	p.line(1, "Labels:\t%s", none(labels.FormatLabels(t.Labels)))
	p.containers("  Init Containers", t.Spec.InitContainers, nil)
	p.containers("  Containers", t.Spec.Containers, nil)
}

// replicaSetsOf names the old and the new ReplicaSet of a Deployment.
func (p *printer) replicaSetsOf(d *appsv1.Deployment) {
	var newest *object
	var old []string
	for _, x := range p.s.objects {
		if x.Kind != "ReplicaSet" || x.Owner != d.Name || x.Namespace != d.Namespace {
			continue
		}
		if newest == nil || x.Created > newest.Created {
			newest = x
		}
	}
	for _, x := range p.s.objects {
		if x.Kind == "ReplicaSet" && x.Owner == d.Name && x.Namespace == d.Namespace && x != newest {
			old = append(old, fmt.Sprintf("%s (%d/%d replicas created)", x.Name, x.CurrentReplicas, x.Replicas))
		}
	}
	p.line(0, "OldReplicaSets:\t%s", none(strings.Join(old, ", ")))
	if newest != nil {
		p.line(0, "NewReplicaSet:\t%s (%d/%d replicas created)", newest.Name, newest.CurrentReplicas, newest.Replicas)
	}
}

func (p *printer) replicaSet(x *object) {
	r := p.s.replicaSet(x)
	p.line(0, "Name:\t%s", r.Name)
	p.line(0, "Namespace:\t%s", r.Namespace)
	p.line(0, "Selector:\t%s", metav1.FormatLabelSelector(r.Spec.Selector))
	p.list("Labels", r.Labels)
	p.list("Annotations", r.Annotations)
	if x.Owner != "" {
		p.line(0, "Controlled By:\t%s/%s", x.OwnerKind, x.Owner)
	}
	p.line(0, "Replicas:\t%d current / %d desired", x.CurrentReplicas, x.Replicas)
	phases := map[string]int{}
	for _, o := range p.s.objects {
		if o.Kind == "Pod" && o.Owner == x.Name && o.Namespace == x.Namespace {
			phases[o.Phase]++
		}
	}
	p.line(0, "Pods Status:\t%d Running / %d Waiting / %d Succeeded / %d Failed", phases["Running"], phases["Pending"], phases["Succeeded"], phases["Failed"])
	p.template(&r.Spec.Template)
	p.events(x)
}

func (p *printer) service(x *object) {
	s := service(p.s.clock, x)
	p.line(0, "Name:\t%s", s.Name)
	p.line(0, "Namespace:\t%s", s.Namespace)
	p.list("Labels", s.Labels)
	p.list("Annotations", s.Annotations)
	p.line(0, "Selector:\t%s", none(labels.FormatLabels(s.Spec.Selector)))
	p.line(0, "Type:\t%s", s.Spec.Type)
	p.line(0, "IP:\t%s", clusterIP(p.s.clock, x))
	p.line(0, "Port(s):\t%s", servicePorts(p.s.clock, x))
	p.line(0, "Age:\t%s", duration.HumanDuration((p.s.now - model.Time(x.Created)).Duration()))
	p.events(x)
}
