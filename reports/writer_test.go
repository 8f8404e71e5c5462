package reports

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

var seedFlag = flag.Uint64("reports.seed", 0, "the seed of the property tests, 0 for a new one each time")

// luck is a source of random numbers; its seed is printed when the test fails.
func luck(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again with -reports.seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// parts makes parts so small that a short test has many.
func parts(t *testing.T, rows int) {
	before := partRows
	partRows = rows
	t.Cleanup(func() { partRows = before })
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// chaos is a State that changes at random, and what a reader should see of it.
type chaos struct {
	*world
	r *rand.Rand
	// want is what describes each object that is there, by kind and serial.
	want   map[identity]string
	events map[int64]string
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{world: newWorld(t), r: luck(t), want: map[identity]string{}, events: map[int64]string{}}
	for i := range 3 {
		n := c.node(fmt.Sprintf(`{metadata: {name: n%d, labels: {a: b%d}}, status: {capacity: {cpu: "%d"}, allocatable: {cpu: "1"}}}`, i, i, i+1))
		c.sawNode(n)
	}
	return c
}

const chaosSpec = `{restartPolicy: Always, readinessGates: [{conditionType: g}], initContainers: [{name: i}, {name: s, restartPolicy: Always}], containers: [{name: a}, {name: b}]}`

// step changes one object or writes an Event.
func (c *chaos) step() {
	c.now += model.Time(c.r.Int64N(int64(model.Second)))
	switch n := len(c.s.Pods); {
	case n < 4 || c.r.IntN(20) == 0 && n < 40:
		id := c.pod(fmt.Sprintf(`{metadata: {name: p%d, namespace: ns%d, labels: {l: x%d}}, spec: %s}`, c.r.IntN(9), n%2, n%3, chaosSpec))
		c.sawPod(id)
	case c.r.IntN(15) == 0:
		n := &c.s.Nodes[1+c.r.IntN(3)]
		n.Unschedulable = !n.Unschedulable
		n.Taints = append([]v1.Taint(nil), pick(c.r, nil, []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoExecute}})...)
		n.Conditions[model.NodeReady] = c.condition(model.ReasonKubeletNotReady)
		c.changed(model.KindNode, int32(n.ID), model.Modified)
		c.sawNode(n)
	case c.r.IntN(3) == 0:
		c.randomEvent(model.PodID(1 + c.r.IntN(n-1)))
	default:
		c.randomChange(model.PodID(1 + c.r.IntN(n-1)))
	}
}

func (c *chaos) condition(reasons ...model.Text) model.Condition {
	return model.Condition{Status: model.ConditionStatus(1 + c.r.IntN(3)), Reason: pick(c.r, reasons...),
		Message: pick(c.r, model.Message{}, c.text(fmt.Sprint("why ", c.r.IntN(5)))), Transition: c.now.TruncateSecond()}
}

func (c *chaos) randomChange(id model.PodID) {
	p := &c.s.Pods[id]
	if _, there := c.want[identity{"Pod", p.Serial}]; !there {
		return
	}
	s := &p.Status
	switch c.r.IntN(8) {
	case 0:
		p.Node = model.NodeID(c.r.IntN(4))
		p.Nominated = model.NodeID(c.r.IntN(4))
	case 1:
		s.Phase = model.Phase(c.r.IntN(5))
		s.Reason, s.Message = pick(c.r, model.NoText, model.ReasonEvicted, c.s.Texts.Intern("Odd")), c.text("gone")
	case 2:
		s.Conditions[c.r.IntN(int(model.NumConditions))] = c.condition(model.NoText, model.ReasonContainersNotReady, model.ReasonReadinessGatesNotReady)
	case 3:
		s.Gates = []model.Condition{{Status: model.ConditionStatus(c.r.IntN(4))}}
	case 4:
		p.Deleting, p.DeletionTimestamp, p.GraceSeconds = true, c.now+30*model.Second, c.r.Int64N(60)
	case 5:
		c.changed(model.KindPod, int32(id), model.Deleted)
		delete(c.want, identity{"Pod", p.Serial})
		return
	}
	s.StartTime = pick(c.r, model.Never, 0, c.now.TruncateSecond())
	s.Containers = nil
	for range len(p.Template.Containers) {
		s.Containers = append(s.Containers, model.ContainerStatus{State: c.state(), Last: pick(c.r, model.ContainerState{}, c.state()),
			Restarts: c.r.Int32N(3), ContainerID: c.r.Int32N(3), Ready: c.r.IntN(2) == 0, Started: c.r.IntN(2) == 0})
	}
	s.HasIP = p.Node != 0 && c.r.IntN(2) == 0
	p.Generation++
	c.changed(model.KindPod, int32(id), model.Modified)
	c.sawPod(id)
}

func (c *chaos) state() model.ContainerState {
	switch x := (model.ContainerState{Reason: pick(c.r, model.ReasonError, c.s.Texts.Intern("Odd")), Message: c.text("m")}); c.r.IntN(3) {
	case 0:
		x.Kind = model.StateWaiting
		return x
	case 1:
		return model.ContainerState{Kind: model.StateRunning, StartedAt: pick(c.r, 0, c.now.TruncateSecond()), ContainerID: 1}
	default:
		x.Kind, x.ExitCode, x.Signal = model.StateTerminated, c.r.Int32N(256), c.r.Int32N(2)*9
		if c.r.IntN(2) == 0 {
			x.ContainerID, x.StartedAt, x.FinishedAt = 1+c.r.Int32N(3), 0, pick(c.r, 0, c.now.TruncateSecond())
		}
		return x
	}
}

func (c *chaos) randomEvent(id model.PodID) {
	e := model.Event{Kind: model.KindPod, ID: int32(id), Container: int16(c.r.IntN(4)), Source: model.EventSource(c.r.IntN(3)),
		Reason: model.EventReason(c.r.IntN(int(model.EventPreempted) + 1)), Warning: c.r.IntN(2) == 0, Combined: c.r.IntN(5) == 0,
		Message: pick(c.r, c.text("text"), model.Message{Kind: model.MessagePulling}, model.Message{Kind: model.MessageStopping},
			model.Message{Kind: model.MessageFailedLiveness, N: 1}, model.Message{Kind: model.MessageBackOffRestarting},
			model.Message{Kind: model.MessageProbeFailed, N: int64(c.r.IntN(3)), Text: c.s.Texts.Intern(fmt.Sprint("t", c.r.IntN(3)))},
			model.Message{Kind: model.MessagePulled, N: c.r.Int64N(1e10)}, model.Message{Kind: model.MessageTaintEviction})}
	e.Serial = c.event(e)
	e.First, e.Count = c.now, 1
	if c.r.IntN(3) == 0 {
		c.now += model.Second
		e.Count = 2
		c.event(e)
	}
	host := ""
	if p := &c.s.Pods[id]; e.Source == model.FromKubelet && p.Node != 0 {
		host = c.s.Nodes[p.Node].Name
	}
	c.world.events = max(c.world.events, e.Serial)
	c.events[e.Serial] = fmt.Sprintln(c.now, e.First, e.Count, e.Reason, e.Warning, c.s.Pods[id].Name, c.s.Pods[id].Template.Containers[e.Container].Name,
		e.Source, host, c.s.EventMessage(&e))
}

// sawPod notes what a reader should see of a pod, in the model's own words.
func (c *chaos) sawPod(id model.PodID) {
	p := &c.s.Pods[id]
	st := &p.Status
	sum := c.s.Summary(p)
	text := fmt.Sprintln(p.Template.Namespace, p.Name, p.Template.Labels, p.Created, p.Generation, p.Deleting, p.Node, p.Nominated, st.Phase, sum,
		c.s.Texts.String(st.Reason), c.s.Message(p, -1, st.Message), c.s.IP(p), p.Template.QOS)
	if p.Deleting {
		text += fmt.Sprintln(p.DeletionTimestamp, p.GraceSeconds)
	}
	if st.StartTime != model.Never {
		text += fmt.Sprintln("start", st.StartTime)
	}
	for t := range model.NumConditions {
		if k := &st.Conditions[t]; k.Status != model.ConditionAbsent {
			text += fmt.Sprintln(t, k.Status, c.s.Texts.String(k.Reason), c.s.ConditionMessage(p, t), k.Transition)
		}
	}
	for i := range st.Gates {
		if k := &st.Gates[i]; k.Status != model.ConditionAbsent {
			text += fmt.Sprintln("g", k.Status, "", "", k.Transition)
		}
	}
	for i := range st.Containers {
		k := &st.Containers[i]
		text += fmt.Sprintln(p.Template.Containers[i].Name, p.Template.Containers[i].Kind, k.Ready, k.Started, k.Restarts, k.ContainerID)
		for _, x := range []*model.ContainerState{&k.State, &k.Last} {
			text += stateText(x.Kind.String(), c.s.Texts.String(x.Reason), c.s.Message(p, i, x.Message), x.ExitCode, x.Signal)
			switch {
			case x.Kind == model.StateRunning:
				text += fmt.Sprintln(int64(x.StartedAt), -1)
			case x.Kind == model.StateTerminated && x.TimesKnown():
				text += fmt.Sprintln(int64(x.StartedAt), int64(x.FinishedAt))
			default:
				text += "-1 -1\n"
			}
		}
		text += fmt.Sprintln(k.Last.ContainerID)
	}
	c.want[identity{"Pod", p.Serial}] = text
}

func stateText(kind, reason, message string, code, signal int32) string {
	return fmt.Sprintln(kind, reason, message, code, signal)
}

func (c *chaos) sawNode(n *model.Node) {
	c.want[identity{"Node", int64(n.ID)}] = fmt.Sprintln(n.Name, n.Labels, n.Unschedulable, n.Taints, n.Conditions[model.NodeReady].Status,
		nodeMessage(c.s, &n.Conditions[model.NodeReady]))
}

// shown is what a reader sees of an object, in the form of want.
func (c *chaos) shown(s *Snapshot, o *object) string {
	if o.Kind == "Node" {
		n := s.node(o)
		ready := n.Status.Conditions[model.NodeReady]
		return fmt.Sprintln(n.Name, n.Labels, n.Spec.Unschedulable, n.Spec.Taints, ready.Status, ready.Message)
	}
	sum := model.Summary{Ready: int(o.ReadyContainers), Containers: int(o.Containers), Status: o.Status, Restarts: o.Restarts, LastRestart: model.Never}
	if o.LastRestart != absent {
		sum.LastRestart = model.Time(o.LastRestart)
	}
	nodes := map[string]int{"": 0, "n0": 1, "n1": 2, "n2": 3}
	text := fmt.Sprintln(o.Namespace, o.Name, s.labels(o), model.Time(o.Created), o.Generation, o.Deletion != absent, nodes[o.Node], nodes[o.Nominated],
		o.Phase, sum, o.Reason, o.Message, o.IP, o.QOS)
	if o.Deletion != absent {
		text += fmt.Sprintln(model.Time(o.Deletion), o.Grace)
	}
	if o.StartTime != absent {
		text += fmt.Sprintln("start", model.Time(o.StartTime))
	}
	for _, k := range o.Conditions {
		text += fmt.Sprintln(k.Type, k.Status, k.Reason, k.Message, model.Time(k.Transition))
	}
	for _, k := range o.States {
		text += fmt.Sprintln(k.Name, slices.Index(containerKinds[:], k.Kind), k.Ready, k.Started, k.Restarts, k.Instance)
		text += stateText(k.State, k.Reason, k.Message, k.ExitCode, k.Signal) + fmt.Sprintln(k.StartedAt, k.FinishedAt)
		text += stateText(k.LastState, k.LastReason, k.LastMessage, k.LastExitCode, k.LastSignal) + fmt.Sprintln(k.LastStarted, k.LastFinished)
		text += fmt.Sprintln(k.LastInstance)
	}
	return text
}

// TestRoundTrip writes what happens at random and reads it back, at several moments.
func TestRoundTrip(t *testing.T) {
	parts(t, 400)
	c := newChaos(t)
	type moment struct {
		at     model.Time
		want   map[identity]string
		events map[int64]string
	}
	var moments []moment
	for i := range 6_000 {
		c.step()
		if i%600 == 599 {
			m := moment{c.now, map[identity]string{}, map[int64]string{}}
			for k, v := range c.want {
				m.want[k] = v
			}
			for k, v := range c.events {
				m.events[k] = v
			}
			moments = append(moments, m)
			c.now++
		}
	}
	r := c.close()
	for _, m := range moments {
		s, err := r.At(m.at, true)
		require.NoError(t, err)
		got := map[identity]string{}
		for _, o := range s.objects {
			got[identity{o.Kind, o.Serial}] = c.shown(s, o)
		}
		require.Equal(t, m.want, got, "at %s", m.at)
		events := map[int64]string{}
		for i := range s.events {
			events[s.events[i].Serial] = shownEvent(&s.events[i])
		}
		require.Equal(t, m.events, events, "at %s", m.at)
		require.True(t, slices.IsSortedFunc(s.objects, compare))
	}
}

func shownEvent(e *eventRow) string {
	container := e.FieldPath[len(e.FieldPath)-2 : len(e.FieldPath)-1]
	return fmt.Sprintln(model.Time(e.Time), model.Time(e.First), e.Count, e.Reason, e.Type == "Warning", e.Name, container, e.Source, e.Host, e.Message)
}

// allRows are the rows of a table as JSON.
func allRows[T any](t *testing.T, dir, name string) []string {
	var rows []string
	require.NoError(t, readTable(dir, name, func(r *T) bool {
		data, err := json.Marshal(r)
		require.NoError(t, err)
		rows = append(rows, string(data))
		return true
	}))
	return rows
}

// TestParts: a record of many parts, merged at its end, has the rows that the parts had, and
// those of a record that was never parted. Any reader can read it.
func TestParts(t *testing.T) {
	const seed, steps = 7, 3_000
	tell := func(rows int) (dir string, before, beforeEvents []string) {
		defer func(n int) { partRows = n }(partRows)
		partRows = rows
		w := newWorld(t)
		c := &chaos{world: w, r: rand.New(rand.NewPCG(seed, 0)), want: map[identity]string{}, events: map[int64]string{}}
		for i := range 3 {
			c.node(fmt.Sprintf(`{metadata: {name: n%d}, status: {capacity: {cpu: "1"}, allocatable: {cpu: "1"}}}`, i))
		}
		for range steps {
			c.step()
		}
		w.w.send()
		idle(w.w)
		before, beforeEvents = allRows[transitionRow](t, w.dir, "transitions"), allRows[eventRow](t, w.dir, "events")
		require.NoError(t, w.w.Close(worldInfo))
		return w.dir, before, beforeEvents
	}
	whole, none, _ := tell(1 << 30)
	assert.Empty(t, none, "no part is complete")
	parted, before, beforeEvents := tell(500)
	want, wantEvents := allRows[transitionRow](t, whole, "transitions"), allRows[eventRow](t, whole, "events")
	assert.Equal(t, want, allRows[transitionRow](t, parted, "transitions"))
	assert.Equal(t, wantEvents, allRows[eventRow](t, parted, "events"))
	assert.Equal(t, want[:len(before)], before, "the parts hold the beginning")
	assert.Equal(t, wantEvents[:len(beforeEvents)], beforeEvents)
	assert.Greater(t, len(before)+len(beforeEvents), len(want)+len(wantEvents)-2*batchRows-500)

	for name, rows := range map[string]int{"transitions": len(want), "events": len(wantEvents)} {
		f, err := os.Open(filepath.Join(parted, name+".parquet"))
		require.NoError(t, err)
		info, err := f.Stat()
		require.NoError(t, err)
		p, err := parquet.OpenFile(f, info.Size())
		require.NoError(t, err, "a reader with all checks on")
		assert.Equal(t, int64(rows), p.NumRows())
		assert.NotEmpty(t, p.RowGroups())
		for i, g := range p.Metadata().RowGroups {
			assert.Equal(t, int16(i), g.Ordinal)
			for j, path := range p.Schema().Columns() {
				require.Equal(t, path, []string(g.Columns[j].MetaData.PathInSchema), "every row group names its columns")
			}
		}
		require.NoError(t, f.Close())
	}
	assert.Equal(t, []string{"events.parquet", "run.json", "transitions.parquet"}, files(t, parted))
}

// idle waits until the encoder has nothing to do.
func idle(w *Writer) {
	for len(w.free) < cap(w.free)-1 {
		runtime.Gosched()
	}
}

func files(t *testing.T, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestKilled: a run that is killed leaves what it had written up to its last parts, Events and
// changes alike, and never a file that looks complete and is not.
func TestKilled(t *testing.T) {
	parts(t, 3*batchRows)
	s := rolloutState(10)
	dir := t.TempDir()
	w, err := NewWriter(dir, s, RunInfo{Seed: 1, Duration: model.Hour})
	require.NoError(t, err)
	defer func() { close(w.work); <-w.done }()
	r := &rollout{w: w, s: s}
	for range 11 * batchRows {
		r.row()
		if r.n%1000 != 0 {
			continue
		}
		idle(w)
		for _, name := range files(t, dir) {
			if filepath.Ext(name) == ".parquet" {
				_, in, err := openParquet(filepath.Join(dir, name))
				require.NoError(t, err, name)
				require.NoError(t, in.Close())
			}
		}
	}
	idle(w)
	assert.Contains(t, files(t, dir), "transitions-00000.parquet")
	assert.NotContains(t, files(t, dir), "transitions.parquet")
	assert.Contains(t, files(t, dir), "transitions-00002.parquet.tmp")

	k, err := Open(dir)
	require.NoError(t, err)
	assert.False(t, k.Info.Complete)
	var last, lastEvent transitionRow
	n := 0
	require.NoError(t, readTable(dir, "transitions", func(row *transitionRow) bool {
		require.Greater(t, row.Seq, last.Seq)
		last = *row
		n++
		return true
	}))
	require.NoError(t, readTable(dir, "events", func(row *eventRow) bool { lastEvent.Seq = row.Seq; n++; return true }))
	assert.Equal(t, model.Time(last.Time), k.Info.Ended, "the record ends where it ends")
	assert.Equal(t, max(last.Seq, lastEvent.Seq), int64(n), "nothing is missing up to there")
	assert.GreaterOrEqual(t, n, 7*batchRows)
	_, err = k.At(k.Info.Ended, true)
	require.NoError(t, err)
}

// TestSameBytes: the same run makes the same files.
func TestSameBytes(t *testing.T) {
	parts(t, 3_000)
	var first map[string]string
	for range 2 {
		s := rolloutState(10)
		dir := t.TempDir()
		w, err := NewWriter(dir, s, RunInfo{})
		require.NoError(t, err)
		r := &rollout{w: w, s: s}
		for range 10_000 {
			r.row()
		}
		require.NoError(t, w.Close(RunInfo{}))
		got := map[string]string{}
		for _, name := range files(t, dir) {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			got[name] = string(data)
		}
		if first == nil {
			first = got
		}
		require.Len(t, got, 3)
		for name := range got {
			require.True(t, first[name] == got[name], "%s differs", name)
		}
	}
}

// TestEmpty: a run in which nothing happened has a record too.
func TestEmpty(t *testing.T) {
	r := newWorld(t).close()
	s, err := r.At(worldEnd, true)
	require.NoError(t, err)
	assert.Empty(t, s.objects)
	assert.Equal(t, []string{"events.parquet", "run.json", "transitions.parquet"}, files(t, r.dir))
}

// TestWriteError: an error of the disk stops the record and is known at once.
func TestWriteError(t *testing.T) {
	s := rolloutState(10)
	dir := filepath.Join(t.TempDir(), "out")
	w, err := NewWriter(dir, s, RunInfo{})
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	r := &rollout{w: w, s: s}
	for w.Err() == nil && r.n < 100*batchRows {
		r.row()
	}
	require.ErrorIs(t, w.Err(), os.ErrNotExist)
	require.ErrorIs(t, w.Close(RunInfo{}), os.ErrNotExist)
}

func TestFolders(t *testing.T) {
	make := func(dir string, seed uint64) error {
		w, err := NewWriter(dir, rolloutState(1), RunInfo{Seed: seed})
		if err != nil {
			return err
		}
		return w.Close(RunInfo{Seed: seed, Complete: true})
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	require.NoError(t, make(dir, 1), "the folder is made")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "transitions-00007.parquet.tmp"), nil, 0o644))
	require.NoError(t, make(dir, 2), "an older record is replaced, with what a killed run left")
	r, err := Open(dir)
	require.NoError(t, err)
	assert.Equal(t, uint64(2), r.Info.Seed)
	assert.Equal(t, []string{"events.parquet", "run.json", "transitions.parquet"}, files(t, dir))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format": "podsim/record/v0"}`), 0o644))
	_, err = Open(dir)
	assert.EqualError(t, err, dir+": run.json is not a record of this version of podsim (podsim/record/v1)")
	require.NoError(t, make(dir, 3), "a record of another version is replaced too")

	for _, name := range []string{"notes.txt", "transitions-backup.parquet", "Events.parquet"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		assert.EqualError(t, make(dir, 4), dir+" holds "+name+", which is not part of a record: it is left alone; name a new folder with -o")
		require.NoError(t, os.Remove(path))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "events.parquet.tmp"), 0o755))
	assert.ErrorContains(t, make(dir, 5), "holds events.parquet.tmp")

	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "events.parquet"), []byte("mine"), 0o644))
	assert.EqualError(t, make(foreign, 6), foreign+" is not a record of podsim: it is left alone; name a new folder with -o")
	assert.Equal(t, []string{"events.parquet"}, files(t, foreign))

	require.NoError(t, make(t.TempDir(), 7), "an empty folder is taken")
	_, err = Open(filepath.Join(foreign, "no"))
	assert.ErrorContains(t, err, "no record of a run is there; `podsim run SCENARIO -o ")
}
