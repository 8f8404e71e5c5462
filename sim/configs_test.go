package sim_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

// wanting is a pod on node n0 with a variable from a key of a ConfigMap or Secret.
func wanting(name string, from v1.EnvVarSource) *v1.Pod {
	p := imagePod(name, "a:1", v1.PullIfNotPresent)
	p.Spec.Containers[0].Env = []v1.EnvVar{{Name: "X", ValueFrom: &from}}
	return p
}

func configKey(name, key string) v1.EnvVarSource {
	return v1.EnvVarSource{ConfigMapKeyRef: &v1.ConfigMapKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: name}, Key: key}}
}

func secretKey(name, key string) v1.EnvVarSource {
	return v1.EnvVarSource{SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: v1.LocalObjectReference{Name: name}, Key: key}}
}

// waitingFor is why the pod's container waits, "" when it does not.
func waitingFor(s *model.State, p *model.Pod) string {
	if p.Status.Containers == nil || p.Status.Containers[0].State.Kind != model.StateWaiting {
		return ""
	}
	w := &p.Status.Containers[0].State
	return s.Texts.String(w.Reason) + ": " + s.Message(p, 0, w.Message)
}

// TestConfigs applies and deletes ConfigMaps and Secrets: a container's variables are made of what
// is there when it is created.
func TestConfigs(t *testing.T) {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "default"} }
	objects := func(at model.Time, list ...model.Object) model.Step { return model.Step{At: at, Objects: list} }
	deletion := func(kind model.ObjectKind, name string) model.Step {
		return model.Step{At: 10 * model.Second, Verb: model.StepDelete, Kind: kind, Namespace: "default", Name: name}
	}
	sc := podsScenario(1, 1, wanting("before", secretKey("s", "k")), wanting("root-ca", configKey("kube-root-ca.crt", "ca.crt")),
		wanting("other-key", configKey("kube-root-ca.crt", "x")))
	sc.Steps[0].Objects = append([]model.Object{{Object: &v1.Secret{ObjectMeta: meta("s"), Data: map[string][]byte{"k": nil}}},
		{Object: &v1.ConfigMap{ObjectMeta: meta("c"), Data: map[string]string{"old": ""}}}}, sc.Steps[0].Objects...)
	sc.Steps = append(sc.Steps, deletion(model.KindSecret, "s"), deletion(model.KindConfigMap, "none"),
		objects(10*model.Second, model.Object{Object: &v1.ConfigMap{ObjectMeta: meta("c"), Data: map[string]string{"new": ""}}}),
		applied(20*model.Second, wanting("after", secretKey("s", "k")), wanting("old", configKey("c", "old")), wanting("new", configKey("c", "new"))))
	c, _ := eventsOf(t, sc)
	for name, want := range map[string]string{
		"before": "", "root-ca": "", "new": "",
		"after":     `CreateContainerConfigError: secret "s" not found`,
		"old":       "CreateContainerConfigError: couldn't find key old in ConfigMap default/c",
		"other-key": "CreateContainerConfigError: couldn't find key x in ConfigMap default/kube-root-ca.crt",
	} {
		assert.Equal(t, want, waitingFor(c.State(), podNamed(c, name)), name)
	}
	assert.Equal(t, []string{":0: delete at 10s: ConfigMap default/none is not there"}, c.Warnings())
}

// TestRunAsNonRoot has images of each kind of user.
func TestRunAsNonRoot(t *testing.T) {
	yes, root := true, int64(0)
	for user, want := range map[string]string{
		"":       "",
		"1000":   "",
		"0":      "container has runAsNonRoot and image will run as root",
		"0:100":  "container has runAsNonRoot and image will run as root",
		"nobody": "container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root",
		"as 0":   "container's runAsUser breaks non-root policy",
	} {
		p := imagePod("p", "a:1", v1.PullIfNotPresent)
		p.Spec.SecurityContext = &v1.PodSecurityContext{RunAsNonRoot: &yes}
		if user == "as 0" {
			p.Spec.SecurityContext.RunAsUser, user = &root, ""
		}
		sc := podsScenario(1, 1, p)
		sc.Images = append(sc.Images, model.ImageSpec{Name: "a:1", User: user})
		c, _ := eventsOf(t, sc)
		got := waitingFor(c.State(), podNamed(c, "p"))
		if want == "" {
			assert.Empty(t, got)
			continue
		}
		pod := c.State().PodDescription(podNamed(c, "p"))
		assert.Equal(t, "CreateContainerConfigError: "+want+` (pod: "`+pod+`", container: c)`, got)
	}
}
