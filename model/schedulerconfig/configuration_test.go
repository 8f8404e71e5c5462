package schedulerconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"sigs.k8s.io/yaml"
)

// parse reads a configuration without args.
func parse(t *testing.T, text string) *configv1.KubeSchedulerConfiguration {
	var o configv1.KubeSchedulerConfiguration
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &o))
	for i := range o.Profiles {
		for j := range o.Profiles[i].PluginConfig {
			c := &o.Profiles[i].PluginConfig[j]
			c.Args.Object = NewArgs(c.Name)
			if c.Args.Object != nil {
				require.NoError(t, yaml.UnmarshalStrict(c.Args.Raw, c.Args.Object))
			}
		}
	}
	return &o
}

func TestDefault(t *testing.T) {
	c := Default()
	require.Len(t, c.Profiles, 1)
	p := &c.Profiles[0]
	require.Equal(t, "default-scheduler", p.SchedulerName)
	require.Equal(t, []Plugin{{"TaintToleration", 3}, {"NodeAffinity", 2}, {"NodeResourcesFit", 1}, {"VolumeBinding", 1}, {"PodTopologySpread", 2},
		{"InterPodAffinity", 2}, {"DynamicResources", 2}, {"NodeResourcesBalancedAllocation", 1}, {"ImageLocality", 1}}, p.Plugins[Score])
	require.Equal(t, []string{"DynamicResources", "DefaultPreemption"}, p.Names(PostFilter))
	require.Equal(t, []string{"PrioritySort"}, p.Names(QueueSort))
	require.Len(t, p.Names(Filter), 14)
	require.Equal(t, int32(100), *p.Args.DefaultPreemption.MinCandidateNodesAbsolute)
	require.Equal(t, configv1.LeastAllocated, p.Args.NodeResourcesFit.ScoringStrategy.Type)
	require.Equal(t, int64(1), c.PodInitialBackoffSeconds)
	require.Equal(t, int64(10), c.PodMaxBackoffSeconds)
}

// The plugins of a point: what is said of the point comes before what MultiPoint says.
func TestExpand(t *testing.T) {
	const usual = "TaintToleration*3 NodeAffinity*2 NodeResourcesFit*1 VolumeBinding*1 PodTopologySpread*2 InterPodAffinity*2 " +
		"DynamicResources*2 NodeResourcesBalancedAllocation*1 ImageLocality*1"
	for _, x := range []struct{ name, plugins, want string }{
		{"nothing", `{}`, usual},
		{"one disabled", `{score: {disabled: [{name: ImageLocality}]}}`, strings.TrimSuffix(usual, " ImageLocality*1")},
		{"all disabled, one enabled", `{score: {disabled: [{name: "*"}], enabled: [{name: ImageLocality, weight: 7}]}}`, "ImageLocality*7"},
		{"another weight goes first", `{score: {enabled: [{name: ImageLocality, weight: 7}]}}`,
			"ImageLocality*7 " + strings.TrimSuffix(usual, " ImageLocality*1")},
		{"another weight in its place", `{multiPoint: {enabled: [{name: NodeAffinity, weight: 9}]}}`,
			strings.Replace(usual, "NodeAffinity*2", "NodeAffinity*9", 1)},
		{"no weight is 1", `{multiPoint: {enabled: [{name: NodeAffinity}]}}`, strings.Replace(usual, "NodeAffinity*2", "NodeAffinity*1", 1)},
		{"only some", `{multiPoint: {disabled: [{name: "*"}], enabled: [{name: PrioritySort}, {name: DefaultBinder}, {name: ImageLocality},
			{name: NodeResourcesFit, weight: 2}]}}`, "ImageLocality*1 NodeResourcesFit*2"},
		{"of all points, and again at one", `{multiPoint: {disabled: [{name: ImageLocality}]}, score: {enabled: [{name: ImageLocality}]}}`,
			usual},
	} {
		c, errs := New(parse(t, "profiles: [{plugins: "+x.plugins+"}]"))
		require.Empty(t, errs, x.name)
		var got []string
		for _, p := range c.Profiles[0].Plugins[Score] {
			got = append(got, p.Name+"*"+string(rune('0'+p.Weight)))
		}
		require.Equal(t, x.want, strings.Join(got, " "), x.name)
	}
}

func TestExtenders(t *testing.T) {
	c, errs := New(parse(t, `extenders: [{urlPrefix: a, ignorable: true}, {urlPrefix: b, managedResources: [{name: example.com/x, ignoredByScheduler: true}, {name: example.com/y}]}]`))
	require.Empty(t, errs)
	require.Equal(t, "b", c.Extenders[0].URLPrefix)
	require.Equal(t, "a", c.Extenders[1].URLPrefix)
	require.Equal(t, []string{"example.com/x"}, c.Profiles[0].Args.NodeResourcesFit.IgnoredResources)
}

func TestErrors(t *testing.T) {
	args := func(plugin, args string) string {
		return "profiles: [{pluginConfig: [{name: " + plugin + ", args: " + args + "}]}]"
	}
	plugins := func(p string) string { return "profiles: [{plugins: " + p + "}]" }
	for text, want := range map[string]string{
		`parallelism: 0`:                                                                                            "parallelism: Invalid value: 0",
		`percentageOfNodesToScore: 101`:                                                                             "percentageOfNodesToScore: Invalid value: 101",
		`profiles: [{percentageOfNodesToScore: -1}]`:                                                                "profiles[0].percentageOfNodesToScore: Invalid value: -1",
		`podInitialBackoffSeconds: 0`:                                                                               "podInitialBackoffSeconds: Invalid value: 0",
		`podMaxBackoffSeconds: 0`:                                                                                   "podMaxBackoffSeconds: Invalid value: 0",
		`profiles: [{}, {schedulerName: a}]`:                                                                        "profiles[0].schedulerName: Required value",
		`profiles: [{schedulerName: a}, {schedulerName: a}]`:                                                        `profiles[1].schedulerName: Duplicate value: "a"`,
		plugins(`{filter: {enabled: [{name: Nothing}]}}`):                                                           `profiles[0].plugins.filter.enabled[0].name: Unsupported value: "Nothing": supported values: "DefaultBinder"`,
		plugins(`{multiPoint: {disabled: [{name: Nothing}]}}`):                                                      `profiles[0].plugins.multiPoint.disabled[0].name: Unsupported value: "Nothing"`,
		plugins(`{permit: {enabled: [{name: GangScheduling}]}}`):                                                    "not simulated",
		plugins(`{filter: {enabled: [{name: ImageLocality}]}}`):                                                     `profiles[0].plugins.filter: Invalid value: "ImageLocality": the plugin has no filter, it has score`,
		plugins(`{filter: {enabled: [{name: NodeName}, {name: NodeName}]}}`):                                        `profiles[0].plugins.filter: Duplicate value: "NodeName"`,
		plugins(`{multiPoint: {enabled: [{name: NodeName}, {name: NodeName}]}}`):                                    `Duplicate value: "NodeName"`,
		plugins(`{multiPoint: {disabled: [{name: DefaultBinder}]}}`):                                                "profiles[0].plugins.bind: Required value",
		plugins(`{queueSort: {disabled: [{name: "*"}]}}`):                                                           "one queue sort plugin is needed",
		plugins(`{preFilter: {disabled: [{name: InterPodAffinity}]}}`):                                              "as the plugin's preFilter is disabled: disable both",
		`profiles: [{pluginConfig: [{name: Nothing}]}]`:                                                             "profiles[0].pluginConfig[0].name: Unsupported value",
		args("DefaultPreemption", `{minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}`):                 "cannot be zero at the same time",
		args("InterPodAffinity", `{hardPodAffinityWeight: 101}`):                                                    "hardPodAffinityWeight: Invalid value: 101",
		args("NodeResourcesFit", `{ignoredResourceGroups: [a/b]}`):                                                  "can't contain '/'",
		args("NodeResourcesFit", `{scoringStrategy: {type: Best}}`):                                                 `Unsupported value: "Best"`,
		args("NodeResourcesFit", `{scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 101}]}}`): "resources[0].weight: Invalid value: 101",
		args("NodeResourcesFit", `{scoringStrategy: {type: RequestedToCapacityRatio}}`):                             "must be specified when",
		args("NodeResourcesFit", `{scoringStrategy: {type: RequestedToCapacityRatio, requestedToCapacityRatio: {shape: [{utilization: 5, score: 1},
			{utilization: 5, score: 11}]}}}`): "values must be sorted",
		args("NodeResourcesBalancedAllocation", `{resources: [{name: cpu, weight: 2}]}`):                                                                               "must be 1",
		args("NodeResourcesBalancedAllocation", `{resources: [{name: cpu}, {name: cpu}]}`):                                                                             `Duplicate value: "cpu"`,
		args("NodeAffinity", `{addedAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: No}]}]}}}`): "matchExpressions[0].operator: Unsupported value",
		args("PodTopologySpread", `{defaultingType: System, defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}`):                "must be List",
		args("PodTopologySpread", `{defaultingType: List, defaultConstraints: [{maxSkew: 0, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]}`):                  "maxSkew: Invalid value: 0",
		args("VolumeBinding", `{bindTimeoutSeconds: -1}`):                                                                                                              "bindTimeoutSeconds: Invalid value: -1",
		`extenders: [{urlPrefix: a, prioritizeVerb: b}]`:                                                                                                               "extenders[0].weight: Invalid value: 0",
		`extenders: [{urlPrefix: a, managedResources: [{name: cpu}]}]`:                                                                                                 "is an invalid extended resource name",
		`extenders: [{urlPrefix: a, bindVerb: b}, {urlPrefix: b, bindVerb: b}]`:                                                                                        "only one extender can implement bind",
		`clientConnection: {burst: -1}`: "clientConnection.burst: Invalid value: -1",
		`profiles: [{schedulerName: a}, {schedulerName: b, plugins: {queueSort: {enabled: [{name: PrioritySort}]}}}]`: "must be the same for all profiles",
	} {
		_, errs := New(parse(t, text))
		require.NotEmpty(t, errs, text)
		require.ErrorContains(t, errs.ToAggregate(), want, text)
	}
}

// A plugin that scores without its PreScore fails every scoring.
func TestScoreFailure(t *testing.T) {
	for plugins, want := range map[string]string{
		"{}": "",
		`{preScore: {disabled: [{name: NodeAffinity}]}}`:                                      "",
		`{preScore: {disabled: [{name: TaintToleration}]}}`:                                   `running Score plugins: plugin "TaintToleration" failed with: failed to read "PreScoreTaintToleration" from cycleState: not found`,
		`{preScore: {disabled: [{name: TaintToleration}]}, score: {disabled: [{name: "*"}]}}`: "",
	} {
		c, errs := New(parse(t, "profiles: [{plugins: "+plugins+"}]"))
		require.Empty(t, errs)
		require.Equal(t, want, c.Profiles[0].ScoreFailure)
	}
}
