package sim

import "podsim/model"

// limit is a client's rate limit: the token bucket of client-go's flowcontrol
// (NewTokenBucketRateLimiter), as the moment at which the next request may go.
type limit struct {
	// interval is the time for one token, 0 for no limit; burst the size of the bucket.
	interval model.Time
	burst    model.Time
	// full is when the bucket would be full again if nobody took from it.
	full model.Time
}

func newLimit(l model.ClientLimit) limit {
	if l.QPS < 0 {
		return limit{}
	}
	return limit{interval: model.Time(float64(model.Second) / l.QPS), burst: model.Time(l.Burst)}
}

// take takes a token. It gives the moment at which the request goes.
func (l *limit) take(now model.Time) model.Time {
	if l.interval == 0 {
		return now
	}
	at := max(now, l.full-(l.burst-1)*l.interval)
	l.full = max(l.full, at) + l.interval
	return at
}

// try takes a token if there is one.
func (l *limit) try(now model.Time) bool {
	if l.full-(l.burst-1)*l.interval > now {
		return false
	}
	l.take(now)
	return true
}

func (c *Cluster) initLimits() {
	cp := &c.scenario.ControlPlane
	c.schedulerLimit = newLimit(cp.Scheduler)
	c.storage.limit = newLimit(cp.ControllerManager)
	c.deploymentLimit = newLimit(cp.ControllerManager)
	c.replicaSetLimit = newLimit(cp.ControllerManager)
	c.lifecycleLimit = newLimit(cp.ControllerManager)
	c.attach.limit = newLimit(cp.ControllerManager)
	c.disruptionLimit = newLimit(cp.ControllerManager)
}
