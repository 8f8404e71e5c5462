package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

// What a budget allows of a Deployment of five pods, and then with one of them deleted.
func TestBudgets(t *testing.T) {
	for _, tc := range []struct {
		min, max                                   string
		expected, desired, allowed, allowedWithOne int32
	}{
		{min: "4", expected: 5, desired: 4, allowed: 1, allowedWithOne: 0},
		{min: "50%", expected: 5, desired: 3, allowed: 2, allowedWithOne: 1},
		{max: "2", expected: 5, desired: 3, allowed: 2, allowedWithOne: 1},
		{max: "30%", expected: 5, desired: 3, allowed: 2, allowedWithOne: 1},
		{min: "9", expected: 5, desired: 9},
	} {
		web := map[string]string{"app": "web"}
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
		d.Spec.Replicas, d.Spec.Selector = pointer(int32(5)), &metav1.LabelSelector{MatchLabels: web}
		d.Spec.Template = v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: web}, Spec: v1.PodSpec{Containers: []v1.Container{{Name: "c", Image: "a:1"}}}}
		model.DefaultDeployment(d)
		b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
		b.Spec.Selector = &metav1.LabelSelector{MatchLabels: web}
		if tc.min != "" {
			b.Spec.MinAvailable = pointer(intstr.Parse(tc.min))
		} else {
			b.Spec.MaxUnavailable = pointer(intstr.Parse(tc.max))
		}
		sc := podsScenario(1, 1)
		sc.Steps = []model.Step{{Objects: []model.Object{{Object: b}, {Object: d}}}}
		c := newCluster(t, sc)
		c.Begin()
		c.Run(10*model.Second, nil)
		s := c.BudgetStatus()
		assert.Equal(t, []int32{tc.expected, tc.desired, tc.allowed, 5}, []int32{s.ExpectedPods, s.DesiredHealthy, s.DisruptionsAllowed, s.CurrentHealthy}, "%+v", tc)
		c.DeletePod(1)
		c.Run(10*model.Second+50*model.Millisecond, nil)
		assert.Equal(t, tc.allowedWithOne, c.BudgetStatus().DisruptionsAllowed, "%+v", tc)
	}
}
