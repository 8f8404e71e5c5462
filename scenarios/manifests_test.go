package scenarios

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
)

// sharedManifests has real manifests that do not stand in this repository.
const sharedManifests = "../../shared/manifests"

func sharedFiles(t *testing.T) []string {
	files, err := filepath.Glob(sharedManifests + "/*/*.yaml")
	require.NoError(t, err)
	if len(files) == 0 {
		t.Skipf("%s is not here: its manifests are not tested", sharedManifests)
	}
	return files
}

func TestRealManifests(t *testing.T) {
	for _, file := range sharedFiles(t) {
		objects, err := ReadManifests(file)
		require.NoError(t, err)
		kinds := map[string]int{}
		for _, o := range objects {
			kinds[o.GetObjectKind().GroupVersionKind().Kind]++
		}
		if filepath.Base(filepath.Dir(file)) == "online-boutique" {
			assert.Equal(t, map[string]int{"Deployment": 12, "Service": 12, "ServiceAccount": 11}, kinds)
		} else {
			assert.Len(t, objects, 1, file)
		}
	}
}

const goodPod = `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - {name: c, image: nginx}
`

const goodDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  replicas: 2
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec:
      containers:
      - name: c
        image: nginx:1
        resources:
          limits: {cpu: 1}
      readinessGates: [{conditionType: example.com/ready}]
`

// edited is text with one replacement, which must apply.
func edited(t *testing.T, text, old, replacement string) string {
	require.Contains(t, text, old)
	return strings.Replace(text, old, replacement, 1)
}

func TestBadManifests(t *testing.T) {
	for _, c := range []struct {
		name, text, old, new, want string
	}{
		{"unknown field", goodDeployment, "containers:", "contaners:",
			"m.yaml:11: unknown field spec.template.spec.contaners, did you mean containers?"},
		{"unknown field far from any", goodPod, "spec:", "spec:\n  zzzzzz: 1",
			"m.yaml:6: unknown field spec.zzzzzz"},
		{"field of a promoted struct", goodPod, "kind: Pod", "kind: Pod\nname: p",
			"m.yaml:4: unknown field name"},
		{"wrong case", goodPod, "kind: Pod", "Kind: Pod",
			"m.yaml:2: kind is missing, Kind must be spelled kind"},
		{"duplicate key", goodPod, "kind: Pod", "kind: Pod\nkind: Pod",
			"m.yaml:4: kind stands here twice, first in line 3"},
		{"wrong type", goodDeployment, "replicas: 2", `replicas: "2"`,
			`m.yaml:6: spec.replicas is the text "2", want a whole number`},
		{"float for int", goodDeployment, "replicas: 2", "replicas: 2.5",
			`m.yaml:6: spec.replicas is "2.5", want a whole number`},
		{"int too large", goodDeployment, "replicas: 2", "replicas: 3000000000",
			`m.yaml:6: spec.replicas is "3000000000", want a whole number of 32 bits`},
		{"number for text", goodPod, "image: nginx", "image: 1.23",
			`m.yaml:7: spec.containers[0].image is the number 1.23, want text: write "1.23" in quotes`},
		{"boolean for text", goodPod, "{name: p}", "{name: p, labels: {a: yes}}",
			`m.yaml:4: metadata.labels.a is the boolean yes, want text: write "yes" in quotes`},
		{"mapping for list", goodPod, "  - {name: c, image: nginx}", "    {name: c, image: nginx}",
			"m.yaml:7: spec.containers is a mapping, want a list"},
		{"bad quantity", goodDeployment, "cpu: 1", "memory: 1.5.5Gi",
			`m.yaml:15: spec.template.spec.containers[0].resources.limits.memory is "1.5.5Gi", want a quantity such as 500m, 1.5 or 2Gi`},
		{"quantity that is slow to round", goodDeployment, "cpu: 1", "cpu: 1e-9999999",
			`m.yaml:15: spec.template.spec.containers[0].resources.limits.cpu is "1e-9999999", want a quantity such as 500m, 1.5 or 2Gi`},
		{"negative quantity", goodDeployment, "cpu: 1", "cpu: -1",
			"m.yaml:15: spec.template.spec.containers[0].resources.limits.cpu is -1, must be 0 or more"},
		{"unknown resource", goodDeployment, "cpu: 1", "memroy: 1",
			"m.yaml:15: spec.template.spec.containers[0].resources.limits.memroy is no resource, want cpu, memory, ephemeral-storage, hugepages-SIZE or a name with a domain, did you mean memory?"},
		{"request above limit", goodDeployment, "limits: {cpu: 1}", "limits: {cpu: 1}\n          requests: {cpu: 2}",
			"m.yaml:16: spec.template.spec.containers[0].resources.requests.cpu is 2, must not be above the limit (1)"},
		{"pod requests below its containers'", goodDeployment, "      containers:", "      resources: {requests: {cpu: 500m}}\n      containers:",
			"m.yaml:11: spec.template.spec.resources.requests.cpu is 500m, must not be below what the containers request together (1)"},
		{"pod limit below a container's", goodDeployment, "      containers:", "      resources: {limits: {cpu: 500m}}\n      containers:",
			"m.yaml:11: spec.template.spec.resources.limits.cpu is 500m, must not be below the limit of a container: c has 1"},
		{"pod with another resource", goodDeployment, "      containers:", "      resources: {limits: {ephemeral-storage: 1Gi}}\n      containers:",
			"m.yaml:11: spec.template.spec.resources has ephemeral-storage, want cpu, memory or hugepages-SIZE: a pod as a whole has no other resources"},
		{"unknown apiVersion", goodDeployment, "apps/v1", "apps/v1beta1",
			`m.yaml:2: unknown apiVersion "apps/v1beta1" for kind Deployment, want apps/v1`},
		{"unknown apiVersion and kind", goodDeployment, "apiVersion: apps/v1\nkind: Deployment", "apiVersion: argoproj.io/v1\nkind: Rollout",
			`m.yaml:2: unknown apiVersion "argoproj.io/v1"`},
		{"unknown kind", goodDeployment, "kind: Deployment", "kind: Deploymnet",
			`m.yaml:3: unknown kind "Deploymnet" in apps/v1, did you mean Deployment?`},
		{"kind that is a request", goodPod, "kind: Pod", "kind: ListOptions",
			`m.yaml:3: unknown kind "ListOptions" in v1`},
		{"no kind", goodPod, "kind: Pod", "", "m.yaml:2: kind is missing"},
		{"no name", goodPod, "{name: p}", "{}", "m.yaml:4: metadata.name is missing"},
		{"generated name", goodPod, "{name: p}", "{generateName: p-}",
			"m.yaml:4: metadata.generateName cannot be applied, give metadata.name"},
		{"bad name", goodPod, "{name: p}", "{name: P_1}",
			`m.yaml:4: metadata.name "P_1" is not valid: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`},
		{"negative replicas", goodDeployment, "replicas: 2", "replicas: -1",
			"m.yaml:6: spec.replicas is -1, must be 0 or more"},
		{"selector does not match", goodDeployment, "matchLabels: {app: d}", "matchLabels: {app: x}",
			"m.yaml:7: spec.selector.matchLabels.app does not match the labels of spec.template (app=d): they must be selected"},
		{"no selector", goodDeployment, "  selector: {matchLabels: {app: d}}\n", "",
			"m.yaml:5: spec.selector is missing or empty, want matchLabels that are among spec.template.metadata.labels"},
		{"restart policy", goodDeployment, "      containers:", "      restartPolicy: Never\n      containers:",
			`m.yaml:11: spec.template.spec.restartPolicy is "Never", want Always`},
		{"strategy", goodDeployment, "replicas: 2", "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}",
			"m.yaml:6: spec.strategy.rollingUpdate.maxUnavailable and maxSurge are both 0: one of them must be more"},
		{"no containers", goodPod, "containers:\n  - {name: c, image: nginx}", "containers: []",
			"m.yaml:6: spec.containers is missing or empty: a pod needs a container"},
		{"no image", goodPod, ", image: nginx", "",
			"m.yaml:7: spec.containers[0].image is missing"},
		{"two containers of one name", goodPod, "  - {name", "  - {name: c, image: x}\n  - {name",
			`m.yaml:8: spec.containers[1].name "c" is there twice: names must differ`},
		{"pull policy", goodPod, "image: nginx", "image: nginx, imagePullPolicy: always",
			`m.yaml:7: spec.containers[0].imagePullPolicy is "always", want Always, IfNotPresent or Never, did you mean Always?`},
		{"restart rules without a policy", goodPod, "image: nginx", "image: nginx, restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [1]}}]",
			"m.yaml:7: spec.containers[0].restartPolicyRules needs a restartPolicy of the container"},
		{"restart rule", goodPod, "image: nginx", "image: nginx, restartPolicy: Never, restartPolicyRules: [{action: RestartAllContainer, exitCodes: {operator: In, values: [1]}}]",
			`m.yaml:7: spec.containers[0].restartPolicyRules[0].action is "RestartAllContainer", want Restart or RestartAllContainers, did you mean RestartAllContainers?`},
		{"restart rule without exit codes", goodPod, "image: nginx", "image: nginx, restartPolicy: Never, restartPolicyRules: [{action: Restart}]",
			"m.yaml:7: spec.containers[0].restartPolicyRules[0].exitCodes is missing"},
		{"restart rule without an operator", goodPod, "image: nginx", "image: nginx, restartPolicy: Never, restartPolicyRules: [{action: Restart, exitCodes: {values: [1]}}]",
			"m.yaml:7: spec.containers[0].restartPolicyRules[0].exitCodes.operator is missing, want In or NotIn"},
		{"termination message policy", goodPod, "image: nginx", "image: nginx, terminationMessagePolicy: Logs",
			`m.yaml:7: spec.containers[0].terminationMessagePolicy is "Logs", want File or FallbackToLogsOnError`},
		{"probe without handler", goodPod, "image: nginx", "image: nginx, livenessProbe: {periodSeconds: 1}",
			"m.yaml:7: spec.containers[0].livenessProbe has 0 handlers, want one of exec, httpGet, tcpSocket or grpc"},
		{"mount without volume", goodPod, "image: nginx", "image: nginx, volumeMounts: [{name: v, mountPath: /v}]",
			`m.yaml:7: spec.containers[0].volumeMounts[0].name "v" is not one of the pod's volumes`},
		{"defined twice", goodPod, goodPod, goodPod + "---" + goodPod,
			"m.yaml:10: Pod default/p is defined twice, first at m.yaml:3: give one another name, or remove it"},
		{"inside a List", goodPod, goodPod, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadta: {name: p}\n",
			"m.yaml:6: unknown field items[0].metadta, did you mean metadata?\n"},
		{"empty file", goodPod, goodPod, "", "m.yaml:1: the file is empty, want YAML or JSON"},
		{"only comments", goodPod, goodPod, "# nothing\n---\n", "m.yaml:1: there is no object in this file, want Kubernetes manifests"},
		{"not a mapping", goodPod, goodPod, "hello", `m.yaml:1: the document is the text "hello", want a mapping with apiVersion, kind and metadata`},
		{"not text", goodPod, goodPod, "a\nb\x00", "m.yaml:2: this is not a text file (byte 0x00 at 3), want YAML or JSON in UTF-8"},
		{"not UTF-8", goodPod, goodPod, "a\nb\nc\xff", "m.yaml:3: this is not a text file (byte 0xff at 5), want YAML or JSON in UTF-8"},
		{"not YAML", goodPod, "kind: Pod", "kind: Pod: x",
			"m.yaml:3: cannot parse this as YAML: mapping values are not allowed in this context"},
		{"unknown alias", goodPod, "kind: Pod", "kind: *pod",
			"m.yaml:1: cannot parse this as YAML: unknown anchor 'pod' referenced"},
		{"anchor in itself", goodPod, "metadata: {name: p}", "metadata: &m {name: p, labels: *m}",
			"m.yaml:4: the anchor &m contains itself"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadManifestBytes("m.yaml", []byte(edited(t, c.text, c.old, c.new)))
			assert.EqualError(t, err, strings.TrimSuffix(c.want, "\n"))
		})
	}
}

func TestSeveralErrors(t *testing.T) {
	text := edited(t, goodDeployment, "replicas: 2", "replicas: two")
	text = edited(t, text, "image:", "imag:")
	_, err := ReadManifestBytes("m.yaml", []byte(text))
	assert.EqualError(t, err, `m.yaml:6: spec.replicas is the text "two", want a whole number`+"\n"+
		"m.yaml:13: unknown field spec.template.spec.containers[0].imag, did you mean image?")
}

func TestGoodManifests(t *testing.T) {
	for name, text := range map[string]string{
		"plain":           goodPod,
		"CRLF and BOM":    "\ufeff" + strings.ReplaceAll(goodPod, "\n", "\r\n"),
		"empty documents": "---\n---\n# a\n---" + goodPod + "---\n...\n",
		"JSON":            `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"nginx"}]}}`,
		"List":            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: nginx}]}}]",
		"PodList":         "apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: p}, spec: {containers: [{name: c, image: nginx}]}}]",
		"aliases and merge keys": `
apiVersion: v1
kind: Pod
metadata: {name: &name p, labels: {app: *name}}
spec:
  initContainers:
  - &base {name: init, image: nginx}
  containers:
  - {<<: *base, name: c}
`,
	} {
		objects, err := ReadManifestBytes("m.yaml", []byte(text))
		require.NoError(t, err, name)
		require.Len(t, objects, 1, name)
		pod := objects[0].Object.(*v1.Pod)
		assert.Equal(t, "default/p", pod.Namespace+"/"+pod.Name, name)
		assert.Equal(t, "nginx", pod.Spec.Containers[0].Image, name)
		assert.Equal(t, v1.PullAlways, pod.Spec.Containers[0].ImagePullPolicy, name)
	}
}

func TestDefaultsAreApplied(t *testing.T) {
	objects, err := ReadManifestBytes("m.yaml", []byte(goodDeployment))
	require.NoError(t, err)
	d := objects[0].Object.(*appsv1.Deployment)
	assert.Equal(t, "m.yaml:3", objects[0].Where.String())
	assert.EqualValues(t, 600, *d.Spec.ProgressDeadlineSeconds)
	assert.Equal(t, "25%", d.Spec.Strategy.RollingUpdate.MaxSurge.StrVal)
	assert.Equal(t, v1.RestartPolicyAlways, d.Spec.Template.Spec.RestartPolicy)
	// Only pods get requests from limits.
	assert.Empty(t, d.Spec.Template.Spec.Containers[0].Resources.Requests)
}

// A hostile file ends in an error, soon.
func TestHostileFiles(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "*" + string(c-1) + "]\n"
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"garbage":    {bytes.Repeat([]byte("\x7fELF\x01\xfe"), 50<<20/6), "m.yaml:1: this is not a text file (byte 0xfe at 5), want YAML or JSON in UTF-8"},
		"zeros":      {make([]byte, 50<<20), "m.yaml:1: this is not a text file (byte 0x00 at 0), want YAML or JSON in UTF-8"},
		"late zero":  {append(bytes.Repeat([]byte("a: 1\n"), 10<<20), 0), "m.yaml:10485761: this is not a text file (byte 0x00 at 52428800), want YAML or JSON in UTF-8"},
		"many lines": {bytes.Repeat([]byte("- a\n"), 12<<20), "m.yaml:1048577: the document is too large to read: divide it with --- lines"},
		"too large":  {make([]byte, 65<<20), "m.yaml:1: the file is larger than 64 MiB: split it"},
		"alias bomb": {[]byte(bomb), "m.yaml:6: the aliases stand for more than 1048576 values: write fewer"},
		"deep":       {bytes.Repeat([]byte("["), 1<<19), "m.yaml:1: cannot parse this as YAML: exceeded max depth of 10000"},
	} {
		start := time.Now()
		_, err := ReadManifestBytes("m.yaml", c.data)
		assert.EqualError(t, err, c.want, name)
		assert.Less(t, time.Since(start), 5*time.Second, name)
	}
}

func TestMissingManifest(t *testing.T) {
	_, err := ReadManifests("testdata/none.yaml")
	assert.EqualError(t, err, "testdata/none.yaml: there is no such file")
	_, err = ReadManifests("testdata")
	assert.EqualError(t, err, "testdata: is a directory")
}

func FuzzReadManifests(f *testing.F) {
	f.Add([]byte(goodPod))
	f.Add([]byte(goodDeployment))
	f.Add([]byte("a: &a {<<: *a}\n"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aGk=}}]"))
	for _, kind := range []string{"web", "base"} {
		data, err := os.ReadFile("testdata/good/" + kind + ".yaml")
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		objects, err := ReadManifestBytes("m.yaml", data)
		if err == nil && len(objects) == 0 {
			t.Error("no objects and no error")
		}
		if err != nil && len(err.Error()) > 20_000 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
