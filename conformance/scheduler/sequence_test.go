package scheduler

import (
	"flag"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"podsim/conform"
)

var sequences = flag.Int("sequences", 300, "clusters on which pods are placed one after another")

// notInSequences are features that a sequence does not have: what the scheduler does after the
// choice of a node, which is the binding of volumes, is not part of it.
var notInSequences = []string{"volumes", "inline volumes", "csi limits", "capacity", "devices", "gates", "node name", "profiles"}

// TestSequences places 50 to 500 pods on a cluster, one after another, with deletions and changes of
// nodes between them. Each side goes its own way through a cycle: at every step both look at the
// same nodes, the nodes among which they draw are the same, and both go on from what the real one
// drew.
func TestSequences(t *testing.T) {
	off := append(leftOut(t), notInSequences...)
	t.Logf("%d sequences, -seed %d", *sequences, *seed)
	var total sequence
	failed := 0
	for i := range uint64(*sequences) {
		s := newSequence(t, *seed*1e6+i, off)
		if err := s.run(); err != nil {
			t.Errorf("sequence %d: step %d: %v", s.seed, s.steps, err)
			failed++
		}
		s.real.Close()
		total.steps, total.placed, total.ties, total.sampled = total.steps+s.steps, total.placed+s.placed, total.ties+s.ties, total.sampled+s.sampled
		if failed == 20 {
			t.Fatalf("%d sequences of %d failed: no more are looked at", failed, i+1)
		}
	}
	t.Logf("%d steps, %d pods placed, %d of them on one of several best nodes, %d after a look at some nodes only",
		total.steps, total.placed, total.ties, total.sampled)
}

// sequence is one cluster with both schedulers.
type sequence struct {
	t    *testing.T
	seed uint64
	*rand.Rand
	random *random
	real   *Real
	podsim *conform.Cluster
	// models are the pods of which copies are placed.
	models []*v1.Pod
	nodes  []*v1.Node
	pods   []*v1.Pod

	steps, placed, ties, sampled int
}

func newSequence(t *testing.T, seed uint64, off []string) *sequence {
	d := newRandom(seed, off)
	if seed%4 == 0 {
		d.on["large"] = !slices.Contains(off, "large")
	}
	d.cluster()
	s := &sequence{t: t, seed: seed, Rand: rand.New(rand.NewPCG(seed, 2)), random: d}
	for i := range 1 + s.IntN(8) {
		s.models = append(s.models, d.pod(fmt.Sprintf("model-%d", i), s.IntN(4) == 0, true))
	}
	var err error
	s.podsim, err = conform.Load(d.in)
	require.NoError(t, err)
	s.nodes = slices.Clone(d.in.Nodes)
	for _, p := range d.in.Pods {
		if p.Spec.NodeName != "" && p.Status.Phase == v1.PodRunning {
			s.pods = append(s.pods, p)
		}
	}
	s.real, err = NewReal(d.in)
	require.NoError(t, err)
	return s
}

// run does 50 to 500 steps, seldom the most.
func (s *sequence) run() error {
	share := s.Float64()
	for range 50 + int(450*share*share*share) {
		s.steps++
		var err error
		switch n := s.IntN(40); {
		case n < 8 && len(s.pods) > 0:
			err = s.deletePod()
		case n == 8:
			err = s.changeNode()
		case n == 9 && s.steps%4 == 0:
			err = s.replaceNode()
		default:
			err = s.place()
		}
		if err != nil {
			return err
		}
	}
	s.podsim.Scheduler.Check()
	return nil
}

// place lets both sides place a copy of one of the models.
func (s *sequence) place() error {
	p := s.models[s.IntN(len(s.models))].DeepCopy()
	p.Name = fmt.Sprintf("s%04d", s.steps)
	p.UID = types.UID(p.Namespace + "/" + p.Name)
	complete(p)
	if s.steps%10 == 0 || len(s.nodes) < 5 {
		if err := s.explain(p); err != nil {
			return err
		}
	}
	want, err := s.real.Schedule(p)
	require.NoError(s.t, err)
	var ties []string
	if want.Node != "" {
		ties, err = s.real.Ties(p, want)
		require.NoError(s.t, err)
		require.Contains(s.t, ties, want.Node)
	}
	got, err := s.podsim.Schedule(p, tie(slices.Index(ties, want.Node), len(ties)))
	require.NoError(s.t, err)
	if err := s.compare(want, got, ties); err != nil {
		return fmt.Errorf("%s/%s: %w", p.Namespace, p.Name, err)
	}
	if want.Node == "" {
		return nil
	}
	s.placed++
	if len(ties) > 1 {
		s.ties++
	}
	if want.Evaluated < len(s.nodes) {
		s.sampled++
	}
	p.Spec.NodeName, p.Status.Phase = want.Node, v1.PodRunning
	s.podsim.Bind(p)
	s.pods = append(s.pods, p)
	return s.real.AddPod(p)
}

// tie is a random word that draws the i-th of n.
func tie(i, n int) uint64 {
	if n == 0 {
		return 0
	}
	word, _ := bits.Div64(uint64(i), 1<<63, uint64(n))
	return word
}

// compare compares two cycles. With the word that draws the real one's node from its ties, podsim
// draws the same node when its ties are the same.
func (s *sequence) compare(want Choice, got conform.Attempt, ties []string) error {
	if want.Node != got.Node {
		return fmt.Errorf("expected %q of %v, got %q; %s / %s", want.Node, ties, got.Node, want.FitError, got.FitError)
	}
	if !strings.HasPrefix(got.FitError, want.FitError) {
		return fmt.Errorf("expected %q, got %q", want.FitError, got.FitError)
	}
	if want.Evaluated != got.Evaluated {
		return fmt.Errorf("expected %d nodes looked at, got %d", want.Evaluated, got.Evaluated)
	}
	return nil
}

// explain compares what both say of all nodes.
func (s *sequence) explain(p *v1.Pod) error {
	want, err := s.real.Explain(p)
	require.NoError(s.t, err)
	got := s.podsim.Explain(p)
	want.FitError, got.FitError = "", "" // The real one says it in its cycle.
	got.NodeOrder = nil
	if d := conform.Compare(want, got); d != nil {
		return fmt.Errorf("%s/%s: %s", p.Namespace, p.Name, d)
	}
	return nil
}

func (s *sequence) deletePod() error {
	i := s.IntN(len(s.pods))
	p := s.pods[i]
	s.pods = slices.Delete(s.pods, i, i+1)
	s.podsim.DeletePod(p)
	return s.real.DeletePod(p)
}

// changeNode changes what scheduling depends on, but not the images (see ImageLocality).
func (s *sequence) changeNode() error {
	i := s.IntN(len(s.nodes))
	before := s.nodes[i]
	n := before.DeepCopy()
	of := s.random.node(0)
	switch s.IntN(4) {
	case 0:
		n.Spec.Unschedulable = !n.Spec.Unschedulable
	case 1:
		n.Spec.Taints = of.Spec.Taints
	case 2:
		n.Status.Capacity, n.Status.Allocatable = of.Status.Capacity, of.Status.Allocatable
	default:
		of.Labels[v1.LabelHostname] = n.Name
		n.Labels = of.Labels
	}
	s.nodes[i] = n
	s.podsim.UpdateNode(n)
	return s.real.UpdateNode(before, n)
}

// replaceNode takes a node away, or brings a new one, where nodes have no images.
func (s *sequence) replaceNode() error {
	if s.random.on["images"] {
		return nil
	}
	if s.IntN(2) == 0 && len(s.nodes) > 1 {
		i := s.IntN(len(s.nodes))
		n := s.nodes[i]
		s.nodes = slices.Delete(s.nodes, i, i+1)
		s.podsim.DeleteNode(n.Name)
		return s.real.DeleteNode(n)
	}
	n := s.random.node(500 + s.steps)
	s.nodes = append(s.nodes, n)
	if err := s.podsim.AddNode(n); err != nil {
		return err
	}
	return s.real.AddNode(n)
}
