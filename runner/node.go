package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// DefaultNodeDir is where the private containerd of `podsim node start` lives.
const DefaultNodeDir = "/run/podsim-node"

// How long a containerd may take to answer, and to end: guesses, far above what was measured (0.3 s).
const (
	nodeStartMax = 30 * time.Second
	nodeStopMax  = 10 * time.Second
)

// The files of a node's folder.
const (
	nodeFile   = "node.json"
	nodeConfig = "config.toml"
	nodeSocket = "containerd.sock"
	nodeLog    = "containerd.log"
)

// socketPathMax is the longest path of a Unix socket (sun_path of unix(7), with its closing zero byte).
const socketPathMax = 107

// NodeOptions say which containerd a node is to have.
type NodeOptions struct {
	// Dir is the node's own folder: it is made by StartNode and removed by StopNode.
	Dir string
	// Containerd and Runc are paths; empty, they are looked up in PATH. The shim stands beside containerd or in PATH.
	Containerd, Runc string
	// Disk keeps everything on the disk, instead of in a tmpfs.
	Disk bool
	// PullProgressTimeout is how long a pull may get nothing until it is cancelled; 0 is containerd's own 5 minutes.
	// containerd 1.6 waits for ever.
	PullProgressTimeout time.Duration
}

// Node is a containerd of its own: root, state, socket, configuration and log in one folder.
type Node struct {
	Dir        string `json:"dir"`
	Endpoint   string `json:"endpoint"`
	Containerd string `json:"containerd"`
	Runc       string `json:"runc"`
	Version    string `json:"version"`
	// Tmpfs says that the folder is in memory.
	Tmpfs bool `json:"tmpfs"`
	// PullProgressTimeout is in nanoseconds, 0 for containerd's own.
	PullProgressTimeout time.Duration `json:"pullProgressTimeout,omitempty"`
	// Process is the containerd.
	Process Process `json:"process"`
	// Made are folders outside of the node's own that containerd makes and that were not there before, the lowest first.
	Made []string `json:"made,omitempty"`
	// Running says whether the process lives. It is known when the node is read.
	Running bool `json:"running"`
}

// StartNode starts a private containerd and waits until it answers. In a folder whose containerd has
// ended it is started again, with all that it had.
func StartNode(ctx context.Context, o NodeOptions) (*Node, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New(errNotRoot)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	n, err := ReadNode(dir)
	switch {
	case err == nil && n.Running:
		return nil, fmt.Errorf("a node runs in %s already, at %s; `podsim node stop --dir %s` ends it", dir, n.Endpoint, dir)
	case err == nil:
		return n, n.launch(ctx)
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	if n, err = newNode(dir, o); err != nil {
		return nil, err
	}
	if err := n.prepare(o.Disk); err != nil {
		return nil, errors.Join(err, n.remove())
	}
	if err := n.launch(ctx); err != nil {
		return nil, errors.Join(err, n.Stop(ctx))
	}
	return n, nil
}

// newNode finds the programs and checks the folder.
func newNode(dir string, o NodeOptions) (*Node, error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("%s is not a node's folder and not empty; name another one with --dir", dir)
	}
	socket := filepath.Join(dir, nodeSocket)
	if len(socket)+len(".ttrpc") > socketPathMax {
		return nil, fmt.Errorf("%s is too long for a socket's path: name a folder of at most %d letters with --dir", dir, socketPathMax-len(nodeSocket)-len("/.ttrpc"))
	}
	containerd, err := program("containerd", o.Containerd)
	if err != nil {
		return nil, err
	}
	runc, err := program("runc", o.Runc, filepath.Dir(containerd))
	if err != nil {
		return nil, err
	}
	if _, err := program("containerd-shim-runc-v2", "", filepath.Dir(containerd)); err != nil {
		return nil, err
	}
	version, err := containerdVersion(containerd)
	if err != nil {
		return nil, err
	}
	return &Node{Dir: dir, Endpoint: unixScheme + socket, Containerd: containerd, Runc: runc, Version: version,
		PullProgressTimeout: o.PullProgressTimeout}, nil
}

// program finds a program: at the path that is given, else in the folders, else in PATH.
func program(name, path string, folders ...string) (string, error) {
	if path != "" {
		found, err := exec.LookPath(path)
		if err != nil {
			return "", fmt.Errorf("--%s %s cannot be run (%w): give the path of a program", name, path, errors.Unwrap(err))
		}
		return filepath.Abs(found)
	}
	for _, f := range folders {
		if found, err := exec.LookPath(filepath.Join(f, name)); err == nil {
			return found, nil
		}
	}
	found, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no %s in PATH; install it (Debian, Ubuntu: apt-get install containerd runc) or give its path", name)
	}
	return filepath.Abs(found)
}

// containerdVersion asks a containerd for its version, such as "2.4.2".
func containerdVersion(path string) (string, error) {
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	// containerd github.com/containerd/containerd VERSION REVISION
	fields := strings.Fields(string(out))
	if len(fields) < 3 || fields[0] != "containerd" {
		return "", fmt.Errorf("%s --version says %q, as no containerd does", path, strings.TrimSpace(string(out)))
	}
	return strings.TrimPrefix(fields[2], "v"), nil
}

// prepare makes the folder, in memory if it can be, and writes the configuration.
func (n *Node) prepare(disk bool) error {
	if err := os.MkdirAll(n.Dir, 0o700); err != nil {
		return fmt.Errorf("the folder %s cannot be made (%s): name another with --dir", n.Dir, reason(err))
	}
	for _, path := range outsideFolders() {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			n.Made = append(n.Made, path)
		}
	}
	n.Tmpfs = !disk && mountTmpfs(n.Dir) == nil
	for _, d := range []string{"root", "state", "temp", "opt", "cni"} {
		if err := os.Mkdir(filepath.Join(n.Dir, d), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(n.Dir, nodeConfig), []byte(containerdConfig(n)), 0o600); err != nil {
		return err
	}
	return n.write()
}

// outsideFolders are those in which shims have their sockets, and the cgroup of pods that name none.
func outsideFolders() []string {
	out := []string{"/run/containerd/s", "/run/containerd"}
	for _, h := range cgroupHierarchies() {
		out = append(out, filepath.Join(h.path, "k8s.io"))
	}
	return out
}

func (n *Node) write() error {
	data, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.Dir, nodeFile), append(data, '\n'), 0o600)
}

// ReadNode reads what stands in a node's folder. The error is os.ErrNotExist where there is no node.
func ReadNode(dir string) (*Node, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, nodeFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("%s is a file, or in one: name a folder with --dir", dir)
	}
	if err != nil {
		return nil, err
	}
	n := &Node{}
	if err := json.Unmarshal(data, n); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n.Dir != dir {
		return nil, fmt.Errorf("%s belongs to the node in %s", path, n.Dir)
	}
	n.Running = n.Process.Alive()
	return n, nil
}

// launch starts containerd in a session of its own and waits until its CRI answers.
func (n *Node) launch(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(n.Dir, nodeLog), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(n.Containerd, "--config", filepath.Join(n.Dir, nodeConfig))
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	// containerd looks for the shim, and the shim for runc, in PATH.
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(n.Containerd)+":"+filepath.Dir(n.Runc)+":"+os.Getenv("PATH"))
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	if n.Process, err = processOf(cmd.Process.Pid); err != nil {
		return err
	}
	n.Running = true
	if err := n.write(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := n.awaitAnswer(ctx, ended); err != nil {
		n.Process.End(nodeStopMax)
		return err
	}
	return nil
}

// awaitAnswer waits until the CRI answers or containerd has ended.
func (n *Node) awaitAnswer(ctx context.Context, ended <-chan error) error {
	ctx, cancel := context.WithTimeout(ctx, nodeStartMax)
	defer cancel()
	conn, err := Dial(n.Endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	answered := make(chan error, 1)
	go func() { answered <- awaitCRI(ctx, conn) }()
	select {
	case err := <-ended:
		return fmt.Errorf("containerd has ended (%v): %s", err, n.lastLog())
	case err := <-answered:
		if err != nil {
			return fmt.Errorf("containerd does not answer at %s: %w: %s", n.Endpoint, err, n.lastLog())
		}
		return nil
	}
}

// lastLog is the last line of containerd's log.
func (n *Node) lastLog() string {
	data, err := os.ReadFile(filepath.Join(n.Dir, nodeLog))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return lines[len(lines)-1]
}

// StopNode ends the node in a folder with all that it runs, and removes the folder.
func StopNode(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return errors.New(errNotRoot)
	}
	n, err := ReadNode(dir)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no node in %s; `podsim node start --dir %s` starts one", dir, dir)
	}
	if err != nil {
		return err
	}
	return n.Stop(ctx)
}

// Stop ends the node: its pods by its CRI as long as that answers, containerd, then what is left of shims,
// sockets, mounts, cgroups and files.
func (n *Node) Stop(ctx context.Context) error {
	var cgroups []string
	shims := shimsOf(socketOf(n.Endpoint))
	for _, s := range shims {
		cgroups = append(cgroups, cgroupsBelow(s)...)
	}
	if n.Process.Alive() {
		n.removeSandboxes(ctx)
	}
	n.Process.End(nodeStopMax)
	sockets := n.shimSockets()
	for _, s := range shims {
		killTree(s)
	}
	for _, s := range sockets {
		os.Remove(s)
	}
	for _, c := range cgroups {
		removeEmptyCgroups(c)
	}
	for _, path := range n.Made {
		os.Remove(path)
	}
	return n.remove()
}

// removeSandboxes removes all pods as far as it can.
func (n *Node) removeSandboxes(ctx context.Context) {
	conn, err := Dial(n.Endpoint)
	if err != nil {
		return
	}
	defer conn.Close()
	runtime := runtimeapi.NewRuntimeServiceClient(conn)
	ctx, cancel := context.WithTimeout(ctx, nodeStopMax)
	defer cancel()
	list, _ := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	for _, s := range list.GetItems() {
		_ = removePodSandbox(ctx, runtime, s.Id)
	}
}

// shimAddress finds a socket's path in the files in which a shim leaves it.
var shimAddress = regexp.MustCompile(`unix://([^"\s]+)`)

// shimSockets are the sockets of the shims that are still there: they stand outside of the node's folder.
func (n *Node) shimSockets() []string {
	var out []string
	for _, name := range []string{"address", "bootstrap.json"} {
		files, _ := filepath.Glob(filepath.Join(n.Dir, "state", "io.containerd.runtime.v2.task", "*", "*", name))
		for _, f := range files {
			data, _ := os.ReadFile(f)
			if m := shimAddress.FindSubmatch(data); m != nil {
				out = append(out, string(m[1]))
			}
		}
	}
	return out
}

// remove unmounts what is mounted below the folder, and removes it.
func (n *Node) remove() error {
	if err := unmountBelow(n.Dir); err != nil {
		return err
	}
	return os.RemoveAll(n.Dir)
}

// majorVersion is the first number of a containerd's version.
func (n *Node) majorVersion() int {
	first, _, _ := strings.Cut(n.Version, ".")
	major, _ := strconv.Atoi(first)
	return major
}
