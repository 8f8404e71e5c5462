package scenarios

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTopologyErrors(t *testing.T) {
	const constraint = "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: a}}}]"
	const term = "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, labelSelector: {matchLabels: {app: a}}}]}}"
	for _, c := range []struct{ text, old, new, want string }{
		{constraint, "maxSkew: 1", "maxSkew: 0", "spec.topologySpreadConstraints[0].maxSkew is 0, must be above 0"},
		{constraint, "topologyKey: a, ", "", "spec.topologySpreadConstraints[0].topologyKey is missing"},
		{constraint, "DoNotSchedule", "DoNotScedule", `spec.topologySpreadConstraints[0].whenUnsatisfiable is "DoNotScedule", want DoNotSchedule or ScheduleAnyway`},
		{constraint, "DoNotSchedule", "ScheduleAnyway, minDomains: 2", "spec.topologySpreadConstraints[0].minDomains is allowed with whenUnsatisfiable DoNotSchedule only"},
		{constraint, "DoNotSchedule", "DoNotSchedule, nodeTaintsPolicy: Honour", `spec.topologySpreadConstraints[0].nodeTaintsPolicy is "Honour", want Honor or Ignore`},
		{constraint, "DoNotSchedule", "DoNotSchedule, matchLabelKeys: [app]", `spec.topologySpreadConstraints[0].matchLabelKeys has "app", which labelSelector has too`},
		{constraint, "}}}]", "}}}, {maxSkew: 2, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]", "spec.topologySpreadConstraints[1] has the topologyKey and whenUnsatisfiable of topologySpreadConstraints[0]"},
		{term, "topologyKey: a, ", "", "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey is missing"},
		{term, "matchLabels: {app: a}", "matchExpressions: [{key: a, operator: Is}]", `labelSelector is not valid: "Is" is not a valid label selector operator`},
		{term, "labelSelector: {matchLabels: {app: a}}", "matchLabelKeys: [a]", "matchLabelKeys is allowed with a labelSelector only"},
		{term, "topologyKey: a", "topologyKey: a, matchLabelKeys: [b], mismatchLabelKeys: [b]", `mismatchLabelKeys has "b", which matchLabelKeys has too`},
		{term, "topologyKey: a", "topologyKey: a, namespaces: [A]", `namespaces "A" is not valid`},
	} {
		_, err := readManifests("m.yaml", []byte(edited(t, goodPod, "spec:", "spec:\n  "+c.text)))
		require.NoError(t, err, c.text)
		_, err = readManifests("m.yaml", []byte(edited(t, goodPod, "spec:", "spec:\n  "+edited(t, c.text, c.old, c.new))))
		assert.ErrorContains(t, err, c.want)
	}
}
