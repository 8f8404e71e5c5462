package sim_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"

	"podsim/conform"
	"podsim/model"
	"podsim/sim"
)

// deploymentsAgree are the recordings of Deployments that podsim agrees with.
var deploymentsAgree = []string{
	"deploy-create-3", "deploy-history", "deploy-minready5", "deploy-proportional", "deploy-rolling-slowterm",
	"deploy-rolling-surge1", "deploy-scale-3-10-2", "deploy-stuck-rollback",
}

// controllerLine is a line of a recording of the controllers.
type controllerLine struct {
	Ms       int64  `json:"ms"`
	Type     string `json:"type"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	T0       time.Time
	Replicas int32           `json:"spec.replicas"`
	Phase    string          `json:"phase"`
	Node     string          `json:"node"`
	Ready    bool            `json:"ready"`
	RealName string          `json:"realName"`
	Owner    string          `json:"owner"`
	Deletion json.RawMessage `json:"deletion"`
	Status   struct {
		ObservedGeneration int64  `json:"observedGeneration"`
		Replicas           int32  `json:"replicas"`
		Updated            int32  `json:"updatedReplicas"`
		Ready              int32  `json:"readyReplicas"`
		Available          int32  `json:"availableReplicas"`
		Unavailable        int32  `json:"unavailableReplicas"`
		Terminating        *int32 `json:"terminatingReplicas"`
		Conditions         []struct{ Type, Status, Reason string }
	} `json:"status"`

	Env   string
	Steps []controllerStep
}

// controllerStep is a request that was made.
type controllerStep struct {
	Ms         int64
	Verb, What string
	Object     map[string]any
}

// words are what two states of a Deployment or ReplicaSet are compared by.
func (l *controllerLine) words() string {
	s := &l.Status
	var conditions []string
	for _, c := range s.Conditions {
		conditions = append(conditions, c.Type+"="+c.Status+"/"+c.Reason)
	}
	slices.Sort(conditions)
	terminating := int32(0)
	if s.Terminating != nil {
		terminating = *s.Terminating
	}
	return fmt.Sprintf("%s %d: %d updated %d ready %d available %d unavailable %d terminating %d %s", l.Type, l.Replicas, s.Replicas,
		s.Updated, s.Ready, s.Available, s.Unavailable, terminating, strings.Join(conditions, " "))
}

func deploymentWords(change string, d *model.Deployment, texts *model.Texts) string {
	s := &d.Status
	var conditions []string
	for i := range s.Conditions {
		if c := &s.Conditions[i]; c.Status != model.ConditionAbsent {
			conditions = append(conditions, fmt.Sprintf("%s=%s/%s", model.DeploymentConditionType(i), c.Status, texts.String(c.Reason)))
		}
	}
	slices.Sort(conditions)
	return fmt.Sprintf("%s %d: %d updated %d ready %d available %d unavailable %d terminating %d %s", change, d.Replicas, s.Replicas,
		s.Updated, s.Ready, s.Available, s.Unavailable, s.Terminating, strings.Join(conditions, " "))
}

func replicaSetWords(change string, r *model.ReplicaSet) string {
	s := &r.Status
	return fmt.Sprintf("%s %d: %d updated 0 ready %d available %d unavailable 0 terminating %d ", change, r.Replicas, s.Replicas, s.Ready,
		s.Available, s.Terminating)
}

// history is the states of each Deployment and ReplicaSet of a recording, by name; ReplicaSets
// are rs1, rs2 and so on in the order of their creation.
type history map[string][]conform.State

func (h history) add(name string, at int64, words string) {
	h[name] = conform.AddState(h[name], at, words)
}

// podTimes are what became of a recorded pod, in milliseconds: it was bound, ran, was Ready, was
// deleted, had ended and was gone. Zero is never.
type podTimes struct{ bound, ran, ready, deleted, ended, gone int64 }

func (p *podTimes) add(l *controllerLine) {
	first := func(t *int64, now bool) {
		if *t == 0 && now {
			*t = l.Ms
		}
	}
	first(&p.bound, l.Node != "")
	first(&p.ran, l.Phase == "Running")
	first(&p.ready, l.Ready)
	first(&p.deleted, len(l.Deletion) > 0)
	first(&p.ended, l.Phase == "Failed")
	first(&p.gone, l.Type == "DELETED")
}

// fakeNode does with the pods what the recorded nodes did: the n-th pod runs and is Ready as
// long after its bind as the recorded one, and the n-th that is deleted ends as the recorded one.
type fakeNode struct {
	c      *sim.Cluster
	agenda []fakeStep
	// created and deleted are the recorded pods of each ReplicaSet, in the order of creation and
	// of deletion.
	created, deleted [][]podTimes
	// pods are the pods in the order of their creation; of has those of each ReplicaSet, and
	// deletes how many of them were deleted.
	pods         []model.PodID
	of           [][]model.PodID
	deletes      []int
	bound, ended map[int64]bool
	now, offset  model.Time
}

type fakeStep struct {
	at model.Time
	do func()
}

// follow does something when the recording did, given when the recording was where the cluster
// is now. A difference of less than 0.2 s is made up for.
func (f *fakeNode) follow(was, then int64, do func()) {
	at := f.offset + model.Time(then)*model.Millisecond
	if d := f.c.Now() - f.offset - model.Time(was)*model.Millisecond; d < -200*model.Millisecond || d > 200*model.Millisecond {
		at += d
	}
	f.agenda = append(f.agenda, fakeStep{max(at, f.c.Now()), do})
}

func (f *fakeNode) transition(t model.Transition) {
	if t.Kind != model.KindPod {
		return
	}
	id := model.PodID(t.ID)
	p := &f.c.State().Pods[id]
	switch serial := p.Serial; {
	case t.Type == model.Added:
		f.pods = append(f.pods, id)
		for len(f.of) <= int(p.Owner) {
			f.of, f.deletes = append(f.of, nil), append(f.deletes, 0)
		}
		f.of[p.Owner] = append(f.of[p.Owner], id)
	case t.Type == model.Deleted:
	case p.Deleting && !f.ended[serial]:
		f.ended[serial] = true
		f.end(id)
	case p.Node != 0 && !f.bound[serial]:
		f.bound[serial] = true
		f.start(id)
	}
}

func (f *fakeNode) start(id model.PodID) {
	owner := f.c.State().Pods[id].Owner
	n := slices.Index(f.of[owner], id)
	if int(owner) >= len(f.created) || n >= len(f.created[owner]) || f.created[owner][n].ran == 0 {
		return
	}
	times := f.created[owner][n]
	f.follow(times.bound, times.ran, func() { f.set(id, f.run) })
	if times.ready > 0 {
		f.follow(times.bound, times.ready, func() { f.set(id, func(p *model.Pod) { f.setReady(p, true) }) })
	}
}

func (f *fakeNode) end(id model.PodID) {
	owner := f.c.State().Pods[id].Owner
	term, err := time.ParseDuration(f.c.State().Pods[id].Template.Annotations["sim/term"])
	if err != nil {
		term = time.Second
	}
	was := int64((f.c.Now() - f.offset) / model.Millisecond)
	times := podTimes{deleted: was, ended: was + term.Milliseconds(), gone: was + term.Milliseconds() + 50}
	n := f.deletes[owner]
	f.deletes[owner]++
	if int(owner) < len(f.deleted) && n < len(f.deleted[owner]) && f.deleted[owner][n].gone > 0 {
		times = f.deleted[owner][n]
	}
	if times.ended > 0 {
		f.follow(times.deleted, times.ended, func() { f.set(id, f.fail) })
	}
	f.follow(times.deleted, times.gone, func() {
		if f.c.Exists(id) {
			f.c.RemovePod(id)
		}
	})
}

func (f *fakeNode) set(id model.PodID, change func(*model.Pod)) {
	if f.c.Exists(id) {
		f.c.SetStatus(id, change)
	}
}

func (f *fakeNode) run(p *model.Pod) {
	p.Status.Phase, p.Status.StartTime = model.PodRunning, f.now.TruncateSecond()
	p.Status.Containers = make([]model.ContainerStatus, len(p.Template.Containers))
	for i := range p.Status.Containers {
		p.Status.Containers[i].State.Kind = model.StateRunning
	}
}

func (f *fakeNode) fail(p *model.Pod) {
	p.Status.Phase = model.PodFailed
	f.setReady(p, false)
}

func (f *fakeNode) setReady(p *model.Pod, on bool) {
	status := model.ConditionFalse
	if on {
		status = model.ConditionTrue
	}
	p.Status.SetCondition(model.ContainersReady, status, model.NoText, model.Message{}, f.now)
	p.Status.SetCondition(model.PodReady, status, model.NoText, model.Message{}, f.now)
	for i := range p.Status.Containers {
		p.Status.Containers[i].Ready = on
	}
}

// run carries out the cluster's events, the fake nodes' and the requests in the order of time.
func (f *fakeNode) until(t model.Time) {
	for {
		first := -1
		for i := range f.agenda {
			if first < 0 || f.agenda[i].at < f.agenda[first].at {
				first = i
			}
		}
		at, ok := f.c.Next()
		switch {
		case first >= 0 && f.agenda[first].at <= t && (!ok || f.agenda[first].at <= at):
			s := f.agenda[first]
			f.agenda = slices.Delete(f.agenda, first, first+1)
			f.now = s.at
			f.c.At(s.at, s.do)
		case ok && at <= t:
			f.c.Step()
		default:
			return
		}
	}
}

func TestRecordedDeployments(t *testing.T) {
	files, err := filepath.Glob("testdata/controller-traces/deploy-*.jsonl")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		difference := deploymentDifference(t, file, strings.Contains(name, "qps20"))
		if slices.Contains(deploymentsAgree, name) {
			assert.Empty(t, difference, name)
		} else {
			t.Logf("%s: %s", name, difference)
		}
	}
}

func deploymentDifference(t *testing.T, file string, limited bool) string {
	spec, want, pods := readControllers(t, file)
	got, problem := replay(t, spec, pods, limited)
	if problem != "" {
		return problem
	}
	var names []string
	for name := range want {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		pairs, ok := conform.Align(want[name], got[name], 30)
		if !ok {
			return name + " " + conform.Differ(want[name], got[name], pairs[len(pairs)-1]).String()
		}
		for _, p := range pairs {
			w, g := want[name][p.Want], got[name][p.Got]
			if tolerance := max(300, w.From/20); w.From-g.From > tolerance || g.From-w.From > tolerance {
				return name + " time of " + conform.Differ(want[name], got[name], p).String()
			}
		}
	}
	return ""
}

func readControllers(t *testing.T, file string) (spec controllerLine, h history, pods [][]podTimes) {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	h = history{}
	pods = make([][]podTimes, 1)
	type place struct{ owner, n int }
	index, owners := map[string]place{}, map[string]int{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<22)
	for s.Scan() {
		var l controllerLine
		require.NoError(t, json.NewDecoder(bytes.NewReader(s.Bytes())).Decode(&l))
		switch {
		case l.Type == "spec":
			spec = l
		case l.Kind == "Deployment" || l.Kind == "ReplicaSet":
			h.add(l.Name, l.Ms, l.words())
			if l.Kind == "ReplicaSet" && l.Type == "ADDED" {
				owners["ReplicaSet/"+l.RealName] = len(pods)
				pods = append(pods, nil)
			}
		case l.Kind == "Pod":
			if _, ok := index[l.Name]; !ok {
				owner := owners[l.Owner]
				index[l.Name] = place{owner, len(pods[owner])}
				pods[owner] = append(pods[owner], podTimes{})
			}
			at := index[l.Name]
			pods[at.owner][at.n].add(&l)
		}
	}
	require.NoError(t, s.Err())
	return spec, h, pods
}

// replay makes the recorded requests in a simulated cluster.
func replay(t *testing.T, spec controllerLine, pods [][]podTimes, limited bool) (h history, problem string) {
	sc := podsScenario(1, 10)
	sc.Steps = nil
	if !limited {
		sc.ControlPlane.ControllerManager.QPS = -1
	}
	sc.ControlPlane.Scheduler.QPS = -1
	for i := range sc.Nodes {
		n := sc.Nodes[i].Object.DeepCopy()
		n.Labels = map[string]string{"pool": "shared", "case": "deploy-scale-ranking"}
		sc.Nodes[i].Object = n
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	// Times in a status are whole seconds of the wall clock.
	offset := model.Time(spec.T0.Nanosecond())
	f := &fakeNode{c: c, bound: map[int64]bool{}, ended: map[int64]bool{}, created: pods, offset: offset}
	for _, list := range pods {
		deleted := slices.DeleteFunc(slices.Clone(list), func(p podTimes) bool { return p.deleted == 0 })
		slices.SortStableFunc(deleted, func(a, b podTimes) int { return int(a.deleted - b.deleted) })
		f.deleted = append(f.deleted, deleted)
	}
	h = history{}
	c.Observe(func(tr model.Transition) {
		f.transition(tr)
		ms := int64((tr.At - offset) / model.Millisecond)
		switch tr.Kind {
		case model.KindDeployment:
			d := &c.State().Deployments[tr.ID]
			h.add(d.Name, ms, deploymentWords(tr.Type.String(), d, &c.State().Texts))
		case model.KindReplicaSet:
			h.add(fmt.Sprintf("rs%d", tr.ID), ms, replicaSetWords(tr.Type.String(), &c.State().ReplicaSets[tr.ID]))
		}
	}, nil)
	c.Begin()
	c.CutOff()
	var object, previous map[string]any
	for _, s := range spec.Steps {
		at := model.Time(s.Ms)*model.Millisecond + offset
		f.until(at)
		f.now = at
		switch {
		case s.Verb == "end":
		case s.Verb == "create" && strings.HasPrefix(s.What, "Node/"):
		case s.What == "Deployment/web" && s.Verb == "create":
			object = s.Object
			c.At(at, func() { c.Do(applyStep(t, object)) })
		case s.What == "Deployment/web" && s.Verb == "patch":
			previous = copied(t, object)
			merge(object, s.Object)
			c.At(at, func() { c.Do(applyStep(t, object)) })
		case s.Verb == "kubectl" && strings.HasSuffix(s.What, "rollout undo deployment/web"):
			c.At(at, func() { c.Do(applyStep(t, previous)) })
		case strings.HasPrefix(s.What, "Pod/p") && s.Verb == "delete":
			id := f.pods[atoi(strings.TrimPrefix(s.What, "Pod/p"))-1]
			c.At(at, func() { c.DeletePod(id) })
		case strings.HasPrefix(s.What, "Pod/p") && s.Verb == "patch/status":
			id := f.pods[atoi(strings.TrimPrefix(s.What, "Pod/p"))-1]
			c.At(at, func() {
				c.SetStatus(id, func(p *model.Pod) {
					if s.Object["status"].(map[string]any)["phase"] == "Failed" {
						f.fail(p)
					} else {
						f.setReady(p, false)
					}
				})
			})
		default:
			return h, fmt.Sprintf("%s %s is not replayed", s.Verb, s.What)
		}
	}
	return h, ""
}

func copied(t *testing.T, object map[string]any) (out map[string]any) {
	data, err := json.Marshal(object)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &out))
	return out
}

// merge applies a merge patch.
func merge(to, patch map[string]any) {
	for k, v := range patch {
		if m, ok := v.(map[string]any); ok {
			if t, ok := to[k].(map[string]any); ok {
				merge(t, m)
				continue
			}
		}
		to[k] = v
	}
}

func applyStep(t *testing.T, object map[string]any) model.Step {
	data, err := json.Marshal(object)
	require.NoError(t, err)
	d := &appsv1.Deployment{}
	require.NoError(t, json.Unmarshal(data, d))
	d.Namespace = "default"
	model.DefaultDeployment(d)
	return model.Step{Objects: []model.Object{{Object: d}}}
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
