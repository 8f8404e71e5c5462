package scheduler

import (
	"fmt"
	"math/rand/v2"
	"slices"

	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/conform"
)

// Features are what a random cluster has or has not.
var Features = []string{
	"cordons", "taints", "zones", "node selector", "node affinity", "node fields", "node name", "ports", "extended", "requests of pods",
	"init containers", "overhead", "images", "spread", "pod affinity", "pod anti-affinity", "existing terms", "namespaces",
	"volumes", "inline volumes", "csi limits", "capacity", "priorities", "budgets", "never preempt", "nominated", "gates", "owners",
	"terminating", "no such node", "strategy", "ignored resources", "balanced resources", "added affinity", "hard affinity weight", "default constraints",
	"weights", "disabled plugins", "percentage", "profiles", "large", "devices",
}

// random draws the parts of a cluster.
type random struct {
	*rand.Rand
	// on are the features of this cluster.
	on map[string]bool
	in *conform.Input
	// claims is the number of claims that a pod may name; those of ephemeral volumes follow them.
	claims int
}

// Random is the cluster of a seed, with a pending pod. Features that are listed in without are off.
func Random(seed uint64, without []string) *conform.Input {
	d := newRandom(seed, without)
	d.cluster()
	return d.in
}

func newRandom(seed uint64, without []string) *random {
	d := &random{rand.New(rand.NewPCG(seed, 1)), map[string]bool{}, &conform.Input{Name: fmt.Sprintf("swarm-%d", seed)}, 0}
	// Some clusters have few features, so that each is met alone, some have many.
	share := d.Float64() * d.Float64()
	for _, f := range Features {
		on := d.Float64() < share
		if rare[f] > 0 {
			on = on && d.IntN(rare[f]) == 0
		}
		d.on[f] = on && !slices.Contains(without, f)
	}
	return d
}

// rare features are on less often: they cost much, or hide others.
var rare = map[string]int{"large": 6, "disabled plugins": 3, "volumes": 2, "csi limits": 2, "never preempt": 3, "node fields": 3, "node name": 4, "no such node": 2, "percentage": 2, "profiles": 3}

// cluster draws everything, the pending pod last.
func (d *random) cluster() {
	nodes := 1 + d.IntN(12)
	switch {
	case d.on["large"]:
		nodes = 90 + d.IntN(211)
	case d.IntN(4) == 0:
		nodes = 10 + d.IntN(50)
	}
	d.namespaces()
	for i := range nodes {
		d.in.Nodes = append(d.in.Nodes, d.node(i))
	}
	d.storage()
	d.devices()
	d.owners()
	// How full the cluster is decides between placing and preempting.
	full := d.IntN(3) == 0
	d.existing(full)
	d.budgets()
	d.in.Pending = d.pending(full)
	d.in.Config = d.config()
}

// chance is true once in n times.
func (d *random) chance(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d *random, list ...T) T { return list[d.IntN(len(list))] }

// Names that labels, selectors and terms share.
var (
	apps       = []string{"web", "db", "cache", "batch"}
	tiers      = []string{"front", "back"}
	namespaces = []string{"default", "blue", "red"}
)

func (d *random) namespaces() {
	if !d.on["namespaces"] {
		return
	}
	for _, name := range namespaces {
		labels := map[string]string{v1.LabelMetadataName: name}
		if d.chance(2) {
			labels["team"] = pick(d, "a", "b")
		}
		d.in.Namespaces = append(d.in.Namespaces, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
}

func (d *random) namespace() string {
	if !d.on["namespaces"] {
		return "default"
	}
	return pick(d, namespaces...)
}

// podLabels are what selectors match or do not.
func (d *random) podLabels() map[string]string {
	labels := map[string]string{}
	if !d.chance(8) {
		labels["app"] = pick(d, apps...)
	}
	if d.chance(2) {
		labels["tier"] = pick(d, tiers...)
	}
	if d.chance(2) {
		labels["version"] = pick(d, "1", "2")
	}
	return labels
}

// selector draws a label selector, nil or empty at times.
func (d *random) selector() *metav1.LabelSelector {
	s := &metav1.LabelSelector{}
	switch d.IntN(12) {
	case 0:
		return nil
	case 1:
		return s
	case 2, 3:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{d.requirement()}
	case 4:
		s.MatchLabels = map[string]string{"tier": pick(d, tiers...)}
		s.MatchExpressions = []metav1.LabelSelectorRequirement{d.requirement()}
	default:
		s.MatchLabels = map[string]string{"app": pick(d, apps...)}
	}
	return s
}

func (d *random) requirement() metav1.LabelSelectorRequirement {
	switch d.IntN(4) {
	case 0:
		return metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpIn, Values: []string{pick(d, apps...), pick(d, apps...)}}
	case 1:
		return metav1.LabelSelectorRequirement{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{pick(d, apps...)}}
	case 2:
		return metav1.LabelSelectorRequirement{Key: pick(d, "tier", "version"), Operator: metav1.LabelSelectorOpExists}
	}
	return metav1.LabelSelectorRequirement{Key: pick(d, "tier", "version"), Operator: metav1.LabelSelectorOpDoesNotExist}
}

// budgets draws PodDisruptionBudgets as the disruption controller leaves them.
func (d *random) budgets() {
	if !d.on["budgets"] {
		return
	}
	for i := range 1 + d.IntN(4) {
		allowed := int32(d.IntN(3))
		one := intstr.FromInt32(1)
		b := &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("budget-%d", i), Namespace: d.namespace()},
			Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: d.selector()},
			Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, CurrentHealthy: allowed + 1, DesiredHealthy: 1, ExpectedPods: allowed + 1},
		}
		if d.chance(4) && len(d.in.Pods) > 0 {
			b.Status.DisruptedPods = map[string]metav1.Time{pick(d, d.in.Pods...).Name: metav1.NewTime(begin)}
		}
		d.in.PodDisruptionBudgets = append(d.in.PodDisruptionBudgets, b)
	}
}
