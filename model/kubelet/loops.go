package kubelet

import "podsim/model"

// The periods of a kubelet's loops (kubelet.go genericPlegRelistPeriod, the tickers of
// syncLoop) and the time that the PLEG needs for one question to the runtime, for all pods or
// for the containers of one. Its timer starts anew after each look at all pods. relistTime is a
// measurement of the real kubelet.
const (
	relistPeriod = model.Second
	relistTime   = 2 * model.Millisecond
	syncTick     = model.Second
)

// reconcilePeriod is that of the volume manager's reconciler (volumemanager/volume_manager.go
// reconcilerLoopSleepPeriod); the populator of the desired state has the same.
const reconcilePeriod = 100 * model.Millisecond

// statusPeriod is that of the status manager's looks at all statuses (status/status_manager.go
// syncPeriod), collectPeriod that of the container GC (kubelet.go ContainerGCPeriod).
const (
	statusPeriod  = 10 * model.Second
	collectPeriod = model.Minute
)

// NextReconcile is the first round of the volume manager's reconciler after t.
func (l *Loops) NextReconcile(t model.Time) model.Time {
	return l.Origin + floor(t-l.Origin, reconcilePeriod) + reconcilePeriod
}

// Loops gives the moments at which a kubelet's endless loops come round, so that nothing has
// to be queued for the rounds that find nothing to do.
type Loops struct {
	// Origin is when the kubelet began, at or before the start of the run.
	Origin model.Time
	// known is a look at all pods after which none was other than usual, if some is set.
	known look
	some  bool
	// collection is the latest round of the container GC that has something to remove, if its end is set.
	collection struct{ begin, end model.Time }
}

// look is one of the PLEG's looks at all pods: when it begins and is over, and when the one before
// began. The pods are seen relistTime after the beginning; then each that has changed is inspected.
type look struct{ begin, end, before model.Time }

const usualLook = relistPeriod + relistTime

// at is the latest look that has begun at t.
func (l *Loops) at(t model.Time) look {
	k := l.known
	if !l.some {
		k = look{l.Origin, l.Origin + relistTime, l.Origin - usualLook}
	}
	next := k.end + relistPeriod
	if t < next {
		return k
	}
	begin := next + floor(t-next, usualLook)
	before := begin - usualLook
	if begin == next {
		before = k.begin
	}
	return look{begin, begin + relistTime, before}
}

// LastRelist is when the PLEG began the latest of its looks at all pods that was over at t.
func (l *Loops) LastRelist(t model.Time) model.Time {
	k := l.at(t)
	if t < k.end {
		return k.before
	}
	return k.begin
}

// LookEnd is when the PLEG's latest look at all pods is over, as far as is known at t.
func (l *Loops) LookEnd(t model.Time) model.Time { return l.at(t).end }

// NextRelist is when the PLEG's first look at all pods after t sees them.
func (l *Loops) NextRelist(t model.Time) model.Time {
	k := l.at(t)
	if t < k.begin+relistTime {
		return k.begin + relistTime
	}
	return k.end + relistPeriod + relistTime
}

// Relist takes into account that the look at all pods that sees them at t, which has found a pod
// changed, inspects it. It gives the moment when that is done. The next look comes a period after
// the end of this one (pleg/generic.go Relist, workerLoopIteration).
func (l *Loops) Relist(t model.Time) model.Time {
	l.known, l.some = l.at(t), true
	l.known.end += relistTime
	return l.known.end
}

// Resume lets the PLEG look at all pods at t, for the first time since the kubelet was stopped.
func (l *Loops) Resume(stopped, t model.Time) {
	l.known, l.some = look{t, t + relistTime, l.at(stopped).begin}, true
}

// RelistPodAt is when an on-demand look at one pod, asked for at t, sees the pod: the PLEG does one
// thing after the other (pleg/generic.go workerLoopIteration).
func (l *Loops) RelistPodAt(t model.Time) model.Time { return max(t, l.at(t).end) + relistTime }

// RelistPod takes into account an on-demand look that sees a pod at t and, if the pod has changed,
// inspects it: a look at all pods that is due meanwhile begins after it. It gives the moment when
// that is done.
func (l *Loops) RelistPod(t model.Time, changed bool) model.Time {
	end := t
	if changed {
		end += relistTime
	}
	if k := l.at(t - relistTime); k.end+relistPeriod < end {
		k.end = end - relistPeriod
		l.known, l.some = k, true
	}
	return end
}

// NextStatusSync is the status manager's first look at all statuses after t
// (status/status_manager.go Start).
func (l *Loops) NextStatusSync(t model.Time) model.Time {
	return l.Origin + floor(t-l.Origin, statusPeriod) + statusPeriod
}

// NextCollect is when the container GC's first round after t begins (kubelet.go StartGarbageCollection):
// a period after the end of the one before. What is to be removed it finds out then.
func (l *Loops) NextCollect(t model.Time) model.Time {
	last := l.Origin
	if c := &l.collection; c.end != 0 {
		if t < c.begin {
			return c.begin
		}
		last, t = c.end, max(t, c.end)
	}
	return last + floor(t-last, collectPeriod) + collectPeriod
}

// Collect lets a round of the container GC that begins at a moment remove one container more. It gives the
// moment when that is done.
func (l *Loops) Collect(begin, took model.Time) model.Time {
	c := &l.collection
	if c.begin != begin || c.end == 0 {
		c.begin, c.end = begin, begin
	}
	c.end += took
	return c.end
}

// NextTick is the sync loop's first tick at or after t: a pod's wake is seen there.
func (l *Loops) NextTick(t model.Time) model.Time {
	return l.Origin + floor(t-l.Origin+syncTick-1, syncTick)
}

// housekeepingPeriod is that of the sync loop's other ticker (kubelet.go housekeepingPeriod).
const housekeepingPeriod = 2 * model.Second

// NextHousekeeping is the first round of housekeeping after t.
func (l *Loops) NextHousekeeping(t model.Time) model.Time {
	return l.Origin + floor(t-l.Origin, housekeepingPeriod) + housekeepingPeriod
}

// floor is the largest multiple of period up to t, for t of either sign.
func floor(t, period model.Time) model.Time {
	m := t % period
	if m < 0 {
		m += period
	}
	return t - m
}
