package conform

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
)

// Case is one decision of a kube-scheduler: what it had before it, and what it decided.
type Case struct {
	Input Input    `json:"input"`
	Want  Decision `json:"want"`
}

// Input is a pending pod and all that a decision about it depends on. The objects get the API
// server's defaults, as far as a scheduler can tell; nothing is admitted.
type Input struct {
	Name  string     `json:"name,omitempty"`
	Nodes []*v1.Node `json:"nodes"`
	// Pods are those with spec.nodeName, which occupy nodes, and those without it but with
	// status.nominatedNodeName, which are nominated.
	Pods    []*v1.Pod `json:"pods,omitempty"`
	Pending *v1.Pod   `json:"pending"`

	Namespaces             []*v1.Namespace                 `json:"namespaces,omitempty"`
	Services               []*v1.Service                   `json:"services,omitempty"`
	ReplicationControllers []*v1.ReplicationController     `json:"replicationControllers,omitempty"`
	ReplicaSets            []*appsv1.ReplicaSet            `json:"replicaSets,omitempty"`
	StatefulSets           []*appsv1.StatefulSet           `json:"statefulSets,omitempty"`
	PodDisruptionBudgets   []*policyv1.PodDisruptionBudget `json:"podDisruptionBudgets,omitempty"`

	PersistentVolumes      []*v1.PersistentVolume          `json:"persistentVolumes,omitempty"`
	PersistentVolumeClaims []*v1.PersistentVolumeClaim     `json:"persistentVolumeClaims,omitempty"`
	StorageClasses         []*storagev1.StorageClass       `json:"storageClasses,omitempty"`
	CSINodes               []*storagev1.CSINode            `json:"csiNodes,omitempty"`
	CSIDrivers             []*storagev1.CSIDriver          `json:"csiDrivers,omitempty"`
	CSIStorageCapacities   []*storagev1.CSIStorageCapacity `json:"csiStorageCapacities,omitempty"`
	VolumeAttachments      []*storagev1.VolumeAttachment   `json:"volumeAttachments,omitempty"`

	DeviceClasses          []*resourcev1.DeviceClass           `json:"deviceClasses,omitempty"`
	ResourceSlices         []*resourcev1.ResourceSlice         `json:"resourceSlices,omitempty"`
	ResourceClaims         []*resourcev1.ResourceClaim         `json:"resourceClaims,omitempty"`
	ResourceClaimTemplates []*resourcev1.ResourceClaimTemplate `json:"resourceClaimTemplates,omitempty"`

	// Config is a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1, empty for the
	// defaults.
	Config json.RawMessage `json:"config,omitempty"`
}

// Decision is what a scheduler says of a pending pod.
type Decision struct {
	// NodeOrder is the order of the scheduler's snapshot.
	NodeOrder []string `json:"nodeOrder,omitempty"`
	// PreFilter is set when a plugin rejected the pod before it saw a node; PreFilterNodes are
	// the only nodes that were looked at, nil for all.
	PreFilter      *Rejection `json:"preFilter,omitempty"`
	PreFilterNodes []string   `json:"preFilterNodes,omitempty"`
	Feasible       []string   `json:"feasible"`
	// Infeasible has the first plugin that rejected a node, by the node's name.
	Infeasible map[string]Rejection `json:"infeasible,omitempty"`
	// Scores are those of the feasible nodes; Top are the nodes with the best total.
	Scores map[string]NodeScore `json:"scores,omitempty"`
	Top    []string             `json:"top,omitempty"`
	// Node is what the scheduling cycle itself chose, Evaluated the number of nodes that it looked at.
	Node      string `json:"decision,omitempty"`
	Evaluated int    `json:"evaluated,omitempty"`
	// FitError is the text of FailedScheduling up to what preemption says.
	FitError   string      `json:"fitError,omitempty"`
	Preemption *Preemption `json:"preemption,omitempty"`
	// Error says why there is no decision at all.
	Error string `json:"error,omitempty"`
}

// Rejection is why a plugin rejects a node, or a pod.
type Rejection struct {
	Code    string   `json:"code"`
	Plugin  string   `json:"plugin,omitempty"`
	Reasons []string `json:"reasons"`
}

// NodeScore is a node's weighted sum and its parts. A plugin that had nothing to say is absent.
type NodeScore struct {
	Total   int64                  `json:"total"`
	Plugins map[string]PluginScore `json:"plugins"`
}

// PluginScore is a plugin's score of a node, before it was normalized to 0..100 and after.
type PluginScore struct {
	Raw        int64 `json:"raw"`
	Normalized int64 `json:"normalized"`
	Weight     int64 `json:"weight"`
}

// Preemption is what preemption finds for a pod that fits nowhere, when it looks at all nodes.
type Preemption struct {
	// Node and Victims, as NAMESPACE/NAME, are the candidate that was chosen.
	Node          string   `json:"node,omitempty"`
	Victims       []string `json:"victims,omitempty"`
	PDBViolations int64    `json:"pdbViolations"`
	// Candidates has the victims of each node where preemption would help.
	Candidates map[string][]string `json:"candidates,omitempty"`
	// top are the candidates that are as good as the chosen one, when podsim says so.
	top []string
	// Message says why preemption does not help.
	Message string `json:"message,omitempty"`
}

// ReadCases reads the cases of a file, one a line; it ends in .gz when it is compressed. An error
// names the file and the line.
func ReadCases(path string) ([]Case, error) {
	return readFile(path, readCases)
}

// readCases reads cases; an error begins with the number of the line.
func readCases(r io.Reader) ([]Case, error) {
	b := bufio.NewReader(r)
	var cases []Case
	n := 0
	for more := true; more; {
		line, err := b.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return nil, fmt.Errorf("%d: %w", n+1, err)
		}
		more = err == nil
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c, err := readCase(line)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", n, err)
		}
		if c.Input.Name == "" {
			c.Input.Name = fmt.Sprintf("line %d", n)
		}
		cases = append(cases, *c)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%d: there is no case", n)
	}
	return cases, nil
}

// readCase reads one line. What stands in the input must be known: a field that is not could
// change the decision.
func readCase(line []byte) (*Case, error) {
	var form struct {
		Input json.RawMessage `json:"input"`
		Want  *Decision       `json:"want"`
	}
	if err := json.Unmarshal(line, &form); err != nil {
		return nil, fmt.Errorf("%w, want a case: {\"input\": ..., \"want\": ...}", err)
	}
	if form.Input == nil || form.Want == nil {
		return nil, errors.New("not a case, want {\"input\": ..., \"want\": ...}")
	}
	c := &Case{Want: *form.Want}
	d := json.NewDecoder(bytes.NewReader(form.Input))
	d.DisallowUnknownFields()
	if err := d.Decode(&c.Input); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	if c.Input.Pending == nil {
		return nil, errors.New("input: there is no pending pod")
	}
	return c, nil
}

// WriteCases writes cases one a line.
func WriteCases(w io.Writer, cases []Case) error {
	e := json.NewEncoder(w)
	for i := range cases {
		if err := e.Encode(&cases[i]); err != nil {
			return err
		}
	}
	return nil
}
