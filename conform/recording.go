package conform

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	v1 "k8s.io/api/core/v1"
)

// Recording is what became of one pod.
type Recording struct {
	// Name is the file's name without its ending, or the name in a file of many.
	Name string
	// Pod is the pod as it was created. Its annotations trace/seconds and trace/delete-after say how
	// long it was watched and when it was deleted, in seconds; trace/gates see GateChanges. It is nil when the recording is of
	// something else, such as a node.
	Pod *v1.Pod
	// Lines is the recording of a real node. It is nil for one of the kubelet in virtual time, which
	// has Exact, made without randomness, and Jittered, made with it.
	Lines    []Line
	Exact    []Line
	Jittered [][]Line
}

// Line is one line of a recording: a change of the pod or an Event.
type Line struct {
	// Ms is when it was seen, in milliseconds since the pod's creation.
	Ms int64 `json:"ms"`
	// Type is ADDED, MODIFIED or DELETED for the pod, event, request or end.
	Type string `json:"type"`

	Phase  string `json:"phase,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Grace is metadata.deletionGracePeriodSeconds.
	Grace *int64 `json:"deletionGracePeriodSeconds,omitempty"`
	// Conditions are, by type, "Status Reason: message".
	Conditions map[string]string `json:"conditions,omitempty"`
	Containers []Container       `json:"containers,omitempty"`

	// Event is the reason of an Event, Field the container that it is about, From its source.
	Event     string `json:"event,omitempty"`
	EventType string `json:"eventType,omitempty"`
	Field     string `json:"field,omitempty"`
	Message   string `json:"message,omitempty"`
	Count     int32  `json:"count,omitempty"`
	From      string `json:"from,omitempty"`

	// Pod is the pod of the line that says what was created.
	Pod *v1.Pod `json:"pod,omitempty"`
}

// Container is one container's status in a Line, or its last state.
type Container struct {
	Name     string     `json:"name,omitempty"`
	State    string     `json:"state"`
	Reason   string     `json:"reason,omitempty"`
	ExitCode *int32     `json:"exitCode,omitempty"`
	Started  *bool      `json:"started,omitempty"`
	Ready    bool       `json:"ready,omitempty"`
	Restarts int32      `json:"restarts,omitempty"`
	Last     *Container `json:"last,omitempty"`
}

// ReadFile reads the recordings of a file, which ends in .gz when it is compressed: the lines of
// one pod on a real node, or one pod of the kubelet in virtual time a line. An error names the
// file and the line.
func ReadFile(path string) ([]Recording, error) {
	return readFile(path, func(r io.Reader) ([]Recording, error) { return Read(r, caseName(path)) })
}

// form is a line of either kind of file.
type form struct {
	Line
	Name     string   `json:"name"`
	Exact    []Line   `json:"exact"`
	Jittered [][]Line `json:"jittered"`
}

// Read reads recordings as ReadFile does; an error begins with the number of the line. name is
// the name of a recording that is the whole file.
func Read(r io.Reader, name string) ([]Recording, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	var list []Recording
	whole := Recording{Name: name}
	n, node := 0, false
	for s.Scan() {
		n++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		f := form{}
		if err := json.Unmarshal(s.Bytes(), &f); err != nil {
			return nil, fmt.Errorf("%d: %w, want a line of a recording", n, err)
		}
		node = node || f.Type == "node"
		switch {
		case f.Exact != nil || f.Jittered != nil:
			if f.Pod == nil {
				return nil, fmt.Errorf("%d: the recording has no pod, want the pod that was created", n)
			}
			list = append(list, Recording{Name: f.Name, Pod: f.Pod, Exact: f.Exact, Jittered: f.Jittered})
		case f.Pod != nil && whole.Pod != nil:
			return nil, fmt.Errorf("%d: a second pod, want the lines of one pod", n)
		case f.Pod != nil:
			whole.Pod = f.Pod
		case f.Type == "" && !node:
			return nil, fmt.Errorf("%d: neither a line of a recording, which has a type, nor a pod with its exact trace", n)
		default:
			whole.Lines = append(whole.Lines, f.Line)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w", n+1, err)
	}
	if whole.Lines != nil && whole.Pod == nil && !node {
		return nil, fmt.Errorf("%d: the recording has no line of type spec, want the pod that was created", n)
	}
	if whole.Lines != nil {
		list = append(list, whole)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%d: there is no recording", max(n, 1))
	}
	return list, nil
}
