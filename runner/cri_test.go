package runner

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
	"podsim/scenarios"
	"podsim/sim"
)

// onePod is a scenario with a pod whose containers run until somebody ends them. Its kubelet makes no
// cgroups, for which nobody needs to be root.
const onePod = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: one-pod}
spec:
  duration: 20s
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi}}}
    images: [app:1]
    kubelet:
      apiVersion: kubelet.config.k8s.io/v1beta1
      kind: KubeletConfiguration
      cgroupsPerQOS: false
      enforceNodeAllocatable: []
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: web}
    spec: {restartPolicy: Never, containers: [{name: app, image: "app:1"}]}
`

// playFake plays a scenario on a runtime until its pod's container is in a state, or the scenario ends. each
// is called after every event.
func playFake(t *testing.T, f *ruledRuntime, text string, until model.StateKind, each func(model.ContainerState)) model.ContainerState {
	sc, err := scenarios.ReadBytes("test.yaml", []byte(text), nil)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	conn, err := Dial("unix://" + f.socket)
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d := NewDriver(c)
	var state model.ContainerState
	d.Tick = func() {
		if s := c.State(); len(s.Pods) > 1 && len(s.Pods[1].Status.Containers) > 0 {
			state = s.Pods[1].Status.Containers[0].State
			if each != nil {
				each(state)
			}
			if state.Kind == until {
				cancel()
			}
		}
	}
	r := &CRI{Run: "00c0ffee", Directory: t.TempDir(), ctx: ctx, cluster: c, driver: d, conn: conn, images: ruledImages{}, configs: configData{sc.Steps}}
	r.begin()
	if err := d.Run(ctx, sc.Duration); err != nil {
		require.ErrorIs(t, err, context.Canceled)
	}
	cancel()
	d.wait(5 * time.Second)
	require.Equal(t, until, state.Kind, "the container's state")
	return state
}

// exitOnce ends the container when it runs, once.
func exitOnce(f *ruledRuntime, code int32, quietly bool) func(model.ContainerState) {
	done := false
	return func(s model.ContainerState) {
		if s.Kind == model.StateRunning && !done {
			done = f.exit("app", code, quietly)
		}
	}
}

func TestEndByEvent(t *testing.T) {
	f := newRuledRuntime(t)
	end := playFake(t, f, onePod, model.StateTerminated, exitOnce(f, 3, false))
	assert.EqualValues(t, 3, end.ExitCode)
}

// Without events the containers are listed.
func TestEndWithoutEvents(t *testing.T) {
	f := newRuledRuntime(t)
	f.withoutEvents = true
	end := playFake(t, f, onePod, model.StateTerminated, exitOnce(f, 3, true))
	assert.EqualValues(t, 3, end.ExitCode)
	assert.Positive(t, f.count("ListContainers"))
}

// A container ends while nobody hears its event: the list after the next begin of the events shows it.
func TestEndWhileEventsAreBroken(t *testing.T) {
	f := newRuledRuntime(t)
	exit := exitOnce(f, 3, true)
	broken := false
	end := playFake(t, f, onePod, model.StateTerminated, func(s model.ContainerState) {
		exit(s)
		if s.Kind == model.StateRunning && !broken {
			broken = true
			f.breakEvents()
		}
	})
	assert.EqualValues(t, 3, end.ExitCode)
	assert.Less(t, end.FinishedAt, 5*model.Second, "the list of every 10 s came first")
}

// A container may have ended, and its event be here, before the runtime answers that it was started.
func TestEndBeforeStartAnswers(t *testing.T) {
	f := newRuledRuntime(t)
	f.rule = func(method string, done bool) error {
		if method == "StartContainer" && done {
			f.exit("app", 4, false)
			for f.count("ContainerStatus") == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	}
	end := playFake(t, f, onePod, model.StateTerminated, nil)
	assert.EqualValues(t, 4, end.ExitCode)
}

// A runtime that goes away during a call may have carried it out: nothing is made twice.
func TestAwayDuringCalls(t *testing.T) {
	for _, method := range []string{"RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer"} {
		for _, done := range []bool{false, true} {
			name := method + " not done"
			if done {
				name = method + " done"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newRuledRuntime(t)
				var failed atomic.Bool
				f.rule = func(m string, d bool) error {
					if m == method && d == done && failed.CompareAndSwap(false, true) {
						return errAway
					}
					return nil
				}
				playFake(t, f, onePod+deletion, model.StateTerminated, nil)
				assert.Len(t, f.sandboxes, 1)
				assert.LessOrEqual(t, len(f.containers), 1)
			})
		}
	}
}

// deletion deletes the pod.
const deletion = `  steps:
  - {at: 2s, delete: pod/web}
`

// The runtime is restarted: what was running runs on, and calls of the time between are made when it is back.
func TestRuntimeRestarts(t *testing.T) {
	f := newRuledRuntime(t)
	restarted := false
	exit := exitOnce(f, 5, true)
	end := playFake(t, f, onePod, model.StateTerminated, func(s model.ContainerState) {
		if s.Kind == model.StateRunning && !restarted {
			restarted = true
			f.server.Stop()
			exit(s)
			f.serve(t)
		}
	})
	assert.EqualValues(t, 5, end.ExitCode)
}

// Credentials do not hide that the runtime is away.
func TestAwayDuringPull(t *testing.T) {
	f := newRuledRuntime(t)
	f.rule = func(string, bool) error { return errAway }
	conn, err := Dial(f.socket)
	require.NoError(t, err)
	defer conn.Close()
	keys := []images.Credential{{User: "a"}, {User: "b"}}
	err = pullImage(t.Context(), runtimeapi.NewImageServiceClient(conn), &runtimeapi.ImageSpec{Image: "app:1"}, keys)
	assert.True(t, away(err), "%v", err)
	assert.Equal(t, 1, f.count("PullImage"))
}

// What the scenario's nodes have at the start is on the node before the run begins.
func TestPullFirst(t *testing.T) {
	f := newRuledRuntime(t)
	sc, err := scenarios.ReadBytes("test.yaml", []byte(onePod), nil)
	require.NoError(t, err)
	program, err := Program(t.Context(), "")
	require.NoError(t, err)
	r, err := images.Start(t.Context(), sc, "00c0ffee", program)
	require.NoError(t, err)
	conn, err := Dial("unix://" + f.socket)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, pullFirst(t.Context(), conn, r, sc))
	assert.Equal(t, []string{r.Base(), r.Name("worker", sc.Nodes[0].Images[0])}, f.pulled)
}
