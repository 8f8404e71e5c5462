package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type mount struct {
	path, kind string
	// super are the options of the file system itself.
	super string
}

// mounts lists what is mounted, in the order of the mounts.
func mounts() []mount {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var out []mount
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		before, after, ok := strings.Cut(line, " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if ok && len(f) >= 5 && len(g) >= 3 {
			out = append(out, mount{path: unescape(f[4]), kind: g[0], super: g[2]})
		}
	}
	return out
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// unescape undoes what the kernel does to blanks in paths.
func unescape(s string) string { return mountEscapes.Replace(s) }

// mountsBelow are the paths at or below a folder on which something is mounted.
func mountsBelow(dir string) []string {
	var out []string
	for _, m := range mounts() {
		if m.path == dir || strings.HasPrefix(m.path, dir+"/") {
			out = append(out, m.path)
		}
	}
	return out
}

// unmountBelow unmounts all at or below a folder, the latest first.
func unmountBelow(dir string) error {
	var errs []error
	for _, p := range slices.Backward(mountsBelow(dir)) {
		if err := unmount(p); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}
