package runner

import (
	"context"
	"path"
	"strings"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// intercept are the options of a connection to a container runtime whose calls are recorded.
func (o *operations) intercept() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithUnaryInterceptor(o.call), grpc.WithStreamInterceptor(o.stream)}
}

// callFacts are what only the caller of the runtime knows of a call.
type callFacts struct {
	// waits is how long the process of a container goes on after SIGTERM; bytes is what a pull transfers.
	waits time.Duration
	bytes int64
}

type callFactsKey struct{}

// withFacts gives a call what only its caller knows, for its record.
func withFacts(ctx context.Context, f callFacts) context.Context {
	return context.WithValue(ctx, callFactsKey{}, f)
}

// call makes a call of the CRI and records it.
func (o *operations) call(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	kind, id := o.kindOf(request)
	if kind == "" {
		return invoke(ctx, method, request, answer, conn, options...)
	}
	c := o.beginCall(kind, o.subject(request, id))
	err := invoke(ctx, method, request, answer, conn, options...)
	facts, _ := ctx.Value(callFactsKey{}).(callFacts)
	switch x := request.(type) {
	case *runtimeapi.StopContainerRequest:
		c.Ended, c.Waited = EndedByTerm, facts.waits
		if grace := time.Duration(x.Timeout) * time.Second; time.Since(c.began) >= grace {
			c.Ended, c.Waited = EndedByKill, grace
		}
	case *runtimeapi.PullImageRequest:
		c.Bytes = facts.bytes
	}
	c.end(err)
	if err == nil {
		o.learn(request, answer, c.Subject)
	}
	return err
}

// kindOf is the kind of a call, "" when it is not recorded, with the id of the sandbox or container.
func (o *operations) kindOf(request any) (kind OperationKind, id string) {
	switch x := request.(type) {
	case *runtimeapi.RunPodSandboxRequest:
		return OpRunSandbox, ""
	case *runtimeapi.StopPodSandboxRequest:
		if o.isStopped(x.PodSandboxId) {
			return "", ""
		}
		return OpStopSandbox, x.PodSandboxId
	case *runtimeapi.RemovePodSandboxRequest:
		return OpRemoveSandbox, x.PodSandboxId
	case *runtimeapi.CreateContainerRequest:
		return OpCreate, ""
	case *runtimeapi.StartContainerRequest:
		return OpStart, x.ContainerId
	case *runtimeapi.StopContainerRequest:
		return OpStop, x.ContainerId
	case *runtimeapi.RemoveContainerRequest:
		return OpRemove, x.ContainerId
	case *runtimeapi.UpdateContainerResourcesRequest:
		return OpUpdateResources, x.ContainerId
	case *runtimeapi.ExecSyncRequest:
		if len(x.Cmd) > 1 && x.Cmd[0] == programPath && x.Cmd[1] != "probe" {
			return OpHook, x.ContainerId
		}
		return OpExec, x.ContainerId
	case *runtimeapi.ImageStatusRequest:
		return OpImageStatus, ""
	case *runtimeapi.PullImageRequest:
		return OpPull, ""
	case *runtimeapi.RemoveImageRequest:
		return OpRemoveImage, ""
	}
	return "", ""
}

// isStopped says that a sandbox has been stopped.
func (o *operations) isStopped(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stopped[id]
}

// subject is what a call is for: by its labels, or by those of what it is about.
func (o *operations) subject(request any, id string) Subject {
	switch x := request.(type) {
	case *runtimeapi.RunPodSandboxRequest:
		return subjectOf(x.Config.GetLabels(), "")
	case *runtimeapi.CreateContainerRequest:
		return subjectOf(x.Config.GetLabels(), x.Config.GetMetadata().GetName())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.subjects[id]
}

func subjectOf(labels map[string]string, container string) Subject {
	namespace, pod := path.Split(labels[LabelPod])
	return Subject{Node: labels[LabelNode], Namespace: strings.TrimSuffix(namespace, "/"), Pod: pod, Container: container}
}

// learn keeps what later calls mean by an id.
func (o *operations) learn(request, answer any, of Subject) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch x := answer.(type) {
	case *runtimeapi.RunPodSandboxResponse:
		o.subjects[x.PodSandboxId] = of
	case *runtimeapi.CreateContainerResponse:
		o.subjects[x.ContainerId] = of
	case *runtimeapi.StopPodSandboxResponse:
		o.stopped[request.(*runtimeapi.StopPodSandboxRequest).PodSandboxId] = true
	}
}

// stream opens a stream of the CRI; the runtime's events in it tell how late ends are seen.
func (o *operations) stream(ctx context.Context, d *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, d, conn, method, options...)
	if err != nil {
		return nil, err
	}
	return &watchedEvents{s, o}, nil
}

type watchedEvents struct {
	grpc.ClientStream
	operations *operations
}

// RecvMsg looks at what is received.
func (w *watchedEvents) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	e, ok := m.(*runtimeapi.ContainerEventResponse)
	if err == nil && ok && e.ContainerEventType == runtimeapi.ContainerEventType_CONTAINER_STOPPED_EVENT {
		w.operations.sawStopped(e, time.Now())
	}
	return err
}

// sawStopped notes how late the runtime says that a container of the run has ended.
func (o *operations) sawStopped(e *runtimeapi.ContainerEventResponse, now time.Time) {
	o.mu.Lock()
	subject, ours := o.subjects[e.ContainerId]
	o.mu.Unlock()
	for _, c := range e.ContainersStatuses {
		if c.Id != e.ContainerId || c.FinishedAt == 0 || !ours {
			continue
		}
		kind := OpExitVisible
		if c.Reason == "OOMKilled" {
			kind = OpOOMVisible
		}
		o.note(kind, subject, time.Unix(0, c.FinishedAt), now)
	}
}
