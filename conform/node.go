package conform

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
)

// NodeRecording is what became of a node and its pods while requests were made.
type NodeRecording struct {
	// Name is the case's.
	Name string
	// Start is the wall clock at the first millisecond, which whole seconds in a status depend on.
	Start time.Time
	Steps []NodeStep
	// Aliases are the names that the lines use for objects, with the real ones.
	Aliases map[string]string
	Lines   []NodeLine
}

// NodeStep is a request that was made, or something that was done to the node.
type NodeStep struct {
	// Ms is when, in milliseconds since the start.
	Ms int64 `json:"ms"`
	// Verb is create, delete, patch/resize, kubelet, file, note or end; What is the object, or what
	// was done to it.
	Verb   string          `json:"verb"`
	What   string          `json:"what"`
	Object json.RawMessage `json:"object,omitempty"`
	// Code and Message are the answer when the request was refused.
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// NodeLine is one line of a recording of a node: a change of a pod or of the node, an Event, or what
// was measured.
type NodeLine struct {
	Line
	Kind string `json:"kind"`
	Name string `json:"name"`

	// Of a pod: Node is where it is bound, Grace its metadata.deletionGracePeriodSeconds when it is
	// being deleted. The conditions are "Status Reason message", empty when absent.
	Node             string          `json:"node,omitempty"`
	Priority         int32           `json:"priority,omitempty"`
	Ready            bool            `json:"ready,omitempty"`
	Grace            *int64          `json:"grace,omitempty"`
	PodScheduled     string          `json:"PodScheduled,omitempty"`
	DisruptionTarget string          `json:"DisruptionTarget,omitempty"`
	ResizePending    string          `json:"PodResizePending,omitempty"`
	ResizeInProgress string          `json:"PodResizeInProgress,omitempty"`
	Containers       []NodeContainer `json:"containers,omitempty"`

	// Of the node: its taints are "key=value:effect".
	Taints        []string        `json:"taints,omitempty"`
	Images        []string        `json:"images,omitempty"`
	Unschedulable bool            `json:"unschedulable,omitempty"`
	Allocatable   v1.ResourceList `json:"allocatable,omitempty"`

	// Object is what an Event is about, as Kind/Name.
	Object string `json:"object,omitempty"`

	// What the kubelet's summary API said, in MiB, and when it was measured.
	MemoryAvailableMi  int64  `json:"memoryAvailableMi,omitempty"`
	NodefsAvailableMi  int64  `json:"nodefsAvailableMi,omitempty"`
	ImagefsAvailableMi int64  `json:"imagefsAvailableMi,omitempty"`
	MemoryTime         Moment `json:"memTime,omitzero"`
	FilesystemTime     Moment `json:"fsTime,omitzero"`

	// What a line of type output is about.
	What string `json:"what,omitempty"`
}

// Moment is a moment in milliseconds since the start.
type Moment struct {
	Ms int64 `json:"ms"`
}

// NodeContainer is one container's status in a NodeLine.
type NodeContainer struct {
	Container
	Resources          *v1.ResourceRequirements `json:"resources,omitempty"`
	AllocatedResources v1.ResourceList          `json:"allocatedResources,omitempty"`
}

// ReadNodeFile reads the recording of a node in a file, which ends in .gz when it is compressed. An
// error names the file and the line.
func ReadNodeFile(path string) (*NodeRecording, error) {
	rec, err := readFile(path, ReadNode)
	if err != nil {
		return nil, err
	}
	if rec.Name == "" {
		rec.Name = caseName(path)
	}
	return rec, nil
}

// nodeSpec is the first line of a recording.
type nodeSpec struct {
	Type    string            `json:"type"`
	Case    string            `json:"case"`
	Env     string            `json:"env"`
	T0      time.Time         `json:"t0"`
	Steps   []NodeStep        `json:"steps"`
	Aliases map[string]string `json:"aliases"`
}

// ReadNode reads the recording of a node as ReadNodeFile does; an error begins with the number of the
// line.
func ReadNode(r io.Reader) (*NodeRecording, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 64<<20)
	var rec *NodeRecording
	n := 0
	for s.Scan() {
		n++
		line := s.Bytes()
		var err error
		switch {
		case len(bytes.TrimSpace(line)) == 0:
		case rec == nil:
			rec, err = readNodeSpec(line)
		default:
			err = rec.addLine(line)
		}
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("%d: %w", n+1, err)
	}
	if rec == nil {
		return nil, errors.New("1: there is no recording")
	}
	return rec, nil
}

func readNodeSpec(line []byte) (*NodeRecording, error) {
	var spec nodeSpec
	if err := json.Unmarshal(line, &spec); err != nil {
		return nil, fmt.Errorf("%w, want the line of type spec of a recording", err)
	}
	if spec.Type != "spec" || len(spec.Steps) == 0 {
		return nil, errors.New("not the beginning of a node's recording, want a line of type spec with its steps")
	}
	if spec.Env != realEnv {
		return nil, fmt.Errorf("the recording is of env %q, want %s", spec.Env, realEnv)
	}
	return &NodeRecording{Name: spec.Case, Start: spec.T0, Steps: spec.Steps, Aliases: spec.Aliases}, nil
}

// realEnv is the real node, in the recordings' words and as it is called in the cluster.
const realEnv = "real0"

// lineTypes are the types of a recording's lines after the first.
var lineTypes = []string{"ADDED", "MODIFIED", "DELETED", "event", "request", "response", "output", "stats"}

func (r *NodeRecording) addLine(line []byte) error {
	var l NodeLine
	if err := json.Unmarshal(line, &l); err != nil {
		return fmt.Errorf("%w, want a line of a recording", err)
	}
	if !slices.Contains(lineTypes, l.Type) {
		return fmt.Errorf("a line of type %q, want one of %s", l.Type, strings.Join(lineTypes, ", "))
	}
	// Only pods and the node are compared.
	if !changes(l.Type) || l.Kind == "Pod" || l.Kind == "Node" {
		r.Lines = append(r.Lines, l)
	}
	return nil
}

// changes says that a line of this type is about a change of an object.
func changes(kind string) bool { return kind == "ADDED" || kind == "MODIFIED" || kind == "DELETED" }
