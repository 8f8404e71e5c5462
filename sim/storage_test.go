package sim_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"podsim/model"
)

// storageScenario has a class whose volumes are made by the provisioner, and what is around.
func storageScenario(provisioner string, mode storagev1.VolumeBindingMode, objects ...runtime.Object) *model.Scenario {
	sc := podsScenario(1, 1)
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "sc"}, Provisioner: provisioner, VolumeBindingMode: &mode}
	class.Annotations = map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}
	model.DefaultStorageClass(class)
	for _, o := range append([]runtime.Object{class}, objects...) {
		sc.Steps[0].Objects = append(sc.Steps[0].Objects, model.Object{Object: o})
	}
	return sc
}

// claimOf is a claim without a class.
func claimOf(name string) *v1.PersistentVolumeClaim {
	o := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	o.Spec.AccessModes = []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce}
	o.Spec.Resources.Requests = v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	model.DefaultPersistentVolumeClaim(&o.Spec)
	return o
}

func volumeOf(name string) *v1.PersistentVolume {
	o := &v1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}}
	o.Spec = v1.PersistentVolumeSpec{StorageClassName: "sc", AccessModes: []v1.PersistentVolumeAccessMode{v1.ReadWriteOnce},
		Capacity: v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}}
	model.DefaultPersistentVolume(o)
	return o
}

func claiming(name, claim string) *v1.Pod {
	p := imagePod(name, "a:1", v1.PullIfNotPresent)
	p.Spec.NodeName = ""
	p.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}}
	return p
}

const noProvisioner = "kubernetes.io/no-provisioner"

// An immediate claim without a class gets the default one, and its volume, before any pod needs it.
func TestImmediateClaims(t *testing.T) {
	for _, provisioner := range []string{"csi.example.com", noProvisioner} {
		sc := storageScenario(provisioner, storagev1.VolumeBindingImmediate, claimOf("a"), claiming("p", "a"))
		if provisioner == noProvisioner {
			sc.Steps = append(sc.Steps, model.Step{At: 20 * model.Second, Objects: []model.Object{{Object: volumeOf("late")}}})
		}
		c, events := eventsOf(t, sc)
		require.Equal(t, model.NodeID(1), podNamed(c, "p").Node)
		require.Contains(t, events["p"][0], "pod has unbound immediate PersistentVolumeClaims", "%s", provisioner)
		c.Check()
	}
}

// A pod that is deleted while it waits for a volume leaves the volume to the next.
func TestDeletedWhileVolumesAreBound(t *testing.T) {
	sc := storageScenario("csi.example.com", storagev1.VolumeBindingWaitForFirstConsumer, claimOf("a"), claiming("first", "a"))
	sc.Steps = append(sc.Steps,
		model.Step{At: 1 * model.Second, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "first", GraceSeconds: -1},
		applied(30*model.Second, claiming("second", "a")))
	c, _ := eventsOf(t, sc)
	require.Nil(t, podNamed(c, "first"))
	second := podNamed(c, "second")
	require.Equal(t, model.NodeID(1), second.Node)
	require.Less(t, second.Status.Conditions[model.PodScheduled].Transition, 31*model.Second, "the volume is there already")
	c.Check()
}

// The scheduler waits ten minutes for a volume, and then tries again.
func TestVolumeThatTakesTooLong(t *testing.T) {
	sc := storageScenario("csi.example.com", storagev1.VolumeBindingWaitForFirstConsumer, claimOf("a"), claiming("p", "a"))
	sc.ControlPlane.Provision = model.Dist{Kind: model.DistConstant, Value: float64(15 * model.Minute)}
	sc.Duration = 20 * model.Minute
	c, events := eventsOf(t, sc)
	require.Equal(t, `FailedScheduling running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded`, events["p"][0])
	require.Equal(t, model.NodeID(1), podNamed(c, "p").Node)
	c.Check()
}
