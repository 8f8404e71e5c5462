package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model/kubelet"
	"podsim/runner/workload"
	"podsim/sim"
)

// create makes a container (kuberuntime_container.go startContainer step 2).
func (r *CRI) create(p *pod, i int8) {
	k := &p.containers[i]
	x := &instance{pod: p, index: i}
	name := p.template.Containers[i].Name
	x.directory = filepath.Join(p.directory, "containers", name, fmt.Sprint(k.created))
	x.logPath = filepath.Join(p.logs, logPath(name, k.created))
	config := r.containerConfig(p, x, k.created)
	k.created++
	answer := func(e kubelet.Event) {
		e.Kind, e.Container = kubelet.ContainerCreated, i
		r.answer(p, e)
	}
	if why := r.cluster.BehaviorOf(p.ref.ID, int(i)).CreateError; why != "" && !r.asTheyAre() {
		r.leftOut("containers with a createError are not created: the runtime is not asked")
		r.driver.After(0, func() { answer(kubelet.Event{Text: r.intern(why)}) })
		return
	}
	if !r.asTheyAre() {
		w := workloadRun(r.cluster.RunOf(p.ref.ID, int(i), k.runs+1), r.standIns(p), int(i), p.address,
			memoryLimit(p.template, p.template.ContainerSpec(int(i))))
		x.run = &w
	}
	sandbox, sandboxConfig := p.sandbox, p.config
	r.call(callTime, func(ctx context.Context) error {
		if err := x.prepare(config); err != nil {
			return err
		}
		return r.createContainer(ctx, x, &runtimeapi.CreateContainerRequest{PodSandboxId: sandbox, Config: config, SandboxConfig: sandboxConfig})
	}, func(err error) {
		if err == nil {
			k.last = x
			r.instances[x.id] = x
		}
		answer(r.failed(kubelet.Event{OK: err == nil}, err, description))
	})
}

// prepare makes the files that an instance needs.
func (x *instance) prepare(config *runtimeapi.ContainerConfig) error {
	if err := os.MkdirAll(x.directory, 0o777); err != nil {
		return err
	}
	if x.run != nil {
		if err := workload.Write(x.directory, x.run); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(x.logPath), 0o755); err != nil {
		return err
	}
	if err := writeShared(filepath.Join(x.directory, terminationLog), nil); err != nil {
		return err
	}
	return makeSubPaths(config.Mounts)
}

// createContainer is the call. After an outage of the runtime it looks for what it has made.
func (r *CRI) createContainer(ctx context.Context, x *instance, request *runtimeapi.CreateContainerRequest) error {
	return once(ctx, func() error {
		answer, err := r.runtime.CreateContainer(ctx, request)
		x.id = answer.GetContainerId()
		return err
	}, func() (bool, error) {
		list, err := r.runtime.ListContainers(ctx, &runtimeapi.ListContainersRequest{Filter: &runtimeapi.ContainerFilter{PodSandboxId: request.PodSandboxId}})
		for _, c := range list.GetContainers() {
			if c.Metadata.Name == request.Config.Metadata.Name && c.Metadata.Attempt == request.Config.Metadata.Attempt {
				x.id = c.Id
			}
		}
		return x.id != "", err
	})
}

// start starts the container that was created last, which the machine knows by a number from now on.
func (r *CRI) start(p *pod, i int8, number int32) {
	k := &p.containers[i]
	x := k.last
	x.number = number
	k.byNumber[number] = x
	r.call(callTime, func(ctx context.Context) error {
		err := r.startContainer(ctx, x)
		awaitStandIn(ctx, x.directory, err)
		return err
	}, func(err error) {
		if err == nil {
			x.started = true
			k.runs++
		}
		words := r.cluster.BehaviorOf(p.ref.ID, int(i)).StartError
		r.answer(p, r.failed(kubelet.Event{Kind: kubelet.ContainerStarted, Container: i, OK: err == nil}, err, func(err error) string {
			return startWords(description(err), words)
		}))
		r.tellExit(x)
	})
}

// startContainer is the call. After an outage of the runtime it looks whether the container was started.
func (r *CRI) startContainer(ctx context.Context, x *instance) error {
	return once(ctx, func() error {
		_, err := r.runtime.StartContainer(ctx, &runtimeapi.StartContainerRequest{ContainerId: x.id})
		return err
	}, func() (bool, error) {
		answer, err := r.runtime.ContainerStatus(ctx, &runtimeapi.ContainerStatusRequest{ContainerId: x.id})
		return answer.GetStatus().GetStartedAt() > 0, err
	})
}

// startWords are the runtime's of a container that cannot be started, with the scenario's in the place of why.
func startWords(text, words string) string {
	if at := strings.Index(text, "exec: "); words != "" && at >= 0 {
		return text[:at] + words
	}
	return text
}

// stopTime is how long the runtime is given beside the grace period (kuberuntime_container.go
// killContainer, cri-client StopContainer). A call that is given up never kills.
const stopTime = callTime

// stop stops a container. It ends when the container has, whatever goes wrong.
func (r *CRI) stop(p *pod, i int8, number int32, graceSeconds int64) {
	x := p.containers[i].byNumber[number]
	if x == nil {
		r.driver.After(0, func() { r.answer(p, kubelet.Event{Kind: kubelet.ContainerStopped, Container: i}) })
		return
	}
	waits := time.Duration(r.cluster.RunOf(p.ref.ID, int(i), p.containers[i].runs).TermAfter)
	ctx, done := r.whileAsked(p.ref)
	r.driver.Go(func() {
		defer done()
		var end *runtimeapi.ContainerStatus
		if err := retry(ctx, func() (err error) {
			end, err = r.stopContainer(ctx, x, graceSeconds, waits)
			return err
		}); err != nil {
			return // Nobody waits for it any more.
		}
		r.driver.Answer(func() {
			r.ended(x, end)
			r.answer(p, kubelet.Event{Kind: kubelet.ContainerStopped, Container: i})
		})
	})
}

// askedEach is how often it is looked whether a kubelet still waits for a stop: a guess.
const askedEach = 200 * time.Millisecond

// whileAsked ends when the kubelet that asks is stopped, or with the run: its calls end with it, and a stop that
// is given up never kills.
func (r *CRI) whileAsked(ref sim.PodRef) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.ctx)
	var look func()
	look = func() {
		if ctx.Err() != nil {
			return
		}
		if !r.cluster.Asks(ref) {
			cancel()
			return
		}
		r.driver.After(askedEach, look)
	}
	look()
	return ctx, cancel
}

// stopContainer is the call, and how the container has ended. waits is how long it goes on after SIGTERM.
func (r *CRI) stopContainer(ctx context.Context, x *instance, graceSeconds int64, waits time.Duration) (end *runtimeapi.ContainerStatus, err error) {
	ctx, cancel := context.WithTimeout(ctx, stopTime+time.Duration(graceSeconds)*time.Second)
	defer cancel()
	err = again(ctx, func() error {
		_, err := r.runtime.StopContainer(withFacts(ctx, callFacts{waits: waits}), &runtimeapi.StopContainerRequest{ContainerId: x.id, Timeout: graceSeconds})
		return err
	})
	if err != nil && !gone(err) {
		return nil, err
	}
	if end, err = r.exited(ctx, x.id); gone(err) {
		return notLocated(), nil
	}
	if err == nil && end == nil {
		err = errStillRuns
	}
	return end, err
}

// errStillRuns is of a container that runs although it was stopped.
var errStillRuns = errors.New("the container still runs")

// notLocated is the end of a container that the runtime does not have any more (pkg/kubelet/kubelet_pods.go
// convertToAPIContainerStatuses).
func notLocated() *runtimeapi.ContainerStatus {
	return &runtimeapi.ContainerStatus{ExitCode: 137, Reason: "ContainerStatusUnknown",
		Message: "The container could not be located when the pod was terminated"}
}

// remove removes an instance. One that runs is killed for it.
func (r *CRI) remove(p *pod, i int8, number int32, then kubelet.Event) {
	k := &p.containers[i]
	x := k.byNumber[number]
	if x == nil {
		r.driver.After(0, func() { r.answer(p, then) })
		return
	}
	delete(k.byNumber, number)
	r.call(callTime, func(ctx context.Context) error {
		err := again(ctx, func() error {
			_, err := r.runtime.RemoveContainer(ctx, &runtimeapi.RemoveContainerRequest{ContainerId: x.id})
			return err
		})
		// The kubelet removes the log with the container (kuberuntime_container.go removeContainerLog).
		_ = os.Remove(x.logPath)
		return err
	}, func(error) {
		r.ended(x, &runtimeapi.ContainerStatus{ExitCode: 137, Reason: "Error"})
		delete(r.instances, x.id)
		r.answer(p, then)
	})
}

// collect lets the container GC remove an instance, or all that there are of a pod that has stopped, if its
// round comes first.
func (r *CRI) collect(p *pod, f *kubelet.Effect) {
	at, ok := r.cluster.NextCollect(r.cluster.State().Pods[p.ref.ID].Node)
	if !ok {
		return
	}
	remove := func(i int8, number int32) {
		r.remove(p, i, number, kubelet.Event{Kind: kubelet.ContainerDiscarded, Container: i, Instance: number})
	}
	i, number := f.Container, f.Instance
	r.driver.After(time.Duration(at-r.cluster.Now()), func() {
		if i >= 0 {
			if p.containers[i].byNumber[number] != nil {
				remove(i, number)
			}
			return
		}
		for i := range p.containers {
			for _, number := range slices.Sorted(maps.Keys(p.containers[i].byNumber)) {
				remove(int8(i), number)
			}
		}
	})
}

// logPath is a container's log below the pod's folder of logs (pkg/kubelet/kuberuntime/helpers.go
// buildContainerLogsPath).
func logPath(name string, attempt uint32) string {
	return filepath.Join(name, fmt.Sprintf("%d.log", attempt))
}

// containerConfig follows generateContainerConfig of kuberuntime_container.go and its Linux part.
func (r *CRI) containerConfig(p *pod, x *instance, attempt uint32) *runtimeapi.ContainerConfig {
	i := int(x.index)
	spec := p.template.ContainerSpec(i)
	envs := r.environment(p, i)
	values := map[string]string{}
	for _, e := range envs {
		values[e.Key] = string(e.Value)
	}
	if own := r.ownHostname(p); own != nil {
		envs = append([]*runtimeapi.KeyValue{own}, envs...)
	}
	mounts := append(r.mounts(p, spec, values), &runtimeapi.Mount{ContainerPath: workload.Directory, HostPath: x.directory})
	if spec.TerminationMessagePath != "" {
		mounts = append(mounts, &runtimeapi.Mount{ContainerPath: spec.TerminationMessagePath, HostPath: filepath.Join(x.directory, terminationLog)})
	}
	c := &runtimeapi.ContainerConfig{
		Metadata:    &runtimeapi.ContainerMetadata{Name: spec.Name, Attempt: attempt},
		Image:       &runtimeapi.ImageSpec{Image: r.imageName(p, x.index), UserSpecifiedImage: spec.Image},
		Command:     r.command(p, i),
		WorkingDir:  spec.WorkingDir,
		Envs:        envs,
		Labels:      r.containerLabels(p, spec),
		Annotations: containerAnnotations(p.template.Spec, spec, attempt),
		LogPath:     logPath(spec.Name, attempt),
		Mounts:      mounts,
		Stdin:       spec.Stdin,
		StdinOnce:   spec.StdinOnce,
		Tty:         spec.TTY,
		StopSignal:  stopSignal(spec),
		Linux: &runtimeapi.LinuxContainerConfig{
			Resources:       r.resources(p, i),
			SecurityContext: r.security(p, spec),
		},
	}
	if r.asTheyAre() {
		ownCommand(c, spec, values)
	}
	return c
}

// stopSignal is the signal that a container asks for, the image's or SIGTERM when it asks for none
// (pkg/kubelet/kuberuntime/helpers.go getContainerConfigStopSignal).
func stopSignal(c *v1.Container) runtimeapi.Signal {
	if c.Lifecycle == nil || c.Lifecycle.StopSignal == nil {
		return runtimeapi.Signal_SIGNAL_RUNTIME_DEFAULT
	}
	name := strings.NewReplacer("+", "PLUS", "-", "MINUS").Replace(string(*c.Lifecycle.StopSignal))
	return runtimeapi.Signal(runtimeapi.Signal_value["SIGNAL_"+name])
}

// programPath is where the stand-in is in its images.
const programPath = "/podsim-workload"

// missingCommand is no program in any image.
const missingCommand = "/podsim-missing"

// commandOf is the command in the runtime's words for one that it cannot start.
var commandOf = regexp.MustCompile(`exec: "([^"]+)"`)

// command is what a container runs: the stand-in or, where the scenario wants that it cannot be started, what
// is not there, by the name in the scenario's words.
func (r *CRI) command(p *pod, i int) []string {
	why := r.cluster.BehaviorOf(p.ref.ID, i).StartError
	if why == "" {
		return []string{programPath}
	}
	if m := commandOf.FindStringSubmatch(why); m != nil && m[1] != programPath {
		return []string{m[1]}
	}
	return []string{missingCommand}
}

// imageName is how the runtime knows a container's image.
func (r *CRI) imageName(p *pod, i int8) string {
	return r.images.Name(p.node, r.cluster.State().Images[p.template.Containers[i].ImageID].Name)
}
