package workload

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"
)

// The exit codes of the program's own mistakes. No scenario's container has run then.
const (
	exitUsage  = 2
	exitBroken = 125
)

const usage = `podsim-workload stands in for the process of a container, as podsim run --on containerd starts it.

  podsim-workload              do what /podsim/run.json says
  podsim-workload probe KIND   answer an exec probe: startup, liveness or readiness
  podsim-workload hook NAME    run an exec hook: postStart or preStop
  podsim-workload pause        hold a sandbox until SIGTERM

The variable PODSIM_DIRECTORY names another folder than /podsim.
`

// Main is the program: it gives the exit code.
func Main(args []string) int {
	started := time.Now()
	// Little is allocated: a small heap is collected seldom, and two threads are enough for all but work.
	debug.SetGCPercent(20)
	runtime.GOMAXPROCS(2)
	directory := cmp.Or(os.Getenv("PODSIM_DIRECTORY"), Directory)
	code, err := exitUsage, error(nil)
	switch {
	case len(args) == 0:
		code, err = run(directory, started)
	case len(args) == 2 && (args[0] == "probe" || args[0] == "hook"):
		code, err = command(directory, args[0]+" "+args[1])
	case len(args) == 1 && args[0] == "pause":
		pause()
		return 0
	case len(args) == 1 && args[0] == childIdle:
		io.Copy(io.Discard, os.Stdin)
		return 0
	case len(args) == 1 && args[0] == childMemory:
		code, err = 0, beChildMemory(directory)
	case len(args) == 1 && args[0] == "--help":
		fmt.Print(usage)
		return 0
	default:
		fmt.Fprint(os.Stderr, usage)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "podsim-workload: %v\n", err)
		return exitBroken
	}
	return code
}

// run is the life of the main process.
func run(directory string, started time.Time) (int, error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, stopSignals()...)
	r, err := Read(directory)
	if err != nil {
		return 0, err
	}
	p := &process{Run: r, directory: directory, start: started}
	for i := range p.Servers {
		p.serve(&p.Servers[i])
	}
	if err := writeStarted(directory, started); err != nil {
		return 0, err
	}
	p.begin()
	return p.live(signals), nil
}

// pause is the life of a sandbox's own container. Where the pod's containers share its process namespace, it
// takes the ends of those whose parents have ended.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
				break
			}
		}
	}
}

// begin begins what goes on beside the end that is waited for. What cannot be done is told on the standard
// error and left out: the container's life is what matters.
func (p *process) begin() {
	if p.Message != "" {
		complain(os.WriteFile(p.MessagePath, []byte(p.Message), 0o644))
	}
	switch {
	case len(p.Memory) > 0 && p.ChildMemory:
		_, err := startChild(p.directory, childMemory)
		complain(err)
	case len(p.Memory) > 0:
		m, err := newMemory(p.MemoryLimit, ownMemory("self"))
		complain(err)
		if err == nil {
			go m.follow(p.Memory, p.start)
		}
	}
	if len(p.Processes) > 0 {
		go p.keepProcesses()
	}
	if len(p.Files) > 0 {
		go p.writeFiles()
	}
	if len(p.Logs) > 0 {
		go p.writeLogs()
	} else {
		io.WriteString(os.Stdout, p.Log)
	}
}

// live waits for the end.
func (p *process) live(signals <-chan os.Signal) int {
	var ends, termEnds <-chan time.Time
	var worked <-chan struct{}
	switch {
	case p.Forever:
	case p.MilliCPUs > 0:
		worked = work(p.Work, p.MilliCPUs)
	default:
		ends = time.After(time.Until(p.start.Add(p.For)))
	}
	for {
		select {
		case <-signals:
			if !p.Term.Ignore && termEnds == nil {
				termEnds = time.After(p.Term.After)
			}
		case <-termEnds:
			return p.Term.Exit
		case <-worked:
			return p.Exit
		case <-ends:
			if p.OOM {
				exceed(p.MemoryLimit)
				return 128 + int(syscall.SIGKILL)
			}
			return p.Exit
		}
	}
}

// stopSignals are those that ask a process to end, whatever a container's stopSignal is: all that the
// kernel does not use to tell of something else.
func stopSignals() []os.Signal {
	list := []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGTERM, syscall.SIGIO, syscall.SIGPWR, syscall.SIGWINCH, syscall.SIGVTALRM}
	const firstRealtime, lastRealtime = 34, 64
	for s := firstRealtime; s <= lastRealtime; s++ {
		list = append(list, syscall.Signal(s))
	}
	return list
}

// command is an exec probe or hook.
func command(directory, name string) (int, error) {
	r, err := Read(directory)
	if err != nil {
		return 0, err
	}
	answers, ok := r.Commands[name]
	if !ok {
		return 0, fmt.Errorf("the container has no %s", name)
	}
	start, err := Started(directory)
	if errors.Is(err, fs.ErrNotExist) {
		start, err = time.Now(), nil
	}
	if err != nil {
		return 0, err
	}
	a := answer(answers, start)
	io.WriteString(os.Stdout, a.Output)
	if !a.OK {
		return max(1, a.Exit), nil
	}
	return 0, nil
}
