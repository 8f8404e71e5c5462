package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"podsim/model"
)

// runFile names the run; format is the version of the record's form.
const (
	runFile = "run.json"
	format  = "podsim/record/v1"
)

// RunInfo is what run.json says of a run. docs/record.md is made of the tags `doc`.
type RunInfo struct {
	// Format is set by NewWriter.
	Format string `json:"format" doc:"the version of the record's form"`
	// Complete is false in the record of a killed run.
	Complete bool `json:"complete" doc:"whether the run went to its end"`

	Scenario   string `json:"scenario" doc:"the scenario's name"`
	Path       string `json:"path" doc:"the file that it was read from"`
	Seed       uint64 `json:"seed" doc:"the seed of all random draws"`
	Version    string `json:"version" doc:"podsim's version"`
	Kubernetes string `json:"kubernetes" doc:"the Kubernetes release that podsim follows"`
	Runtime    string `json:"runtime,omitempty" doc:"the container runtime of the real node that it was played on; none for a simulation"`
	Hash       string `json:"hash,omitempty" doc:"the same for two runs when all that was observed of them is the same"`

	Start    time.Time     `json:"start" doc:"the wall clock at 0s, to which all times of the record are relative"`
	Duration model.Time    `json:"duration_ns" doc:"how long the run was to be, in virtual time"`
	Ended    model.Time    `json:"ended_ns" doc:"when it ended, in virtual time"`
	Wall     time.Duration `json:"wall_ns" doc:"how long it took, in real time"`
	// PeakMemory is 0 when it is not known.
	PeakMemory int64 `json:"peak_memory_bytes" doc:"the most memory of the process; 0 when it is not known"`

	Events           int64 `json:"events" doc:"the number of events of the simulator"`
	Transitions      int64 `json:"transitions" doc:"the number of rows of transitions.parquet"`
	KubernetesEvents int64 `json:"kubernetes_events" doc:"the number of rows of events.parquet"`
	Placements       int64 `json:"placements" doc:"the number of pods that the scheduler bound"`
	OOMKills         int64 `json:"oom_kills" doc:"how often the kernel of a node killed something for want of memory"`
}

// writeRun writes run.json at once, never half of it.
func writeRun(dir string, info *RunInfo) error {
	data, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, runFile)
	if err := os.WriteFile(name+".tmp", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

func readRun(dir string) (*RunInfo, error) {
	data, err := os.ReadFile(filepath.Join(dir, runFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: no record of a run is there; `podsim run SCENARIO -o %s` makes one", dir, dir)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s is a file, want the folder of a record", dir)
	}
	if err != nil {
		return nil, err
	}
	var info RunInfo
	if err := json.Unmarshal(data, &info); err != nil || info.Format != format {
		return nil, fmt.Errorf("%s: %s is not a record of this version of podsim (%s)", dir, runFile, format)
	}
	return &info, nil
}

// prepare makes the folder of a record. It clears an older record away and leaves anything
// else alone.
func prepare(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = os.MkdirAll(dir, 0o755)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s is a file, or in one; name a folder for the record", dir)
	}
	if err != nil {
		return fmt.Errorf("%w; name another folder for the record", err)
	}
	for _, e := range entries {
		if !ours.MatchString(e.Name()) || e.IsDir() {
			return fmt.Errorf("%s holds %s, which is not part of a record: it is left alone; name a new folder with -o", dir, e.Name())
		}
	}
	if len(entries) > 0 && !isRecord(dir) {
		return fmt.Errorf("%s is not a record of podsim: it is left alone; name a new folder with -o", dir)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ours are the names of a record's files.
var ours = regexp.MustCompile(`^(run\.json|operations\.csv|(transitions|events)(-\d{5,})?\.parquet)(\.tmp)?$`)

// isRecord says whether run.json is that of a record, of this version or another.
func isRecord(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, runFile))
	var info struct {
		Format string `json:"format"`
	}
	return err == nil && json.Unmarshal(data, &info) == nil && strings.HasPrefix(info.Format, path.Dir(format)+"/")
}
