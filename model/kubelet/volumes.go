package kubelet

import "podsim/model"

// The times of the volume manager (volumemanager/volume_manager.go podAttachAndMountTimeout,
// podAttachAndMountRetryInterval) and of the back-off of a volume that cannot be set up
// (pkg/util/goroutinemap/exponentialbackoff).
const (
	mountTimeout        = 123 * model.Second
	mountLook           = 300 * model.Millisecond
	mountBackoffInitial = 500 * model.Millisecond
	mountBackoffMax     = 122 * model.Second
)

// volumes is what the volume manager keeps of the pod. Upstream sets up a mounted volume of ConfigMaps and
// Secrets again with each sync; here the next sync does that when it would fail.
type volumes struct {
	// asked says that the volumes are being mounted, mounted that all are, unmounted that none is any
	// more.
	asked, mounted, unmounted bool
	// stale says that a mounted volume cannot be set up again.
	stale bool
	// backoff is the delay of each of the template's VolumeSources that could not be set up, 0 for
	// the others; failing counts them.
	backoff []model.Time
	failing int
	// unprocessed is why the populator could not take in the volumes, NoText otherwise.
	unprocessed model.Text
	// since is when the sync began to wait, gen the generation of the timer that it waits for.
	since model.Time
	gen   uint16
}

// MountDelay is how long a sync waits for volumes that take so long: it looks at once, and then
// every 300 ms.
func MountDelay(took model.Time) model.Time {
	return max(1, (took+mountLook-1)/mountLook) * mountLook
}

// waitForVolumes follows WaitForAttachAndMount up to its wait.
func (p *Pod) waitForVolumes() {
	v := &p.volumes
	p.sync.stage = mounting
	v.since = p.now
	if !v.asked {
		v.asked = true
		p.ask(MountVolumes, -1)
	}
	if v.failing > 0 || p.template.HasClaims {
		p.volumeTimeout()
	}
}

func (p *Pod) volumeTimeout() { p.volumeTimer(p.volumes.since + mountTimeout - p.now) }

func (p *Pod) volumeTimer(d model.Time) {
	p.volumes.gen++
	p.out = append(p.out, Effect{Kind: Timer, Container: -1, Gen: p.volumes.gen, Delay: d})
}

// allMounted notes that all volumes are mounted. A sync that waits for them goes on when it looks.
func (p *Pod) allMounted() {
	p.volumes.mounted = true
	if p.sync.stage == mounting {
		p.lookAtVolumes()
	}
}

// allUnmounted notes that none of the volumes is mounted any more; the last sync waits for that in
// the same way (WaitForUnmount).
func (p *Pod) allUnmounted() {
	p.volumes.unmounted = true
	if p.sync.stage == unmounting {
		p.lookAtVolumes()
	}
}

// lookAtVolumes lets the sync that waits go on at its next look at the volumes.
func (p *Pod) lookAtVolumes() {
	v := &p.volumes
	if d := v.since + MountDelay(p.now-v.since) - p.now; d > 0 {
		p.volumeTimer(d)
		return
	}
	p.volumesLooked()
}

// Populates says that the populator takes in the pod's volumes when it finds the pod: it does not when
// the pod is gone or its worker has begun to terminate it (volumemanager/populator findAndAddNewPods,
// pod_workers.go acknowledgeTerminating).
func (p *Pod) Populates() bool {
	begun := p.work.busy && p.sync.kind != syncPod && p.sync.stage > beginning
	return !p.config.removed && !begun && p.work.kind < terminatedPod
}

// volumeFailed is a volume that could not be set up. The reconciler tries again after a back-off,
// whether a sync waits or not: even when the pod has stopped, as long as its object is there
// (volumemanager/populator findAndRemoveDeletedPods).
func (p *Pod) volumeFailed(i int, why model.Message) {
	if p.work.kind >= terminatedPod && (p.config.removed || p.volumes.mounted) {
		return
	}
	p.emit(-1, true, model.EventFailedMount, why)
	v := &p.volumes
	for len(v.backoff) < len(p.template.VolumeSources) {
		v.backoff = append(v.backoff, 0)
	}
	if v.backoff[i] == 0 {
		v.backoff[i] = mountBackoffInitial
		v.failing++
		if v.failing == 1 && p.sync.stage == mounting {
			p.volumeTimeout()
		}
	} else {
		v.backoff[i] = min(2*v.backoff[i], mountBackoffMax)
	}
	p.out = append(p.out, Effect{Kind: SetUpVolume, Container: -1, M: int64(i), At: p.now + v.backoff[i]})
}

// volumeSetUp is a volume that could be set up after all.
func (p *Pod) volumeSetUp(i int) {
	p.volumes.backoff[i] = 0
	p.volumes.failing--
}

// volumesStale notes that a volume that is mounted cannot be set up again.
func (p *Pod) volumesStale() { p.volumes.stale = p.volumes.mounted && p.work.kind == syncPod }

// remount has the volumes set up again that changed (ReprocessPod, MarkRemountRequired).
func (p *Pod) remount() {
	if p.volumes.stale {
		p.volumes.stale = false
		p.ask(RemountVolumes, -1)
	}
}

// Remounts says that the volume manager sets up the pod's volumes again.
func (p *Pod) Remounts() bool { return p.volumes.mounted && p.work.kind < terminatedPod }

// VolumeFails says that a volume, one of the template's VolumeSources, is being tried again.
func (p *Pod) VolumeFails(i int) bool { return i < len(p.volumes.backoff) && p.volumes.backoff[i] > 0 }

// volumesUnprocessed notes that the populator cannot take in some volume. The sync that waits fails at
// its next look, with an Event, and the next sync asks again (populator processPodVolumes, kubelet.go
// SyncPod).
func (p *Pod) volumesUnprocessed(why model.Text) {
	p.volumes.asked = false
	if p.sync.stage == mounting {
		p.volumes.unprocessed = why
		p.lookAtVolumes()
	}
}

// volumeTimerFired is the look that finds all volumes mounted, or the end of the wait: the sync
// fails, without an Event of its own.
func (p *Pod) volumeTimerFired(gen uint16) {
	if p.volumes.gen == gen {
		p.volumesLooked()
	}
}

func (p *Pod) volumesLooked() {
	switch {
	case p.sync.stage == unmounting:
		p.volumesUnmounted()
	case p.sync.stage != mounting:
	case p.volumes.mounted:
		p.volumesMounted()
	default:
		if v := &p.volumes; v.unprocessed != model.NoText {
			p.emit(-1, true, model.EventFailedMount, model.TextMessage(v.unprocessed))
			v.unprocessed = model.NoText
		}
		p.sync.failed = true
		p.endSync()
	}
}
