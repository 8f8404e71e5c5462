package conform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/scenarios"
	"podsim/sim"
)

// The verbs of a node's recording, and what is done to its kubelet.
const (
	verbCreate  = "create"
	verbDelete  = "delete"
	verbResize  = "patch/resize"
	verbKubelet = "kubelet"
	verbFile    = "file"
	verbNote    = "note"
	verbEnd     = "end"

	kubeletConfigured = "restarted with configuration"
	kubeletSignal     = " to the kubelet"
	kubeletStarted    = "started again"
	manifestWritten   = "static pod manifest written"
	manifestRemoved   = "static pod manifest removed"
)

// startsKubelet says that a kubelet begins with this step.
func (s *NodeStep) startsKubelet() bool {
	return s.Verb == verbKubelet && !s.stopsKubelet()
}

// stopsKubelet says that the kubelet is sent a signal: any of them ends it.
func (s *NodeStep) stopsKubelet() bool {
	return s.Verb == verbKubelet && strings.HasPrefix(s.What, "SIG") && strings.HasSuffix(s.What, kubeletSignal)
}

// nodePriorities are the priority classes of the recordings' cluster.
var nodePriorities = map[string]int32{"sim-high": 1000}

// The node of the recordings: its memory and its two file systems, in bytes.
const (
	nodeMemory     = 24684096 << 10
	nodeFilesystem = 6249086976
)

// nodeBefore is how long the node has been there when the recording begins.
const nodeBefore = 2 * model.Minute

// replay makes the runs of a recording.
type replay struct {
	*NodeRecording
	// settings are those of the real node.
	settings Settings
	// origin is the recording's start in a run.
	origin model.Time
	// base is the scenario of every run, but for its draws.
	base    model.Scenario
	aliases map[string]string
	// pods are those that are created, static is the one of the manifest that is there.
	pods   []*v1.Pod
	static *v1.Pod
}

// newReplay reads the steps of a recording. A step that is not known is an error.
func newReplay(r *NodeRecording) (*replay, error) {
	p := &replay{NodeRecording: r, settings: RealNode(), aliases: map[string]string{}}
	for alias, name := range r.Aliases {
		p.aliases[name] = alias
	}
	start := r.Start.Truncate(time.Second)
	p.origin = nodeBefore + model.Time(r.Start.Sub(start))
	p.base = model.Scenario{Start: start.Add(-time.Duration(nodeBefore)).UTC(), ControlPlane: p.settings.controlPlane,
		Latencies: p.settings.latencies}
	p.base.Nodes = []model.NodeSpec{{Name: realEnv, Images: r.initialImages()}}
	for i := range r.Steps {
		if err := p.addStep(&r.Steps[i]); err != nil {
			return nil, fmt.Errorf("%s: step %q %q at %s: %w", r.Name, r.Steps[i].Verb, r.Steps[i].What, seconds(r.Steps[i].Ms), err)
		}
	}
	if p.base.Duration == 0 {
		return nil, fmt.Errorf("%s: there is no step %q", r.Name, verbEnd)
	}
	if p.base.Nodes[0].Kubelet == nil {
		return nil, fmt.Errorf("%s: there is no step %q %q with the configuration at the start", r.Name, verbKubelet, kubeletConfigured)
	}
	p.addMachine()
	p.addImages()
	return p, nil
}

// recordedNode is the node of the recordings.
func recordedNode(config *kubeletconfig.Configuration) *v1.Node {
	node := &v1.Node{}
	node.Status.Capacity = v1.ResourceList{
		"cpu": resource.MustParse("2"), "memory": *resource.NewQuantity(nodeMemory, resource.BinarySI),
		"pods": *resource.NewQuantity(int64(config.MaxPods), resource.DecimalSI), "ephemeral-storage": *resource.NewQuantity(nodeFilesystem, resource.BinarySI),
	}
	model.DefaultNode(node)
	return node
}

// initialImages are the images on the node before anything was pulled: those that its first line
// lists, and those that a container found there without a pull before.
func (r *NodeRecording) initialImages() []string {
	var images []string
	pulled := map[string]bool{}
	add := func(name string) {
		if !pulled[name] && !slices.Contains(images, name) {
			images = append(images, name)
		}
	}
	listed := false
	for i := range r.Lines {
		l := &r.Lines[i]
		switch {
		case l.Kind == "Node" && !listed:
			listed = true
			for _, name := range l.Images {
				add(name)
			}
		case l.Event == "Pulling":
			pulled[quoted(l.Message)] = true
		case l.Event == "Pulled" && strings.Contains(l.Message, "already present"):
			add(quoted(l.Message))
		}
	}
	return images
}

// imageSizes are those of the images that were pulled, in bytes, by name.
func (r *NodeRecording) imageSizes() map[string]int64 {
	sizes := map[string]int64{}
	for i := range r.Lines {
		l := &r.Lines[i]
		if match := imageSize.FindStringSubmatch(l.Message); match != nil && l.Event == "Pulled" {
			sizes[quoted(l.Message)] = int64(number(match[1]))
		}
	}
	return sizes
}

var imageSize = regexp.MustCompile(`Image size: (\d+) bytes`)

// quoted is what a message has in quotes first.
func quoted(message string) string {
	_, rest, _ := strings.Cut(message, "\"")
	name, _, _ := strings.Cut(rest, "\"")
	return name
}

// The sizes of the recordings' images in bytes: each is one layer that has the tester, too. Those of
// image collection are numbered.
const (
	sandboxSize  = 300 << 10
	testerSize   = 5809867
	slowSize     = 20489936
	firstGCSize  = 132687563
	gcSizeGrowth = 1 << 20
)

// The bandwidths of each connection to the recordings' registry in bytes a second: for its slow images,
// and for the others as fast as the node can unpack them.
const (
	slowBandwidth = 4e6
	fastBandwidth = 215e6
)

// sandboxImage is that of the sandboxes, which the runtime keeps.
const sandboxImage = registry + "pause:1"

// addImages adds the images of the recording's pods and those that were on the node. Others fail as in
// the recordings of pods.
func (p *replay) addImages() {
	names := p.initialImages()
	for _, pod := range p.pods {
		for _, c := range containersOf(pod) {
			names = append(names, c.Image)
		}
	}
	sizes := p.imageSizes()
	for _, name := range names {
		repository, _, _ := strings.Cut(strings.TrimPrefix(name, registry), ":")
		spec := model.ImageSpec{Name: name}
		switch {
		case name == testerImage:
			spec.Size = testerSize
		case name == sandboxImage:
			spec.Size, spec.Pinned = sandboxSize, true
		case strings.HasPrefix(repository, "slow"):
			spec.Size = slowSize
		case strings.HasPrefix(repository, "gc"):
			spec.Size = int64(firstGCSize + gcSizeGrowth*(number(repository[2:])-1))
		case sizes[name] > 0:
		default:
			spec.Error = p.settings.pullError(name, otherImage(name))
		}
		if size := sizes[name]; size > 0 {
			spec.Size = size
		}
		p.base.Images = append(p.base.Images, spec)
	}
	p.base.Registries = []model.Registry{{Host: registry + "slow*", Connection: slowBandwidth}, {Host: "*", Connection: fastBandwidth}}
}

// at is the moment of a run at which the recording was at ms.
func (p *replay) at(ms int64) model.Time { return p.origin + model.Time(ms)*model.Millisecond }

func (p *replay) addStep(s *NodeStep) error {
	switch s.Verb {
	case verbNote:
		return nil
	case verbEnd:
		p.base.Duration = p.at(s.Ms)
		return nil
	case verbKubelet:
		return p.addKubeletStep(s)
	case verbCreate:
		return p.addCreate(s)
	case verbDelete:
		return p.addDelete(s)
	case verbResize:
		return p.addResize(s)
	case verbFile:
		return p.addFile(s)
	}
	return errors.New("this verb is not known")
}

// addKubeletStep stops and starts the kubelet. A request to stop it takes effect at once.
func (p *replay) addKubeletStep(s *NodeStep) error {
	stop := model.Step{At: p.at(s.Ms), Verb: model.StepFail, Kind: model.KindNode, Name: realEnv, Failure: model.FailKubelet}
	start := model.Step{At: p.at(s.Ms), Verb: model.StepRecover, Kind: model.KindNode, Name: realEnv}
	switch {
	case s.What == kubeletConfigured:
		config, err := kubeletConfigOf(s.Object)
		if err != nil {
			return err
		}
		if p.base.Nodes[0].Kubelet == nil {
			p.base.Nodes[0].Kubelet = config
		}
		start.Kubelet = config
		p.add(stop)
		p.add(start)
	case s.stopsKubelet():
		p.add(stop)
	case s.What == kubeletStarted:
		p.add(start)
	default:
		return errors.New("it is not known what is done to the kubelet")
	}
	return nil
}

// kubeletConfigOf reads the fields of a KubeletConfiguration.
func kubeletConfigOf(object json.RawMessage) (*kubeletconfig.Configuration, error) {
	var fields map[string]any
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	fields["apiVersion"], fields["kind"] = "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"
	data, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	c, err := scenarios.ReadKubeletConfigBytes("configuration", data)
	if err != nil {
		return nil, err
	}
	return c.Configuration, nil
}

func (p *replay) addCreate(s *NodeStep) error {
	pod, err := p.podOf(s)
	if err != nil {
		return err
	}
	if err := p.addBehaviors(pod, pod.Name); err != nil {
		return err
	}
	p.add(model.Step{At: p.at(s.Ms), Objects: []model.Object{{Object: pod}}})
	return nil
}

func (p *replay) add(s model.Step) { p.base.Steps = append(p.base.Steps, s) }

// podOf is the pod of a step, as the API server stores it.
func (p *replay) podOf(s *NodeStep) (*v1.Pod, error) {
	if !strings.HasPrefix(s.What, "Pod/") && s.Verb != verbFile {
		return nil, errors.New("only pods are created")
	}
	pod := &v1.Pod{}
	if err := decodeStrictly(s.Object, pod); err != nil {
		return nil, err
	}
	if pod.Namespace == "" {
		pod.Namespace = p.Name
	}
	if name := pod.Spec.PriorityClassName; name != "" && !strings.HasPrefix(name, "system-") {
		priority, err := p.priority(pod)
		if err != nil {
			return nil, err
		}
		pod.Spec.Priority = &priority
	}
	model.DefaultPod(pod)
	return pod, nil
}

// priority is that of a pod's class: as the API server wrote it into the pod, if that was recorded.
func (p *replay) priority(pod *v1.Pod) (int32, error) {
	for i := range p.Lines {
		if l := &p.Lines[i]; l.Kind == "Pod" && l.Name == p.alias(pod.Name) && l.Priority != 0 {
			return l.Priority, nil
		}
	}
	priority, ok := nodePriorities[pod.Spec.PriorityClassName]
	if !ok {
		return 0, fmt.Errorf("the priority class %q is not known", pod.Spec.PriorityClassName)
	}
	return priority, nil
}

// decodeStrictly reads JSON in which everything is known.
func decodeStrictly(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// busyDisk is how long it takes until a process ends that has written much: now and then the machine's
// disk is busy with what others write.
var busyDisk = model.Dist{Kind: model.DistEmpirical, Values: []float64{0, 0, 0, 0, 0, 0, 0, 1.2e9}}

// emptyLayer is what a container's writable layer takes before anything is written, in bytes: the folders
// of an overlay.
const emptyLayer = 16 << 10

// addBehaviors says what the containers of a pod do, which is called name.
func (p *replay) addBehaviors(pod *v1.Pod, name string) error {
	p.pods = append(p.pods, pod)
	ports := listening(pod)
	for _, c := range containersOf(pod) {
		if err := knownArguments(c); err != nil {
			return err
		}
		b := p.settings.behavior(c, ports)
		if len(b.Disk) > 0 {
			b.OnTerm.After = busyDisk
		}
		b.Disk = slices.Insert(b.Disk, 0, model.DiskPoint{Use: emptyLayer})
		b.Namespace, b.Pod, b.Args = pod.Namespace, name, strings.Join(slices.Concat(c.Command, c.Args), " ")
		p.base.Behaviors = append(p.base.Behaviors, b)
	}
	return nil
}

// testerArguments are what a tester container may be told.
var testerArguments = []string{"sleep", "exit", "forever", "alloc", "write", "ignoreterm", "term-exit", "http", "failmsg"}

func knownArguments(c *v1.Container) error {
	for _, a := range arguments(c) {
		key, _, _ := strings.Cut(a, "=")
		if !slices.Contains(testerArguments, key) {
			return fmt.Errorf("container %s: the argument %q of the tester is not known", c.Name, a)
		}
	}
	return nil
}

func (p *replay) addDelete(s *NodeStep) error {
	alias, ok := strings.CutPrefix(s.What, "Pod/")
	if !ok {
		return errors.New("only pods are deleted")
	}
	step := model.Step{At: p.at(s.Ms), Verb: model.StepDelete, Kind: model.KindPod, Namespace: p.Name, Name: p.realName(alias), GraceSeconds: -1}
	if len(s.Object) > 0 {
		var options metav1.DeleteOptions
		if err := decodeStrictly(s.Object, &options); err != nil {
			return err
		}
		if options.GracePeriodSeconds != nil {
			step.GraceSeconds = *options.GracePeriodSeconds
		}
	}
	if p.static != nil && step.Name == model.StaticPodName(p.static.Name, realEnv) {
		step.Namespace = p.static.Namespace
	}
	p.add(step)
	return nil
}

// resizePatch is a patch of the subresource resize.
type resizePatch struct {
	Spec struct {
		Resources  *v1.ResourceRequirements `json:"resources"`
		Containers []struct {
			Name      string                  `json:"name"`
			Resources v1.ResourceRequirements `json:"resources"`
		} `json:"containers"`
	} `json:"spec"`
}

func (p *replay) addResize(s *NodeStep) error {
	alias, ok := strings.CutPrefix(s.What, "Pod/")
	if !ok {
		return errors.New("only pods are resized")
	}
	var patch resizePatch
	if err := decodeStrictly(s.Object, &patch); err != nil {
		return err
	}
	step := model.Step{At: p.at(s.Ms), Verb: model.StepResize, Kind: model.KindPod, Namespace: p.Name, Name: p.realName(alias)}
	switch list := patch.Spec.Containers; {
	case len(list) == 0 && patch.Spec.Resources != nil:
		step.Requests, step.Limits = patch.Spec.Resources.Requests, patch.Spec.Resources.Limits
	case len(list) == 1 && patch.Spec.Resources == nil:
		step.Container, step.Requests, step.Limits = list[0].Name, list[0].Resources.Requests, list[0].Resources.Limits
	default:
		return errors.New("a resize must be about one container, or about the pod as a whole")
	}
	p.add(step)
	return nil
}

// addFile writes or removes the manifest of the static pod.
func (p *replay) addFile(s *NodeStep) error {
	switch s.What {
	case manifestWritten:
		pod, err := p.podOf(s)
		if err != nil {
			return err
		}
		p.static = pod
		// The name of a static pod ends with that of its node.
		if err := p.addBehaviors(pod, pod.Name+"-"+realEnv); err != nil {
			return err
		}
		p.add(model.Step{At: p.at(s.Ms), Verb: model.StepStaticPod, Name: realEnv, Objects: []model.Object{{Object: pod}}})
	case manifestRemoved:
		if p.static == nil {
			return errors.New("there is no manifest")
		}
		p.add(model.Step{At: p.at(s.Ms), Verb: model.StepRemoveStaticPod, Name: realEnv, Namespace: p.static.Namespace, Pod: p.static.Name})
		p.static = nil
	default:
		return errors.New("it is not known what is done to the file")
	}
	return nil
}

// realName is the name of an object that a step or a line calls by an alias.
func (p *replay) realName(alias string) string {
	if name := p.Aliases[alias]; name != "" {
		return name
	}
	return alias
}

// scenario is the recorded node with a seed for what is drawn.
func (p *replay) scenario(seed uint64) *model.Scenario {
	sc := p.base
	sc.Seed = seed
	sc.Latencies = p.settings.loadedBy(seed)
	return &sc
}

// branch is the best run so far with another seed from a moment shortly before it went wrong.
func (p *replay) branch(best *nodeRun, k uint64) *model.Scenario {
	const steps = 12
	bad := min(best.bad, int64((p.base.Duration-p.origin)/model.Millisecond))
	from := p.at(bad) - 50*model.Millisecond<<(k/2%steps)
	return reseeded(best.scenario, max(p.origin, from), k)
}

// run simulates a scenario and writes down what the recorder would.
func (p *replay) run(sc *model.Scenario) ([]NodeLine, error) {
	c, err := sim.NewCluster(sc)
	if err != nil {
		return nil, err
	}
	var lines []NodeLine
	c.Observe(func(t model.Transition) {
		switch t.Kind {
		case model.KindPod:
			lines = append(lines, p.podLine(c.State(), &t))
		case model.KindNode:
			lines = append(lines, nodeLine(c.State(), &t))
		}
	}, func(e *model.Event) {
		if e.Kind == model.KindPod || e.Kind == model.KindNode {
			lines = append(lines, p.eventLine(c.State(), e))
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	out := lines[:0]
	for i := range lines {
		lines[i].Ms -= int64(p.origin / model.Millisecond)
		if lines[i].Ms >= 0 || changes(lines[i].Type) {
			out = append(out, lines[i])
		}
	}
	return out, nil
}
