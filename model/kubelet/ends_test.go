package kubelet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// nonRoot is a container whose configuration can fail.
func nonRoot(name string) v1.Container {
	yes := true
	return with(app(name), func(c *v1.Container) { c.SecurityContext = &v1.SecurityContext{RunAsNonRoot: &yes} })
}

// withFiles is a pod that needs a ConfigMap for a volume.
func withFiles() v1.PodSpec {
	source := v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "files"}}
	return v1.PodSpec{
		Volumes: []v1.Volume{{Name: "files", VolumeSource: v1.VolumeSource{ConfigMap: &source}}},
		Containers: []v1.Container{with(app("c"), func(c *v1.Container) {
			c.VolumeMounts = []v1.VolumeMount{{Name: "files", MountPath: "/files"}}
		})},
	}
}

// waits are pods that wait for something that does not come, and their ends.
var waits = []life{
	{
		name:     "no configuration can be made",
		spec:     v1.PodSpec{Containers: []v1.Container{nonRoot("c"), app("d")}},
		config:   "no",
		deleteAt: 20 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating] [d ContainerCreating]
   0.151     Pulled c
   0.151     Failed c
   0.151     Pulled d
   0.156 Pending sandbox initialized [c ContainerCreating] [d ContainerCreating]
   0.191     Created d
   0.251     Started d
   1.007     Pulled c
   1.007     Failed c
   1.012 Pending sandbox initialized [c CreateContainerConfigError] [d running s r]
  12.001     Pulled c
  12.001     Failed c
  20.001     Killing d
  20.006 Pending sandbox initialized [c ContainerCreating] [d running s r]
  20.096 Pending initialized [c ContainerCreating] [d Completed(0)]
  21.056 Failed initialized [c ContainerStatusUnknown(137)] [d Completed(0)]
`,
	},
	{
		name:     "an init container cannot be created",
		spec:     v1.PodSpec{InitContainers: []v1.Container{app("i")}, Containers: []v1.Container{app("c")}},
		create:   "no",
		deleteAt: 20 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [c PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [c PodInitializing]
   0.191     Failed i
   1.007     Pulled i
   1.012 Pending sandbox [i CreateContainerError] [c PodInitializing]
   1.047     Failed i
  12.001     Pulled i
  12.041     Failed i
  20.006 Pending sandbox [i PodInitializing] [c PodInitializing]
  20.066 Pending [i PodInitializing] [c PodInitializing]
  21.054 Failed [i ContainerStatusUnknown(137)] [c PodInitializing]
`,
	},
	{
		name:     "a volume's ConfigMap comes at 10 s",
		spec:     withFiles(),
		configAt: 10 * model.Second,
		until:    60 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.100     FailedMount -
   0.700     FailedMount -
   1.800     FailedMount -
   3.900     FailedMount -
   8.000     FailedMount -
  16.351     Pulled c
  16.356 Pending sandbox initialized [c ContainerCreating]
  16.391     Created c
  16.451     Started c
  16.461 Running sandbox initialized ready [c running s r]
`,
	},
	{
		name:     "it comes after the sync's wait has ended",
		spec:     withFiles(),
		configAt: 200 * model.Second,
		until:    260 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.100     FailedMount -
   0.700     FailedMount -
   1.800     FailedMount -
   3.900     FailedMount -
   8.000     FailedMount -
  16.100     FailedMount -
  32.200     FailedMount -
  64.300     FailedMount -
 128.400     FailedMount -
 250.851     Pulled c
 250.856 Pending sandbox initialized [c ContainerCreating]
 250.891     Created c
 250.951     Started c
 250.961 Running sandbox initialized ready [c running s r]
`,
	},
	{
		name:     "it never comes: the pod is deleted",
		spec:     withFiles(),
		configAt: model.Never,
		deleteAt: 20 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.100     FailedMount -
   0.700     FailedMount -
   1.800     FailedMount -
   3.900     FailedMount -
   8.000     FailedMount -
  16.100     FailedMount -
  21.050 Failed initialized [c ContainerStatusUnknown(137)]
`,
	},
}

// deletions are pods that are deleted in each state in which they can wait.
var deletions = []life{
	{
		name:     "before there is a sandbox",
		spec:     v1.PodSpec{Containers: []v1.Container{app("c")}},
		deleteAt: 50 * model.Millisecond,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.256     Killing c
   0.261 Running sandbox initialized ready [c running s r]
   0.351 Succeeded initialized [c Completed(0)]
`,
	},
	{
		name:     "while an image is pulled",
		spec:     v1.PodSpec{Containers: []v1.Container{app("c"), with(app("d"), pullAlways)}},
		deleteAt: 400 * model.Millisecond,
		want: `
   0.006 Pending initialized [c ContainerCreating] [d ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating] [d ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.251     Pulling d
   0.751     Pulled d
   0.791     Created d
   0.851     Started d
   0.856     Killing c
   0.856     Killing d
   0.861 Running sandbox initialized ready [c running s r] [d running s r]
   0.951 Succeeded initialized [c Completed(0)] [d Completed(0)]
`,
	},
	{
		name:     "in the crash back-off",
		spec:     v1.PodSpec{Containers: []v1.Container{app("c")}},
		runs:     [][]run{{{model.Second, 1}}},
		deleteAt: 8 * model.Second,
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
   8.066 Failed initialized [c Error(1) x1]
`,
	},
	{
		name:     "while an init container runs",
		spec:     v1.PodSpec{InitContainers: []v1.Container{app("i"), app("j")}, Containers: []v1.Container{app("c")}},
		runs:     [][]run{{{model.Second, 0}}, nil, nil},
		deleteAt: 8 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [j PodInitializing] [c PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [j PodInitializing] [c PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [j PodInitializing] [c PodInitializing]
   2.009     Pulled j
   2.014 Pending sandbox [i Completed(0) r] [j PodInitializing] [c PodInitializing]
   2.049     Created j
   2.109     Started j
   2.119 Pending sandbox [i Completed(0) r] [j running s] [c PodInitializing]
   8.001     Killing j
   8.096 Pending initialized [i Completed(0) r] [j Completed(0) r] [c PodInitializing]
   9.030 Failed initialized [i Completed(0) r] [j Completed(0) r] [c PodInitializing]
`,
	},
	{
		name:     "an init container backs off",
		spec:     v1.PodSpec{InitContainers: []v1.Container{app("i")}, Containers: []v1.Container{app("c")}},
		runs:     [][]run{{{model.Second, 1}}, nil},
		deleteAt: 8 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [c PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [c PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [c PodInitializing]
   2.009     Pulled i
   2.014 Pending sandbox [i Error(1)] [c PodInitializing]
   2.049     Created i
   2.109     Started i
   2.119 Pending sandbox [i running s x1] [c PodInitializing]
   4.020 Pending sandbox [i Error(1) x1] [c PodInitializing]
   4.065     BackOff i
   8.066 Pending [i Error(1) x1] [c PodInitializing]
   9.034 Failed [i Error(1) x1] [c PodInitializing]
`,
	},
	{
		name:     "by force, while it runs",
		spec:     v1.PodSpec{Containers: []v1.Container{with(app("c"), preStop(3))}},
		removeAt: 8 * model.Second,
		until:    20 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
   8.001     Killing c
   9.096 Succeeded initialized [c Completed(0)]
`,
	},
	{
		name:     "after its deadline, in the image back-off",
		spec:     v1.PodSpec{ActiveDeadlineSeconds: seconds(6), Containers: []v1.Container{app("c")}},
		pull:     "not found",
		deleteAt: 8 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulling c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.651     Failed c
   0.651     Failed c
   1.007     BackOff c
   1.007     Failed c
   1.012 Pending sandbox initialized [c ErrImagePull]
   6.001     DeadlineExceeded -
   6.006 Pending sandbox initialized [c ImagePullBackOff]
   6.017     DeadlineExceeded -
   6.077     DeadlineExceeded -
   6.082 Failed/DeadlineExceeded initialized [c ImagePullBackOff]
   7.021     DeadlineExceeded -
   7.026 Failed/DeadlineExceeded initialized [c ContainerStatusUnknown(137)]
`,
	},
	{
		name:  "its deadline is over in an init container",
		spec:  v1.PodSpec{ActiveDeadlineSeconds: seconds(6), InitContainers: []v1.Container{app("i")}, Containers: []v1.Container{app("c")}},
		until: 20 * model.Second,
		want: `
   0.006 Pending [i PodInitializing] [c PodInitializing]
   0.151     Pulled i
   0.156 Pending sandbox [i PodInitializing] [c PodInitializing]
   0.191     Created i
   0.251     Started i
   0.261 Pending sandbox [i running s] [c PodInitializing]
   6.001     DeadlineExceeded -
   6.006 Pending sandbox [i running s] [c PodInitializing]
   6.015     DeadlineExceeded -
   6.015     Killing i
   6.105     DeadlineExceeded -
   6.110 Failed/DeadlineExceeded initialized [i Completed(0) r] [c PodInitializing]
   7.019     DeadlineExceeded -
`,
	},
}

func seconds(n int64) *int64 { return &n }

func pullAlways(c *v1.Container) { c.ImagePullPolicy = v1.PullAlways }

func TestDeletions(t *testing.T) { testLives(t, deletions) }

// evictions are pods that the kubelet evicts. The driver's containers exit 0 on SIGTERM.
var evictions = []life{
	{
		name:    "a container that exits 0: nothing tells of the eviction in the end",
		spec:    v1.PodSpec{Containers: []v1.Container{app("c")}},
		evictAt: 10 * model.Second,
		until:   20 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
  10.000     Evicted -
  10.001     Killing c
  10.096 Succeeded initialized [c Completed(0)]
`,
	},
	{
		name:    "a container that crashes",
		spec:    v1.PodSpec{Containers: []v1.Container{app("c")}},
		runs:    [][]run{{{model.Second, 1}}},
		evictAt: 5 * model.Second,
		until:   20 * model.Second,
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
   5.000     Evicted -
   5.024 Running sandbox initialized [c CrashLoopBackOff x1]
   5.084 Failed/Evicted initialized [c CrashLoopBackOff x1]
   6.028 Failed/Evicted initialized [c ContainerStatusUnknown(137) x1]
`,
	},
	{
		name:    "the ends of the containers are gone before they are read",
		spec:    v1.PodSpec{InitContainers: []v1.Container{sidecar("s")}, Containers: []v1.Container{with(app("c"), preStop(4))}},
		evictAt: 9990 * model.Millisecond,
		until:   20 * model.Second,
		want: `
   0.006 Pending [s PodInitializing] [c PodInitializing]
   0.151     Pulled s
   0.156 Pending sandbox [s PodInitializing] [c PodInitializing]
   0.191     Created s
   0.251     Started s
   0.256     Pulled c
   0.261 Pending sandbox initialized [s running s r] [c PodInitializing]
   0.296     Created c
   0.356     Started c
   0.366 Running sandbox initialized ready [s running s r] [c running s r]
   9.990     Evicted -
   9.991     Killing s
   9.991     Killing c
  11.086 Failed/Evicted initialized [s PodInitializing x1] [c PodInitializing x1]
  12.036 Failed/Evicted initialized [s ContainerStatusUnknown(137) x1] [c ContainerStatusUnknown(137) x1]
`,
	},
	{
		name:     "while it is being deleted",
		spec:     v1.PodSpec{Containers: []v1.Container{with(app("c"), preStop(4))}},
		evictAt:  10 * model.Second,
		deleteAt: 11 * model.Second,
		want: `
   0.006 Pending initialized [c ContainerCreating]
   0.151     Pulled c
   0.156 Pending sandbox initialized [c ContainerCreating]
   0.191     Created c
   0.251     Started c
   0.261 Running sandbox initialized ready [c running s r]
  10.000     Evicted -
  10.001     Killing c
  11.096 Succeeded initialized [c Completed(0)]
`,
	},
}

// preStop gives a container a hook that sleeps.
func preStop(seconds int64) func(*v1.Container) {
	return func(c *v1.Container) {
		c.Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: seconds}}}
	}
}

func TestEvictions(t *testing.T) { testLives(t, evictions) }

func TestWaits(t *testing.T) { testLives(t, waits) }

// TestRejected lets the kubelet refuse a pod: it has failed and has no worker, until housekeeping
// finds that it was deleted before the API server knew, or its deadline is over.
func TestRejected(t *testing.T) {
	reject := func(spec v1.PodSpec, deleting bool) *driver {
		d := newDriver(&spec)
		d.log = &strings.Builder{}
		d.start()
		d.until(500 * model.Millisecond)
		d.step(kubelet.Event{Kind: kubelet.Rejected, Reason: model.ReasonOutOfCPU, Text: model.ReasonOutOfCPU, Deleting: deleting})
		d.until(model.Second)
		d.step(kubelet.Event{Kind: kubelet.Reconciled, Phase: d.api.Phase})
		d.until(10 * model.Second)
		return d
	}
	plain := v1.PodSpec{Containers: []v1.Container{app("c")}}
	d := reject(plain, false)
	assert.Equal(t, "   0.505 Failed/OutOfcpu\n", d.log.String())
	assert.False(t, d.done)

	d = reject(plain, true)
	assert.Equal(t, "   0.505 Failed/OutOfcpu\n   2.006 Failed/OutOfcpu initialized [c ContainerStatusUnknown(137)]\n", d.log.String())
	assert.True(t, d.done)

	plain.ActiveDeadlineSeconds = seconds(5)
	plain.InitContainers = []v1.Container{app("i")}
	assert.Equal(t, "   0.505 Failed/OutOfcpu\n   5.001     DeadlineExceeded -\n"+
		"   5.006 Failed/DeadlineExceeded [i ContainerStatusUnknown(137)] [c PodInitializing]\n", reject(plain, false).log.String())
}
