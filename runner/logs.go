package runner

import (
	"os"
	"path/filepath"
)

// terminationMessage is what the kubelet shows of the end of an instance.
func (r *CRI) terminationMessage(x *instance) string {
	message, _ := os.ReadFile(filepath.Join(x.directory, terminationLog))
	return x.pod.template.TerminationMessage(int(x.index), x.ended.ExitCode, string(message), "")
}

// terminationLog is the file of an instance's directory that is mounted at its terminationMessagePath.
const terminationLog = "termination-log"
