package plugins

import (
	"cmp"
	"math"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"podsim/scheduler/framework"
)

// The twins of PodTopologySpread and InterPodAffinity look at all pods of all nodes in each cycle, as
// upstream does, and know nothing from before.

type pair struct{ key, value string }

// spreadTwin is the state of a cycle (podtopologyspread/filtering.go preFilterState, scoring.go
// preScoreState).
type spreadTwin struct {
	y          *framework.Cycle
	c          *framework.PodClass
	defaults   []v1.TopologySpreadConstraint
	system     bool
	hard, soft []twinConstraint
	requireAll bool
	ignored    map[string]bool
}

type twinConstraint struct {
	v1.TopologySpreadConstraint
	selector labels.Selector
	counts   map[string]int
	weight   float64
}

func (w *spreadTwin) constraints(action v1.UnsatisfiableConstraintAction) []twinConstraint {
	from, own := w.c.Template.Spec.TopologySpreadConstraints, true
	if len(from) == 0 {
		from, own = w.defaults, false
	}
	var list []twinConstraint
	for _, o := range from {
		if o.WhenUnsatisfiable != action {
			continue
		}
		k := twinConstraint{TopologySpreadConstraint: o, counts: map[string]int{}}
		if k.selector = mergedSelector(&o, w.c.Template.Labels); !own {
			k.selector = defaultSelector(w.y.Cluster, w.c, w.y.Pod.Controller)
			if k.selector.Empty() {
				return nil
			}
		}
		list = append(list, k)
	}
	return list
}

func hasAll(n *framework.NodeInfo, constraints []twinConstraint) bool {
	for _, k := range constraints {
		if _, ok := n.Object.Labels[k.TopologyKey]; !ok {
			return false
		}
	}
	return true
}

func (w *spreadTwin) includes(k *twinConstraint, n *framework.NodeInfo) bool {
	if (k.NodeAffinityPolicy == nil || *k.NodeAffinityPolicy == v1.NodeInclusionPolicyHonor) && !w.c.MatchesRequired(&n.Object) {
		return false
	}
	return k.NodeTaintsPolicy == nil || *k.NodeTaintsPolicy == v1.NodeInclusionPolicyIgnore || !w.c.Taints(n.Taints).Untolerated
}

func (w *spreadTwin) count(k *twinConstraint, n *framework.NodeInfo) int {
	count := 0
	for _, id := range n.Pods {
		p := &w.y.Pods[id]
		if !k.selector.Empty() && !p.Deleting && p.Class.Template.Namespace == w.c.Template.Namespace && k.selector.Matches(labels.Set(p.Class.Template.Labels)) {
			count++
		}
	}
	return count
}

func (w *spreadTwin) preFilter() (skip bool) {
	w.hard = w.constraints(v1.DoNotSchedule)
	for _, n := range w.y.Nodes {
		if !hasAll(n, w.hard) {
			continue
		}
		for i := range w.hard {
			if k := &w.hard[i]; w.includes(k, n) {
				k.counts[n.Object.Labels[k.TopologyKey]] += w.count(k, n)
			}
		}
	}
	return len(w.hard) == 0
}

func (w *spreadTwin) move(p *framework.Pod, n *framework.NodeInfo, sign int) {
	if p.Class.Template.Namespace != w.c.Template.Namespace || !hasAll(n, w.hard) {
		return
	}
	for i := range w.hard {
		if k := &w.hard[i]; k.selector.Matches(labels.Set(p.Class.Template.Labels)) && w.includes(k, n) {
			k.counts[n.Object.Labels[k.TopologyKey]] += sign
		}
	}
}

func (w *spreadTwin) filter(n *framework.NodeInfo) framework.ReasonID {
	for i := range w.hard {
		k := &w.hard[i]
		value, ok := n.Object.Labels[k.TopologyKey]
		if !ok {
			return framework.ReasonSpreadLabel
		}
		least := math.MaxInt32
		for _, count := range k.counts {
			least = min(least, count)
		}
		minDomains := int32(1)
		if k.MinDomains != nil {
			minDomains = *k.MinDomains
		}
		if len(k.counts) < int(minDomains) {
			least = 0
		}
		self := 0
		if k.selector.Matches(labels.Set(w.c.Template.Labels)) {
			self = 1
		}
		if k.counts[value]+self-least > int(k.MaxSkew) {
			return framework.ReasonSpread
		}
	}
	return framework.NoReason
}

func (w *spreadTwin) preScore(nodes []*framework.NodeInfo) bool {
	w.soft, w.ignored = w.constraints(v1.ScheduleAnyway), map[string]bool{}
	w.requireAll = len(w.c.Template.Spec.TopologySpreadConstraints) > 0 || !w.system
	for _, n := range nodes {
		if w.requireAll && !hasAll(n, w.soft) {
			w.ignored[n.Name] = true
			continue
		}
		for i := range w.soft {
			w.soft[i].counts[n.Object.Labels[w.soft[i].TopologyKey]] = 0
		}
	}
	for i := range w.soft {
		k := &w.soft[i]
		size := len(k.counts)
		if k.TopologyKey == v1.LabelHostname {
			size = len(nodes) - len(w.ignored)
		}
		k.weight = math.Log(float64(size + 2))
	}
	for _, n := range w.y.Nodes {
		for i := range w.soft {
			k := &w.soft[i]
			value := n.Object.Labels[k.TopologyKey]
			if _, wanted := k.counts[value]; wanted && w.includes(k, n) && (!w.requireAll || hasAll(n, w.soft)) {
				k.counts[value] += w.count(k, n)
			}
		}
	}
	return len(w.soft) > 0
}

func (w *spreadTwin) score(n *framework.NodeInfo) int64 {
	if w.ignored[n.Name] {
		return 0
	}
	var score float64
	for i := range w.soft {
		k := &w.soft[i]
		value, ok := n.Object.Labels[k.TopologyKey]
		if !ok {
			continue
		}
		count := k.counts[value]
		if k.TopologyKey == v1.LabelHostname {
			count = w.count(k, n)
		}
		score += float64(count)*k.weight + float64(k.MaxSkew-1)
	}
	return int64(math.Round(score))
}

func (w *spreadTwin) normalize(nodes []*framework.NodeInfo, scores []int64) {
	least, most := int64(math.MaxInt64), int64(0)
	for i, n := range nodes {
		if !w.ignored[n.Name] {
			least, most = min(least, scores[i]), max(most, scores[i])
		}
	}
	for i, n := range nodes {
		if w.ignored[n.Name] {
			scores[i] = 0
		} else if most == 0 {
			scores[i] = 100
		} else {
			scores[i] = 100 * (most + least - scores[i]) / most
		}
	}
}

// affinityTwin is the state of a cycle (interpodaffinity/filtering.go preFilterState, scoring.go
// preScoreState).
type affinityTwin struct {
	y                        *framework.Cycle
	c                        *framework.PodClass
	args                     InterPodAffinityArgs
	existing, affinity, anti map[pair]int
	scores                   map[pair]int64
	requiredTerms, antiTerms []framework.AffinityTerm
}

func (w *affinityTwin) preFilter() (skip bool) {
	w.existing, w.affinity, w.anti = map[pair]int{}, map[pair]int{}, map[pair]int{}
	w.requiredTerms = resolved(w.c.PodAffinity.Required, w.y.Cluster)
	w.antiTerms = resolved(w.c.PodAffinity.RequiredAnti, w.y.Cluster)
	for _, n := range w.y.Nodes {
		for _, id := range n.Pods {
			w.move(&w.y.Pods[id], n, 1)
		}
	}
	return len(w.existing) == 0 && len(w.requiredTerms) == 0 && len(w.antiTerms) == 0
}

func (w *affinityTwin) move(p *framework.Pod, n *framework.NodeInfo, sign int) {
	update := func(m map[pair]int, key string) {
		if value, ok := n.Object.Labels[key]; ok {
			at := pair{key, value}
			if m[at] += sign; m[at] == 0 {
				delete(m, at)
			}
		}
	}
	for _, t := range p.Class.PodAffinity.RequiredAnti {
		if t.Matches(w.c, w.c.NamespaceLabels(&w.y.Objects.Namespaces)) {
			update(w.existing, t.TopologyKey)
		}
	}
	for _, t := range w.requiredTerms {
		if matchesAll(w.requiredTerms, p.Class) {
			update(w.affinity, t.TopologyKey)
		}
	}
	for _, t := range w.antiTerms {
		if t.Matches(p.Class, nil) {
			update(w.anti, t.TopologyKey)
		}
	}
}

func (w *affinityTwin) filter(n *framework.NodeInfo) framework.ReasonID {
	exist := true
	for _, t := range w.requiredTerms {
		value, ok := n.Object.Labels[t.TopologyKey]
		if !ok {
			return framework.ReasonPodAffinity
		}
		exist = exist && w.affinity[pair{t.TopologyKey, value}] > 0
	}
	if !exist && (len(w.affinity) > 0 || !matchesAll(w.requiredTerms, w.c)) {
		return framework.ReasonPodAffinity
	}
	for _, t := range w.antiTerms {
		if value, ok := n.Object.Labels[t.TopologyKey]; ok && w.anti[pair{t.TopologyKey, value}] > 0 {
			return framework.ReasonPodAntiAffinity
		}
	}
	for key, value := range n.Object.Labels {
		if w.existing[pair{key, value}] > 0 {
			return framework.ReasonExistingAntiAffinity
		}
	}
	return framework.NoReason
}

func (w *affinityTwin) preScore() bool {
	own := &w.c.PodAffinity
	if w.args.IgnorePreferredTermsOfExistingPods && len(own.Preferred)+len(own.PreferredAnti) == 0 {
		return false
	}
	w.scores = map[pair]int64{}
	preferred, preferredAnti := resolved(own.Preferred, w.y.Cluster), resolved(own.PreferredAnti, w.y.Cluster)
	of := w.c.NamespaceLabels(&w.y.Objects.Namespaces)
	for _, n := range w.y.Nodes {
		add := func(terms []framework.AffinityTerm, c *framework.PodClass, of labels.Set, weight, hard int64) {
			for _, t := range terms {
				if value, ok := n.Object.Labels[t.TopologyKey]; ok && t.Matches(c, of) {
					w.scores[pair{t.TopologyKey, value}] += weight * cmp.Or(t.Weight, hard)
				}
			}
		}
		for _, id := range n.Pods {
			p := w.y.Pods[id].Class
			add(preferred, p, nil, 1, 0)
			add(preferredAnti, p, nil, -1, 0)
			if w.args.HardPodAffinityWeight > 0 {
				add(p.PodAffinity.Required, w.c, of, 1, int64(w.args.HardPodAffinityWeight))
			}
			add(p.PodAffinity.Preferred, w.c, of, 1, 0)
			add(p.PodAffinity.PreferredAnti, w.c, of, -1, 0)
		}
	}
	return len(w.scores) > 0
}

func (w *affinityTwin) score(n *framework.NodeInfo) int64 {
	var score int64
	for key, value := range n.Object.Labels {
		score += w.scores[pair{key, value}]
	}
	return score
}
