package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The lines that say why no scenario can be played here. docs/real-node.md has each of them.
const (
	errNotRoot       = "a real node needs root: run podsim as root, such as with sudo"
	errNoCapability  = "a real node needs the capability %s, which this process lacks: run podsim outside of a container, or in a privileged one"
	errBadEndpoint   = "--endpoint is %q, must be the path of a Unix socket, such as unix:///run/containerd/containerd.sock"
	errNoSocket      = "there is no container runtime at %s: `podsim node start` starts one, --endpoint names another"
	errNoAnswer      = "the container runtime at %s does not answer (%s): start it again, or name another with --endpoint"
	errOldCRI        = "the container runtime at %s serves the CRI v1alpha2 only: containerd 1.6 or later serves v1"
	errNoCRI         = "what listens at %s serves no CRI: take cri out of disabled_plugins in containerd's configuration, or name another socket with --endpoint"
	errNotReady      = "the container runtime at %s is not ready: %s"
	errSystemdCgroup = "the containerd at %s makes its cgroups by systemd: set SystemdCgroup = false in its configuration, or use `podsim node start`"
	errOOMScoreAdj   = "without CAP_SYS_RESOURCE the containerd at %s cannot start pods: set restrict_oom_score_adj = true in its configuration, or use `podsim node start`"
	errNoCgroups     = "no cgroups are mounted: mount them at /sys/fs/cgroup"
	errNoController  = "the cgroups have no controller %s: the kernel or who has mounted them must give it"
	errKeptByOthers  = "the processes in %s keep its controllers from the cgroups below it: share the host's cgroups with the container (--cgroupns=host), or move them to a cgroup below"
	errReadOnly      = "cgroups cannot be made in %s (%s): mount it for writing"
	errNoFolder      = "the folder %s cannot be written (%s): name another with --work"
	errMaxMemory     = "the scenario uses up to %s of memory, more than --max-memory %s: raise it if the node has more, or make the scenario smaller"
	errMaxPods       = "the scenario has up to %d pods at a time, more than --max-pods %d: raise it if the node can take them, or make the scenario smaller"
	errPullTimeout   = "the scenario cancels pulls that get nothing for %v, the containerd at %s does not: `podsim node start --pull-progress-timeout %v` with containerd 2 starts one that does"
	errMaxTime       = "the scenario takes %s, more than --max-time %s: raise it, or end the run sooner with --until"
)

// Linux capabilities that matter (capabilities(7)).
const (
	capDacOverride = 1
	capKill        = 5
	capSysAdmin    = 21
	capSysResource = 24
)

// needed are the capabilities without which nothing works: mounts, cgroups and files of others, their processes.
var needed = []struct {
	bit  int
	name string
}{{capSysAdmin, "CAP_SYS_ADMIN"}, {capDacOverride, "CAP_DAC_OVERRIDE"}, {capKill, "CAP_KILL"}}

// hasCapability says whether this process has a capability.
func hasCapability(n int) bool { return effectiveCapabilities()&(1<<n) != 0 }

// Fact is something about a node that decides whether scenarios can be played on it.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Problem says what is wrong and what would be right; empty when all is well.
	Problem string `json:"problem,omitempty"`
}

// askMax is how long the runtime may take for an answer before a run: a guess.
const askMax = 5 * time.Second

// Facts looks at the machine and its container runtime. What cannot be known because of an earlier problem is
// left out.
func Facts(ctx context.Context, o Options) []Fact {
	o.setDefaults()
	facts := append([]Fact{userFact(), capabilitiesFact()}, cgroupFacts()...)
	facts = append(facts, folderFact(o.Directory), machineFact())
	return append(facts, runtimeFacts(ctx, o.Endpoint)...)
}

// Preflight gives the first reason why scenarios cannot be played, or nil.
func Preflight(ctx context.Context, o Options) error {
	for _, f := range Facts(ctx, o) {
		if f.Problem != "" {
			return errors.New(f.Problem)
		}
	}
	return nil
}

func userFact() Fact {
	f := Fact{Name: "user", Value: strconv.Itoa(os.Geteuid())}
	if os.Geteuid() != 0 {
		f.Problem = errNotRoot
	}
	return f
}

func capabilitiesFact() Fact {
	f := Fact{Name: "capabilities", Value: "all that matter"}
	if !hasCapability(capSysResource) {
		f.Value = "no CAP_SYS_RESOURCE: no oom_score_adj below the present one"
	}
	for _, c := range needed {
		if !hasCapability(c.bit) {
			f.Value, f.Problem = "no "+c.name, fmt.Sprintf(errNoCapability, c.name)
			break
		}
	}
	return f
}

// cgroupFacts look at the version, the controllers and whether cgroups can be made.
func cgroupFacts() []Fact {
	hierarchies := cgroupHierarchies()
	version := Fact{Name: "cgroups", Value: fmt.Sprintf("v%d", cgroupVersion(hierarchies))}
	if len(hierarchies) == 0 {
		return []Fact{{Name: "cgroups", Value: "none", Problem: errNoCgroups}}
	}
	for _, c := range []string{"memory", "cpu", "pids"} {
		if version.Problem == "" && !hasController(hierarchies, c) {
			version.Problem = fmt.Sprintf(errNoController, c)
		}
	}
	writable := Fact{Name: "cgroups writable", Value: "yes"}
	for _, h := range hierarchies {
		trial := filepath.Join(h.path, fmt.Sprintf("podsim-trial-%d", os.Getpid()))
		err := os.Mkdir(trial, 0o755)
		os.Remove(trial)
		if err != nil && os.Geteuid() == 0 {
			writable.Value, writable.Problem = "no", fmt.Sprintf(errReadOnly, h.path, reason(err))
			break
		}
		if h.unified && version.Value == "v2" && keepsControllers(h.path) {
			writable.Value, writable.Problem = "no", fmt.Sprintf(errKeptByOthers, h.path)
			break
		}
	}
	return []Fact{version, writable}
}

// keepsControllers says that a cgroup of v2 cannot give memory to those below it, as it holds processes: the root of a
// cgroup namespace does so. The one of the machine, which has no cgroup.type, may all the same (cgroups(7), "no
// internal processes" rule).
func keepsControllers(dir string) bool {
	read := func(name string) []string {
		data, _ := os.ReadFile(filepath.Join(dir, name))
		return strings.Fields(string(data))
	}
	return len(read("cgroup.type")) > 0 && !slices.Contains(read("cgroup.subtree_control"), "memory") && len(read("cgroup.procs")) > 0
}

func hasController(all []cgroupHierarchy, name string) bool {
	for _, h := range all {
		controllers := h.controllers
		if h.unified {
			data, _ := os.ReadFile(filepath.Join(h.path, "cgroup.controllers"))
			controllers = strings.Fields(string(data))
		}
		if slices.Contains(controllers, name) {
			return true
		}
	}
	return false
}

// folderFact tries the folder for the files of runs, without leaving it there.
func folderFact(dir string) Fact {
	f := Fact{Name: "folder", Value: dir}
	made := !isFolder(dir)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		var trial string
		if trial, err = os.MkdirTemp(dir, "trial-"); err == nil {
			os.Remove(trial)
		}
		if made {
			os.Remove(dir)
		}
	}
	if err != nil && os.Geteuid() == 0 {
		f.Problem = fmt.Sprintf(errNoFolder, dir, reason(err))
	}
	return f
}

// reason is an error without the path that it is about.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

func machineFact() Fact {
	return Fact{Name: "machine", Value: fmt.Sprintf("%d processors, %s of memory available", runtime.NumCPU(), byteSize(memoryAvailable()))}
}

// memoryAvailable is what the kernel says new processes could use without swapping (proc_meminfo(5)), in bytes; 0 where
// it does not say so.
func memoryAvailable() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(data), "MemAvailable:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(f[0], 10, 64)
	return kib << 10
}

// byteSize is a size to read, such as 1.5Gi.
func byteSize(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1fGi", float64(n)/(1<<30))
	}
	if n >= 1<<20 || n == 0 {
		return fmt.Sprintf("%dMi", n>>20)
	}
	return fmt.Sprintf("%dKi", n>>10)
}

// CheckEndpoint says why nothing can listen at an endpoint.
func CheckEndpoint(endpoint string) error {
	path := socketOf(endpoint)
	if !filepath.IsAbs(path) {
		return fmt.Errorf(errBadEndpoint, endpoint)
	}
	if info, err := os.Stat(path); err != nil || info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf(errNoSocket, endpoint)
	}
	return nil
}

// runtimeFacts ask the container runtime.
func runtimeFacts(ctx context.Context, endpoint string) []Fact {
	at := Fact{Name: "endpoint", Value: endpoint}
	if err := CheckEndpoint(endpoint); err != nil {
		at.Problem = err.Error()
		return []Fact{at}
	}
	conn, err := Dial(endpoint)
	if err != nil {
		at.Problem = fmt.Sprintf(errNoAnswer, endpoint, err)
		return []Fact{at}
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, askMax)
	defer cancel()
	version, err := runtimeapi.NewRuntimeServiceClient(conn).Version(ctx, &runtimeapi.VersionRequest{})
	if err != nil {
		at.Problem = versionProblem(ctx, conn, endpoint, err)
		return []Fact{at}
	}
	facts := []Fact{at, {Name: "runtime", Value: version.RuntimeName + " " + strings.TrimPrefix(version.RuntimeVersion, "v") + ", CRI " + version.RuntimeApiVersion}}
	answer, err := runtimeapi.NewRuntimeServiceClient(conn).Status(ctx, &runtimeapi.StatusRequest{Verbose: true})
	if err != nil {
		return append(facts, Fact{Name: "ready", Value: "no", Problem: fmt.Sprintf(errNoAnswer, endpoint, status.Convert(err).Message())})
	}
	return append(facts, statusFacts(endpoint, answer)...)
}

// versionProblem says why the CRI's first call failed.
func versionProblem(ctx context.Context, conn *grpc.ClientConn, endpoint string, err error) string {
	if status.Code(err) != codes.Unimplemented {
		return fmt.Sprintf(errNoAnswer, endpoint, status.Convert(err).Message())
	}
	// The messages of this call are the same in both versions.
	if conn.Invoke(ctx, "/runtime.v1alpha2.RuntimeService/Version", &runtimeapi.VersionRequest{}, &runtimeapi.VersionResponse{}) == nil {
		return fmt.Sprintf(errOldCRI, endpoint)
	}
	return fmt.Sprintf(errNoCRI, endpoint)
}

// criConfig is what matters of the configuration that containerd tells.
type criConfig struct {
	RestrictOOMScoreAdj bool `json:"restrictOOMScoreAdj"`
	Containerd          struct {
		DefaultRuntimeName string `json:"defaultRuntimeName"`
		Runtimes           map[string]struct {
			Options struct {
				SystemdCgroup bool
			} `json:"options"`
		} `json:"runtimes"`
	} `json:"containerd"`
}

// statusFacts read what the runtime says of itself.
func statusFacts(endpoint string, answer *runtimeapi.StatusResponse) []Fact {
	ready, network := Fact{Name: "ready", Value: "yes"}, Fact{Name: "network", Value: "the host's: no CNI"}
	for _, c := range answer.GetStatus().GetConditions() {
		switch {
		case c.Type == runtimeapi.RuntimeReady && !c.Status:
			ready.Value, ready.Problem = "no", fmt.Sprintf(errNotReady, endpoint, c.Message)
		case c.Type == runtimeapi.NetworkReady && c.Status:
			network.Value = "CNI"
		}
	}
	facts := []Fact{ready, network}
	var config criConfig
	if json.Unmarshal([]byte(answer.Info["config"]), &config) != nil {
		return facts
	}
	driver := Fact{Name: "cgroup driver", Value: "cgroupfs"}
	if config.Containerd.Runtimes[config.Containerd.DefaultRuntimeName].Options.SystemdCgroup {
		driver.Value, driver.Problem = "systemd", fmt.Sprintf(errSystemdCgroup, endpoint)
	}
	score := Fact{Name: "oom_score_adj", Value: "as the kubelet's"}
	if config.RestrictOOMScoreAdj {
		score.Value = "not below containerd's own"
	} else if !hasCapability(capSysResource) {
		score.Value, score.Problem = "cannot be set", fmt.Sprintf(errOOMScoreAdj, endpoint)
	}
	return append(facts, driver, score)
}
