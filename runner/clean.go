package runner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// How long a clean-up may take, one of its calls, and an answer at its start: guesses. 200 pods took 20 s.
const (
	cleanMax     = 2 * time.Minute
	cleanCallMax = 30 * time.Second
	cleanAskMax  = 10 * time.Second
)

// cleanersMax is how many pods are removed at a time: a guess, some more than the processors of a small node.
const cleanersMax = 8

// Leftovers are what is on the node of a run.
type Leftovers struct {
	Run string `json:"run"`
	// Sandboxes, Containers and Images are the runtime's, by their ids; images by their names.
	Sandboxes  []string `json:"sandboxes"`
	Containers []string `json:"containers"`
	Images     []string `json:"images"`
	// Processes are those in the run's cgroups.
	Processes []Process `json:"processes"`
	Cgroups   []string  `json:"cgroups"`
	Mounts    []string  `json:"mounts"`
	// Folders are those of the run's files.
	Folders []string `json:"folders"`
}

// Empty says that nothing is left.
func (l *Leftovers) Empty() bool {
	return len(l.Sandboxes)+len(l.Containers)+len(l.Images)+len(l.Processes)+len(l.Cgroups)+len(l.Mounts)+len(l.Folders) == 0
}

// String counts what is left, such as "2 sandboxes, 3 containers, 10 cgroups".
func (l *Leftovers) String() string {
	var out []string
	for _, c := range []struct {
		n    int
		noun string
	}{{len(l.Sandboxes), "sandbox"}, {len(l.Containers), "container"}, {len(l.Images), "image"}, {len(l.Processes), "process"},
		{len(l.Cgroups), "cgroup"}, {len(l.Mounts), "mount"}, {len(l.Folders), "folder"}} {
		switch {
		case c.n == 1:
			out = append(out, "1 "+c.noun)
		case c.n > 1 && strings.HasSuffix(c.noun, "s") || c.n > 1 && strings.HasSuffix(c.noun, "x"):
			out = append(out, fmt.Sprintf("%d %ses", c.n, c.noun))
		case c.n > 1:
			out = append(out, fmt.Sprintf("%d %ss", c.n, c.noun))
		}
	}
	if out == nil {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// cleaner removes what one run has made on a node, and nothing else: what carries its label or has its id in its name.
type cleaner struct {
	run string
	// directory has the run's files.
	directory string
	// conn is nil where the runtime is gone with all that it had.
	conn *grpc.ClientConn
}

// cgroupOfAll is the parent of the cgroups of all runs.
const cgroupOfAll = "/podsim"

// cgroup is the parent of all cgroups of the run.
func (c *cleaner) cgroup() string { return path.Join(cgroupOfAll, c.run) }

// clean removes all that the run has left, again and again until there is nothing.
func (c *cleaner) clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanMax)
	defer cancel()
	for {
		l, err := c.find(ctx)
		if err != nil {
			return err
		}
		if l.Empty() {
			return nil
		}
		err = c.remove(ctx, l)
		if ctx.Err() != nil {
			return fmt.Errorf("%s of run %s could not be removed within %s: %w", l, c.run, cleanMax, err)
		}
		if err != nil {
			wait(ctx, 100*time.Millisecond)
		}
	}
}

// find looks for what is left of the run.
func (c *cleaner) find(ctx context.Context) (*Leftovers, error) {
	l := &Leftovers{Run: c.run}
	if c.conn != nil {
		if err := c.ask(ctx, l); err != nil {
			return nil, err
		}
	}
	l.Processes = cgroupMembers(c.cgroup())
	for _, h := range cgroupHierarchies() {
		if dir := filepath.Join(h.path, c.cgroup()); isFolder(dir) {
			l.Cgroups = append(l.Cgroups, dir)
		}
	}
	l.Mounts = mountsBelow(c.directory)
	if entries, err := os.ReadDir(c.directory); err == nil && !onlyClaim(entries) {
		l.Folders = append(l.Folders, c.directory)
	}
	return l, nil
}

// onlyClaim says that a folder holds nothing but the run's claim.
func onlyClaim(entries []fs.DirEntry) bool {
	return len(entries) == 1 && entries[0].Name() == claimFile
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// ask asks the runtime what it has of the run.
func (c *cleaner) ask(ctx context.Context, l *Leftovers) error {
	ctx, cancel := context.WithTimeout(ctx, cleanCallMax)
	defer cancel()
	runtime, label := runtimeapi.NewRuntimeServiceClient(c.conn), map[string]string{LabelRun: c.run}
	// A runtime that was just started again answers in a moment.
	if _, err := runtime.Version(ctx, &runtimeapi.VersionRequest{}, grpc.WaitForReady(true)); err != nil {
		return err
	}
	sandboxes, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: label}})
	if err != nil {
		return err
	}
	for _, s := range sandboxes.Items {
		l.Sandboxes = append(l.Sandboxes, s.Id)
	}
	containers, err := runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{LabelSelector: label}})
	if err != nil {
		return err
	}
	for _, k := range containers.Containers {
		l.Containers = append(l.Containers, k.Id)
	}
	images, err := runtimeapi.NewImageServiceClient(c.conn).ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, i := range images.Images {
		for _, name := range slices.Concat(i.RepoTags, i.RepoDigests) {
			if imageRun(name) == c.run {
				l.Images = append(l.Images, name)
			}
		}
	}
	return nil
}

// imagePattern is how the images of runs are called: they come from a registry on loopback.
var imagePattern = regexp.MustCompile(`^127\.0\.0\.1:\d+/podsim-([^/]+)/`)

// imageRun is the run that an image is of, "" for none.
func imageRun(name string) string {
	if m := imagePattern.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}

// remove removes what was found, as far as it can: pods first, as their containers go with them.
func (c *cleaner) remove(ctx context.Context, l *Leftovers) error {
	var errs []error
	if c.conn != nil {
		runtime, images := runtimeapi.NewRuntimeServiceClient(c.conn), runtimeapi.NewImageServiceClient(c.conn)
		errs = append(errs, inParallel(ctx, l.Sandboxes, func(ctx context.Context, id string) error {
			_, err := runtime.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: id})
			if err == nil {
				_, err = runtime.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: id})
			}
			return err
		}))
		if len(l.Sandboxes) == 0 {
			errs = append(errs, inParallel(ctx, l.Containers, func(ctx context.Context, id string) error {
				_, err := runtime.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: id})
				return err
			}))
		}
		errs = append(errs, inParallel(ctx, l.Images, func(ctx context.Context, name string) error {
			_, err := images.RemoveImage(ctx, &runtimeapi.RemoveImageRequest{Image: &runtimeapi.ImageSpec{Image: name}})
			return err
		}))
	}
	for _, p := range l.Processes {
		p.Kill()
	}
	return errors.Join(append(errs, clearCgroup(c.cgroup()), unmountBelow(c.directory), c.removeFiles())...)
}

// removeFiles removes the run's files, the claim excepted.
func (c *cleaner) removeFiles() error {
	entries, err := os.ReadDir(c.directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var errs []error
	claimed := false
	for _, e := range entries {
		if e.Name() == claimFile {
			claimed = true
		} else {
			errs = append(errs, os.RemoveAll(filepath.Join(c.directory, e.Name())))
		}
	}
	if !claimed {
		errs = append(errs, os.Remove(c.directory))
	}
	return errors.Join(append(errs, err)...)
}

// inParallel calls f for each of the ids, some at a time, each with a deadline of its own.
func inParallel(ctx context.Context, ids []string, f func(context.Context, string) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(ids))
	places := make(chan struct{}, cleanersMax)
	for i, id := range ids {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, cleanCallMax)
			defer cancel()
			errs[i] = f(ctx, id)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// CleanOptions say what Clean is to remove.
type CleanOptions struct {
	// Run is one run; empty, all whose owner is gone.
	Run string
	// Endpoint is the runtime that is asked for runs of which nothing else is known. It may be absent.
	Endpoint string
	// DryRun only looks.
	DryRun bool
}

// Clean removes what runs have left whose owner is gone, and says what it was. A run that is being played
// is not touched, nor is anything that no run has made.
func Clean(ctx context.Context, o CleanOptions) ([]*Leftovers, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New(errNotRoot)
	}
	living, dead, err := claims(DefaultDirectory).all()
	if err != nil {
		return nil, err
	}
	for _, k := range living {
		if k.Run == o.Run {
			release(dead)
			return nil, fmt.Errorf("run %s is being played by process %d, which removes all at its end; interrupt that one", k.Run, k.PID)
		}
	}
	lost, err := lostRuns(ctx, o.Endpoint, living, dead)
	if err != nil {
		release(dead)
		return nil, err
	}
	var found []*Leftovers
	var errs []error
	for _, k := range append(dead, lost...) {
		if o.Run != "" && o.Run != k.Run {
			k.release()
			continue
		}
		l, err := k.look(ctx)
		if err == nil && !o.DryRun {
			err = k.Clean(ctx)
		}
		k.release()
		if l != nil {
			found = append(found, l)
		}
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}

// cleanDead removes what runs have left whose owner is gone, before another one begins. A runtime that does not
// answer keeps what it has: a notice says so.
func cleanDead(ctx context.Context, notice func(string)) error {
	_, dead, err := claims(DefaultDirectory).all()
	if err != nil {
		return err
	}
	for _, k := range dead {
		line := fmt.Sprintf("removed what run %s had left, whose process is gone", k.Run)
		if err := k.Clean(ctx); err != nil {
			line = fmt.Sprintf("run %s has left something: %s", k.Run, err)
		}
		if notice != nil {
			notice(line)
		}
	}
	return nil
}

func release(all []*Claim) {
	for _, k := range all {
		k.release()
	}
}

// lostRuns are the runs that have left something and no claim, as after the loss of /run: pods with their label in the
// runtime, images, cgroups.
func lostRuns(ctx context.Context, endpoint string, known ...[]*Claim) ([]*Claim, error) {
	runs := map[string]bool{}
	for _, h := range cgroupHierarchies() {
		entries, _ := os.ReadDir(filepath.Join(h.path, cgroupOfAll))
		for _, e := range entries {
			runs[e.Name()] = true
		}
	}
	if err := askForRuns(ctx, endpoint, runs); err != nil {
		return nil, err
	}
	for _, k := range slices.Concat(known...) {
		delete(runs, k.Run)
	}
	var lost []*Claim
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		if isRunID(run) {
			folder := filepath.Join(DefaultDirectory, run)
			lost = append(lost, &Claim{Run: run, Endpoint: endpoint, Directory: folder, folder: folder})
		}
	}
	return lost, nil
}

// askForRuns adds the runs that a runtime has something of. One whose socket is not there has nothing.
func askForRuns(ctx context.Context, endpoint string, runs map[string]bool) error {
	if _, err := os.Stat(strings.TrimPrefix(endpoint, "unix://")); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanAskMax)
	defer cancel()
	conn, err := Dial(endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	runtime := runtimeapi.NewRuntimeServiceClient(conn)
	sandboxes, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", endpoint, err)
	}
	for _, s := range sandboxes.Items {
		if run := s.Labels[LabelRun]; run != "" {
			runs[run] = true
		}
	}
	images, err := runtimeapi.NewImageServiceClient(conn).ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		return err
	}
	for _, i := range images.Images {
		for _, name := range slices.Concat(i.RepoTags, i.RepoDigests) {
			if run := imageRun(name); run != "" {
				runs[run] = true
			}
		}
	}
	return nil
}

// look says what the run of a claim has left.
func (k *Claim) look(ctx context.Context) (*Leftovers, error) {
	c, err := k.cleaner(ctx)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.find(ctx)
}

// Clean removes what the run of a claim has left, which the caller holds, and the claim.
func (k *Claim) Clean(ctx context.Context) error {
	c, err := k.cleaner(ctx)
	if err != nil {
		k.release()
		return err
	}
	defer c.close()
	if err := c.clean(ctx); err != nil {
		k.release()
		return fmt.Errorf("%w; `podsim node clean --run %s` tries it again", err, k.Run)
	}
	return k.remove()
}

func (c *cleaner) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// cleaner connects to the runtime on which the run was played.
func (k *Claim) cleaner(ctx context.Context) (*cleaner, error) {
	c := &cleaner{run: k.Run, directory: k.Directory}
	if k.Endpoint == "" || !isFolder(filepath.Dir(strings.TrimPrefix(k.Endpoint, "unix://"))) {
		// Nothing was made yet, or a private containerd that has been removed with all that it had.
		return c, nil
	}
	conn, err := Dial(k.Endpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cleanAskMax)
	defer cancel()
	if err := awaitCRI(ctx, k.Endpoint); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s does not answer; `podsim node clean --run %s` removes what the run has left when it does: %w", k.Endpoint, k.Run, err)
	}
	c.conn = conn
	return c, nil
}
