package runner

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// watchExits hands in the ends of containers: from the runtime's events, or, where it has none, from a
// relist each second. It comes back to the events when the runtime was away.
func (r *CRI) watchExits() {
	for r.ctx.Err() == nil {
		err := r.readEvents()
		if status.Code(err) == codes.Unimplemented {
			r.relistEach(time.Second)
			return
		}
		wait(r.ctx, 100*time.Millisecond)
	}
}

// readEvents reads the runtime's events until there are no more.
func (r *CRI) readEvents() error {
	stream, err := r.runtime.GetContainerEvents(r.ctx, &runtimeapi.GetEventsRequest{})
	if err != nil {
		return err
	}
	for {
		e, err := stream.Recv()
		if err != nil {
			return err
		}
		if e.ContainerEventType == runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT {
			r.lookAt(e.ContainerId)
		}
	}
}

// relistEach looks for containers of the run that have ended, again and again.
func (r *CRI) relistEach(period time.Duration) {
	seen := map[string]bool{}
	for r.ctx.Err() == nil {
		list, err := r.runtime.ListContainers(r.ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{
			State: &runtimeapi.ContainerStateValue{State: runtimeapi.ContainerState_CONTAINER_EXITED}, LabelSelector: map[string]string{LabelRun: r.Run}}})
		if err == nil {
			for _, c := range list.Containers {
				if !seen[c.Id] {
					seen[c.Id] = true
					r.lookAt(c.Id)
				}
			}
		}
		wait(r.ctx, period)
	}
}

// wait waits, or until the context is done.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// lookAt reads how a container has ended.
func (r *CRI) lookAt(id string) {
	end, err := r.exited(r.ctx, id)
	if err != nil || end == nil {
		return
	}
	r.driver.Answer(func() {
		if x := r.instances[id]; x != nil {
			r.ended(x, end)
		}
	})
}

// exited is a container's status if it has ended, else nil.
func (r *CRI) exited(ctx context.Context, id string) (*runtimeapi.ContainerStatus, error) {
	answer, err := r.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: id})
	if err != nil || answer.Status.State != runtimeapi.ContainerState_CONTAINER_EXITED {
		return nil, err
	}
	return answer.Status, nil
}

// ended notes how an instance has ended and tells the machine, once it knows that it ran.
func (r *CRI) ended(x *instance, end *runtimeapi.ContainerStatus) {
	if x.ended == nil {
		x.ended = end
	}
	r.tellExit(x)
}

func (r *CRI) tellExit(x *instance) {
	if !x.started || x.ended == nil || x.told {
		return
	}
	x.told = true
	e := kubelet.Event{Kind: kubelet.ContainerExited, Container: x.index, Instance: x.number, N: int64(x.ended.ExitCode),
		Reason: r.cluster.State().Texts.Intern(x.ended.Reason)}
	if message := r.terminationMessage(x); message != "" {
		e.Message = model.TextMessage(r.intern(message))
	}
	r.answer(x.pod, e)
}
