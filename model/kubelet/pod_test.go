package kubelet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

func app(name string) v1.Container { return v1.Container{Name: name, Image: "a:1"} }

func probed(period, failures int32) *v1.Probe {
	return &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{}}, PeriodSeconds: period, FailureThreshold: failures}
}

func with(c v1.Container, change func(*v1.Container)) v1.Container {
	change(&c)
	return c
}

func sidecar(name string) v1.Container {
	always := v1.ContainerRestartPolicyAlways
	return with(app(name), func(c *v1.Container) { c.RestartPolicy = &always })
}

// life is a pod's life in the driver's world: what is published and the Events, as the driver's
// words and words of Events, by the second.
type life struct {
	name  string
	spec  v1.PodSpec
	runs  [][]run
	probe func(container int8, probe model.ProbeType, since model.Time) bool
	// The errors of pulls, configurations and creations.
	pull, config, create string
	configAt             model.Time
	// evictAt is when the pod is evicted, removeAt when its object is removed by force, 0 for never.
	evictAt, removeAt model.Time
	// deleteAt is when the pod is deleted with a grace period of 30 s, 0 for never; until is the end.
	deleteAt, until model.Time
	want            string
}

var lives = []life{
	{
		name:     "a container that runs on",
		spec:     v1.PodSpec{Containers: []v1.Container{app("c")}},
		deleteAt: 60 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
  60.001     Killing c
  60.096 Succeeded initialized [c Completed(0)]
`,
	},
	{
		name:  "a container that exits 1 backs off",
		spec:  v1.PodSpec{Containers: []v1.Container{app("c")}},
		runs:  [][]run{{{model.Second, 1}}},
		until: 39 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
   2.009     Pulled c
   2.014 Running sandbox initialized [c Error(1)]
   2.049     Created c
   2.109     Started c
   2.119 Running sandbox initialized ready [c running s r x1]
   4.015     BackOff c
   4.020 Running sandbox initialized [c Error(1) x1]
  14.001     Pulled c
  14.006 Running sandbox initialized [c CrashLoopBackOff x1]
  14.041     Created c
  14.101     Started c
  14.111 Running sandbox initialized ready [c running s r x2]
  16.043     BackOff c
  16.048 Running sandbox initialized [c Error(1) x2]
  36.001     Pulled c
  36.006 Running sandbox initialized [c CrashLoopBackOff x2]
  36.041     Created c
  36.101     Started c
  36.111 Running sandbox initialized ready [c running s r x3]
  38.093     BackOff c
  38.098 Running sandbox initialized [c Error(1) x3]
`,
	},
	{
		name:  "restartPolicy Never: running until all have ended",
		spec:  v1.PodSpec{RestartPolicy: v1.RestartPolicyNever, Containers: []v1.Container{app("a"), app("b")}},
		runs:  [][]run{{{model.Second, 0}}, {{5 * model.Second, 1}}},
		until: 10 * model.Second,
		want: `
   0.006 Pending initialized [a ContainerCreating] [b ContainerCreating]
   0.151     Pulled a
   0.156 Pending sandbox initialized [a ContainerCreating] [b ContainerCreating]
   0.191     Created a
   0.251     Started a
   0.251     Pulled b
   0.291     Created b
   0.351     Started b
   0.361 Running sandbox initialized ready [a running s r] [b running s r]
   2.014 Running sandbox initialized [a Completed(0)] [b running s r]
   6.024 Running sandbox initialized [a Completed(0)] [b Error(1)]
   7.086 Failed initialized [a Completed(0)] [b Error(1)]
`,
	},
	{
		name:     "an image that is not found, then a delete",
		spec:     v1.PodSpec{Containers: []v1.Container{app("c")}},
		pull:     "not found",
		deleteAt: 30 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulling c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.651     Failed c
   0.651     Failed c
   1.007     BackOff c
   1.007     Failed c
   1.012 Pending sandbox initialized [c ErrImagePull]
  12.001     Pulling c
  12.006 Pending sandbox initialized [c ImagePullBackOff]
  12.501     Failed c
  12.501     Failed c
  23.001     BackOff c
  23.001     Failed c
  23.006 Pending sandbox initialized [c ErrImagePull]
  30.006 Pending sandbox initialized [c ContainerCreating]
  30.066 Pending initialized [c ContainerCreating]
  30.072 Failed initialized [c ContainerStatusUnknown(137)]
`,
	},
	{
		name:     "an init container that fails once, a sidecar, and their end",
		spec:     v1.PodSpec{InitContainers: []v1.Container{app("i"), sidecar("s")}, Containers: []v1.Container{app("c")}},
		runs:     [][]run{{{model.Second, 3}, {model.Second, 0}}, nil, nil},
		deleteAt: 20 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [s PodInitializing] [c PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [s PodInitializing] [c PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [s PodInitializing] [c PodInitializing]
   2.009     Pulled i
   2.014 Pending sandbox [i Error(3)] [s PodInitializing] [c PodInitializing]
   2.049     Created i
   2.109     Started i
   2.119 Pending sandbox [i running s x1] [s PodInitializing] [c PodInitializing]
   4.020 Pending sandbox [i Completed(0) r x1] [s PodInitializing] [c PodInitializing]
   4.065     Pulled s
   4.105     Created s
   4.165     Started s
   4.170     Pulled c
   4.175 Pending sandbox initialized [i Completed(0) r x1] [s running s r] [c PodInitializing]
   4.210     Created c
   4.270     Started c
   4.280 Running sandbox initialized ready [i Completed(0) r x1] [s running s r] [c running s r]
  20.001     Killing s
  20.001     Killing c
  20.126 Succeeded initialized [i Completed(0) r x1] [s Completed(0)] [c Completed(0)]
`,
	},
	{
		name:  "a liveness probe that fails from 5 s on: restarts at once until they come too fast",
		spec:  v1.PodSpec{Containers: []v1.Container{with(app("c"), func(c *v1.Container) { c.LivenessProbe = probed(3, 2) })}},
		probe: func(_ int8, _ model.ProbeType, since model.Time) bool { return since < 5*model.Second },
		until: 30 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
   6.011     Unhealthy c
   9.011     Unhealthy c
   9.012     Killing c
   9.042     Pulled c
   9.082     Created c
   9.142     Started c
   9.152 Running sandbox initialized ready [c running s r x1]
  15.011     Unhealthy c
  18.011     Unhealthy c
  18.012     Killing c
  18.042     Pulled c
  18.082     Created c
  18.142     Started c
  18.152 Running sandbox initialized ready [c running s r x2]
  24.011     Unhealthy c
  27.011     Unhealthy c
  27.012     Killing c
  27.042     BackOff c
  27.061     BackOff c
  27.066 Running sandbox initialized [c CrashLoopBackOff x2]
`,
	},
	{
		name: "a startup probe before a readiness probe",
		spec: v1.PodSpec{Containers: []v1.Container{with(app("c"), func(c *v1.Container) {
			c.StartupProbe, c.ReadinessProbe = probed(2, 30), probed(5, 3)
		})}},
		probe: func(_ int8, _ model.ProbeType, since model.Time) bool { return since > 5*model.Second },
		until: 30 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized [c running]
   2.011     Unhealthy c
   4.011     Unhealthy c
   6.016 Running sandbox initialized [c running s]
   6.027 Running sandbox initialized ready [c running s r]
`,
	},
}

// restartsAll restarts all containers of the pod on exit code 42.
func restartsAll(c v1.Container) v1.Container {
	never := v1.ContainerRestartPolicyNever
	c.RestartPolicy = &never
	c.RestartPolicyRules = []v1.ContainerRestartRule{{Action: v1.ContainerRestartRuleActionRestartAllContainers,
		ExitCodes: &v1.ContainerRestartRuleOnExitCodes{Operator: v1.ContainerRestartRuleOnExitCodesOpIn, Values: []int32{42}}}}
	return c
}

var restarts = []life{
	{
		name: "an exit restarts all containers of the pod, init containers and sidecars too",
		spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyNever, InitContainers: []v1.Container{app("i"), sidecar("s")},
			Containers: []v1.Container{restartsAll(app("a")), app("b")}},
		runs:  [][]run{{{model.Second, 0}}, nil, {{5 * model.Second, 42}, {model.Minute, 0}}, {{2 * model.Second, 0}, {model.Minute, 0}}},
		until: 20 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [s PodInitializing] [a PodInitializing] [b PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [s PodInitializing] [a PodInitializing] [b PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [s PodInitializing] [a PodInitializing] [b PodInitializing]
   2.009     Pulled s
   2.014 Pending sandbox [i Completed(0) r] [s PodInitializing] [a PodInitializing] [b PodInitializing]
   2.049     Created s
   2.109     Started s
   2.114     Pulled a
   2.119 Pending sandbox initialized [i Completed(0) r] [s running s r] [a PodInitializing] [b PodInitializing]
   2.154     Created a
   2.214     Started a
   2.214     Pulled b
   2.254     Created b
   2.314     Started b
   2.324 Running sandbox initialized ready [i Completed(0) r] [s running s r] [a running s r] [b running s r]
   5.022 Running sandbox initialized [i Completed(0) r] [s running s r] [a running s r] [b Completed(0)]
   8.030 Running sandbox initialized [i Completed(0) r] [s running s r] [a Error(42)] [b Completed(0)]
   8.125     Killing s
   8.260     Pulled i
   8.265 Running sandbox initialized [i RestartingAllContainers r x1] [s RestartingAllContainers x1] [a RestartingAllContainers x1] [b RestartingAllContainers x1]
   8.300     Created i
   8.360     Started i
   8.370 Pending sandbox initialized [i running s x1] [s PodInitializing x1] [a PodInitializing x1] [b PodInitializing x1]
  10.031     Pulled s
  10.036 Running sandbox initialized [i Completed(0) r x1] [s PodInitializing x1] [a PodInitializing x1] [b PodInitializing x1]
  10.071     Created s
  10.131     Started s
  10.136     Pulled a
  10.141 Pending sandbox initialized [i Completed(0) r x1] [s running s r x1] [a PodInitializing x1] [b PodInitializing x1]
  10.176     Created a
  10.236     Started a
  10.236     Pulled b
  10.276     Created b
  10.336     Started b
  10.346 Running sandbox initialized ready [i Completed(0) r x1] [s running s r x1] [a running s r x1] [b running s r x1]
`,
	},
	{
		name: "all containers are restarted in another sandbox: the init container is purged, and its status is lost",
		spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyNever, InitContainers: []v1.Container{app("i")},
			Containers: []v1.Container{with(restartsAll(app("a")), func(c *v1.Container) {
				c.LivenessProbe = probed(1, 1)
				c.RestartPolicyRules[0].ExitCodes.Values = []int32{0}
			})}},
		runs:  [][]run{{{model.Second, 0}}, {{model.Minute, 42}}},
		probe: func(_ int8, _ model.ProbeType, since model.Time) bool { return since < 3*model.Second },
		until: 9 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [a PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [a PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [a PodInitializing]
   2.009     Pulled a
   2.014 Pending sandbox initialized [i Completed(0) r] [a PodInitializing]
   2.049     Created a
   2.109     Started a
   2.119 Running sandbox initialized ready [i Completed(0) r] [a running s r]
   6.011     Unhealthy a
   6.012     Killing a
   6.107     SandboxChanged -
   6.112 Running initialized [i Completed(0) r] [a Completed(0)]
   6.372 Running sandbox initialized [i Completed(0) r] [a Completed(0)]
   6.377 Running sandbox initialized [i Completed(0) r x1] [a Completed(0)]
   6.427     Pulled i
   6.432 Running sandbox initialized [i RestartingAllContainers r x2] [a RestartingAllContainers x1]
   6.467     Created i
   6.527     Started i
   6.537 Pending sandbox initialized [i running s x2] [a PodInitializing x1]
   8.023     Pulled a
   8.028 Running sandbox initialized [i Completed(0) r x2] [a PodInitializing x1]
   8.063     Created a
   8.123     Started a
   8.133 Running sandbox initialized ready [i Completed(0) r x2] [a running s r x1]
`,
	},
	{
		name:  "a container that backs off starts at once when all containers are restarted",
		spec:  v1.PodSpec{Containers: []v1.Container{restartsAll(app("a")), app("b")}},
		runs:  [][]run{{{8 * model.Second, 42}, {model.Minute, 0}}, {{model.Second, 1}, {model.Second, 1}, {model.Minute, 0}}},
		until: 20 * model.Second,
		want: `
   0.006 Pending initialized [a ContainerCreating] [b ContainerCreating]
   0.151     Pulled a
   0.156 Pending sandbox initialized [a ContainerCreating] [b ContainerCreating]
   0.191     Created a
   0.251     Started a
   0.251     Pulled b
   0.291     Created b
   0.351     Started b
   0.361 Running sandbox initialized ready [a running s r] [b running s r]
   2.009     Pulled b
   2.014 Running sandbox initialized [a running s r] [b Error(1)]
   2.049     Created b
   2.109     Started b
   2.119 Running sandbox initialized ready [a running s r] [b running s r x1]
   4.015     BackOff b
   4.020 Running sandbox initialized [a running s r] [b Error(1) x1]
   9.034 Running sandbox initialized [a Error(42)] [b CrashLoopBackOff x1]
   9.134     Pulled a
   9.139 Running sandbox initialized [a RestartingAllContainers x1] [b CrashLoopBackOff x1]
   9.174     Created a
   9.234     Started a
   9.234     Pulled b
   9.274     Created b
   9.334     Started b
   9.344 Running sandbox initialized ready [a running s r x1] [b running s r x2]
`,
	},
}

func TestRestartAllContainers(t *testing.T) { testLives(t, restarts) }

func TestLives(t *testing.T) { testLives(t, lives) }

func testLives(t *testing.T, lives []life) {
	for i := range lives {
		l := &lives[i]
		t.Run(l.name, func(t *testing.T) {
			d := newDriver(&l.spec)
			d.log = &strings.Builder{}
			d.runs, d.pull, d.config, d.create = l.runs, l.pull, l.config, l.create
			d.configAt = l.configAt
			if l.probe != nil {
				d.probe = l.probe
			}
			d.begin()
			if l.evictAt > 0 {
				d.until(l.evictAt)
				d.step(kubelet.Event{Kind: kubelet.Evict, Text: model.ReasonEvicted, GraceSeconds: 1})
			}
			if l.removeAt > 0 {
				d.until(l.removeAt)
				d.delete(0)
				d.step(kubelet.Event{Kind: kubelet.Removed})
			}
			if l.deleteAt > 0 {
				d.until(l.deleteAt)
				d.delete(30)
				l.until = l.deleteAt + 10*model.Second
			}
			d.until(l.until)
			assert.Equal(t, strings.TrimPrefix(l.want, "\n"), d.log.String())
		})
	}
}

// wholeLife runs a crash-looping container beside a probed one and a sidecar, and deletes them.
func wholeLife() (*driver, func()) {
	d := newDriver(&v1.PodSpec{
		InitContainers: []v1.Container{app("i"), sidecar("s")},
		Containers: []v1.Container{app("c"), with(app("p"), func(c *v1.Container) {
			c.ReadinessProbe, c.LivenessProbe, c.StartupProbe = probed(2, 2), probed(3, 2), probed(1, 5)
		})},
	})
	d.runs = [][]run{{{model.Second, 0}}, nil, {{3 * model.Second, 1}}, nil}
	d.probe = func(_ int8, k model.ProbeType, since model.Time) bool {
		return k != model.Readiness || since/model.Second%20 < 10
	}
	return d, func() {
		d.begin()
		d.until(100 * model.Second)
		d.delete(30)
		d.until(140 * model.Second)
	}
}

func TestStepAllocatesNothing(t *testing.T) {
	d, live := wholeLife()
	live()
	require.True(t, d.done)
	require.Greater(t, d.transitions, 20)
	assert.Zero(t, testing.AllocsPerRun(10, live))
}

// BenchmarkPod measures a pod's life from creation to deletion: that of a healthy pod, deleted
// after a minute, and that of a pod with everything. machine is the machine alone, which is asked
// again what it was asked in that life; world has the driver's work in it.
func BenchmarkPod(b *testing.B) {
	b.Run("healthy", func(b *testing.B) {
		d, live := healthyLife()
		benchmarkLives(b, d, live)
	})
	b.Run("everything", func(b *testing.B) {
		d, live := wholeLife()
		benchmarkLives(b, d, live)
	})
}

// healthyLife runs a container for a minute and deletes it.
func healthyLife() (*driver, func()) {
	d := newDriver(&v1.PodSpec{Containers: []v1.Container{app("c")}})
	return d, func() {
		d.begin()
		d.until(60 * model.Second)
		d.delete(30)
		d.until(70 * model.Second)
	}
}

func benchmarkLives(b *testing.B, d *driver, live func()) {
	d.writes = true
	live()
	d.writes = false
	b.Run("machine", func(b *testing.B) { benchmarkLife(b, d, d.replay) })
	b.Run("world", func(b *testing.B) { benchmarkLife(b, d, live) })
}

func benchmarkLife(b *testing.B, d *driver, live func()) {
	b.ReportAllocs()
	lives := 0
	for b.Loop() {
		live()
		lives++
	}
	perLife := float64(b.Elapsed()) / float64(lives)
	b.ReportMetric(perLife/float64(d.steps), "ns/step")
	b.ReportMetric(perLife/float64(d.transitions), "ns/transition")
	b.ReportMetric(float64(d.steps), "steps/op")
}

// The machine is asked the same when its life is replayed, and answers the same.
func TestReplayIsTheSameLife(t *testing.T) {
	for _, life := range []func() (*driver, func()){healthyLife, wholeLife} {
		d, live := life()
		d.writes = true
		live()
		require.True(t, d.done)
		var api model.PodStatus
		api.CopyFrom(&d.api)
		d.replay()
		assert.Equal(t, api, d.api)
		assert.Zero(t, testing.AllocsPerRun(10, d.replay))
	}
}
