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
	sc, s := newSoaking(t, n)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	s.cluster = c
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*lifeMost+time.Minute)
	defer cancel()
	conn, err := Dial(o.Endpoint)
	require.NoError(t, err)
	defer conn.Close()
	k := &cleaner{conn: conn}
	var inRuntime *Leftovers // when all pods are gone
	var files []string
	var gone time.Time
	o.begun = func(d *Driver, run string) {
		k.run, k.directory = run, filepath.Join(o.Directory, run)
		go every(ctx, 100*time.Millisecond, func() { d.Answer(func() {}) })
	}
	o.Tick = func() {
		if inRuntime != nil || !s.over() {
			return
		}
		if gone.IsZero() {
			gone = time.Now()
		}
		l, err := k.find(ctx)
		require.NoError(t, err)
		files, err = filepath.Glob(filepath.Join(k.directory, "*", "*"))
		require.NoError(t, err)
		// The last pods' containers are being removed.
		if len(l.Containers)+len(l.Sandboxes)+len(l.Processes)+len(files) == 0 || time.Since(gone) > 20*time.Second {
			inRuntime = l
			cancel()
		}
	}
	start := time.Now()
	err = Play(ctx, sc, c, o)
	require.True(t, errors.Is(err, context.Canceled), "%v", err)
	require.NotNil(t, inRuntime, "%d of %d pods came", s.made, n)
	t.Logf("%d pod lives in %.1fs", n, time.Since(start).Seconds())
	assert.Empty(t, inRuntime.Containers, "containers when all pods are gone")
	assert.Empty(t, inRuntime.Sandboxes, "sandboxes when all pods are gone")
	assert.Empty(t, inRuntime.Processes, "processes when all pods are gone")
	assert.Empty(t, files, "folders of pods and of their logs when all pods are gone")
	left, err := k.find(t.Context())
	require.NoError(t, err)
	assert.True(t, left.Empty(), "%s left of the run: %+v", left, left)
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

// A pod is deleted some time after it was made, and as many are there at a time as a small node carries. A life may
// take much longer than it does on an idle machine.
const (
	lifeTakes = 3 * model.Second
	livesMost = 28
	lifeMost  = 2 * time.Second
)

// soaking makes and deletes the pods of a soak.
type soaking struct {
	cluster *sim.Cluster
	// apply and remove are the steps of the lives, made counts those that have begun; begun is when each did.
	apply, remove []model.Step
	made, removed int
	begun         []model.Time
}

// over does what is due, and says whether all pods are gone.
func (s *soaking) over() bool {
	now := s.cluster.Now()
	for ; s.removed < s.made && now >= s.begun[s.removed]+lifeTakes; s.removed++ {
		s.cluster.Do(s.remove[s.removed])
	}
	there := 0
	for id := range s.cluster.State().Pods {
		if s.cluster.Exists(model.PodID(id)) {
			there++
		}
	}
	for ; s.made < len(s.apply) && there < livesMost; s.made++ {
		s.cluster.Do(s.apply[s.made])
		s.begun = append(s.begun, now)
		there++
	}
	return there == 0
}

// newSoaking makes the scenario of n lives, in which nothing happens by itself.
func newSoaking(t *testing.T, n int) (*model.Scenario, *soaking) {
	var b strings.Builder
	b.WriteString(`apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: soak}
spec:
  seed: 1
  duration: 24h
  nodes: [{name: node, template: {status: {capacity: {cpu: "2", memory: 4Gi, pods: "250", ephemeral-storage: 50Gi}}}}]
  images: [{name: "app:1", size: 64Ki}, {name: "gone:1", error: notFound}]
  controlPlane: {kubeScheduler: {qps: -1}, kubelet: {qps: -1}}
  behaviors:
  - match: {container: i}
    run: {for: 100ms}
  - match: {container: s}
    run: {forever: true}
`)
	for _, l := range lives {
		fmt.Fprintf(&b, "  - {match: {pod: %s-*, container: c}, %s}\n", l.name, l.behavior)
	}
	b.WriteString("  steps:\n")
	for i := range n {
		l := lives[i%len(lives)]
		fmt.Fprintf(&b, "  - {at: %ds, apply: {apiVersion: v1, kind: Pod, metadata: {name: %s-%d}, spec: {automountServiceAccountToken: false, %s}}}\n",
			2*i, l.name, i, l.spec)
		fmt.Fprintf(&b, "  - {at: %ds, delete: pod/%s-%d%s}\n", 2*i+1, l.name, i, l.deleted)
	}
	sc, err := scenarios.ReadBytes("soak.yaml", []byte(b.String()), nil)
	require.NoError(t, err)
	s := &soaking{}
	for _, step := range sc.Steps {
		switch step.Verb {
		case model.StepApply:
			s.apply = append(s.apply, step)
		case model.StepDelete:
			s.remove = append(s.remove, step)
		}
	}
	sc.Steps = nil
	return sc, s
}

// TestSoakSimulated: the pods of the soak all come and go.
func TestSoakSimulated(t *testing.T) {
	sc, s := newSoaking(t, 200)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	s.cluster = c
	c.Begin()
	for !s.over() {
		at, ok := c.Next()
		if due := c.Now() + 100*model.Millisecond; !ok || at > due {
			c.Advance(due)
		} else {
			c.Step()
		}
		require.Less(t, c.Now(), model.Hour, "%d of 200 pods came", s.made)
	}
	assert.EqualValues(t, 200, c.Counts().Placements)
}
