package kubelet

import (
	"slices"

	"podsim/model"
)

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
