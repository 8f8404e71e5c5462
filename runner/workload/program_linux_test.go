package workload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// program is the program that the tests run.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "workload")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "podsim-workload")
	build := exec.Command("go", "build", "-o", program, "podsim/cmd/podsim-workload")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s", out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// life is a run of the program as a plain process.
type life struct {
	*exec.Cmd
	directory      string
	stdout, stderr output
	begun          time.Time
}

// output is what a process that runs has written so far.
type output struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.lock.Lock()
	defer o.lock.Unlock()
	return o.text.String()
}

func begin(t *testing.T, r *Run) *life {
	l := &life{directory: t.TempDir(), begun: time.Now()}
	require.NoError(t, Write(l.directory, r))
	l.Cmd = exec.Command(program)
	l.Env = []string{"PODSIM_DIRECTORY=" + l.directory}
	l.Stdout, l.Stderr = &l.stdout, &l.stderr
	require.NoError(t, l.Start())
	t.Cleanup(func() {
		if l.ProcessState == nil {
			l.Process.Kill()
			l.Wait()
		}
	})
	until(t, func() bool { _, err := Started(l.directory); return err == nil })
	return l
}

// end waits for the end and gives the exit code, and how long the program ran.
func (l *life) end(t *testing.T) (code int, lasted time.Duration) {
	l.Wait()
	started, err := Started(l.directory)
	require.NoError(t, err)
	assert.WithinRange(t, started, l.begun, time.Now())
	return l.ProcessState.ExitCode(), time.Since(started)
}

// exec runs the program as an exec probe or hook would.
func (l *life) exec(t *testing.T, args ...string) (out string, code int) {
	cmd := exec.Command(program, args...)
	cmd.Env = l.Env
	got, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	return string(got), cmd.ProcessState.ExitCode()
}

// until waits for a condition.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond)
}

func TestRunEnds(t *testing.T) {
	const half = 500 * time.Millisecond
	for name, c := range map[string]struct {
		run      Run
		code     int
		at, most time.Duration
	}{
		"at once":             {run: Run{}},
		"after a time":        {run: Run{For: half, Exit: 7}, code: 7, at: half},
		"exit 255":            {run: Run{Exit: 255}, code: 255},
		"for CPU time":        {run: Run{Work: 100 * time.Millisecond, MilliCPUs: 1000, Exit: 3}, code: 3, at: 100 * time.Millisecond},
		"for less of a core":  {run: Run{Work: 100 * time.Millisecond, MilliCPUs: 250}, at: 390 * time.Millisecond},
		"killed, no limit":    {run: Run{OOM: true}, code: 137},
		"limit not there":     {run: Run{OOM: true, MemoryLimit: 1 << 50}, code: 137},
		"limit not enforced":  {run: Run{OOM: true, MemoryLimit: 1 << 20}, code: 137},
		"with something else": {run: Run{For: half, Log: "bye\n", Memory: []MemoryPoint{{Use: 1 << 20}}}, at: half},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begin(t, &c.run)
			code, lasted := l.end(t)
			assert.Equal(t, c.code, code)
			assert.GreaterOrEqual(t, lasted, c.at)
			assert.Equal(t, c.run.Log, l.stdout.String())
			assert.Empty(t, l.stderr.String())
		})
	}
}

func TestWorkIsCPUTime(t *testing.T) {
	l := begin(t, &Run{Work: 300 * time.Millisecond, MilliCPUs: 1000})
	l.end(t)
	used := l.ProcessState.UserTime() + l.ProcessState.SystemTime()
	assert.InDelta(t, 0.3, used.Seconds(), 0.1)
}

func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		term   Term
		signal syscall.Signal
		code   int
	}{
		"SIGTERM at once":     {signal: syscall.SIGTERM},
		"SIGTERM, exit code":  {term: Term{Exit: 143}, signal: syscall.SIGTERM, code: 143},
		"SIGTERM, later":      {term: Term{After: 200 * time.Millisecond, Exit: 1}, signal: syscall.SIGTERM, code: 1},
		"SIGUSR1":             {term: Term{Exit: 9}, signal: syscall.SIGUSR1, code: 9},
		"SIGQUIT":             {term: Term{Exit: 9}, signal: syscall.SIGQUIT, code: 9},
		"SIGRTMIN+3":          {term: Term{Exit: 9}, signal: 37, code: 9},
		"SIGKILL":             {term: Term{Exit: 9}, signal: syscall.SIGKILL, code: -1},
		"SIGKILL, if ignored": {term: Term{Ignore: true}, signal: syscall.SIGTERM, code: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := begin(t, &Run{Forever: true, Term: c.term})
			at := time.Now()
			require.NoError(t, l.Process.Signal(c.signal))
			if c.term.Ignore {
				for range 20 {
					require.NoError(t, l.Process.Signal(c.signal))
				}
				require.NoError(t, l.Process.Kill())
			}
			code, _ := l.end(t)
			assert.Equal(t, c.code, code)
			assert.GreaterOrEqual(t, time.Since(at), c.term.After)
		})
	}
}

func TestTheFirstSIGTERMCounts(t *testing.T) {
	l := begin(t, &Run{For: 20 * time.Second, Term: Term{After: 300 * time.Millisecond, Exit: 5}})
	at := time.Now()
	for {
		if l.Process.Signal(syscall.SIGTERM) != nil || time.Since(at) > 250*time.Millisecond {
			break
		}
	}
	code, _ := l.end(t)
	assert.Equal(t, 5, code)
	assert.Less(t, time.Since(at), 10*time.Second)
}

// TestMemory watches the memory of a process that takes some and gives it back.
func TestMemory(t *testing.T) {
	const mib = 1 << 20
	for _, child := range []bool{false, true} {
		t.Run(fmt.Sprint("child ", child), func(t *testing.T) {
			t.Parallel()
			l := begin(t, &Run{Forever: true, ChildMemory: child, Memory: []MemoryPoint{
				{Use: 40 * mib}, {At: 2 * time.Second, Use: 80 * mib}, {At: 4 * time.Second, Use: 20 * mib, PerSecond: 10 * mib}}})
			near := func(low, high int64) func() bool {
				return func() bool {
					use := anonymous(l.Process.Pid)
					return use >= low*mib && use <= high*mib
				}
			}
			until(t, near(38, 43))
			until(t, near(78, 83))
			until(t, near(19, 30))
			until(t, near(38, 43))
			if !child {
				return
			}
			for _, pid := range children(l.Process.Pid) {
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			}
			until(t, near(0, 4))
			require.NoError(t, l.Process.Signal(syscall.SIGTERM))
			code, _ := l.end(t)
			assert.Zero(t, code)
		})
	}
}

// TestIdleProgramIsSmall holds what 200 programs at once cost.
func TestIdleProgramIsSmall(t *testing.T) {
	l := begin(t, &Run{Forever: true})
	used := func() (ticks int) {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.Process.Pid))
		require.NoError(t, err)
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')'):]))
		user, _ := strconv.Atoi(f[12])
		system, _ := strconv.Atoi(f[13])
		return user + system
	}
	assert.Less(t, anonymous(l.Process.Pid), int64(3<<20))
	assert.Less(t, used(), 10, "hundredths of a second of CPU time to start")
}

// anonymous is the anonymous memory of a process and its children, as the kernel says it.
func anonymous(pid int) (use int64) {
	for _, p := range append(children(pid), pid) {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		for line := range strings.Lines(string(data)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "RssAnon:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				use += kib << 10
			}
		}
	}
	return use
}

// children are the processes that a process has started and that live.
func children(pid int) (list []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(data)) {
			p, _ := strconv.Atoi(f)
			list = append(list, p)
		}
	}
	return list
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	l := begin(t, &Run{Forever: true, Processes: []ProcessPoint{{Count: 4}, {At: 2 * time.Second, Count: 2}}})
	until(t, func() bool { return len(children(l.Process.Pid)) == 3 })
	until(t, func() bool { return len(children(l.Process.Pid)) == 1 })
	left := children(l.Process.Pid)
	require.NoError(t, l.Process.Kill())
	l.end(t)
	until(t, func() bool { return syscall.Kill(left[0], 0) != nil })
}

func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "volume", "data")
	l := begin(t, &Run{Forever: true, Files: []FilePoint{
		{Path: data, Use: 3 << 20, Inodes: 10}, {At: 2 * time.Second, Path: data, Use: 1 << 20},
		{At: 100 * time.Millisecond, Path: filepath.Join(dir, "layer"), Use: 5000}, {Path: filepath.Join(dir, "huge"), Use: 1 << 30}}})
	uses := func(path string, size int64, inodes int) func() bool {
		return func() bool {
			var s syscall.Stat_t
			if syscall.Stat(path, &s) != nil || s.Size != size || s.Blocks*512 < size {
				return false
			}
			found := 0
			filepath.Walk(path+".d", func(_ string, info os.FileInfo, _ error) error {
				if info != nil {
					found++
				}
				return nil
			})
			return found+1 == inodes
		}
	}
	until(t, uses(data, 3<<20, 10))
	until(t, uses(data, 1<<20, 1))
	until(t, uses(filepath.Join(dir, "layer"), 5000, 1))
	until(t, func() bool {
		var s syscall.Stat_t
		return syscall.Stat(filepath.Join(dir, "huge"), &s) == nil && s.Size == 1<<30 && s.Blocks*512 >= MostBytes && s.Blocks*512 < 2*MostBytes
	})
	assert.Empty(t, l.stderr.String())
}

func TestMessageAndLog(t *testing.T) {
	t.Parallel()
	message := filepath.Join(t.TempDir(), "termination-log")
	l := begin(t, &Run{Forever: true, Message: "no database", MessagePath: message, Log: "last\nwords", Logs: []FilePoint{{Use: 10 << 10}}})
	until(t, func() bool { data, _ := os.ReadFile(message); return string(data) == "no database" })
	require.NoError(t, l.Process.Signal(syscall.SIGTERM))
	l.end(t)

	l = begin(t, &Run{For: 200 * time.Millisecond, Log: "last\nwords", Logs: []FilePoint{{Use: 10 << 10}}})
	l.end(t)
	out := l.stdout.String()
	assert.True(t, strings.HasSuffix(out, ".\nlast\nwords"))
	lines := strings.Split(out, "\n")
	assert.Len(t, lines, 10+2)
	assert.Len(t, "2006-01-02T15:04:05.123456789Z stdout F "+lines[0]+"\n", 1024)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	l := begin(t, &Run{Forever: true, Commands: map[string][]Answer{
		"probe startup":   nil,
		"probe liveness":  {{OK: true}, {At: 400 * time.Millisecond, Output: "deadlock"}},
		"probe readiness": {{Takes: []time.Duration{300 * time.Millisecond}}},
		"hook preStop":    {{Output: "no leader", Exit: 4}},
		"hook postStart":  {{OK: true}},
	}})
	out, code := l.exec(t, "probe", "startup")
	assert.Equal(t, "0", out+strconv.Itoa(code))
	until(t, func() bool { out, code = l.exec(t, "probe", "liveness"); return code == 1 })
	assert.Equal(t, "deadlock", out)
	at := time.Now()
	out, code = l.exec(t, "probe", "readiness")
	assert.Equal(t, "1", out+strconv.Itoa(code))
	assert.GreaterOrEqual(t, time.Since(at), 300*time.Millisecond)
	out, code = l.exec(t, "hook", "preStop")
	assert.Equal(t, "no leader4", out+strconv.Itoa(code))
	_, code = l.exec(t, "hook", "postStart")
	assert.Zero(t, code)
	_, code = l.exec(t, "hook", "preStart")
	assert.Equal(t, exitBroken, code)
	_, code = l.exec(t, "nonsense")
	assert.Equal(t, exitUsage, code)
}

func TestPause(t *testing.T) {
	t.Parallel()
	asleep := func(pid int) bool {
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return bytes.Contains(data, []byte(") S "))
	}
	// One that is told to end before it listens to signals ends otherwise.
	until(t, func() bool {
		cmd := exec.Command(program, "pause")
		require.NoError(t, cmd.Start())
		until(t, func() bool { return asleep(cmd.Process.Pid) })
		for _, signal := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGTERM} {
			require.NoError(t, cmd.Process.Signal(signal))
		}
		cmd.Wait()
		return cmd.ProcessState.ExitCode() == 0
	})
}

func TestWithoutAFileItSaysSo(t *testing.T) {
	cmd := exec.Command(program)
	cmd.Env = []string{"PODSIM_DIRECTORY=/nowhere"}
	out, _ := cmd.CombinedOutput()
	assert.Equal(t, "podsim-workload: open /nowhere/run.json: no such file or directory\n", string(out))
	assert.Equal(t, exitBroken, cmd.ProcessState.ExitCode())
}

// address is a loopback address that no other test has, with a port that was free a moment ago.
func address(t *testing.T) string {
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.7:0", 200+os.Getpid()%50, os.Getpid()/50%250))
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// get is the answer of an HTTP server, as a probe sees it, the error's last words where there is none.
func get(where string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Get("http://" + where + "/healthz")
	if err != nil {
		return err.Error()[strings.LastIndex(err.Error(), ":")+2:]
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s %s", answer.StatusCode, body, answer.Header.Get(OutputHeader)))
}

func TestHTTPServer(t *testing.T) {
	t.Parallel()
	where := address(t)
	const step = time.Second
	begin(t, &Run{Forever: true, Servers: []Server{{Address: where, Protocol: HTTP, From: step, Answers: []Answer{
		{At: 2 * step}, {At: 3 * step, Status: 418, Output: "short and stout"}, {At: 4 * step, OK: true, Status: 302, Output: "over there"},
		{At: 5 * step, Refused: true}, {At: 6 * step, OK: true, Status: 204, Takes: []time.Duration{step}}}}}})
	for _, want := range []string{"connection refused", "200", "503", "418 short and stout 1", "302 over there 1", "connection refused", "204"} {
		until(t, func() bool { return get(where) == want })
	}
	at := time.Now()
	assert.Equal(t, "204", get(where))
	assert.GreaterOrEqual(t, time.Since(at), step)
}

func TestTCPServer(t *testing.T) {
	t.Parallel()
	where := address(t)
	const step = time.Second
	begin(t, &Run{Forever: true, Servers: []Server{{Address: where, Protocol: TCP, Answers: []Answer{{OK: true}, {At: step}, {At: 2 * step, OK: true}}}}})
	connects := func(want bool) func() bool {
		return func() bool {
			c, err := net.Dial("tcp", where)
			if err == nil {
				c.Close()
			}
			return (err == nil) == want
		}
	}
	until(t, connects(true))
	until(t, connects(false))
	until(t, connects(true))
}

// TestServersTakeTurns lets two processes listen at one address: the second gets it when the first has ended.
func TestServersTakeTurns(t *testing.T) {
	t.Parallel()
	where := address(t)
	one := begin(t, &Run{Forever: true, Servers: []Server{{Address: where, Protocol: HTTP, Answers: []Answer{{OK: true, Status: 201}}}}})
	until(t, func() bool { return get(where) == "201" })
	begin(t, &Run{Forever: true, Servers: []Server{{Address: where, Protocol: HTTP, Answers: []Answer{{OK: true, Status: 202}}}}})
	assert.Equal(t, "201", get(where))
	require.NoError(t, one.Process.Kill())
	until(t, func() bool { return get(where) == "202" })
}

func TestGRPCServer(t *testing.T) {
	t.Parallel()
	where := address(t)
	const step = time.Second
	long := strings.Repeat("wait for the leader\n", 20)
	begin(t, &Run{Forever: true, Servers: []Server{{Address: where, Protocol: GRPC, Answers: []Answer{
		{OK: true}, {At: step}, {At: 2 * step, Output: long}, {At: 3 * step, Refused: true}, {At: 4 * step, OK: true}}}}})
	check := func() string {
		conn, err := grpc.NewClient("passthrough:///"+where, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		defer conn.Close()
		var header metadata.MD
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "liveness"}, grpc.Header(&header))
		if err != nil {
			return "error"
		}
		return answer.Status.String() + strings.Join(header.Get(OutputField), "")
	}
	for _, want := range []string{"SERVING", "NOT_SERVING", "NOT_SERVING" + long, "error", "SERVING"} {
		until(t, func() bool { return check() == want })
	}
	conn, err := grpc.NewClient("passthrough:///"+where, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	for range 10 {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		require.NoError(t, err)
		assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status, "several calls over one connection")
	}
}
