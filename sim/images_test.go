package sim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// imagePod is a pod on node n0 with one container.
func imagePod(name, image string, policy v1.PullPolicy, secrets ...string) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}, Spec: v1.PodSpec{
		NodeName: "n0", Containers: []v1.Container{{Name: "c", Image: image, ImagePullPolicy: policy}}}}
	for _, s := range secrets {
		p.Spec.ImagePullSecrets = append(p.Spec.ImagePullSecrets, v1.LocalObjectReference{Name: s})
	}
	model.DefaultPod(p)
	return p
}

// applied is a step that applies pods.
func applied(at model.Time, pods ...*v1.Pod) model.Step {
	step := model.Step{At: at}
	for _, p := range pods {
		step.Objects = append(step.Objects, model.Object{Object: p})
	}
	return step
}

func newCluster(t *testing.T, sc *model.Scenario) *sim.Cluster {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	return c
}

// eventsOf runs a scenario. It gives the kubelet's Events about images, by pod.
func eventsOf(t *testing.T, sc *model.Scenario) (c *sim.Cluster, events map[string][]string) {
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	events = map[string][]string{}
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		switch e.Reason {
		case model.EventScheduled, model.EventCreated, model.EventStarted, model.EventKilling:
			return
		}
		name := c.State().Pods[e.ID].Name
		events[name] = append(events[name], e.Reason.String()+" "+c.State().EventMessage(e))
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	return c, events
}

// secretStep applies pull secrets.
func secretStep(at model.Time, names ...string) model.Step {
	step := model.Step{At: at}
	for _, name := range names {
		step.Objects = append(step.Objects, model.Object{Object: &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}})
	}
	return step
}

func podNamed(c *sim.Cluster, name string) *model.Pod {
	for i := range c.State().Pods {
		if p := &c.State().Pods[i]; p.Name == name {
			return p
		}
	}
	return nil
}

// A registry on the machine itself answers without TLS; a request that it does not answer was made with TLS.
func TestPullErrorsOfLocalRegistry(t *testing.T) {
	const path = "/v2/app/manifests/1"
	for _, c := range []struct{ registry, kind, want string }{
		{"127.0.0.1:5000", "serverError", "HEAD request to http://127.0.0.1:5000" + path},
		{"localhost:5000", "rateLimited", "HEAD request to http://localhost:5000" + path},
		{"127.0.0.1:5000", "refused", `Head "https://127.0.0.1:5000` + path},
		{"127.0.0.1:443", "serverError", "HEAD request to https://127.0.0.1:443" + path},
		{"10.0.0.1:5000", "serverError", "HEAD request to https://10.0.0.1:5000" + path},
	} {
		sc := podsScenario(1, 1, imagePod("p", c.registry+"/app:1", ""))
		sc.Images = []model.ImageSpec{{Name: c.registry + "/app:1", Error: c.kind}}
		sc.Duration = 5 * model.Second
		_, events := eventsOf(t, sc)
		require.Greater(t, len(events["p"]), 1)
		assert.Contains(t, events["p"][1], c.want)
	}
}

func TestPullErrors(t *testing.T) {
	const name = "registry.example/team/app:2"
	const pull = `failed to pull and unpack image "registry.example/team/app:2": `
	const manifest = "https://registry.example/v2/team/app/manifests/2"
	for _, c := range []struct {
		kind, want, reason string
		lasts              model.Time
	}{
		{"notFound", "rpc error: code = NotFound desc = " + pull + "failed to resolve image: registry.example/team/app:2: not found", "ErrImagePull", 0},
		{"unauthorized", pull + "failed to resolve image: pull access denied, repository does not exist or may require authorization: " +
			"authorization failed: no basic auth credentials", "ErrImagePull", 0},
		{"refused", pull + `failed to resolve image: failed to do request: Head "` + manifest +
			`": dial tcp registry.example:443: connect: connection refused`, "ErrImagePull", 0},
		{"timeout", "rpc error: code = DeadlineExceeded desc = " + pull + `failed to resolve image: failed to do request: Head "` + manifest +
			`": dial tcp registry.example:443: i/o timeout`, "ErrImagePull", 30 * model.Second},
		{"serverError", pull + "failed to resolve image: unexpected status from HEAD request to " + manifest + ": 500 Internal Server Error", "ErrImagePull", 0},
		{"rateLimited", pull + "failed to resolve image: unexpected status from HEAD request to " + manifest + ": 429 Too Many Requests", "ErrImagePull", 0},
		{"stalled", "rpc error: code = Canceled desc = " + pull + "context canceled", "ErrImagePull", 320 * model.Second},
		{"RegistryUnavailable: down", "RegistryUnavailable: down", "RegistryUnavailable", 0},
		{"SignatureValidationFailed: no key", "SignatureValidationFailed: no key", "SignatureValidationFailed", 0},
	} {
		sc := podsScenario(1, 1, imagePod("p", name, ""))
		sc.Images = []model.ImageSpec{{Name: name, Error: c.kind}}
		sc.Duration = c.lasts + 5*model.Second
		cluster, events := eventsOf(t, sc)
		require.GreaterOrEqual(t, len(events["p"]), 3, c.kind)
		assert.Equal(t, []string{`Pulling Pulling image "registry.example/team/app:2"`,
			`Failed Failed to pull image "registry.example/team/app:2": ` + c.want, "Failed Error: " + c.reason}, events["p"][:3])
		p := podNamed(cluster, "p")
		assert.Equal(t, c.reason, cluster.State().Texts.String(p.Status.Containers[0].State.Reason), c.kind)
	}
}

// A registry's name that is left out is in the runtime's words.
func TestPullErrorsOfShortNames(t *testing.T) {
	sc := podsScenario(1, 1, imagePod("p", "nginx", ""))
	sc.Images = []model.ImageSpec{{Name: "nginx", Error: "refused"}}
	_, events := eventsOf(t, sc)
	assert.Contains(t, events["p"][1], `Failed to pull image "nginx": failed to pull and unpack image "docker.io/library/nginx:latest"`)
	assert.Contains(t, events["p"][1], "/v2/library/nginx/manifests/latest")
}

// The eleventh failing pull within a second is one too many.
func TestPullQPS(t *testing.T) {
	var pods []*v1.Pod
	for i := range 14 {
		pods = append(pods, imagePod(fmt.Sprintf("p%d", i), fmt.Sprintf("down:%d", i), ""))
	}
	sc := podsScenario(1, 1, pods...)
	sc.Images = nil
	for i := range 14 {
		sc.Images = append(sc.Images, model.ImageSpec{Name: fmt.Sprintf("down:%d", i), Error: "refused"})
	}
	exceeded := func() (n int) {
		sc.Duration = 5 * model.Second
		_, events := eventsOf(t, sc)
		for name, list := range events {
			for _, e := range list {
				if e == fmt.Sprintf("Failed Failed to pull image %q: pull QPS exceeded", "down:"+name[1:]) {
					n++
				}
			}
		}
		return n
	}
	assert.Greater(t, exceeded(), 0)
	unlimited := kubeletconfig.Default()
	unlimited.RegistryPullQPS = new(int32)
	for i := range sc.Nodes {
		sc.Nodes[i].Kubelet = unlimited
	}
	assert.Zero(t, exceeded())
}

// A pod may use an image that is on the node only with a secret with which it was pulled there,
// unless it was there from the start or was pulled without a secret.
func TestPullSecrets(t *testing.T) {
	const private, public = "registry.example/private:1", "registry.example/public:1"
	pulled := fmt.Sprintf("Pulled Container image %q already present on machine and can be accessed by the pod", private)
	pulling := fmt.Sprintf("Pulling Pulling image %q", private)
	sc := podsScenario(1, 1, imagePod("first", private, v1.PullIfNotPresent, "other", "team-a"), imagePod("public", public, v1.PullIfNotPresent))
	sc.Images = []model.ImageSpec{{Name: private, Credentials: []string{"team-a", "team-b"}}, {Name: public}, {Name: "a:1", Credentials: []string{"team-a"}}}
	sc.Steps = append([]model.Step{secretStep(0, "other", "team-a", "team-b")}, append(sc.Steps,
		applied(20*model.Second, imagePod("same", private, v1.PullIfNotPresent, "team-a"), imagePod("never-same", private, v1.PullNever, "team-a")),
		applied(30*model.Second, imagePod("without", private, v1.PullIfNotPresent), imagePod("never-without", private, v1.PullNever)),
		applied(40*model.Second, imagePod("second", private, v1.PullIfNotPresent, "team-b")),
		applied(50*model.Second, imagePod("third", private, v1.PullIfNotPresent, "team-b")),
		applied(60*model.Second, imagePod("public-never", public, v1.PullNever), imagePod("preloaded", "a:1", v1.PullNever)),
	)...)
	_, events := eventsOf(t, sc)
	assert.Equal(t, pulling, events["first"][0])
	assert.Contains(t, events["first"][1], "Successfully pulled image")
	assert.Equal(t, []string{pulled}, events["same"])
	assert.Equal(t, []string{pulled}, events["never-same"])
	assert.Equal(t, pulling, events["without"][0])
	assert.Contains(t, events["without"][1], "pull access denied")
	assert.Equal(t, []string{fmt.Sprintf("ErrImageNeverPull Container image %q is not present with pull policy of Never", private),
		"Failed Error: ErrImageNeverPull"}, events["never-without"][:2])
	assert.Equal(t, pulling, events["second"][0])
	assert.Contains(t, events["second"][1], "Successfully pulled image")
	assert.Equal(t, []string{pulled}, events["third"])
	assert.Contains(t, events["public-never"][0], "already present")
	assert.Contains(t, events["preloaded"][0], "already present")
}

// A pull secret that does not exist is no reason to wait: the Event comes when the pull fails, once
// for each try, and when the secret is there the next try succeeds.
func TestMissingPullSecrets(t *testing.T) {
	const private, public = "registry.example/private:1", "registry.example/public:1"
	sc := podsScenario(1, 1, imagePod("private", private, "", "team-a", "team-b"), imagePod("public", public, "", "team-a"))
	sc.Images = []model.ImageSpec{{Name: private, Credentials: []string{"team-a"}}, {Name: public}}
	sc.Duration = model.Minute
	sc.Steps = append(sc.Steps, secretStep(20*model.Second, "team-a"))
	_, events := eventsOf(t, sc)
	missing := "FailedToRetrieveImagePullSecret Unable to retrieve some image pull secrets (team-a, team-b); attempting to pull the image may not succeed."
	assert.Equal(t, []string{fmt.Sprintf("Pulling Pulling image %q", private)}, events["private"][:1])
	assert.Contains(t, events["private"][1], "pull access denied")
	assert.Equal(t, []string{"Failed Error: ErrImagePull", missing}, events["private"][2:4])
	assert.Contains(t, events["private"][len(events["private"])-1], "Successfully pulled image")
	assert.Len(t, events["public"], 2, "a pull that goes well does not look at them")
}

// TestServiceAccounts gives pods the pull secrets of their accounts.
func TestServiceAccounts(t *testing.T) {
	const private = "registry.example/private:1"
	account := func(name, secret string) model.Object {
		return model.Object{Object: &v1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			ImagePullSecrets: []v1.LocalObjectReference{{Name: secret}}, AutomountServiceAccountToken: pointer(name == "default")}}
	}
	builder := imagePod("builder", private, "")
	builder.Spec.ServiceAccountName = "builder"
	sc := podsScenario(1, 1, imagePod("plain", private, ""), imagePod("own", private, "", "old"), builder)
	sc.Images = []model.ImageSpec{{Name: private, Credentials: []string{"team"}}}
	sc.Duration = model.Minute
	sc.Steps[0].Objects = append(sc.Steps[0].Objects, account("default", "team"), account("builder", "old"))
	later := imagePod("later", private, "")
	later.Spec.ServiceAccountName = "builder"
	sc.Steps = append(sc.Steps, secretStep(0, "team", "old"), model.Step{At: 30 * model.Second,
		Objects: []model.Object{account("builder", "team"), {Object: later}}})
	c, _ := eventsOf(t, sc)
	for name, want := range map[string]bool{"plain": true, "own": false, "builder": false, "later": true} {
		p := podNamed(c, name)
		assert.Equal(t, want, p.Status.Ready(), name)
		assert.Len(t, p.Template.Spec.Volumes, map[bool]int{true: 1}[p.Template.Spec.ServiceAccountName == "default"], name)
	}
}
