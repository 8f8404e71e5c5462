package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
)

func TestTraceDev(t *testing.T) {
	out := os.Getenv("TRACE_OUT")
	if out == "" {
		t.Skip("dev only")
	}
	files, _ := filepath.Glob("../../shared/kubelet-traces/*.jsonl")
	for _, f := range files {
		runTrace(t, f, filepath.Join(out, filepath.Base(f)))
	}
}

func argBehavior(c *v1.Container) model.Behavior {
	b := model.Behavior{Container: c.Name}
	total := time.Duration(0)
	done := false
	args := append(append([]string{}, c.Command...), c.Args...)
	if len(c.Command) > 0 && c.Command[0] != "/tester" {
		b.StartError = "exec: \"" + c.Command[0] + "\": no such file"
		return b
	}
	b.Run.Forever = false
	limit := c.Resources.Limits.Memory().Value()
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "ignoreterm":
			b.OnTerm.Ignore = true
			continue
		case "term-exit":
			n, _ := strconv.Atoi(v)
			b.OnTerm.Exit = int32(n)
			continue
		}
		if done {
			continue
		}
		switch k {
		case "sleep":
			d, _ := time.ParseDuration(v)
			total += d
		case "forever":
			b.Run.Forever = true
			done = true
		case "exit":
			n, _ := strconv.Atoi(v)
			b.Run.Exit = []int32{int32(n)}
			done = true
		case "alloc":
			n, _ := strconv.Atoi(v)
			if limit > 0 && int64(n)<<20 > limit {
				total += time.Duration(limit>>20) * 5 * time.Millisecond
				b.Run.OOM = true
				done = true
			} else {
				total += time.Duration(n) * 5 * time.Millisecond
			}
		}
	}
	b.Run.For = model.Dist{Value: float64(total + 40*time.Millisecond)}
	for k, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p == nil {
			continue
		}
		kind, x, y := "", 0, 0
		if p.Exec != nil && len(p.Exec.Command) > 3 {
			kind = p.Exec.Command[2]
			x, _ = strconv.Atoi(p.Exec.Command[3])
			if len(p.Exec.Command) > 4 {
				y, _ = strconv.Atoi(p.Exec.Command[4])
			}
		} else if p.HTTPGet != nil {
			path, q, _ := strings.Cut(strings.TrimPrefix(p.HTTPGet.Path, "/"), "?")
			kind = path
			for _, kv := range strings.Split(q, "&") {
				key, v, _ := strings.Cut(kv, "=")
				n, _ := strconv.Atoi(v)
				if key == "off" {
					y = n
				} else {
					x = n
				}
			}
		}
		s := func(n int) model.Time { return model.Time(n) * model.Second }
		var pts []model.ProbePoint
		switch kind {
		case "after":
			pts = []model.ProbePoint{{At: 0, OK: false}, {At: s(x), OK: true}}
		case "until":
			pts = []model.ProbePoint{{At: 0, OK: true}, {At: s(x), OK: false}}
		case "flap":
			for n := 0; n < 1000; n += x + y {
				pts = append(pts, model.ProbePoint{At: s(n), OK: true}, model.ProbePoint{At: s(n + x), OK: false})
			}
		}
		b.Probes[k] = pts
	}
	return b
}

func runTrace(t *testing.T, file, out string) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	r := bufio.NewScanner(f)
	r.Buffer(nil, 1<<24)
	r.Scan()
	var spec struct {
		Type string
		Pod  *v1.Pod
	}
	require.NoError(t, json.Unmarshal(r.Bytes(), &spec))
	if spec.Pod == nil {
		return
	}
	pod := spec.Pod
	pod.Namespace = "default"
	model.DefaultPod(pod)
	seconds, _ := strconv.ParseFloat(pod.Annotations["trace/seconds"], 64)
	sc := &model.Scenario{Seed: 1, Duration: model.Time(seconds * 1e9), Start: time.Unix(1e9, 0).UTC(), ControlPlane: model.DefaultControlPlane(), Latencies: model.DefaultLatencies()}
	node := &v1.Node{}
	node.Status.Capacity = v1.ResourceList{}
	model.DefaultNode(node)
	q := func(n v1.ResourceName, s string) {
		node.Status.Capacity[n] = mustQuantity(s)
		if node.Status.Allocatable == nil {
			node.Status.Allocatable = v1.ResourceList{}
		}
		node.Status.Allocatable[n] = mustQuantity(s)
	}
	q("cpu", "2")
	q("memory", "16Gi")
	q("pods", "110")
	q("ephemeral-storage", "100Gi")
	sc.Nodes = []model.NodeSpec{{Name: "real0", Object: node, Images: []string{"127.0.0.1:25000/tester:1"}}}
	sc.Images = []model.ImageSpec{
		{Name: "127.0.0.1:25000/slow:1", Size: 36 << 20}, {Name: "127.0.0.1:25000/big:1", Size: 200 << 20},
		{Name: "127.0.0.1:25000/denied:1", Error: "unauthorized"}, {Name: "127.0.0.1:25000/err500:1", Error: "serverError"},
		{Name: "127.0.0.1:25001/x:1", Error: "refused"},
	}
	sc.Registries = []model.Registry{{Host: "127.0.0.1:25000", Bandwidth: 50 << 20}}
	for _, l := range [][]v1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range l {
			sc.Behaviors = append(sc.Behaviors, argBehavior(&l[i]))
			for _, known := range []string{"tester", "slow", "big", "denied", "err500", "x"} {
				if strings.HasSuffix(l[i].Image, "/"+known+":1") {
					goto ok
				}
			}
			sc.Images = append(sc.Images, model.ImageSpec{Name: l[i].Image, Error: "notFound"})
		ok:
		}
	}
	t0 := 20*model.Second + 300*model.Millisecond
	sc.Steps = []model.Step{{At: t0, Verb: model.StepApply, Objects: []model.Object{{Object: pod}}}}
	if s, ok := pod.Annotations["trace/delete-after"]; ok {
		d, _ := strconv.ParseFloat(s, 64)
		sc.Steps = append(sc.Steps, model.Step{At: t0 + model.Time(d*1e9), Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: pod.Name, GraceSeconds: -1})
	}
	c, err := NewCluster(sc)
	require.NoError(t, err)
	w, _ := os.Create(out)
	defer w.Close()
	enc := json.NewEncoder(w)
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod {
			enc.Encode(traceLine(c, tr, t0))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			o := &c.state.Pods[e.ID]
			field := ""
			if e.Container >= 0 {
				field = fmt.Sprintf("spec.containers{%s}", o.Template.Containers[e.Container].Name)
				if int(e.Container) < o.Template.NumInit {
					field = fmt.Sprintf("spec.initContainers{%s}", o.Template.Containers[e.Container].Name)
				}
			}
			enc.Encode(map[string]any{"ms": (e.At - t0) / 1e6, "type": "event", "event": e.Reason.String(), "message": c.state.EventMessage(e), "count": e.Count, "field": field})
		}
	})
	c.Begin()
	c.Run(t0+sc.Duration, nil)
}

func traceLine(c *Cluster, tr model.Transition, t0 model.Time) map[string]any {
	o := &c.state.Pods[tr.ID]
	m := map[string]any{"ms": (tr.At - t0) / 1e6, "type": tr.Type.String(), "phase": o.Status.Phase.String()}
	if o.Status.Reason != 0 {
		m["reason"] = c.state.Texts.String(o.Status.Reason)
	}
	if o.Deleting {
		m["deletionTimestampMs"] = int64(o.DeletionTimestamp-t0) / 1e6
		m["deletionGracePeriodSeconds"] = o.GraceSeconds
	}
	conds := map[string]string{}
	for k := range o.Status.Conditions {
		x := &o.Status.Conditions[k]
		if x.Status == 0 {
			continue
		}
		s := x.Status.String()
		if x.Reason != 0 {
			s += " " + c.state.Texts.String(x.Reason)
		}
		if msg := c.state.ConditionMessage(o, model.ConditionType(k)); msg != "" {
			s += ": " + msg
		}
		conds[model.ConditionType(k).String()] = s
	}
	m["conditions"] = conds
	var cs []map[string]any
	state := func(s *model.ContainerState) map[string]any {
		x := map[string]any{"state": s.Kind.String()}
		if s.Reason != 0 {
			x["reason"] = c.state.Texts.String(s.Reason)
		}
		if s.Kind == model.StateTerminated {
			x["exitCode"] = s.ExitCode
		}
		return x
	}
	for pass := 0; pass < 1; pass++ {
		for i := range o.Status.Containers {
			k := &o.Status.Containers[i]
			x := state(&k.State)
			x["name"] = o.Template.Containers[i].Name
			if i < o.Template.NumInit {
				x["kind"] = "init"
			}
			x["started"], x["ready"], x["restarts"] = k.Started, k.Ready, k.Restarts
			if k.Last.Kind != 0 {
				x["last"] = state(&k.Last)
			}
			cs = append(cs, x)
		}
	}
	if cs != nil {
		m["containers"] = cs
	}
	return m
}

func mustQuantity(s string) resource.Quantity { return resource.MustParse(s) }
