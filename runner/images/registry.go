package images

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"podsim/model"
)

// loopback is the address of the interface.
const loopback = "127.0.0.1:"

// Registry serves the images of a scenario on the loopback interface. Each registry of the scenario has a
// port of its own, so that one of them can be out of reach.
type Registry struct {
	// Draw draws from a distribution of nanoseconds how long a pull takes on top; without it nothing does.
	// It is set before the first pull.
	Draw func(*model.Dist) time.Duration

	ctx      context.Context
	cancel   context.CancelFunc
	run      string
	scenario *model.Scenario
	secrets  pullSecrets
	base     v1.Layer
	hashes   prefixes

	mutex sync.Mutex
	// images are those that have a name, by node and image.
	images map[[2]string]*served
	// repositories has them by their repositories.
	repositories map[string][]*served
	origins      []*origin
	lines        map[string]*line
	hosts        map[string]*address
	// refusing and ignoring are the addresses of images that always fail that way.
	refusing, ignoring *address
	outages            []outage
	// begun says that the scenario's word counts.
	begun atomic.Bool
}

// served is an image as the registry has it for one node.
type served struct {
	node, image string
	real        real
	address     *address
	origin      *origin
	spec        model.ImageSpec
	// repository and tag are its name in this registry.
	repository, tag string

	once sync.Once
	err  error
	v1.Image
	layers map[v1.Hash]*layer
	// digests are those of the layers, and what the scenario calls them.
	digests []digest
}

// digest is a layer's digest here and in the scenario.
type digest struct{ served, real string }

// name is the image's name for a runtime.
func (s *served) name() string { return s.address.text + "/" + s.repository + ":" + s.tag }

// Start begins to serve the scenario's images, with the stand-in program, a file. It ends with the
// context or with Close. The run's id is part of the names of all images.
func Start(ctx context.Context, sc *model.Scenario, run, program string) (*Registry, error) {
	data, err := readProgram(program)
	if err != nil {
		return nil, fmt.Errorf("the stand-in program %s: %w", program, err)
	}
	base, err := baseLayer(data, sc.Images)
	if err != nil {
		return nil, err
	}
	r := &Registry{run: run, scenario: sc, secrets: newPullSecrets(sc), base: base, images: map[[2]string]*served{}, repositories: map[string][]*served{}, hosts: map[string]*address{}, lines: map[string]*line{}}
	r.ctx, r.cancel = context.WithCancel(ctx)
	if r.refusing, err = newAddress(r); err != nil {
		return nil, err
	}
	if r.ignoring, err = newAddress(r); err != nil {
		r.refusing.close()
		return nil, err
	}
	context.AfterFunc(r.ctx, r.Close)
	for _, a := range []*address{r.refusing, r.ignoring} {
		if err := a.set(answers); err != nil {
			r.Close()
			return nil, err
		}
	}
	return r, nil
}

// Prepare hashes what the layers of the scenario's images have in common, so that no pull waits for it.
func (r *Registry) Prepare() error {
	specs := append([]model.ImageSpec{{}}, r.scenario.Images...)
	for i := range specs {
		if _, err := layersOf(r.run, "", specs[i].Name, &specs[i], &r.hashes); err != nil {
			return err
		}
	}
	return nil
}

// Begin lets the registry do what the scenario says. Before, it gives all images to everybody at once, so
// that the nodes get those that they have at the start.
func (r *Registry) Begin() error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.begun.Store(true)
	failed := []error{r.refusing.set(refuses), r.ignoring.set(ignores)}
	for host, a := range r.hosts {
		failed = append(failed, a.set(r.reachOf(host)))
	}
	return errors.Join(failed...)
}

// Close ends the registry.
func (r *Registry) Close() {
	r.cancel()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, a := range r.hosts {
		a.close()
	}
	r.refusing.close()
	r.ignoring.close()
}

// Prefix begins the names of all images of a run, after the registry's address.
func Prefix(run string) string { return "podsim-" + run + "/" }

// Base is the name of an image that has only the layer that all images share. It is to be pulled before
// the run begins.
func (r *Registry) Base() string { return r.own("base", Program) }

// Pause is the name of an image for sandboxes: the stand-in program with the argument pause.
func (r *Registry) Pause() string { return r.own("pause", Program, "pause") }

// Name is how a runtime knows an image of a node.
func (r *Registry) Name(node, image string) string { return r.serve(node, image).name() }

// serve finds an image of a node, or begins to serve it.
func (r *Registry) serve(node, image string) *served {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	key := [2]string{node, image}
	if s := r.images[key]; s != nil {
		return s
	}
	s := &served{node: node, image: image, real: realOf(image), spec: r.specOf(image)}
	s.repository, s.tag = pathOf(r.run, node, image)
	if len(loopback)+len("65535/")+len(s.repository) > nameMax {
		_, path, _ := strings.Cut(strings.TrimPrefix(s.repository, Prefix(r.run)), "/")
		s.repository = Prefix(r.run) + fmt.Sprintf("%x", sha256.Sum256([]byte(node+"/"+path)))
	}
	s.origin = r.originOf(image)
	switch s.spec.Error {
	case "refused":
		s.address = r.refusing
	case "timeout":
		s.address = r.ignoring
	default:
		s.address = r.addressOf(s.origin.host)
	}
	r.images[key] = s
	r.repositories[s.repository] = append(r.repositories[s.repository], s)
	return s
}

// own is the name of an image of podsim itself that consists of the base layer.
func (r *Registry) own(name string, entrypoint ...string) string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	key := [2]string{"", name}
	s := r.images[key]
	if s == nil {
		s = &served{image: name, origin: &origin{host: name}, address: r.addressOf(""), repository: Prefix(r.run) + name, tag: "latest"}
		s.real = real{full: name, host: name, dial: name}
		s.once.Do(func() { s.Image, s.err = build(r.run, "", entrypoint, []v1.Layer{r.base}) })
		r.images[key] = s
		r.repositories[s.repository] = []*served{s}
	}
	return s.name()
}

// Error is the text that the scenario gives for a pull of an image that fails now, "" when it gives none but
// a kind of error or nothing: then what the runtime says counts.
func (r *Registry) Error(node, image string) string {
	s := r.serve(node, image)
	_, kind, _ := s.origin.state()
	if kind == "" {
		kind = s.spec.Error
	}
	if isText(kind) {
		return kind
	}
	return ""
}

// Size is how large an image is as the scenario sees it, of which the runtime says that it has so many bytes:
// without what all images share and what describes it.
func (r *Registry) Size(node, image string, reported int64) int64 {
	s := r.serve(node, image)
	if r.make(s) != nil {
		return reported
	}
	shared, err := r.base.Size()
	if err != nil {
		return reported
	}
	config, err := s.RawConfigFile()
	if err != nil {
		return reported
	}
	manifest, err := s.RawManifest()
	if err != nil {
		return reported
	}
	return reported - shared - int64(len(config)+len(manifest))
}

// specOf is what the scenario says of an image.
func (r *Registry) specOf(image string) model.ImageSpec {
	full := realOf(image).full
	for i := range r.scenario.Images {
		if realOf(r.scenario.Images[i].Name).full == full {
			return r.scenario.Images[i]
		}
	}
	return model.ImageSpec{Name: image}
}

// make makes the image's layers, once.
func (r *Registry) make(s *served) error {
	s.once.Do(func() { s.err = r.makeNow(s) })
	return s.err
}

func (r *Registry) makeNow(s *served) error {
	layers, err := layersOf(r.run, s.node, s.image, &s.spec, &r.hashes)
	if err != nil {
		return err
	}
	s.layers = map[v1.Hash]*layer{}
	list := []v1.Layer{r.base}
	for i, l := range layers {
		s.layers[l.digest] = l
		list = append(list, l)
		s.digests = append(s.digests, digest{l.digest.String(), realDigest(s, i)})
	}
	s.Image, err = build(r.run, s.spec.User, []string{Program}, list)
	return err
}

// realDigest is what the simulation calls a layer: its name if that is a digest, and one made from it
// otherwise.
func realDigest(s *served, i int) string {
	name := s.image
	if len(s.spec.Layers) > 0 {
		name = s.spec.Layers[i].Name
	}
	if strings.HasPrefix(name, "sha256:") {
		return name
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
}
