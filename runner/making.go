package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// making knows the calls under way that make something on the node. The end of a run waits for them: a runtime
// whose call is given up goes on with it for a while, and what it makes then nobody would find.
type making struct {
	calls sync.WaitGroup
	// lock guards over, and that no call begins when it is set.
	lock sync.Mutex
	over bool
}

// makers are the calls that make something that must be removed.
var makers = map[string]bool{
	runtimeapi.RuntimeService_RunPodSandbox_FullMethodName:   true,
	runtimeapi.RuntimeService_CreateContainer_FullMethodName: true,
	runtimeapi.RuntimeService_StartContainer_FullMethodName:  true,
}

var errOver = errors.New("the run is over")

// intercept counts such calls, and lets none begin when the run is over.
func (m *making) intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if !makers[method] {
		return call(ctx, method, req, reply, conn, opts...)
	}
	if !m.begin() {
		return errOver
	}
	defer m.calls.Done()
	return call(ctx, method, req, reply, conn, opts...)
}

func (m *making) begin() bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	if !m.over {
		m.calls.Add(1)
	}
	return !m.over
}

// finish lets no call begin any more, and waits some time for those under way.
func (m *making) finish(limit time.Duration) {
	m.lock.Lock()
	m.over = true
	m.lock.Unlock()
	waitFor(&m.calls, limit)
}
