package sim_test

import (
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
// start, as a command or as a path of its HTTP server.

const testerImage = "127.0.0.1:25000/tester:1"

// testerBandwidth is what the recordings' registry sends in a second, so that an image's size
// is the time that its pull takes.
const testerBandwidth = 1 << 30

// testerStart is the time from a container's start until its process runs its arguments.
const testerStart = 40 * model.Millisecond

// tester is how the recordings were made.
type tester struct {
	// created is when the pod is created.
	created model.Time
	// big and slow are how long the pulls of these two images take.
	big, slow time.Duration
	// early is how much earlier the tester begins to count than its container has started.
	early model.Time
}

// scenario runs a recorded pod on one node. It is deleted as its annotation says.
func (r tester) scenario(pod *v1.Pod, seed uint64) *model.Scenario {
	pod = pod.DeepCopy()
	pod.Namespace = "default"
	model.DefaultPod(pod)
	sc := &model.Scenario{
		Seed:         seed,
		Start:        time.Unix(1e9, 0).UTC(),
		Duration:     r.created + seconds(annotation(pod, "trace/seconds", 30)),
		ControlPlane: model.DefaultControlPlane(),
		Latencies:    model.DefaultLatencies(),
		Nodes:        []model.NodeSpec{testerNode()},
		Registries:   []model.Registry{{Host: "*", Bandwidth: testerBandwidth}},
		Images:       r.images(pod),
		Steps:        []model.Step{{At: r.created, Objects: []model.Object{{Object: pod}}}},
	}
	sc.Latencies.PullPerByte = model.Dist{}
	if at := annotation(pod, "trace/delete-after", -1); at >= 0 {
		sc.Steps = append(sc.Steps, model.Step{At: r.created + seconds(at), Verb: model.StepDelete,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, GraceSeconds: -1})
	}
	for _, c := range containersOf(pod) {
		sc.Behaviors = append(sc.Behaviors, r.behavior(c))
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
func (r tester) images(pod *v1.Pod) []model.ImageSpec {
	size := func(d time.Duration) int64 { return int64(d.Seconds() * testerBandwidth) }
	images := []model.ImageSpec{
		{Name: testerImage, Size: 4 << 20},
		{Name: "127.0.0.1:25000/slow:1", Size: size(r.slow)},
		{Name: "127.0.0.1:25000/big:1", Size: size(r.big)},
		{Name: "127.0.0.1:25000/denied:1", Error: "unauthorized"},
		{Name: "127.0.0.1:25000/err500:1", Error: "serverError"},
		{Name: "127.0.0.1:25001/x:1", Error: "refused"},
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

func testerNode() model.NodeSpec {
	node := &v1.Node{}
	node.Status.Capacity = v1.ResourceList{
		"cpu": resource.MustParse("2"), "memory": resource.MustParse("24Gi"),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("100Gi"),
	}
	model.DefaultNode(node)
	return model.NodeSpec{Name: "real0", Object: node, Images: []string{testerImage}}
}

func seconds(s float64) model.Time { return model.Time(s*1000) * model.Millisecond }

func annotation(pod *v1.Pod, key string, absent float64) float64 {
	x, err := strconv.ParseFloat(pod.Annotations[key], 64)
	if err != nil {
		return absent
	}
	return x
}

// behavior is what a tester container with these arguments does.
func (r tester) behavior(c *v1.Container) model.Behavior {
	b := model.Behavior{Container: c.Name}
	if len(c.Command) > 0 && c.Command[0] != "/tester" {
		b.StartError = "exec: \"" + c.Command[0] + "\": stat " + c.Command[0] + ": no such file or directory: unknown"
		return b
	}
	args := append(c.Command[min(1, len(c.Command)):len(c.Command):len(c.Command)], c.Args...)
	runSignals(&b, args)
	took := runArguments(&b, args, c.Resources.Limits.Memory().Value()>>20)
	b.Run.For = model.Dist{Value: float64(testerStart + took)}
	for k, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			b.Probes[k] = r.probePoints(p)
		}
	}
	if h := c.Lifecycle; h != nil {
		b.PostStart, b.PreStop = hookRun(h.PostStart), hookRun(h.PreStop)
	}
	return b
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

// runArguments takes over the arguments that run in order; it gives the time until the process
// ends by itself.
func runArguments(b *model.Behavior, args []string, limitMiB int64) (took model.Time) {
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "sleep":
			d, _ := time.ParseDuration(value)
			took += model.Time(d)
		case "write":
			_, size, _ := strings.Cut(value, ":")
			took += model.Time(number(size)) * 2 * model.Millisecond
		case "alloc":
			n := int64(number(value))
			b.Run.OOM = limitMiB > 0 && n > limitMiB
			if b.Run.OOM {
				return took + model.Time(limitMiB)*5*model.Millisecond
			}
			took += model.Time(n) * 5 * model.Millisecond
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

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// probePoints is the tester's judgement over time.
func (r tester) probePoints(p *v1.Probe) []model.ProbePoint {
	kind, n := probeWords(p)
	at := func(s int) model.Time { return max(0, model.Time(s)*model.Second-r.early) }
	// The HTTP server listens once the process runs its arguments.
	points := []model.ProbePoint{{At: 0, OK: p.Exec != nil}, {At: testerStart, OK: true}}
	switch kind {
	case "after":
		return []model.ProbePoint{{At: 0}, {At: at(n[0]), OK: true}}
	case "until":
		return append(points, model.ProbePoint{At: at(n[0])})
	case "flap":
		for t := n[0]; t < 1000; t += n[0] + n[1] {
			points = append(points, model.ProbePoint{At: at(t)}, model.ProbePoint{At: at(t + n[1]), OK: true})
		}
	}
	return points
}

// probeWords gives the kind of a probe and its numbers, from a command such as "/tester probe
// flap 2 3" or a path such as "/flap?on=2&off=3".
func probeWords(p *v1.Probe) (kind string, n []int) {
	var words []string
	if p.Exec != nil {
		words = p.Exec.Command[2:]
	} else if p.HTTPGet != nil {
		words = strings.FieldsFunc(p.HTTPGet.Path, func(c rune) bool { return strings.ContainsRune("/?&=", c) })
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

// hookRun is how a command of the tester goes as a hook.
func hookRun(h *v1.LifecycleHandler) model.HookRun {
	if h == nil || h.Exec == nil {
		return model.HookRun{}
	}
	var b model.Behavior
	took := runArguments(&b, h.Exec.Command[1:], 0)
	return model.HookRun{Takes: model.Dist{Value: float64(took)}, Fail: len(b.Run.Exit) > 0 && b.Run.Exit[0] != 0}
}
