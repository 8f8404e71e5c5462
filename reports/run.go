package reports

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"podsim/model"
)

// runFile names the run; format is the version of the record's form.
const (
	runFile = "run.json"
	format  = "podsim/record/v1"
)

// RunInfo is what run.json says of a run.
type RunInfo struct {
	// Format is the version of the record's form; NewWriter sets it.
	Format string `json:"format"`
	// Complete says that the run went to its end; a killed run's record is not complete.
	Complete bool `json:"complete"`

	// Scenario is the scenario's name, Path the file it was read from.
	Scenario string `json:"scenario"`
	Path     string `json:"path"`
	Seed     uint64 `json:"seed"`
	// Version is podsim's, Kubernetes that of the release it follows.
	Version    string `json:"version"`
	Kubernetes string `json:"kubernetes"`
	// Hash is the same for two runs when all that was observed of them is the same.
	Hash string `json:"hash,omitempty"`

	// Start is the wall clock at 0s. Duration is what was asked for and Ended where the run
	// ended, in nanoseconds of virtual time; Wall is in nanoseconds of real time.
	Start    time.Time     `json:"start"`
	Duration model.Time    `json:"duration_ns"`
	Ended    model.Time    `json:"ended_ns"`
	Wall     time.Duration `json:"wall_ns"`
	// PeakMemory is the most memory of the process in bytes, 0 when it is not known.
	PeakMemory int64 `json:"peak_memory_bytes"`

	Events           int64 `json:"events"`
	Transitions      int64 `json:"transitions"`
	KubernetesEvents int64 `json:"kubernetes_events"`
	Placements       int64 `json:"placements"`
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
		return os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ours(e.Name()) || e.IsDir() {
			return fmt.Errorf("%s holds %s, which is not part of a record: it is left alone; name a new folder with -o", dir, e.Name())
		}
	}
	if _, err := readRun(dir); len(entries) > 0 && err != nil {
		return fmt.Errorf("%s is not a record of podsim: it is left alone; name a new folder with -o", dir)
	}
	for _, e := range entries {
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ours says whether a file belongs to a record.
func ours(name string) bool {
	name = strings.TrimSuffix(name, ".tmp")
	if name == runFile {
		return true
	}
	return strings.HasSuffix(name, ".parquet") && (strings.HasPrefix(name, "transitions") || strings.HasPrefix(name, "events"))
}
