package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The calls of a pod's life are known by its labels, and later by the ids that the runtime gave.
func TestOperationsOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOperations()
		o.begin()
		call := func(ctx context.Context, takes time.Duration, request, answer any, failure error) {
			err := o.call(ctx, "", request, answer, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				time.Sleep(takes)
				return failure
			})
			assert.Equal(t, failure, err)
		}
		ms, ctx := time.Millisecond, t.Context()
		labels := map[string]string{LabelRun: "r", LabelPod: "default/web", LabelNode: "worker-0"}
		call(ctx, 40*ms, &runtimeapi.RunPodSandboxRequest{Config: &runtimeapi.PodSandboxConfig{Labels: labels}}, &runtimeapi.RunPodSandboxResponse{PodSandboxId: "s"}, nil)
		call(withFacts(ctx, callFacts{bytes: 1000}), 30*ms, &runtimeapi.PullImageRequest{}, &runtimeapi.PullImageResponse{}, nil)
		call(ctx, 3*ms, &runtimeapi.CreateContainerRequest{Config: &runtimeapi.ContainerConfig{Labels: labels, Metadata: &runtimeapi.ContainerMetadata{Name: "app"}}},
			&runtimeapi.CreateContainerResponse{ContainerId: "c"}, nil)
		call(ctx, ms, &runtimeapi.VersionRequest{}, &runtimeapi.VersionResponse{}, nil)
		call(ctx, 25*ms, &runtimeapi.StartContainerRequest{ContainerId: "c"}, &runtimeapi.StartContainerResponse{}, errors.New("no"))
		call(ctx, ms, &runtimeapi.ExecSyncRequest{ContainerId: "c", Cmd: []string{programPath, "hook", "preStop"}}, &runtimeapi.ExecSyncResponse{}, nil)
		call(withFacts(ctx, callFacts{waits: 500 * ms}), 540*ms, &runtimeapi.StopContainerRequest{ContainerId: "c", Timeout: 30}, &runtimeapi.StopContainerResponse{}, nil)
		call(ctx, 1040*ms, &runtimeapi.StopContainerRequest{ContainerId: "c", Timeout: 1}, &runtimeapi.StopContainerResponse{}, nil)
		// To stop a sandbox again is nothing, if it was stopped.
		for _, failure := range []error{errors.New("busy"), nil, nil} {
			call(ctx, 35*ms, &runtimeapi.StopPodSandboxRequest{PodSandboxId: "s"}, &runtimeapi.StopPodSandboxResponse{}, failure)
		}
		now := time.Now()
		o.sawStopped(&runtimeapi.ContainerEventResponse{ContainerId: "c", ContainersStatuses: []*runtimeapi.ContainerStatus{
			{Id: "b", FinishedAt: 1}, {Id: "c", FinishedAt: now.Add(-30 * ms).UnixNano(), Reason: "OOMKilled"}}}, now)
		o.sawStopped(&runtimeapi.ContainerEventResponse{ContainerId: "another run's"}, now)

		pod := Subject{Node: "worker-0", Namespace: "default", Pod: "web"}
		app := pod
		app.Container = "app"
		assert.Equal(t, []Operation{
			{Subject: pod, Kind: OpRunSandbox, Took: 40 * ms, InFlight: 1},
			{Kind: OpPull, At: 40 * ms, Took: 30 * ms, Bytes: 1000},
			{Subject: app, Kind: OpCreate, At: 70 * ms, Took: 3 * ms, InFlight: 1},
			{Subject: app, Kind: OpStart, At: 74 * ms, Took: 25 * ms, InFlight: 1, Error: "no"},
			{Subject: app, Kind: OpHook, At: 99 * ms, Took: ms},
			{Subject: app, Kind: OpStop, At: 100 * ms, Took: 540 * ms, Waited: 500 * ms, InFlight: 1, Ended: EndedByTerm},
			{Subject: app, Kind: OpStop, At: 640 * ms, Took: 1040 * ms, Waited: time.Second, InFlight: 1, Ended: EndedByKill},
			{Subject: pod, Kind: OpStopSandbox, At: 1680 * ms, Took: 35 * ms, InFlight: 1, Error: "busy"},
			{Subject: pod, Kind: OpStopSandbox, At: 1715 * ms, Took: 35 * ms, InFlight: 1},
			{Subject: app, Kind: OpOOMVisible, At: 1755 * ms, Took: 30 * ms},
		}, o.all())
	})
}
