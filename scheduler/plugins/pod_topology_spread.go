package plugins

import (
	"encoding/json"
	"math"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"podsim/scheduler/framework"
)

// PodTopologySpreadArgs are the plugin's arguments (pkg/scheduler/apis/config/types_pluginargs.go
// PodTopologySpreadArgs). The zero value is the default: defaultingType System.
type PodTopologySpreadArgs struct {
	// List is defaultingType List: DefaultConstraints are for pods that have none themselves, and
	// not those that Kubernetes has.
	List               bool
	DefaultConstraints []v1.TopologySpreadConstraint
}

// systemDefaultConstraints are those of the variable of that name in
// pkg/scheduler/framework/plugins/podtopologyspread/plugin.go.
var systemDefaultConstraints = []v1.TopologySpreadConstraint{
	{TopologyKey: v1.LabelHostname, WhenUnsatisfiable: v1.ScheduleAnyway, MaxSkew: 3},
	{TopologyKey: v1.LabelTopologyZone, WhenUnsatisfiable: v1.ScheduleAnyway, MaxSkew: 5},
}

// PodTopologySpread keeps the pods that a constraint selects spread over the domains of its topology
// key (pkg/scheduler/framework/plugins/podtopologyspread).
func PodTopologySpread(args PodTopologySpreadArgs) framework.Plugin {
	return newPodTopologySpread(args).plugin()
}

func newPodTopologySpread(args PodTopologySpreadArgs) *podTopologySpread {
	pl := &podTopologySpread{defaults: args.DefaultConstraints}
	if !args.List {
		pl.defaults, pl.systemDefaulted = systemDefaultConstraints, true
	}
	return pl
}

func (pl *podTopologySpread) plugin() framework.Plugin {
	return framework.Plugin{
		ID:     framework.PodTopologySpread,
		Weight: 2,
		Global: &framework.Global{
			Concerns:       pl.concerns,
			PreFilter:      pl.preFilter,
			Filter:         pl.filter,
			AddPod:         pl.addPod,
			RemovePod:      pl.removePod,
			Save:           pl.save,
			Restore:        pl.restore,
			Scores:         pl.scores,
			PreScore:       pl.preScore,
			Score:          pl.score,
			NormalizeScore: pl.normalizeScore,
			PodMoved:       pl.counts.PodMoved,
			NodeChanged:    pl.counts.NodeChanged,
		},
		Events: framework.AssignedPodAdd | framework.AssignedPodDelete | framework.UpdatePodToleration |
			framework.NodeAdd | framework.NodeDelete | framework.UpdateNodeLabel | framework.UpdateNodeTaint,
		Hint: pl.hint,
	}
}

type podTopologySpread struct {
	defaults        []v1.TopologySpreadConstraint
	systemDefaulted bool
	counts          framework.TopologyCounts
	// classes is indexed by ClassID.
	classes []spreadClass

	// The rest is of the cycle.

	cluster *framework.Cluster
	// hard are the constraints that filter, soft those that score.
	hard, soft []spreadConstraint
	// ignoresSome says that a node without one of the topology keys is not scored, and that there is
	// one.
	ignoresSome bool
	// weights are those of the soft constraints; seen marks domains with stamp.
	weights []float64
	seen    []uint64
	stamp   uint64
	// changes are what AddPod and RemovePod did; marks has its length at each Save.
	changes []spreadChange
	marks   []int
}

type spreadClass struct {
	hard, soft spreadConstraints
}

// spreadConstraints are the constraints of a class with one whenUnsatisfiable.
type spreadConstraints struct {
	known bool
	list  []spreadConstraint
	// controller and generation are those of the pod and of the objects from which the selector of
	// default constraints was made.
	controller framework.Controller
	generation uint64
}

// spreadConstraint is a constraint of a class (common.go topologySpreadConstraint).
type spreadConstraint struct {
	key                 string
	maxSkew, minDomains int32
	selector            labels.Selector
	// ignoreAffinity is nodeAffinityPolicy Ignore, honorTaints nodeTaintsPolicy Honor.
	ignoreAffinity, honorTaints bool
	// self is 1 when the selector matches the class itself.
	self     int32
	topology *framework.Topology
	tally    *framework.Tally
	// counter is nil for one that scores by hostname: it needs the counts of single nodes only.
	counter *framework.Counter
}

type spreadChange struct {
	counter *framework.Counter
	domain  int32
	delta   int32
}

func (pl *podTopologySpread) concerns(c *framework.PodClass) bool {
	return len(c.Template.Spec.TopologySpreadConstraints) > 0 || len(pl.defaults) > 0
}

// constraints are those of a class for a pod with the controller, with their counts.
func (pl *podTopologySpread) constraints(y *framework.Cluster, c *framework.PodClass,
	controller framework.Controller, action v1.UnsatisfiableConstraintAction) []spreadConstraint {
	for len(pl.classes) <= int(c.ID) {
		pl.classes = append(pl.classes, spreadClass{})
	}
	k := &pl.classes[c.ID].hard
	if action == v1.ScheduleAnyway {
		k = &pl.classes[c.ID].soft
	}
	if !pl.holds(k, y, c, controller) {
		pl.make(k, y, c, controller, action)
	}
	return k.list
}

// holds says whether constraints are still right.
func (pl *podTopologySpread) holds(k *spreadConstraints, y *framework.Cluster, c *framework.PodClass, controller framework.Controller) bool {
	if !k.known {
		return false
	}
	if len(c.Template.Spec.TopologySpreadConstraints) == 0 &&
		(k.controller != controller || k.generation != selectorGeneration(y)) {
		return false
	}
	for i := range k.list {
		if k.list[i].tally.Dropped() {
			return false
		}
		pl.counts.Use(k.list[i].tally)
	}
	return true
}

// selectorGeneration changes with the objects of which default selectors are made.
func selectorGeneration(y *framework.Cluster) uint64 {
	o := &y.Objects
	return o.Services.Generation() + o.ReplicationControllers.Generation() + o.Selectors.Generation()
}

// make follows getConstraints and buildDefaultConstraints.
func (pl *podTopologySpread) make(k *spreadConstraints, y *framework.Cluster, c *framework.PodClass,
	controller framework.Controller, action v1.UnsatisfiableConstraintAction) {
	*k = spreadConstraints{known: true, controller: controller, generation: selectorGeneration(y)}
	own := c.Template.Spec.TopologySpreadConstraints
	if len(own) > 0 {
		k.list = filterTopologySpreadConstraints(own, c, action)
	} else {
		k.list = filterTopologySpreadConstraints(pl.defaults, c, action)
		if len(k.list) > 0 {
			selector := defaultSelector(y, c, controller)
			if selector.Empty() {
				k.list = nil
			}
			for i := range k.list {
				k.list[i].setSelector(selector, c)
			}
		}
	}
	requireAll := action == v1.DoNotSchedule || len(own) > 0 || !pl.systemDefaulted
	for i := range k.list {
		pl.connect(&k.list[i], k.list, y, c, requireAll, action)
	}
}

// filterTopologySpreadConstraints follows common.go.
func filterTopologySpreadConstraints(constraints []v1.TopologySpreadConstraint, c *framework.PodClass,
	action v1.UnsatisfiableConstraintAction) []spreadConstraint {
	var list []spreadConstraint
	for i := range constraints {
		o := &constraints[i]
		if o.WhenUnsatisfiable != action {
			continue
		}
		k := spreadConstraint{key: o.TopologyKey, maxSkew: o.MaxSkew, minDomains: 1}
		if o.MinDomains != nil {
			k.minDomains = *o.MinDomains
		}
		k.setSelector(mergedSelector(o, c.Template.Labels), c)
		k.ignoreAffinity = o.NodeAffinityPolicy != nil && *o.NodeAffinityPolicy != v1.NodeInclusionPolicyHonor
		k.honorTaints = o.NodeTaintsPolicy != nil && *o.NodeTaintsPolicy == v1.NodeInclusionPolicyHonor
		list = append(list, k)
	}
	return list
}

// mergedSelector is a constraint's selector with what matchLabelKeys add (common.go
// mergeLabelSetWithSelector). The API server has done the same already where the pod came by it.
func mergedSelector(o *v1.TopologySpreadConstraint, podLabels map[string]string) labels.Selector {
	selector := framework.Selector(o.LabelSelector)
	matchLabels := labels.Set{}
	for _, key := range o.MatchLabelKeys {
		if value, ok := podLabels[key]; ok {
			matchLabels[key] = value
		}
	}
	requirements, selectable := selector.Requirements()
	if len(matchLabels) == 0 || !selectable {
		return selector
	}
	return labels.SelectorFromSet(matchLabels).Add(requirements...)
}

func (k *spreadConstraint) setSelector(selector labels.Selector, c *framework.PodClass) {
	k.selector, k.self = selector, 0
	if selector.Matches(labels.Set(c.Template.Labels)) {
		k.self = 1
	}
}

// connect finds a constraint's counts. An empty selector counts no pods (common.go
// countPodsMatchSelector).
func (pl *podTopologySpread) connect(k *spreadConstraint, all []spreadConstraint, y *framework.Cluster, c *framework.PodClass,
	requireAll bool, action v1.UnsatisfiableConstraintAction) {
	namespace, selector := c.Template.Namespace, k.selector
	k.topology = pl.counts.Topology(k.key)
	k.tally = pl.counts.Tally(y, namespace+";"+framework.SelectorKey(selector), true, func(o *framework.PodClass) int32 {
		if o.Template.Namespace == namespace && !selector.Empty() && selector.Matches(labels.Set(o.Template.Labels)) {
			return 1
		}
		return 0
	})
	if action == v1.ScheduleAnyway && k.key == v1.LabelHostname {
		return
	}
	k.counter = pl.counts.Counter(k.tally, pl.extent(k, all, c, requireAll))
	if action == v1.DoNotSchedule {
		k.counter.Rank()
	}
}

// extent is the nodes that count for a constraint: those that have all topology keys and that
// the inclusion policies leave (common.go nodeLabelsMatchSpreadConstraints,
// matchNodeInclusionPolicies).
func (pl *podTopologySpread) extent(k *spreadConstraint, all []spreadConstraint, c *framework.PodClass, requireAll bool) *framework.Extent {
	var name strings.Builder
	var topologies []*framework.Topology
	for i := range all {
		if requireAll {
			topologies = append(topologies, pl.counts.Topology(all[i].key))
			name.WriteString(all[i].key + ";")
		}
	}
	affinity, taints := c.HasRequired && !k.ignoreAffinity, k.honorTaints
	if affinity {
		write(&name, c.Template.Spec.NodeSelector)
		if a := c.Template.Spec.Affinity; a != nil && a.NodeAffinity != nil {
			write(&name, a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		}
	}
	if taints {
		write(&name, c.Template.Spec.Tolerations)
	}
	return pl.counts.Extent(k.key, name.String(), !requireAll, func(n *framework.NodeInfo) bool {
		for _, t := range topologies {
			if t.Domain(n) == framework.NoDomain {
				return false
			}
		}
		return (!affinity || c.Affinity(n).Required) && (!taints || !c.Taints(n.Taints).Untolerated)
	})
}

// write writes what tells the nodes that a class may use from those of others.
func write(b *strings.Builder, o any) {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	b.Write(text)
	b.WriteByte(';')
}

// defaultSelector is the selector of the Services and of the controller of a pod
// (pkg/scheduler/framework/plugins/helper/spread.go DefaultSelector).
func defaultSelector(y *framework.Cluster, c *framework.PodClass, controller framework.Controller) labels.Selector {
	set := labels.Set{}
	merge := func(from map[string]string) {
		for key, value := range from {
			set[key] = value
		}
	}
	for _, s := range y.Objects.Services.Of(c.Template.Namespace) {
		if s.Spec.Selector != nil && labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(c.Template.Labels)) {
			merge(s.Spec.Selector)
		}
	}
	key := framework.Key(c.Template.Namespace, controller.Name)
	switch controller.Kind {
	case "ReplicationController":
		if rc, ok := y.Objects.ReplicationControllers.Get(key); ok {
			merge(rc.Spec.Selector)
		}
	case "ReplicaSet", "StatefulSet":
		if s, ok := y.Objects.Selectors.Get(controller.Kind + "/" + key); ok {
			requirements, _ := framework.Selector(s).Requirements()
			return labels.SelectorFromSet(set).Add(requirements...)
		}
	}
	return labels.SelectorFromSet(set)
}

func (pl *podTopologySpread) preFilter(y *framework.Cycle, c *framework.PodClass, r *framework.PreFilterResult) {
	pl.cluster = y.Cluster
	pl.hard = pl.constraints(y.Cluster, c, y.Pod.Controller, v1.DoNotSchedule)
	r.Skip = len(pl.hard) == 0
}

// filter follows filtering.go Filter: the pods in the node's domain, with this one, less those in
// the emptiest domain, must not be more than maxSkew.
func (pl *podTopologySpread) filter(_ *framework.Cycle, _ *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	for i := range pl.hard {
		k := &pl.hard[i]
		d := k.topology.Domain(n)
		if d == framework.NoDomain {
			st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonSpreadLabel)
			return false
		}
		if k.counter.Count(d)+k.self-k.minMatchNum() > k.maxSkew {
			st.Reject(framework.Unschedulable, framework.ReasonSpread)
			return false
		}
	}
	return true
}

// minMatchNum is how many pods there are in the emptiest domain; none while there are fewer domains
// than minDomains.
func (k *spreadConstraint) minMatchNum() int32 {
	if k.counter.Extent.NumDomains() < int(k.minDomains) {
		return 0
	}
	return k.counter.Least()
}

func (pl *podTopologySpread) addPod(_ *framework.Cycle, c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	pl.updateWithPod(c, p, n, 1)
}

func (pl *podTopologySpread) removePod(_ *framework.Cycle, c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo) {
	pl.updateWithPod(c, p, n, -1)
}

// updateWithPod follows filtering.go. Unlike in the first count, a pod that is being deleted counts
// here, and an empty selector matches.
func (pl *podTopologySpread) updateWithPod(c *framework.PodClass, p *framework.Pod, n *framework.NodeInfo, delta int32) {
	if p.Class.Template.Namespace != c.Template.Namespace {
		return
	}
	for i := range pl.hard {
		k := &pl.hard[i]
		d := k.counter.Extent.Where(n.ID)
		if d == framework.NoDomain || !pl.selects(k, p.Class) {
			continue
		}
		k.counter.Add(d, delta)
		pl.changes = append(pl.changes, spreadChange{k.counter, d, delta})
	}
}

// selects says whether a constraint's selector matches the pods of a class in its namespace.
func (pl *podTopologySpread) selects(k *spreadConstraint, c *framework.PodClass) bool {
	return k.selector.Empty() || pl.counts.Weight(c, k.tally) != 0
}

func (pl *podTopologySpread) save() { pl.marks = append(pl.marks, len(pl.changes)) }

func (pl *podTopologySpread) restore() {
	mark := pl.marks[len(pl.marks)-1]
	pl.marks = pl.marks[:len(pl.marks)-1]
	for i := len(pl.changes) - 1; i >= mark; i-- {
		pl.changes[i].counter.Add(pl.changes[i].domain, -pl.changes[i].delta)
	}
	pl.changes = pl.changes[:mark]
}

func (pl *podTopologySpread) scores(y *framework.Cycle, c *framework.PodClass) bool {
	pl.soft = pl.constraints(y.Cluster, c, y.Pod.Controller, v1.ScheduleAnyway)
	return len(pl.soft) > 0
}

// preScore follows scoring.go initPreScoreState: a constraint weighs more the more domains the nodes
// are in.
func (pl *podTopologySpread) preScore(y *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo) bool {
	if !pl.scores(y, c) {
		return false
	}
	scored := len(nodes)
	pl.ignoresSome = len(c.Template.Spec.TopologySpreadConstraints) > 0 || !pl.systemDefaulted
	if pl.ignoresSome {
		scored = pl.numScored(nodes)
		pl.ignoresSome = scored < len(nodes)
	}
	pl.weights = pl.weights[:0]
	for i := range pl.soft {
		size := scored
		if pl.soft[i].key != v1.LabelHostname {
			size = pl.numDomains(pl.soft[i].topology, nodes)
		}
		pl.weights = append(pl.weights, math.Log(float64(size+2)))
	}
	return true
}

func (pl *podTopologySpread) numScored(nodes []*framework.NodeInfo) int {
	scored := 0
	for _, n := range nodes {
		if !pl.ignores(n) {
			scored++
		}
	}
	return scored
}

// ignores says that a node is not scored.
func (pl *podTopologySpread) ignores(n *framework.NodeInfo) bool {
	if !pl.ignoresSome {
		return false
	}
	for i := range pl.soft {
		if pl.soft[i].topology.Domain(n) == framework.NoDomain {
			return true
		}
	}
	return false
}

// numDomains is in how many domains those of the nodes are that are scored.
func (pl *podTopologySpread) numDomains(t *framework.Topology, nodes []*framework.NodeInfo) int {
	if missing := t.NumDomains() - len(pl.seen); missing > 0 {
		pl.seen = append(pl.seen, make([]uint64, missing)...)
	}
	pl.stamp++
	domains := 0
	for _, n := range nodes {
		if domains == t.Occupied() {
			break
		}
		if pl.ignores(n) {
			continue
		}
		// A node without the label is in the domain of the empty value.
		if d := max(t.Domain(n), framework.EmptyDomain); pl.seen[d] != pl.stamp {
			pl.seen[d] = pl.stamp
			domains++
		}
	}
	return domains
}

// score follows scoring.go Score and scoreForCount.
func (pl *podTopologySpread) score(_ *framework.Cycle, _ *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		scores[i] = 0
		if pl.ignores(n) {
			continue
		}
		var score float64
		for j := range pl.soft {
			k := &pl.soft[j]
			d := k.topology.Domain(n)
			if d == framework.NoDomain {
				continue
			}
			count := k.tally.On(n.ID)
			if k.counter != nil {
				count = k.counter.Count(d)
			}
			score += float64(count)*pl.weights[j] + float64(k.maxSkew-1)
		}
		scores[i] = int64(math.Round(score))
	}
}

// normalizeScore follows scoring.go NormalizeScore.
func (pl *podTopologySpread) normalizeScore(_ *framework.Cycle, _ *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	var least, most int64 = math.MaxInt64, 0
	for i, n := range nodes {
		if !pl.ignores(n) {
			least, most = min(least, scores[i]), max(most, scores[i])
		}
	}
	for i, n := range nodes {
		switch {
		case pl.ignores(n):
			scores[i] = 0
		case most == 0:
			scores[i] = framework.MaxNodeScore
		default:
			scores[i] = framework.MaxNodeScore * (most + least - scores[i]) / most
		}
	}
}

// hint follows plugin.go isSchedulableAfterAssignedPodChange, isSchedulableAfterTargetPodChange and
// isSchedulableAfterNodeChange.
func (pl *podTopologySpread) hint(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action == framework.UpdatePodToleration {
		return pl.honorsTaints(c)
	}
	var controller framework.Controller
	if int(c.ID) < len(pl.classes) {
		controller = pl.classes[c.ID].hard.controller
	}
	hard := pl.constraints(pl.cluster, c, controller, v1.DoNotSchedule)
	if e.Pod != nil {
		return pl.selectsAny(hard, c, e.Pod)
	}
	return nodeHelpsSpread(hard, e.Old, e.New)
}

// honorsTaints says whether a constraint that keeps pods of the class waiting looks at taints.
func (pl *podTopologySpread) honorsTaints(c *framework.PodClass) bool {
	constraints := c.Template.Spec.TopologySpreadConstraints
	if len(constraints) == 0 {
		constraints = pl.defaults
	}
	for i := range constraints {
		policy := constraints[i].NodeTaintsPolicy
		if constraints[i].WhenUnsatisfiable == v1.DoNotSchedule && policy != nil && *policy == v1.NodeInclusionPolicyHonor {
			return true
		}
	}
	return false
}

func (pl *podTopologySpread) selectsAny(constraints []spreadConstraint, c, pod *framework.PodClass) bool {
	if pod.Template.Namespace != c.Template.Namespace {
		return false
	}
	for i := range constraints {
		if pl.selects(&constraints[i], pod) {
			return true
		}
	}
	return false
}

func nodeHelpsSpread(constraints []spreadConstraint, before, after *framework.NodeInfo) bool {
	matched := before != nil && hasTopologyKeys(before, constraints)
	matches := after != nil && hasTopologyKeys(after, constraints)
	if before == nil || after == nil {
		return matched || matches
	}
	if matched != matches {
		return true
	}
	return matches && (before.Taints != after.Taints || domainChanged(before, after, constraints))
}

func hasTopologyKeys(n *framework.NodeInfo, constraints []spreadConstraint) bool {
	for i := range constraints {
		if _, ok := n.Object.Labels[constraints[i].key]; !ok {
			return false
		}
	}
	return true
}

// domainChanged follows checkTopologyKeyLabelsChanged.
func domainChanged(before, after *framework.NodeInfo, constraints []spreadConstraint) bool {
	for i := range constraints {
		if key := constraints[i].key; before.Object.Labels[key] != after.Object.Labels[key] {
			return true
		}
	}
	return false
}
