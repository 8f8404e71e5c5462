package sim_test

import "podsim/model"

// steadyLatencies are those with which the moments in the tests were read: each takes its least and up to 30 %
// more. The default of scenarios is what was measured last, and may change.
func steadyLatencies() model.Latencies {
	ms := func(n float64) model.Dist {
		least := n * float64(model.Millisecond)
		return model.Dist{Kind: model.DistUniform, Min: least, Max: 1.3 * least}
	}
	return model.Latencies{RunSandbox: ms(150), StopSandbox: ms(60), Create: ms(40), Start: ms(60), Remove: ms(50), StopTerm: ms(30), Kill: ms(40),
		ExecProbe: ms(30), NetProbe: ms(2), PullLookup: ms(20), PullPerMiB: model.Dist{Value: 2.3e6}, MountVolumes: ms(100), UnmountVolumes: ms(50),
		UpdateResources: ms(8), LayerStats: model.Dist{Kind: model.DistUniform, Max: float64(10 * model.Second)}}
}
