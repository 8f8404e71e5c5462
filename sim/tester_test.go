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

// testerStart is the time from the container's start until its first argument.
const testerStart = 40 * time.Millisecond

// testerImages are the images of the recordings' registry; what is not there is not found.
var testerImages = []model.ImageSpec{
	{Name: "127.0.0.1:25000/tester:1", Size: 4 << 20},
	{Name: "127.0.0.1:25000/slow:1", Size: 450 << 20},
	{Name: "127.0.0.1:25000/big:1", Size: 200 << 20},
	{Name: "127.0.0.1:25000/denied:1", Error: "unauthorized"},
	{Name: "127.0.0.1:25000/err500:1", Error: "serverError"},
	{Name: "127.0.0.1:25001/x:1", Error: "refused"},
}

// testerScenario runs a recorded pod on one node: it is created at the moment created and
// deleted as its annotation says.
func testerScenario(pod *v1.Pod, created model.Time, seed uint64) *model.Scenario {
	pod = pod.DeepCopy()
	pod.Namespace = "default"
	model.DefaultPod(pod)
	sc := &model.Scenario{
		Seed:         seed,
		Start:        time.Unix(1e9, 0).UTC(),
		Duration:     created + seconds(annotation(pod, "trace/seconds", 30)),
		ControlPlane: model.DefaultControlPlane(),
		Latencies:    model.DefaultLatencies(),
		Nodes:        []model.NodeSpec{testerNode()},
		Registries:   []model.Registry{{Host: "*", Bandwidth: 50 << 20}},
		Images:       testerImages,
		Steps:        []model.Step{{At: created, Objects: []model.Object{{Object: pod}}}},
	}
	// Unpacking is in the measured transfer.
	sc.Latencies.PullPerByte = model.Dist{}
	if at := annotation(pod, "trace/delete-after", -1); at >= 0 {
		sc.Steps = append(sc.Steps, model.Step{At: created + seconds(at), Verb: model.StepDelete,
			Kind: model.KindPod, Namespace: pod.Namespace, Name: pod.Name, GraceSeconds: -1})
	}
	for _, list := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			sc.Behaviors = append(sc.Behaviors, testerBehavior(&list[i]))
			if !known(list[i].Image) {
				sc.Images = append(sc.Images, model.ImageSpec{Name: list[i].Image, Error: "notFound"})
			}
		}
	}
	return sc
}

func known(image string) bool {
	for i := range testerImages {
		if testerImages[i].Name == image {
			return true
		}
	}
	return false
}

func testerNode() model.NodeSpec {
	node := &v1.Node{}
	node.Labels = map[string]string{"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
	node.Status.Capacity = v1.ResourceList{
		"cpu": resource.MustParse("2"), "memory": resource.MustParse("24Gi"),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("100Gi"),
	}
	model.DefaultNode(node)
	return model.NodeSpec{Name: "real0", Object: node, Images: []string{testerImages[0].Name}}
}

func seconds(s float64) model.Time { return model.Time(s*1000) * model.Millisecond }

func annotation(pod *v1.Pod, key string, absent float64) float64 {
	x, err := strconv.ParseFloat(pod.Annotations[key], 64)
	if err != nil {
		return absent
	}
	return x
}

// testerBehavior is what a tester container with these arguments does.
func testerBehavior(c *v1.Container) model.Behavior {
	b := model.Behavior{Container: c.Name}
	if len(c.Command) > 0 && c.Command[0] != "/tester" {
		b.StartError = "exec: \"" + c.Command[0] + "\": stat " + c.Command[0] + ": no such file or directory: unknown"
		return b
	}
	took := runArguments(&b, append(c.Command[min(1, len(c.Command)):], c.Args...), c.Resources.Limits.Memory().Value()>>20)
	b.Run.For = model.Dist{Value: float64(testerStart + took)}
	for k, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			b.Probes[k] = probePoints(p)
		}
	}
	if h := c.Lifecycle; h != nil {
		b.PostStart, b.PreStop = hookRun(h.PostStart), hookRun(h.PreStop)
	}
	return b
}

// runArguments takes over the arguments; it gives the time until the process ends by itself.
func runArguments(b *model.Behavior, args []string, limitMiB int64) (took time.Duration) {
	for _, a := range args {
		if a == "ignoreterm" {
			b.OnTerm.Ignore = true
		} else if n, ok := strings.CutPrefix(a, "term-exit="); ok {
			b.OnTerm.Exit = int32(number(n))
		}
	}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "sleep":
			d, _ := time.ParseDuration(value)
			took += d
		case "write":
			_, size, _ := strings.Cut(value, ":")
			took += time.Duration(number(size)) * 2 * time.Millisecond
		case "alloc":
			if n := int64(number(value)); limitMiB == 0 || n <= limitMiB {
				took += time.Duration(n) * 5 * time.Millisecond
				continue
			}
			b.Run.OOM = true
			return took + time.Duration(limitMiB)*5*time.Millisecond
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
func probePoints(p *v1.Probe) []model.ProbePoint {
	var words []string
	if p.Exec != nil && len(p.Exec.Command) > 3 {
		words = p.Exec.Command[2:]
	} else if p.HTTPGet != nil {
		words = strings.FieldsFunc(p.HTTPGet.Path, func(r rune) bool { return strings.ContainsRune("/?&=", r) })
		words = append(words[:1:1], numbers(words[1:])...)
	}
	if len(words) < 2 {
		return nil
	}
	a := number(words[1])
	// The HTTP server listens once the process runs its arguments.
	points := []model.ProbePoint{{At: 0, OK: p.Exec != nil}, {At: model.Time(testerStart), OK: true}}
	switch words[0] {
	case "after":
		return []model.ProbePoint{{At: 0}, {At: seconds(float64(a)), OK: true}}
	case "until":
		return append(points, model.ProbePoint{At: seconds(float64(a))})
	}
	for at := a; at < 1000; at += a + number(words[2]) {
		points = append(points, model.ProbePoint{At: seconds(float64(at))},
			model.ProbePoint{At: seconds(float64(at + number(words[2]))), OK: true})
	}
	return points
}

func numbers(words []string) (out []string) {
	for _, w := range words {
		if _, err := strconv.Atoi(w); err == nil {
			out = append(out, w)
		}
	}
	return out
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
