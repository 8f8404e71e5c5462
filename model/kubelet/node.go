package kubelet

import (
	"slices"

	"podsim/model"
)

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
	// collecting is how much later the rounds of the container GC come for the time they took.
	collecting model.Time
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

// NextCollect is the container GC's first round after t (kubelet.go StartGarbageCollection).
func (l *Loops) NextCollect(t model.Time) model.Time {
	return l.Origin + l.collecting + floor(t-l.Origin-l.collecting, collectPeriod) + collectPeriod
}

// Collect takes into account how long a round of the container GC takes: the next one comes a
// period after its end.
func (l *Loops) Collect(took model.Time) { l.collecting += took }

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

// Puller is the kubelet's image puller (images/puller.go): one pull at a time, or several.
// It holds what waits; the pulls themselves are the runtime's.
type Puller struct {
	// Parallel is the number of pulls at a time, 0 for no limit.
	Parallel int
	active   int
	waiting  []PullRequest
}

// PullRequest is a pod's wish for the image of one of its containers.
type PullRequest struct {
	Pod       model.PodID
	Gen       uint16
	Container int8
	// Asked is when the pod asked.
	Asked model.Time
}

// Ask takes a request. It says whether the pull may start at once.
func (q *Puller) Ask(r PullRequest) bool {
	if q.Parallel == 0 || q.active < q.Parallel {
		q.active++
		return true
	}
	q.waiting = append(q.waiting, r)
	return false
}

// Waits says that a pod's pull waits for others.
func (q *Puller) Waits(pod model.PodID, gen uint16) bool {
	return slices.ContainsFunc(q.waiting, func(r PullRequest) bool { return r.Pod == pod && r.Gen == gen })
}

// Reset forgets what waits and runs: the kubelet begins anew.
func (q *Puller) Reset() { q.active, q.waiting = 0, q.waiting[:0] }

// Done ends a pull. It gives the request whose pull starts now, if one waits.
func (q *Puller) Done() (PullRequest, bool) {
	if len(q.waiting) == 0 {
		q.active--
		return PullRequest{}, false
	}
	r := q.waiting[0]
	q.waiting = append(q.waiting[:0], q.waiting[1:]...)
	return r, true
}

// StatusManager is the loop that publishes the pods' statuses one after the other
// (status/status_manager.go Start, syncBatch). A batch takes the statuses of all pods that have
// changed; what changes meanwhile waits for the next one. Upstream takes the pods of a batch in
// map order; here they go in the order of their changes.
type StatusManager struct {
	busy           bool
	batch, waiting []model.PodID
}

// Changed notes that the pod's status changed. It says whether the loop is free: then the pod
// alone is the next batch.
func (m *StatusManager) Changed(pod model.PodID) bool {
	if !m.busy {
		m.busy = true
		return true
	}
	for _, w := range m.waiting {
		if w == pod {
			return false
		}
	}
	m.waiting = append(m.waiting, pod)
	return false
}

// Idle says that no status is on its way or waits.
func (m *StatusManager) Idle() bool { return !m.busy && len(m.batch) == 0 && len(m.waiting) == 0 }

// Done ends the publishing of a status. It gives the next pod, 0 when none waits, and calls
// send for each pod of a batch that begins.
func (m *StatusManager) Done(send func(model.PodID)) model.PodID {
	if len(m.batch) == 0 {
		m.batch, m.waiting = m.waiting, m.batch
		for _, pod := range m.batch {
			send(pod)
		}
	}
	if len(m.batch) == 0 {
		m.busy = false
		return 0
	}
	pod := m.batch[0]
	m.batch = append(m.batch[:0], m.batch[1:]...)
	return pod
}

// PullRecords is what the kubelet keeps of the images that it has pulled, so that a pod that
// does not pull an image itself uses none that it could not have pulled
// (images/pullmanager/image_pull_manager.go, feature gate KubeletEnsureSecretPulledImages). What
// was on the node before is for every pod (imagePullCredentialsVerificationPolicy
// NeverVerifyPreloadedImages, the default).
//
// A secret is known by its name: one of the same name in another namespace has the same
// credentials. So the image is shared by them, as upstream does it for equal credentials.
type PullRecords struct {
	records []pullRecord
}

type pullRecord struct {
	image model.ImageID
	// pulling counts the pulls under way (the intents), pulled says that one has ended well.
	pulling int
	pulled  bool
	// everyPod says that it was pulled without credentials, secrets are those that were used.
	everyPod bool
	secrets  []string
}

func (r *PullRecords) record(image model.ImageID) *pullRecord {
	for i := range r.records {
		if r.records[i].image == image {
			return &r.records[i]
		}
	}
	return nil
}

// Begin notes that a pull begins (RecordPullIntent).
func (r *PullRecords) Begin(image model.ImageID) {
	if r.record(image) == nil {
		r.records = append(r.records, pullRecord{image: image})
	}
	r.record(image).pulling++
}

// Failed notes that a pull has failed (RecordImagePullFailed).
func (r *PullRecords) Failed(image model.ImageID) { r.record(image).pulling-- }

// Pulled notes that an image was pulled with the secret, "" for none (RecordImagePulled).
func (r *PullRecords) Pulled(image model.ImageID, secret string) {
	k := r.record(image)
	k.pulling--
	k.pulled = true
	switch {
	case secret == "":
		k.everyPod, k.secrets = true, nil
	case !k.everyPod && !slices.Contains(k.secrets, secret):
		k.secrets = append(k.secrets, secret)
	}
}

// MustPull says whether a pod with these secrets for the image has to pull it though it is
// present (MustAttemptImagePull).
func (r *PullRecords) MustPull(image model.ImageID, secrets []string) bool {
	k := r.record(image)
	switch {
	case k == nil || !k.pulled && k.pulling == 0, k.pulled && k.everyPod:
		return false
	case !k.pulled:
		return true
	}
	for _, s := range secrets {
		if slices.Contains(k.secrets, s) {
			return false
		}
	}
	return true
}

// Reset forgets the pulls under way: the kubelet begins anew. The records of the images stay, as
// they are on the disk.
func (r *PullRecords) Reset() {
	for i := range r.records {
		r.records[i].pulling = 0
	}
}
