package images

import "podsim/model"

// Real are images as they are: their own names, from their own registries. Nothing of them is podsim's, so
// that a container does what its image does and not what the scenario's behaviors say.
type Real struct{ secrets pullSecrets }

// NewReal finds the pull secrets of a scenario.
func NewReal(sc *model.Scenario) *Real { return &Real{newPullSecrets(sc)} }

// Name is the image's own.
func (*Real) Name(_, image string) string { return realOf(image).full }

// Original is the text itself.
func (*Real) Original(text string) string { return text }

// Size is what the runtime says.
func (*Real) Size(_, _ string, reported int64) int64 { return reported }

// Error is never anything.
func (*Real) Error(_, _ string) string { return "" }

// Credentials are those of a pod's pull secrets that are for the image's registry.
func (r *Real) Credentials(namespace, image string, secrets []string) []Credential {
	var list []Credential
	for _, s := range secrets {
		list = append(list, r.secrets.of(namespace, s, image)...)
	}
	return list
}
