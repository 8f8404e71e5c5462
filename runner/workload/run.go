package workload

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Directory is where the program finds what to do, in its container. The variable PODSIM_DIRECTORY
// names another one.
const Directory = "/podsim"

// The files of the directory: RunFile is there before the program starts, which writes StartedFile with the
// moment of its start as soon as it listens.
const (
	RunFile     = "run.json"
	StartedFile = "started"
)

// MostProcesses is how many processes the program has at most: a child is a process of its own and takes
// about 1 MiB of the machine. MostPoints is how many points of memory a run should have: each exec
// probe reads them. MostBytes is how much of a file or of the log is on the disk, and MostInodes how many
// files are made: what the scenario's disks hold may be more than this machine's, which may be in memory.
const (
	MostProcesses = 256
	MostPoints    = 4096
	MostBytes     = 16 << 20
	MostInodes    = 4096
)

// Run is what the program does in one run of a container. Times count from its start.
type Run struct {
	// Forever says that it does not end by itself. Otherwise it ends after For or, where MilliCPUs is
	// set, when it has had the CPU time Work, using so many thousandths of cores at a time.
	Forever   bool          `json:"forever,omitempty"`
	For       time.Duration `json:"for,omitempty"`
	Work      time.Duration `json:"work,omitempty"`
	MilliCPUs int64         `json:"milliCPUs,omitempty"`
	// Exit is the exit code of that end.
	Exit int `json:"exit,omitempty"`
	// OOM says that it ends by using more memory than MemoryLimit, until it is killed. Without a limit, or
	// with one that the machine has not left, nothing would kill it: it exits with 137 then.
	OOM bool `json:"oom,omitempty"`
	// MemoryLimit is the limit of the container in bytes, 0 for none.
	MemoryLimit int64 `json:"memoryLimit,omitempty"`

	// Message is written to MessagePath and Log to the standard output, both at the start: the end may
	// be a SIGKILL. Log is written again after all that Logs asks for, so that it is at the end.
	Message     string `json:"message,omitempty"`
	MessagePath string `json:"messagePath,omitempty"`
	Log         string `json:"log,omitempty"`

	Term Term `json:"term"`

	// Memory is the memory in use; ChildMemory says that it is a child's. When that is killed the program
	// goes on.
	Memory      []MemoryPoint `json:"memory,omitempty"`
	ChildMemory bool          `json:"childMemory,omitempty"`
	// Processes is the number of processes, one where nothing is said, MostProcesses at most.
	Processes []ProcessPoint `json:"processes,omitempty"`
	// Files are what it has written, Logs how many bytes to its standard output.
	Files []FilePoint `json:"files,omitempty"`
	Logs  []FilePoint `json:"logs,omitempty"`

	// Servers are what it listens on.
	Servers []Server `json:"servers,omitempty"`
	// Commands are the answers of `podsim-workload probe KIND` (startup, liveness, readiness) and
	// `podsim-workload hook NAME` (postStart, preStop), by "probe KIND" and "hook NAME".
	Commands map[string][]Answer `json:"commands,omitempty"`
}

// Term is what the program does on SIGTERM, and on all other signals that ask a process to end.
type Term struct {
	// Ignore says that it goes on until it is killed. Otherwise it exits with Exit After that time.
	Ignore bool          `json:"ignore,omitempty"`
	After  time.Duration `json:"after,omitempty"`
	Exit   int           `json:"exit,omitempty"`
}

// MemoryPoint is the memory in use from At on, in bytes: Use at that moment, and from there on PerSecond
// more each second, or less when below 0. Before the first point it is what the program itself needs.
type MemoryPoint struct {
	At        time.Duration `json:"at,omitempty"`
	Use       int64         `json:"use"`
	PerSecond float64       `json:"perSecond,omitempty"`
}

// ProcessPoint is the number of processes from At on.
type ProcessPoint struct {
	At    time.Duration `json:"at,omitempty"`
	Count int           `json:"count"`
}

// FilePoint is what there is from At on: Use bytes in the file Path, and beside it as many empty files
// as make Inodes with it. Of a log Path and Inodes are not used. What is beyond MostBytes of a file is a
// hole in it.
type FilePoint struct {
	At     time.Duration `json:"at,omitempty"`
	Path   string        `json:"path,omitempty"`
	Use    int64         `json:"use"`
	Inodes int64         `json:"inodes,omitempty"`
}

// The protocols of a Server.
const (
	HTTP = "http"
	TCP  = "tcp"
	GRPC = "grpc"
)

// OutputHeader is in an HTTP answer whose body is an Output, OutputField in the header of a gRPC answer with
// one.
const (
	OutputHeader = "Podsim-Output"
	OutputField  = "podsim-output-bin"
)

// Server answers probes, or HTTP hooks, of one kind on a port of its own.
//
// While an answer is Refused nobody listens; with TCP, neither while it is not OK. An HTTP server answers
// with Status, or 200 and 503 by OK, and Output as the body, which is empty when Output is. A gRPC server
// answers Check with SERVING or NOT_SERVING, and with Output in OutputField. Connecting
// takes no time, so TCP does not know Takes: whoever asks waits so long himself.
type Server struct {
	// Address is what it listens on, such as 127.3.0.1:8080. While another process has it the program
	// waits for it.
	Address  string `json:"address"`
	Protocol string `json:"protocol"`
	// From is when it begins to listen.
	From    time.Duration `json:"from,omitempty"`
	Answers []Answer      `json:"answers,omitempty"`
}

// Answer is how a probe or a hook goes from At on.
type Answer struct {
	At time.Duration `json:"at,omitempty"`
	OK bool          `json:"ok"`
	// Output is what one that fails says. A command writes it to its standard output.
	Output string `json:"output,omitempty"`
	// Takes is how long it takes: one of these at random, no time when there is none.
	Takes   []time.Duration `json:"takes,omitempty"`
	Status  int             `json:"status,omitempty"`
	Refused bool            `json:"refused,omitempty"`
	// Exit is the exit code of a command that fails, 0 for 1.
	Exit int `json:"exit,omitempty"`
}

// AnswerAt is the answer a span of time after the start. Before the first one all is well.
func AnswerAt(answers []Answer, since time.Duration) Answer {
	now := Answer{OK: true}
	for _, a := range answers {
		if a.At <= since {
			now = a
		}
	}
	return now
}

// Wait is how long the answer takes, drawn at random.
func (a *Answer) Wait() time.Duration {
	if len(a.Takes) == 0 {
		return 0
	}
	return a.Takes[rand.IntN(len(a.Takes))]
}

// Write makes the directory ready for a run. Whoever the container runs as may write to it.
func Write(directory string, run *Run) error {
	data, err := json.Marshal(run)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	// MkdirAll and WriteFile leave away what the umask says.
	if err := os.Chmod(directory, 0o777); err != nil {
		return err
	}
	name := filepath.Join(directory, RunFile)
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return err
	}
	return os.Chmod(name, 0o644)
}

// Read is what a directory says.
func Read(directory string) (*Run, error) {
	name := filepath.Join(directory, RunFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	run := &Run{}
	if err := json.Unmarshal(data, run); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return run, nil
}

// Started is when the program of a directory started. The error wraps fs.ErrNotExist while it has not.
func Started(directory string) (time.Time, error) {
	name := filepath.Join(directory, StartedFile)
	data, err := os.ReadFile(name)
	if err != nil {
		return time.Time{}, err
	}
	ns, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	return time.Unix(0, ns), nil
}

// writeStarted notes the start. The file is there whole or not at all.
func writeStarted(directory string, at time.Time) error {
	name := filepath.Join(directory, StartedFile)
	if err := os.WriteFile(name+".new", strconv.AppendInt(nil, at.UnixNano(), 10), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}
