package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a process of this machine. The kernel gives numbers again; the moment of the start tells
// two of the same number apart.
type Process struct {
	PID int `json:"pid"`
	// Started is field 22 of /proc/PID/stat: clock ticks since the machine's start.
	Started string `json:"started"`
}

// processOf finds a process by its number.
func processOf(pid int) (Process, error) {
	_, started, _, err := readStat(pid)
	return Process{PID: pid, Started: started}, err
}

// readStat reads a process's parent, the moment of its start and its state (proc_pid_stat(5)).
func readStat(pid int) (parent int, started string, state byte, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", 0, err
	}
	// The command's name in parentheses may hold anything.
	_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 20 {
		return 0, "", 0, fmt.Errorf("/proc/%d/stat is cut off", pid)
	}
	parent, err = strconv.Atoi(f[1])
	return parent, f[19], f[0][0], err
}

// Alive says whether the process runs. One that has ended and waits for its parent does not.
func (p Process) Alive() bool {
	if p.PID <= 0 {
		return false
	}
	_, started, state, err := readStat(p.PID)
	return err == nil && started == p.Started && state != 'Z' && state != 'X'
}

// Signal sends a signal unless the process has ended.
func (p Process) Signal(s syscall.Signal) {
	if p.Alive() {
		sendSignal(p.PID, s)
	}
}

// End asks the process to end, kills it when it has not after the grace period, and waits for its end.
func (p Process) End(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	if !p.awaitEnd(grace) {
		p.Kill()
	}
}

// Kill kills the process and waits for its end.
func (p Process) Kill() {
	p.Signal(syscall.SIGKILL)
	p.awaitEnd(killMax)
}

// killMax is how long a killed process may take to be gone: a guess; one in an uninterruptible wait takes as long as
// what it waits for.
const killMax = 5 * time.Second

func (p Process) awaitEnd(max time.Duration) bool {
	for end := time.Now().Add(max); p.Alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// processes lists the machine's processes.
func processes() []Process {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var out []Process
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, err := processOf(pid); err == nil {
				out = append(out, p)
			}
		}
	}
	return out
}

// arguments are a process's command line.
func (p Process) arguments() []string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// shimsOf are the shims that serve the containerd at a socket.
func shimsOf(socket string) []Process {
	var out []Process
	for _, p := range processes() {
		args := p.arguments()
		if len(args) == 0 || !strings.HasPrefix(filepath.Base(args[0]), "containerd-shim") {
			continue
		}
		if i := slices.Index(args, "-address"); i >= 0 && i+1 < len(args) && args[i+1] == socket {
			out = append(out, p)
		}
	}
	return out
}

// descendants are the processes below one, which comes first.
func descendants(p Process) []Process {
	children := map[int][]Process{}
	for _, c := range processes() {
		if parent, _, _, err := readStat(c.PID); err == nil {
			children[parent] = append(children[parent], c)
		}
	}
	out := []Process{p}
	for i := 0; i < len(out); i++ {
		out = append(out, children[out[i].PID]...)
	}
	return out
}

// killTree kills a process and all below it.
func killTree(p Process) {
	if !p.Alive() {
		return
	}
	tree := descendants(p)
	for _, c := range tree {
		c.Signal(syscall.SIGKILL)
	}
	for _, c := range tree {
		c.awaitEnd(killMax)
	}
}
