package runner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"regexp"
	"sync"
	"time"

	imagesapi "github.com/containerd/containerd/api/services/images/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
	"podsim/sim"
)

// sandboxImage sees to it that the runtime has the image of which it makes sandboxes. The runtime's
// configuration names it, and it pulls it when it is absent, which fails without the Internet. Then the
// stand-in program's image is pulled from the loopback registry, and containerd, which is asked on the same
// socket by its own API, gives it the name that the runtime wants. It is removed with the run's other images.
//
// The configuration can be asked for the name in containerd 1 only, so it is taken from the words of the
// failure, those of 1.6.20 and 2.4.2.
type sandboxImage struct {
	conn     *grpc.ClientConn
	registry *images.Registry
	run      string
	mutex    sync.Mutex
}

// provide makes and removes a sandbox, which shows whether the image is there, and brings it if not.
func (x *sandboxImage) provide(ctx context.Context) error {
	err := trySandbox(ctx, x.conn, x.run)
	if err == nil {
		return nil
	}
	if err := x.bring(ctx, err); err != nil {
		return err
	}
	return trySandbox(ctx, x.conn, x.run)
}

// bring brings the image if it is what was missing when a sandbox could not be made.
func (x *sandboxImage) bring(ctx context.Context, failure error) error {
	found := sandboxImageWords.FindStringSubmatch(failure.Error())
	if found == nil {
		return fmt.Errorf("the runtime cannot make a sandbox: %w", failure)
	}
	x.mutex.Lock()
	defer x.mutex.Unlock()
	if err := pullOnce(ctx, runtimeapi.NewImageServiceClient(x.conn), &runtimeapi.ImageSpec{Image: x.registry.Pause()}, nil); err != nil {
		return fmt.Errorf("the image of the sandbox: %w", err)
	}
	if err := nameImage(ctx, x.conn, x.registry.Pause(), found[1], x.run); err != nil {
		return fmt.Errorf("the runtime's image for sandboxes, %s, is absent and cannot be made (%w): pull it before the run", found[1], err)
	}
	return nil
}

// sandboxTries is how often a sandbox is tried whose image goes away meanwhile.
const sandboxTries = 5

// makeSandbox makes a sandbox. Another run may have ended meanwhile, and with it the image that it brought.
func (r *CRI) makeSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig) (string, error) {
	request := &runtimeapi.RunPodSandboxRequest{Config: config}
	for try := 1; ; try++ {
		answer, err := r.runtime.RunPodSandbox(ctx, request)
		if err == nil || try == sandboxTries || r.sandboxImage == nil || r.sandboxImage.bring(ctx, err) != nil {
			return answer.GetPodSandboxId(), err
		}
	}
}

// sandboxImageWords are how a runtime says that it has no image for sandboxes.
var sandboxImageWords = regexp.MustCompile(`failed to (?:get sandbox image|pull image) "([^"]+)"`)

// trySandbox makes a sandbox and removes it, with its cgroup. The run has no pods yet.
func trySandbox(ctx context.Context, conn *grpc.ClientConn, run string) (err error) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	group := path.Join(cgroupOfAll, run)
	defer func() { err = both(err, clearCgroup(group)) }()
	runtime := runtimeapi.NewRuntimeServiceClient(conn)
	config := &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: "podsim-" + run + "-trial", Namespace: "podsim", Uid: run + "-trial"},
		Labels:   map[string]string{LabelRun: run},
		Linux: &runtimeapi.LinuxPodSandboxConfig{CgroupParent: path.Join(group, "trial"),
			SecurityContext: &runtimeapi.LinuxSandboxSecurityContext{NamespaceOptions: &runtimeapi.NamespaceOption{Network: runtimeapi.NamespaceMode_NODE}}},
	}
	made, err := runtime.RunPodSandbox(ctx, &runtimeapi.RunPodSandboxRequest{Config: config})
	if err != nil {
		return err
	}
	return removePodSandbox(ctx, runtime, made.PodSandboxId)
}

// lasting is a context for a call that makes something before the run begins: it goes on for makingMax when the run is
// given up, as the calls of the run do.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	lasts, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	context.AfterFunc(ctx, func() { time.AfterFunc(makingMax, cancel) })
	return lasts, cancel
}

// How long containerd's CRI service may take to know of another name of an image, and how often it is asked: guesses, it
// takes a few milliseconds.
const (
	nameMax  = 10 * time.Second
	nameEach = 10 * time.Millisecond
)

// nameImage gives an image of containerd another name, too, and waits until its CRI service knows.
func nameImage(ctx context.Context, conn *grpc.ClientConn, name, other, run string) error {
	ctx, cancel := context.WithTimeout(ctx, nameMax)
	defer cancel()
	inNamespace := metadata.AppendToOutgoingContext(ctx, "containerd-namespace", "k8s.io")
	store := imagesapi.NewImagesClient(conn)
	have, err := store.Get(inNamespace, &imagesapi.GetImageRequest{Name: name})
	if err != nil {
		return err
	}
	_, err = store.Create(inNamespace, &imagesapi.CreateImageRequest{Image: &imagesapi.Image{Name: other, Target: have.Image.Target,
		Labels: map[string]string{LabelRun: run}}})
	if err != nil && status.Code(err) != codes.AlreadyExists {
		return err
	}
	service := runtimeapi.NewImageServiceClient(conn)
	for imageSize(ctx, service, &runtimeapi.ImageSpec{Image: other}) == 0 {
		if wait(ctx, nameEach); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// bringImages gets onto the node what is to be there when the run begins, and the images of the run ready to
// be pulled.
func (p *play) bringImages(ctx context.Context) (Images, *sandboxImage, error) {
	if p.RealImages {
		sandbox, err := p.bringSandboxImage(ctx)
		return images.NewReal(p.scenario), sandbox, err
	}
	r, err := p.startRegistry(ctx, p.scenario)
	if err != nil {
		return nil, nil, err
	}
	r.Draw = drawLatency(p.scenario.Seed)
	if err := r.Prepare(); err != nil {
		return nil, nil, err
	}
	sandbox := &sandboxImage{conn: p.conn, registry: r, run: p.claim.Run}
	if err := sandbox.provide(ctx); err != nil {
		return nil, nil, err
	}
	if err := pullFirst(ctx, p.conn, r, p.scenario); err != nil {
		return nil, nil, err
	}
	return r, sandbox, r.Begin()
}

// bringSandboxImage brings the image for sandboxes alone, where it is absent.
func (p *play) bringSandboxImage(ctx context.Context) (*sandboxImage, error) {
	if trySandbox(ctx, p.conn, p.claim.Run) == nil {
		return nil, nil
	}
	r, err := p.startRegistry(ctx, &model.Scenario{})
	if err != nil {
		return nil, err
	}
	sandbox := &sandboxImage{conn: p.conn, registry: r, run: p.claim.Run}
	return sandbox, sandbox.provide(ctx)
}

// startRegistry starts the registry of a scenario's images. It ends with the run.
func (p *play) startRegistry(ctx context.Context, sc *model.Scenario) (*images.Registry, error) {
	program, err := Program(ctx, p.Program)
	if err != nil {
		return nil, err
	}
	return images.Start(p.calls, sc, p.claim.Run, program)
}

// drawLatency draws what a registry takes on top of a pull.
func drawLatency(seed uint64) func(*model.Dist) time.Duration {
	var mutex sync.Mutex
	draw := rand.New(rand.NewPCG(seed, 0))
	return func(d *model.Dist) time.Duration {
		mutex.Lock()
		defer mutex.Unlock()
		return time.Duration(sim.SampleTime(d, draw.Float64()))
	}
}

// pullsAtOnce is how many images are brought at a time before a run: a guess, some more than the processors of a small
// node.
const pullsAtOnce = 4

// pullFirst pulls what is to be on the node when the run begins: the layer that all images share, and the
// images that the scenario's nodes have at the start.
func pullFirst(ctx context.Context, conn *grpc.ClientConn, r *images.Registry, sc *model.Scenario) error {
	service := runtimeapi.NewImageServiceClient(conn)
	if err := pullOnce(ctx, service, &runtimeapi.ImageSpec{Image: r.Base()}, nil); err != nil {
		return fmt.Errorf("the image with the stand-in program: %w", err)
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(pullsAtOnce)
	// The cluster has no nodes before it begins.
	for i := range sc.Nodes {
		for _, image := range sc.Nodes[i].Images {
			tagged, err := model.WithDefaultTag(image)
			if err != nil {
				continue
			}
			name := r.Name(sc.Nodes[i].Name, tagged)
			all.Go(func() error {
				return pullOnce(ctx, service, &runtimeapi.ImageSpec{Image: name}, nil)
			})
		}
	}
	return all.Wait()
}
