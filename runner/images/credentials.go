package images

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// Credential is a user and a password for a registry.
type Credential struct{ User, Password string }

// pullSecrets are the pull secrets among a scenario's manifests. Of one that is applied more than once the first
// counts.
type pullSecrets struct {
	entries map[model.ConfigName][]secretEntry
}

// secretEntry is what a pull secret has for the images whose names begin with a location, in the host of
// which * stands for a part.
type secretEntry struct {
	location string
	Credential
}

// newPullSecrets finds them.
func newPullSecrets(sc *model.Scenario) pullSecrets {
	s := pullSecrets{map[model.ConfigName][]secretEntry{}}
	for i := range sc.Steps {
		for _, o := range sc.Steps[i].Objects {
			if x, ok := o.Object.(*v1.Secret); ok {
				name := model.ConfigName{Secret: true, Namespace: x.Namespace, Name: x.Name}
				if _, known := s.entries[name]; !known {
					s.entries[name] = readSecret(x)
				}
			}
		}
	}
	return s
}

// dockerAuth is an entry of a docker configuration (pkg/credentialprovider/config.go DockerConfigEntry).
type dockerAuth struct{ Username, Password, Auth string }

// readSecret reads a pull secret as the kubelet does (pkg/credentialprovider/secrets
// secretsToTrackedDockerConfigs): one of another type, or that cannot be read, has nothing.
func readSecret(x *v1.Secret) []secretEntry {
	auths := map[string]dockerAuth{}
	switch x.Type {
	case v1.SecretTypeDockerConfigJson:
		var file struct{ Auths map[string]dockerAuth }
		if json.Unmarshal(dataOf(x, v1.DockerConfigJsonKey), &file) == nil {
			auths = file.Auths
		}
	case v1.SecretTypeDockercfg:
		if json.Unmarshal(dataOf(x, v1.DockerConfigKey), &auths) != nil {
			auths = nil
		}
	}
	var list []secretEntry
	for location, a := range auths {
		if decoded, err := base64.StdEncoding.DecodeString(a.Auth); err == nil && a.Auth != "" {
			a.Username, a.Password, _ = strings.Cut(string(decoded), ":")
		}
		list = append(list, secretEntry{locationOf(location), Credential{a.Username, a.Password}})
	}
	// More specific locations come first (pkg/credentialprovider/keyring.go Add).
	slices.SortFunc(list, func(a, b secretEntry) int {
		return cmp.Or(cmp.Compare(b.location, a.location), cmp.Compare(a.User, b.User), cmp.Compare(a.Password, b.Password))
	})
	return list
}

// dataOf is the value of a key; stringData comes before data.
func dataOf(x *v1.Secret, key string) []byte {
	if s, ok := x.StringData[key]; ok {
		return []byte(s)
	}
	return x.Data[key]
}

// locationOf is a key of a docker configuration without its scheme and the version of the API (keyring.go
// Add).
func locationOf(key string) string {
	if !strings.HasPrefix(key, "https://") && !strings.HasPrefix(key, "http://") {
		key = "https://" + key
	}
	u, err := url.Parse(key)
	if err != nil {
		return ""
	}
	p := u.Path
	if strings.HasPrefix(p, "/v1/") || strings.HasPrefix(p, "/v2/") {
		p = p[3:]
	}
	return u.Host + strings.TrimSuffix(p, "/")
}

// matches says whether an entry is for an image's repository (keyring.go URLsMatch, Lookup).
func (e *secretEntry) matches(repository string) bool {
	host, rest, _ := strings.Cut(repository, "/")
	wantHost, wantRest, _ := strings.Cut(e.location, "/")
	if host == "docker.io" && wantHost == "index.docker.io" {
		return true
	}
	parts, wantParts := strings.Split(host, "."), strings.Split(wantHost, ".")
	if len(parts) != len(wantParts) || !strings.HasPrefix(rest, wantRest) {
		return false
	}
	for i, want := range wantParts {
		if ok, err := path.Match(want, parts[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

// of is what a pull secret has for an image, none when it is for other registries.
func (s *pullSecrets) of(namespace, secret, image string) []Credential {
	repository := (&model.Image{Name: image}).Repository()
	var list []Credential
	for _, e := range s.entries[model.ConfigName{Secret: true, Namespace: namespace, Name: secret}] {
		if e.matches(repository) {
			list = append(list, e.Credential)
		}
	}
	return list
}

// Credentials are what the kubelet tries for an image, with the pull secrets that a pod names and that there
// are, in this order: all that are for the image's registry, by the scenario's word (ImageSpec.Credentials)
// or by what is in them. None is a pull without any.
func (r *Registry) Credentials(namespace, image string, secrets []string) []Credential {
	spec := r.specOf(image)
	var list []Credential
	for _, secret := range secrets {
		has := r.secrets.of(namespace, secret, image)
		if len(has) == 0 && slices.Contains(spec.Credentials, secret) {
			has = []Credential{r.credential(secret)}
		}
		list = append(list, has...)
	}
	return list
}

// credential stands for a pull secret that the scenario names for an image and that has nothing for it.
func (r *Registry) credential(secret string) Credential {
	return Credential{User: secret, Password: "podsim-" + r.run}
}

// authorized says whether the registry gives an image to whoever asks: to those who have what one of the
// secrets that the scenario names has, in whatever namespace.
func (r *Registry) authorized(s *served, q *http.Request) bool {
	if len(s.spec.Credentials) == 0 {
		return true
	}
	user, password, ok := q.BasicAuth()
	if !ok {
		return false
	}
	given := Credential{user, password}
	for _, secret := range s.spec.Credentials {
		if given == r.credential(secret) {
			return true
		}
		for name := range r.secrets.entries {
			if name.Name == secret && slices.Contains(r.secrets.of(name.Namespace, secret, s.image), given) {
				return true
			}
		}
	}
	return false
}
