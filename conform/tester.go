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

	"podsim/model"
)

// The image "tester" of the recordings runs its arguments in order: sleep=DUR, exit=N, forever,
// alloc=MiB (5 ms each), write=PATH:MiB (2 ms each). Anywhere in the list: ignoreterm and
// term-exit=N. Its probes are "probe after N", "until N" and "flap ON OFF", in seconds since the
// start, as a command, as a path of its HTTP server or as a gRPC service.

// The images of the recordings.
const (
	registry    = "127.0.0.1:25000/"
	testerImage = registry + "tester:1"
	slowImage   = registry + "slow:1"
	bigImage    = registry + "big:1"
	deniedImage = registry + "denied:1"
	errorImage  = registry + "err500:1"
	closedImage = "127.0.0.1:25001/x:1"
)

// testerBandwidth is what the recordings' registry sends in a second, so that an image's size
// is the time that its pull takes.
const testerBandwidth = 1 << 30

// testerStart is the time from a container's start until its process runs its arguments.
const testerStart = 40 * model.Millisecond

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

	// deleted is when the pod was deleted, in seconds after its creation, where a recording has that
	// moment: it is some milliseconds after the annotation's.
	deleted float64

	controlPlane model.ControlPlane
	latencies    model.Latencies
	// spread is the largest part by which each latency is longer at random.
	spread float64
	// load is by how much other work on the machine lengthens the longest latencies, in the runs
	// whose seed gives the most of it.
	load float64
}

// RealNode is how the recordings of the real node were made: kubelet and containerd on a machine
// with other work, up to 15 pods on two processors. The tester counts from its process's start, 40 ms before the container's,
// which came some 60 ms sooner than with podsim's latencies.
func RealNode() Settings {
	s := Settings{created: 20300 * model.Millisecond, big: 480 * time.Millisecond, slow: 6700 * time.Millisecond,
		early: 100 * model.Millisecond, controlPlane: model.DefaultControlPlane(), latencies: model.DefaultLatencies()}
	s.latencies.PullPerByte = model.Dist{}
	s.load = 3
	return s
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
		KubeletJitter: steadyJitter, NoCgroupsPerQOS: true, Kubelet: none, Scheduler: none, ControllerManager: none}
	s.latencies = model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50),
		StopTerm: ms(30), Kill: ms(40), ExecProbe: ms(30), NetProbe: ms(1.5), PullLookup: ms(8)}
	return s
}

// anyOrder lets the probe workers come up to 1 µs late to their ticks, so that what is due at one
// moment happens in an order by chance, as goroutines of the kubelet do.
func (s Settings) anyOrder() Settings {
	s.controlPlane.KubeletTick = model.Dist{Kind: model.DistUniform, Max: float64(model.Microsecond)}
	return s
}

// steadyJitter is the jitter of the exact recordings: not quite none.
const steadyJitter = 8e-6

// VirtualKubeletJittered is the same with randomness: a pod worker's delay is up to half as long
// again, each latency up to 30 %.
func VirtualKubeletJittered() Settings {
	s := VirtualKubelet()
	s.controlPlane.KubeletJitter = 0.5
	s.spread = 0.3
	l := &s.latencies
	for _, d := range []*model.Dist{&l.RunSandbox, &l.StopSandbox, &l.Create, &l.Start, &l.Remove, &l.StopTerm, &l.Kill,
		&l.ExecProbe, &l.PullLookup} {
		*d = model.Dist{Kind: model.DistUniform, Min: d.Value, Max: (1 + s.spread) * d.Value}
	}
	return s
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
	for i := range lines {
		if lines[i].Type == "request" {
			s.deleted = float64(lines[i].Ms) / 1000
			break
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
		Duration:     s.created + duration(annotation(pod, "trace/seconds", 30)),
		ControlPlane: s.controlPlane,
		Latencies:    s.latencies,
		Nodes:        []model.NodeSpec{testerNode()},
		Registries:   []model.Registry{{Host: "*", Bandwidth: s.bandwidth(seed)}},
		Images:       s.images(pod),
		Steps:        []model.Step{{At: s.created, Objects: []model.Object{{Object: pod}}}},
	}
	at := annotation(pod, "trace/delete-after", -1)
	if s.deleted > 0 {
		// The recording has whole milliseconds.
		at = s.deleted + float64(seed%10)/1e4
	}
	if at >= 0 {
		sc.Steps = append(sc.Steps, model.Step{At: s.created + duration(at), Verb: model.StepDelete,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, GraceSeconds: -1})
	}
	for _, g := range GateChanges(pod) {
		sc.Steps = append(sc.Steps, model.Step{At: s.created + duration(g.Seconds), Verb: model.StepSetCondition,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, Condition: g.Type, Status: statusNamed(g.Status)})
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	for _, c := range containersOf(pod) {
		sc.Behaviors = append(sc.Behaviors, s.behavior(c))
	}
	if s.load > 1 {
		const loads = 4
		sc.Latencies = loaded(sc.Latencies, 1+(s.load-1)*float64(seed%loads)/(loads-1))
	}
	return sc
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
func (s Settings) images(pod *v1.Pod) []model.ImageSpec {
	size := func(d time.Duration) int64 { return int64(d.Seconds() * testerBandwidth) }
	images := []model.ImageSpec{
		{Name: testerImage, Size: 4 << 20},
		{Name: slowImage, Size: size(s.slow)},
		{Name: bigImage, Size: size(s.big)},
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
			images = append(images, model.ImageSpec{Name: c.Image, Error: "notFound"})
		}
	}
	return images
}

// pullError is the error of a pull in the words of the recordings' runtime.
func (s Settings) pullError(name, kind string) string {
	if words := s.errors[name]; words != "" {
		return words
	}
	return kind
}

// bandwidth is the registry's, so that the pulls of a run are longer by up to spread, all alike.
func (s Settings) bandwidth(seed uint64) int64 {
	return int64(testerBandwidth / (1 + s.spread*float64(seed%100)/100))
}

func testerNode() model.NodeSpec {
	node := &v1.Node{}
	node.Status.Capacity = v1.ResourceList{
		"cpu": resource.MustParse("2"), "memory": resource.MustParse("24Gi"),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("100Gi"),
	}
	model.DefaultNode(node)
	return model.NodeSpec{Name: "real0", Object: node, Images: []string{testerImage}}
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
	for _, text := range strings.Split(pod.Annotations["trace/gates"], ",") {
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
func (s Settings) behavior(c *v1.Container) model.Behavior {
	b := model.Behavior{Container: c.Name}
	if len(c.Command) > 0 && c.Command[0] != "/tester" {
		b.StartError = fmt.Sprintf("exec: %q: stat %s: no such file or directory", c.Command[0], c.Command[0])
		return b
	}
	args := append(c.Command[min(1, len(c.Command)):len(c.Command):len(c.Command)], c.Args...)
	runSignals(&b, args)
	b.Port, b.Listens = s.port(args), max(0, testerStart-s.early)
	took := runArguments(&b, args, c)
	b.Run.For = model.Dist{Value: float64(testerStart + took)}
	for k, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			b.Probes[k] = s.probePoints(p)
		}
	}
	if h := c.Lifecycle; h != nil {
		b.PostStart, b.PreStop = hookRun(h.PostStart), hookRun(h.PreStop)
	}
	return b
}

// port is the port of the tester's HTTP server, 0 for none. On the real node a second server of
// a pod would not start; the runtime of the kubelet in virtual time lets the first one answer.
func (s Settings) port(args []string) int32 {
	for _, a := range args {
		if address, ok := strings.CutPrefix(a, "http="); ok {
			return int32(number(strings.TrimPrefix(address, ":")))
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
	written := map[string]int64{}
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
			n := int64(number(value))
			b.Run.OOM = limitMiB > 0 && n > limitMiB
			if b.Run.OOM {
				return took + model.Time(limitMiB)*5*model.Millisecond
			}
			took += model.Time(n) * 5 * model.Millisecond
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
	if p.Exec != nil && p.Exec.Command[1] != "probe" {
		return []model.ProbePoint{commandPoint(p.Exec.Command)}
	}
	kind, n := probeWords(p)
	at := func(n int) model.Time { return max(0, model.Time(n)*model.Second-s.early) }
	// The server listens once the process runs its arguments.
	closed := p.Exec == nil && s.early < testerStart
	start := model.ProbePoint{OK: p.Exec != nil, Refused: closed}
	points := []model.ProbePoint{start, {At: testerStart, OK: true}}
	bad := func(n int) model.ProbePoint { return model.ProbePoint{At: at(n), Output: judgedBad(p)} }
	switch kind {
	case "after":
		if closed && n[0] > 0 {
			first := bad(0)
			first.At = testerStart
			return []model.ProbePoint{start, first, {At: at(n[0]), OK: true}}
		}
		return []model.ProbePoint{bad(0), {At: at(n[0]), OK: true}}
	case "until":
		return append(points, bad(n[0]))
	case "flap":
		for t := n[0]; t < 1000; t += n[0] + n[1] {
			points = append(points, bad(t), model.ProbePoint{At: at(t + n[1]), OK: true})
		}
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

// probeWords gives the kind of a probe and its numbers, from a command such as "/tester probe
// flap 2 3", a path such as "/flap?on=2&off=3" or a gRPC service such as "flap-2-3".
func probeWords(p *v1.Probe) (kind string, n []int) {
	var words []string
	switch {
	case p.Exec != nil:
		words = p.Exec.Command[2:]
	case p.HTTPGet != nil:
		words = strings.FieldsFunc(p.HTTPGet.Path, func(c rune) bool { return strings.ContainsRune("/?&=", c) })
	case p.GRPC != nil && p.GRPC.Service != nil:
		words = strings.Split(*p.GRPC.Service, "-")
	}
	for _, w := range words {
		if x, err := strconv.Atoi(w); err == nil {
			n = append(n, x)
		}
	}
	if len(words) == 0 {
		return "", nil
	}
	return words[0], n
}

// hookRun is how a hook of the tester goes: its server answers each request well.
func hookRun(h *v1.LifecycleHandler) model.HookRun {
	if h == nil || h.Exec == nil {
		return model.HookRun{}
	}
	return commandRun(h.Exec.Command)
}

// commandRun is how a command of the tester goes, such as "/tester sleep=2s exit=1".
func commandRun(command []string) model.HookRun {
	var b model.Behavior
	took := runArguments(&b, command[1:], &v1.Container{})
	run := model.HookRun{Takes: model.Dist{Value: float64(took)}}
	if len(b.Run.Exit) > 0 {
		run.Exit = b.Run.Exit[0]
		run.Fail, run.Output = run.Exit != 0, fmt.Sprintf("exit %d\n", run.Exit)
	}
	return run
}
