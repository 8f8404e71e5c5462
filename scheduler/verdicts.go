package scheduler

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	"podsim/model"
	"podsim/scheduler/framework"
)

// verdicts are what the plugins that look at the class and one node say of every node, in the
// snapshot's order. They hold until the node changes: a placement changes one node, so the next
// cycle of the class asks the plugins about one node only. Classes that these plugins cannot tell
// apart share them.
type verdicts struct {
	// class is the first of the classes that share them; met says that a pod of one was scheduled.
	class *class
	met   bool
	// logged is how much of the scheduler's log of changed nodes has been taken in,
	// treeGeneration and epoch the set of nodes and the plugins' Epoch for which it holds.
	logged         uint64
	treeGeneration uint64
	epoch          uint64
	valid          bool

	// status is what the filters say of a node, fits when they take it.
	status []statusID
	// score is the weighted sum of the scores that are not normalized; raw are the raw ones of the
	// plugins that are, one after the other in the order of class.normalized.
	score []int32
	raw   [][]int64
	// varied counts the nodes with a raw score above zero. While there is none, normalization
	// gives the same to all nodes.
	varied int
	// counts are the numbers of nodes by status.
	counts []int32
	tree   scoreTree
}

// statusID numbers the distinct statuses of a run.
type statusID int32

// fits is the status of a node that all filters take.
const fits statusID = 0

// statuses are the statuses by number.
type statuses struct {
	list  []framework.Status
	index map[statusKey]statusID
}

// statusKey is a status as a key; rest has the reasons of one with very many.
type statusKey struct {
	code    framework.Code
	plugin  framework.PluginID
	length  int
	reasons [12]framework.ReasonID
	rest    string
}

// id is the number of a status.
func (t *statuses) id(st *framework.Status) statusID {
	key := statusKey{code: st.Code, plugin: st.Plugin, length: len(st.Reasons)}
	copy(key.reasons[:], st.Reasons)
	if key.length > len(key.reasons) {
		for _, r := range st.Reasons {
			key.rest += string(rune(r))
		}
	}
	if id, ok := t.index[key]; ok {
		return id
	}
	if t.index == nil {
		t.index = map[statusKey]statusID{}
		t.list = make([]framework.Status, 1)
	}
	id := statusID(len(t.list))
	t.list = append(t.list, framework.Status{Code: st.Code, Plugin: st.Plugin, Reasons: slices.Clone(st.Reasons)})
	t.index[key] = id
	return id
}

// changeLog is the list of nodes that changed, or whose pods did, in order. Number base is its
// first entry.
type changeLog struct {
	base  uint64
	nodes []model.NodeID
}

func (l *changeLog) end() uint64 { return l.base + uint64(len(l.nodes)) }

// touch notes that a node or its pods changed. A log that is longer than it takes to judge all
// nodes again is cut.
func (s *Scheduler) touch(n *framework.NodeInfo) {
	s.changes++
	l := &s.log
	if len(l.nodes) >= 2*len(s.cluster.NodesByID)+1024 {
		half := len(l.nodes) / 2
		l.base += uint64(half)
		l.nodes = l.nodes[:copy(l.nodes, l.nodes[half:])]
	}
	l.nodes = append(l.nodes, n.ID)
}

// split sorts the plugins of a class into those that look at one node and those that look further.
// verdicts can be kept when the former come first, and when PreFilter does not leave some nodes
// only: such a class is mostly one of a single pod.
func (c *class) split() {
	local := 0
	for local < len(c.filters) && c.filters[local].Global == nil {
		local++
	}
	c.localFilters, c.globalFilters = c.filters[:local], c.filters[local:]
	c.keeps = !c.static.rejected && c.static.nodeNames == nil
	for _, p := range c.globalFilters {
		c.keeps = c.keeps && p.Global != nil
	}
	total := int64(0)
	for _, p := range c.scores {
		total += p.Weight * framework.MaxNodeScore
		switch {
		case p.Global != nil:
			c.globalScores = append(c.globalScores, p)
		case p.Normalize == framework.NormalizeNone:
			c.plainScores = append(c.plainScores, p)
		default:
			c.normalized = append(c.normalized, p)
		}
	}
	// A kept score has 32 bits.
	c.keeps = c.keeps && total <= math.MaxInt32
}

// shared are the verdicts that the class keeps, together with those that differ only in what no
// plugin that looks at one node reads.
func (s *Scheduler) shared(c *class) *verdicts {
	key := nodeKey(c.Template.Spec)
	v := s.verdicts[key]
	if v == nil {
		if s.verdicts == nil {
			s.verdicts = map[string]*verdicts{}
		}
		v = &verdicts{class: c}
		s.verdicts[key] = v
	}
	return v
}

// nodeKey is a specification without what only the kubelet and the plugins that look further read.
func nodeKey(spec *v1.PodSpec) string {
	o := spec.DeepCopy()
	o.TopologySpreadConstraints = nil
	if o.Affinity != nil {
		o.Affinity.PodAffinity, o.Affinity.PodAntiAffinity = nil, nil
	}
	for _, containers := range [...][]v1.Container{o.InitContainers, o.Containers} {
		for i := range containers {
			c := &containers[i]
			c.Name, c.Command, c.Args, c.WorkingDir, c.Env, c.EnvFrom = "", nil, nil, "", nil, nil
			c.VolumeMounts = slices.DeleteFunc(c.VolumeMounts, func(m v1.VolumeMount) bool { return len(m.BindMountOptions) == 0 })
		}
	}
	o.Volumes = slices.DeleteFunc(o.Volumes, func(v v1.Volume) bool { return v.Image == nil })
	o.ServiceAccountName, o.DeprecatedServiceAccount, o.Hostname, o.Subdomain = "", "", "", ""
	text, err := json.Marshal(o)
	if err != nil {
		panic("scheduler: " + err.Error())
	}
	return string(text)
}

// judged is the class's verdicts as of now; nil for a class that keeps none, and when it is met for
// the first time: most of these are not met again.
func (s *Scheduler) judged(c *class) *verdicts {
	if s.config.NoVerdicts || !c.keeps {
		return nil
	}
	if c.verdicts == nil {
		c.verdicts = s.shared(c)
	}
	if !c.verdicts.met {
		c.verdicts.met = true
		return nil
	}
	v := c.verdicts
	c = v.class
	nodes := s.list()
	s.cycle.NumNodes = len(nodes)
	epoch := s.epoch(c)
	if v.treeGeneration != s.treeGeneration || v.logged < s.log.base || v.epoch != epoch || !v.valid {
		v.treeGeneration, v.epoch, v.valid = s.treeGeneration, epoch, true
		v.logged = s.log.end()
		s.judgeAll(c, v)
		return v
	}
	for ; v.logged < s.log.end(); v.logged++ {
		id := s.log.nodes[v.logged-s.log.base]
		if at := s.position(id); at >= 0 {
			v.forget(at)
			s.judge(c, v, at)
			v.tree.rise(at)
		}
	}
	return v
}

// epoch changes when the scores of nodes that did not change may have.
func (s *Scheduler) epoch(c *class) uint64 {
	sum := uint64(0)
	for _, p := range c.plainScores {
		if p.Epoch != nil {
			sum += p.Epoch(&s.cycle, &c.PodClass)
		}
	}
	return sum
}

func (s *Scheduler) judgeAll(c *class, v *verdicts) {
	n := len(s.snapshot)
	v.status = append(v.status[:0], make([]statusID, n)...)
	v.score = append(v.score[:0], make([]int32, n)...)
	if v.raw == nil {
		v.raw = make([][]int64, len(c.normalized))
	}
	for i := range v.raw {
		v.raw[i] = append(v.raw[i][:0], make([]int64, n)...)
	}
	v.varied = 0
	clear(v.counts)
	v.tree.reset(n)
	for at := range n {
		s.judge(c, v, at)
	}
	v.tree.build()
}

// forget takes a node's verdict out of the sums.
func (v *verdicts) forget(at int) {
	v.counts[v.status[at]]--
	for _, raw := range v.raw {
		if raw[at] != 0 {
			v.varied--
		}
		raw[at] = 0
	}
}

// judge asks the plugins that look at one node about the node at a position.
func (s *Scheduler) judge(c *class, v *verdicts, at int) {
	n := s.snapshot[at]
	id := fits
	if !s.localFilterWithNominated(c, n) {
		id = s.statuses.id(&s.status)
	}
	v.status[at] = id
	for len(v.counts) <= int(id) {
		v.counts = append(v.counts, 0)
	}
	v.counts[id]++
	v.score[at] = 0
	if id == fits {
		v.score[at] = s.localScore(c, v, at)
	}
	v.tree.put(at, id == fits, v.score[at])
}

func (s *Scheduler) localFilter(c *class, n *framework.NodeInfo) bool {
	s.status.Clear()
	for _, p := range c.localFilters {
		if !p.Filter(&c.PodClass, n, &s.status) {
			s.status.Plugin = p.ID
			return false
		}
	}
	return true
}

func (s *Scheduler) localScore(c *class, v *verdicts, at int) int32 {
	nodes, out := s.snapshot[at:at+1], s.one[:]
	total := int64(0)
	for _, p := range c.plainScores {
		p.Score(&s.cycle, &c.PodClass, nodes, out)
		total += p.Weight * out[0]
	}
	for i, p := range c.normalized {
		p.Score(&s.cycle, &c.PodClass, nodes, out)
		if v.raw[i][at] = out[0]; out[0] != 0 {
			v.varied++
		}
	}
	return int32(total)
}

// scheduleKnown is schedule for a class whose verdicts are known: the same answer.
func (s *Scheduler) scheduleKnown(c *class, v *verdicts, tie uint64) *framework.NodeInfo {
	s.begin(c)
	s.diagnosis.start(c, &s.attempt, s.cycle.NumNodes, s.changes)
	s.feasible, s.numFeasible = s.feasible[:0], 0
	if s.attempt.rejected {
		return nil
	}
	if s.attempt.nodeNames != nil {
		// A plugin that looks further left some nodes only.
		return s.scheduleAmong(c, tie)
	}
	if v.varied == 0 && !s.scoresGlobally(c) && !s.filtersGlobally(c) {
		return s.pickFromTree(v, tie)
	}
	s.findKnown(c, v)
	s.advance()
	return s.best(c, v, tie)
}

// filtersGlobally says whether a plugin that looks further has a say in this cycle.
func (s *Scheduler) filtersGlobally(c *class) bool {
	for _, p := range c.globalFilters {
		if !s.attempt.skipped.Has(p.ID) {
			return true
		}
	}
	return false
}

// scoresGlobally says whether a plugin that looks further may score in this cycle.
func (s *Scheduler) scoresGlobally(c *class) bool {
	for _, p := range c.globalScores {
		if p.Global.Scores == nil || p.Global.Scores(&s.cycle, &c.PodClass) {
			return true
		}
	}
	return false
}

// pickFromTree is the answer when nothing but the kept scores counts.
func (s *Scheduler) pickFromTree(v *verdicts, tie uint64) *framework.NodeInfo {
	n := s.cycle.NumNodes
	feasible := v.tree.feasible()
	if feasible == 0 {
		s.diagnoseKnown(v)
		s.advance()
		return nil
	}
	start, most := s.nextStart%n, s.numFeasibleNodesToFind(v.class, n)
	s.diagnosis.evaluated = n
	if feasible > most {
		// The search stops at the first feasible node that it does not need.
		rank := (v.tree.rank(start) + most) % feasible
		s.diagnosis.evaluated = (v.tree.nth(rank) - start + n) % n
	}
	s.numFeasible = min(feasible, most)
	s.advance()
	end := start + s.diagnosis.evaluated
	first, second := v.tree.sum(start, min(end, n)), v.tree.sum(0, max(end-n, 0))
	both := first.with(second)
	chosen := s.draw(tie, int(both.ties))
	if first.best == both.best {
		if chosen < int(first.ties) {
			return s.snapshot[v.tree.nthBest(start, min(end, n), both.best, chosen)]
		}
		chosen -= int(first.ties)
	}
	return s.snapshot[v.tree.nthBest(0, end-n, both.best, chosen)]
}

// diagnoseKnown counts why no node fits.
func (s *Scheduler) diagnoseKnown(v *verdicts) {
	d := &s.diagnosis
	d.evaluated, d.known = s.cycle.NumNodes, v
	for id, nodes := range v.counts {
		if id == int(fits) || nodes == 0 {
			continue
		}
		st := &s.statuses.list[id]
		d.addAll(st, nodes)
		if st.Code == framework.Unschedulable {
			d.numResolvable += int(nodes)
		}
	}
}

// resolvableNodes are the nodes on which preemption might help, in the snapshot's order.
func (s *Scheduler) resolvableNodes() []*framework.NodeInfo {
	d := &s.diagnosis
	if d.known != nil {
		d.sorted = len(d.resolvable) == 0
		for at, id := range d.known.status {
			if id != fits && s.statuses.list[id].Code == framework.Unschedulable {
				d.resolvable = append(d.resolvable, s.snapshot[at])
			}
		}
		d.known = nil
	}
	before := func(a, b *framework.NodeInfo) int { return cmp.Compare(s.positions[a.ID], s.positions[b.ID]) }
	if !d.sorted {
		slices.SortFunc(d.resolvable, before)
	}
	d.sorted = true
	return d.resolvable
}

// findKnown is find with the kept verdicts: it asks only the plugins that look further.
func (s *Scheduler) findKnown(c *class, v *verdicts) {
	n := s.cycle.NumNodes
	most := s.numFeasibleNodesToFind(c, n)
	s.known = s.known[:0]
	at := 0
	if n > 0 {
		at = s.nextStart % n
	}
	asks := s.nominator.total > 0 || s.filtersGlobally(c)
	for range n {
		if v.status[at] == fits && (!asks || s.globalFilter(c, s.snapshot[at])) {
			if len(s.feasible) == most {
				return
			}
			s.feasible = append(s.feasible, s.snapshot[at])
			s.known = append(s.known, int32(at))
			s.numFeasible++
		}
		if v.status[at] == fits && s.failed() {
			s.feasible, s.known = s.feasible[:0], s.known[:0]
			return
		}
		s.diagnosis.evaluated++
		if at++; at == n {
			at = 0
		}
	}
	if len(s.feasible) == 0 {
		s.diagnoseKnown(v)
	}
}

// globalFilter asks the plugins that look further about a node that the others take, and counts
// the node when they do not.
func (s *Scheduler) globalFilter(c *class, n *framework.NodeInfo) bool {
	fits := s.askWithNominated(c, n, (*Scheduler).askGlobals)
	if !fits {
		s.diagnosis.add(n, &s.status)
	}
	return fits
}

func (s *Scheduler) askGlobals(c *class, n *framework.NodeInfo) bool {
	s.status.Clear()
	for _, p := range c.globalFilters {
		if s.attempt.skipped.Has(p.ID) || p.Global.Filter(&s.cycle, &c.PodClass, n, &s.status) {
			continue
		}
		s.status.Plugin = p.ID
		return false
	}
	return true
}

// best is the best of the feasible nodes, whose positions are in s.known.
func (s *Scheduler) best(c *class, v *verdicts, tie uint64) *framework.NodeInfo {
	switch len(s.feasible) {
	case 0:
		return nil
	case 1:
		return s.feasible[0]
	}
	n := len(s.feasible)
	s.totals, s.scores = grown(s.totals, n), grown(s.scores, n)
	for i, at := range s.known {
		s.totals[i] = int64(v.score[at])
	}
	if v.varied > 0 {
		s.addNormalized(c, v)
	}
	for _, p := range c.globalScores {
		if s.score(c, p, false) {
			for i, score := range s.scores {
				s.totals[i] += p.Weight * score
			}
		}
	}
	return s.selectHost(tie)
}

func (s *Scheduler) addNormalized(c *class, v *verdicts) {
	for k, p := range c.normalized {
		raw := v.raw[k]
		for i, at := range s.known {
			s.scores[i] = raw[at]
		}
		p.Normalize.Apply(s.scores)
		for i, score := range s.scores {
			s.totals[i] += p.Weight * score
		}
	}
}

// grown is a slice of n elements, of whatever value.
func grown(x []int64, n int) []int64 { return slices.Grow(x[:0], n)[:n] }
