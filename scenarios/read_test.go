package scenarios

import (
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

var update = flag.Bool("update", false, "rewrite schema.json")

// memory is Files without a disk: the content by path.
type memory map[string]string

func (m memory) ReadFile(name string) ([]byte, error) {
	if data, ok := m[name]; ok {
		return []byte(data), nil
	}
	return nil, fs.ErrNotExist
}

func (m memory) ReadDir(name string) ([]string, error) {
	var names []string
	for path := range m {
		if filepath.Dir(path) == name {
			names = append(names, filepath.Base(path))
		}
	}
	slices.Sort(names)
	if names == nil {
		return nil, fs.ErrNotExist
	}
	return names, nil
}

const goodScenario = `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  duration: 15m
  nodes:
  - name: worker
    count: 2
    template: {status: {capacity: {cpu: "4", memory: 16Gi}}}
  images:
  - {name: nginx:1, size: 54Mi}
  manifests:
  - d.yaml
  behaviors:
  - match: {pod: d-*}
    run: {for: 90s, exit: 1}
  steps:
  - {at: 1m, scale: deployment/d, replicas: 5}
`

var goodFiles = memory{
	"d.yaml":     goodDeployment,
	"more/a.yml": goodPod,
	"under.yaml": "apiVersion: podsim/v1alpha1\nkind: Scenario\nspec:\n  seed: 9\n",
	"loop.yaml":  "apiVersion: podsim/v1alpha1\nkind: Scenario\nspec: {include: [loop2.yaml]}\n",
	"loop2.yaml": "apiVersion: podsim/v1alpha1\nkind: Scenario\nspec:\n  include:\n  - loop.yaml\n",
	"self.yaml":  "apiVersion: podsim/v1alpha1\nkind: Scenario\nspec: {include: [s.yaml]}\n",
}

func TestBadScenarios(t *testing.T) {
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"unknown field", "duration:", "dura:", "s.yaml:5: unknown field spec.dura, did you mean duration?"},
		{"unknown field near one", "  behaviors:", "  behaviours:", "s.yaml:14: unknown field spec.behaviours, did you mean behaviors?"},
		{"unknown field in the template", "capacity:", "capcity:",
			"s.yaml:9: unknown field spec.nodes[0].template.status.capcity, did you mean capacity?"},
		{"apiVersion", "podsim/v1alpha1", "podsim/v1", `s.yaml:1: apiVersion is "podsim/v1", want podsim/v1alpha1`},
		{"kind", "kind: Scenario", "kind: Scenari", `s.yaml:2: kind is "Scenari", want Scenario`},
		{"a manifest", goodScenario, goodPod, `s.yaml:3: kind is "Pod", want Scenario: name this manifest in spec.manifests of a scenario`},
		{"two documents", "kind: Scenario\n", "kind: Scenario\n---\na: 1\n---\n", "s.yaml:1: this file has 3 documents, want one Scenario"},
		{"empty", goodScenario, "", "s.yaml:1: the file is empty, want YAML or JSON"},
		{"no duration", "duration: 15m", "seed: 2", "s.yaml:5: spec.duration is missing or 0, want how long the run lasts, such as 15m"},
		{"duration without unit", "15m", "15", `s.yaml:5: spec.duration is "15": a duration needs a unit, such as 15s`},
		{"duration negative", "15m", "-15m", `s.yaml:5: spec.duration is "-15m": a duration must not be negative`},
		{"duration no number", "15m", "soon", `s.yaml:5: spec.duration is "soon": want a duration such as 90s, 1h30m or 1d, at most 36500d`},
		{"duration endless", "15m", "99999999999d", `s.yaml:5: spec.duration is "99999999999d": want a duration such as 90s, 1h30m or 1d, at most 36500d`},
		{"no time for pulls", "duration: 15m", "duration: 15m\n  config: {pullProgressTimeout: 0s}", `s.yaml:6: pullProgressTimeout is 0, want how long a pull may get nothing, such as 5m`},
		{"seed", "duration: 15m", "duration: 15m\n  seed: -1", `s.yaml:6: spec.seed is "-1", want a whole number from 0 to 18446744073709551615`},
		{"start time", "duration: 15m", "duration: 15m\n  startTime: 2026-01-05", `s.yaml:6: spec.startTime is the text "2026-01-05", want a time such as 2006-01-02T15:04:05Z07:00`},

		{"node count", "count: 2", "count: -1", "s.yaml:8: count is -1, must be from 0 to 100000 nodes in all"},
		{"node name", "name: worker", "name: Worker", `s.yaml:7: node "Worker-0": the name is not valid: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"node twice", "  images:", "  - {name: worker-1, template: {status: {capacity: {cpu: 1, memory: 1Gi}}}}\n  images:",
			`s.yaml:10: node "worker-1" is there twice, first at s.yaml:7: names must differ`},
		{"node quantity", "16Gi", "16GB", `s.yaml:9: spec.nodes[0].template.status.capacity.memory is "16GB", want a quantity such as 500m, 1.5 or 2Gi`},
		{"node allocatable", "memory: 16Gi}", "memory: 16Gi}, allocatable: {cpu: 5}",
			"s.yaml:9: spec.nodes[0].template.status.allocatable.cpu is 5, must not be above the capacity (4)"},
		{"node taint", "template: {", "template: {spec: {taints: [{key: a, effect: NoSchedul}]}, ",
			`s.yaml:9: spec.nodes[0].template.spec.taints[0] has the effect "NoSchedul", want NoSchedule, PreferNoSchedule or NoExecute, did you mean NoSchedule?`},

		{"image twice", "  manifests:", "  - {name: nginx:1, size: 1Mi}\n  manifests:", `s.yaml:12: image "nginx:1" is listed twice, first at s.yaml:11`},
		{"image size", "54Mi", "54Mb", `s.yaml:11: spec.images[0].size is "54Mb", want a quantity such as 500m, 1.5 or 2Gi`},
		{"image error", "size: 54Mi", "error: notfound", `s.yaml:11: spec.images[0].error is "notfound", did you mean notFound?`},
		{"image credentials", "size: 54Mi", "credentials: [a, '']", "s.yaml:11: credentials has an empty name, want the names of pull secrets"},
		{"probe that is refused and ok", "    run: {for: 90s, exit: 1}", "    readiness: [{at: 0s, ok: true, refused: true}]",
			"s.yaml:16: refused and ok (s.yaml:16) contradict each other: a probe that reaches nobody fails"},
		{"probe status", "    run: {for: 90s, exit: 1}", "    readiness: [{at: 0s, ok: true, status: 404}]",
			"s.yaml:16: status is 404, which is ok: false, not as ok (s.yaml:16) says"},
		{"hook exit", "    run: {for: 90s, exit: 1}", "    postStart: {exit: 300}", "s.yaml:16: exit is 300, want an exit code from 0 to 255"},
		{"hook exit and fail", "    run: {for: 90s, exit: 1}", "    preStop: {exit: 0, fail: true}",
			"s.yaml:16: exit 0 and fail (s.yaml:16) contradict each other: leave one out"},
		{"image of nothing", "name: nginx:1,", "name: nginx:2,", `s.yaml:11: no container has the image "nginx:2", did you mean nginx:1?`},
		{"registry of nothing", "  images:", "  registries: [{host: docker.oi}]\n  images:", `s.yaml:10: no image comes from the registry "docker.oi", did you mean docker.io?`},
		{"repository of nothing", "  images:", "  registries: [{host: docker.io/nothing/*}]\n  images:", `s.yaml:10: no image comes from the registry "docker.io/nothing/*"`},

		{"registry bandwidth", "  images:", "  registries: [{host: docker.io, bandwidth: 0}]\n  images:", "s.yaml:10: bandwidth is 0, must be more; leave it out for no limit"},
		{"node bandwidth", "count: 2", "bandwidth: 0", "s.yaml:8: bandwidth is 0, must be more; leave it out for no limit"},
		{"image size and layers", "size: 54Mi", "size: 54Mi, layers: [{name: a, size: 1Mi}]",
			`s.yaml:11: image "nginx:1" has a size and layers: leave the size out, it is the sum of its layers`},
		{"layer without size", "size: 54Mi", "layers: [{name: base, size: 1Mi}, {name: bas}]", `s.yaml:11: layer "bas" has no size, did you mean base?`},
		{"layer without name", "size: 54Mi", "layers: [{size: 1Mi}]", "s.yaml:11: spec.images[0].layers[0].name is missing"},
		{"layer unpacked only", "size: 54Mi", "layers: [{name: a, size: 1Mi}, {name: a, unpacked: 1Mi}]",
			`s.yaml:11: layer "a" has unpacked without a size: give both, or neither where another image has the layer`},
		{"layer twice", "size: 54Mi", "layers: [{name: a, size: 1Mi}, {name: a}]", `s.yaml:11: image "nginx:1" has the layer "a" twice`},
		{"layer of two sizes", "size: 54Mi", "layers: [{name: a, size: 1Mi}]}\n  - {name: nginx:2, layers: [{name: a, size: 2Mi}]",
			`s.yaml:12: layer "a" has another size than at s.yaml:11: a layer of one name is one` + "\n" +
				`s.yaml:12: no container has the image "nginx:2", did you mean nginx:1?`},

		{"missing manifest", "- d.yaml", "- dd.yaml", "s.yaml:13: spec.manifests[0]: dd.yaml: there is no such file, did you mean d.yaml?"},
		{"bad manifest inline", "- d.yaml", "- {apiVersion: v1, kind: Pod, metadata: {name: d-1}, spec: {container: []}}",
			"s.yaml:13: unknown field spec.manifests[0].spec.container, did you mean containers?"},
		{"object twice", "- d.yaml", "- d.yaml\n  - d.yaml", "d.yaml:3: Deployment default/d is defined twice, first at d.yaml:3: give one another name, or remove it"},
		{"missing include", "duration: 15m", "duration: 15m\n  include: [undr.yaml]", "s.yaml:6: include undr.yaml: there is no such file, did you mean under.yaml?"},
		{"cyclic include", "duration: 15m", "duration: 15m\n  include: [loop.yaml]", "loop2.yaml:5: cyclic include: loop.yaml -> loop2.yaml -> loop.yaml"},
		{"include of itself", "duration: 15m", "duration: 15m\n  include: [self.yaml]", "self.yaml:3: cyclic include: s.yaml -> self.yaml -> s.yaml"},
		{"priority class", "- d.yaml", "- {apiVersion: v1, kind: Pod, metadata: {name: d-1}, spec: {priorityClassName: system-node-critica, containers: [{name: c, image: nginx:1}]}}",
			`s.yaml:13: spec.priorityClassName: no PriorityClass "system-node-critica" is in the manifests, did you mean system-node-critical?`},

		{"generate kind", "  behaviors:", "  generate:\n  - {name: g, count: 2, template: {apiVersion: v1, kind: Secret}}\n  behaviors:",
			"s.yaml:15: spec.generate[0].template.kind is Secret, want Deployment or Pod"},
		{"generate count", "  behaviors:", "  generate:\n  - {name: g, count: 200000, template: {apiVersion: v1, kind: Pod}}\n  behaviors:",
			"s.yaml:15: count is 200000, must be from 0 to 100000 objects in all"},
		{"generate template", "  behaviors:", "  generate:\n  - {name: g, count: 2, template: {apiVersion: v1, kind: Pod, spec: {contaners: []}}}\n  behaviors:",
			"s.yaml:15: unknown field spec.generate[0].template.spec.contaners, did you mean containers?"},

		{"same match twice", "  steps:", "  - {match: {pod: d-*}, run: {forever: true}}\n  steps:",
			"s.yaml:17: this behavior matches the same containers as the one at s.yaml:15, which counts: join them"},
		{"behind a catch-all", "  - match: {pod: d-*}", "  - {run: {for: 1s}}\n  - match: {pod: d-*}",
			"s.yaml:16: this behavior never counts, as the one at s.yaml:15 matches all containers: put that one last"},
		{"matches nothing", "pod: d-*", "pod: web-*", `s.yaml:15: this behavior matches no container that there can be: nothing matches "web-*"`},
		{"matches nothing near", "pod: d-*", "pod: d-*, container: cc", "s.yaml:15: this behavior matches no container that there can be, did you mean c?"},
		{"forever and for", "{for: 90s, exit: 1}", "\n      forever: true\n      for: 90s", "s.yaml:18: run.for and run.forever (s.yaml:17) contradict each other: leave one out"},
		{"forever and exit", "{for: 90s, exit: 1}", "\n      forever: true\n      exit: 1", "s.yaml:18: run.exit and run.forever (s.yaml:17) contradict each other: leave one out"},
		{"oom and exit", "{for: 90s, exit: 1}", "\n      oom: true\n      exit: 1", "s.yaml:18: run.exit and run.oom (s.yaml:17) contradict each other: leave one out"},
		{"empty run", "{for: 90s, exit: 1}", "{}", "s.yaml:16: run says nothing, want for, work, exit, oom or forever"},
		{"exit code", "exit: 1", "exit: 256", "s.yaml:16: spec.behaviors[0].run.exit is 256, want an exit code from 0 to 255"},
		{"ignore and exit", "run: {for: 90s, exit: 1}", "onTerm:\n      ignore: true\n      exit: 1", "s.yaml:18: onTerm.exit and onTerm.ignore (s.yaml:17) contradict each other: leave one out"},
		{"start error and run", "run: {for: 90s, exit: 1}", "startError: x\n    run: {for: 1s}", "s.yaml:17: run and startError (s.yaml:16) contradict each other: a container that does not start does not run"},
		{"create error and run", "run: {for: 90s, exit: 1}", "createError: x\n    run: {for: 1s}", "s.yaml:17: run and createError (s.yaml:16) contradict each other: a container that does not start does not run"},
		{"writes in disorder", "run: {for: 90s, exit: 1}", "disk: [{at: 5s, use: 2Mi}, {at: 2s, use: 3Mi}]", "s.yaml:16: at is 2s, must be later than the one before (5s)"},
		{"volume of no container", "run: {for: 90s, exit: 1}", "disk: [{at: 5s, use: 2Mi, volume: v}]", "s.yaml:16: no container that this behavior matches mounts an emptyDir \"v\""},
		{"points in disorder", "run: {for: 90s, exit: 1}", "readiness: [{at: 5s, ok: true}, {at: 5s, ok: false}]", "s.yaml:16: at is 5s, must be later than the one before (5s)"},
		{"point without ok", "run: {for: 90s, exit: 1}", "readiness: [{at: 5s}]", "s.yaml:16: spec.behaviors[0].readiness[0].ok is missing"},
		{"distribution kind", "for: 90s", "for: {lognorm: {mean: 1s}}", "s.yaml:16: unknown field spec.behaviors[0].run.for.lognorm, did you mean lognormal?"},
		{"distribution field", "for: 90s", "for: {lognormal: {mean: 1s}}", "s.yaml:16: spec.behaviors[0].run.for.lognormal.stddev is missing"},
		{"two distributions", "for: 90s", "for: {constant: {value: 1s}, uniform: {max: 1s}}", "s.yaml:16: spec.behaviors[0].run.for has 2 keys, want one kind of distribution such as lognormal"},
		{"distribution value", "for: 90s", "for: {exponential: {mean: 0s}}", "s.yaml:16: spec.behaviors[0].run.for: exponential: mean is 0, must be above 0"},
		{"distribution bounds", "for: 90s", "for: {uniform: {min: 2s, max: 1s}}", "s.yaml:16: spec.behaviors[0].run.for: uniform: min 2s is above max 1s"},
		{"distribution weights", "for: 90s", "for: {empirical: {values: [1s, 2s], weights: [1]}}", "s.yaml:16: spec.behaviors[0].run.for: empirical: 1 weights for 2 values: give one each, or none"},

		{"step without verb", "scale: deployment/d, replicas: 5", "namespace: x",
			"s.yaml:18: the step has no verb, want one of apply, delete, scale, setImage, cordon, uncordon, drain, taint, untaint, fail, recover, restartKubelet, shutdown, resize, staticPod, removeStaticPod, setCondition or registry"},
		{"step with two verbs", "replicas: 5", "cordon: worker-0", "s.yaml:18: the step has the verbs scale and cordon, want one: make two steps of it"},
		{"step without time", "at: 1m, ", "", "s.yaml:18: spec.steps[0].at is missing"},
		{"step with a foreign key", "replicas: 5", "replicas: 5, force: true", "s.yaml:18: force says nothing in a step with scale: leave it out"},
		{"step after the end", "at: 1m", "at: 16m", "s.yaml:18: the step is at 960s, after the end of the run (900s)"},
		{"step negative", "at: 1m", "at: -1m", `s.yaml:18: spec.steps[0].at is "-1m": a duration must not be negative`},
		{"step kind", "deployment/d", "deploymet/d", `s.yaml:18: scale is "deploymet/d", want deployment/NAME or replicaset/NAME, did you mean deployment?`},
		{"step kind that cannot", "deployment/d", "pod/d", `s.yaml:18: scale is "pod/d", want deployment/NAME or replicaset/NAME`},
		{"step without name", "deployment/d", "deployment", `s.yaml:18: scale is "deployment", want deployment/NAME or replicaset/NAME`},
		{"step on nothing", "deployment/d", "deployment/dd", "s.yaml:18: there is no Deployment default/dd at 60s, did you mean d?"},
		{"step elsewhere", "replicas: 5", "replicas: 5, namespace: x", "s.yaml:18: there is no Deployment x/d at 60s, it is in the namespace default"},
		{"step without replicas", ", replicas: 5", "", "s.yaml:18: scale needs replicas, 0 or more"},
		{"step negative replicas", "replicas: 5", "replicas: -5", "s.yaml:18: scale needs replicas, 0 or more"},
		{"step after delete", "  steps:\n", "  steps:\n  - {at: 30s, delete: deploy/d}\n", "s.yaml:19: Deployment default/d is deleted at 30s already"},
		{"step before apply", "scale: deployment/d, replicas: 5", "delete: pod/x", "s.yaml:18: there is no Pod default/x at 60s"},
		{"step on unknown node", "scale: deployment/d, replicas: 5", "cordon: worker-2", "s.yaml:18: there is no node worker-2, did you mean worker-0?"},
		{"step container", "scale: deployment/d, replicas: 5", "setImage: deploy/d, container: cc, image: x", `s.yaml:18: Deployment default/d has no container "cc", it has c, did you mean c?`},
		{"step image", "scale: deployment/d, replicas: 5", "setImage: deploy/d", "s.yaml:18: setImage needs image, the new image"},
		{"step condition", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, type: example.com/reedy, status: 'True'",
			`s.yaml:18: Pod default/d-* has no readiness gate "example.com/reedy", it has example.com/ready, did you mean example.com/ready?`},
		{"step resize", "scale: deployment/d, replicas: 5", "resize: pod/d-*, container: c", "s.yaml:18: resize needs requests or limits, such as requests: {cpu: 300m}"},
		{"step resize of a container", "scale: deployment/d, replicas: 5", "resize: pod/d-*, container: x, requests: {cpu: 1}", "s.yaml:18: Pod default/d-* has no container \"x\", it has c, did you mean c?"},
		{"step resize of a Deployment", "scale: deployment/d, replicas: 5", "resize: deployment/d, requests: {cpu: 1}", `s.yaml:18: resize is "deployment/d", want pod/NAME`},
		{"step resize of another pod", "scale: deployment/d, replicas: 5", "resize: pod/x, requests: {cpu: 1}", "s.yaml:18: there is no Pod default/x at 60s"},
		{"step resize of storage", "scale: deployment/d, replicas: 5", "resize: pod/d-*, requests: {ephemeral-storage: 1Gi}",
			"s.yaml:18: unknown field spec.steps[0].requests.ephemeral-storage"},
		{"step resize amount", "scale: deployment/d, replicas: 5", "resize: pod/d-*, requests: {cpu: 1x}", `s.yaml:18: spec.steps[0].requests.cpu is "1x", want a quantity such as 500m, 1.5 or 2Gi`},
		{"step resize below zero", "scale: deployment/d, replicas: 5", "resize: pod/d-*, limits: {memory: -1}", `s.yaml:18: spec.steps[0].limits.memory is "-1", must be 0 or more`},
		{"step condition without gates", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, namespace: x, type: a, status: 'True'", "s.yaml:18: there is no Pod x/d-* at 60s"},
		{"step condition of the kubelet", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, type: Ready, status: 'True'",
			"s.yaml:18: type is Ready, a condition that Kubernetes sets itself: want a readiness gate of the pod"},
		{"step condition without type", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, status: 'True'", "s.yaml:18: setCondition needs type, a readiness gate of the pod"},
		{"step condition without status", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, type: example.com/ready", "s.yaml:18: setCondition needs status, True, False or Unknown"},
		{"step condition status", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, type: example.com/ready, status: Tru", `s.yaml:18: spec.steps[0].status is "Tru", want True, False or Unknown, did you mean True?`},
		{"step condition boolean", "scale: deployment/d, replicas: 5", "setCondition: pod/d-*, type: example.com/ready, status: True", `s.yaml:18: spec.steps[0].status is the boolean True, want text: write "True" in quotes`},
		{"step grace", "scale: deployment/d, replicas: 5", "delete: deploy/d, gracePeriod: 1s, force: true", "s.yaml:18: gracePeriod is 1s, must be 0s or left out with force"},
		{"step taint", "scale: deployment/d, replicas: 5", "taint: worker-0, value: 'a=b:NoExec'",
			`s.yaml:18: the taint "a=b:NoExec" has the effect "NoExec", want NoSchedule, PreferNoSchedule or NoExecute, did you mean NoExecute?`},
		{"step registry", "scale: deployment/d, replicas: 5", "registry: docker.oi, error: refused", `s.yaml:18: no image comes from the registry "docker.oi", did you mean docker.io?`},
		{"step registry empty", "scale: deployment/d, replicas: 5", "registry: '', error: refused", "s.yaml:18: registry is empty, want a registry's host, such as docker.io"},
		{"step registry error", "scale: deployment/d, replicas: 5", "registry: docker.io, error: servererror", `s.yaml:18: spec.steps[0].error is "servererror", did you mean serverError?`},
		{"step registry for", "scale: deployment/d, replicas: 5", "registry: docker.io, for: 1m",
			"s.yaml:18: registry needs error or bandwidth with for; without them it says that all is well"},
		{"step registry bandwidth", "scale: deployment/d, replicas: 5", "registry: docker.io, bandwidth: 0", "s.yaml:18: bandwidth is 0, must be more; leave it out for no limit"},
		{"step failure", "scale: deployment/d, replicas: 5", "fail: worker-0, mode: netwrk", `s.yaml:18: spec.steps[0].mode is "netwrk", want crash, network or kubelet, did you mean network?`},
		{"restart for", "scale: deployment/d, replicas: 5", "restartKubelet: worker-0, for: -1s", `s.yaml:18: spec.steps[0].for is "-1s": a duration must not be negative`},
		{"restart of no node", "scale: deployment/d, replicas: 5", "restartKubelet: worker-7", "s.yaml:18: there is no node worker-7, did you mean worker-0?"},
		{"restart configuration", "scale: deployment/d, replicas: 5",
			"restartKubelet: worker-0, kubelet: {apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration, maxPod: 20}",
			"s.yaml:18: unknown field spec.steps[0].kubelet.maxPod, did you mean maxPods?"},
		{"control plane", "  steps:", "  controlPlane: {kubelet: {qps: 0}}\n  steps:", "s.yaml:17: qps is 0, want more than 0 and less than 1e9, or -1 for no limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := edited(t, goodScenario, c.old, c.new)
			_, err := ReadBytes("s.yaml", []byte(text), goodFiles)
			assert.EqualError(t, err, c.want)
		})
	}
}

func TestFullScenario(t *testing.T) {
	s, err := Read("testdata/good/full.yaml")
	require.NoError(t, err)
	assert.Equal(t, "full", s.Name)
	assert.EqualValues(t, 7, s.Seed)
	assert.Equal(t, 24*model.Hour, s.Duration)
	assert.Equal(t, time.Date(2026, 1, 31, 23, 0, 0, 0, time.UTC), s.Start)
	assert.Equal(t, []model.Unsimulated{
		{Kind: "Deployment", Field: "spec.template.spec.hostPID", Objects: 1},
		{Kind: "HorizontalPodAutoscaler", Objects: 1},
	}, s.Unsimulated)

	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Name)
	}
	assert.Equal(t, []string{"worker-0", "worker-1", "worker-2", "gpu"}, names)
	allocatable := model.ResourcesOf(s.Nodes[3].Object.Status.Allocatable)
	assert.EqualValues(t, 7500, allocatable.MilliCPU)
	assert.EqualValues(t, 20, allocatable.Pods)
	assert.Equal(t, "arm64", s.Nodes[3].Object.Labels[v1.LabelArchStable])

	// What this file says counts before what it includes.
	assert.Equal(t, model.DistGamma, s.ControlPlane.Write.Kind)
	assert.Equal(t, model.Dist{Value: 2e6}, s.ControlPlane.Watch)
	require.Len(t, s.Behaviors, 4)
	assert.Equal(t, "testdata/good/base.yaml:14", s.Behaviors[3].Where.String())
	assert.Equal(t, []int32{1, 0}, s.Behaviors[0].Run.Exit)
	assert.Equal(t, 90e9, s.Behaviors[0].Run.For.Mean)
	assert.Equal(t, []model.ProbePoint{{At: 5 * model.Second, OK: true}}, s.Behaviors[0].Probes[model.Readiness])
	assert.Equal(t, 1e6, s.Latencies.PullPerMiB.Value)

	assert.Equal(t, "unauthorized", s.Images[1].Error)
	assert.Equal(t, model.StepApply, s.Steps[0].Verb)
	assert.Len(t, s.Steps[0].Objects, 4)
	web := s.Steps[0].Objects[0].Object.(*appsv1.Deployment)
	assert.EqualValues(t, 1000, *web.Spec.Template.Spec.Priority)
	many := s.Steps[0].Objects[3].Object.(*appsv1.Deployment)
	assert.Equal(t, "many-1", many.Name)
	assert.Equal(t, "many-1", many.Spec.Selector.MatchLabels["app"])
	assert.Equal(t, "many-1", many.Spec.Template.Labels["app"])
	for i := 1; i < len(s.Steps); i++ {
		assert.GreaterOrEqual(t, s.Steps[i].At, s.Steps[i-1].At)
	}
	i := slices.IndexFunc(s.Steps, func(x model.Step) bool { return x.Verb == model.StepRecover })
	assert.Equal(t, 8*model.Minute, s.Steps[i].At)
	assert.Equal(t, "worker-1", s.Steps[i].Name)
	i = slices.IndexFunc(s.Steps, func(x model.Step) bool { return x.Verb == model.StepSetCondition })
	assert.Equal(t, []string{"default", "l*", "example.com/ready", "Unknown"},
		[]string{s.Steps[i].Namespace, s.Steps[i].Name, s.Steps[i].Condition, s.Steps[i].Status.String()})
}

func TestOptions(t *testing.T) {
	read := func(options ...Option) (*model.Scenario, error) {
		return ReadBytes("s.yaml", []byte(goodScenario), goodFiles, options...)
	}
	s, err := read(WithSeed(5), WithUntil(30*model.Second))
	require.NoError(t, err)
	assert.EqualValues(t, 5, s.Seed)
	assert.Equal(t, 30*model.Second, s.Duration)
	assert.Len(t, s.Steps, 1)

	s, err = read(WithSet("spec.nodes[0].count=5"), WithSet("spec.seed=3"), WithSet("spec.steps[0].replicas=7"))
	require.NoError(t, err)
	assert.Len(t, s.Nodes, 5)
	assert.EqualValues(t, 3, s.Seed)
	assert.EqualValues(t, 7, s.Steps[1].Replicas)

	for assignment, want := range map[string]string{
		"spec.nodes[1].count=5":  "--set spec.nodes[1].count=5:1: there is no spec.nodes[1] in s.yaml, the list has 1 items",
		"spec.node[0].count=5":   "--set spec.node[0].count=5:1: there is no spec.node in s.yaml, did you mean nodes?",
		"spec.nodes.count=5":     "--set spec.nodes.count=5:1: there is no spec.nodes.count in s.yaml, it is not a mapping",
		"spec.nodes[0].cuont=5":  "--set spec.nodes[0].cuont=5:1: unknown field spec.nodes[0].cuont, did you mean count?",
		"spec.nodes[0].count=ab": `--set spec.nodes[0].count=ab:1: spec.nodes[0].count is the text "ab", want a whole number`,
		"spec.nodes[0].count":    "--set spec.nodes[0].count:1: want PATH=VALUE, such as spec.nodes[0].count=5",
		"=5":                     "--set =5:1: want PATH=VALUE, such as spec.nodes[0].count=5",
	} {
		_, err := read(WithSet(assignment))
		assert.EqualError(t, err, want)
	}
}

func TestFolderOfManifests(t *testing.T) {
	text := edited(t, goodScenario, "- d.yaml", "- d.yaml\n  - more")
	s, err := ReadBytes("s.yaml", []byte(text), goodFiles)
	require.NoError(t, err)
	require.Len(t, s.Steps[0].Objects, 2)
	assert.Equal(t, "more/a.yml:3", s.Steps[0].Objects[1].Where.String())
}

func TestRealManifestsInScenario(t *testing.T) {
	sharedFiles(t)
	text := "apiVersion: podsim/v1alpha1\nkind: Scenario\nspec:\n  duration: 1m\n  manifests: [../online-boutique, .]\n"
	s, err := ReadBytes(sharedManifests+"/seeds/s.yaml", []byte(text), OS{})
	require.NoError(t, err)
	assert.Len(t, s.Steps[0].Objects, 40)
	assert.Empty(t, s.Unsimulated)
}

func TestUnsimulatedFields(t *testing.T) {
	pod := edited(t, goodPod, "spec:", `spec:
  hostPID: true
  hostIPC: false
  schedulerName: default-scheduler
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
  volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {medium: Memory}}, {name: c, hostPath: {path: /}}, {name: d, nfs: {server: s, path: /}}]
  affinity:
    podAffinity: {}
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {}}]`)
	manifests, err := readManifests("m.yaml", []byte(pod+"---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\nautomountServiceAccountToken: false\nimagePullSecrets: [{name: s}]\n"))
	require.NoError(t, err)
	u := unsimulated{}
	for i := range manifests {
		u.add(&manifests[i], 3)
	}
	var fields []string
	for _, x := range u.list() {
		assert.Equal(t, 3, x.Objects)
		fields = append(fields, x.Kind+" "+x.Field)
	}
	assert.Equal(t, []string{
		"Pod spec.hostPID", "Pod spec.volumes.emptyDir.medium",
		"Pod spec.volumes.nfs",
	}, fields)
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]model.Time{
		"0": 0, "0s": 0, "90s": 90 * model.Second, "1h30m": 90 * model.Minute, "1d": 24 * model.Hour,
		"1d12h": 36 * model.Hour, "0.5d": 12 * model.Hour, "1.5ms": 1500 * model.Microsecond,
	} {
		got, err := parseSpan(text)
		assert.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "d", "1d-1h", "nand", "1", "1x", "-1s", "infd", "1dd", "9e99h"} {
		_, err := parseSpan(text)
		assert.Error(t, err, text)
	}
}

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"*", "", true}, {"a*", "*b", true},
		{"a*c", "ab*", true}, {"a*c", "b*", false}, {"web-*", "web-*-*", true}, {"web", "web-*", false},
		{"web-5*", "web-*-*", true}, {"*-*", "ab", false}, {"a*b*c", "*bc", true},
	} {
		assert.Equal(t, c.want, overlap(c.a, c.b), "%s %s", c.a, c.b)
		assert.Equal(t, c.want, overlap(c.b, c.a), "%s %s", c.b, c.a)
	}
}

func TestSchemaFile(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile("schema.json", Schema(), 0o644))
	}
	data, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	assert.Equal(t, string(Schema()), string(data), "run go test ./scenarios -update")
	assert.NotContains(t, string(data), `"description": ""`)
}

func TestBounds(t *testing.T) {
	text := edited(t, goodScenario, "for: 90s", "for: {normal: {mean: 1s, stddev: 1s}}")
	s, err := ReadBytes("s.yaml", []byte(text), goodFiles)
	require.NoError(t, err)
	assert.Equal(t, model.Dist{Kind: model.DistNormal, Mean: 1e9, Stddev: 1e9, Max: math.Inf(1)}, s.Behaviors[0].Run.For)
}

func FuzzReadScenario(f *testing.F) {
	f.Add([]byte(goodScenario), "")
	f.Add([]byte(goodScenario), "spec.nodes[0].count=3")
	for _, name := range []string{"full", "base"} {
		data, err := os.ReadFile("testdata/good/" + name + ".yaml")
		require.NoError(f, err)
		f.Add(data, `spec.behaviors[0].match={pod: "*"}`)
	}
	files := memory{"web.yaml": goodDeployment}
	for name, text := range goodFiles {
		files[name] = text
	}
	f.Fuzz(func(t *testing.T, data []byte, set string) {
		var options []Option
		if set != "" {
			options = append(options, WithSet(set))
		}
		s, err := ReadBytes("s.yaml", data, files, options...)
		if (s == nil) == (err == nil) {
			t.Error("want a scenario or an error")
		}
		if err != nil && len(err.Error()) > 20_000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
