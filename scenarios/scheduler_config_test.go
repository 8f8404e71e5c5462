package scenarios

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/model"
)

const goodConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
parallelism: 8
leaderElection: {leaderElect: true}
clientConnection: {qps: 20.5, burst: 40}
profiles:
- schedulerName: packing
  plugins:
    permit: {disabled: [{name: "*"}]}
  pluginConfig:
  - name: NodeResourcesFit
    args:
      apiVersion: kubescheduler.config.k8s.io/v1
      kind: NodeResourcesFitArgs
      scoringStrategy: {type: MostAllocated}
  - {name: NodeName}
`

func TestReadSchedulerConfig(t *testing.T) {
	c, err := ReadSchedulerConfigBytes("sched.yaml", []byte(goodConfig))
	require.NoError(t, err)
	require.Equal(t, "packing", c.Profiles[0].SchedulerName)
	require.Equal(t, configv1.MostAllocated, c.Profiles[0].Args.NodeResourcesFit.ScoringStrategy.Type)
	require.Len(t, c.Profiles[0].Args.NodeResourcesFit.ScoringStrategy.Resources, 2)
	require.Equal(t, model.ClientLimit{QPS: 20.5, Burst: 40}, c.Client)
	var unsimulated []string
	for _, u := range c.Unsimulated {
		unsimulated = append(unsimulated, u.Field)
	}
	require.Equal(t, []string{"leaderElection", "parallelism", "profiles.pluginConfig NodeName", "profiles.plugins.permit"}, unsimulated)

	json := `{"apiVersion":"kubescheduler.config.k8s.io/v1","kind":"KubeSchedulerConfiguration"}`
	c, err = ReadSchedulerConfigBytes("config", []byte(json))
	require.NoError(t, err)
	require.Equal(t, "default-scheduler", c.Profiles[0].SchedulerName)
}

func TestSchedulerConfigErrors(t *testing.T) {
	const head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
	for text, want := range map[string]string{
		"kind: KubeSchedulerConfiguration":                                                  `s.yaml:1: apiVersion is "", want kubescheduler.config.k8s.io/v1`,
		"apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration": `s.yaml:1: apiVersion is "kubescheduler.config.k8s.io/v1beta3", want kubescheduler.config.k8s.io/v1`,
		"apiVersion: kubescheduler.config.k8s.io/v1\nkind: Pod":                             `s.yaml:2: kind is "Pod", want KubeSchedulerConfiguration`,
		head + "profils: []": `s.yaml:3: unknown field profils, did you mean profiles?`,
		head + "profiles:\n- plugins: {score: {enabled: [{nam: a}]}}":                                                `s.yaml:4: unknown field profiles[0].plugins.score.enabled[0].nam, did you mean name?`,
		head + "profiles:\n- plugins:\n    score: {enabled: [{name: Fit}]}":                                          `s.yaml:5: profiles[0].plugins.score.enabled[0].name: Unsupported value: "Fit": supported values: "DefaultBinder", "Def`,
		head + "profiles:\n- pluginConfig:\n  - name: NodeResourcesFit\n    args: {ignoredResource: [a]}":            `s.yaml:6: unknown field profiles[0].pluginConfig[0].args.ignoredResource, did you mean ignoredResources?`,
		head + "profiles:\n- pluginConfig:\n  - name: NodeResourcesFit\n    args:\n      kind: FitArgs":              `s.yaml:7: profiles[0].pluginConfig[0].args.kind is "FitArgs", want NodeResourcesFitArgs`,
		head + "profiles:\n- pluginConfig:\n  - name: InterPodAffinity\n    args:\n      hardPodAffinityWeight: 101": `s.yaml:7: profiles[0].pluginConfig[0].args.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]`,
		head + "percentageOfNodesToScore: a":                                                                         `s.yaml:3: percentageOfNodesToScore is the text "a", want a whole number`,
		head + "---\na: b":                                                                                           `s.yaml:1: this file has 2 documents, want one KubeSchedulerConfiguration`,
	} {
		_, err := ReadSchedulerConfigBytes("s.yaml", []byte(text))
		assert.ErrorContains(t, err, want, text)
	}
}

const configuredScenario = `apiVersion: podsim/v1alpha1
kind: Scenario
spec:
  duration: 1m
  config: {scheduler: sched.yaml}
  controlPlane: {ties: first}
  nodes:
  - {name: n, template: {status: {capacity: {cpu: "4", memory: 16Gi}}}}
  manifests:
  - {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {schedulerName: packing, containers: [{name: c, image: a}]}}
`

func TestConfiguredScenario(t *testing.T) {
	files := memory{"sched.yaml": goodConfig, "other.yaml": "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"}
	s, err := ReadBytes("s.yaml", []byte(configuredScenario), files)
	require.NoError(t, err)
	require.Equal(t, "packing", s.Scheduler.Profiles[0].SchedulerName)
	require.Equal(t, model.ClientLimit{QPS: 20.5, Burst: 40}, s.ControlPlane.Scheduler)
	require.True(t, s.ControlPlane.FirstOfTies)
	require.Len(t, s.Unsimulated, 4)

	s, err = ReadBytes("s.yaml", []byte(configuredScenario), files, WithSchedulerConfig("other.yaml"))
	require.NoError(t, err)
	require.Equal(t, "default-scheduler", s.Scheduler.Profiles[0].SchedulerName)
	require.Equal(t, float64(50), s.ControlPlane.Scheduler.QPS)

	delete(files, "sched.yaml")
	_, err = ReadBytes("s.yaml", []byte(configuredScenario), files)
	require.EqualError(t, err, "s.yaml:5: spec.config.scheduler: sched.yaml: there is no such file, did you mean other.yaml?")
	_, err = ReadBytes("s.yaml", []byte(configuredScenario), files, WithSchedulerConfig("none.yaml"))
	require.EqualError(t, err, "none.yaml: there is no such file")
}
