package plugins

import (
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/scheduler/framework"
)

func strategy(kind configv1.ScoringStrategyType, shape []configv1.UtilizationShapePoint, resources ...configv1.ResourceSpec) *configv1.NodeResourcesFitArgs {
	args := &configv1.NodeResourcesFitArgs{ScoringStrategy: &configv1.ScoringStrategy{Type: kind, Resources: resources}}
	if shape != nil {
		args.ScoringStrategy.RequestedToCapacityRatio = &configv1.RequestedToCapacityRatioParam{Shape: shape}
	}
	return args
}

// The node has 4 cores, 8Gi, 20Gi of storage and 2 GPUs, and a pod with half of a core, 2Gi and a GPU.
func TestScoringStrategies(t *testing.T) {
	const gpu = "example.com/gpu"
	cpu, memory := configv1.ResourceSpec{Name: "cpu", Weight: 1}, configv1.ResourceSpec{Name: "memory", Weight: 3}
	gpus, storage := configv1.ResourceSpec{Name: gpu, Weight: 5}, configv1.ResourceSpec{Name: "ephemeral-storage", Weight: 1}
	shape := []configv1.UtilizationShapePoint{{Utilization: 10, Score: 0}, {Utilization: 60, Score: 10}, {Utilization: 90, Score: 1}}
	for _, x := range []struct {
		name string
		args *configv1.NodeResourcesFitArgs
		pod  pods
		want int64
	}{
		// CPU 1500m of 4000m is 37 %, memory 4Gi of 8Gi 50 %.
		{"most", strategy(configv1.MostAllocated, nil, cpu, memory), pods{requests("cpu", "1", "memory", "2Gi")}, (37 + 3*50) / 4},
		{"most, more than there is", strategy(configv1.MostAllocated, nil, cpu, memory), pods{requests("cpu", "9", "memory", "2Gi")}, (100 + 3*50) / 4},
		{"least with weights", strategy(configv1.LeastAllocated, nil, cpu, memory), pods{requests("cpu", "1", "memory", "2Gi")}, (62 + 3*50) / 4},
		{"a GPU that the pod asks for", strategy(configv1.MostAllocated, nil, cpu, gpus), pods{requests("cpu", "1", gpu, "1")}, (37 + 5*100) / 6},
		{"a GPU that it does not ask for", strategy(configv1.MostAllocated, nil, cpu, gpus), pods{requests("cpu", "1")}, 37},
		{"a resource that the node does not have", strategy(configv1.MostAllocated, nil, cpu, configv1.ResourceSpec{Name: "example.com/x", Weight: 9}),
			pods{requests("cpu", "1", "example.com/x", "1")}, 37},
		{"storage", strategy(configv1.LeastAllocated, nil, storage), pods{requests("ephemeral-storage", "5Gi")}, 75},
		// 37 % is 27/50 of the way from 0 to 100, rounded down, memory 50 % is 40/50.
		{"ratio", strategy(configv1.RequestedToCapacityRatio, shape, cpu, memory), pods{requests("cpu", "1", "memory", "2Gi")}, 74}, // (54+3*80)/4 = 73.5
		{"ratio, falling", strategy(configv1.RequestedToCapacityRatio, shape, memory), pods{requests("memory", "4Gi")}, 55},         // 75 %: 100 - 90*15/30
		{"ratio, one scores nothing", strategy(configv1.RequestedToCapacityRatio, shape, gpus, storage),
			pods{requests("ephemeral-storage", "1Gi", gpu, "1")}, 10},
		{"ratio, above the last point", strategy(configv1.RequestedToCapacityRatio, shape, cpu), pods{requests("cpu", "9")}, 10},
	} {
		w := newWorld()
		n := w.node()
		n.AddPod(1, w.class(requests("cpu", "500m", "memory", "2Gi", gpu, "1")))
		scores := []int64{-1}
		NodeResourcesFit(x.args).Score(&w.cycle, w.class(x.pod...), []*framework.NodeInfo{n}, scores)
		require.Equal(t, x.want, scores[0], x.name)
	}
}

func TestBalanceOfThree(t *testing.T) {
	args := &configv1.NodeResourcesBalancedAllocationArgs{Resources: []configv1.ResourceSpec{{Name: "cpu"}, {Name: "memory"}, {Name: "example.com/gpu"}}}
	p := NodeResourcesBalancedAllocation(args)
	w := newWorld()
	class := w.class(requests("example.com/gpu", "1"))
	require.True(t, p.PreScore(class))
	require.False(t, p.PreScore(w.class()))
	scores := []int64{-1}
	p.Score(&w.cycle, class, []*framework.NodeInfo{w.node()}, scores)
	// The shares are 0, 0 and 50 %: the deviation is 0.2357, the score with the pod 76.
	require.Equal(t, int64(50+(50+76-100)/2), scores[0])
	p.Score(&w.cycle, w.class(), []*framework.NodeInfo{w.node()}, scores)
	require.Equal(t, int64(0), scores[0])
}

func TestIgnoredResources(t *testing.T) {
	w := newWorld()
	class := w.class(requests("cpu", "1", "a.example/x", "1", "b.example/y", "1", "b.example/z", "1"))
	for _, x := range []struct {
		ignored, groups []string
		want            []string
	}{
		{nil, nil, []string{"Insufficient a.example/x", "Insufficient b.example/y", "Insufficient b.example/z"}},
		{[]string{"a.example/x", "cpu"}, nil, []string{"Insufficient b.example/y", "Insufficient b.example/z"}},
		{nil, []string{"b.example"}, []string{"Insufficient a.example/x"}},
		{[]string{"a.example/x"}, []string{"b.example"}, nil},
	} {
		args := *defaults.NodeResourcesFit.DeepCopy()
		args.IgnoredResources, args.IgnoredResourceGroups = x.ignored, x.groups
		var st framework.Status
		fits := NodeResourcesFit(&args).Filter(class, w.node(), &st)
		var got []string
		for _, r := range st.Reasons {
			got = append(got, w.cluster.Symbols.Reason(r))
		}
		require.Equal(t, x.want, got)
		require.Equal(t, x.want == nil, fits)
	}
}

func TestAddedAffinity(t *testing.T) {
	term := func(key string) v1.NodeSelectorTerm {
		return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: key, Operator: v1.NodeSelectorOpExists}}}
	}
	p := NodeAffinity(&configv1.NodeAffinityArgs{AddedAffinity: &v1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution:  &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{term("pool")}},
		PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{{Weight: 7, Preference: term("pool")}},
	}})
	w := newWorld()
	class := w.class()
	var r framework.PreFilterResult
	p.PreFilter(class, &r)
	require.False(t, r.Skip)
	require.True(t, p.PreScore(class))

	other, pool := w.node(), w.node(label("pool", "a"))
	pool.ID = 2
	var st framework.Status
	require.False(t, p.Filter(class, other, &st))
	require.Equal(t, "node(s) didn't match scheduler-enforced node affinity", w.cluster.Symbols.Reason(st.Reasons[0]))
	require.Equal(t, framework.UnschedulableAndUnresolvable, st.Code)
	st.Clear()
	require.True(t, p.Filter(class, pool, &st))
	require.False(t, p.Filter(w.class(selects("disk", "ssd")), pool, &st))
	require.Equal(t, []framework.ReasonID{framework.ReasonAffinity}, st.Reasons)

	scores := []int64{-1, -1}
	p.Score(&w.cycle, class, []*framework.NodeInfo{other, pool}, scores)
	require.Equal(t, []int64{0, 7}, scores)
	require.False(t, p.Hint(class, &framework.ClusterEvent{Action: framework.NodeAdd, New: other}))
	require.True(t, p.Hint(class, &framework.ClusterEvent{Action: framework.NodeAdd, New: pool}))
}
