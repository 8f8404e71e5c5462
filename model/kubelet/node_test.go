package kubelet_test

import (
	"math/rand"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/model/kubelet"
)

// slowLoops ticks where Loops computes: the beginnings of the PLEG's looks at all pods.
type slowLoops struct {
	// looks are the beginnings so far; the last is the next to come.
	looks []model.Time
}

const (
	lookTime = 2 * model.Millisecond
	lookGap  = model.Second + lookTime
)

func (l *slowLoops) to(t model.Time) {
	for l.looks[len(l.looks)-1]+lookTime <= t {
		l.looks = append(l.looks, l.looks[len(l.looks)-1]+lookGap)
	}
}

// last is the latest look that was over at the present moment, next when the next one sees.
func (l *slowLoops) last() model.Time { return l.looks[len(l.looks)-2] }
func (l *slowLoops) next() model.Time { return l.looks[len(l.looks)-1] + lookTime }

func TestLoopsAreTheirTicks(t *testing.T) {
	for seed := range int64(100) {
		r := rand.New(rand.NewSource(seed))
		origin := -model.Time(r.Int63n(int64(model.Minute)))
		loops := kubelet.Loops{Origin: origin}
		slow := slowLoops{looks: []model.Time{origin}}
		now := model.Time(0)
		for range 200 {
			slow.to(now)
			require.Equal(t, slow.last(), loops.LastRelist(now), "seed %d at %s", seed, now)
			require.Equal(t, slow.next(), loops.NextRelist(now), "seed %d at %s", seed, now)
			require.Less(t, now, loops.NextRelist(now))
			if r.Intn(2) == 0 {
				now = loops.NextRelist(now)
				slow.to(now)
				for range r.Intn(4) {
					loops.Relist(now)
					slow.looks[len(slow.looks)-1] += lookTime
				}
				now += 10 * lookTime
			} else {
				now += model.Time(r.Int63n(int64(5 * model.Second)))
			}
		}
	}
}

// A look at one pod and a look at all pods do not overlap.
func TestOneLookAtATime(t *testing.T) {
	const ms = model.Millisecond
	for _, c := range []struct{ asked, sees, next model.Time }{
		{500 * ms, 502 * ms, 1004 * ms},
		{999 * ms, 1001 * ms, 1005 * ms}, // the look at 1.002 s waits for the end of this one
		{1001 * ms, 1003 * ms, 1007 * ms},
		{1002 * ms, 1006 * ms, 2006 * ms}, // the look at all pods comes first
		{1003 * ms, 1006 * ms, 2006 * ms},
		{1004 * ms, 1006 * ms, 2006 * ms},
	} {
		var loops kubelet.Loops
		sees := loops.RelistPodAt(c.asked)
		assert.Equal(t, c.sees, sees, "asked at %s", c.asked)
		loops.RelistPod(sees, true)
		assert.Equal(t, c.next, loops.NextRelist(sees), "asked at %s", c.asked)
	}
}

func TestNextTick(t *testing.T) {
	loops := kubelet.Loops{Origin: -300 * model.Millisecond}
	for _, c := range []struct{ at, want model.Time }{
		{0, 700 * model.Millisecond},
		{700 * model.Millisecond, 700 * model.Millisecond},
		{701 * model.Millisecond, 1700 * model.Millisecond},
	} {
		assert.Equal(t, c.want, loops.NextTick(c.at), "%s", c.at)
	}
}

// A round of the container GC that removes something is longer, and the next one comes a period after its
// end. What happens while it goes on is for the next one.
func TestNextCollect(t *testing.T) {
	const minute, ms = model.Minute, model.Millisecond
	loops := kubelet.Loops{Origin: -minute}
	assert.Equal(t, minute, loops.NextCollect(0))
	assert.Equal(t, minute+50*ms, loops.Collect(minute, 50*ms))
	assert.Equal(t, minute, loops.NextCollect(minute-ms), "another container for that round")
	assert.Equal(t, minute+90*ms, loops.Collect(minute, 40*ms))
	assert.Equal(t, 2*minute+90*ms, loops.NextCollect(minute))
	assert.Equal(t, 2*minute+90*ms, loops.NextCollect(minute+60*ms))
	assert.Equal(t, 3*minute+90*ms, loops.NextCollect(2*minute+90*ms))
	assert.Equal(t, 3*minute+100*ms, loops.Collect(3*minute+90*ms, 10*ms))
}

func TestPullerKeepsTheOrder(t *testing.T) {
	q := kubelet.Puller{Parallel: 1}
	ask := func(pod model.PodID) kubelet.PullRequest { return kubelet.PullRequest{Pod: pod} }
	assert.True(t, q.Ask(ask(1)))
	assert.False(t, q.Ask(ask(2)))
	assert.False(t, q.Ask(ask(3)))
	for _, want := range []model.PodID{2, 3} {
		r, ok := q.Done()
		assert.True(t, ok)
		assert.Equal(t, want, r.Pod)
	}
	_, ok := q.Done()
	assert.False(t, ok)
	assert.True(t, q.Ask(ask(4)))
}

// What changes while a batch is sent goes with the next batch, which takes all statuses at once.
func TestStatusManagerSendsBatches(t *testing.T) {
	var m kubelet.StatusManager
	var taken []model.PodID
	take := func(id model.PodID) { taken = append(taken, id) }
	assert.True(t, m.Changed(1), "free: the pod is sent at once")
	for _, id := range []model.PodID{2, 3, 2, 1} {
		assert.False(t, m.Changed(id))
	}
	assert.Equal(t, model.PodID(2), m.Done(take))
	assert.Equal(t, []model.PodID{2, 3, 1}, taken)
	assert.False(t, m.Changed(3))
	assert.Equal(t, model.PodID(3), m.Done(take))
	assert.Equal(t, model.PodID(1), m.Done(take))
	assert.Equal(t, []model.PodID{2, 3, 1}, taken, "pod 3 waits for the next batch")
	assert.Equal(t, model.PodID(3), m.Done(take))
	assert.Equal(t, []model.PodID{2, 3, 1, 3}, taken)
	assert.Zero(t, m.Done(take))
	assert.True(t, m.Changed(4))
}
