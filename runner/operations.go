package runner

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// operationsFile is the name of the file in a run's folder that says what each call to the container
// runtime took.
const operationsFile = "operations.csv"

// OperationKind is what a call to the container runtime does, or a time that is measured beside the calls.
type OperationKind string

// The calls of the CRI, and what is measured beside them.
const (
	OpRunSandbox    OperationKind = "runSandbox"
	OpStopSandbox   OperationKind = "stopSandbox"
	OpRemoveSandbox OperationKind = "removeSandbox"
	OpCreate        OperationKind = "create"
	OpStart         OperationKind = "start"
	OpStop          OperationKind = "stop"
	OpRemove        OperationKind = "remove"
	OpExec          OperationKind = "exec"
	// OpHook is a command that runs for as long as the scenario lets it.
	OpHook            OperationKind = "hook"
	OpUpdateResources OperationKind = "updateResources"
	// OpNetProbe is an HTTP, TCP or gRPC probe, which the runtime has no part in.
	OpNetProbe OperationKind = "netProbe"
	// OpImageStatus asks whether an image is there, OpPull fetches it.
	OpImageStatus OperationKind = "imageStatus"
	OpPull        OperationKind = "pull"
	OpRemoveImage OperationKind = "removeImage"
	// OpExitVisible is from the end of a container's process (finishedAt) until the runtime says so, and
	// OpOOMVisible is the same where the kernel killed it for want of memory.
	OpExitVisible OperationKind = "exitVisible"
	OpOOMVisible  OperationKind = "oomVisible"
)

// working are the operations that are work of the runtime on its node's processors. Pulls wait for a registry.
var working = []OperationKind{OpRunSandbox, OpStopSandbox, OpRemoveSandbox, OpCreate, OpStart, OpStop, OpRemove, OpExec, OpUpdateResources}

// Works says that operations of the kind are work of the runtime, which those under way at a time share.
func (k OperationKind) Works() bool { return slices.Contains(working, k) }

// How a container ended that was told to stop.
const (
	// EndedByTerm is an end on SIGTERM, or one that came before it.
	EndedByTerm = "term"
	// EndedByKill is SIGKILL, when the grace period was over.
	EndedByKill = "kill"
)

// Subject is what an operation is for, by the names in the scenario. What does not belong to it is empty.
type Subject struct {
	Node, Namespace, Pod, Container string
}

// Operation is one call of a run to the container runtime. Times are since the start of the run.
type Operation struct {
	Subject
	Kind OperationKind
	// At is when it began.
	At, Took time.Duration
	// Waited is the part of Took in which a stop waited for something that is not the runtime's own work: the
	// time that the process takes to end on SIGTERM, or the grace period.
	Waited time.Duration
	// Bytes is what a pull transfers: the size of the image as the registry has it.
	Bytes int64
	// InFlight is how many operations that work were under way when it began, itself included; 0 for those that do not
	// work. A stop counts, although it mostly waits.
	InFlight int
	// Ended is how a container ended that was told to stop: EndedByTerm or EndedByKill.
	Ended string
	// Error is the error's text, empty when all went well.
	Error string
}

// Machine is where a run's containers were.
type Machine struct {
	Runtime string `json:"runtime"`
	Version string `json:"version"`
	CPUs    int    `json:"cpus"`
	// Cgroups is v1 or v2; records of older versions do not say it.
	Cgroups string `json:"cgroups,omitempty"`
}

// String is the runtime and its version, such as "containerd 2.4.2".
func (m Machine) String() string {
	version, _, _ := strings.Cut(strings.TrimPrefix(m.Version, "v"), "+")
	return m.Runtime + " " + version
}

// operations keeps what the calls of a run to the container runtime take. Its methods may be called
// by any goroutine.
type operations struct {
	// machine is where the containers are. It is set before the run begins.
	machine Machine

	// mu guards what is below it.
	mu       sync.Mutex
	start    time.Time
	list     []Operation
	underWay int
	// stopped are the sandboxes that have been stopped: to stop them again is nothing.
	stopped map[string]bool
	// subjects are whose the runtime's sandboxes and containers are, by their ids.
	subjects map[string]Subject
}

// newOperations begins an empty list. What is called before begin does not count.
func newOperations() *operations {
	return &operations{stopped: map[string]bool{}, subjects: map[string]Subject{}}
}

// begin says that the run begins now.
func (o *operations) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.start = time.Now()
}

// operationCall is an operation that is under way. Its fields may be completed until its end.
type operationCall struct {
	Operation
	operations *operations
	began      time.Time
}

// beginCall is the beginning of a call; operationCall.end is its end.
func (o *operations) beginCall(kind OperationKind, of Subject) *operationCall {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := &operationCall{Operation: Operation{Subject: of, Kind: kind}, operations: o, began: time.Now()}
	if kind.Works() {
		o.underWay++
		c.InFlight = o.underWay
	}
	return c
}

// end is the end of a call, with its error or nil.
func (c *operationCall) end(err error) {
	c.Took = time.Since(c.began)
	if err != nil {
		c.Error = err.Error()
	}
	o := c.operations
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.Kind.Works() {
		o.underWay--
	}
	if !o.start.IsZero() && !c.began.Before(o.start) {
		c.At = c.began.Sub(o.start)
		o.list = append(o.list, c.Operation)
	}
}

// note adds what was measured beside the calls: what took from one moment to another.
func (o *operations) note(kind OperationKind, of Subject, from, to time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.start.IsZero() || from.Before(o.start) {
		return
	}
	o.list = append(o.list, Operation{Subject: of, Kind: kind, At: from.Sub(o.start), Took: to.Sub(from)})
}

// all is what has ended so far, in order of the beginnings.
func (o *operations) all() []Operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.list)
	slices.SortStableFunc(list, func(a, b Operation) int { return cmp.Compare(a.At, b.At) })
	return list
}

// operationColumns is the head of the file.
var operationColumns = []string{"at_ns", "operation", "node", "namespace", "pod", "container", "took_ns", "waited_ns", "bytes", "in_flight", "ended", "error"}

// operationsFormat begins the first line of the file; the machine as JSON follows.
const operationsFormat = "# podsim/operations/v1 "

// write writes the file into the folder of the run's record.
func (o *operations) write(dir string) error {
	return writeOperations(filepath.Join(dir, operationsFile), o.machine, o.all())
}

func writeOperations(name string, m Machine, list []Operation) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	machine, err := json.Marshal(m)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	b := bufio.NewWriter(f)
	fmt.Fprintf(b, "%s%s\n", operationsFormat, machine)
	w := csv.NewWriter(b)
	rows := [][]string{operationColumns}
	for i := range list {
		rows = append(rows, list[i].row())
	}
	return errors.Join(w.WriteAll(rows), b.Flush(), f.Close())
}

func (p *Operation) row() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{number(int64(p.At)), string(p.Kind), p.Node, p.Namespace, p.Pod, p.Container, number(int64(p.Took)), number(int64(p.Waited)),
		number(p.Bytes), strconv.Itoa(p.InFlight), p.Ended, strings.Join(strings.Fields(p.Error), " ")}
}

// ReadOperations reads the file in the folder of a run's record.
func ReadOperations(dir string) (Machine, []Operation, error) {
	var m Machine
	name := filepath.Join(dir, operationsFile)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return m, nil, fmt.Errorf("%s: there is no %s: it is not the record of a run on a real node (podsim run --on containerd), or that run was killed", dir, operationsFile)
	}
	if err != nil {
		return m, nil, err
	}
	defer f.Close()
	b := bufio.NewReader(f)
	head, err := b.ReadString('\n')
	machine, ok := strings.CutPrefix(head, operationsFormat)
	if err != nil || !ok || json.Unmarshal([]byte(machine), &m) != nil {
		return m, nil, fmt.Errorf("%s:1: the first line must begin with %q: it is not of this version of podsim", name, strings.TrimSpace(operationsFormat))
	}
	list, err := readRows(b)
	if err != nil {
		return m, nil, fmt.Errorf("%s:%w", name, err)
	}
	return m, list, nil
}

// readRows reads all lines after the first. An error begins with the number of its line in the file.
func readRows(in io.Reader) ([]Operation, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = len(operationColumns)
	head, err := r.Read()
	if err != nil || !slices.Equal(head, operationColumns) {
		return nil, fmt.Errorf("2: the columns must be %s", strings.Join(operationColumns, ","))
	}
	var list []Operation
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		line, _ := r.FieldPos(0)
		if err != nil {
			var parse *csv.ParseError
			if errors.As(err, &parse) {
				return nil, fmt.Errorf("%d: %w", parse.Line+1, parse.Err)
			}
			return nil, fmt.Errorf("%d: %w", line+1, err)
		}
		p, err := readRow(row)
		if err != nil {
			return nil, fmt.Errorf("%d: %w", line+1, err)
		}
		list = append(list, p)
	}
}

func readRow(row []string) (Operation, error) {
	var numbers [5]int64
	for i, column := range []int{0, 6, 7, 8, 9} {
		n, err := strconv.ParseInt(row[column], 10, 64)
		if err != nil {
			return Operation{}, fmt.Errorf("%s is %q, want a whole number", operationColumns[column], row[column])
		}
		numbers[i] = n
	}
	return Operation{Subject: Subject{Node: row[2], Namespace: row[3], Pod: row[4], Container: row[5]}, Kind: OperationKind(row[1]),
		At: time.Duration(numbers[0]), Took: time.Duration(numbers[1]), Waited: time.Duration(numbers[2]), Bytes: numbers[3],
		InFlight: int(numbers[4]), Ended: row[10], Error: row[11]}, nil
}
