package sim_test

import (
	"flag"
	"fmt"
	"math"
	"math/bits"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

var (
	memoryDay  = flag.Bool("memory-day", false, "the memory twin with 10,000 containers on 200 nodes for a day")
	memorySeed = flag.Int64("memory-seed", 1, "the seed of the memory twin")
	memoryEach = flag.Int("memory-each", 1, "the twin looks at one of so many nodes")
)

// TestMemoryTwin holds the kernel's kills of a run against a twin that steps each second. It is told when
// containers begin, and when they end for another reason; the kills it finds itself.
func TestMemoryTwin(t *testing.T) {
	nodes, duration := 12, 4*model.Hour
	if *memoryDay {
		nodes, duration = 200, 24*model.Hour
	}
	sc := leakingCluster(*memorySeed, nodes, 50, duration)
	start := time.Now()
	changes := make([][]sim.RunChange, nodes+1)
	kills, counts := runMemory(t, sc, changes)
	ran := time.Since(start)
	require.Greater(t, kills, nodes, "hardly anything is killed")
	found := [2]int{}
	for id := 1; id <= nodes; id += *memoryEach {
		twin := newMemoryTwin(sc, model.NodeID(id))
		wrong := twin.run(changes[id], duration)
		if wrong != "" {
			t.Fatalf("node %s: %s\nto run it alone: go test ./sim -run TestMemoryTwin -memory-seed %d -memory-day=%t",
				sc.Nodes[id-1].Name, wrong, *memorySeed, *memoryDay)
		}
		found[0] += twin.killed[0]
		found[1] += twin.killed[1]
	}
	if *memoryEach == 1 {
		require.Equal(t, kills, found[0]+found[1])
	}
	t.Logf("%d containers on %d nodes for %s: %d kills for a container's limit, %d for the node's; %d events; podsim took %s, the twin %s",
		nodes*50, nodes, duration, found[0], found[1], counts.Events, ran.Round(time.Millisecond), (time.Since(start) - ran).Round(time.Millisecond))
	require.Positive(t, found[1], "no node runs out of memory")
}

// runMemory runs a scenario and notes the runs of containers by node. It gives the number of kills.
func runMemory(t *testing.T, sc *model.Scenario, changes [][]sim.RunChange) (kills int, counts sim.Counts) {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	w := c.WatchRuns(func(x sim.RunChange) {
		changes[x.Node] = append(changes[x.Node], x)
		if x.OOM {
			kills++
		}
	})
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		w.Step()
	}
	require.EqualValues(t, kills, c.Counts().OOMKills)
	return kills, c.Counts()
}

// leakingCluster draws nodes full of pods that leak, wander and follow points, with and without limits.
// On every second node the kubelet evicts nobody, so that the node's memory runs out.
func leakingCluster(seed int64, nodes, podsPerNode int, duration model.Time) *model.Scenario {
	r := rand.New(rand.NewSource(seed))
	sc := &model.Scenario{Seed: uint64(seed), Duration: duration, Start: time.Unix(1767600000, 0).UTC(),
		ControlPlane: model.DefaultControlPlane(), Latencies: steadyLatencies()}
	never, errs := kubeletconfig.New(&configv1beta1.KubeletConfiguration{EvictionHard: map[string]string{"nodefs.available": "5%"}})
	if len(errs) > 0 {
		panic(errs.ToAggregate())
	}
	for i := range nodes {
		room := v1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("5Gi"), "pods": resource.MustParse("110")}
		n := model.NodeSpec{Name: fmt.Sprintf("n%d", i), Object: &v1.Node{Status: v1.NodeStatus{Capacity: room, Allocatable: room}},
			Images: []string{"a:1"}, SystemMemory: 300 << 20}
		if i%2 == 0 {
			n.Kubelet = never
		}
		sc.Nodes = append(sc.Nodes, n)
	}
	const kinds = 40
	for k := range kinds {
		b := leakingBehavior(r)
		b.Pod = fmt.Sprintf("k%d-*", k)
		sc.Behaviors = append(sc.Behaviors, b)
	}
	first := model.Step{Verb: model.StepApply}
	for i := range nodes * podsPerNode {
		first.Objects = append(first.Objects, model.Object{Object: leakingPod(r, fmt.Sprintf("k%d-%d", r.Intn(kinds), i), fmt.Sprintf("n%d", i%nodes))})
	}
	sc.Steps = []model.Step{first}
	return sc
}

func leakingBehavior(r *rand.Rand) model.Behavior {
	const mi = 1 << 20
	mib := func(least, more int64) int64 { return (least + r.Int63n(more)) * mi }
	b := model.Behavior{Run: model.Run{Forever: true}}
	if r.Intn(4) == 0 {
		b.Run = model.Run{For: model.Dist{Kind: model.DistUniform, Min: 1e11, Max: 2e13}, Exit: []int32{1}}
	}
	switch r.Intn(4) {
	case 0:
		b.Memory = []model.MemoryPoint{{Use: mib(20, 100), Rate: model.RatePer(mib(1, 100), 30*model.Minute)}}
	case 1:
		b.Memory = []model.MemoryPoint{{Use: mib(20, 100), Rate: model.RatePer(mib(1, 300), 5*model.Hour)}}
	case 2:
		for at := model.Time(0); len(b.Memory) < 3+r.Intn(300); at += model.Time(3e9 + r.Int63n(6e11)) {
			p := model.MemoryPoint{At: at, Use: mib(1, 250)}
			if last := len(b.Memory) - 1; last >= 0 && r.Intn(2) == 0 {
				b.Memory[last].Rate = model.RatePer(p.Use-b.Memory[last].Use, at-b.Memory[last].At)
			}
			b.Memory = append(b.Memory, p)
		}
	case 3:
		b.MemoryWalk = &model.MemoryWalk{Base: mib(40, 80), Min: mib(0, 40), Max: mib(120, 200), Step: 1 + r.Int63n(20*mi),
			Period: model.Time(1e9 + r.Int63n(6e10))}
	}
	return b
}

func leakingPod(r *rand.Rand, name, node string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: v1.PodSpec{NodeName: node,
		Containers: []v1.Container{{Name: "c", Image: "a:1"}}}}
	memory := *resource.NewQuantity((60+r.Int63n(100))<<20, resource.BinarySI)
	res := &p.Spec.Containers[0].Resources
	switch r.Intn(4) {
	case 0:
		res.Requests = v1.ResourceList{"memory": memory}
	case 1:
		res.Requests = v1.ResourceList{"memory": memory}
		limit := memory.DeepCopy()
		limit.Add(resource.MustParse("80Mi"))
		res.Limits = v1.ResourceList{"memory": limit}
	case 2:
		res.Limits = v1.ResourceList{"memory": memory, "cpu": resource.MustParse("100m")}
		res.Requests = res.Limits
	}
	model.DefaultPod(p)
	return p
}

// memoryTwin is one node of a run, second by second.
type memoryTwin struct {
	sc             *model.Scenario
	pods           map[model.PodID]*v1.Pod
	capacity, base float64
	live           []*twinRun
	// killed counts the kills for limits of containers and for the node's memory.
	killed [2]int
	// found are the kills of a second.
	found []twinKill
}

// twinKill is a kill that the twin finds. It looks each millisecond, so it may come that much late.
type twinKill struct {
	pod model.PodID
	at  model.Time
}

// twinRun is a run of a container.
type twinRun struct {
	pod    model.PodID
	b      *model.Behavior
	began  model.Time
	limit  float64
	adjust int64
	draw   func(n uint64) uint64
	steps  uint64
	value  int64
	before int64
	// point is the last of the points that was looked at.
	point int
}

func newMemoryTwin(sc *model.Scenario, id model.NodeID) *memoryTwin {
	n := &sc.Nodes[id-1]
	t := &memoryTwin{sc: sc, pods: map[model.PodID]*v1.Pod{}, base: float64(n.SystemMemory)}
	t.capacity = float64(n.Object.Status.Capacity.Memory().Value())
	for i, o := range sc.Steps[0].Objects {
		if p := o.Object.(*v1.Pod); p.Spec.NodeName == n.Name {
			t.pods[model.PodID(i+1)] = p
		}
	}
	return t
}

// run steps through the seconds. It says what is wrong, "" when nothing is.
func (t *memoryTwin) run(changes []sim.RunChange, duration model.Time) string {
	for s := model.Second; s <= duration; s += model.Second {
		n := 0
		for n < len(changes) && changes[n].At <= s {
			n++
		}
		now := changes[:n]
		changes = changes[n:]
		t.found = t.found[:0]
		if n > 0 || t.near(s) {
			t.finely(s-model.Second, s, now)
		}
		now = slices.DeleteFunc(slices.Clone(now), func(x sim.RunChange) bool { return !x.OOM })
		if !t.finds(now) {
			return fmt.Sprintf("in the second before %s podsim kills %+v, the twin %v", s, now, t.found)
		}
	}
	return ""
}

// finds says that the twin has found these kills and no others. Of those in one millisecond it does not
// know the order.
func (t *memoryTwin) finds(kills []sim.RunChange) bool {
	left := slices.Clone(t.found)
	for _, x := range kills {
		i := slices.IndexFunc(left, func(k twinKill) bool { return k.pod == x.Pod && k.at >= x.At && k.at-x.At <= model.Millisecond })
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return len(left) == 0
}

// near says that something may be above a limit in the second up to s. Each changes its course at most
// once in a second, so that it is never above the larger of the uses at its ends, and at that moment.
func (t *memoryTwin) near(s model.Time) bool {
	sum, over := t.base, false
	for _, r := range t.live {
		most := max(r.use(s-model.Second), r.use(s))
		for _, p := range r.knots(s-model.Second, s) {
			most = max(most, r.use(p-1), r.use(p))
		}
		sum += most
		over = over || most > r.limit
	}
	return over || sum > t.capacity
}

// finely looks at each millisecond of a second, at each moment at which something changes its course, and
// at the begins and ends of runs.
func (t *memoryTwin) finely(from, to model.Time, changes []sim.RunChange) {
	var moments []model.Time
	for at := from + model.Millisecond; at <= to; at += model.Millisecond {
		moments = append(moments, at)
	}
	for _, r := range t.live {
		moments = append(moments, r.knots(from, to)...)
	}
	for _, x := range changes {
		moments = append(moments, x.At)
	}
	slices.Sort(moments)
	for _, at := range slices.Compact(moments) {
		for len(changes) > 0 && changes[0].At <= at {
			t.change(changes[0])
			changes = changes[1:]
		}
		t.kill(at)
	}
}

// change takes over what is not the twin's to find.
func (t *memoryTwin) change(x sim.RunChange) {
	i := slices.IndexFunc(t.live, func(r *twinRun) bool { return r.pod == x.Pod })
	switch {
	case x.Began:
		t.live = append(t.live, t.newRun(x))
	case !x.OOM && i >= 0:
		t.live = slices.Delete(t.live, i, i+1)
	}
}

// kill is the kernel at a moment.
func (t *memoryTwin) kill(at model.Time) {
	end := func(i, why int) {
		t.found = append(t.found, twinKill{t.live[i].pod, at})
		t.live = slices.Delete(t.live, i, i+1)
		t.killed[why]++
	}
	for i := 0; i < len(t.live); i++ {
		if t.live[i].use(at) > t.live[i].limit {
			end(i, 0)
			i--
		}
	}
	for {
		sum, worst, points := t.base, -1, int64(math.MinInt64)
		for i, r := range t.live {
			use := r.use(at)
			sum += use
			if badness := int64(use)>>12 + r.adjust*(int64(t.capacity)>>12/1000); badness >= points && use >= 1 {
				worst, points = i, badness
			}
		}
		if math.Floor(sum) <= t.capacity || worst < 0 {
			return
		}
		end(worst, 1)
	}
}

func (t *memoryTwin) newRun(x sim.RunChange) *twinRun {
	p := t.pods[x.Pod]
	r := &twinRun{pod: x.Pod, began: x.At, limit: math.Inf(1), adjust: 1000}
	for i := range t.sc.Behaviors {
		if b := &t.sc.Behaviors[i]; r.b == nil && model.Matches(b.Pod, p.Name) {
			r.b = b
		}
	}
	res := &p.Spec.Containers[0].Resources
	if limit := res.Limits.Memory().Value(); limit > 0 {
		r.limit = float64(limit) + 1 - 1e-9
	}
	if request := res.Requests.Memory().Value(); request > 0 {
		r.adjust = 1000 - 1000*request/int64(t.capacity)
	}
	if !res.Limits.Cpu().IsZero() {
		r.adjust = -997
	}
	if w := r.b.MemoryWalk; w != nil {
		r.value = w.Base
		first := uint64(x.Container)<<56 | uint64(x.Run)<<40
		r.draw = func(n uint64) uint64 { return sim.Draw(t.sc.Seed, sim.StreamMemory, x.Luck, first+n) }
	}
	return r
}

// use is what the run uses at a moment. A walk goes forward only, but for what it used just before.
func (r *twinRun) use(at model.Time) float64 {
	since := at - r.began
	if since < 0 {
		return 0
	}
	if w := r.b.MemoryWalk; w != nil {
		return float64(r.walk(uint64(since / w.Period)))
	}
	points := r.b.Memory
	for r.point+1 < len(points) && points[r.point+1].At <= since {
		r.point++
	}
	i := r.point
	for i >= 0 && points[i].At > since {
		i--
	}
	if i < 0 {
		return 0
	}
	return float64(points[i].Use) + float64(points[i].Rate)*float64(since-points[i].At)/(1<<48)
}

// walk is the value after a number of steps.
func (r *twinRun) walk(steps uint64) int64 {
	w := r.b.MemoryWalk
	if steps+1 == r.steps {
		return r.before
	}
	if steps < r.steps {
		r.steps, r.value = 0, w.Base
	}
	for r.steps < steps {
		r.steps++
		r.before = r.value
		up, _ := bits.Mul64(r.draw(r.steps), uint64(2*w.Step+1))
		r.value = min(max(r.value+int64(up)-w.Step, w.Min), w.Max)
	}
	return r.value
}

// knots are the moments after from and up to to at which the use changes its course.
func (r *twinRun) knots(from, to model.Time) []model.Time {
	var out []model.Time
	if w := r.b.MemoryWalk; w != nil {
		for at := r.began + (from-r.began+w.Period)/w.Period*w.Period; at <= to; at += w.Period {
			out = append(out, at)
		}
		return out
	}
	for i := max(0, r.point-1); i < len(r.b.Memory) && r.began+r.b.Memory[i].At <= to; i++ {
		if at := r.began + r.b.Memory[i].At; at > from {
			out = append(out, at)
		}
	}
	return out
}

// Each eviction for memory comes in the pass in which it comes when every eviction manager passes each 10s,
// and no other pod is evicted.
func TestMemoryEvictionTwin(t *testing.T) {
	nodes, duration := 6, 2*model.Hour
	if *memoryDay {
		nodes, duration = 50, 24*model.Hour
	}
	run := func(each bool) (told []string, evicted int) {
		sc := leakingCluster(*memorySeed, nodes, 50, duration)
		for i := range sc.Nodes {
			sc.Nodes[i].Kubelet = nil
		}
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		c.Observe(nil, func(e *model.Event) {
			_, name := c.State().ObjectName(e.Kind, e.ID)
			if e.Reason == model.EventEvicted || e.Kind == model.KindNode {
				told = append(told, fmt.Sprintf("%s %s %s %s", e.At, name, c.State().EventReason(e), c.State().EventMessage(e)))
			}
			if e.Reason == model.EventEvicted {
				evicted++
			}
		})
		c.Begin()
		if each {
			c.AllPasses()
		}
		c.Run(sc.Duration, nil)
		return append(told, fmt.Sprint(c.Counts().OOMKills, " kills")), evicted
	}
	want, evicted := run(true)
	got, _ := run(false)
	require.Greater(t, evicted, nodes, "hardly anything is evicted")
	require.Equal(t, want, got, "seed %d", *memorySeed)
}
