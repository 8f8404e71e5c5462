package model

import "strings"

// The largest termination messages in bytes, and the lines that are read of a log
// (pkg/kubelet/container/runtime.go).
const (
	maxTerminationMessage    = 4 << 10
	maxTerminationLog        = 2 << 10
	maxTerminationLogLines   = 80
	maxPodTerminationMessage = 12 << 10
)

// TerminationMessage is the message of a container that has ended: the end of what it has written
// to its terminationMessagePath or, by its terminationMessagePolicy, the end of its log
// (pkg/kubelet/kuberuntime/kuberuntime_container.go convertToKubeContainerStatus). The messages of
// a pod share 12 KiB (pkg/kubelet/status/status_manager.go normalizeStatus).
func (t *PodTemplate) TerminationMessage(i int, exitCode int32, message, log string) string {
	message = lastBytes(message, maxTerminationMessage)
	if message == "" && exitCode != 0 && t.Containers[i].FallbackToLogs {
		message = lastBytes(lastLines(log, maxTerminationLogLines), maxTerminationLog)
	}
	return message[:min(len(message), maxPodTerminationMessage/len(t.Containers))]
}

func lastBytes(s string, n int) string { return s[max(0, len(s)-n):] }

func lastLines(s string, n int) string {
	end := len(strings.TrimSuffix(s, "\n"))
	for ; n > 0 && end > 0; n-- {
		end = strings.LastIndexByte(s[:end], '\n')
	}
	return s[min(end+1, len(s)):]
}
