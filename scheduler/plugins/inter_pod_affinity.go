package plugins

import (
	"math"
	"strings"

	"podsim/model"
	"podsim/scheduler/framework"
)

// InterPodAffinityArgs are the plugin's arguments (pkg/scheduler/apis/config/types_pluginargs.go
// InterPodAffinityArgs).
type InterPodAffinityArgs struct {
	// HardPodAffinityWeight is what a required affinity term of a pod that is there counts when nodes
	// are scored.
	HardPodAffinityWeight int32
	// IgnorePreferredTermsOfExistingPods says that pods without preferred terms are not scored.
	IgnorePreferredTermsOfExistingPods bool
}

// DefaultInterPodAffinityArgs are the arguments where a configuration gives none
// (pkg/scheduler/apis/config/v1/defaults.go SetDefaults_InterPodAffinityArgs).
func DefaultInterPodAffinityArgs() InterPodAffinityArgs {
	return InterPodAffinityArgs{HardPodAffinityWeight: 1}
}

// InterPodAffinity keeps pods with those that they want near and away from those that they do not want
// near, or that do not want them (pkg/scheduler/framework/plugins/interpodaffinity).
func InterPodAffinity(args InterPodAffinityArgs) framework.Plugin {
	return newInterPodAffinity(args).plugin()
}

func newInterPodAffinity(args InterPodAffinityArgs) *interPodAffinity {
	return &interPodAffinity{args: args, index: map[carriedKey]int{}}
}

func (pl *interPodAffinity) plugin() framework.Plugin {
	return framework.Plugin{
		ID:     framework.InterPodAffinity,
		Weight: 2,
		Global: &framework.Global{
			PreFilter:      pl.preFilter,
			Filter:         pl.filter,
			AddPod:         pl.addPod,
			RemovePod:      pl.removePod,
			Save:           pl.save,
			Restore:        pl.restore,
			Scores:         pl.scores,
			PreScore:       pl.preScore,
			Score:          pl.score,
			NormalizeScore: normalizeInterPodAffinity,
			PodMoved:       pl.podMoved,
			NodeChanged:    pl.counts.NodeChanged,
		},
		Events: framework.AssignedPodAdd | framework.AssignedPodDelete | framework.NodeAdd | framework.UpdateNodeLabel,
		Hint:   hintInterPodAffinity,
	}
}

type interPodAffinity struct {
	args   InterPodAffinityArgs
	counts framework.TopologyCounts
	// carried are the terms that pods on nodes have had, index their places by key.
	carried []carriedTerm
	index   map[carriedKey]int
	// classes is indexed by ClassID.
	classes []affinityClass

	// The rest is of the cycle.

	class *affinityClass
	// rejects count the pods whose required anti-affinity is against the pod.
	rejects []*framework.Counter
	scored  []weightedCounter
	// changes are what AddPod and RemovePod did; marks has its length at each Save.
	changes []podChange
	marks   []int
}

// termKind is what a term is for.
type termKind uint8

const (
	requiredAffinity termKind = iota
	requiredAntiAffinity
	preferredAffinity
	preferredAntiAffinity
)

type carriedKey struct {
	kind     termKind
	weight   int64
	topology string
	selects  string
}

// carriedTerm is a term of pods that are on nodes, with the number of these pods in each domain.
type carriedTerm struct {
	kind    termKind
	term    framework.AffinityTerm
	tally   *framework.Tally
	counter *framework.Counter
}

// weightedCounter counts pods that each add weight to the score of the nodes in their domain.
type weightedCounter struct {
	*framework.Counter
	weight int64
	tally  *framework.Tally
}

// affinityClass is what a class's own terms select, and which terms of others select the class.
type affinityClass struct {
	known bool
	// namespaces is the generation of the namespaces for which it holds.
	namespaces uint64
	// required counts, for each required affinity term, the pods that all of them select; self says
	// that they select the class itself. anti and preferred are one for each term.
	required, anti, preferred []weightedCounter
	self                      bool
	// seen is how many of the carried terms were looked at: those that select the class are in
	// rejects and scores.
	seen    int
	rejects []*framework.Counter
	scores  []weightedCounter
}

type podChange struct {
	class *framework.PodClass
	node  model.NodeID
	sign  int64
}

// podMoved counts a pod, after its class's terms got counters.
func (pl *interPodAffinity) podMoved(p *framework.Pod, n *framework.NodeInfo, sign int64) {
	if pl.counts.Meet(p.Class) {
		a := &p.Class.PodAffinity
		pl.carry(p.Class, requiredAffinity, a.Required)
		pl.carry(p.Class, requiredAntiAffinity, a.RequiredAnti)
		pl.carry(p.Class, preferredAffinity, a.Preferred)
		pl.carry(p.Class, preferredAntiAffinity, a.PreferredAnti)
	}
	pl.counts.PodMoved(p, n, sign)
}

// carry makes the pods of a class count for its terms.
func (pl *interPodAffinity) carry(c *framework.PodClass, kind termKind, terms []framework.AffinityTerm) {
	for i := range terms {
		t := &terms[i]
		key := carriedKey{kind, t.Weight, t.TopologyKey, t.Key()}
		at, ok := pl.index[key]
		if !ok {
			at = len(pl.carried)
			pl.index[key] = at
			tally := framework.NewTally()
			counter := pl.counts.Counter(tally, pl.extent(t.TopologyKey))
			pl.carried = append(pl.carried, carriedTerm{kind, *t, tally, counter})
		}
		pl.counts.Join(c, pl.carried[at].tally, 1)
	}
}

// extent is the nodes that have a topology key.
func (pl *interPodAffinity) extent(key string) *framework.Extent {
	return pl.counts.Extent(key, "", false, func(*framework.NodeInfo) bool { return true })
}

// of is what there is about a class.
func (pl *interPodAffinity) of(y *framework.Cluster, c *framework.PodClass) *affinityClass {
	for len(pl.classes) <= int(c.ID) {
		pl.classes = append(pl.classes, affinityClass{})
	}
	a := &pl.classes[c.ID]
	if !a.known || a.namespaces != y.Objects.Namespaces.Generation() || pl.dropped(a) {
		*a = affinityClass{known: true, namespaces: y.Objects.Namespaces.Generation()}
		pl.resolve(a, y, c)
	}
	if a.seen < len(pl.carried) {
		pl.meetCarried(a, y, c)
	}
	return a
}

// dropped says whether one of the counts of a class is gone, and notes that they are in use.
func (pl *interPodAffinity) dropped(a *affinityClass) bool {
	for _, list := range [...][]weightedCounter{a.required, a.anti, a.preferred} {
		for i := range list {
			if list[i].tally.Dropped() {
				return true
			}
			pl.counts.Use(list[i].tally)
		}
	}
	return false
}

// resolve finds the counts for a class's own terms.
func (pl *interPodAffinity) resolve(a *affinityClass, y *framework.Cluster, c *framework.PodClass) {
	required := resolved(c.PodAffinity.Required, y)
	if len(required) > 0 {
		a.self = matchesAll(required, c)
		tally := pl.selected(y, required)
		for i := range required {
			a.required = append(a.required, pl.counter(tally, required[i].TopologyKey, 0))
		}
	}
	for _, t := range resolved(c.PodAffinity.RequiredAnti, y) {
		a.anti = append(a.anti, pl.counter(pl.selected(y, []framework.AffinityTerm{t}), t.TopologyKey, 0))
	}
	for _, t := range resolved(c.PodAffinity.Preferred, y) {
		a.preferred = append(a.preferred, pl.counter(pl.selected(y, []framework.AffinityTerm{t}), t.TopologyKey, t.Weight))
	}
	for _, t := range resolved(c.PodAffinity.PreferredAnti, y) {
		a.preferred = append(a.preferred, pl.counter(pl.selected(y, []framework.AffinityTerm{t}), t.TopologyKey, -t.Weight))
	}
}

func resolved(terms []framework.AffinityTerm, y *framework.Cluster) []framework.AffinityTerm {
	var list []framework.AffinityTerm
	for _, t := range terms {
		list = append(list, t.Resolve(&y.Objects.Namespaces))
	}
	return list
}

// matchesAll follows filtering.go podMatchesAllAffinityTerms.
func matchesAll(terms []framework.AffinityTerm, c *framework.PodClass) bool {
	for i := range terms {
		if !terms[i].Matches(c, nil) {
			return false
		}
	}
	return len(terms) > 0
}

// matchesAny follows filtering.go podMatchesAnyAffinityTerms.
func matchesAny(terms []framework.AffinityTerm, c *framework.PodClass) bool {
	for i := range terms {
		if terms[i].Matches(c, nil) {
			return true
		}
	}
	return false
}

// selected counts the pods that all of the terms select.
func (pl *interPodAffinity) selected(y *framework.Cluster, terms []framework.AffinityTerm) *framework.Tally {
	var name strings.Builder
	for i := range terms {
		name.WriteString(terms[i].Key() + "&")
	}
	return pl.counts.Tally(y, name.String(), false, func(c *framework.PodClass) int32 {
		if matchesAll(terms, c) {
			return 1
		}
		return 0
	})
}

func (pl *interPodAffinity) counter(tally *framework.Tally, key string, weight int64) weightedCounter {
	return weightedCounter{pl.counts.Counter(tally, pl.extent(key)), weight, tally}
}

// meetCarried looks at the terms that pods have had since the last look.
func (pl *interPodAffinity) meetCarried(a *affinityClass, y *framework.Cluster, c *framework.PodClass) {
	labels := c.NamespaceLabels(&y.Objects.Namespaces)
	for ; a.seen < len(pl.carried); a.seen++ {
		t := &pl.carried[a.seen]
		if !t.term.Matches(c, labels) {
			continue
		}
		scored := func(weight int64) { a.scores = append(a.scores, weightedCounter{t.counter, weight, t.tally}) }
		switch t.kind {
		case requiredAntiAffinity:
			a.rejects = append(a.rejects, t.counter)
		case requiredAffinity:
			if pl.args.HardPodAffinityWeight > 0 {
				scored(int64(pl.args.HardPodAffinityWeight))
			}
		case preferredAffinity:
			scored(t.term.Weight)
		case preferredAntiAffinity:
			scored(-t.term.Weight)
		}
	}
}

func (pl *interPodAffinity) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.class = pl.of(y.Cluster, c)
	pl.findRejects()
	r.Skip = len(pl.rejects) == 0 && len(pl.class.required) == 0 && len(pl.class.anti) == 0
}

// findRejects leaves those of the terms against the class that some pod has.
func (pl *interPodAffinity) findRejects() {
	pl.rejects = pl.rejects[:0]
	for _, k := range pl.class.rejects {
		if k.Total() > 0 {
			pl.rejects = append(pl.rejects, k)
		}
	}
}

// filter follows filtering.go Filter, without the feature gate InterPodAffinityHostnameFastPath.
func (pl *interPodAffinity) filter(_ *framework.Cycle, _ *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if !pl.satisfiesAffinity(n) {
		st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonPodAffinity)
		return false
	}
	for i := range pl.class.anti {
		if inDomain(pl.class.anti[i].Counter, n) > 0 {
			st.Reject(framework.Unschedulable, framework.ReasonPodAntiAffinity)
			return false
		}
	}
	for _, k := range pl.rejects {
		if inDomain(k, n) > 0 {
			st.Reject(framework.Unschedulable, framework.ReasonExistingAntiAffinity)
			return false
		}
	}
	return true
}

// inDomain is how many pods there are in the domain of a node, none without the topology key.
func inDomain(k *framework.Counter, n *framework.NodeInfo) int32 {
	d := k.Extent.Topology.Domain(n)
	if d == framework.NoDomain {
		return 0
	}
	return k.Count(d)
}

// satisfiesAffinity follows nodeTopologyMatchesAffinity and satisfiesSelfAffinityCheck. The first pod
// of a group whose pods want to be near each other may go to any node with the topology keys.
func (pl *interPodAffinity) satisfiesAffinity(n *framework.NodeInfo) bool {
	podsExist, total := true, int64(0)
	for i := range pl.class.required {
		k := pl.class.required[i].Counter
		d := k.Extent.Topology.Domain(n)
		if d == framework.NoDomain {
			return false
		}
		podsExist = podsExist && k.Count(d) > 0
		total += k.Total()
	}
	return podsExist || total == 0 && pl.class.self
}

func (pl *interPodAffinity) addPod(y *framework.Cycle, c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	pl.update(p, n, 1)
	pl.class = pl.of(y.Cluster, c)
	pl.findRejects()
}

func (pl *interPodAffinity) removePod(_ *framework.Cycle, _ *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	pl.update(p, n, -1)
}

func (pl *interPodAffinity) update(p *framework.Pod, n *framework.NodeInfo, sign int64) {
	pl.podMoved(p, n, sign)
	pl.changes = append(pl.changes, podChange{p.Class, n.ID, sign})
}

func (pl *interPodAffinity) save() { pl.marks = append(pl.marks, len(pl.changes)) }

func (pl *interPodAffinity) restore() {
	mark := pl.marks[len(pl.marks)-1]
	pl.marks = pl.marks[:len(pl.marks)-1]
	for i := len(pl.changes) - 1; i >= mark; i-- {
		pl.counts.Count(pl.changes[i].class, pl.changes[i].node, -pl.changes[i].sign)
	}
	pl.changes = pl.changes[:mark]
	if pl.class != nil {
		pl.findRejects()
	}
}

// scores follows scoring.go PreScore: the plugin scores when some term gives some node something,
// be it that all of it adds up to nothing.
func (pl *interPodAffinity) scores(y *framework.Cycle, c *framework.PodClass) bool {
	own := len(c.PodAffinity.Preferred) > 0 || len(c.PodAffinity.PreferredAnti) > 0
	if pl.args.IgnorePreferredTermsOfExistingPods && !own {
		return false
	}
	pl.class = pl.of(y.Cluster, c)
	pl.scored = appendCounted(pl.scored[:0], pl.class.preferred)
	pl.scored = appendCounted(pl.scored, pl.class.scores)
	return len(pl.scored) > 0
}

func appendCounted(list, of []weightedCounter) []weightedCounter {
	for i := range of {
		if of[i].Total() > 0 {
			list = append(list, of[i])
		}
	}
	return list
}

func (pl *interPodAffinity) preScore(y *framework.Cycle, c *framework.PodClass, _ []*framework.NodeInfo) bool {
	return pl.scores(y, c)
}

func (pl *interPodAffinity) score(_ *framework.Cycle, _ *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	clear(scores)
	for i := range pl.scored {
		k := &pl.scored[i]
		for j, n := range nodes {
			scores[j] += k.weight * int64(inDomain(k.Counter, n))
		}
	}
}

// normalizeInterPodAffinity follows scoring.go NormalizeScore.
func normalizeInterPodAffinity(_ *framework.Cycle, _ *framework.PodClass, _ []*framework.NodeInfo, scores []int64) {
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for _, score := range scores {
		least, most = min(least, score), max(most, score)
	}
	difference := most - least
	for i, score := range scores {
		normalized := float64(0)
		if difference > 0 {
			normalized = float64(framework.MaxNodeScore) * (float64(score-least) / float64(difference))
		}
		scores[i] = int64(normalized)
	}
}

// hintInterPodAffinity follows plugin.go isSchedulableAfterAssignedPodChange and
// isSchedulableAfterNodeChange. As there, a namespaceSelector meets no labels.
func hintInterPodAffinity(c *framework.PodClass, e *framework.ClusterEvent) bool {
	a := &c.PodAffinity
	switch {
	case e.Action == framework.AssignedPodAdd:
		return matchesAll(a.Required, e.Pod)
	case e.Action == framework.AssignedPodDelete:
		return matchesAny(a.RequiredAnti, e.Pod) || matchesAny(e.Pod.PodAffinity.RequiredAnti, c)
	case e.Old == nil:
		return len(a.RequiredAnti) > 0 || hasAnyKey(a.Required, e.New)
	}
	for i := range a.Required {
		before, had := e.Old.Object.Labels[a.Required[i].TopologyKey]
		after, has := e.New.Object.Labels[a.Required[i].TopologyKey]
		if has && (!had || before != after) {
			return true
		}
	}
	for i := range a.RequiredAnti {
		before, had := e.Old.Object.Labels[a.RequiredAnti[i].TopologyKey]
		after, has := e.New.Object.Labels[a.RequiredAnti[i].TopologyKey]
		if had && (!has || before != after) {
			return true
		}
	}
	return false
}

func hasAnyKey(terms []framework.AffinityTerm, n *framework.NodeInfo) bool {
	for i := range terms {
		if _, ok := n.Object.Labels[terms[i].TopologyKey]; ok {
			return true
		}
	}
	return false
}
