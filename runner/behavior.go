package runner

import (
	"path/filepath"
	"time"

	"podsim/model"
	"podsim/runner/workload"
	"podsim/sim"
)

// workloadRun is what the stand-in program does in one run of a pod's container.
func workloadRun(r sim.ContainerRun, t *model.PodTemplate, i int, address string) workload.Run {
	w := workload.Run{Forever: r.For == model.Never, For: time.Duration(r.For), Exit: int(r.Exit),
		Message: r.Behavior.Run.Message, MessagePath: filepath.Join(workload.Directory, terminationLog), Log: r.Behavior.Run.Log,
		Term: workload.Term{Ignore: r.Behavior.OnTerm.Ignore, After: time.Duration(r.TermAfter), Exit: int(r.Behavior.OnTerm.Exit)}}
	return w
}
