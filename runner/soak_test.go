package runner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

var soak = flag.Int("soak", 40, "the number of pods that live and die in TestSoak, on the real node")

// TestSoak lets many pods live and die on the node, in all the ways that there are. When the last one is gone, the
// runtime has nothing of the run, and podsim has no goroutine or open file more than before; when the run has ended
// there is nothing else of it either.
func TestSoak(t *testing.T) {
	o := Options{Endpoint: realNode(t), Directory: t.TempDir()}
	playSoak(t, o, len(lives)) // what is opened once is open then
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	playSoak(t, o, *soak)
	more := func() bool { return runtime.NumGoroutine() > goroutines || openFiles(t) > files }
	for until := time.Now().Add(5 * time.Second); more() && time.Now().Before(until); {
		wait(t.Context(), 50*time.Millisecond) // connections end in goroutines of their own
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), goroutines, "goroutines")
	assert.LessOrEqual(t, openFiles(t), files, "open files")
}

// playSoak plays n pod lives and looks for what is left of them.
func playSoak(t *testing.T, o Options, n int) {
	sc := soakScenario(t, n)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	began := 0
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindPod && tr.Type == model.Added {
			began++
		}
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	k := &cleaner{directory: o.Directory}
	conn, err := Dial(o.Endpoint)
	require.NoError(t, err)
	defer conn.Close()
	k.conn = conn
	var inRuntime *Leftovers
	o.begun = func(_ *Driver, run string) { k.run, k.directory = run, filepath.Join(o.Directory, run) }
	o.Tick = func() {
		if began == n && !anyPod(c) && inRuntime == nil {
			inRuntime = awaitEmpty(t, k)
			cancel()
		}
	}
	start := time.Now()
	err = Play(ctx, sc, c, o)
	require.True(t, errors.Is(err, context.Canceled) || err == nil, "%v", err)
	require.NotNil(t, inRuntime, "%d of %d pods came, and some did not go within %s", began, n, sc.Duration)
	t.Logf("%d pod lives in %.1fs", n, time.Since(start).Seconds())
	assert.Empty(t, inRuntime.Containers, "containers when all pods are gone")
	assert.Empty(t, inRuntime.Sandboxes, "sandboxes when all pods are gone")
	assert.Empty(t, inRuntime.Processes, "processes when all pods are gone")
	left, err := k.find(t.Context())
	require.NoError(t, err)
	assert.True(t, left.Empty(), "%s left of the run: %+v", left, left)
}

// awaitEmpty waits a little until the runtime has nothing of a run, whose last pods are being removed.
func awaitEmpty(t *testing.T, k *cleaner) *Leftovers {
	for until := time.Now().Add(10 * time.Second); ; {
		l, err := k.find(t.Context())
		require.NoError(t, err)
		if len(l.Containers)+len(l.Sandboxes)+len(l.Processes) == 0 || time.Now().After(until) {
			return l
		}
		wait(t.Context(), 50*time.Millisecond)
	}
}

func anyPod(c *sim.Cluster) bool {
	for id := range c.State().Pods {
		if c.Exists(model.PodID(id)) {
			return true
		}
	}
	return false
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// life is a kind of pod: its spec, what its container does, and how it is deleted.
type life struct{ name, spec, behavior, deleted string }

var lives = []life{
	{"completes", `restartPolicy: Never, containers: [{name: c, image: app:1}]`, `run: {for: 500ms}`, ``},
	{"fails", `restartPolicy: Never, containers: [{name: c, image: app:1}]`, `run: {for: 300ms, exit: 3}`, ``},
	{"crashes", `containers: [{name: c, image: app:1}]`, `run: {for: 200ms, exit: 1}`, ``},
	{"serves", `containers: [{name: c, image: app:1, readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}}]`, `run: {forever: true}`, ``},
	{"checks", `containers: [{name: c, image: app:1, readinessProbe: {exec: {command: [check]}, periodSeconds: 1}}]`,
		`run: {forever: true}, onTerm: {after: 300ms, exit: 1}`, ``},
	{"stubborn", `terminationGracePeriodSeconds: 2, containers: [{name: c, image: app:1}]`, `run: {forever: true}, onTerm: {ignore: true}`, ``},
	{"forced", `containers: [{name: c, image: app:1}]`, `run: {forever: true}, onTerm: {after: 5s}`, `, gracePeriod: 0s, force: true`},
	{"hungry", `restartPolicy: Never, containers: [{name: c, image: app:1, resources: {limits: {memory: 40Mi}}}]`,
		`run: {forever: true}, memory: [{at: 0s, use: 8Mi}, {at: 500ms, use: 80Mi}]`, ``},
	{"dead", `terminationGracePeriodSeconds: 1, containers: [{name: c, image: app:1, livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 1}}]`,
		`run: {forever: true}, liveness: [{at: 0s, ok: true}, {at: 1s, ok: false}]`, ``},
	{"hooked", `containers: [{name: c, image: app:1, lifecycle: {postStart: {exec: {command: [a]}}, preStop: {exec: {command: [b]}}}}, {name: d, image: app:1}]`,
		`run: {forever: true}, preStop: {takes: 300ms}`, ``},
	{"staged", `initContainers: [{name: i, image: app:1}, {name: s, image: app:1, restartPolicy: Always}], containers: [{name: c, image: app:1}]`,
		`run: {for: 700ms}`, ``},
	{"broken", `containers: [{name: c, image: app:1}]`, `startError: 'exec: "serve": executable file not found in $PATH'`, ``},
	{"imageless", `containers: [{name: c, image: gone:1}]`, `run: {forever: true}`, ``},
}

// How far apart the pods are made, and how long after that each is deleted.
const (
	lifeEach  = 220 * time.Millisecond
	lifeTakes = 4 * time.Second
)

// soakScenario has n pods, one after the other.
func soakScenario(t *testing.T, n int) *model.Scenario {
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: soak}
spec:
  seed: 1
  duration: %s
  nodes: [{name: node, template: {status: {capacity: {cpu: "2", memory: 4Gi, pods: "250", ephemeral-storage: 50Gi}}}}]
  images: [{name: "app:1", size: 64Ki}, {name: "gone:1", error: notFound}]
  controlPlane: {kubeScheduler: {qps: -1}, kubelet: {qps: -1}}
  behaviors:
  - match: {container: i}
    run: {for: 100ms}
  - match: {container: s}
    run: {forever: true}
`, time.Duration(n)*lifeEach+lifeTakes+2*time.Minute)
	for _, l := range lives {
		fmt.Fprintf(&b, "  - {match: {pod: %s-*, container: c}, %s}\n", l.name, l.behavior)
	}
	b.WriteString("  steps:\n")
	for i := range n {
		l := lives[i%len(lives)]
		at := time.Duration(i) * lifeEach
		fmt.Fprintf(&b, "  - {at: %s, apply: {apiVersion: v1, kind: Pod, metadata: {name: %s-%d}, spec: {automountServiceAccountToken: false, %s}}}\n",
			at, l.name, i, l.spec)
		fmt.Fprintf(&b, "  - {at: %s, delete: pod/%s-%d%s}\n", at+lifeTakes, l.name, i, l.deleted)
	}
	path := filepath.Join(t.TempDir(), "soak.yaml")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	sc, err := scenarios.Read(path)
	require.NoError(t, err)
	return sc
}

// TestSoakSimulated: the scenario of the soak lets all pods come and go.
func TestSoakSimulated(t *testing.T) {
	c, err := sim.NewCluster(soakScenario(t, 200))
	require.NoError(t, err)
	c.Begin()
	c.Run(2*model.Minute, nil)
	assert.False(t, anyPod(c))
	assert.EqualValues(t, 200, c.Counts().Placements)
}
