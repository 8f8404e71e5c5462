package runner

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// safetyRelist is how often the containers are listed beside the runtime's events, in case that one was
// lost. The kubelet's own period is 5 min (pkg/kubelet/kubelet.go eventedPlegRelistPeriod); runs are shorter.
const safetyRelist = 10 * time.Second

// exits is what is known of the ends of containers.
type exits struct {
	// listedFor is the look of each node's PLEG that the last list was for. It belongs to the driver's
	// goroutine.
	listedFor map[model.NodeID]model.Time
	// The lock guards what is below it: events are read in one goroutine, lists in others.
	lock sync.Mutex
	// known are the containers whose end was looked at.
	known map[string]bool
	// listing is how long a list of the containers took lately, at most.
	listing time.Duration
}

// watchEvents hands in the ends of containers by the runtime's events or, where it has none, from lists
// shortly before each look of the PLEG. It comes back to the events when the runtime was away, and looks at
// what it has missed.
func (r *CRI) watchEvents() {
	for r.ctx.Err() == nil {
		if err := r.readEvents(); status.Code(err) == codes.Unimplemented {
			r.driver.Answer(r.relistWithPLEG)
			return
		}
		wait(r.ctx, awayPause)
	}
}

// readEvents reads the runtime's events until there are no more.
func (r *CRI) readEvents() error {
	stream, err := r.runtime.GetContainerEvents(r.ctx, &runtimeapi.GetEventsRequest{})
	if err != nil {
		return err
	}
	r.driver.Go(func() { r.relist("") })
	for {
		e, err := stream.Recv()
		if err != nil {
			return err
		}
		if e.ContainerEventType == runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT {
			r.driver.Go(func() { r.lookAt(r.ctx, e.ContainerId) })
		}
	}
}

// relistForSafety lists the containers beside the events.
func (r *CRI) relistForSafety() { every(r.ctx, safetyRelist, func() { r.relist("") }) }

// relistWithPLEG lists the containers of each node in time for its PLEG: what the list shows is what the
// machine's PLEG sees at its next look, as if that were the list itself (pleg/generic.go Relist).
func (r *CRI) relistWithPLEG() {
	now, lead := r.cluster.Now(), model.Time(r.exits.lead())
	next := now + model.Second
	for id := 1; id < len(r.cluster.State().Nodes); id++ {
		look := r.cluster.NextRelist(model.NodeID(id))
		if r.exits.listedFor[model.NodeID(id)] == look {
			look += model.Second
		} else if look-lead <= now {
			r.exits.listedFor[model.NodeID(id)] = look
			name := r.cluster.State().Nodes[id].Name
			r.driver.Go(func() { r.relist(name) })
			look += model.Second
		}
		next = min(next, look-lead)
	}
	r.driver.After(time.Duration(max(next-now, model.Millisecond)), r.relistWithPLEG)
}

// The bounds of lead: guesses. A list that takes longer than the higher one is late; a lead of a whole period would
// be the look before.
const (
	leadMin = 5 * time.Millisecond
	leadMax = 400 * time.Millisecond
)

// lead is how long before a look of the PLEG the containers are listed: half as long again as a list took lately.
func (x *exits) lead() time.Duration {
	x.lock.Lock()
	defer x.lock.Unlock()
	return min(x.listing*3/2+leadMin, leadMax)
}

// relist looks for containers of a node, or of all when it is "", that have ended.
func (r *CRI) relist(node string) {
	ctx, cancel := context.WithTimeout(r.ctx, callTime)
	defer cancel()
	began := time.Now()
	labels := map[string]string{LabelRun: r.Run}
	if node != "" {
		labels[LabelNode] = node
	}
	list, err := r.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{
		State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_EXITED}, LabelSelector: labels}})
	if err != nil {
		return // The next one comes soon.
	}
	var looks sync.WaitGroup
	there := map[string]bool{}
	for _, c := range list.Containers {
		there[c.Id] = true
		if r.exits.first(c.Id) {
			looks.Add(1)
			r.driver.Go(func() {
				defer looks.Done()
				if !r.lookAt(ctx, c.Id) {
					r.exits.forget(c.Id)
				}
			})
		}
	}
	looks.Wait()
	r.exits.listed(there, node == "", time.Since(began))
}

// first says that the end of a container was not looked at before.
func (x *exits) first(id string) bool {
	x.lock.Lock()
	defer x.lock.Unlock()
	known := x.known[id]
	x.known[id] = true
	return !known
}

// listed notes how long a list took, and forgets what is not there any more.
func (x *exits) listed(there map[string]bool, all bool, took time.Duration) {
	x.lock.Lock()
	defer x.lock.Unlock()
	// What took long once does not count for ever.
	x.listing = max(took, x.listing*9/10)
	for id := range x.known {
		if all && !there[id] {
			delete(x.known, id)
		}
	}
}

// forget lets the end of a container be looked at again.
func (x *exits) forget(id string) {
	x.lock.Lock()
	defer x.lock.Unlock()
	delete(x.known, id)
}

// lookAt reads how a container has ended. It says whether it could.
func (r *CRI) lookAt(ctx context.Context, id string) bool {
	end, err := r.exited(ctx, id)
	if err != nil || end == nil {
		return false
	}
	r.driver.Answer(func() {
		if x := r.instances[id]; x != nil {
			r.ended(x, end)
		}
	})
	return true
}

// exited is a container's status if it has ended, else nil.
func (r *CRI) exited(ctx context.Context, id string) (end *runtimeapi.ContainerStatus, err error) {
	err = again(ctx, func() error {
		answer, err := r.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
		if err == nil && answer.Status.State == runtimeapi.ContainerState_CONTAINER_EXITED {
			end = answer.Status
		}
		return err
	})
	return end, err
}

// ended notes how an instance has ended and tells the machine, once it knows that it ran.
func (r *CRI) ended(x *instance, end *runtimeapi.ContainerStatus) {
	if x.ended == nil {
		x.ended = end
	}
	r.tellExit(x)
}

// tellExit tells the machine of an end. The event may come before the answer of the start.
func (r *CRI) tellExit(x *instance) {
	if !x.started || x.ended == nil || x.told {
		return
	}
	x.told = true
	e := kubelet.Event{Kind: kubelet.ContainerExited, Container: x.index, Instance: x.number, N: int64(x.ended.ExitCode),
		Reason: r.cluster.State().Texts.Intern(x.ended.Reason)}
	if x.ended.FinishedAt > 0 {
		e.At = max(1, min(r.driver.moment(time.Unix(0, x.ended.FinishedAt)), r.cluster.Now()))
	}
	if message := x.terminationMessage(); message != "" {
		e.Message = model.TextMessage(r.intern(message))
	}
	r.answer(x.pod, e)
}
