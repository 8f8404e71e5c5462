package controllers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

// rs describes a ReplicaSet of a test: its size, its available pods, the Deployment's size
// when it was last scaled.
type rs struct {
	hash                         string
	replicas, available, desired int32
}

// deployment is a Deployment whose rollout is under way, with surge and unavailable as a
// manifest writes them.
func deployment(replicas int32, surge, unavailable string, sets ...rs) (*model.Deployment, []*model.ReplicaSet) {
	d := &model.Deployment{Replicas: replicas, MaxSurge: intstr.Parse(surge), MaxUnavailable: intstr.Parse(unavailable),
		Hash: "new", RevisionHistoryLimit: 10, ProgressDeadlineSeconds: 600, Generation: 1}
	var list []*model.ReplicaSet
	for i, s := range sets {
		desired := s.desired
		if desired == 0 {
			desired = replicas
		}
		list = append(list, &model.ReplicaSet{ID: model.ReplicaSetID(i + 1), Name: s.hash, Hash: s.hash, Replicas: s.replicas, Revision: int64(i + 1),
			Desired: desired, Max: desired + scaled(d.MaxSurge, desired, true),
			Status: model.ReplicaSetStatus{Replicas: s.replicas, Ready: s.available, Available: s.available}})
	}
	return d, list
}

// scalings are the sizes that one sync writes, such as "create 3" or "old 10->8".
func scalings(d *model.Deployment, sets []*model.ReplicaSet, podsOfOld bool) string {
	writes, _ := SyncDeployment(d, sets, podsOfOld, 100*model.Second, nil)
	var out []string
	for _, w := range writes {
		switch w.Kind {
		case CreateReplicaSet:
			out = append(out, fmt.Sprintf("create %d", w.To))
		case ScaleReplicaSet:
			out = append(out, fmt.Sprintf("%s %d->%d", sets[w.ReplicaSet-1].Name, w.From, w.To))
		case DeleteReplicaSet:
			out = append(out, "delete "+sets[w.ReplicaSet-1].Name)
		}
	}
	return strings.Join(out, ", ")
}

// TestRollingUpdate: each sync does one scaling, up if it can, else down. The numbers are
// those of recorded roll-outs.
func TestRollingUpdate(t *testing.T) {
	for _, c := range []struct {
		name               string
		replicas           int32
		surge, unavailable string
		sets               []rs
		want               string
	}{
		{"first", 3, "25%", "25%", nil, "create 3"},
		{"created with the surge, then the old goes down by what may be unavailable", 10, "25%", "25%", []rs{{"old", 10, 10, 0}}, "create 3, old 10->8"},
		{"new up by what the old gave", 10, "25%", "25%", []rs{{"old", 8, 8, 0}, {"new", 3, 0, 0}}, "new 3->5"},
		{"nothing while no new pod is available", 10, "25%", "25%", []rs{{"old", 8, 8, 0}, {"new", 5, 0, 0}}, ""},
		{"one old goes for each new that is available", 10, "25%", "25%", []rs{{"old", 8, 8, 0}, {"new", 5, 1, 0}}, "old 8->7"},
		{"unhealthy old pods go first", 10, "25%", "25%", []rs{{"rs1", 8, 8, 0}, {"rs2", 5, 0, 0}}, "create 0, rs2 5->0"},
		{"surge 0: old down first", 10, "0", "3", []rs{{"old", 10, 10, 0}}, "create 0, old 10->7"},
		{"unavailable 0: new up first", 3, "1", "0", []rs{{"old", 3, 3, 0}}, "create 1"},
		{"both 0 after rounding: one may be unavailable", 3, "0%", "10%", []rs{{"old", 3, 3, 0}, {"new", 0, 0, 0}}, "old 3->2"},
		{"done", 3, "25%", "25%", []rs{{"old", 0, 0, 0}, {"new", 3, 3, 0}}, ""},
		{"scaled down by hand: never more than wanted", 2, "25%", "25%", []rs{{"new", 3, 3, 2}}, "new 3->2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, sets := deployment(c.replicas, c.surge, c.unavailable, c.sets...)
			assert.Equal(t, c.want, scalings(d, sets, false))
		})
	}
}

// TestScale: a changed size is spread over the ReplicaSets in proportion.
func TestScale(t *testing.T) {
	for _, c := range []struct {
		name     string
		replicas int32
		sets     []rs
		want     string
	}{
		{"one ReplicaSet takes it all", 10, []rs{{"new", 3, 3, 3}}, "new 3->10"},
		{"8 and 5 of 10, to 15", 15, []rs{{"old", 8, 8, 10}, {"new", 5, 0, 10}}, "old 8->11, new 5->7"},
		{"11 and 7 of 15, to 6", 6, []rs{{"old", 11, 8, 15}, {"new", 7, 0, 15}}, "old 11->5, new 7->4"},
		{"to nothing", 0, []rs{{"old", 2, 2, 3}, {"new", 2, 0, 3}}, "old 2->0, new 2->0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, sets := deployment(c.replicas, "3", "25%", c.sets...)
			got := strings.Split(scalings(d, sets, false), ", ")
			assert.ElementsMatch(t, strings.Split(c.want, ", "), got)
		})
	}
}

func TestRecreate(t *testing.T) {
	d, sets := deployment(3, "0", "0", rs{"old", 3, 3, 0})
	d.Recreate = true
	assert.Equal(t, "old 3->0", scalings(d, sets, true))
	d, sets = deployment(3, "0", "0", rs{"old", 0, 0, 0})
	d.Recreate = true
	assert.Equal(t, "", scalings(d, sets, true), "it waits for the old pods to end")
	assert.Equal(t, "create 3", scalings(d, sets, false))
}

func TestHistory(t *testing.T) {
	d, sets := deployment(1, "25%", "25%", rs{"a", 0, 0, 0}, rs{"b", 0, 0, 0}, rs{"c", 0, 0, 0}, rs{"new", 1, 1, 0})
	d.RevisionHistoryLimit = 1
	for _, s := range sets {
		s.Status.ObservedGeneration = s.Generation
	}
	d.Status = model.DeploymentStatus{Replicas: 1, Updated: 1, Ready: 1, Available: 1, ObservedGeneration: 1}
	assert.Equal(t, "delete a, delete b", scalings(d, sets, false))
}

// TestProgress: a roll-out that stands still misses its deadline, and is looked at again then.
func TestProgress(t *testing.T) {
	d, sets := deployment(3, "25%", "25%", rs{"old", 3, 3, 0}, rs{"new", 1, 0, 0})
	d.ProgressDeadlineSeconds = 20
	status := func(now model.Time) (model.Condition, model.Time) {
		writes, again := SyncDeployment(d, sets, false, now, nil)
		for _, w := range writes {
			if w.Kind == UpdateDeploymentStatus {
				d.Status = w.Status
			}
		}
		return d.Status.Conditions[model.DeploymentProgressing], again
	}
	c, _ := status(100 * model.Second)
	assert.Equal(t, model.ReasonReplicaSetUpdated, c.Reason)
	_, again := status(101 * model.Second)
	assert.Equal(t, 121*model.Second, again)
	c, _ = status(again)
	assert.Equal(t, model.ReasonProgressDeadlineExceeded, c.Reason)
	assert.Equal(t, model.ConditionFalse, c.Status)
}

func TestAvailable(t *testing.T) {
	for _, c := range []struct {
		replicas, available int32
		want                model.ConditionStatus
	}{{10, 8, model.ConditionTrue}, {10, 7, model.ConditionFalse}, {4, 3, model.ConditionTrue}, {3, 3, model.ConditionTrue}, {3, 2, model.ConditionFalse}} {
		d, sets := deployment(c.replicas, "25%", "25%", rs{"new", c.replicas, c.available, 0})
		writes, _ := SyncDeployment(d, sets, false, model.Second, nil)
		status := writes[len(writes)-1].Status
		assert.Equal(t, c.want, status.Conditions[model.DeploymentAvailable].Status, "%d of %d", c.available, c.replicas)
		assert.Equal(t, c.replicas-c.available, status.Unavailable)
	}
}
