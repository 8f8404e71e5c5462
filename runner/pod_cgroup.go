package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// cgroupMount is where the hierarchies of cgroups are mounted.
const cgroupMount = "/sys/fs/cgroup"

// cgroupV2 says that the node has only the unified hierarchy.
var cgroupV2 = sync.OnceValue(func() bool { return cgroupVersion(cgroupHierarchies()) == 2 })

// podCgroup is the parent of a pod's cgroups (cm/pod_container_manager_linux.go GetPodContainerName).
func (r *CRI) podCgroup(p *pod) string {
	return filepath.Join(qosCgroup(r.nodeCgroup(p.node), p.template.QOS), "pod"+p.uid)
}

// cgroup is the same, or "" where the pod's kubelet makes no cgroups for pods.
func (r *CRI) cgroup(p *pod) string {
	if !*r.cluster.KubeletConfiguration(p.ref.ID).CgroupsPerQOS {
		return ""
	}
	return r.podCgroup(p)
}

// makeCgroups makes a cgroup in each hierarchy.
func makeCgroups(name string) error {
	for _, h := range cgroupHierarchies() {
		if err := os.MkdirAll(filepath.Join(h.path, name), 0o755); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// makePodCgroup makes a pod's cgroup with its limits (cm/pod_container_manager_linux.go EnsureExists). "" is
// that of a kubelet that makes none.
func makePodCgroup(name string, limits podResources) error {
	if name == "" {
		return nil
	}
	if err := makeCgroup(name); err != nil {
		return err
	}
	return setPodCgroup(name, limits)
}

// makeCgroup makes a cgroup without limits.
func makeCgroup(name string) error {
	err := makeCgroups(name)
	if err == nil && cgroupV2() {
		err = enableControllers(name)
	}
	if err != nil {
		return fmt.Errorf("failed to create container for %s: %w", name, err)
	}
	return nil
}

// enableControllers lets a cgroup of the unified hierarchy have the controllers that its limits need.
func enableControllers(name string) error {
	controllers := "+cpu +memory +pids"
	if hugePagesLimited() {
		controllers += " +hugetlb"
	}
	at := cgroupMount
	for _, part := range strings.Split(strings.Trim(filepath.Dir(name), "/"), "/") {
		if err := writeCgroup(filepath.Join(at, "cgroup.subtree_control"), controllers); err != nil {
			return err
		}
		at = filepath.Join(at, part)
	}
	return writeCgroup(filepath.Join(at, "cgroup.subtree_control"), controllers)
}

// setPodCgroup sets the limits of a pod's cgroup (cm/cgroup_manager_linux.go Update).
func setPodCgroup(name string, limits podResources) error {
	if name == "" {
		return nil
	}
	if err := setFiles(name, limits.files(cgroupV2())); err != nil {
		return fmt.Errorf("failed to set supported cgroup subsystems for cgroup %s: %w", name, err)
	}
	return nil
}

func setFiles(name string, files []cgroupFile) error {
	for _, f := range files {
		if err := writeCgroup(filepath.Join(cgroupMount, f.controller, name, f.file), f.value); err != nil {
			return err
		}
	}
	return nil
}

// cgroupFile is a limit in the hierarchy of a controller, "" in the unified one.
type cgroupFile struct{ controller, file, value string }

// files are the limits as the kernel takes them.
func (l podResources) files(v2 bool) []cgroupFile {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	unlimited := func(n int64, none string) string {
		if n <= 0 {
			return none
		}
		return number(n)
	}
	if v2 {
		files := []cgroupFile{
			sharesFile(l.shares, v2),
			{"", "cpu.max", unlimited(l.quota, "max") + " " + number(l.period)},
			{"", "memory.max", unlimited(l.memory, "max")},
			{"", "memory.high", unlimited(l.high, "max")},
			{"", "pids.max", unlimited(l.processes, "max")},
		}
		for _, size := range slices.Sorted(maps.Keys(l.hugePages)) {
			files = append(files, cgroupFile{"", "hugetlb." + size + ".max", number(l.hugePages[size])})
		}
		return files
	}
	files := []cgroupFile{
		sharesFile(l.shares, v2),
		{"cpu", "cpu.cfs_period_us", number(l.period)},
		{"cpu", "cpu.cfs_quota_us", unlimited(l.quota, "-1")},
		{"memory", "memory.limit_in_bytes", unlimited(l.memory, "-1")},
		{"pids", "pids.max", unlimited(l.processes, "max")},
	}
	for _, size := range slices.Sorted(maps.Keys(l.hugePages)) {
		files = append(files, cgroupFile{"hugetlb", "hugetlb." + size + ".limit_in_bytes", number(l.hugePages[size])})
	}
	return files
}

// sharesFile is how much of the CPUs a cgroup gets beside others.
func sharesFile(shares int64, v2 bool) cgroupFile {
	if v2 {
		return cgroupFile{"", "cpu.weight", strconv.FormatInt(cpuWeight(shares), 10)}
	}
	return cgroupFile{"cpu", "cpu.shares", strconv.FormatInt(shares, 10)}
}

// cpuWeight is how the unified hierarchy writes shares (github.com/opencontainers/cgroups utils.go
// ConvertCPUSharesToCgroupV2Value): 1024 shares are a weight of 100.
func cpuWeight(shares int64) int64 {
	if shares <= sharesMin {
		return 1
	}
	l := math.Log2(float64(min(shares, sharesMax)))
	return int64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// writeCgroup writes a file of a cgroup. A controller that the node does not have limits nothing.
func writeCgroup(name, value string) error {
	err := os.WriteFile(name, []byte(value), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
