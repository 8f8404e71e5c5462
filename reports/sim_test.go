package reports_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/reports"
	"podsim/scenarios"
	"podsim/sim"
)

// TestRecordIsTheState runs scenarios of the library and compares, at moments on the way,
// what the cluster is with what its record says afterwards.
func TestRecordIsTheState(t *testing.T) {
	for _, name := range []string{"shop/shop", "crash-loop", "sidecar", "init-fails", "node-crash", "rolling-update", "force-deletion", "static-pod"} {
		t.Run(name, func(t *testing.T) {
			sc, err := scenarios.Read("../scenarios/library/" + name + ".yaml")
			require.NoError(t, err)
			c, err := sim.NewCluster(sc)
			require.NoError(t, err)
			dir := t.TempDir()
			info := reports.RunInfo{Seed: sc.Seed, Start: sc.Start, Duration: sc.Duration}
			w, err := reports.NewWriter(dir, c.State(), info)
			require.NoError(t, err)
			c.Observe(w.Transition, w.Event)
			c.Begin()
			moments, want := []model.Time{}, []map[string]string{}
			const n = 8
			for i := range model.Time(n) {
				at := sc.Duration * (i + 1) / n
				c.Run(at, func() bool { return true })
				moments, want = append(moments, at), append(want, live(c, at))
			}
			info.Complete, info.Ended = true, c.Now()
			require.NoError(t, w.Close(info))
			r, err := reports.Open(dir)
			require.NoError(t, err)
			for i, at := range moments {
				assert.Equal(t, want[i], recorded(t, r, at), "at %s", at)
			}
			parseable(t, r, moments[n/2])
		})
	}
}

// snapshotAt runs a scenario of the library and gives what its record says of a moment.
func snapshotAt(t *testing.T, name string, at model.Time) *reports.Snapshot {
	sc, err := scenarios.Read("../scenarios/library/" + name + ".yaml")
	require.NoError(t, err)
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	dir := t.TempDir()
	info := reports.RunInfo{Seed: sc.Seed, Start: sc.Start, Duration: sc.Duration}
	w, err := reports.NewWriter(dir, c.State(), info)
	require.NoError(t, err)
	c.Observe(w.Transition, w.Event)
	c.Begin()
	c.Run(sc.Duration, nil)
	info.Complete, info.Ended = true, c.Now()
	require.NoError(t, w.Close(info))
	r, err := reports.Open(dir)
	require.NoError(t, err)
	snapshot, err := r.At(at, false)
	require.NoError(t, err)
	return snapshot
}

// TestMirrorPod runs a scenario of the library and looks at a mirror pod, which belongs to its node.
func TestMirrorPod(t *testing.T) {
	snapshot := snapshotAt(t, "static-pod", 30*model.Second)
	pods := snapshot.Pods()
	require.Len(t, pods, 2)
	for _, p := range pods {
		require.Len(t, p.OwnerReferences, 1)
		owner := p.OwnerReferences[0]
		assert.Equal(t, "v1 Node worker", owner.APIVersion+" "+owner.Kind+" "+owner.Name)
		assert.Empty(t, p.GenerateName)
		assert.Equal(t, p.Annotations["kubernetes.io/config.hash"], p.Annotations["kubernetes.io/config.mirror"])
	}
}

// TestResizedPod runs a scenario of the library and looks at a pod that is being resized.
func TestResizedPod(t *testing.T) {
	snapshot := snapshotAt(t, "resize-deferred", 30*model.Second)
	for _, p := range snapshot.Pods() {
		if p.Name != "web" {
			continue
		}
		k := &p.Status.ContainerStatuses[0]
		assert.EqualValues(t, 3, p.Generation)
		assert.Equal(t, "1500m", p.Spec.Containers[0].Resources.Requests.Cpu().String())
		assert.Equal(t, "500m", k.AllocatedResources.Cpu().String())
		assert.Equal(t, "500m 256Mi", k.Resources.Requests.Cpu().String()+" "+k.Resources.Requests.Memory().String())
		assert.Equal(t, "800m 512Mi", k.Resources.Limits.Cpu().String()+" "+k.Resources.Limits.Memory().String())
		assert.Equal(t, "500m 256Mi", p.Status.AllocatedResources.Cpu().String()+" "+p.Status.AllocatedResources.Memory().String())
		assert.Equal(t, "800m 512Mi", p.Status.Resources.Limits.Cpu().String()+" "+p.Status.Resources.Limits.Memory().String())
		pending := p.Status.Conditions[0]
		assert.Equal(t, "PodResizePending True Deferred 3", fmt.Sprint(pending.Type, " ", pending.Status, " ", pending.Reason, " ", pending.ObservedGeneration))
		assert.Equal(t, "Node didn't have enough resource: cpu, requested: 1500, used: 1200, capacity: 2000", pending.Message)
		return
	}
	t.Fatal("the pod is not there")
}

// live is each pod's row of `get pods -o wide` as the cluster has it.
func live(c *sim.Cluster, at model.Time) map[string]string {
	rows := map[string]string{}
	s := c.State()
	for id := range s.Pods {
		if p := &s.Pods[id]; c.Exists(model.PodID(id)) {
			k := s.PodColumns(p, at)
			row := []string{"Pod", p.Template.Namespace, k.Name, k.Ready, k.Status, fmt.Sprint(p.RestartCount()), ((at - p.Created.TruncateSecond()).String()),
				k.IP, k.Node, k.NominatedNode, k.ReadinessGates}
			for i := range row {
				if row[i] == "<none>" {
					row[i] = ""
				}
			}
			row[6] = row[6][:len(row[6])-1]
			rows[p.Template.Namespace+"/"+p.Name] = fmt.Sprintf("%q", row)
		}
	}
	return rows
}

func recorded(t *testing.T, r *reports.Record, at model.Time) map[string]string {
	var out bytes.Buffer
	require.NoError(t, r.Get(&out, reports.GetOptions{Kinds: []string{"Pod"}, AllNamespaces: true, Output: "csv", At: at}))
	lines, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	rows := map[string]string{}
	for i, line := range lines {
		if i > 0 {
			rows[line[1]+"/"+line[2]] = fmt.Sprintf("%q", line)
		}
	}
	return rows
}

// parseable: everything can be printed in every form.
func parseable(t *testing.T, r *reports.Record, at model.Time) {
	o := reports.GetOptions{Kinds: []string{"Node", "Pod", "Service", "Deployment", "ReplicaSet", "Event"}, AllNamespaces: true, At: at}
	for _, o.Output = range append([]string{""}, reports.Outputs...) {
		var out bytes.Buffer
		require.NoError(t, r.Get(&out, o))
		require.NotZero(t, out.Len())
		if o.Output == "json" {
			require.True(t, json.Valid(out.Bytes()))
		}
	}
	for _, kind := range o.Kinds[:5] {
		require.NoError(t, r.Describe(&bytes.Buffer{}, reports.DescribeOptions{Kind: kind, Namespace: "default", At: at}))
	}
}
