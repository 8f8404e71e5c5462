package kubelet

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
)

// network carries HTTP, TCP and gRPC probes and HTTP hooks to the containers in process: to wait
// for a socket is not durably blocking, so a bubble can have none.
type network struct{ runtime *fakeRuntime }

// dial gives the container that listens on an address, nil if none does. The first of several
// with the same port has it.
func (n network) dial(host, port string) *container {
	latency := time.Duration((1 + n.runtime.luck.draw("dial/"+host+":"+port)) * float64(time.Millisecond))
	time.Sleep(latency)
	n.runtime.mu.Lock()
	defer n.runtime.mu.Unlock()
	for _, c := range n.runtime.containers {
		if c.running() && c.sandbox.address == host && c.port == port {
			return c
		}
	}
	return nil
}

var errRefused = errors.New("connect: connection refused")

func refused(address string) error { return fmt.Errorf("dial tcp %s: %w", address, errRefused) }

// Do is an HTTP request to the tester: the path is what it judges itself by.
func (n network) Do(r *http.Request) (*http.Response, error) {
	c := n.dial(r.URL.Hostname(), r.URL.Port())
	if c == nil {
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: refused(r.URL.Host)}
	}
	status := http.StatusInternalServerError
	query := r.URL.Query()
	if c.judge(strings.TrimPrefix(r.URL.Path, "/"), []string{query.Get("s") + query.Get("on"), query.Get("off")}) {
		status = http.StatusOK
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// httpProber stands in for pkg/probe/http's.
type httpProber struct{ network }

func (p httpProber) Probe(r *http.Request, _ time.Duration) (probe.Result, string, error) {
	return httpprobe.DoHTTPProbe(r, p.network)
}

func (p httpProber) ProbeH2C(r *http.Request, _ time.Duration) (probe.Result, string, error) {
	return httpprobe.DoHTTPProbe(r, p.network)
}

// tcpProber stands in for pkg/probe/tcp's.
type tcpProber struct{ network }

func (p tcpProber) Probe(host string, port int, _ time.Duration) (probe.Result, string, error) {
	if p.dial(host, strconv.Itoa(port)) == nil {
		return probe.Failure, refused(net.JoinHostPort(host, strconv.Itoa(port))).Error(), nil
	}
	return probe.Success, "", nil
}

// grpcProber stands in for pkg/probe/grpc's. The service's name is what the tester judges itself
// by, such as "until-20" or "flap-3-4".
type grpcProber struct{ network }

func (p grpcProber) Probe(
	host, service string, port int, timeout time.Duration, _ grpcprobe.ProbeOptions,
) (probe.Result, string, error) {
	began := time.Now()
	c := p.dial(host, strconv.Itoa(port))
	if c == nil { // it dials until the time is over
		time.Sleep(timeout - time.Since(began))
		return probe.Failure, fmt.Sprintf("timeout: failed to connect service %q within %v: context deadline exceeded",
			net.JoinHostPort(host, strconv.Itoa(port)), timeout), nil
	}
	words := strings.Split(service, "-")
	if c.judge(words[0], words[1:]) {
		return probe.Success, "service healthy", nil
	}
	return probe.Failure, `service unhealthy (responded with "NOT_SERVING")`, nil
}
