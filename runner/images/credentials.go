package images

import (
	"net/http"
	"slices"
)

// Credential is a user and a password for a registry.
type Credential struct{ User, Password string }

// authorized says whether the registry gives an image to whoever asks.
func (r *Registry) authorized(s *served, q *http.Request) bool {
	if len(s.spec.Credentials) == 0 {
		return true
	}
	user, password, ok := q.BasicAuth()
	return ok && slices.ContainsFunc(s.spec.Credentials, func(secret string) bool {
		return r.Credential(secret) == Credential{user, password}
	})
}

// Credential is what the pull secret of a name holds for the registries of the scenario.
func (r *Registry) Credential(secret string) Credential {
	return Credential{User: secret, Password: "podsim-" + r.run}
}
