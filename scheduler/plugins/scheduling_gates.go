package plugins

import "podsim/scheduler/framework"

// SchedulingGates is the row of the plugin that keeps a pod out of the queue while it has scheduling
// gates. The queue puts such pods aside itself
// (pkg/scheduler/framework/plugins/schedulinggates/scheduling_gates.go).
func SchedulingGates() framework.Plugin {
	return framework.Plugin{ID: framework.SchedulingGates}
}
