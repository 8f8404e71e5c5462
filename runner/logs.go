package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// terminationLog is the file of an instance's directory that is mounted at its terminationMessagePath.
const terminationLog = "termination-log"

// logTail is how much of a log is read for its last lines: more than the kubelet takes of it.
const logTail = 256 << 10

// terminationMessage is what the kubelet shows of the end of an instance: what the runtime says of it, and
// then what the container has left (kuberuntime_container.go convertToKubeContainerStatus). What is too long is
// cut there too.
func (x *instance) terminationMessage() string {
	t, end := x.pod.template, x.ended
	message, err := readTail(filepath.Join(x.directory, terminationLog), logTail)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		message = fmt.Sprintf("Error on reading termination log %s: %v", terminationLog, err)
	}
	log := ""
	if message == "" && end.ExitCode != 0 && t.Containers[x.index].FallbackToLogs {
		log = x.log()
	}
	message = t.TerminationMessage(int(x.index), end.ExitCode, message, log)
	if end.Message != "" && message != "" {
		return end.Message + ": " + message
	}
	return end.Message + message
}

// log is the end of what an instance has written.
func (x *instance) log() string {
	text, err := readTail(x.logPath, logTail)
	if err != nil {
		return fmt.Sprintf("Error on reading termination message from logs: %v", err)
	}
	return decodeLog(text)
}

// decodeLog gives the lines of a log in the format of the CRI: time, stream, tag, content, where the tag P says
// that the line goes on (k8s.io/cri-client pkg/logs/logs.go parseCRILog).
func decodeLog(text string) string {
	var out bytes.Buffer
	for line := range bytes.Lines([]byte(text)) {
		fields := bytes.SplitN(line, []byte(" "), 4)
		if len(fields) < 4 {
			continue
		}
		content := bytes.TrimSuffix(fields[3], []byte("\n"))
		out.Write(content)
		if tag, _, _ := bytes.Cut(fields[2], []byte(":")); string(tag) != "P" {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// readTail reads the end of a file.
func readTail(name string, most int64) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return "", err
		}
	}
	text, err := io.ReadAll(io.LimitReader(f, most))
	return string(text), err
}
