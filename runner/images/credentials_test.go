package images

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
)

// applying is a step that applies pull secrets.
func applying(secrets ...*v1.Secret) model.Step {
	s := model.Step{Verb: model.StepApply}
	for _, x := range secrets {
		s.Objects = append(s.Objects, model.Object{Object: x})
	}
	return s
}

func dockerSecret(name, json string) *v1.Secret {
	return &v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Type: v1.SecretTypeDockerConfigJson,
		Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(json)}}
}

func TestSecrets(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("bob:pass:word"))
	s := newPullSecrets(&model.Scenario{Steps: []model.Step{applying(
		dockerSecret("hub", `{"auths": {"https://index.docker.io/v1/": {"username": "ann", "password": "a"}}}`),
		dockerSecret("quay", `{"auths": {"quay.io": {"auth": "`+encoded+`"}, "quay.io/team": {"username": "team", "password": "t"}, "*.example.com": {"username": "any", "password": "e"}}}`),
		dockerSecret("broken", `{"auths":`),
		&v1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "opaque"}, Data: map[string][]byte{v1.DockerConfigJsonKey: []byte(`{"auths": {"quay.io": {"username": "x"}}}`)}},
	)}})
	for _, c := range []struct {
		secret, image string
		want          []Credential
	}{
		{"hub", "nginx:1.23", []Credential{{"ann", "a"}}},
		{"hub", "quay.io/x:1", nil},
		{"quay", "quay.io/x:1", []Credential{{"bob", "pass:word"}}},
		{"quay", "quay.io/team/x:1", []Credential{{"team", "t"}, {"bob", "pass:word"}}},
		{"quay", "a.example.com/x:1", []Credential{{"any", "e"}}},
		{"quay", "a.b.example.com/x:1", nil},
		{"broken", "quay.io/x:1", nil},
		{"opaque", "quay.io/x:1", nil},
		{"none", "quay.io/x:1", nil},
	} {
		assert.Equal(t, c.want, s.of("default", c.secret, c.image), "%s for %s", c.secret, c.image)
	}
	assert.Empty(t, s.of("other", "hub", "nginx:1.23"), "of another namespace")
}

// A registry takes what is in a secret that the scenario names, and refuses what is in another one.
func TestCredentialsOfManifests(t *testing.T) {
	r := startTest(t, &model.Scenario{
		Images: []model.ImageSpec{{Name: "quay.io/a:1", Size: 5000, Credentials: []string{"right", "empty"}}},
		Steps: []model.Step{applying(
			dockerSecret("right", `{"auths": {"quay.io": {"username": "ann", "password": "a"}}}`),
			dockerSecret("wrong", `{"auths": {"quay.io": {"username": "eve", "password": "e"}}}`),
			dockerSecret("elsewhere", `{"auths": {"gcr.io": {"username": "joe", "password": "j"}}}`),
			dockerSecret("empty", `{}`))},
	})
	tried := r.Credentials("default", "quay.io/a:1", []string{"elsewhere", "wrong", "right", "empty"})
	assert.Equal(t, []Credential{{"eve", "e"}, {"ann", "a"}, r.credential("empty")}, tried)
	for i, works := range []bool{false, true, true} {
		_, err := pull(t, r.Name("n1", "quay.io/a:1"), remote.WithAuth(&authn.Basic{Username: tried[i].User, Password: tried[i].Password}))
		assert.Equal(t, works, err == nil, "%v: %v", tried[i], err)
	}
	require.Empty(t, r.Credentials("default", "quay.io/a:1", []string{"elsewhere"}))
}
