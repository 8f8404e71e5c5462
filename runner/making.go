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
	lock  sync.Mutex
	calls int
	over  bool
	idle  chan struct{}
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
	defer m.end()
	return call(ctx, method, req, reply, conn, opts...)
}

func (m *making) begin() bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	if !m.over {
		m.calls++
	}
	return !m.over
}

func (m *making) end() {
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.calls--; m.calls == 0 && m.idle != nil {
		close(m.idle)
		m.idle = nil
	}
}

// finish lets no call begin any more, and waits some time for those under way.
func (m *making) finish(max time.Duration) {
	m.lock.Lock()
	m.over = true
	idle := make(chan struct{})
	if m.calls == 0 {
		close(idle)
	} else {
		m.idle = idle
	}
	m.lock.Unlock()
	select {
	case <-idle:
	case <-time.After(max):
	}
}
