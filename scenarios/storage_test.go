package scenarios_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
)

const storageScenario = `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: storage}
spec:
  duration: 1m
  nodes:
  - {name: a, missingPaths: [/data], template: {status: {capacity: {cpu: "4", memory: 16Gi}}}}
  storage:
`

func TestStorage(t *testing.T) {
	s, err := scenarios.ReadBytes("s.yaml", []byte(storageScenario+`
  - driver: "*.csi.example.com"
    attach: 3s
    failures: [{operation: mount, error: no luck, at: 10s, for: 5s}]
`), scenarios.OS{})
	require.NoError(t, err)
	assert.Equal(t, []string{"/data"}, s.Nodes[0].MissingPaths)
	d := &s.Storage[0]
	assert.Equal(t, float64(3*model.Second), d.Attach.Value)
	assert.Equal(t, model.DefaultStorageDriver().Detach, d.Detach)
	assert.Nil(t, d.Provision)
	assert.Equal(t, "", d.Failing(model.StorageMount, 10*model.Second-1))
	assert.Equal(t, "no luck", d.Failing(model.StorageMount, 10*model.Second))
	assert.Equal(t, "", d.Failing(model.StorageMount, 15*model.Second))
	assert.Equal(t, "", d.Failing(model.StorageAttach, 12*model.Second))
}

func TestStorageErrors(t *testing.T) {
	for text, want := range map[string]string{
		"  - {attach: 3s}":                                                    "s.yaml:9: spec.storage[0].driver is missing",
		"  - {driver: a, atach: 3s}":                                          "s.yaml:9: unknown field spec.storage[0].atach, did you mean attach?",
		"  - {driver: a}\n  - {driver: a}":                                    `s.yaml:10: driver "a" is listed twice, first at s.yaml:9`,
		"  - {driver: a, failures: [{operation: atach, error: x}]}":           `is "atach", want attach, detach or mount, did you mean attach?`,
		"  - {driver: a, failures: [{operation: attach, error: \"\"}]}":       "s.yaml:9: error is empty, want the error of the driver",
		"  - {driver: a, failures: [{operation: attach, error: x, for: 0s}]}": "s.yaml:9: for is 0s, must be more than 0s",
	} {
		_, err := scenarios.ReadBytes("s.yaml", []byte(storageScenario+text+"\n"), scenarios.OS{})
		assert.ErrorContains(t, err, want, text)
	}
}
