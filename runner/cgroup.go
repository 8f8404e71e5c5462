package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroupHierarchy is one mounted hierarchy of cgroups.
type cgroupHierarchy struct {
	path string
	// unified is cgroup v2. Beside hierarchies of v1 it has few or no controllers.
	unified bool
	// controllers are those of a hierarchy of v1, such as "memory".
	controllers []string
}

// cgroupHierarchies are the mounted hierarchies.
func cgroupHierarchies() []cgroupHierarchy {
	var roots []cgroupHierarchy
	for _, m := range mounts() {
		switch m.kind {
		case "cgroup":
			roots = append(roots, cgroupHierarchy{path: m.path, controllers: strings.Split(m.super, ",")})
		case "cgroup2":
			roots = append(roots, cgroupHierarchy{path: m.path, unified: true})
		}
	}
	return roots
}

// cgroupVersion is 1 where any controller is bound to a hierarchy of v1, 2 where all are in the unified one, 0
// where no cgroups are mounted.
func cgroupVersion(roots []cgroupHierarchy) int {
	version := 0
	for _, r := range roots {
		if !r.unified {
			return 1
		}
		version = 2
	}
	return version
}

// cgroupsBelow are the cgroups that the processes below one are in, as paths from the hierarchies' roots; not
// those of the process itself.
func cgroupsBelow(p Process) []string {
	own := cgroupsOf(p)
	var out []string
	for _, c := range descendants(p)[1:] {
		for _, g := range cgroupsOf(c) {
			if !slices.Contains(own, g) && !slices.Contains(out, g) {
				out = append(out, g)
			}
		}
	}
	return out
}

// cgroupsOf are the cgroups of a process (/proc/PID/cgroup), as paths from the hierarchies' roots.
func cgroupsOf(p Process) []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.PID))
	if err != nil {
		return nil
	}
	var out []string
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if f := strings.SplitN(line, ":", 3); len(f) == 3 && f[2] != "/" && !slices.Contains(out, f[2]) {
			out = append(out, f[2])
		}
	}
	return out
}

// cgroupMembers are the processes in a cgroup and those below it, in all hierarchies.
func cgroupMembers(group string) []Process {
	var out []Process
	seen := map[int]bool{}
	for _, r := range cgroupHierarchies() {
		filepath.WalkDir(filepath.Join(r.path, group), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() != "cgroup.procs" {
				return nil
			}
			data, _ := os.ReadFile(p)
			for _, f := range strings.Fields(string(data)) {
				pid, _ := strconv.Atoi(f)
				if p, err := processOf(pid); err == nil && !seen[pid] {
					seen[pid] = true
					out = append(out, p)
				}
			}
			return nil
		})
	}
	return out
}

// cgroupBusyMax is how long the folders of a cgroup may be busy after its last process has ended: a guess.
const cgroupBusyMax = 3 * time.Second

// clearCgroup removes a cgroup and all below it from all hierarchies, the lowest first. None may hold a process.
func clearCgroup(group string) error {
	if group = path.Clean("/" + group); group == "/" {
		return nil
	}
	var errs []error
	end := time.Now().Add(cgroupBusyMax)
	for _, r := range cgroupHierarchies() {
		var dirs []string
		filepath.WalkDir(filepath.Join(r.path, group), func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, p)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			errs = append(errs, removeWhenFree(d, end))
		}
	}
	return errors.Join(errs...)
}

// removeWhenFree removes a cgroup's folder. The kernel holds it for busy until it is through with the last process; it is
// tried until the end.
func removeWhenFree(dir string, end time.Time) error {
	for ; ; time.Sleep(5 * time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(end) {
			return err
		}
	}
}

// removeEmptyCgroups removes a cgroup from all hierarchies where it holds nothing, and does the same above it.
func removeEmptyCgroups(group string) {
	roots := cgroupHierarchies()
	for ; group != "/" && group != "."; group = path.Dir(group) {
		for _, r := range roots {
			os.Remove(filepath.Join(r.path, group))
		}
	}
}
