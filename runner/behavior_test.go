package runner

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/runner/workload"
	"podsim/scenarios"
	"podsim/sim"
)

// played is a cluster with the pod of a manifest on its node, some seconds after it was made.
func played(t *testing.T, pod, behaviors string) (*sim.Cluster, *standIns) {
	t.Helper()
	c, s, _ := observed(t, pod, behaviors)
	return c, s
}

// observed is played with the reasons and messages of the Events about the pod, in which its address is IP.
func observed(t *testing.T, pod, behaviors string) (*sim.Cluster, *standIns, *[]string) {
	t.Helper()
	indent := func(s string) string { return "    " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n    ") }
	file := `apiVersion: podsim/v1alpha1
kind: Scenario
spec:
  duration: 1m
  nodes:
  - name: node
    template: {status: {capacity: {cpu: 8, memory: 32Gi}}}
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: pod}
` + indent(pod) + "\n  behaviors:\n" + indent(behaviors) + "\n"
	sc, err := scenarios.ReadBytes("test.yaml", []byte(file), nil)
	require.NoError(t, err, file)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	events := new([]string)
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		if e.Kind == model.KindPod {
			text := c.State().EventReason(e) + ": " + c.State().EventMessage(e)
			if ip := c.State().IP(&c.State().Pods[e.ID]); ip != "" {
				text = strings.ReplaceAll(text, ip, "IP")
			}
			*events = append(*events, text)
		}
	})
	c.Begin()
	c.Run(5*model.Second, func() bool { return true })
	template := c.State().Pods[1].Template
	list := make([]*model.Behavior, len(template.Containers))
	for i := range list {
		list[i] = c.BehaviorOf(1, i)
	}
	return c, newStandIns(template, list, nil), events
}

// runOf is what the program does in the n-th run of container i of a pod at 127.64.0.1.
func runOf(c *sim.Cluster, s *standIns, i int, n int32) workload.Run {
	return workloadRun(c.RunOf(1, i, n), s, i, "127.64.0.1", 0)
}

func TestWorkloadRun(t *testing.T) {
	const oneContainer = `
spec:
  containers:
  - {name: app, image: app, volumeMounts: [{name: data, mountPath: /data}, {name: more, mountPath: /more, readOnly: true}]}
  volumes: [{name: data, emptyDir: {}}, {name: more, emptyDir: {}}]`
	usual := workload.Run{MessagePath: filepath.Join(workload.Directory, terminationLog), Commands: map[string][]workload.Answer{}}
	for name, c := range map[string]struct {
		behavior string
		want     func(*workload.Run)
	}{
		"nothing said": {"{match: {}}", func(w *workload.Run) { w.Forever = true }},
		"for ever":     {"{match: {}, run: {forever: true}}", func(w *workload.Run) { w.Forever = true }},
		"for a time":   {"{match: {}, run: {for: 3s, exit: [1, 2], message: why, log: how}}", func(w *workload.Run) { w.For, w.Exit, w.Message, w.Log = 3*time.Second, 2, "why", "how" }},
		"work":         {"{match: {}, run: {work: 4s, cpus: 0.25, exit: 3}}", func(w *workload.Run) { w.Work, w.MilliCPUs, w.Exit = 4*time.Second, 250, 3 }},
		"oom":          {"{match: {}, run: {for: 1s, oom: true}}", func(w *workload.Run) { w.For, w.OOM = time.Second, true }},
		"term":         {"{match: {}, onTerm: {after: 2s, exit: 143}}", func(w *workload.Run) { w.Forever, w.Term = true, workload.Term{After: 2 * time.Second, Exit: 143} }},
		"term ignored": {"{match: {}, onTerm: {ignore: true}}", func(w *workload.Run) { w.Forever, w.Term = true, workload.Term{Ignore: true} }},
		"memory": {"{match: {}, memory: [{at: 0s, use: 1Mi}, {at: 2s, use: 3Mi}]}", func(w *workload.Run) {
			w.Forever, w.Memory = true, []workload.MemoryPoint{{Use: 1 << 20}, {At: 2 * time.Second, Use: 3 << 20}}
		}},
		"memory of a child": {"{match: {}, memory: {child: true, linear: true, points: [{at: 0s, use: 0}, {at: 4s, use: 4Mi}]}}", func(w *workload.Run) {
			w.Forever, w.ChildMemory, w.Memory = true, true, []workload.MemoryPoint{{PerSecond: 1 << 20}, {At: 4 * time.Second, Use: 4 << 20}}
		}},
		"processes": {"{match: {}, processes: [{at: 1s, count: 4}]}", func(w *workload.Run) {
			w.Forever, w.Processes = true, []workload.ProcessPoint{{At: time.Second, Count: 4}}
		}},
		"disk": {"{match: {}, disk: [{at: 0s, use: 1}, {at: 1s, use: 2, volume: data, inodes: 3}, {at: 2s, use: 4, log: true}, {at: 3s, use: 5, volume: more}]}", func(w *workload.Run) {
			w.Forever = true
			w.Files = []workload.FilePoint{{Path: layerFile, Use: 1}, {At: time.Second, Path: "/data/podsim-app", Use: 2, Inodes: 3}}
			w.Logs = []workload.FilePoint{{At: 2 * time.Second, Use: 4}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, s := played(t, oneContainer, "- "+c.behavior)
			want := usual
			c.want(&want)
			got := runOf(cluster, s, 0, 3)
			assert.Len(t, got.Memory, len(want.Memory))
			for i := range got.Memory {
				assert.InDelta(t, want.Memory[i].PerSecond, got.Memory[i].PerSecond, 1e-3)
				got.Memory[i].PerSecond = want.Memory[i].PerSecond
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestProbesAndHooksOfTheProgram(t *testing.T) {
	c, s := played(t, `
spec:
  containers:
  - name: web
    image: web
    ports: [{name: http, containerPort: 8080}]
    startupProbe: {tcpSocket: {port: 8080}}
    livenessProbe: {httpGet: {path: /healthz, port: http}}
    readinessProbe: {grpc: {port: 9090, service: db}}
    lifecycle: {postStart: {httpGet: {path: /warm, port: 8080}}, preStop: {exec: {command: [bye]}}}
  - name: side
    image: side
    startupProbe: {exec: {command: [ok]}}
    livenessProbe: {httpGet: {port: 80}}
    readinessProbe: {exec: {command: [ok]}}
    lifecycle: {postStart: {exec: {command: [hi]}}, preStop: {sleep: {seconds: 1}}}
    securityContext: {runAsUser: 1000}`, `
- match: {container: web}
  startup: [{at: 0s, ok: false}, {at: 1s, ok: true}]
  liveness: [{at: 0s, ok: true}, {at: 9s, ok: false, status: 500, output: broken, takes: 2s}]
  readiness: [{at: 3s, ok: false, refused: true}]
  postStart: {takes: 1s, fail: true, output: cold}
  preStop: {takes: 2s, exit: 3}
- match: {container: side}
  readiness: [{at: 3s, ok: false, output: not yet, takes: {uniform: {min: 0s, max: 64s}}}]
  postStart: {takes: 1s}`)
	web := runOf(c, s, 0, 1)
	assert.Equal(t, []workload.Server{
		{Address: "127.64.0.1:8080", Protocol: workload.HTTP, Answers: []workload.Answer{{OK: true},
			{At: 9 * time.Second, Output: "broken", Status: 500, Takes: []time.Duration{2 * time.Second}}}},
		{Address: "127.64.0.1:9090", Protocol: workload.GRPC, Answers: []workload.Answer{{At: 3 * time.Second, Refused: true}}},
		{Address: "127.64.0.1:20000", Protocol: workload.TCP, Answers: []workload.Answer{{}, {At: time.Second, OK: true}}},
		{Address: "127.64.0.1:20001", Protocol: workload.HTTP, Answers: []workload.Answer{{Output: "cold", Takes: []time.Duration{time.Second}}}},
	}, web.Servers)
	assert.Equal(t, map[string][]workload.Answer{"hook preStop": {{Exit: 3, Takes: []time.Duration{2 * time.Second}}}}, web.Commands)
	assert.Equal(t, "127.64.0.1:8080", s.address(0, asked(model.Liveness), "127.64.0.1"))
	assert.Equal(t, "127.64.0.1:20001", s.address(0, askedPostStart, "127.64.0.1"))

	side := runOf(c, s, 1, 1)
	assert.Equal(t, []workload.Server{{Address: "127.64.0.1:20002", Protocol: workload.HTTP}}, side.Servers, "who is not root cannot listen on port 80")
	require.Len(t, side.Commands["probe readiness"], 1)
	takes := side.Commands["probe readiness"][0].Takes
	require.Len(t, takes, 64)
	for i := range takes {
		assert.Equal(t, time.Duration(i)*time.Second+time.Second/2, takes[i].Round(time.Millisecond))
	}
	side.Commands["probe readiness"] = nil
	assert.Equal(t, map[string][]workload.Answer{"probe startup": nil, "probe readiness": nil, "hook postStart": {{OK: true, Takes: []time.Duration{time.Second}}}}, side.Commands)
}

// Containers of a pod that share a port of the scenario answer for each other.
func TestSharedPort(t *testing.T) {
	c, s := played(t, `
spec:
  containers:
  - {name: one, image: one, readinessProbe: {tcpSocket: {port: 80}}}
  - {name: two, image: two, readinessProbe: {httpGet: {port: 80}}}
  - {name: three, image: three, readinessProbe: {tcpSocket: {port: 81}}}`, `
- {match: {container: one}, port: 80, readiness: [{at: 0s, ok: false}]}
- {match: {container: two}, port: 80}`)
	busy := newStandIns(s.template, s.behaviors, map[int]bool{81: true, 20001: true})
	assert.Equal(t, "127.64.0.1:20002", busy.address(2, asked(model.Readiness), "127.64.0.1"), "the machine uses port 81")
	both := []workload.Server{
		{Address: "127.64.0.1:80", Protocol: workload.TCP, Answers: []workload.Answer{{}}},
		{Address: "127.64.0.1:20000", Protocol: workload.HTTP},
	}
	assert.Equal(t, both, runOf(c, s, 0, 1).Servers)
	assert.Equal(t, both, runOf(c, s, 1, 1).Servers)
	assert.Equal(t, []workload.Server{{Address: "127.64.0.1:81", Protocol: workload.TCP}}, runOf(c, s, 2, 1).Servers)
}

// A random walk takes the steps that it takes in the simulation.
func TestMemoryWalkOfTheProgram(t *testing.T) {
	c, s := played(t, "spec: {containers: [{name: app, image: app}]}", `
- {match: {}, memory: {walk: {base: 50Mi, step: 5Mi, min: 10Mi, max: 90Mi, period: 100ms}}}`)
	points := runOf(c, s, 0, 1).Memory
	require.Len(t, points, 551, "for the 55 seconds that are left")
	assert.Equal(t, workload.MemoryPoint{Use: 50 << 20}, points[0])
	for i, p := range points {
		assert.Equal(t, time.Duration(i)*100*time.Millisecond, p.At)
		assert.True(t, p.Use >= 10<<20 && p.Use <= 90<<20)
	}
	assert.Equal(t, points, runOf(c, s, 0, 1).Memory)
	assert.NotEqual(t, points, runOf(c, s, 0, 2).Memory)
}
