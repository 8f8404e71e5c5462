package runner

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/scenarios"
	"podsim/sim"
)

// twoPods is a pod that runs for ever and one that ends with 9 after 8 s.
const twoPods = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: two-pods}
spec:
  duration: 30s
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi}}}
    images: [busybox:1.37]
  manifests:
  - apiVersion: v1
    kind: Pod
    metadata: {name: stays}
    spec: {containers: [{name: app, image: busybox:1.37}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: ends}
    spec: {restartPolicy: Never, containers: [{name: app, image: busybox:1.37}]}
  behaviors:
  - match: {pod: ends}
    run: {for: 8s, exit: 9}
  - run: {forever: true}
`

// readTwoPods reads the scenario and makes its cluster.
func readTwoPods(t *testing.T) (*model.Scenario, *sim.Cluster) {
	sc, err := scenarios.ReadBytes("two-pods.yaml", []byte(twoPods), nil)
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	return sc, c
}

// running counts the pods that run.
func running(c *sim.Cluster) int {
	n := 0
	for id := range c.State().Pods {
		if id > 0 && c.State().Pods[id].Status.Phase == model.PodRunning {
			n++
		}
	}
	return n
}

// onNode is what a runtime has, and which shims it has: by ids and names, sorted.
func onNode(t *testing.T, endpoint string) (out []string) {
	conn, err := Dial(endpoint)
	require.NoError(t, err)
	defer conn.Close()
	sandboxes, err := runtimeapi.NewRuntimeServiceClient(conn).ListPodSandbox(context.Background(), &runtimeapi.ListPodSandboxRequest{})
	require.NoError(t, err)
	for _, s := range sandboxes.Items {
		out = append(out, "sandbox "+s.Id)
	}
	containers, err := runtimeapi.NewRuntimeServiceClient(conn).ListContainers(context.Background(), &runtimeapi.ListContainersRequest{})
	require.NoError(t, err)
	for _, s := range containers.Containers {
		out = append(out, "container "+s.Id)
	}
	images, err := runtimeapi.NewImageServiceClient(conn).ListImages(context.Background(), &runtimeapi.ListImagesRequest{})
	require.NoError(t, err)
	for _, i := range images.Images {
		out = append(out, "image "+i.Id)
	}
	for _, s := range shimsOf(strings.TrimPrefix(endpoint, "unix://")) {
		for _, p := range descendants(s) {
			out = append(out, "process "+strings.Join(p.arguments(), " "))
		}
	}
	slices.Sort(out)
	return out
}

// leftovers begins a test that plays on a node: at its end the node must have what it has now, and nothing of the
// runs whose ids the test has handed to the result.
func leftovers(t *testing.T, endpoint string) (seen func(run string)) {
	before := onNode(t, endpoint)
	var runs []string
	t.Cleanup(func() {
		for _, run := range runs {
			c := &cleaner{run: run, directory: filepath.Join(DefaultDirectory, run)}
			l, err := c.find(context.Background())
			assert.NoError(t, err)
			assert.True(t, l.Empty(), "run %s has left %s", run, l)
			assert.NoDirExists(t, c.directory)
		}
	})
	t.Cleanup(func() {
		// A shim that is told to end does so a moment after its pod is gone.
		for end := time.Now().Add(killMax); time.Now().Before(end) && len(onNode(t, endpoint)) > len(before); {
			time.Sleep(20 * time.Millisecond)
		}
		assert.Equal(t, before, onNode(t, endpoint))
	})
	return func(run string) { runs = append(runs, run) }
}

// TestRunEnds: however a run ends, nothing of it is left.
func TestRunEnds(t *testing.T) {
	endpoint := realNode(t)
	for name, end := range map[string]func(d *Driver, cancel func()){
		"interrupt":                func(_ *Driver, cancel func()) { cancel() },
		"panic":                    func(*Driver, func()) { panic("as a test wants it") },
		"panic in another routine": func(d *Driver, _ func()) { d.Go(func() { panic("as a test wants it") }) },
	} {
		t.Run(name, func(t *testing.T) {
			seen := leftovers(t, endpoint)
			sc, c := readTwoPods(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var driver *Driver
			o := Options{Endpoint: endpoint, begun: func(d *Driver, run string) {
				driver = d
				seen(run)
			}}
			ended := false
			o.Tick = func() {
				if !ended && running(c) == 2 {
					ended = true
					end(driver, cancel)
				}
			}
			if name == "interrupt" {
				assert.Equal(t, context.Canceled, Play(ctx, sc, c, o))
			} else {
				assert.Panics(t, func() { Play(ctx, sc, c, o) })
			}
			assert.True(t, ended)
		})
	}
}

// TestPlayForAnother is not a test: it plays until it is killed, for TestKilledRun.
func TestPlayForAnother(t *testing.T) {
	endpoint := os.Getenv("PODSIM_TEST_PLAY")
	if endpoint == "" {
		t.Skip("it is run by TestKilledRun")
	}
	sc, c := readTwoPods(t)
	id, told := "", false
	o := Options{Endpoint: endpoint, begun: func(_ *Driver, run string) { id = run }}
	o.Tick = func() {
		if !told && running(c) == 2 {
			told = true
			os.Stdout.WriteString("plays " + id + "\n")
		}
	}
	Play(t.Context(), sc, c, o)
}

// TestKilledRun: what a run leaves that is killed is removed, and nothing else: not the pod of somebody else, not
// a run whose owner lives.
func TestKilledRun(t *testing.T) {
	endpoint := realNode(t)
	seen := leftovers(t, endpoint)
	cmd, run := playForAnother(t, endpoint)
	seen(run)
	conn, err := Dial(endpoint)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	foreign := foreignSandbox(t, runtimeapi.NewRuntimeServiceClient(conn))

	_, err = Clean(t.Context(), CleanOptions{Run: run, Endpoint: endpoint})
	require.ErrorContains(t, err, "is being played by process")
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()

	found, err := Clean(t.Context(), CleanOptions{Run: run, Endpoint: endpoint, DryRun: true})
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Len(t, found[0].Sandboxes, 2)
	assert.Len(t, found[0].Containers, 2)
	assert.NotEmpty(t, found[0].Processes)
	assert.NotEmpty(t, found[0].Cgroups)
	assert.NotEmpty(t, found[0].Images)

	_, err = Clean(t.Context(), CleanOptions{Run: run, Endpoint: endpoint})
	require.NoError(t, err)
	found, err = Clean(t.Context(), CleanOptions{Run: run, Endpoint: endpoint})
	require.NoError(t, err)
	assert.Empty(t, found)
	status, err := runtimeapi.NewRuntimeServiceClient(conn).PodSandboxStatus(t.Context(), &runtimeapi.PodSandboxStatusRequest{PodSandboxId: foreign})
	require.NoError(t, err)
	assert.Equal(t, runtimeapi.PodSandboxState_SANDBOX_READY, status.Status.State, "somebody else's pod runs on")
}

// TestNextRunCleans: a run removes what one that was killed has left.
func TestNextRunCleans(t *testing.T) {
	endpoint := realNode(t)
	seen := leftovers(t, endpoint)
	cmd, run := playForAnother(t, endpoint)
	seen(run)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	var notices []string
	require.NoError(t, cleanDead(t.Context(), func(line string) { notices = append(notices, line) }))
	assert.Contains(t, notices, "removed what run "+run+" had left, whose process is gone")
}

// playForAnother lets another process play, and waits until its pods run.
func playForAnother(t *testing.T, endpoint string) (*exec.Cmd, string) {
	cmd := exec.Command(os.Args[0], "-test.run", "^TestPlayForAnother$", "-test.v")
	cmd.Env = append(os.Environ(), "PODSIM_TEST_PLAY="+endpoint)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if run, ok := strings.CutPrefix(lines.Text(), "plays "); ok {
			return cmd, run
		}
	}
	require.Fail(t, "the other process does not play")
	return nil, ""
}

// foreignSandbox makes a pod that no run has made.
func foreignSandbox(t *testing.T, r runtimeapi.RuntimeServiceClient) string {
	made, err := r.RunPodSandbox(t.Context(), &runtimeapi.RunPodSandboxRequest{Config: &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "somebodys", Namespace: "default", Uid: newRunID()},
		Linux: &runtimeapi.LinuxPodSandboxConfig{CgroupParent: "/podsim-test", SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{
			NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}}},
	}})
	require.NoError(t, err)
	t.Cleanup(func() {
		r.StopPodSandbox(context.Background(), &runtimeapi.StopPodSandboxRequest{PodSandboxId: made.PodSandboxId})
		_, err := r.RemovePodSandbox(context.Background(), &runtimeapi.RemovePodSandboxRequest{PodSandboxId: made.PodSandboxId})
		assert.NoError(t, err)
		assert.NoError(t, clearCgroup("/podsim-test"))
	})
	return made.PodSandboxId
}

// TestContainerdRestarts: a containerd that is killed and started again in the middle of a run. What runs, runs on; how
// what ended meanwhile did so containerd 1.6 asks the shim, and 2.4 does not know.
func TestContainerdRestarts(t *testing.T) {
	n := privateNode(t)
	seen := leftovers(t, n.Endpoint)
	sc, c := readTwoPods(t)
	restarted, begun, id := make(chan error, 1), false, ""
	o := Options{Endpoint: n.Endpoint, begun: func(_ *Driver, run string) {
		id = run
		seen(run)
	}}
	o.Tick = func() {
		if !begun && running(c) == 2 {
			begun = true
			go func() {
				n.Process.Kill()
				awaitFewer(cgroupOfAll + "/" + id)
				_, err := StartNode(context.Background(), NodeOptions{Dir: n.Dir})
				restarted <- err
			}()
		}
	}
	require.NoError(t, Play(t.Context(), sc, c, o))
	require.True(t, begun)
	require.NoError(t, <-restarted)
	s := c.State()
	for id := range s.Pods {
		switch o := &s.Pods[id]; o.Name {
		case "stays":
			assert.Equal(t, model.PodRunning, o.Status.Phase)
			assert.Equal(t, int32(0), o.Status.Containers[0].Restarts)
			assert.Equal(t, model.StateRunning, o.Status.Containers[0].State.Kind)
		case "ends":
			assert.Equal(t, model.PodFailed, o.Status.Phase)
			code, reason := int32(255), "Unknown"
			if n.majorVersion() < 2 {
				code, reason = 9, "Error"
			}
			assert.Equal(t, code, o.Status.Containers[0].State.ExitCode)
			assert.Equal(t, reason, s.Texts.String(o.Status.Containers[0].State.Reason))
		}
	}
}

// awaitFewer waits until one of the processes of a cgroup has ended.
func awaitFewer(group string) {
	before := len(cgroupMembers(group))
	for end := time.Now().Add(time.Minute); time.Now().Before(end) && len(cgroupMembers(group)) >= before; {
		time.Sleep(50 * time.Millisecond)
	}
}
