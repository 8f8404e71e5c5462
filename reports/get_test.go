package reports

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"podsim/model"
)

// options turns the words of a `podsim get` command into options, as cmd does.
func options(t *testing.T, line string) (o GetOptions, watch bool) {
	o.Namespace, o.At = "default", worldEnd
	words := strings.Fields(line)
	kinds, err := Kinds(words[0])
	require.NoError(t, err)
	o.Kinds = kinds
	for i := 1; i < len(words); i++ {
		value := func() string { i++; return words[i] }
		switch words[i] {
		case "-A":
			o.AllNamespaces = true
		case "-n":
			o.Namespace = value()
		case "-o":
			o.Output = value()
		case "-l":
			o.Labels, err = labels.Parse(value())
		case "--field-selector":
			o.Fields, err = fields.ParseSelector(value())
		case "--at":
			seconds, _ := map[string]float64{"3s": 3, "500s": 500, "540s": 540}[value()]
			o.At = model.Time(seconds) * model.Second
		case "--watch":
			watch = true
		default:
			o.Names = append(o.Names, words[i])
		}
		require.NoError(t, err)
	}
	return o, watch
}

// TestGet prints the same record in many ways; testdata/get.txt and its neighbours show them.
func TestGet(t *testing.T) {
	r := record(t)
	for file, lines := range map[string][]string{
		"get.txt": {"pods", "pods -o wide", "pods -A", "pods -A -o wide", "pods -n data", "pods -n nothing", "pods -n nothing -A -l app=none",
			"pods -l app=web", "pods -l app!=web", "pods --at 3s", "pods --at 540s", "pods crash", "pods crash missing", "pods missing gone",
			"pods --field-selector status.phase=Running", "pods --field-selector spec.nodeName=worker-1,status.phase!=Running", "pods --field-selector spec.no=1",
			"nodes", "nodes -o wide", "nodes -n nothing", "nodes --field-selector spec.unschedulable=true",
			"deploy", "deploy -o wide", "deploy --at 500s", "deploy missing", "rs", "rs -o wide", "svc -A", "svc -A -o wide", "all", "all -A", "nodes,deploy", "pods,pods"},
		"names.txt":  {"pods -o name", "all -o name", "nodes -o name", "events -n data -o name", "pods -n nothing -o name"},
		"csv.txt":    {"pods -o csv", "nodes -o csv", "deploy,rs,svc -o csv", "events -n data -o csv"},
		"events.txt": {"events", "events -A", "events -o wide", "events -n data", "events --field-selector type=Warning", "events --field-selector involvedObject.kind=Node", "events --at 3s", "events -l app=web"},
		"watch.txt": {"pods --watch", "pods -A -o wide -l app=db --watch", "nodes --watch", "deploy --watch", "rs --watch", "pods crash --watch --at 3s",
			"pods missing --watch", "events --watch", "pods,nodes --watch", "pods -o yaml --watch"},
		"yaml.txt": {"pods crash -o yaml", "pods web-5d8f7c6b9-aaaaa -o yaml", "pods db-0 -n data -o yaml", "nodes worker-1 -o yaml", "deploy web -o yaml", "rs -o yaml",
			"svc outside -o yaml", "svc web -o yaml", "events -n data -o yaml", "pods -n nothing -o yaml"},
		"json.txt": {"svc web -o json", "pods -l app=big -o json", "pods -n nothing -o json"},
	} {
		var out strings.Builder
		for _, line := range lines {
			o, watch := options(t, line)
			out.WriteString("$ podsim get " + line + "\n")
			f := r.Get
			if watch {
				f = r.Watch
			}
			if err := f(&out, o); err != nil {
				out.WriteString("error: " + err.Error() + "\n")
			}
			out.WriteString("\n")
		}
		golden(t, file, out.String())
	}
}

func TestDescribe(t *testing.T) {
	r := record(t)
	for file, list := range map[string][]DescribeOptions{
		"describe-pod.txt": {{Kind: "Pod", Names: []string{"crash"}}, {Kind: "Pod", Names: []string{"web-5d8f7c6b9-a"}}, {Kind: "Pod", Names: []string{"db-0"}, Namespace: "data"},
			{Kind: "Pod", Names: []string{"big"}}, {Kind: "Pod", Names: []string{"gated"}}, {Kind: "Pod", Names: []string{"job"}},
			{Kind: "Pod", Names: []string{"crash"}, At: 3 * model.Second}, {Kind: "Pod", Names: []string{"missing"}}, {Kind: "Pod", Namespace: "nothing"}},
		"describe-node.txt":    {{Kind: "Node", Names: []string{"worker-0"}}, {Kind: "Node", Names: []string{"worker-1"}}, {Kind: "Node", Names: []string{"worker-1"}, At: 3 * model.Second}},
		"describe-deploy.txt":  {{Kind: "Deployment", Names: []string{"web"}}, {Kind: "Deployment", Names: []string{"web"}, At: 500 * model.Second}, {Kind: "Deployment", Names: []string{"web"}, At: 540 * model.Second}},
		"describe-rs.txt":      {{Kind: "ReplicaSet", Labels: labels.SelectorFromSet(labels.Set{"app": "web"})}},
		"describe-service.txt": {{Kind: "Service"}, {Kind: "Service", Namespace: "data"}},
	} {
		var out strings.Builder
		for _, o := range list {
			if o.Namespace == "" {
				o.Namespace = "default"
			}
			if o.At == 0 {
				o.At = worldEnd
			}
			out.WriteString("$ podsim describe " + strings.ToLower(o.Kind) + " " + strings.Join(o.Names, " ") + " -n " + o.Namespace + " --at " + o.At.String() + "\n")
			if err := r.Describe(&out, o); err != nil {
				out.WriteString("error: " + err.Error() + "\n")
			}
			out.WriteString("\n")
		}
		golden(t, file, out.String())
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		arg  string
		want []string
	}{
		{"po", []string{"Pod"}},
		{"PODS,no", []string{"Pod", "Node"}},
		{"all", []string{"Pod", "Service", "Deployment", "ReplicaSet"}},
		{"svc,all", []string{"Service", "Pod", "Deployment", "ReplicaSet"}},
		{"deployments.apps,rs,ev", []string{"Deployment", "ReplicaSet", "Event"}},
	} {
		got, err := Kinds(c.arg)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.arg)
	}
	_, err := Kinds("pods,jobs")
	assert.EqualError(t, err, `the record has no resource type "jobs"; it has pods, nodes, deployments, replicasets, services, events and all`)
}
