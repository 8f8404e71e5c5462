package kubelet

import (
	"fmt"
	"math/rand"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// dice draws the parts of pods. math/rand's generator of a seed is fixed by Go's promise of
// compatibility, so that a seed stays the same pod.
type dice struct{ *rand.Rand }

func newDice(seed int64) dice { return dice{rand.New(rand.NewSource(seed))} }

// oneIn is true once in n times.
func (d dice) oneIn(n int) bool { return d.Intn(n) == 0 }

// weighted gives an index, as often as its weight says.
func (d dice) weighted(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := d.Intn(sum)
	for i, w := range weights {
		if n < w {
			return i
		}
		n -= w
	}
	panic("unreachable: the number is less than the sum")
}

// between is a number from a to b-1.
func (d dice) between(a, b int) int { return a + d.Intn(b-a) }

func (d dice) sleep(fromMs, toMs int) string {
	return fmt.Sprintf("sleep=%dms", d.between(fromMs, toMs))
}

// judgement is how the tester judges itself: kind, n, and m for "flap".
type judgement struct {
	kind string
	n, m int
}

// words are the arguments of the tester's command "probe".
func (j judgement) words() []string {
	words := []string{tester, "probe", j.kind, fmt.Sprint(j.n)}
	if j.kind == "flap" {
		words = append(words, fmt.Sprint(j.m))
	}
	return words
}

// path is the judgement on the tester's HTTP server.
func (j judgement) path() string {
	if j.kind == "flap" {
		return fmt.Sprintf("/flap?on=%d&off=%d", j.n, j.m)
	}
	return fmt.Sprintf("/%s?s=%d", j.kind, j.n)
}

// service is the judgement as the name of a gRPC service.
func (j judgement) service() string {
	if j.kind == "flap" {
		return fmt.Sprintf("flap-%d-%d", j.n, j.m)
	}
	return fmt.Sprintf("%s-%d", j.kind, j.n)
}

func (j judgement) exec() *v1.ExecAction { return &v1.ExecAction{Command: j.words()} }

func (j judgement) http(port int32) *v1.HTTPGetAction {
	return &v1.HTTPGetAction{Path: j.path(), Port: intstr.FromInt32(port)}
}

func pointer[T any](v T) *T { return &v }
