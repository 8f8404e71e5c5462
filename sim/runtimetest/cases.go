package runtimetest

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"podsim/model"
	"podsim/model/kubelet"
	"podsim/model/kubeletconfig"
)

const (
	ms = model.Millisecond
	s  = model.Second
	mi = 1 << 20
)

// soon is how long a container takes that is to end by itself, ready until what it does has begun.
const (
	soon  = 300 * ms
	ready = 300 * ms
)

var forever = model.Behavior{Run: model.Run{Forever: true}}

// ends ends by itself, each run with its exit code.
func ends(after model.Time, codes ...int32) model.Behavior {
	return model.Behavior{Run: model.Run{For: lasts(after), Exit: codes}}
}

func lasts(d model.Time) model.Dist { return model.Dist{Value: float64(d)} }

// onTerm runs for ever and answers SIGTERM.
func onTerm(o model.OnTerm) []model.Behavior {
	return []model.Behavior{{Run: model.Run{Forever: true}, OnTerm: o}}
}

// grows uses more memory than its limit, by a child of its main process or itself.
func grows(run model.Run, child bool) []model.Behavior {
	return []model.Behavior{{Run: run, MemoryChild: child,
		Memory: []model.MemoryPoint{{Use: 8 * mi}, {At: 200 * ms, Use: 8 * mi}, {At: 300 * ms, Use: 96 * mi}}}}
}

// limited gives container 0 a limit of memory.
func limited(p *v1.Pod) {
	p.Spec.Containers[0].Resources.Limits = v1.ResourceList{"memory": resource.MustParse("40Mi")}
}

// killsAlone lets the kernel kill one process for want of memory, which is all that there is with cgroup v1
// (kubelet's singleProcessOOMKill).
func killsAlone(sc *model.Scenario) {
	config, alone := kubeletconfig.Default(), true
	config.SingleProcessOOMKill = &alone
	sc.Nodes[0].Kubelet = config
}

// probes gives container 0 one probe of every kind, by a handler.
func probes(h v1.ProbeHandler) func(*v1.Pod) {
	return func(p *v1.Pod) {
		c := &p.Spec.Containers[0]
		c.ReadinessProbe = &v1.Probe{ProbeHandler: *h.DeepCopy(), TimeoutSeconds: 1}
		c.LivenessProbe = &v1.Probe{ProbeHandler: *h.DeepCopy(), TimeoutSeconds: 1}
	}
}

var (
	byCommand = probes(v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"check"}}})
	byHTTP    = probes(v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(8080)}})
	byTCP     = probes(v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{Port: intstr.FromInt32(8080)}})
	byGRPC    = probes(v1.ProbeHandler{GRPC: &v1.GRPCAction{Port: 8080}})
)

// answers of the readiness probe. Liveness always answers well.
func readiness(points ...model.ProbePoint) []model.Behavior {
	b := forever
	b.Probes[model.Readiness] = points
	return []model.Behavior{b}
}

func hooks(h v1.LifecycleHandler) func(*v1.Pod) {
	return func(p *v1.Pod) {
		p.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PostStart: h.DeepCopy(), PreStop: h.DeepCopy()}
	}
}

var (
	commandHooks = hooks(v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"prepare"}}})
	requestHooks = hooks(v1.LifecycleHandler{HTTPGet: &v1.HTTPGetAction{Path: "/hook", Port: intstr.FromInt32(8080)}})
)

func hooked(postStart, preStop model.HookRun) []model.Behavior {
	b := forever
	b.PostStart, b.PreStop = postStart, preStop
	return []model.Behavior{b}
}

// pulling lets the image be what a case is about.
func pulling(spec model.ImageSpec) func(*model.Scenario) {
	spec.Name, spec.Size = image, 64<<10
	return func(sc *model.Scenario) { sc.Images = []model.ImageSpec{spec} }
}

// withSecret applies a pull secret, too.
func withSecret(change func(*model.Scenario)) func(*model.Scenario) {
	return func(sc *model.Scenario) {
		change(sc)
		secret := model.Object{Object: &v1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "key", Namespace: "default"}}}
		sc.Steps[0].Objects = append([]model.Object{secret}, sc.Steps[0].Objects...)
	}
}

func naming(p *v1.Pod) { p.Spec.ImagePullSecrets = []v1.LocalObjectReference{{Name: "key"}} }

// whoseMessage gives container 0 a terminationMessagePolicy.
func whoseMessage(policy v1.TerminationMessagePolicy) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.Containers[0].TerminationMessagePolicy = policy }
}

// says ends soon with an exit code, a message and a log.
func says(code int32, message, log string) []model.Behavior {
	return []model.Behavior{{Run: model.Run{For: lasts(soon), Exit: []int32{code}, Message: message, Log: log}}}
}

func exitedSaying(code int64, reason, message string) Answer {
	a := exited(0, 1, code, reason)
	a.Message = message
	return a
}

// resized is a resize of the memory of container 0.
func resized(at model.Time, memory string) model.Step {
	l := v1.ResourceList{"memory": resource.MustParse(memory)}
	return model.Step{At: at, Verb: model.StepResize, Kind: model.KindPod, Namespace: "default", Name: podName(0), Container: containerName(0),
		Requests: l, Limits: l}
}

func resizing(memory string) func(*model.Scenario) {
	return func(sc *model.Scenario) { sc.Steps = append(sc.Steps, resized(4*s, memory)) }
}

// uses 24Mi of 40Mi.
func uses() []model.Behavior {
	b := forever
	b.Memory = []model.MemoryPoint{{Use: 24 * mi}}
	return []model.Behavior{b}
}

// using runs for ever, and uses memory or disk from its first second on.
func using(memory, layer int64) []model.Behavior {
	b := forever
	b.Memory = []model.MemoryPoint{{Use: 8 * mi}, {At: s, Use: memory}}
	b.Disk = []model.DiskPoint{{At: s, Use: layer}}
	return []model.Behavior{b}
}

// tight leaves 200Mi of the node's memory to pods, of which 100Mi must stay free, and gives it a disk.
func tight(sc *model.Scenario) {
	n := &sc.Nodes[0]
	n.SystemMemory = 2<<30 - 200*mi
	n.Object.Status.Capacity[v1.ResourceEphemeralStorage] = resource.MustParse("10Gi")
}

// stored gives container 0 a limit of what it may write.
func stored(p *v1.Pod) {
	p.Spec.Containers[0].Resources.Limits = v1.ResourceList{v1.ResourceEphemeralStorage: resource.MustParse("20Mi")}
}

// unresolved begins the error of a pull; containerd 1.6 has the image's name where 2.x says image. A refusal without
// credentials has other words there, too.
const unresolved = `failed to pull and unpack image "docker.io/library/app:1": failed to resolve *: `

// Cases are the suite.
var Cases = []Case{
	// How containers end.
	{Name: "exit 0", Containers: []model.Behavior{ends(soon)}, Calls: up(exited(0, 1, 0, "Completed"))},
	{Name: "exit 3", Containers: []model.Behavior{ends(soon, 3)}, Calls: up(exited(0, 1, 3, "Error"))},
	{Name: "exit 255", Containers: []model.Behavior{ends(soon, 255)}, Calls: up(exited(0, 1, 255, "Error"))},
	{Name: "exit at once", Containers: []model.Behavior{ends(0, 1)}, Calls: up(exited(0, 1, 1, "Error"))},
	{Name: "a run lasts as long as it says", Containers: []model.Behavior{ends(2 * s)},
		Calls: play(up(), within(1800*ms, 4*s, await(exited(0, 1, 0, "Completed"))))},
	{Name: "out of memory", Containers: grows(model.Run{Forever: true}, false), Pod: limited, Calls: up(exited(0, 1, 137, oomKilled))},
	{Name: "out of memory by itself", Containers: []model.Behavior{{Run: model.Run{For: lasts(soon), OOM: true}}}, Pod: limited,
		Calls: up(exited(0, 1, 137, oomKilled))},
	{Name: "a child out of memory takes the others with it", Containers: grows(model.Run{Forever: true}, true), Pod: limited, Together: true,
		Calls: up(exited(0, 1, 137, oomKilled))},
	{Name: "a child out of memory", Containers: grows(model.Run{For: lasts(2 * s), Exit: []int32{0}}, true), Pod: limited, Scenario: killsAlone,
		Calls: up(exited(0, 1, 0, oomKilled))},
	{Name: "a child out of memory, then SIGTERM", Containers: grows(model.Run{Forever: true}, true), Pod: limited, Scenario: killsAlone,
		Calls: play(up(), after(2*s, stop(1, 5, exited(0, 1, 0, oomKilled))))},

	// What cannot be made or started.
	{Name: "create error", Containers: []model.Behavior{{CreateError: "failed to generate container spec: no"}},
		Calls: play(sandbox(), pull(0), ask(kubelet.Effect{Kind: kubelet.Create},
			Answer{Kind: kubelet.ContainerCreated, Text: "*failed to generate container spec: no"}))},
	{Name: "create without the image", Calls: play(sandbox(), ask(kubelet.Effect{Kind: kubelet.Create},
		Answer{Kind: kubelet.ContainerCreated, Text: `failed to resolve image "docker.io/library/app:1": not found`}))},
	{Name: "start error", Containers: []model.Behavior{{StartError: `exec: "serve": executable file not found in $PATH`}},
		Calls: play(sandbox(), pull(0), create(0), ask(kubelet.Effect{Kind: kubelet.Start, Instance: 1},
			Answer{Kind: kubelet.ContainerStarted, Text: `*exec: "serve": executable file not found in $PATH*`}))},
	{Name: "start again after a start error", Containers: []model.Behavior{{StartError: `exec: "serve": executable file not found in $PATH`}},
		Calls: play(sandbox(), pull(0),
			create(0), ask(kubelet.Effect{Kind: kubelet.Start, Instance: 1}, Answer{Kind: kubelet.ContainerStarted, Text: `*exec: "serve"*`}),
			create(0), ask(kubelet.Effect{Kind: kubelet.Start, Instance: 2}, Answer{Kind: kubelet.ContainerStarted, Text: `*exec: "serve"*`}),
			discard(0, 1), remove(0, 2), stopSandbox())},

	// Stops.
	{Name: "SIGTERM ends it at once", Containers: onTerm(model.OnTerm{}),
		Calls: play(up(), after(ready, within(0, 3*s, stop(1, 30, exited(0, 1, 0, "Completed")))))},
	{Name: "SIGTERM ends it with an exit code", Containers: onTerm(model.OnTerm{Exit: 143}),
		Calls: play(up(), after(ready, within(0, 3*s, stop(1, 30, exited(0, 1, 143, "Error")))))},
	{Name: "SIGTERM ends it late", Containers: onTerm(model.OnTerm{After: lasts(1 * s), Exit: 7}),
		Calls: play(up(), after(ready, within(1*s, 4*s, stop(1, 30, exited(0, 1, 7, "Error")))))},
	{Name: "SIGTERM ends it too late", Containers: onTerm(model.OnTerm{After: lasts(10 * s), Exit: 7}),
		Calls: play(up(), after(ready, within(1*s, 5*s, stop(1, 1, exited(0, 1, 137, "Error")))))},
	{Name: "SIGTERM is ignored", Containers: onTerm(model.OnTerm{Ignore: true}),
		Calls: play(up(), after(ready, within(2*s, 6*s, stop(1, 2, exited(0, 1, 137, "Error")))))},
	{Name: "no grace period", Containers: onTerm(model.OnTerm{}),
		Calls: play(up(), after(ready, within(0, 3*s, stop(1, 0, exited(0, 1, 137, "Error")))))},
	{Name: "it ends by itself while SIGTERM is ignored", Containers: []model.Behavior{
		{Run: model.Run{For: lasts(2 * s), Exit: []int32{5}}, OnTerm: model.OnTerm{Ignore: true}}},
		Calls: play(up(), after(ready, within(1*s, 6*s, stop(1, 30, exited(0, 1, 5, "Error")))))},
	{Name: "stop of a container that has ended", Containers: []model.Behavior{ends(soon)},
		Calls: play(up(exited(0, 1, 0, "Completed")), stop(1, 30))},

	// Restarts and removals.
	{Name: "restarts", Containers: []model.Behavior{ends(soon, 1, 2, 0)},
		Calls: play(up(exited(0, 1, 1, "Error")), again(2, exited(0, 2, 2, "Error")), discard(0, 1),
			again(3, exited(0, 3, 0, "Completed")), again(4, exited(0, 4, 0, "Completed")), discard(0, 2), discard(0, 3), remove(0, 4), stopSandbox())},
	{Name: "removal", Containers: []model.Behavior{ends(soon)}, Calls: play(up(exited(0, 1, 0, "Completed")), remove(0, 1))},
	{Name: "removal of a container that runs", Calls: play(up(), remove(0, 1, exited(0, 1, 137, "Error")))},
	{Name: "removal twice", Containers: []model.Behavior{ends(soon)},
		Calls: play(up(exited(0, 1, 0, "Completed")), remove(0, 1), remove(0, 1), discard(0, 1))},
	{Name: "a sandbox that stops kills without grace", Containers: onTerm(model.OnTerm{After: lasts(1 * s)}),
		Calls: play(up(), after(ready, within(0, 4*s, stopSandbox(exited(0, 1, 137, "Error")))))},
	{Name: "a sandbox without containers", Calls: play(sandbox(), stopSandbox())},
	{Name: "a sandbox after the other", Containers: []model.Behavior{ends(soon)},
		Calls: play(up(exited(0, 1, 0, "Completed")), stopSandbox(), sandbox(), create(0), start(0, 2, exited(0, 2, 0, "Completed")))},

	// Images.
	{Name: "an image that is not there", Calls: play(hasImage(0, false), pull(0), hasImage(0, true))},
	{Name: "an image that nobody has", Scenario: pulling(model.ImageSpec{Error: "notFound"}), Calls: play(
		failPull(0, "rpc error: code = NotFound desc = "+unresolved+"docker.io/library/app:1: not found"), hasImage(0, false))},
	{Name: "an image that asks for credentials", Scenario: pulling(model.ImageSpec{Error: "unauthorized"}), Calls: failPull(0, unresolved+"*uthoriz*")},
	{Name: "a registry in trouble", Scenario: pulling(model.ImageSpec{Error: "serverError"}), Calls: failPull(0, unresolved+"*: 500 Internal Server Error")},
	{Name: "too many requests", Scenario: pulling(model.ImageSpec{Error: "rateLimited"}), Calls: failPull(0, unresolved+"*: 429 Too Many Requests")},
	{Name: "a registry that is down", Scenario: pulling(model.ImageSpec{Error: "refused"}), Calls: failPull(0,
		unresolved+"failed to do request: *: connect: connection refused")},
	{Name: "an image with credentials", Scenario: withSecret(pulling(model.ImageSpec{Credentials: []string{"key"}})), Pod: naming,
		Calls: play(pull(0), hasImage(0, true))},
	{Name: "an image without the credentials", Scenario: withSecret(pulling(model.ImageSpec{Credentials: []string{"key"}})),
		Calls: play(failPull(0, unresolved+"*uthoriz*"), hasImage(0, false))},

	// Probes.
	{Name: "command", Pod: byCommand, Calls: play(up(), probe(model.Readiness, Answer{OK: true}))},
	{Name: "command that fails", Pod: byCommand, Containers: readiness(model.ProbePoint{Output: "no database"}),
		Calls: play(up(), probe(model.Readiness, Answer{Text: "no database"}), probe(model.Liveness, Answer{OK: true}))},
	{Name: "command that fails without a word", Pod: byCommand, Containers: readiness(model.ProbePoint{}),
		Calls: play(up(), probe(model.Readiness, Answer{}))},
	{Name: "command that says something", Pod: byCommand, Containers: readiness(model.ProbePoint{OK: true, Output: "all is well"}),
		Calls: play(up(), probe(model.Readiness, Answer{OK: true}))},
	{Name: "command that takes too long", Pod: byCommand, Containers: readiness(model.ProbePoint{OK: true, Takes: lasts(10 * s)}),
		Calls: play(up(), within(1*s, 4*s, probe(model.Readiness, Answer{End: model.ProbeTimedOut})))},
	{Name: "command in a container that has ended", Pod: byCommand, Containers: []model.Behavior{ends(soon)},
		Calls: play(up(exited(0, 1, 0, "Completed")), probe(model.Readiness, Answer{Errored: true, Text: "rpc error: code = *"}))},
	{Name: "command that ends with its container", Pod: byCommand, Containers: []model.Behavior{
		{Run: model.Run{For: lasts(1 * s)}, Probes: readiness(model.ProbePoint{OK: true, Takes: lasts(900 * ms)})[0].Probes}},
		Calls: play(up(), after(500*ms, inAnyOrder(ask(kubelet.Effect{Kind: kubelet.RunProbe, Probe: model.Readiness, Instance: 1},
			Answer{Kind: kubelet.Probed, Instance: 1}, exited(0, 1, 0, "Completed")))))},
	{Name: "answers that change", Pod: byCommand, Containers: readiness(model.ProbePoint{Output: "not yet"}, model.ProbePoint{At: 2 * s, OK: true}),
		Calls: play(up(), probe(model.Readiness, Answer{Text: "not yet"}), after(2*s, probe(model.Readiness, Answer{OK: true})))},

	{Name: "request", Pod: byHTTP, Calls: play(up(), after(ready, probe(model.Readiness, Answer{OK: true})))},
	{Name: "request that fails", Pod: byHTTP, Containers: readiness(model.ProbePoint{}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{Text: "HTTP probe failed with statuscode: 503"})))},
	{Name: "request with a status", Pod: byHTTP, Containers: readiness(model.ProbePoint{Status: 404}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{Text: "HTTP probe failed with statuscode: 404"})))},
	{Name: "request that is sent elsewhere", Pod: byHTTP, Containers: readiness(model.ProbePoint{OK: true, Status: 302, Output: "Found"}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{OK: true, Text: "Probe terminated redirects, Response body: Found"})))},
	{Name: "request that nobody takes", Pod: byHTTP, Containers: readiness(model.ProbePoint{Refused: true}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{End: model.ProbeRefused})))},
	{Name: "request that takes too long", Pod: byHTTP, Containers: readiness(model.ProbePoint{OK: true, Takes: lasts(10 * s)}),
		Calls: play(up(), after(ready, within(1*s, 3*s, probe(model.Readiness, Answer{End: model.ProbeTimedOut}))))},
	{Name: "request to a container that has ended", Pod: byHTTP, Containers: []model.Behavior{ends(soon)},
		Calls: play(up(exited(0, 1, 0, "Completed")), probe(model.Readiness, Answer{End: model.ProbeRefused}))},

	{Name: "socket", Pod: byTCP, Calls: play(up(), after(ready, probe(model.Readiness, Answer{OK: true})))},
	{Name: "socket that nobody opens", Pod: byTCP, Containers: readiness(model.ProbePoint{}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{End: model.ProbeRefused})))},

	{Name: "gRPC", Pod: byGRPC, Calls: play(up(), after(ready, probe(model.Readiness, Answer{OK: true})))},
	{Name: "gRPC that fails", Pod: byGRPC, Containers: readiness(model.ProbePoint{}),
		Calls: play(up(), after(ready, probe(model.Readiness, Answer{Text: `service unhealthy (responded with "NOT_SERVING")`})))},
	{Name: "gRPC that nobody takes", Pod: byGRPC, Containers: readiness(model.ProbePoint{Refused: true}),
		Calls: play(up(), after(ready, within(1*s, 3*s, probe(model.Readiness, Answer{End: model.ProbeRefused}))))},
	{Name: "gRPC that takes too long", Pod: byGRPC, Containers: readiness(model.ProbePoint{OK: true, Takes: lasts(10 * s)}),
		Calls: play(up(), after(ready, within(1*s, 3*s, probe(model.Readiness, Answer{End: model.ProbeTimedOut}))))},

	// Hooks.
	{Name: "command of a hook", Pod: commandHooks, Containers: hooked(model.HookRun{Takes: lasts(soon)}, model.HookRun{Takes: lasts(2 * soon)}),
		Calls: play(up(), within(soon, 3*s, hook(true, Answer{OK: true})), within(2*soon, 3*s, hook(false, Answer{OK: true})))},
	{Name: "command of a hook that fails", Pod: commandHooks,
		Containers: hooked(model.HookRun{Fail: true, Exit: 4, Output: "no disk"}, model.HookRun{Fail: true, Exit: 9}),
		Calls:      play(up(), hook(true, Answer{Exit: 4, Text: "no disk"}), hook(false, Answer{Exit: 9, Text: "*"}))},
	{Name: "command of a hook that ends with its container", Pod: commandHooks,
		Containers: []model.Behavior{{Run: model.Run{For: lasts(1 * s)}, PostStart: model.HookRun{Takes: lasts(900 * ms)}}},
		Calls: play(up(), after(500*ms, inAnyOrder(ask(kubelet.Effect{Kind: kubelet.RunHook, OK: true, Instance: 1},
			Answer{Kind: kubelet.HookDone, Instance: 1, Exit: 137}, exited(0, 1, 0, "Completed")))))},
	{Name: "request of a hook", Pod: requestHooks, Calls: play(up(), after(ready, hook(true, Answer{OK: true})), hook(false, Answer{OK: true}))},
	{Name: "request of a hook that fails", Pod: requestHooks, Containers: hooked(model.HookRun{Fail: true}, model.HookRun{Fail: true}),
		Calls: play(up(), after(ready, hook(true, Answer{Exit: 1, Text: "*"})))},

	// Termination messages.
	{Name: "termination message", Containers: says(1, "no disk", "log"), Calls: up(exitedSaying(1, "Error", "no disk"))},
	{Name: "termination message of one that ends well", Containers: says(0, "done", "log"), Calls: up(exitedSaying(0, "Completed", "done"))},
	{Name: "no termination message", Containers: says(1, "", "log\n"), Calls: up(exited(0, 1, 1, "Error"))},
	{Name: "log for a termination message", Pod: whoseMessage(v1.TerminationMessageFallbackToLogsOnError), Containers: says(1, "", "one\ntwo\n"),
		Calls: up(exitedSaying(1, "Error", "one\ntwo\n"))},
	{Name: "message before the log", Pod: whoseMessage(v1.TerminationMessageFallbackToLogsOnError), Containers: says(1, "no disk", "one\n"),
		Calls: up(exitedSaying(1, "Error", "no disk"))},
	{Name: "log of one that ends well", Pod: whoseMessage(v1.TerminationMessageFallbackToLogsOnError), Containers: says(0, "", "one\n"),
		Calls: up(exited(0, 1, 0, "Completed"))},

	// Several at once.
	{Name: "containers side by side", Containers: []model.Behavior{ends(1500*ms, 1), ends(3*s, 2), forever},
		Calls: play(sandbox(), pull(0), create(0), start(0, 1), create(1), start(1, 2), create(2), start(2, 3),
			await(exited(0, 1, 1, "Error"), exited(1, 2, 2, "Error")),
			create(0), start(0, 4, exited(0, 4, 1, "Error")), stopSandbox(exited(2, 3, 137, "Error")))},
	{Name: "pods with the same port", Pods: 2, Pod: byHTTP, Containers: readiness(model.ProbePoint{}, model.ProbePoint{At: 4 * s, OK: true}),
		Calls: play(up(), after(4*s, probe(model.Readiness, Answer{OK: true})),
			of(1, up()), of(1, after(ready, probe(model.Readiness, Answer{Text: "HTTP probe failed with statuscode: 503"}))),
			probe(model.Readiness, Answer{OK: true}),
			after(ready, stop(1, 30, exited(0, 1, 0, "Completed"))),
			probe(model.Readiness, Answer{End: model.ProbeRefused}),
			of(1, after(4*s, probe(model.Readiness, Answer{OK: true}))))},

	// What is measured.
	{Name: "memory that the node is short of", Containers: using(150*mi, 0), Driven: true, Only: kubelet.ContainerExited, Scenario: tight,
		Calls: await(exited(0, 1, 0, "Completed"))},
	{Name: "more on the disk than the limit", Pod: stored, Containers: using(8*mi, 30*mi), Driven: true, Only: kubelet.ContainerExited, Scenario: tight,
		Calls: await(exited(0, 1, 0, "Completed"))},
	{Name: "memory and disk that are enough", Pod: stored, Containers: using(40*mi, 10*mi), Driven: true, Only: kubelet.ContainerExited, Scenario: tight,
		Calls: []Call{{After: 12 * s}}},

	// Resize in place.
	{Name: "resize up", Pod: limited, Containers: uses(), Driven: true, Only: kubelet.Resized, Scenario: resizing("80Mi"),
		Calls: await(Answer{Kind: kubelet.Resized})},
	{Name: "resize below what is in use", Pod: limited, Containers: uses(), Driven: true, Only: kubelet.Resized, Scenario: resizing("16Mi"),
		Calls: await(Answer{Kind: kubelet.Resized, Text: "*"})},
}
