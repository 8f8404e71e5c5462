package reports

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// BenchmarkWriter writes the rows of a roll-out in a large cluster: of each pod the seven
// changes and six Events from its creation until it is ready. One processor is used, so that
// the time is that of the run and of the encoder together. The goal is 4 µs a row.
func BenchmarkWriter(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := rolloutState(1000)
	dir := b.TempDir()
	w, err := NewWriter(dir, s, RunInfo{})
	require.NoError(b, err)
	r := &rollout{w: w, s: s}
	b.ReportAllocs()
	for b.Loop() {
		r.row()
	}
	require.NoError(b, w.Close(RunInfo{}))
	b.ReportMetric(float64(folderBytes(b, dir))/float64(b.N), "file-B/row")
}

func folderBytes(t testing.TB, dir string) (n int64) {
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	require.NoError(t, err)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		n += info.Size()
	}
	return n
}

// rolloutState is a cluster of nodes with one template and the ReplicaSet app-5d8f7c6b9.
func rolloutState(nodes int) *model.State {
	s := &model.State{Seed: 1}
	s.Nodes = make([]model.Node, 1, nodes+1)
	for i := range nodes {
		s.Nodes = append(s.Nodes, model.Node{ID: model.NodeID(i + 1), Name: fmt.Sprintf("node-%d", i), Object: &v1.Node{}})
	}
	t := s.Compile("default", map[string]string{"app": "app"}, nil, &v1.PodSpec{
		Containers: []v1.Container{{Name: "app", Image: "registry.example/app:1", ReadinessProbe: &v1.Probe{PeriodSeconds: 10}}},
	})
	s.ReplicaSets = []model.ReplicaSet{{}, {ID: 1, Namespace: "default", Name: "app-5d8f7c6b9", Template: t}}
	s.Pods = make([]model.Pod, 4000)
	return s
}

// rollout changes the pods of a state step by step, many at once.
type rollout struct {
	w      *Writer
	s      *model.State
	n      int
	seq    uint64
	events int64
	serial int64
}

// row makes one row.
func (r *rollout) row() {
	const steps = 13
	slots := len(r.s.Pods) - 1
	id := model.PodID(r.n%slots + 1)
	step := r.n / slots % steps
	r.n++
	p := &r.s.Pods[id]
	now := model.Time(r.n) * 7 * model.Microsecond
	switch step {
	case 0:
		r.serial++
		containers := p.Status.Containers[:0]
		*p = model.Pod{ID: id, Name: fmt.Sprintf("app-5d8f7c6b9-%05d", r.serial), Serial: r.serial, Template: r.s.Templates[1], Owner: 1, Created: now}
		p.Status = model.PodStatus{StartTime: model.Never, Containers: containers}
		p.Status.Containers = nil
		r.change(now, id, model.Added)
	case 1:
		r.event(now, id, -1, model.EventSuccessfulCreate, model.Message{Kind: model.MessageCreatedPod, Text: r.s.Texts.Intern("app-5d8f7c6b9-00001")})
	case 2:
		p.Node = model.NodeID(int(p.Serial)%(len(r.s.Nodes)-1) + 1)
		p.Status.SetCondition(model.PodScheduled, model.ConditionTrue, model.NoText, model.Message{}, now)
		r.change(now, id, model.Modified)
	case 3:
		r.event(now, id, -1, model.EventScheduled, model.Message{Kind: model.MessageScheduled, N: int64(p.Node)})
	case 4:
		p.Status.StartTime = now.TruncateSecond()
		p.Status.Containers = []model.ContainerStatus{{State: model.ContainerState{Kind: model.StateWaiting, Reason: model.ReasonContainerCreating}}}
		r.status(now, p, false)
	case 5:
		r.event(now, id, 0, model.EventPulled, model.Message{Kind: model.MessageAlreadyPresent})
	case 6:
		p.Status.HasIP = true
		r.status(now, p, true)
	case 7:
		r.event(now, id, 0, model.EventCreated, model.Message{Kind: model.MessageCreated})
	case 8:
		p.Status.Phase = model.PodRunning
		p.Status.Containers[0] = model.ContainerStatus{State: model.ContainerState{Kind: model.StateRunning, StartedAt: now.TruncateSecond(), ContainerID: 1},
			ContainerID: 1, Started: true}
		r.status(now, p, true)
	case 9:
		r.event(now, id, 0, model.EventStarted, model.Message{Kind: model.MessageStarted})
	case 10:
		r.event(now, id, 0, model.EventUnhealthy, model.Message{Kind: model.MessageProbeFailed, N: int64(model.Readiness), Text: model.ReasonError})
	case 11:
		p.Status.Containers[0].Ready = true
		r.status(now, p, true)
	case 12:
		p.Deleting = true
		r.change(now, id, model.Modified)
	}
}

func (r *rollout) status(now model.Time, p *model.Pod, sandbox bool) {
	p.Status.SetConditions(p.Template, sandbox, model.Message{Kind: model.MessageNoSandbox}, now)
	r.change(now, p.ID, model.Modified)
}

func (r *rollout) change(now model.Time, id model.PodID, change model.ChangeType) {
	r.seq++
	r.w.Transition(model.Transition{At: now, Seq: r.seq, Type: change, Kind: model.KindPod, ID: int32(id)})
}

func (r *rollout) event(now model.Time, id model.PodID, container int16, reason model.EventReason, m model.Message) {
	r.seq++
	r.events++
	r.w.Event(&model.Event{At: now, First: now, Seq: r.seq, Serial: r.events, Count: 1, Kind: model.KindPod, ID: int32(id), Container: container,
		Reason: reason, Message: m})
}
