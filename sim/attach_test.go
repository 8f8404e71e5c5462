package sim_test

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

const diskDriver = "disk.csi.example.com"

// diskOf is a disk with its claim.
func diskOf(name string, modes ...v1.PersistentVolumeAccessMode) (*v1.PersistentVolume, *v1.PersistentVolumeClaim) {
	pv, claim := volumeOf(name), claimOf(name)
	pv.Spec.CSI = &v1.CSIPersistentVolumeSource{Driver: diskDriver, VolumeHandle: name}
	pv.Spec.AccessModes, pv.Spec.StorageClassName = modes, ""
	claim.Spec.AccessModes, claim.Spec.StorageClassName, claim.Spec.VolumeName = modes, new(string), name
	return pv, claim
}

// mounting is a pod on a node that mounts its claim.
func mounting(name, node, claim string) *v1.Pod {
	p := claiming(name, claim)
	p.Spec.NodeName = node
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/v"}}
	return p
}

// disks is a scenario with a disk, and a driver for which everything takes so long.
func disks(nodes int, took model.Time, failures ...model.StorageFailure) *model.Scenario {
	sc := podsScenario(1, nodes)
	pv, claim := diskOf("disk", v1.ReadWriteOnce)
	sc.Steps[0].Objects = append(sc.Steps[0].Objects, model.Object{Object: pv}, model.Object{Object: claim})
	d := model.Dist{Value: float64(took)}
	sc.Storage = []model.StorageDriver{{Driver: diskDriver, Attach: d, Detach: d, Mount: d, Unmount: d, Failures: failures}}
	return sc
}

func deleted(at model.Time, pod string, grace int64) model.Step {
	return model.Step{At: at, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: pod, GraceSeconds: grace, Force: grace == 0}
}

// timesOf runs a scenario and gives the moments of the Events of a reason about a pod.
func timesOf(t *testing.T, sc *model.Scenario, pod string, reason model.EventReason) (times []model.Time, words []string) {
	c := newCluster(t, sc)
	c.Observe(nil, func(e *model.Event) {
		if e.Reason == reason && c.State().Pods[e.ID].Name == pod {
			times, words = append(times, e.At), append(words, c.State().EventMessage(e))
		}
	})
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		c.Step()
		c.Check()
	}
	return times, words
}

// A pod with a disk begins when the driver has attached it, the node status has it in use, and it is
// mounted.
func TestAttach(t *testing.T) {
	sc := disks(1, 3*model.Second)
	sc.Steps = append(sc.Steps, applied(model.Second, mounting("p", "n0", "disk")))
	attached, words := timesOf(t, sc, "p", model.EventSuccessfulAttachVolume)
	require.Len(t, attached, 1)
	assert.Equal(t, `AttachVolume.Attach succeeded for volume "disk" `, words[0])
	assert.InDelta(t, float64(4*model.Second), float64(attached[0]), float64(150*model.Millisecond))
	started, _ := timesOf(t, sc, "p", model.EventStarted)
	require.Len(t, started, 1)
	assert.Greater(t, started[0], attached[0]+3*model.Second, "it is mounted for 3s")
	assert.Less(t, started[0], model.Second+11*model.Second+4*model.Second, "a node status update comes every 10s")
}

// A disk that fails to be attached or mounted is tried again, after 0.5s and then twice as long each
// time.
func TestStorageBackoff(t *testing.T) {
	for _, tt := range []struct {
		op     model.StorageOperation
		reason model.EventReason
		words  string
	}{
		{model.StorageAttach, model.EventFailedAttachVolume, `AttachVolume.Attach failed for volume "disk" : no luck`},
		{model.StorageMount, model.EventFailedMount, `MountVolume.MountDevice failed for volume "disk" : no luck`},
	} {
		sc := disks(1, 0, model.StorageFailure{Operation: tt.op, Error: "no luck", Until: 30 * model.Second})
		sc.Steps = append(sc.Steps, applied(model.Second, mounting("p", "n0", "disk")))
		failed, words := timesOf(t, sc, "p", tt.reason)
		require.GreaterOrEqual(t, len(failed), 5)
		assert.Equal(t, tt.words, words[0])
		delay := 500 * model.Millisecond
		for i := 1; i < len(failed); i++ {
			assert.InDelta(t, float64(delay), float64(failed[i]-failed[i-1]), float64(120*model.Millisecond), "%v after %d failures", tt.op, i)
			delay *= 2
		}
		started, _ := timesOf(t, sc, "p", model.EventStarted)
		require.Len(t, started, 1)
		assert.Greater(t, started[0], 30*model.Second)
	}
}

// The controller waits two minutes for a driver, and goes on waiting with its next attempt.
func TestAttachTimesOut(t *testing.T) {
	sc := disks(1, 130*model.Second)
	sc.Steps = append(sc.Steps, applied(model.Second, mounting("p", "n0", "disk")))
	failed, words := timesOf(t, sc, "p", model.EventFailedAttachVolume)
	require.Len(t, failed, 1)
	assert.Equal(t, `AttachVolume.Attach failed for volume "disk" : timed out waiting for external-attacher of disk.csi.example.com CSI driver to attach volume disk`, words[0])
	attached, _ := timesOf(t, sc, "p", model.EventSuccessfulAttachVolume)
	require.Len(t, attached, 1)
	assert.InDelta(t, float64(131*model.Second), float64(attached[0]), float64(500*model.Millisecond))
}

// A disk that is at another node is waited for. From a node that is lost it is taken six minutes after the
// pod there is gone.
func TestMultiAttach(t *testing.T) {
	sc := disks(2, model.Second)
	sc.Duration = 15 * model.Minute
	sc.Steps = append(sc.Steps, applied(model.Second, mounting("a", "n0", "disk")),
		model.Step{At: model.Minute, Verb: model.StepFail, Kind: model.KindNode, Name: "n0", Failure: model.FailCrash},
		applied(2*model.Minute, mounting("b", "n1", "disk")), deleted(3*model.Minute, "a", 0))
	_, words := timesOf(t, sc, "b", model.EventFailedAttachVolume)
	assert.Equal(t, []string{`Waiting for detach for volume "disk" Volume is already used by pod(s) a`}, words)
	attached, _ := timesOf(t, sc, "b", model.EventSuccessfulAttachVolume)
	require.Len(t, attached, 1)
	assert.InDelta(t, float64(9*model.Minute+2*model.Second), float64(attached[0]), float64(model.Second))

	sc = disks(2, model.Second)
	sc.Steps = append(sc.Steps, applied(model.Second, mounting("a", "n0", "disk")),
		deleted(model.Minute, "a", -1), applied(70*model.Second, mounting("b", "n1", "disk")))
	started, _ := timesOf(t, sc, "b", model.EventStarted)
	require.Len(t, started, 1, "the disk leaves a node that is well when it is not in use there")
	assert.Less(t, started[0], 100*model.Second)
}

// A pod that did not ask the scheduler may have a claim that is not bound.
func TestClaimNotBound(t *testing.T) {
	sc := podsScenario(1, 1, mounting("p", "n0", "late"))
	pv, claim := diskOf("late", v1.ReadWriteOnce)
	sc.Steps = append(sc.Steps, model.Step{At: 25 * model.Second, Objects: []model.Object{{Object: pv}, {Object: claim}}})
	failed, words := timesOf(t, sc, "p", model.EventFailedMount)
	require.NotEmpty(t, failed)
	assert.Equal(t, `Unable to attach or mount volumes: unmounted volumes=[v], unattached volumes=[], failed to process volumes=[v]: `+
		`error processing PVC default/late: failed to fetch PVC from API server: persistentvolumeclaims "late" not found`, words[0])
	assert.InDelta(t, float64(300*model.Millisecond), float64(failed[0]), float64(100*model.Millisecond))
	started, _ := timesOf(t, sc, "p", model.EventStarted)
	require.Len(t, started, 1)
}

// A path that must be there and is not.
func TestMissingPath(t *testing.T) {
	p := imagePod("p", "a:1", v1.PullIfNotPresent)
	directory := v1.HostPathDirectory
	p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{HostPath: &v1.HostPathVolumeSource{Path: "/data", Type: &directory}}}}
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/v"}}
	sc := podsScenario(1, 1, p)
	sc.Nodes[0].MissingPaths = []string{"/data"}
	_, words := timesOf(t, sc, "p", model.EventFailedMount)
	require.NotEmpty(t, words)
	assert.Equal(t, `MountVolume.SetUp failed for volume "v" : hostPath type check failed, /data is not a directory, unable to determine its type: path "/data" does not exist`, words[0])
}

// A driver whose CSIDriver says so attaches nothing.
func TestAttachNotRequired(t *testing.T) {
	sc := disks(1, model.Second)
	required := false
	driver := &storagev1.CSIDriver{ObjectMeta: metav1.ObjectMeta{Name: diskDriver}, Spec: storagev1.CSIDriverSpec{AttachRequired: &required}}
	sc.Steps[0].Objects = append(sc.Steps[0].Objects, model.Object{Object: driver})
	sc.Steps = append(sc.Steps, applied(model.Second, mounting("p", "n0", "disk")))
	attached, _ := timesOf(t, sc, "p", model.EventSuccessfulAttachVolume)
	assert.Empty(t, attached)
	started, _ := timesOf(t, sc, "p", model.EventStarted)
	require.Len(t, started, 1)
	assert.Less(t, started[0], 4*model.Second)
}

// TestAttachSwarm runs pods that come and go with disks on nodes that fail and come back, and looks for
// contradictions after every event. In the end, when all pods are gone and all nodes are well, no volume is
// anywhere.
func TestAttachSwarm(t *testing.T) {
	for seed := int64(1); seed <= *swarms/2; seed++ {
		if *swarmSeed != 0 && seed != *swarmSeed {
			continue
		}
		sc, calm := attachSwarm(seed)
		c := newCluster(t, sc)
		c.Begin()
		happened := ""
		func() {
			defer func() {
				if wrong := recover(); wrong != nil {
					t.Fatalf("seed %d, at %s after %s: %v", seed, c.Now(), happened, wrong)
				}
			}()
			for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
				c.StepTold(&happened)
				c.Check()
			}
		}()
		require.Empty(t, c.VolumesAnywhere(), "seed %d: all pods are deleted at %s", seed, calm)
	}
}

func attachSwarm(seed int64) (sc *model.Scenario, calm model.Time) {
	r := rand.New(rand.NewSource(seed))
	const nodes, volumes = 3, 3
	sc = podsScenario(uint64(seed), nodes)
	for i := range volumes {
		modes := [][]v1.PersistentVolumeAccessMode{{v1.ReadWriteOnce}, {v1.ReadWriteOncePod}, {v1.ReadWriteMany}}[r.Intn(3)]
		pv, claim := diskOf(fmt.Sprintf("v%d", i), modes...)
		if r.Intn(4) == 0 {
			pv.Spec.CSI, pv.Spec.NFS = nil, &v1.NFSVolumeSource{Server: "s", Path: "/"}
		}
		sc.Steps[0].Objects = append(sc.Steps[0].Objects, model.Object{Object: pv}, model.Object{Object: claim})
	}
	driver := model.StorageDriver{Driver: diskDriver}
	for _, d := range []*model.Dist{&driver.Attach, &driver.Detach, &driver.Mount, &driver.Unmount} {
		*d = model.Dist{Kind: model.DistUniform, Max: float64(r.Intn(20)) * float64(model.Second)}
	}
	for range r.Intn(4) {
		from := model.Time(r.Intn(300)) * model.Second
		driver.Failures = append(driver.Failures, model.StorageFailure{Operation: model.StorageOperation(r.Intn(3)), Error: "no luck",
			From: from, Until: from + model.Time(r.Intn(60))*model.Second})
	}
	sc.Storage = []model.StorageDriver{driver}
	calm = 8 * model.Minute
	for i := range 4 + r.Intn(8) {
		name, at := fmt.Sprintf("p%d", i), model.Time(r.Intn(300))*model.Second
		sc.Steps = append(sc.Steps, applied(at, mounting(name, fmt.Sprintf("n%d", r.Intn(nodes)), fmt.Sprintf("v%d", r.Intn(volumes)))))
		if r.Intn(2) == 0 {
			sc.Steps = append(sc.Steps, deleted(at+model.Time(r.Intn(60_000))*model.Millisecond, name, int64(r.Intn(3)-1)))
		}
		sc.Steps = append(sc.Steps, deleted(calm, name, -1))
	}
	for range r.Intn(4) {
		node, at := fmt.Sprintf("n%d", r.Intn(nodes)), model.Time(r.Intn(300))*model.Second
		sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepFail, Kind: model.KindNode, Name: node, Failure: model.Failure(r.Intn(3))},
			model.Step{At: at + model.Time(1+r.Intn(120))*model.Second, Verb: model.StepRecover, Kind: model.KindNode, Name: node})
	}
	sortSteps(sc.Steps[1:])
	sc.Duration = calm + 10*model.Minute
	return sc, calm
}

func sortSteps(steps []model.Step) {
	for i := range steps {
		for j := i; j > 0 && steps[j].At < steps[j-1].At; j-- {
			steps[j], steps[j-1] = steps[j-1], steps[j]
		}
	}
}

// A ConfigMap that goes away while it is mounted is missed by the next sync, and the pod runs on.
func TestRemount(t *testing.T) {
	p := imagePod("p", "a:1", v1.PullIfNotPresent)
	p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "conf"}}}}}
	p.Spec.Containers[0].VolumeMounts = []v1.VolumeMount{{Name: "v", MountPath: "/v"}}
	conf := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "conf", Namespace: "default"}}
	sc := podsScenario(1, 1, p)
	sc.Duration = 10 * model.Minute
	sc.Steps[0].Objects = append([]model.Object{{Object: conf}}, sc.Steps[0].Objects...)
	sc.Steps = append(sc.Steps,
		model.Step{At: 30 * model.Second, Verb: model.StepDelete, Kind: model.KindConfigMap, Namespace: "default", Name: "conf", GraceSeconds: -1},
		model.Step{At: 3 * model.Minute, Objects: []model.Object{{Object: conf}}})
	failed, words := timesOf(t, sc, "p", model.EventFailedMount)
	require.GreaterOrEqual(t, len(failed), 5)
	assert.Equal(t, `MountVolume.SetUp failed for volume "v" : configmap "conf" not found`, words[0])
	assert.Greater(t, failed[0], model.Minute, "the periodic sync finds out")
	assert.Less(t, failed[0], 93*model.Second)
	assert.InDelta(t, float64(500*model.Millisecond), float64(failed[1]-failed[0]), float64(120*model.Millisecond))
	assert.Less(t, failed[len(failed)-1], 3*model.Minute)
	started, _ := timesOf(t, sc, "p", model.EventStarted)
	require.Len(t, started, 1)
}
