package controllers

import (
	"math"
	"sort"

	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
)

// DeploymentWrite is a write of the deployment controller.
type DeploymentWrite struct {
	Kind DeploymentWriteKind
	// ReplicaSet is the one to scale or delete, 0 for the one to create.
	ReplicaSet model.ReplicaSetID
	// From and To are the replicas of a scale or create.
	From, To int32
	// Status is the status to write.
	Status model.DeploymentStatus
}

// DeploymentWriteKind says what a DeploymentWrite does.
type DeploymentWriteKind uint8

// The writes of the deployment controller.
const (
	CreateReplicaSet DeploymentWriteKind = iota
	ScaleReplicaSet
	// AnnotateReplicaSet writes only the Deployment's size to the ReplicaSet's annotations.
	AnnotateReplicaSet
	// ReviseReplicaSet makes an older ReplicaSet the newest revision, To, and gives it the
	// Deployment's minReadySeconds.
	ReviseReplicaSet
	DeleteReplicaSet
	UpdateDeploymentStatus
)

// rollout is one sync of a Deployment.
type rollout struct {
	d *model.Deployment
	// sets are the living ReplicaSets, oldest first; newest is the one of the present
	// template, nil when there is none yet.
	sets    []*model.ReplicaSet
	newest  *model.ReplicaSet
	now     model.Time
	out     []DeploymentWrite
	created int32
	// current is the Deployment's status as this sync has changed it; stale says that it has
	// written the status, so that the API server refuses the next write of it in this sync.
	current model.DeploymentStatus
	stale   bool
}

// SyncDeployment appends the writes of one sync to out (deployment_controller.go
// syncDeployment). sets are the Deployment's living ReplicaSets, oldest first; podsOfOld says
// that pods of ReplicaSets other than the present one have not ended. again is when the key
// must be synced again for its progress deadline, Never when it need not.
func SyncDeployment(d *model.Deployment, sets []*model.ReplicaSet, podsOfOld bool, now model.Time, out []DeploymentWrite) (writes []DeploymentWrite, again model.Time) {
	r := rollout{d: d, sets: sets, now: now, out: out, created: -1, current: d.Status}
	for _, s := range sets {
		if s.Hash == d.Hash {
			r.newest = s
		}
	}
	if d.Deleting {
		r.writeStatus(r.status())
		return r.out, r.again()
	}
	r.pauseOrResume()
	if r.revise() {
		return r.out, model.Never
	}
	switch {
	case d.Paused || r.isScalingEvent():
		r.scale()
		if d.Paused {
			r.cleanup()
		}
		r.writeStatus(r.status())
	case d.Recreate:
		r.recreate(podsOfOld)
	default:
		r.rolling()
	}
	return r.out, r.again()
}

// pauseOrResume follows sync.go checkPausedConditions.
func (r *rollout) pauseOrResume() {
	reason := r.current.Conditions[model.DeploymentProgressing].Reason
	switch paused := reason == model.ReasonDeploymentPaused; {
	case !r.hasDeadline() || reason == model.ReasonProgressDeadlineExceeded || paused == r.d.Paused:
		return
	case paused:
		reason = model.ReasonDeploymentResumed
	default:
		reason = model.ReasonDeploymentPaused
	}
	set(&r.current, model.DeploymentProgressing, model.ConditionUnknown, reason, r.now)
	r.writeStatus(r.current)
}

// hasDeadline follows HasProgressDeadline.
func (r *rollout) hasDeadline() bool { return r.d.ProgressDeadlineSeconds != math.MaxInt32 }

// revise brings the newest ReplicaSet up to date: one that the Deployment comes back to becomes
// the newest revision (getNewReplicaSet, SetNewReplicaSetAnnotations). The sync then ends, as
// upstream makes the write twice and the API server refuses the second.
func (r *rollout) revise() bool {
	if r.newest == nil {
		return false
	}
	revision := int64(1)
	for _, s := range r.old() {
		revision = max(revision, s.Revision+1)
	}
	revision = max(revision, r.newest.Revision)
	if revision == r.newest.Revision && r.newest.MinReadySeconds == r.d.MinReadySeconds {
		return false
	}
	r.out = append(r.out, DeploymentWrite{Kind: ReviseReplicaSet, ReplicaSet: r.newest.ID, To: int32(revision)})
	return true
}

func (r *rollout) old() []*model.ReplicaSet {
	var old []*model.ReplicaSet
	for _, s := range r.sets {
		if s != r.newest {
			old = append(old, s)
		}
	}
	return old
}

// isScalingEvent says that the Deployment's size was changed since the last sync.
func (r *rollout) isScalingEvent() bool {
	for _, s := range r.sets {
		if s.Replicas > 0 && s.Desired != r.d.Replicas {
			return true
		}
	}
	return false
}

// rolling follows rolling.go rolloutRolling: one step up, or else one step down.
func (r *rollout) rolling() {
	if r.scaleUp() || r.scaleDownOld() {
		r.rolloutStatus()
		return
	}
	if complete(r.d, &r.current) {
		r.cleanup()
	}
	r.rolloutStatus()
}

// scaleUp creates or scales the newest ReplicaSet (getNewReplicaSet, reconcileNewReplicaSet).
// A creation does not count as a step, as upstream goes on with the created one.
func (r *rollout) scaleUp() bool {
	if r.newest == nil {
		r.create(r.newReplicas(0))
		return false
	}
	s := r.newest
	switch {
	case s.Replicas == r.d.Replicas:
		return false
	case s.Replicas > r.d.Replicas:
		return r.scaleTo(s, r.d.Replicas)
	}
	return r.scaleTo(s, r.newReplicas(s.Replicas))
}

// create makes the newest ReplicaSet, and says so in a status of its own (getNewReplicaSet).
func (r *rollout) create(replicas int32) {
	r.created = replicas
	r.out = append(r.out, DeploymentWrite{Kind: CreateReplicaSet, To: replicas})
	if r.hasDeadline() {
		set(&r.current, model.DeploymentProgressing, model.ConditionTrue, model.ReasonNewReplicaSetCreated, r.now)
		r.writeStatus(r.current)
	}
}

// newReplicas follows NewRSNewReplicas for a newest ReplicaSet of the given size.
func (r *rollout) newReplicas(has int32) int32 {
	if r.d.Recreate {
		return r.d.Replicas
	}
	surge := scaled(r.d.MaxSurge, r.d.Replicas, true)
	limit := r.d.Replicas + surge
	if total := r.total(); total < limit {
		return has + min(limit-total, r.d.Replicas-has)
	}
	return has
}

// total is the sum of the ReplicaSets' sizes.
func (r *rollout) total() int32 {
	n := max(0, r.created)
	for _, s := range r.sets {
		n += s.Replicas
	}
	return n
}

// scaleTo scales a ReplicaSet. It says whether its size changes (scaleReplicaSet).
func (r *rollout) scaleTo(s *model.ReplicaSet, to int32) bool {
	if s.Replicas == to {
		return false
	}
	r.scaleFrom(s, s.Replicas, to)
	return true
}

// scaleFrom is scaleTo for a ReplicaSet that this sync may have scaled already.
func (r *rollout) scaleFrom(s *model.ReplicaSet, from, to int32) {
	r.out = append(r.out, DeploymentWrite{Kind: ScaleReplicaSet, ReplicaSet: s.ID, From: from, To: to})
}

// annotate writes the Deployment's present size to a ReplicaSet that keeps its own.
func (r *rollout) annotate(s *model.ReplicaSet) {
	if s.Desired != r.d.Replicas || s.Max != r.d.Replicas+maxSurge(r.d) {
		r.out = append(r.out, DeploymentWrite{Kind: AnnotateReplicaSet, ReplicaSet: s.ID})
	}
}

// scaleDownOld follows reconcileOldReplicaSets.
func (r *rollout) scaleDownOld() bool {
	old := activeOf(r.old())
	var newReplicas, newAvailable int32
	if len(old) == 0 {
		return false
	}
	if r.newest != nil {
		newReplicas, newAvailable = r.newest.Replicas, r.newest.Status.Available
	} else {
		newReplicas = max(0, r.created)
	}
	minAvailable := r.d.Replicas - maxUnavailable(r.d)
	most := r.total() - minAvailable - (newReplicas - newAvailable)
	if most <= 0 {
		return false
	}
	sizes, available := make([]int32, len(old)), newAvailable
	for i, s := range old {
		sizes[i] = s.Replicas
		available += s.Status.Available
	}
	down, ok := r.cleanupUnhealthy(old, sizes, most)
	if !ok {
		return false
	}
	return down+r.scaleDown(old, sizes, available-minAvailable) > 0
}

// cleanupUnhealthy takes the replicas that are not available from the old ReplicaSets' sizes,
// oldest first (cleanupUnhealthyReplicas). It gives up, ok is false, at a ReplicaSet whose
// status has not followed its last scaling.
func (r *rollout) cleanupUnhealthy(old []*model.ReplicaSet, sizes []int32, most int32) (down int32, ok bool) {
	for i, s := range old {
		n := min(most-down, sizes[i]-s.Status.Available)
		switch {
		case down >= most:
			return down, true
		case n < 0:
			return down, false
		case n > 0:
			r.scaleFrom(s, sizes[i], sizes[i]-n)
			sizes[i] -= n
			down += n
		}
	}
	return down, true
}

// scaleDown takes n replicas from the sizes, in their order
// (scaleDownOldReplicaSetsForRollingUpdate).
func (r *rollout) scaleDown(old []*model.ReplicaSet, sizes []int32, n int32) (down int32) {
	for i, s := range old {
		if k := min(sizes[i], n-down); k > 0 {
			r.scaleFrom(s, sizes[i], sizes[i]-k)
			down += k
		}
	}
	return down
}

// recreate follows recreate.go rolloutRecreate.
func (r *rollout) recreate(podsOfOld bool) {
	down := false
	for _, s := range r.old() {
		if s.Replicas > 0 {
			down = r.scaleTo(s, 0) || down
		}
	}
	if down || podsOfOld {
		r.rolloutStatus()
		return
	}
	if r.newest == nil {
		r.create(r.d.Replicas)
	} else {
		r.scaleTo(r.newest, r.d.Replicas)
	}
	if complete(r.d, &r.current) {
		r.cleanup()
	}
	r.rolloutStatus()
}

// cleanup deletes old ReplicaSets over the history limit (sync.go cleanupDeployment).
func (r *rollout) cleanup() {
	old := r.old()
	sort.SliceStable(old, func(i, j int) bool { return old[i].Revision < old[j].Revision })
	for i := 0; i < len(old)-int(r.d.RevisionHistoryLimit); i++ {
		s := old[i]
		if s.Replicas == 0 && s.Status.Replicas == 0 && s.Generation <= s.Status.ObservedGeneration {
			r.out = append(r.out, DeploymentWrite{Kind: DeleteReplicaSet, ReplicaSet: s.ID})
		}
	}
}

// scale follows sync.go scale: the size of the Deployment itself was changed.
func (r *rollout) scale() {
	if s := r.activeOrLatest(); s != nil {
		r.scaleTo(s, r.d.Replicas)
		return
	}
	if s := r.newest; s != nil && s.Replicas == r.d.Replicas && s.Desired == r.d.Replicas && s.Status.Available == r.d.Replicas {
		for _, o := range r.old() {
			if o.Replicas > 0 {
				r.scaleTo(o, 0)
			}
		}
		return
	}
	if !r.d.Recreate {
		r.scaleProportionally()
	}
}

// activeOrLatest is the only active ReplicaSet, or the latest when none is active; nil when
// several are (FindActiveOrLatest).
func (r *rollout) activeOrLatest() *model.ReplicaSet {
	active := activeOf(r.sets)
	switch {
	case len(active) == 1:
		return active[0]
	case len(active) > 1 || len(r.sets) == 0:
		return nil
	case r.newest != nil:
		return r.newest
	}
	return r.sets[len(r.sets)-1]
}

// activeOf is the sets that want pods (FilterActiveReplicaSets).
func activeOf(sets []*model.ReplicaSet) []*model.ReplicaSet {
	var active []*model.ReplicaSet
	for _, s := range sets {
		if s.Replicas > 0 {
			active = append(active, s)
		}
	}
	return active
}

func (r *rollout) scaleProportionally() {
	active := activeOf(r.sets)
	allowed := int32(0)
	if r.d.Replicas > 0 {
		allowed = r.d.Replicas + maxSurge(r.d)
	}
	add := allowed - r.total()
	bySize(active, add > 0)
	sizes, added := make([]int32, len(active)), int32(0)
	for i, s := range active {
		p := r.proportion(s, add, added)
		sizes[i] = s.Replicas + p
		added += p
	}
	for i, s := range active {
		if i == 0 && add != 0 {
			sizes[i] = max(0, sizes[i]+add-added)
		}
		if !r.scaleTo(s, sizes[i]) {
			r.annotate(s)
		}
	}
}

// bySize sorts the larger first, and among equals the newer or older first.
func bySize(sets []*model.ReplicaSet, newerFirst bool) {
	sort.SliceStable(sets, func(i, j int) bool {
		a, b := sets[i], sets[j]
		if a.Replicas != b.Replicas {
			return a.Replicas > b.Replicas
		}
		return a.ID != b.ID && (a.ID > b.ID) == newerFirst
	})
}

// proportion follows GetReplicaSetProportion.
func (r *rollout) proportion(s *model.ReplicaSet, add, added int32) int32 {
	if s.Replicas == 0 || add == 0 || add == added {
		return 0
	}
	fraction := -s.Replicas
	if r.d.Replicas != 0 {
		before := s.Max
		if before == 0 {
			before = r.current.Replicas
		}
		if before == 0 {
			return 0
		}
		size := float64(s.Replicas*(r.d.Replicas+maxSurge(r.d))) / float64(before)
		fraction = int32(math.Floor(size+0.5)) - s.Replicas
	}
	if add > 0 {
		return min(fraction, add-added)
	}
	return max(fraction, add-added)
}

// status follows sync.go calculateStatus, from the ReplicaSets as they were at the sync's
// start.
func (r *rollout) status() model.DeploymentStatus {
	d := r.d
	s := r.current
	s.ObservedGeneration = d.Generation
	s.Replicas, s.Updated, s.Ready, s.Available, s.Terminating = 0, 0, 0, 0, 0
	for _, x := range r.sets {
		s.Replicas += x.Status.Replicas
		s.Ready += x.Status.Ready
		s.Available += x.Status.Available
		s.Terminating += x.Status.Terminating
	}
	if r.newest != nil {
		s.Updated = r.newest.Status.Replicas
	}
	s.Unavailable = max(0, r.total()-s.Available)
	if s.Available >= d.Replicas-maxUnavailable(d) {
		set(&s, model.DeploymentAvailable, model.ConditionTrue, model.ReasonMinimumReplicasAvailable, r.now)
	} else {
		set(&s, model.DeploymentAvailable, model.ConditionFalse, model.ReasonMinimumReplicasUnavailable, r.now)
	}
	return s
}

// set follows SetDeploymentCondition.
func set(s *model.DeploymentStatus, t model.DeploymentConditionType, status model.ConditionStatus, reason model.Text, now model.Time) {
	c := &s.Conditions[t]
	if c.Status == status && c.Reason == reason {
		return
	}
	if c.Status != status {
		c.Transition = now.TruncateSecond()
	}
	c.Status, c.Reason = status, reason
	if t == model.DeploymentProgressing {
		s.ProgressUpdated = now.TruncateSecond()
	}
}

// rolloutStatus follows progress.go syncRolloutStatus.
func (r *rollout) rolloutStatus() {
	s := r.status()
	reason := r.current.Conditions[model.DeploymentProgressing].Reason
	done := s.Replicas == s.Updated && reason == model.ReasonNewReplicaSetAvailable
	if !done && r.hasDeadline() {
		switch {
		case complete(r.d, &s):
			set(&s, model.DeploymentProgressing, model.ConditionTrue, model.ReasonNewReplicaSetAvailable, r.now)
		case progressing(&r.current, &s):
			set(&s, model.DeploymentProgressing, model.ConditionTrue, model.ReasonReplicaSetUpdated, r.now)
			s.ProgressUpdated = r.now.TruncateSecond()
		case r.timedOut(&s):
			set(&s, model.DeploymentProgressing, model.ConditionFalse, model.ReasonProgressDeadlineExceeded, r.now)
		}
	}
	r.writeStatus(s)
}

// writeStatus writes the status when it differs. Only the first write of a sync succeeds:
// upstream goes on with the object that it has, which is no longer the newest.
func (r *rollout) writeStatus(s model.DeploymentStatus) {
	if s != r.d.Status && !r.stale {
		r.out = append(r.out, DeploymentWrite{Kind: UpdateDeploymentStatus, Status: s})
		r.stale = true
	}
}

// complete follows DeploymentComplete.
func complete(d *model.Deployment, s *model.DeploymentStatus) bool {
	return s.Updated == d.Replicas && s.Replicas == d.Replicas && s.Available == d.Replicas && s.ObservedGeneration >= d.Generation
}

// progressing follows DeploymentProgressing.
func progressing(old, s *model.DeploymentStatus) bool {
	return s.Updated > old.Updated || s.Replicas-s.Updated < old.Replicas-old.Updated || s.Ready > old.Ready || s.Available > old.Available
}

// timedOut follows DeploymentTimedOut.
func (r *rollout) timedOut(s *model.DeploymentStatus) bool {
	switch s.Conditions[model.DeploymentProgressing].Reason {
	case model.NoText, model.ReasonNewReplicaSetAvailable:
		return false
	case model.ReasonProgressDeadlineExceeded:
		return true
	}
	return s.ProgressUpdated+model.Time(r.d.ProgressDeadlineSeconds)*model.Second < r.now
}

// again follows requeueStuckDeployment: a sync without a status write looks again when the
// deadline is over.
func (r *rollout) again() model.Time {
	s := &r.d.Status
	c := s.Conditions[model.DeploymentProgressing]
	if r.stale || c.Status == model.ConditionAbsent || !r.hasDeadline() || c.Reason == model.ReasonProgressDeadlineExceeded || complete(r.d, s) {
		return model.Never
	}
	after := s.ProgressUpdated + model.Time(r.d.ProgressDeadlineSeconds)*model.Second
	if after < r.now+model.Second {
		return max(after, r.now) + requeueSoon
	}
	return after + model.Second
}

// requeueSoon is the first delay of a controller's work queue (client-go
// DefaultTypedControllerRateLimiter).
const requeueSoon = 5 * model.Millisecond

// maxSurge and maxUnavailable are the bounds of a rolling update in pods (ResolveFenceposts).
func maxSurge(d *model.Deployment) int32 {
	if d.Recreate {
		return 0
	}
	return scaled(d.MaxSurge, d.Replicas, true)
}

func maxUnavailable(d *model.Deployment) int32 {
	if d.Recreate || d.Replicas == 0 {
		return 0
	}
	n := scaled(d.MaxUnavailable, d.Replicas, false)
	if n == 0 && maxSurge(d) == 0 {
		n = 1
	}
	return min(n, d.Replicas)
}

// MaxReplicas is the most pods of a rollout: the annotation max-replicas.
func MaxReplicas(d *model.Deployment) int32 { return d.Replicas + maxSurge(d) }

func scaled(v intstr.IntOrString, of int32, up bool) int32 {
	n, err := intstr.GetScaledValueFromIntOrPercent(&v, int(of), up)
	if err != nil {
		return 0
	}
	return int32(n)
}
