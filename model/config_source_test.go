package model_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

func ptr[T any](v T) *T { return &v }

// TestConfigErrors asks for ConfigMaps, Secrets and their keys, as variables and as files.
func TestConfigErrors(t *testing.T) {
	configMap := model.ConfigMapSource(&v1.ConfigMap{Data: map[string]string{"a": ""}, BinaryData: map[string][]byte{"b": nil}})
	secret := model.SecretSource(&v1.Secret{Data: map[string][]byte{"a": nil}, StringData: map[string]string{"a": "", "s": ""}})
	assert.Equal(t, []string{"a", "s"}, secret.Keys)
	for _, x := range []struct {
		ref       model.ConfigRef
		source    *model.ConfigSource
		env, file string
	}{
		{model.ConfigRef{Name: "x"}, nil, `configmap "x" not found`, `configmap "x" not found`},
		{model.ConfigRef{Name: "x", Secret: true, Key: "k"}, nil, `secret "x" not found`, `secret "x" not found`},
		{model.ConfigRef{Name: "x", Optional: true}, nil, "", ""},
		{model.ConfigRef{Name: "cm"}, &configMap, "", ""},
		{model.ConfigRef{Name: "cm", Key: "a"}, &configMap, "", ""},
		{model.ConfigRef{Name: "cm", Key: "b"}, &configMap, "couldn't find key b in ConfigMap ns/cm", ""},
		{model.ConfigRef{Name: "cm", Key: "z"}, &configMap, "couldn't find key z in ConfigMap ns/cm", "configmap references non-existent config key: z"},
		{model.ConfigRef{Name: "cm", Key: "z", Optional: true}, &configMap, "", ""},
		{model.ConfigRef{Name: "se", Secret: true, Key: "z"}, &secret, "couldn't find key z in Secret ns/se", "references non-existent secret key: z"},
	} {
		assert.Equal(t, x.env, x.ref.EnvError("ns", x.source))
		assert.Equal(t, x.file, x.ref.FileError(x.source))
	}
}

// TestCompileConfig finds what a pod needs of ConfigMaps and Secrets, and who it must not be.
func TestCompileConfig(t *testing.T) {
	name := func(s string) v1.LocalObjectReference { return v1.LocalObjectReference{Name: s} }
	spec := v1.PodSpec{
		SecurityContext: &v1.PodSecurityContext{RunAsNonRoot: ptr(true)},
		Volumes: []v1.Volume{
			{Name: "unused", VolumeSource: v1.VolumeSource{Secret: &v1.SecretVolumeSource{SecretName: "s"}}},
			{Name: "scratch", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
			{Name: "files", VolumeSource: v1.VolumeSource{Projected: &v1.ProjectedVolumeSource{Sources: []v1.VolumeProjection{
				{Secret: &v1.SecretProjection{LocalObjectReference: name("s"), Items: []v1.KeyToPath{{Key: "k"}}}},
				{ConfigMap: &v1.ConfigMapProjection{LocalObjectReference: name("c"), Optional: ptr(true)}},
			}}}},
		},
		Containers: []v1.Container{
			{Name: "a", Image: "i", VolumeMounts: []v1.VolumeMount{{Name: "scratch"}, {Name: "files"}},
				EnvFrom: []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: name("c")}}},
				Env: []v1.EnvVar{{Name: "X", Value: "x"}, {Name: "Y", ValueFrom: &v1.EnvVarSource{
					SecretKeyRef: &v1.SecretKeySelector{LocalObjectReference: name("s"), Key: "k", Optional: ptr(true)}}}}},
			{Name: "b", Image: "i", SecurityContext: &v1.SecurityContext{RunAsUser: ptr(int64(0))}},
			{Name: "c", Image: "i", SecurityContext: &v1.SecurityContext{RunAsNonRoot: ptr(false)}},
		},
	}
	var state model.State
	tmpl := state.Compile("ns", nil, nil, &spec)
	assert.Equal(t, 2, tmpl.Volumes, "what no container mounts is not waited for")
	assert.Equal(t, []model.VolumeSource{{Name: "files", Sources: [][]model.ConfigRef{
		{{Secret: true, Name: "s"}, {Secret: true, Name: "s", Key: "k"}},
		{{Name: "c", Optional: true}},
	}}}, tmpl.VolumeSources)
	a, b, c := &tmpl.Containers[0], &tmpl.Containers[1], &tmpl.Containers[2]
	assert.Equal(t, []model.ConfigRef{{Name: "c"}, {Secret: true, Name: "s", Key: "k", Optional: true}}, a.EnvRefs)
	assert.True(t, a.UserOfImage)
	assert.True(t, b.RootForbidden)
	assert.False(t, c.NeedsConfig())
}
