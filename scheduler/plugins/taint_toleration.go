package plugins

import "podsim/scheduler/framework"

// TaintToleration keeps pods off nodes with NoSchedule and NoExecute taints that they do not
// tolerate, and prefers nodes with few such PreferNoSchedule taints
// (pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go).
func TaintToleration() framework.Plugin {
	return framework.Plugin{
		ID:        framework.TaintToleration,
		Filter:    filterTaintToleration,
		Weight:    3,
		Score:     scoreTaintToleration,
		Normalize: framework.NormalizeReverse,
		Events:    framework.NodeAdd | framework.UpdateNodeTaint | framework.UpdatePodToleration,
		Hint:      hintTaintToleration,
	}
}

func filterTaintToleration(c *framework.PodClass, n *framework.NodeInfo, st *framework.Status) bool {
	if n.Taints == 0 || !c.Taints(n.Taints).Untolerated {
		return true
	}
	st.Reject(framework.UnschedulableAndUnresolvable, framework.ReasonTaint)
	return false
}

// scoreTaintToleration counts the PreferNoSchedule taints that are not tolerated.
func scoreTaintToleration(_ *framework.Cycle, c *framework.PodClass, nodes []*framework.NodeInfo, scores []int64) {
	for i, n := range nodes {
		scores[i] = 0
		if n.Taints != 0 {
			scores[i] = int64(c.Taints(n.Taints).PreferNoSchedule)
		}
	}
}

// hintTaintToleration follows isSchedulableAfterNodeChange: only a change from untolerated
// to tolerated helps. A toleration added to the pod always may.
func hintTaintToleration(c *framework.PodClass, e *framework.ClusterEvent) bool {
	if e.Action == framework.UpdatePodToleration {
		return true
	}
	wasUntolerated := e.Old == nil || c.Taints(e.Old.Taints).Untolerated
	return wasUntolerated && !c.Taints(e.New.Taints).Untolerated
}
