package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

const staticScenario = `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  duration: 15m
  nodes:
  - name: worker
    count: 2
    template: {status: {capacity: {cpu: "4", memory: 16Gi}}}
    staticPods: [proxy.yaml]
  - name: worker-x
    template: {status: {capacity: {cpu: "4", memory: 16Gi}}}
  steps:
  - at: 1m
    staticPod: worker-x
    manifest: {apiVersion: v1, kind: Pod, metadata: {name: agent}, spec: {containers: [{name: c, image: a:1}]}}
  - {at: 2m, removeStaticPod: worker-1, name: proxy}
  - {at: 3m, delete: pod/agent-worker-x}
`

const proxyManifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: proxy}\nspec: {containers: [{name: c, image: \"a:1\"}]}\n"

func TestStaticPods(t *testing.T) {
	files := memory{"proxy.yaml": proxyManifest}
	sc, err := ReadBytes("s.yaml", []byte(staticScenario), files)
	require.NoError(t, err)
	require.Len(t, sc.Nodes, 3)
	for i, n := range sc.Nodes {
		assert.Len(t, n.StaticPods, []int{1, 1, 0}[i], n.Name)
	}
	require.Len(t, sc.Steps, 3)
	put, remove := sc.Steps[0], sc.Steps[1]
	assert.Equal(t, model.StepStaticPod, put.Verb)
	assert.Equal(t, "worker-x", put.Name)
	assert.Equal(t, "agent", put.Objects[0].Object.(*v1.Pod).Name)
	assert.Equal(t, model.StepRemoveStaticPod, remove.Verb)
	assert.Equal(t, []string{"worker-1", "default", "proxy"}, []string{remove.Name, remove.Namespace, remove.Pod})
}

func TestStaticPodErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"staticPod: worker-x", "staticPod: worker-y", `s.yaml:15: there is no node worker-y, did you mean worker-0?`},
		{"    manifest: {apiVersion: v1, kind: Pod, metadata: {name: agent}, spec: {containers: [{name: c, image: a:1}]}}\n", "",
			"s.yaml:14: staticPod needs manifest, a Pod: a file or the object"},
		{"kind: Pod, metadata: {name: agent}, spec: {containers: [{name: c, image: a:1}]}", "kind: ConfigMap, metadata: {name: agent}",
			"s.yaml:16: spec.steps[0].manifest is a ConfigMap, want a Pod: a kubelet runs nothing else by itself"},
		{"{containers: [{name: c, image: a:1}]}", "{serviceAccountName: a, containers: [{name: c, image: a:1}]}",
			`s.yaml:16: the static pod "agent" refers to a service account, want none: a kubelet does not run a static pod that needs other objects`},
		{"{containers: [{name: c, image: a:1}]}", "{containers: [{name: c, image: a:1, envFrom: [{configMapRef: {name: x}}]}]}", "refers to config maps"},
		{"{containers: [{name: c, image: a:1}]}", "{containers: [{name: c, image: a:1}], volumes: [{name: v, persistentVolumeClaim: {claimName: x}}]}",
			"refers to a persistent volume claim"},
		{"removeStaticPod: worker-1, name: proxy", "removeStaticPod: worker-1", "s.yaml:17: removeStaticPod needs name, the name in the manifest"},
		{"removeStaticPod: worker-1, name: proxy", "removeStaticPod: worker-1, name: proxi",
			"s.yaml:17: node worker-1 has no static pod default/proxi, did you mean proxy?"},
		{"removeStaticPod: worker-1, name: proxy", "removeStaticPod: worker-x, name: proxy", "node worker-x has no static pod default/proxy"},
		{"staticPods: [proxy.yaml]", "staticPods: [proxy.yaml, proxy.yaml]", "s.yaml:10: node worker-0 has two static pods default/proxy, want one of a name"},
		{"staticPods: [proxy.yaml]", "staticPods: [proxi.yaml]", "proxi.yaml"},
		{"staticPods: [proxy.yaml]", "staticPods: [two.yaml]", "spec.nodes[0].staticPods[0] has 2 objects, want one Pod: each static pod has a manifest of its own"},
		{"delete: pod/agent-worker-x", "delete: pod/agent-worker-y", "there is no Pod default/agent-worker-y"},
	} {
		require.Contains(t, staticScenario, c.old)
		files := memory{"proxy.yaml": proxyManifest, "two.yaml": proxyManifest + "---\n" + strings.Replace(proxyManifest, "proxy", "other", 1)}
		_, err := ReadBytes("s.yaml", []byte(strings.Replace(staticScenario, c.old, c.new, 1)), files)
		if assert.Error(t, err, c.want) {
			assert.Contains(t, err.Error(), c.want)
		}
	}
}
