package scenarios

import (
	"cmp"
	"math"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// verb is what a step can do, with the keys that go with it.
type verb struct {
	name string
	verb model.StepVerb
	// extra are the keys that may stand beside the verb.
	extra []string
	// kinds are the kinds of target, for the verbs whose target is KIND/NAME.
	kinds []model.ObjectKind
}

var verbs = []verb{
	{"apply", model.StepApply, nil, nil},
	{"delete", model.StepDelete, []string{"namespace", "gracePeriod", "force"},
		[]model.ObjectKind{model.KindPod, model.KindDeployment, model.KindReplicaSet, model.KindService,
			model.KindConfigMap, model.KindSecret}},
	{"scale", model.StepScale, []string{"namespace", "replicas"}, []model.ObjectKind{model.KindDeployment, model.KindReplicaSet}},
	{"setImage", model.StepSetImage, []string{"namespace", "container", "image"}, []model.ObjectKind{model.KindDeployment}},
	{"cordon", model.StepCordon, nil, nil},
	{"uncordon", model.StepUncordon, nil, nil},
	{"drain", model.StepDrain, []string{"gracePeriod"}, nil},
	{"taint", model.StepTaint, []string{"value"}, nil},
	{"untaint", model.StepUntaint, []string{"value"}, nil},
	{"fail", model.StepFail, []string{"mode", "for"}, nil},
	{"recover", model.StepRecover, nil, nil},
	{"restartKubelet", model.StepRestartKubelet, []string{"for", "kubelet"}, nil},
	{"shutdown", model.StepShutdown, []string{"for"}, nil},
	{"resize", model.StepResize, []string{"namespace", "container", "requests", "limits"}, []model.ObjectKind{model.KindPod}},
	{"staticPod", model.StepStaticPod, []string{"manifest"}, nil},
	{"removeStaticPod", model.StepRemoveStaticPod, []string{"name", "namespace"}, nil},
	{"setCondition", model.StepSetCondition, []string{"namespace", "type", "status"}, []model.ObjectKind{model.KindPod}},
	{"registry", model.StepRegistry, []string{"error", "bandwidth", "for"}, nil},
}

// kindAliases are the kinds as kubectl lets one write them.
var kindAliases = map[string]model.ObjectKind{
	"pod": model.KindPod, "pods": model.KindPod, "po": model.KindPod,
	"deployment": model.KindDeployment, "deployments": model.KindDeployment, "deploy": model.KindDeployment,
	"deployment.apps": model.KindDeployment, "deployments.apps": model.KindDeployment,
	"replicaset": model.KindReplicaSet, "replicasets": model.KindReplicaSet, "rs": model.KindReplicaSet,
	"replicaset.apps": model.KindReplicaSet, "replicasets.apps": model.KindReplicaSet,
	"service": model.KindService, "services": model.KindService, "svc": model.KindService,
	"configmap": model.KindConfigMap, "configmaps": model.KindConfigMap, "cm": model.KindConfigMap,
	"secret": model.KindSecret, "secrets": model.KindSecret,
	"node": model.KindNode, "nodes": model.KindNode, "no": model.KindNode,
}

// stepReader reads the steps of one scenario.
type stepReader struct {
	*reader
	world    *world
	duration model.Time
	applies  []apply
	// index is that of the step's apply in applies.
	index map[*stepFile]int
}

// steps makes the steps in order of time, and keeps the world up with what they change.
func (r *reader) steps(spec *specFile, applies []apply, w *world, duration model.Time) []model.Step {
	s := stepReader{r, w, duration, applies, map[*stepFile]int{}}
	var steps []model.Step
	if objects := applies[0].objects(); len(objects) > 0 {
		steps = append(steps, model.Step{Verb: model.StepApply, Objects: objects, GraceSeconds: -1, Where: applies[0].where})
	}
	w.apply(&applies[0])
	var files []*stepFile
	for i := range spec.Steps {
		f := &spec.Steps[i]
		if f.Apply != nil {
			s.index[f] = len(s.index) + 1
		}
		if f.At == nil {
			r.errorAt(f.Where.at("at"), "spec.steps[%d].at is missing", i)
			continue
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b *stepFile) int { return cmp.Compare(*a.At, *b.At) })
	for _, f := range files {
		steps = append(steps, s.step(f)...)
	}
	slices.SortStableFunc(steps, func(a, b model.Step) int { return cmp.Compare(a.At, b.At) })
	if r.until != nil {
		steps = slices.DeleteFunc(steps, func(x model.Step) bool { return x.At > *r.until })
	}
	return steps
}

// step makes the model's steps of one in the file: none when it is wrong, two for a failure
// with an end.
func (s *stepReader) step(f *stepFile) []model.Step {
	v, ok := s.verbOf(f)
	if !ok {
		return nil
	}
	step := model.Step{At: model.Time(*f.At), Verb: v.verb, GraceSeconds: -1, Where: f.Where.at(v.name)}
	before := len(s.errs)
	if step.At > s.duration && s.until == nil && s.duration > 0 {
		s.errorAt(f.Where.at("at"), "the step is at %v, after the end of the run (%v)", step.At, s.duration)
	}
	if v.verb == model.StepRegistry {
		s.registry(f, &step)
	} else if v.verb != model.StepApply {
		s.target(f, v, &step)
	}
	if len(s.errs) > before {
		return nil
	}
	steps := s.fill(f, step)
	if len(s.errs) > before {
		return nil
	}
	return steps
}

// verbOf is the one verb of a step.
func (s *stepReader) verbOf(f *stepFile) (verb, bool) {
	var found []verb
	var all []string
	for _, v := range verbs {
		all = append(all, v.name)
		if key, value := child(f.Where.node, v.name); key != nil && !isNull(value) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		s.errorAt(f.Where.at(""), "the step has no verb, want one of %s", either(all))
		return verb{}, false
	case 1:
	default:
		s.errorAt(f.Where.at(found[1].name), "the step has the verbs %s and %s, want one: make two steps of it", found[0].name, found[1].name)
		return verb{}, false
	}
	v := found[0]
	for i := 0; i < len(f.Where.node.Content); i += 2 {
		key := f.Where.node.Content[i].Value
		if key != "at" && key != v.name && !slices.Contains(v.extra, key) {
			s.errorAt(f.Where.at(key), "%s says nothing in a step with %s: leave it out", key, v.name)
			return verb{}, false
		}
	}
	return v, true
}

// target reads the object that a step is about and checks that it is there at that time.
func (s *stepReader) target(f *stepFile, v verb, step *model.Step) {
	_, value := child(f.Where.node, v.name)
	where, written := f.Where.at(v.name), value.Value
	kindText, name, slash := strings.Cut(written, "/")
	if v.kinds == nil {
		if !slash {
			kindText, name = "node", written
		}
		v.kinds = []model.ObjectKind{model.KindNode}
	}
	kind, known := kindAliases[strings.ToLower(kindText)]
	if name == "" || !known || !slices.Contains(v.kinds, kind) {
		var words []string
		for _, k := range v.kinds {
			words = append(words, strings.ToLower(k.String())+"/NAME")
		}
		hint := ""
		if !known {
			hint = didYouMean(strings.ToLower(kindText), sortedKeys(kindAliases))
		}
		s.errorAt(where, "%s is %s, want %s%s", v.name, quoted(written), either(words), hint)
		return
	}
	step.Kind, step.Name, step.Namespace = kind, name, f.Namespace
	if kind == model.KindNode {
		step.Namespace = ""
	} else if step.Namespace == "" {
		step.Namespace = "default"
	}
	missing := s.world.missing
	if (step.Verb == model.StepSetCondition || step.Verb == model.StepResize) && strings.Contains(name, "*") {
		missing = s.world.missingPods
	}
	if why := missing(step); why != "" {
		s.errorAt(where, "%s", why)
	}
}

// fill reads what goes with the verb.
func (s *stepReader) fill(f *stepFile, step model.Step) []model.Step {
	switch step.Verb {
	case model.StepApply:
		a := &s.applies[s.index[f]]
		step.Objects = a.objects()
		s.world.apply(a)
		if len(step.Objects) == 0 {
			return nil
		}
	case model.StepDelete:
		s.fillDelete(f, &step)
		s.world.delete(&step)
	case model.StepDrain:
		s.fillDelete(f, &step)
	case model.StepScale:
		if f.Replicas == nil || *f.Replicas < 0 {
			s.errorAt(f.Where.at("replicas"), "scale needs replicas, 0 or more")
			return nil
		}
		step.Replicas = *f.Replicas
	case model.StepSetImage:
		s.fillSetImage(f, &step)
	case model.StepTaint, model.StepUntaint:
		s.fillTaint(f, &step)
	case model.StepSetCondition:
		s.fillSetCondition(f, &step)
	case model.StepResize:
		s.fillResize(f, &step)
	case model.StepStaticPod:
		s.fillStaticPod(f, &step)
	case model.StepRemoveStaticPod:
		s.fillRemoveStaticPod(f, &step)
	case model.StepFail:
		end := step
		end.Verb = model.StepRecover
		step.Failure = model.Failure(max(0, slices.Index(nodeModes, string(f.Mode))))
		return s.fillFor(f, step, end)
	case model.StepRestartKubelet:
		return s.fillRestart(f, step)
	case model.StepShutdown:
		if f.For != nil {
			step.For = model.Time(*f.For)
		}
	case model.StepRegistry:
		end := step
		step.Error, step.Bandwidth = string(f.Error), s.bandwidth(f.Where, "bandwidth", f.Bandwidth)
		return s.fillFor(f, step, end)
	}
	return []model.Step{step}
}

// registry reads the host of a step about a registry; where no image comes from it, checkUse says so.
func (s *stepReader) registry(f *stepFile, step *model.Step) {
	where := f.Where.at("registry")
	if f.Registry == "" {
		s.errorAt(where, "registry is empty, want a registry's host, such as docker.io")
		return
	}
	s.checkPattern(where, f.Registry)
	step.Name = f.Registry
	if f.For != nil && f.Error == "" && f.Bandwidth == nil {
		s.errorAt(f.Where.at("for"), "registry needs error or bandwidth with for; without them it says that all is well")
	}
}

// fillDelete follows kubectl (staging/src/k8s.io/kubectl/pkg/cmd/delete/delete.go): force
// means a grace period of 0, and a grace period of 0 without force means 1 second.
func (s *stepReader) fillDelete(f *stepFile, step *model.Step) {
	step.Force = f.Force != nil && *f.Force
	if step.Force {
		step.GraceSeconds = 0
	}
	if f.GracePeriod == nil {
		return
	}
	grace := model.Time(*f.GracePeriod)
	switch {
	case grace%model.Second != 0:
		s.errorAt(f.Where.at("gracePeriod"), "gracePeriod is %v, must be whole seconds", grace)
	case step.Force && grace > 0:
		s.errorAt(f.Where.at("gracePeriod"), "gracePeriod is %v, must be 0s or left out with force", grace)
	}
	step.GraceSeconds = int64(grace / model.Second)
	if step.GraceSeconds == 0 && !step.Force {
		step.GraceSeconds = 1
	}
}

func (s *stepReader) fillSetImage(f *stepFile, step *model.Step) {
	step.Image, step.Container = f.Image, cmp.Or(f.Container, "*")
	if step.Image == "" {
		s.errorAt(f.Where.at("image"), "setImage needs image, the new image")
		return
	}
	if why := s.world.setImage(step); why != "" {
		s.errorAt(f.Where.at("container"), "%s", why)
	}
}

func (s *stepReader) fillTaint(f *stepFile, step *model.Step) {
	if f.Value == "" {
		s.errorAt(f.Where.at("value"), "%v needs value, such as dedicated=gpu:NoSchedule", step.Verb)
		return
	}
	taint, removed, why := parseTaint(f.Value, step.Verb == model.StepUntaint)
	if why != "" {
		s.errorAt(f.Where.at("value"), "the taint %s %s", quoted(f.Value), why)
		return
	}
	step.Taint = taint
	if removed {
		step.Verb = model.StepUntaint
	}
}

func (s *stepReader) fillResize(f *stepFile, step *model.Step) {
	step.Container = f.Container
	step.Requests, step.Limits = f.Requests.list(), f.Limits.list()
	if len(step.Requests) == 0 && len(step.Limits) == 0 {
		s.errorAt(f.Where.at(""), "resize needs requests or limits, such as requests: {cpu: 300m}")
		return
	}
	if why := s.world.resize(step); why != "" {
		s.errorAt(f.Where.at("container"), "%s", why)
	}
}

func (s *stepReader) fillSetCondition(f *stepFile, step *model.Step) {
	step.Condition, step.Status = f.Type, model.ConditionStatus(f.Status)
	switch {
	case f.Type == "":
		s.errorAt(f.Where.at("type"), "setCondition needs type, a readiness gate of the pod")
	case slices.Contains(ownConditions, v1.PodConditionType(f.Type)):
		s.errorAt(f.Where.at("type"), "type is %s, a condition that Kubernetes sets itself: want a readiness gate of the pod", f.Type)
	case step.Status == model.ConditionAbsent:
		s.errorAt(f.Where.at("status"), "setCondition needs status, %s", either(truths))
	default:
		if why := s.world.setCondition(step); why != "" {
			s.errorAt(f.Where.at("type"), "%s", why)
		}
	}
}

// ownConditions are those of the kubelet (pkg/kubelet/types/pod_status.go PodConditionByKubelet), and
// the one that it shares with other components of Kubernetes.
var ownConditions = []v1.PodConditionType{v1.PodScheduled, v1.PodReady, v1.PodInitialized, v1.ContainersReady,
	v1.PodResizeInProgress, v1.PodResizePending, v1.PodReadyToStartContainers, v1.AllContainersRestarting,
	v1.DisruptionTarget}

// fillRestart makes a kubelet stop and start again.
func (s *stepReader) fillRestart(f *stepFile, step model.Step) []model.Step {
	step.Verb, step.Failure = model.StepFail, model.FailKubelet
	start := step
	start.Verb = model.StepRecover
	if f.Kubelet != nil {
		before := len(s.errs)
		if start.Kubelet = s.kubeletConfig(f.Kubelet, nil); len(s.errs) > before {
			return nil
		}
	}
	if f.For != nil {
		start.At += min(model.Time(*f.For), math.MaxInt64-step.At)
	}
	// A kubelet that is down at the end of the run stays down.
	if start.At > s.duration {
		return []model.Step{step}
	}
	return []model.Step{step, start}
}

// fillFor makes a step and, when it says how long that is for, the one that ends it.
func (s *stepReader) fillFor(f *stepFile, step, end model.Step) []model.Step {
	if f.For == nil {
		return []model.Step{step}
	}
	end.Where = f.Where.at("for")
	length := model.Time(*f.For)
	if length <= 0 || length > math.MaxInt64-step.At {
		s.errorAt(f.Where.at("for"), "for is %v, must be more than 0s", length)
		return nil
	}
	// What is not over at the end of the run stays.
	if end.At += length; end.At > s.duration {
		return []model.Step{step}
	}
	return []model.Step{step, end}
}
