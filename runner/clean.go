package runner

import (
	"cmp"
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
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// How long a clean-up may take, one of its calls, and an answer before it, and how long it waits before it looks again:
// guesses. 200 pods took 20 s.
const (
	cleanMax     = 2 * time.Minute
	cleanCallMax = 30 * time.Second
	cleanAskMax  = 10 * time.Second
	cleanPause   = 50 * time.Millisecond
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
		n         int
		one, more string
	}{{len(l.Sandboxes), "sandbox", "sandboxes"}, {len(l.Containers), "container", "containers"}, {len(l.Images), "image", "images"},
		{len(l.Processes), "process", "processes"}, {len(l.Cgroups), "cgroup", "cgroups"}, {len(l.Mounts), "mount", "mounts"},
		{len(l.Folders), "folder", "folders"}} {
		switch {
		case c.n == 1:
			out = append(out, "1 "+c.one)
		case c.n > 1:
			out = append(out, fmt.Sprintf("%d %s", c.n, c.more))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "nothing")
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
		if wait(ctx, cleanPause); ctx.Err() != nil {
			return fmt.Errorf("%s of run %s could not be removed within %s: %w", l, c.run, cleanMax, cmp.Or(err, ctx.Err()))
		}
	}
}

// find looks for what is left of the run.
func (c *cleaner) find(ctx context.Context) (*Leftovers, error) {
	l := &Leftovers{Run: c.run}
	if c.conn != nil {
		runs, err := runsOf(ctx, c.conn)
		if err != nil {
			return nil, err
		}
		l = cmp.Or(runs[c.run], l)
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

// runsOf is what a runtime has of runs, by their ids. One that was just started again answers in a moment.
func runsOf(ctx context.Context, conn *grpc.ClientConn) (map[string]*Leftovers, error) {
	asked, cancel := context.WithTimeout(ctx, cleanAskMax)
	defer cancel()
	if err := awaitCRI(asked, conn); err != nil {
		return nil, fmt.Errorf("%s does not answer: %w", conn.Target(), err)
	}
	ctx, cancel = context.WithTimeout(ctx, cleanCallMax)
	defer cancel()
	runtime := runtimeapi.NewRuntimeServiceClient(conn)
	sandboxes, err := runtime.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return nil, err
	}
	containers, err := runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, err
	}
	images, err := runtimeapi.NewImageServiceClient(conn).ListImages(ctx, &runtimeapi.ListImagesRequest{})
	if err != nil {
		return nil, err
	}
	runs := map[string]*Leftovers{}
	of := func(run string) *Leftovers {
		if runs[run] == nil {
			runs[run] = &Leftovers{Run: run}
		}
		return runs[run]
	}
	for _, s := range sandboxes.Items {
		l := of(s.Labels[LabelRun])
		l.Sandboxes = append(l.Sandboxes, s.Id)
	}
	for _, k := range containers.Containers {
		l := of(k.Labels[LabelRun])
		l.Containers = append(l.Containers, k.Id)
	}
	for _, i := range images.Images {
		for _, name := range slices.Concat(i.RepoTags, i.RepoDigests) {
			l := of(imageRun(name))
			l.Images = append(l.Images, name)
		}
	}
	// What is no run's is not ours.
	delete(runs, "")
	return runs, nil
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
		errs = append(errs, forAll(ctx, l.Sandboxes, func(ctx context.Context, id string) error {
			return removePodSandbox(ctx, runtime, id)
		}))
		if len(l.Sandboxes) == 0 {
			errs = append(errs, forAll(ctx, l.Containers, func(ctx context.Context, id string) error {
				_, err := runtime.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: id})
				return err
			}))
		}
		errs = append(errs, forAll(ctx, l.Images, func(ctx context.Context, name string) error {
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

// forAll calls f for each of the ids, some at a time, each with a deadline of its own, and gives the first error.
func forAll(ctx context.Context, ids []string, f func(context.Context, string) error) error {
	var all errgroup.Group
	all.SetLimit(cleanersMax)
	for _, id := range ids {
		all.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, cleanCallMax)
			defer cancel()
			return f(ctx, id)
		})
	}
	return all.Wait()
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
	return claims(DefaultDirectory).clean(ctx, o)
}

func (c claims) clean(ctx context.Context, o CleanOptions) ([]*Leftovers, error) {
	abandoned, err := c.abandoned(ctx, o)
	if err != nil {
		return nil, err
	}
	var found []*Leftovers
	var errs []error
	for _, k := range abandoned {
		l, err := k.look(ctx)
		if err == nil && !o.DryRun {
			err = k.clean(ctx)
		}
		k.release()
		// A run without a claim may have ended since it was found, and removed all.
		if l != nil && (k.file != nil || !l.Empty()) {
			found = append(found, l)
		}
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}

// abandoned are the runs that are to be removed: those whose owner is gone, and those that have left something and no
// claim. The caller holds the claims.
func (c claims) abandoned(ctx context.Context, o CleanOptions) ([]*claim, error) {
	// Before the claims are looked at: a run claims first and makes then, so that what is found has a claim, or has
	// lost it.
	runs, err := foundRuns(ctx, o.Endpoint)
	if err != nil {
		return nil, err
	}
	living, dead, err := c.all()
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Concat(living, dead) {
		delete(runs, k.Run)
	}
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		folder := filepath.Join(string(c), run)
		dead = append(dead, &claim{Run: run, Endpoint: o.Endpoint, Directory: folder, folder: folder})
	}
	if o.Run == "" {
		return dead, nil
	}
	for _, k := range living {
		if k.Run == o.Run {
			err = fmt.Errorf("run %s is being played by process %d, which removes all at its end; interrupt that one", k.Run, k.PID)
		}
	}
	return slices.DeleteFunc(dead, func(k *claim) bool {
		other := k.Run != o.Run
		if other {
			k.release()
		}
		return other
	}), err
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
		if err := k.clean(ctx); err != nil {
			line = fmt.Sprintf("run %s has left something: %s", k.Run, err)
		}
		if notice != nil {
			notice(line)
		}
	}
	return nil
}

// foundRuns are the runs that have left something outside of their folders, and may have lost their claims, as after
// the loss of /run: cgroups, and what a runtime has. One whose socket is not there has nothing.
func foundRuns(ctx context.Context, endpoint string) (map[string]bool, error) {
	runs := map[string]bool{}
	for _, h := range cgroupHierarchies() {
		entries, _ := os.ReadDir(filepath.Join(h.path, cgroupOfAll))
		for _, e := range entries {
			runs[e.Name()] = true
		}
	}
	if _, err := os.Stat(socketOf(endpoint)); err == nil {
		conn, err := Dial(endpoint)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		all, err := runsOf(ctx, conn)
		if err != nil {
			return nil, err
		}
		for run := range all {
			runs[run] = true
		}
	}
	maps.DeleteFunc(runs, func(run string, _ bool) bool { return !isRunID(run) })
	return runs, nil
}

// look says what the run of a claim has left.
func (k *claim) look(ctx context.Context) (*Leftovers, error) {
	c, err := k.cleaner()
	if err != nil {
		return nil, err
	}
	defer c.close()
	l, err := c.find(ctx)
	return l, k.advised(err)
}

// clean removes what the run of a claim has left, which the caller holds, and the claim.
func (k *claim) clean(ctx context.Context) error {
	c, err := k.cleaner()
	if err != nil {
		k.release()
		return err
	}
	defer c.close()
	if err := c.clean(ctx); err != nil {
		k.release()
		return k.advised(err)
	}
	return k.remove()
}

// advised says with an error what can be done.
func (k *claim) advised(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; `podsim node clean --run %s` tries it again", err, k.Run)
}

// cleaner connects to the runtime on which the run was played.
func (k *claim) cleaner() (*cleaner, error) {
	c := &cleaner{run: k.Run, directory: k.Directory}
	if k.Endpoint == "" || !isFolder(filepath.Dir(socketOf(k.Endpoint))) {
		// Nothing was made yet, or a private containerd that has been removed with all that it had.
		return c, nil
	}
	var err error
	c.conn, err = Dial(k.Endpoint)
	return c, err
}

func (c *cleaner) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}
