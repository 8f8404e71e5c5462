package sim

import (
	"fmt"
	"math"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

// plainTransfers is the twin of transfers: progressive filling over all flows, each with its own
// bytes, in floating point.
type plainTransfers struct {
	at                    float64
	registries, connected []float64
	nodes                 []float64
	flows                 []*plainFlow
	began                 int
}

type plainFlow struct {
	node, registry, number int
	left, rate             float64
}

func (t *plainTransfers) advance(seconds float64) {
	for _, f := range t.flows {
		f.left -= f.rate * (seconds - t.at)
	}
	t.at = seconds
}

// share raises all rates together and stops those that meet a bound.
func (t *plainTransfers) share() {
	registries, nodes := append([]float64(nil), t.registries...), append([]float64(nil), t.nodes...)
	open := map[*plainFlow]bool{}
	for _, f := range t.flows {
		open[f] = true
	}
	for len(open) > 0 {
		ofRegistry, ofNode := make([]float64, len(registries)), make([]float64, len(nodes))
		for f := range open {
			ofRegistry[f.registry]++
			ofNode[f.node]++
		}
		bound := func(f *plainFlow) float64 {
			return min(t.connected[f.registry], registries[f.registry]/ofRegistry[f.registry], nodes[f.node]/ofNode[f.node])
		}
		level := math.Inf(1)
		for f := range open {
			level = min(level, bound(f))
		}
		var settled []*plainFlow
		for f := range open {
			if bound(f) <= level*(1+1e-12) {
				settled = append(settled, f)
			}
		}
		for _, f := range settled {
			f.rate = level
			registries[f.registry] -= level
			nodes[f.node] -= level
			delete(open, f)
		}
	}
}

func (t *plainTransfers) next() float64 {
	at := math.Inf(1)
	for _, f := range t.flows {
		if f.rate > 0 {
			at = min(at, t.at+max(0, f.left)/f.rate)
		}
	}
	return at
}

// end takes out the flows that are over within a microsecond.
func (t *plainTransfers) end() (ended []int) {
	var rest []*plainFlow
	for _, f := range t.flows {
		if f.rate > 0 && f.left <= f.rate*1e-6 {
			ended = append(ended, f.number)
		} else {
			rest = append(rest, f)
		}
	}
	t.flows = rest
	return ended
}

// transferScript is a start of a flow, or with no bytes a change of a registry's bandwidth.
type transferScript struct {
	at             model.Time
	node, registry int
	bytes          int64
	bandwidth      int64
}

// network is the links of both.
type network struct {
	registries, connected, nodes []int64
}

// randomNetwork draws links and what happens on them.
func randomNetwork(r *rand.Rand) (network, []transferScript) {
	pick := func(list ...int64) int64 { return list[r.Intn(len(list))] }
	var w network
	for range 1 + r.Intn(3) {
		w.registries = append(w.registries, pick(0, 10<<20, 100<<20, 1+r.Int63n(1<<30)))
		w.connected = append(w.connected, pick(0, 0, 4<<20, 1+r.Int63n(1<<28)))
		if w.registries[len(w.registries)-1] == 0 && w.connected[len(w.connected)-1] == 0 {
			w.connected[len(w.connected)-1] = 100 << 20
		}
	}
	pools := []int64{0, 8 << 20, 1 + r.Int63n(1<<26)}
	for range 1 + r.Intn(8) {
		w.nodes = append(w.nodes, pools[r.Intn(len(pools))])
	}
	var script []transferScript
	at := model.Time(0)
	for range 5 + r.Intn(60) {
		at += model.Time(r.Int63n(int64(pick(1, int64(model.Second), int64(20*model.Second)))))
		s := transferScript{at: at, node: r.Intn(len(w.nodes)), registry: r.Intn(len(w.registries)), bytes: 1 + r.Int63n(pick(1, 4<<20, 1<<30))}
		if r.Intn(10) == 0 {
			s.bytes, s.bandwidth = 0, 1+r.Int63n(100<<20)
		}
		script = append(script, s)
	}
	return w, script
}

// runFast gives the ends of all flows by their numbers, and the number of moments at which one was due.
func runFast(w network, script []transferScript) (ends map[int]model.Time, moments int) {
	t := newTransfers()
	for i := range w.registries {
		t.addRegistry(w.registries[i], w.connected[i])
	}
	for i := range w.nodes {
		t.setNode(model.NodeID(i), w.nodes[i])
	}
	ends = map[int]model.Time{}
	begun := 0
	for {
		next := t.next()
		if len(script) == 0 && next == model.Never {
			return ends, moments
		}
		if len(script) > 0 && script[0].at <= next {
			s := script[0]
			script = script[1:]
			t.advance(s.at)
			if s.bytes == 0 {
				t.setRegistry(int32(s.registry), s.bandwidth, w.connected[s.registry], false)
			} else {
				t.begin(model.NodeID(s.node), layerID(begun), int32(s.registry), s.bytes)
				begun++
			}
		} else {
			moments++
			t.advance(next)
			for _, f := range t.end() {
				ends[int(f.layer)] = next
			}
		}
		t.share()
	}
}

func runPlain(w network, script []transferScript) map[int]model.Time {
	limit := func(list []int64) (out []float64) {
		for _, b := range list {
			out = append(out, float64(b))
			if b == 0 {
				out[len(out)-1] = math.Inf(1)
			}
		}
		return out
	}
	t := plainTransfers{registries: limit(w.registries), connected: limit(w.connected), nodes: limit(w.nodes)}
	ends := map[int]model.Time{}
	for {
		next := t.next()
		if len(script) == 0 && math.IsInf(next, 1) {
			return ends
		}
		if len(script) > 0 && float64(script[0].at)/1e9 <= next {
			s := script[0]
			script = script[1:]
			t.advance(float64(s.at) / 1e9)
			if s.bytes == 0 {
				t.registries[s.registry] = float64(s.bandwidth)
			} else {
				t.flows = append(t.flows, &plainFlow{node: s.node, registry: s.registry, number: t.began, left: float64(s.bytes)})
				t.began++
			}
		} else {
			t.advance(next)
			for _, number := range t.end() {
				ends[number] = model.Time(next * 1e9)
			}
		}
		t.share()
	}
}

// Transfers end when progressive filling over each flow says so.
func TestTransfersTwin(t *testing.T) {
	for seed := range int64(300) {
		w, script := randomNetwork(rand.New(rand.NewSource(seed)))
		fast, _ := runFast(w, script)
		plain := runPlain(w, script)
		require.Len(t, fast, len(plain), "seed %d", seed)
		for i, at := range plain {
			require.InDelta(t, float64(at), float64(fast[i]), float64(20*model.Microsecond)+1e-8*float64(at), "seed %d, flow %d", seed, i)
		}
	}
}

// The flows of one registry with limits of its nodes: what one leaves, others have.
func TestTransfersShares(t *testing.T) {
	w := network{registries: []int64{100}, connected: []int64{0}, nodes: []int64{10, 0, 0}}
	ends, moments := runFast(w, []transferScript{{node: 0, bytes: 100}, {node: 0, bytes: 50}, {node: 1, bytes: 450}, {node: 2, bytes: 900}})
	// Node 0 has 10 bytes a second, the others 45 each; 10 s later the one on node 2 has 90 or more.
	assert.Equal(t, map[int]model.Time{1: 10 * model.Second, 2: 10 * model.Second, 3: 15 * model.Second, 0: 15 * model.Second}, rounded(ends))
	assert.LessOrEqual(t, moments, 4)
}

func rounded(ends map[int]model.Time) map[int]model.Time {
	for i, at := range ends {
		ends[i] = (at + model.Millisecond/2) / model.Millisecond * model.Millisecond
	}
	return ends
}

// A flow that is cancelled says what was left, and a registry that is down gives nothing.
func TestTransfersCancel(t *testing.T) {
	for _, bandwidth := range []int64{0, 1 << 20} {
		x := newTransfers()
		r := x.addRegistry(100, 0)
		x.setNode(1, bandwidth)
		i := x.begin(1, 7, r, 1000)
		x.begin(1, 8, r, 1000)
		x.share()
		x.advance(10 * model.Second)
		assert.Equal(t, int64(500), x.cancel(i))
		x.setRegistry(r, 100, 0, true)
		x.share()
		assert.Equal(t, model.Never, x.next())
		x.advance(model.Hour)
		x.setRegistry(r, 50, 0, false)
		x.share()
		assert.Equal(t, model.Hour+10*model.Second, x.next())
	}
}

// BenchmarkTransfers is a storm: each node has three flows of a registry at a time, 12 in all.
func BenchmarkTransfers(b *testing.B) {
	for _, c := range []struct {
		nodes     int
		bandwidth int64
	}{{100, 0}, {500, 0}, {500, 1 << 20}, {5000, 0}} {
		w, script := storm(c.nodes, c.bandwidth)
		b.Run(fmt.Sprintf("fast/nodes=%d/limited=%t", c.nodes, c.bandwidth > 0), func(b *testing.B) {
			for b.Loop() {
				runFast(w, script)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(script)), "ns/flow")
		})
		if c.nodes <= 100 {
			b.Run(fmt.Sprintf("plain/nodes=%d/limited=%t", c.nodes, c.bandwidth > 0), func(b *testing.B) {
				for b.Loop() {
					runPlain(w, script)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(script)), "ns/flow")
			})
		}
	}
}

func storm(nodes int, bandwidth int64) (network, []transferScript) {
	r := rand.New(rand.NewSource(1))
	w := network{registries: []int64{1250 << 20}, connected: []int64{0}}
	var script []transferScript
	for n := range nodes {
		w.nodes = append(w.nodes, bandwidth)
		for range 3 {
			script = append(script, transferScript{at: model.Time(len(script)) * model.Microsecond, node: n, bytes: 1 + r.Int63n(300<<20)})
		}
	}
	return w, script
}
