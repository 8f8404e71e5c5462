package kubelet

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/status"
	"k8s.io/cri-client/pkg"
	utilexec "k8s.io/utils/exec"
)

// tester is the program of the recordings' images. Its arguments are carried out in order:
// sleep=DURATION, exit=CODE, forever, alloc=MiB, write=PATH:MiB, http=:PORT, failmsg=TEXT; and,
// anywhere in the list, ignoreterm and term-exit=CODE say what SIGTERM does.
const tester = "/tester"

const (
	allocPerMiB = 5 * time.Millisecond
	writePerMiB = 2 * time.Millisecond
	forever     = time.Duration(-1)
)

// process is a container's main process.
type process struct {
	signals chan syscall.Signal
	// exited is closed at the end.
	exited     chan struct{}
	ignoreTerm bool
	termExit   int32
	// port is the one that it listens on, empty for none.
	port string
	// layerBytes is what it wrote into its own layer.
	layerBytes uint64
}

// exit is how a process ends.
type exit struct {
	code            int32
	reason, message string
}

func newProcess() process {
	return process{signals: make(chan syscall.Signal, 16), exited: make(chan struct{})}
}

// send gives the process a signal. More than it can take are lost, as real ones are.
func (p *process) send(s syscall.Signal) {
	select {
	case p.signals <- s:
	default:
	}
}

// pause lets a process wait; alive says whether no signal ended it meanwhile.
func (p *process) pause(d time.Duration) (e exit, alive bool) {
	var over <-chan time.Time
	if d != forever {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-over:
			return exit{}, true
		case s := <-p.signals:
			if s == syscall.SIGKILL {
				return exit{code: 137}, false
			}
			if !p.ignoreTerm {
				return exit{code: p.termExit}, false
			}
		}
	}
}

// run is a container's life.
func (r *fakeRuntime) run(c *container) {
	args := c.config.Args
	if len(c.config.Command) > 1 {
		args = append(append([]string{}, c.config.Command[1:]...), args...)
	}
	c.obey(args)
	r.finish(c, r.play(c, args))
}

// obey takes over what the arguments say of SIGTERM.
func (p *process) obey(args []string) {
	for _, a := range args {
		if a == "ignoreterm" {
			p.ignoreTerm = true
		}
		if code, ok := strings.CutPrefix(a, "term-exit="); ok {
			p.termExit = int32(number(code))
		}
	}
}

// play carries the arguments out, one after the other.
func (r *fakeRuntime) play(c *container, args []string) exit {
	if e, alive := c.pause(r.latencies.Process); !alive {
		return e
	}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		if key == "exit" {
			return exit{code: int32(number(value))}
		}
		takes, deadly := r.argument(c, key, value)
		if takes == 0 {
			continue
		}
		if e, alive := c.pause(takes); !alive {
			return e
		}
		if deadly {
			return exit{code: 137, reason: "OOMKilled"}
		}
	}
	return exit{}
}

// argument begins with one argument, and says how long it takes and whether it ends with the
// kernel's kill for want of memory.
func (r *fakeRuntime) argument(c *container, key, value string) (takes time.Duration, deadly bool) {
	switch key {
	case "sleep":
		takes, _ = time.ParseDuration(value)
	case "forever":
		takes = forever
	case "alloc":
		bytes := int64(number(value)) << 20
		limit := c.config.GetLinux().GetResources().GetMemoryLimitInBytes()
		deadly = limit > 0 && bytes > limit
		if deadly {
			bytes = limit
		}
		takes = time.Duration(bytes>>20) * allocPerMiB
	case "write":
		file, size, _ := strings.Cut(value, ":")
		r.write(c, file, uint64(number(size))<<20)
		takes = time.Duration(number(size)) * writePerMiB
	case "http":
		r.mu.Lock()
		c.port = strings.TrimPrefix(value, ":")
		r.mu.Unlock()
	case "failmsg":
		c.terminationMessage(value)
	}
	return takes, deadly
}

// write fills a file on a volume, whose size the kubelet sees for itself, or in the container's
// own layer. The kubelet counts blocks, so files are not sparse.
func (r *fakeRuntime) write(c *container, file string, bytes uint64) {
	for _, m := range c.config.Mounts {
		if inner, ok := strings.CutPrefix(file, m.ContainerPath+"/"); ok {
			_ = os.WriteFile(m.HostPath+"/"+inner, make([]byte, bytes), 0o644)
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.layerBytes += bytes
}

// terminationMessage writes the file that the kubelet mounts for it.
func (c *container) terminationMessage(text string) {
	at := c.config.Annotations["io.kubernetes.container.terminationMessagePath"]
	for _, m := range c.config.Mounts {
		if m.ContainerPath == at {
			_ = os.WriteFile(m.HostPath, []byte(text), 0o644)
		}
	}
}

// exec runs the tester once more in a container: "probe KIND N [M]" judges by the time since the
// container's start, other arguments are sleep and exit.
func (c *container) exec(ctx context.Context, command []string, timeout time.Duration) (out, _ []byte, err error) {
	args := command[1:]
	if len(args) > 2 && args[0] == "probe" {
		if c.judge(args[1], args[2:]) {
			return []byte("probe ok\n"), nil, nil
		}
		return []byte("probe judged bad\n"), nil, exitError(command, 1)
	}
	var over <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	for _, a := range args {
		key, value, _ := strings.Cut(a, "=")
		switch key {
		case "exit":
			return []byte("exit " + value + "\n"), nil, exitError(command, number(value))
		case "sleep":
			d, _ := time.ParseDuration(value)
			timer := time.NewTimer(d)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-over:
				words := strings.Join(command, " ")
				return nil, nil, fmt.Errorf("%w: %q timed out after %s", cri.ErrCommandTimedOut, words, timeout)
			case <-c.exited:
				return nil, nil, exitError(command, 137)
			case <-ctx.Done():
				return nil, nil, status.FromContextError(ctx.Err()).Err()
			}
		}
	}
	return nil, nil, nil
}

// exitError is what the kubelet's client of the runtime makes of an exit code.
func exitError(command []string, code int) error {
	if code == 0 {
		return nil
	}
	err := fmt.Errorf("command '%s' exited with %d: ", strings.Join(command, " "), code)
	return utilexec.CodeExitError{Err: err, Code: code}
}

// judge is the tester's verdict on itself: "after N" and "until N" seconds, "flap N M" is good for
// N seconds, bad for M, and so on. Anything else is good.
func (c *container) judge(kind string, numbers []string) bool {
	n := make([]int, 2)
	for i := range min(len(numbers), len(n)) {
		n[i] = number(numbers[i])
	}
	age := time.Since(time.Unix(0, c.startedAt)).Seconds()
	switch kind {
	case "after":
		return age >= float64(n[0])
	case "until":
		return age < float64(n[0])
	case "flap":
		return int(age)%(n[0]+n[1]) < n[0]
	}
	return true
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
