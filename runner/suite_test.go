package runner

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/sim"
	"podsim/sim/runtimetest"
)

// TestRuntimeOnNode is the conformance suite of the runtime interface, of a real node's runtime.
func TestRuntimeOnNode(t *testing.T) {
	endpoint := realNode(t)
	old := strings.HasPrefix(strings.TrimPrefix(runtimeVersion(t, endpoint), "v"), "1.")
	runtimetest.Run(t, func(t *testing.T, sc *model.Scenario) runtimetest.Node {
		c, err := sim.NewCluster(sc)
		require.NoError(t, err)
		o := Options{Endpoint: endpoint, Directory: t.TempDir()}
		p := &player{t: t, sc: sc, cluster: c, toDriver: make(chan bool), toTest: make(chan error)}
		t.Cleanup(p.end)
		return runtimetest.Node{Cluster: c, Begin: func() { p.begin(o) }, Run: p.run, MissesOOM: old, KillsOne: !cgroupV2()}
	})
}

// runtimeVersion is the version of the runtime, such as 1.6.20~ds1.
func runtimeVersion(t *testing.T, endpoint string) string {
	conn, err := Dial(endpoint)
	require.NoError(t, err)
	defer conn.Close()
	answer, err := runtimeapi.NewRuntimeServiceClient(conn).Version(t.Context(), &runtimeapi.VersionRequest{})
	require.NoError(t, err)
	return answer.RuntimeVersion
}

// player plays a scenario in a goroutine that waits while the test looks at the cluster.
type player struct {
	t       *testing.T
	sc      *model.Scenario
	cluster *sim.Cluster
	driver  *Driver
	// The test hands the cluster over by toDriver and gets it back by toTest, with the error when the
	// play has ended.
	toDriver chan bool
	toTest   chan error
	cancel   context.CancelFunc
	until    model.Time
	done     func() bool
	ended    bool
}

// begin begins the play; the cluster is the test's until run.
func (p *player) begin(o Options) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	o.begun = func(d *Driver, _ string) {
		p.driver = d
		p.wakeAtEnd()
	}
	o.Tick = p.tick
	go func() {
		<-p.toDriver
		err := Play(ctx, p.sc, p.cluster, o)
		p.ended = true
		p.toTest <- err
	}()
}

// tick gives the cluster to the test when that has what it waits for.
func (p *player) tick() {
	if p.done() || p.cluster.Now() >= p.until {
		p.toTest <- nil
		<-p.toDriver
	}
}

// run lets the play go on.
func (p *player) run(until model.Time, done func() bool) {
	if done() {
		return
	}
	p.until, p.done = until, done
	if p.driver != nil {
		p.wakeAtEnd()
	}
	p.toDriver <- true
	require.NoError(p.t, <-p.toTest)
	require.False(p.t, p.ended, "the play has ended")
}

// wakeAtEnd lets the moment until come, although nothing may happen then.
func (p *player) wakeAtEnd() {
	d := p.driver
	time.AfterFunc(time.Duration(p.until-p.cluster.Now()), func() { d.Answer(func() {}) })
}

// end ends the play, which cleans up.
func (p *player) end() {
	if p.ended || p.cancel == nil {
		return
	}
	p.until, p.done = model.Never, func() bool { return false }
	p.cancel()
	p.toDriver <- true
	<-p.toTest
}
