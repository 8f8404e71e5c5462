package conform

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// The image "tester" of the recordings runs its arguments in order: sleep=DUR, exit=N, forever,
// alloc=MiB (5 ms each), write=PATH:MiB (2 ms each). Anywhere in the list: ignoreterm and
// term-exit=N. Its probes are "probe after N", "until N" and "flap ON OFF", in seconds since the
// start, as a command, as a path of its HTTP server or as a gRPC service.

// The images of the recordings.
const (
	registry       = "127.0.0.1:25000/"
	closedRegistry = "127.0.0.1:25001/"

	testerImage = registry + "tester:1"
	slowImage   = registry + "slow:1"
	bigImage    = registry + "big:1"
	deniedImage = registry + "denied:1"
	errorImage  = registry + "err500:1"
	closedImage = closedRegistry + "x:1"
)

// testerBandwidth is what the recordings' registry sends in a second, so that an image's size
// is the time that its pull takes.
const testerBandwidth = 1 << 30

// testerStart is the time from a container's start until its process runs its arguments.
const testerStart = 40 * model.Millisecond

// testerMemory is what the tester uses of the memory before it allocates any, in bytes; allocTime is how long
// it takes to allocate a MiB.
const (
	testerMemory = 2 << 20
	allocTime    = 5 * model.Millisecond
)

// Settings is how a kind of recordings was made.
type Settings struct {
	// created is when the pod is created, after the kubelet's start.
	created model.Time
	// big and slow are how long the pulls of these two images take.
	big, slow time.Duration
	// early is how much earlier the tester begins to count than its container has started.
	early model.Time
	// errors are the runtime's words for the pulls that fail, by image, where they are not those
	// of containerd 2.4.2.
	errors map[string]string

	// deleted is when the pod was deleted, in seconds after its creation, where a recording has those
	// moments: they are some milliseconds after the annotation's.
	deleted []float64
	// outage is that of the node's kubelet, nil for none.
	outage *outage

	// kubelet is the configuration of the kubelet, nil for the default one.
	kubelet      *kubeletconfig.Configuration
	controlPlane model.ControlPlane
	latencies    model.Latencies
	// spread is the largest part by which each latency is longer at random.
	spread float64
	// uneven is the most by which a process runs shorter or longer.
	uneven model.Time
	// load is by how much other work on the machine lengthens the longest latencies, in the runs
	// whose seed gives the most of it.
	load float64
}

// RealNode is how the recordings of the real node were made: kubelet and containerd on a machine
// with other work, up to 15 pods on two processors. The tester counts from its process's start, 40 ms before the container's,
// which came some 60 ms sooner than with podsim's latencies.
func RealNode() Settings {
	s := Settings{created: 20300 * model.Millisecond, big: 480 * time.Millisecond, slow: 6700 * time.Millisecond,
		early: 100 * model.Millisecond, controlPlane: model.DefaultControlPlane(), latencies: recordedLatencies()}
	s.load = 3
	s.controlPlane.KubeletNodeStatus = nodeStatusTime
	return s
}

// recordedLatencies are those of the runtime in the recordings of the real node: each call takes its minimum
// and up to 30 % more, where load does not lengthen it. The tester's images take no time to unpack. They are not the
// default of scenarios, which is measured on a quiet machine.
func recordedLatencies() model.Latencies {
	ms := func(n float64) model.Dist {
		least := n * float64(model.Millisecond)
		return model.Dist{Kind: model.DistUniform, Min: least, Max: 1.3 * least}
	}
	return model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50), StopTerm: ms(30), Kill: ms(40),
		ExecProbe: ms(30), NetProbe: ms(2), PullLookup: ms(20), MountVolumes: ms(100), UnmountVolumes: ms(50), UpdateResources: ms(8),
		LayerStats: model.Dist{Kind: model.DistUniform, Max: float64(10 * model.Second)}}
}

// loaded are the latencies on a machine with other work: as short as ever, but up to f times as
// long.
func loaded(l model.Latencies, f float64) model.Latencies {
	for _, d := range []*model.Dist{&l.RunSandbox, &l.StopSandbox, &l.Create, &l.Start, &l.Remove, &l.StopTerm, &l.Kill,
		&l.ExecProbe, &l.NetProbe, &l.PullLookup, &l.MountVolumes, &l.UnmountVolumes} {
		d.Max *= f
	}
	return l
}

// VirtualKubelet is how the recordings of the real kubelet in virtual time without randomness
// were made: each latency is constant, each wake of a pod worker comes as soon as it may, and the
// pod is created 20.3 s after the kubelet's start.
func VirtualKubelet() Settings {
	ms := func(n float64) model.Dist { return model.Dist{Value: n * float64(model.Millisecond)} }
	none := model.ClientLimit{QPS: -1}
	s := Settings{created: 20300 * model.Millisecond, big: 4 * time.Second, slow: 9 * time.Second, errors: virtualErrors()}
	s.controlPlane = model.ControlPlane{Write: model.Dist{Kind: model.DistUniform, Min: 3e6, Max: 6e6}, KubeletSync: ms(3),
		KubeletJitter: steadyJitter, Kubelet: none, Scheduler: none, ControllerManager: none}
	s.latencies = model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50),
		StopTerm: ms(30), Kill: ms(40), ExecProbe: ms(30), NetProbe: ms(1.5), PullLookup: ms(8)}
	s.kubelet = kubeletconfig.Default()
	s.kubelet.CgroupsPerQOS, s.kubelet.RegistryPullQPS = new(bool), new(int32)
	return s
}

// anyOrder lets what is due at one moment happen in an order by chance, as goroutines of the kubelet
// do: each probe worker comes up to 1 µs late to half of its ticks, and each process and each latency
// is up to half of that shorter or longer.
func (s Settings) anyOrder() Settings {
	s = s.lateTicks()
	s.uneven = moment / 2
	for _, d := range calls(&s.latencies) {
		*d = uneven(d.Value, s.uneven)
	}
	return s
}

// moment is so short that nothing else happens in it.
const moment = model.Microsecond

// lateTicks lets the probe workers come up to a moment late to half of their ticks.
func (s Settings) lateTicks() Settings {
	const late = float64(moment) / 4
	s.controlPlane.KubeletTick = model.Dist{Kind: model.DistEmpirical, Values: []float64{0, 0, 0, 0, late, 2 * late, 3 * late, 4 * late}}
	return s
}

// uneven is a span that is up to d shorter or longer.
func uneven(span float64, d model.Time) model.Dist {
	if d == 0 {
		return model.Dist{Value: span}
	}
	return model.Dist{Kind: model.DistUniform, Min: max(0, span-float64(d)), Max: span + float64(d)}
}

// steadyJitter is the jitter of the exact recordings: not quite none.
const steadyJitter = 8e-6

// VirtualKubeletJittered is the same with randomness: a pod worker's delay is up to half as long
// again, each latency up to 30 %. Where probe workers tick together, chance decides who is first.
func VirtualKubeletJittered() Settings {
	s := VirtualKubelet().lateTicks()
	s.controlPlane.KubeletJitter = 0.5
	s.spread = 0.3
	for _, d := range calls(&s.latencies) {
		*d = model.Dist{Kind: model.DistUniform, Min: d.Value, Max: (1 + s.spread) * d.Value}
	}
	return s
}

// calls are the latencies of the runtime's calls.
func calls(l *model.Latencies) []*model.Dist {
	return []*model.Dist{&l.RunSandbox, &l.StopSandbox, &l.Create, &l.Start, &l.Remove, &l.StopTerm, &l.Kill, &l.ExecProbe, &l.PullLookup}
}

// virtualErrors are the words of the runtime of the kubelet in virtual time.
func virtualErrors() map[string]string {
	words := map[string]string{}
	for name, end := range map[string]string{
		deniedImage: "unexpected status from HEAD request to http://127.0.0.1:25000/v2/denied/manifests/1: 401 Unauthorized",
		errorImage:  "unexpected status from HEAD request to http://127.0.0.1:25000/v2/err500/manifests/1: 500 Internal Server Error",
		closedImage: "failed to do request: Head \"https://127.0.0.1:25001/v2/x/manifests/1\": dial tcp 127.0.0.1:25001: connect: connection refused",
	} {
		words[name] = fmt.Sprintf("rpc error: code = Unknown desc = failed to pull and unpack image %q: failed to resolve reference %q: %s", name, name, end)
	}
	return words
}

// of is the settings of one recording.
func (s Settings) of(lines []Line) Settings {
	s.deleted, s.outage = nil, nil
	if o, found := outageOf(lines); found {
		s.created += o.shift(s.created)
		s.outage = &o
	}
	for i := range lines {
		if lines[i].Type == "request" {
			s.deleted = append(s.deleted, float64(lines[i].Ms)/1000)
		}
	}
	return s
}

// Scenario is the pod on one node, with a seed for what is drawn. The pod is deleted as its
// annotation says.
func (s Settings) Scenario(pod *v1.Pod, seed uint64) *model.Scenario {
	pod = pod.DeepCopy()
	pod.Namespace = "default"
	model.DefaultPod(pod)
	sc := &model.Scenario{
		Seed:         seed,
		Start:        time.Unix(1e9, 0).UTC(),
		Duration:     s.created + duration(annotation(pod, watchedSeconds, 30)),
		ControlPlane: s.controlPlane,
		Latencies:    s.latencies,
		Nodes:        []model.NodeSpec{testerNode(s.kubelet)},
		Registries:   []model.Registry{{Host: "*", Bandwidth: testerBandwidth}},
		Images:       s.images(pod, seed),
		Steps:        []model.Step{{At: s.created, Objects: []model.Object{{Object: pod}}}},
	}
	for _, at := range s.deletions(pod, seed) {
		sc.Steps = append(sc.Steps, model.Step{At: s.created + duration(at), Verb: model.StepDelete,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, GraceSeconds: -1})
	}
	for _, g := range GateChanges(pod) {
		sc.Steps = append(sc.Steps, model.Step{At: s.created + duration(g.Seconds), Verb: model.StepSetCondition,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, Condition: g.Type, Status: statusNamed(g.Status)})
	}
	if s.outage != nil {
		s.outage.add(sc, s.created)
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	ports := listening(pod)
	for _, c := range containersOf(pod) {
		sc.Behaviors = append(sc.Behaviors, s.behavior(c, ports))
	}
	sc.Latencies = s.loadedBy(seed)
	return sc
}

// loadedBy are the latencies in the run of a seed.
func (s Settings) loadedBy(seed uint64) model.Latencies {
	if s.load <= 1 {
		return s.latencies
	}
	const loads = 4
	return loaded(s.latencies, 1+(s.load-1)*float64(seed%loads)/(loads-1))
}

// deletions are when the pod is deleted, in seconds after its creation.
func (s Settings) deletions(pod *v1.Pod, seed uint64) []float64 {
	if len(s.deleted) == 0 {
		if at := annotation(pod, deleteAfter, -1); at >= 0 {
			return []float64{at}
		}
		return nil
	}
	var list []float64
	for _, at := range s.deleted {
		// The recording has whole milliseconds.
		list = append(list, at+float64(seed%10)/1e4)
	}
	return list
}

func containersOf(pod *v1.Pod) []*v1.Container {
	var out []*v1.Container
	for i := range pod.Spec.InitContainers {
		out = append(out, &pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		out = append(out, &pod.Spec.Containers[i])
	}
	return out
}

// images are the images of the recordings' registry; other names are not found.
func (s Settings) images(pod *v1.Pod, seed uint64) []model.ImageSpec {
	images := []model.ImageSpec{
		{Name: testerImage, Size: 4 << 20},
		{Name: slowImage, Size: int64(s.pullTime(1, s.slow, seed) * testerBandwidth)},
		{Name: bigImage, Size: int64(s.pullTime(2, s.big, seed) * testerBandwidth)},
		{Name: deniedImage, Error: s.pullError(deniedImage, "unauthorized")},
		{Name: errorImage, Error: s.pullError(errorImage, "serverError")},
		{Name: closedImage, Error: s.pullError(closedImage, "refused")},
	}
	known := map[string]bool{}
	for i := range images {
		known[images[i].Name] = true
	}
	for _, c := range containersOf(pod) {
		if !known[c.Image] {
			known[c.Image] = true
			images = append(images, model.ImageSpec{Name: c.Image, Error: s.pullError(c.Image, otherImage(c.Image))})
		}
	}
	return images
}

// otherImage is how the pull of another image of the two registries fails.
func otherImage(name string) string {
	switch repository, _, _ := strings.Cut(strings.TrimPrefix(name, registry), ":"); {
	case strings.HasPrefix(name, closedRegistry):
		return "refused"
	case repository == "denied":
		return "unauthorized"
	case repository == "err500":
		return "serverError"
	}
	return "notFound"
}

// pullError is the error of a pull in the words of the recordings' runtime.
func (s Settings) pullError(name, kind string) string {
	if words := s.errors[name]; words != "" {
		return words
	}
	return kind
}

// pullTime is how long the pull of an image takes in the run of a seed: each by up to spread longer.
func (s Settings) pullTime(image uint64, d time.Duration, seed uint64) float64 {
	return d.Seconds() * (1 + s.spread*sim.Uniform(sim.Draw(seed, 0, image, 0)))
}

func testerNode(config *kubeletconfig.Configuration) model.NodeSpec {
	node := &v1.Node{}
	node.Status.Capacity = v1.ResourceList{
		"cpu": resource.MustParse("2"), "memory": resource.MustParse("24Gi"),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("100Gi"),
	}
	model.DefaultNode(node)
	return model.NodeSpec{Name: "real0", Object: node, Images: []string{testerImage}, Kubelet: config}
}

func duration(s float64) model.Time { return model.Time(s*1e4) * (model.Millisecond / 10) }

// GateChange is a moment at which the controller of a readiness gate sets its condition, in seconds
// after the pod's creation.
type GateChange struct {
	Seconds      float64
	Type, Status string
}

// GateChanges are those that the pod's annotation trace/gates has: "12.5 example.com/gate True", joined
// by commas.
func GateChanges(pod *v1.Pod) []GateChange {
	var changes []GateChange
	for _, text := range strings.Split(pod.Annotations[gateChanges], ",") {
		var g GateChange
		if _, err := fmt.Sscan(text, &g.Seconds, &g.Type, &g.Status); err == nil {
			changes = append(changes, g)
		}
	}
	return changes
}

func statusNamed(name string) model.ConditionStatus {
	for s := model.ConditionTrue; s < model.ConditionUnknown; s++ {
		if s.String() == name {
			return s
		}
	}
	return model.ConditionUnknown
}

func annotation(pod *v1.Pod, key string, absent float64) float64 {
	x, err := strconv.ParseFloat(pod.Annotations[key], 64)
	if err != nil {
		return absent
	}
	return x
}

// behavior is what a tester container with these arguments does.
// ports are those that the pod's containers listen on.
func (s Settings) behavior(c *v1.Container, ports []int32) model.Behavior {
	b := model.Behavior{Container: c.Name}
	if len(c.Command) > 0 && c.Command[0] != tester {
		b.StartError = fmt.Sprintf("exec: %q: stat %s: no such file or directory", c.Command[0], c.Command[0])
		return b
	}
	args := arguments(c)
	runSignals(&b, args)
	b.Port, b.Listens = serverPort(args), max(0, testerStart-s.early)
	took := runArguments(&b, args, c)
	b.Run.For = uneven(float64(testerStart+took), s.uneven)
	for k, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		b.Probes[k] = s.probePoints(p)
		if port := probePort(c, p); port != 0 && !slices.Contains(ports, port) {
			b.Probes[k] = []model.ProbePoint{{Refused: true}}
		} else if b.Port == 0 {
			b.Port = port // another container of the pod listens
		}
	}
	if h := c.Lifecycle; h != nil {
		b.PostStart, b.PreStop = hookRun(c, h.PostStart, ports), hookRun(c, h.PreStop, ports)
	}
	return b
}

// arguments are those of a tester container.
func arguments(c *v1.Container) []string {
	return slices.Concat(c.Command[min(1, len(c.Command)):], c.Args)
}

// listening are the ports of the pod's servers.
func listening(pod *v1.Pod) []int32 {
	var ports []int32
	for _, c := range containersOf(pod) {
		if port := serverPort(arguments(c)); port != 0 {
			ports = append(ports, port)
		}
	}
	return ports
}

// probePort is the port that a probe asks, 0 for a command.
func probePort(c *v1.Container, p *v1.Probe) int32 {
	switch {
	case p.HTTPGet != nil:
		return portOf(c, p.HTTPGet.Port)
	case p.TCPSocket != nil:
		return portOf(c, p.TCPSocket.Port)
	case p.GRPC != nil:
		return p.GRPC.Port
	}
	return 0
}

// portOf is a port by its number or by its name in the container's ports.
func portOf(c *v1.Container, port intstr.IntOrString) int32 {
	if port.Type == intstr.Int {
		return port.IntVal
	}
	for i := range c.Ports {
		if c.Ports[i].Name == port.StrVal {
			return c.Ports[i].ContainerPort
		}
	}
	return int32(number(port.StrVal))
}

// serverPort is the port of the tester's HTTP server, 0 for none. On the real node a second server of
// a pod would not start; the runtime of the kubelet in virtual time lets the first one answer.
func serverPort(args []string) int32 {
	for _, a := range args {
		if address, ok := strings.CutPrefix(a, "http="); ok {
			return int32(number(address[strings.LastIndex(address, ":")+1:]))
		}
	}
	return 0
}

// runSignals takes over the arguments that say what SIGTERM does.
func runSignals(b *model.Behavior, args []string) {
	for _, a := range args {
		if a == "ignoreterm" {
			b.OnTerm.Ignore = true
		} else if n, ok := strings.CutPrefix(a, "term-exit="); ok {
			b.OnTerm.Exit = int32(number(n))
		}
	}
}

// runArguments takes over the arguments of a container that run in order; it gives the time until
// the process ends by itself.
func runArguments(b *model.Behavior, args []string, c *v1.Container) (took model.Time) {
	limitMiB := c.Resources.Limits.Memory().Value() >> 20
	written, used := map[string]int64{}, int64(testerMemory)
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "sleep":
			d, _ := time.ParseDuration(value)
			took += model.Time(d)
		case "write":
			path, size, _ := strings.Cut(value, ":")
			volume := volumeAt(c, path)
			written[volume] += int64(number(size)) << 20
			b.Disk = append(b.Disk, model.DiskPoint{At: testerStart + took, Volume: volume, Use: written[volume]})
			took += model.Time(number(size)) * 2 * model.Millisecond
		case "alloc":
			n, before := int64(number(value)), (used-testerMemory)>>20
			b.Run.OOM = limitMiB > 0 && before+n > limitMiB
			if b.Run.OOM {
				return took + model.Time(limitMiB-before)*allocTime
			}
			span := model.Time(n) * allocTime
			b.Memory = append(b.Memory, model.MemoryPoint{At: testerStart + took, Use: used, Rate: model.RatePer(1<<20, allocTime)},
				model.MemoryPoint{At: testerStart + took + span, Use: used + n<<20})
			took, used = took+span, used+n<<20
		case "failmsg":
			b.Run.Message = value
		case "forever":
			b.Run.Forever = true
			return took
		case "exit":
			b.Run.Exit = []int32{int32(number(value))}
			return took
		}
	}
	return took
}

// volumeAt is the volume that holds a path in a container, empty for its writable layer.
func volumeAt(c *v1.Container, path string) string {
	for _, m := range c.VolumeMounts {
		if strings.HasPrefix(path, m.MountPath+"/") {
			return m.Name
		}
	}
	return ""
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// probePoints is the tester's judgement over time.
func (s Settings) probePoints(p *v1.Probe) []model.ProbePoint {
	if p.Exec != nil && !isJudgement(p.Exec.Command) {
		return []model.ProbePoint{commandPoint(p.Exec.Command)}
	}
	j, _ := judgementOf(p)
	at := func(n int) model.Time { return max(0, model.Time(n)*model.Second-s.early) }
	// The server listens once the process runs its arguments.
	closed := p.Exec == nil && s.early < testerStart
	start := model.ProbePoint{OK: !closed, Refused: closed}
	points := []model.ProbePoint{start, {At: testerStart, OK: true}}
	bad := func(n int) model.ProbePoint { return model.ProbePoint{At: at(n), Output: judgedBad(p)} }
	switch j.kind {
	case "after":
		if closed && j.n > 0 {
			first := bad(0)
			first.At = testerStart
			return []model.ProbePoint{start, first, {At: at(j.n), OK: true}}
		}
		return []model.ProbePoint{bad(0), {At: at(j.n), OK: true}}
	case "until":
		return append(points, bad(j.n))
	case "flap":
		for t := j.n; t < 1000 && j.off > 0; t += j.n + j.off {
			points = append(points, bad(t), model.ProbePoint{At: at(t + j.off), OK: true})
		}
	case "missing":
		points[0].OK, points[1] = false, model.ProbePoint{At: testerStart, Status: 404}
		points[0].Status = 404
	}
	return points
}

// commandPoint is the answer of a command that is no judgement, such as "/tester sleep=2s exit=1".
func commandPoint(command []string) model.ProbePoint {
	run := commandRun(command)
	return model.ProbePoint{OK: !run.Fail, Output: run.Output, Takes: run.Takes}
}

// judgedBad is what the tester says when a probe fails.
func judgedBad(p *v1.Probe) string {
	switch {
	case p.Exec != nil:
		return "probe judged bad\n"
	case p.GRPC != nil:
		return "" // the usual words
	}
	return "HTTP probe failed with statuscode: 500"
}

// hookRun is how a hook of the tester goes: its server answers each request well.
func hookRun(c *v1.Container, h *v1.LifecycleHandler, ports []int32) model.HookRun {
	switch {
	case h == nil:
	case h.Exec != nil:
		return commandRun(h.Exec.Command)
	case h.HTTPGet != nil:
		return model.HookRun{Fail: !slices.Contains(ports, portOf(c, h.HTTPGet.Port))}
	}
	return model.HookRun{}
}

// commandRun is how a command of the tester goes, such as "/tester sleep=2s exit=1".
func commandRun(command []string) model.HookRun {
	if command[0] != tester {
		return model.HookRun{Fail: true}
	}
	var b model.Behavior
	took := runArguments(&b, command[1:], &v1.Container{})
	run := model.HookRun{Takes: model.Dist{Value: float64(took)}}
	if len(b.Run.Exit) > 0 {
		run.Exit = b.Run.Exit[0]
		run.Fail, run.Output = run.Exit != 0, fmt.Sprintf("exit %d\n", run.Exit)
	}
	return run
}
