package controllers

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

func sync(d *model.Deployment, sets []*model.ReplicaSet) []DeploymentWrite {
	writes, _ := SyncDeployment(d, sets, false, 100*model.Second, nil)
	return writes
}

func kinds(writes []DeploymentWrite) []DeploymentWriteKind {
	var out []DeploymentWriteKind
	for _, w := range writes {
		out = append(out, w.Kind)
	}
	return out
}

// A sync that creates a ReplicaSet writes that it did so, and then no other status.
func TestCreationHasAStatusOfItsOwn(t *testing.T) {
	d, sets := deployment(10, "25%", "25%", rs{"old", 10, 10, 0})
	d.Status = model.DeploymentStatus{Replicas: 10, Updated: 10, Ready: 10, Available: 10}
	writes := sync(d, sets)
	require.Equal(t, []DeploymentWriteKind{CreateReplicaSet, UpdateDeploymentStatus, ScaleReplicaSet}, kinds(writes))
	want := d.Status
	want.Conditions[model.DeploymentProgressing] = model.Condition{Status: model.ConditionTrue,
		Reason: model.ReasonNewReplicaSetCreated, Transition: 100 * model.Second}
	want.ProgressUpdated = 100 * model.Second
	assert.Equal(t, want, writes[1].Status)
}

// A ReplicaSet that the Deployment comes back to becomes the newest revision before all else.
func TestOldTemplateIsRevised(t *testing.T) {
	d, sets := deployment(4, "25%", "25%", rs{"new", 1, 1, 0}, rs{"old", 3, 3, 0})
	assert.Equal(t, []DeploymentWrite{{Kind: ReviseReplicaSet, ReplicaSet: 1, To: 3}}, sync(d, sets))
	sets[0].Revision = 3
	assert.NotContains(t, kinds(sync(d, sets)), ReviseReplicaSet)
	d.MinReadySeconds = 5
	assert.Equal(t, []DeploymentWrite{{Kind: ReviseReplicaSet, ReplicaSet: 1, To: 3}}, sync(d, sets))
}

// Pods of an old ReplicaSet that its status does not count any more are not counted twice.
func TestNoScalingOnAnOldStatus(t *testing.T) {
	d, sets := deployment(10, "25%", "25%", rs{"old", 8, 10, 0}, rs{"new", 5, 3, 0})
	assert.Equal(t, "", scalings(d, sets, false))
	sets[0].Status.Available = 8
	assert.Equal(t, "old 8->5", scalings(d, sets, false))
}

func TestPause(t *testing.T) {
	d, sets := deployment(4, "25%", "25%", rs{"old", 3, 3, 0}, rs{"new", 2, 0, 0})
	progressing := func(writes []DeploymentWrite) model.Condition {
		require.NotEmpty(t, writes)
		require.Equal(t, UpdateDeploymentStatus, writes[0].Kind)
		d.Status = writes[0].Status
		return d.Status.Conditions[model.DeploymentProgressing]
	}
	d.Paused = true
	c := progressing(sync(d, sets))
	assert.Equal(t, model.ConditionUnknown, c.Status)
	assert.Equal(t, model.ReasonDeploymentPaused, c.Reason)
	assert.Equal(t, "", scalings(d, sets, false), "a roll-out stands still")

	d.Replicas = 6
	assert.Equal(t, "old 3->5, new 2->3", scalings(d, sets, false), "a changed size is spread")
	d.Replicas = 4

	d.Paused = false
	c = progressing(sync(d, sets))
	assert.Equal(t, model.ReasonDeploymentResumed, c.Reason)
	assert.Equal(t, model.ConditionUnknown, c.Status)
}
