package extender

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"podsim/model"
	"podsim/model/schedulerconfig"
	"podsim/scheduler"
	"podsim/scheduler/framework"
)

// server answers as told, and keeps what it was asked last.
type server struct {
	*httptest.Server
	asked  extenderv1.ExtenderArgs
	calls  map[string]int
	filter extenderv1.ExtenderFilterResult
	scores extenderv1.HostPriorityList
	status int
	delay  time.Duration
}

func newServer(t *testing.T) *server {
	s := &server{calls: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls[r.URL.Path]++
		assert.Equal(t, "application/json", r.Header.Get("Content-Type"))
		s.asked = extenderv1.ExtenderArgs{}
		assert.NoError(t, json.NewDecoder(r.Body).Decode(&s.asked))
		select {
		case <-time.After(s.delay):
		case <-r.Context().Done():
			return
		}
		if s.status != 0 {
			w.WriteHeader(s.status)
			return
		}
		var answer any = s.filter
		if r.URL.Path == "/x/prioritize" {
			answer = s.scores
		}
		assert.NoError(t, json.NewEncoder(w).Encode(answer))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) config() configv1.Extender {
	return configv1.Extender{URLPrefix: s.URL + "/x/", FilterVerb: "filter", PrioritizeVerb: "prioritize", Weight: 3, NodeCacheCapable: true}
}

// cluster has a scheduler with nodes a, b and c, of which a is the emptiest, and the extenders.
type cluster struct {
	*scheduler.Scheduler
	state *model.State
}

func newCluster(t *testing.T, list ...configv1.Extender) *cluster {
	config, errs := schedulerconfig.New(&configv1.KubeSchedulerConfiguration{Extenders: list})
	require.Empty(t, errs)
	c := &cluster{state: &model.State{Nodes: make([]model.Node, 1), Images: make([]model.Image, 1)}}
	c.Scheduler = scheduler.New(c.state, scheduler.NewConfig(config))
	extenders, err := New(config.Extenders, c.state)
	require.NoError(t, err)
	c.Extend(extenders)
	for i, name := range []string{"a", "b", "c"} {
		id := model.NodeID(i + 1)
		c.state.Nodes = append(c.state.Nodes, model.Node{ID: id, Name: name, Labels: map[string]string{"name": name},
			Allocatable: model.Resources{MilliCPU: 4000, Memory: 8 << 30, Pods: 10}})
		c.AddNode(&c.state.Nodes[id], 0)
		c.AssignedPodAdded(model.PodID(id), c.template(resource.NewQuantity(int64(i), resource.DecimalSI)), id, 0)
	}
	return c
}

func (c *cluster) template(cpu *resource.Quantity) *model.PodTemplate {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", Labels: map[string]string{"app": "x"}}}
	p.Spec.Containers = []v1.Container{{Name: "c", Image: "img", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
		v1.ResourceCPU: *cpu, v1.ResourceMemory: resource.MustParse("1Gi")}}}}
	model.DefaultPod(p)
	return c.state.Compile(p.Namespace, p.Labels, p.Annotations, &p.Spec)
}

// place schedules a pod and gives the name of its node.
func (c *cluster) place(t *testing.T) (node string, r scheduler.Result) {
	cpu := resource.MustParse("1")
	c.Add(10, c.template(&cpu), 0)
	r, ok := c.ScheduleOne(0, 0)
	require.True(t, ok)
	c.Check()
	return c.state.Nodes[r.Node].Name, r
}

func TestFilter(t *testing.T) {
	s := newServer(t)
	s.filter = extenderv1.ExtenderFilterResult{NodeNames: &[]string{"b", "c"}, FailedNodes: extenderv1.FailedNodesMap{"a": "no"}}
	c := newCluster(t, s.config())
	node, r := c.place(t)
	require.Equal(t, "b", node)
	require.Equal(t, int32(2), r.Feasible)
	require.Equal(t, []string{"b", "c"}, *s.asked.NodeNames)
	require.Nil(t, s.asked.Nodes)
	require.Equal(t, "x", s.asked.Pod.Labels["app"])
	require.Equal(t, map[string]int{"/x/filter": 1, "/x/prioritize": 1}, s.calls)
}

// Nobody can take the pod: the extender's words are in the message, and any event wakes the pod.
func TestFilterAll(t *testing.T) {
	s := newServer(t)
	s.filter = extenderv1.ExtenderFilterResult{NodeNames: &[]string{}, FailedNodes: extenderv1.FailedNodesMap{"a": "no gpu", "b": "no gpu", "c": "none"},
		FailedAndUnresolvableNodes: extenderv1.FailedNodesMap{"c": "never"}}
	c := newCluster(t, s.config())
	_, r := c.place(t)
	require.Zero(t, r.Node)
	require.Equal(t, "0/3 nodes are available: 1 never, 2 no gpu. preemption: 0/3 nodes are available: "+
		"1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.", c.FitError())
	require.Equal(t, []string{"Extender"}, c.Rejectors(10))
	require.NotZero(t, c.NextWake())
	c.AssignedPodDeleted(1, 20*model.Second)
	require.Zero(t, c.NextWake())
}

func TestPrioritize(t *testing.T) {
	s := newServer(t)
	config := s.config()
	config.FilterVerb = ""
	s.scores = extenderv1.HostPriorityList{{Host: "c", Score: 10}, {Host: "other", Score: 10}}
	c := newCluster(t, config)
	node, _ := c.place(t)
	require.Equal(t, "c", node)
	cpu := resource.MustParse("1")
	x := c.Explain(framework.Pod{}, c.template(&cpu))
	last := x.Verdicts[2].Scores[len(x.Verdicts[2].Scores)-1]
	require.Equal(t, scheduler.PluginScore{Plugin: config.URLPrefix, Raw: 10, Normalized: 100, Weight: 3}, last)

	// An error of a score is nobody's business.
	s.status = http.StatusInternalServerError
	c = newCluster(t, config)
	node, _ = c.place(t)
	require.Equal(t, "a", node)
}

// An extender that does not know the nodes is sent them. The nodes that it gives back are scored as if
// they had no pods.
func TestNodeObjects(t *testing.T) {
	s := newServer(t)
	config := s.config()
	config.NodeCacheCapable, config.PrioritizeVerb = false, ""
	item := func(name string) v1.Node { return v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	s.filter = extenderv1.ExtenderFilterResult{Nodes: &v1.NodeList{Items: []v1.Node{item("b"), item("c")}}}
	c := newCluster(t, config)
	cpu := resource.MustParse("1")
	x := c.Explain(framework.Pod{}, c.template(&cpu))
	require.Nil(t, s.asked.NodeNames)
	require.Len(t, s.asked.Nodes.Items, 3)
	require.Equal(t, "b", s.asked.Nodes.Items[1].Labels["name"])
	require.Equal(t, "4", s.asked.Nodes.Items[1].Status.Allocatable.Cpu().String())
	require.Equal(t, "Extender", x.Verdicts[0].Rejected.Plugin)
	require.Equal(t, x.Verdicts[1].Total, x.Verdicts[2].Total)
	require.Len(t, x.Top, 2)
	node, _ := c.place(t)
	require.Contains(t, []string{"b", "c"}, node)
}

func TestFilterErrors(t *testing.T) {
	for _, x := range []struct {
		name   string
		change func(*server, *configv1.Extender)
		want   string
	}{
		{"status", func(s *server, _ *configv1.Extender) { s.status = http.StatusTeapot }, "failed filter with extender at URL "},
		{"error", func(s *server, _ *configv1.Extender) { s.filter.Error = "out of order" }, "out of order"},
		{"unknown node", func(s *server, _ *configv1.Extender) { s.filter.NodeNames = &[]string{"z"} }, `claims a filtered node "z" which is not found in the input node list`},
		{"timeout", func(s *server, e *configv1.Extender) {
			s.delay, e.HTTPTimeout.Duration = time.Minute, 20*time.Millisecond
		}, "Client.Timeout exceeded"},
		{"nobody there", func(s *server, _ *configv1.Extender) { s.Close() }, "connection refused"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newServer(t)
			config := s.config()
			x.change(s, &config)
			c := newCluster(t, config)
			_, r := c.place(t)
			require.Zero(t, r.Node)
			require.True(t, r.Failed)
			require.Contains(t, c.FitError(), x.want)
			require.Empty(t, c.Rejectors(10))

			config.Ignorable = true
			config.PrioritizeVerb = ""
			node, _ := newCluster(t, config).place(t)
			require.Equal(t, "a", node)
		})
	}
}

// An extender is asked about pods that ask for what it manages.
func TestManagedResources(t *testing.T) {
	s := newServer(t)
	s.filter.NodeNames = &[]string{}
	config := s.config()
	config.ManagedResources = []configv1.ExtenderManagedResource{{Name: "example.com/gpu"}}
	c := newCluster(t, config)
	node, _ := c.place(t)
	require.Equal(t, "a", node)
	require.Empty(t, s.calls)

	e, err := New([]configv1.Extender{config}, c.state)
	require.NoError(t, err)
	spec := &v1.PodSpec{InitContainers: []v1.Container{{Resources: v1.ResourceRequirements{Limits: v1.ResourceList{"example.com/gpu": resource.MustParse("1")}}}}}
	require.True(t, e[0].Interested(&framework.PodClass{Template: &model.PodTemplate{Spec: spec}}))
}

// Two extenders are asked one after the other: the second one about what the first one leaves.
func TestTwo(t *testing.T) {
	first, second := newServer(t), newServer(t)
	first.filter.NodeNames, second.filter.NodeNames = &[]string{"b", "c"}, &[]string{"c"}
	c := newCluster(t, first.config(), second.config())
	node, _ := c.place(t)
	require.Equal(t, "c", node)
	require.Equal(t, []string{"b", "c"}, *second.asked.NodeNames)
}

func TestTLS(t *testing.T) {
	var asked int
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		assert.NoError(t, json.NewEncoder(w).Encode(extenderv1.ExtenderFilterResult{NodeNames: &[]string{"b"}}))
	}))
	t.Cleanup(s.Close)
	e := configv1.Extender{URLPrefix: s.URL, FilterVerb: "filter", NodeCacheCapable: true, EnableHTTPS: true}
	node, _ := newCluster(t, e).place(t)
	require.Equal(t, "b", node)
	require.Equal(t, 1, asked)

	for _, x := range []struct {
		settings configv1.ExtenderTLSConfig
		want     string
	}{
		{configv1.ExtenderTLSConfig{Insecure: true, CAData: []byte("x")}, "not allowed"},
		{configv1.ExtenderTLSConfig{CAData: []byte("x")}, "no certificate"},
		{configv1.ExtenderTLSConfig{CAFile: "none.pem"}, "none.pem"},
		{configv1.ExtenderTLSConfig{CertData: []byte("x"), KeyData: []byte("y")}, "tls: "},
	} {
		e.TLSConfig = &x.settings
		_, err := New([]configv1.Extender{e}, &model.State{})
		require.ErrorContains(t, err, x.want)
	}
}
