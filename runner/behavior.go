package runner

import (
	"context"
	"maps"
	"math"
	"net"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/runner/workload"
	"podsim/sim"
)

// asked is what asks a container: its probes, by their types, and its hooks.
type asked int

const (
	askedPostStart = asked(model.NumProbes) + iota
	askedPreStop
	numAsked
)

// standIns are the programs that stand in for the containers of a pod.
//
// Each probe and each HTTP hook has a server of its own, as the scenario may let them answer differently at one
// port and path. The first that is asked at a port is there, the others are at ports that the pod does not
// use. So is one whose port this machine uses on all addresses.
type standIns struct {
	template  *model.PodTemplate
	behaviors []*model.Behavior
	// ports are those of the servers by container, 0 where there is none.
	ports [][numAsked]int
}

// firstSparePort is where the servers begin whose port another one of the pod has: above those that are
// usual, below those that Linux gives to clients (net.ipv4.ip_local_port_range).
const firstSparePort = 20000

func newStandIns(t *model.PodTemplate, behaviors []*model.Behavior, busy map[int]bool) *standIns {
	s := &standIns{template: t, behaviors: behaviors, ports: make([][numAsked]int, len(t.Containers))}
	taken := maps.Clone(busy)
	if taken == nil {
		taken = map[int]bool{}
	}
	for i := range t.Containers {
		for a := range numAsked {
			if p := s.scenarioPort(i, a); p != 0 && !taken[p] {
				s.ports[i][a], taken[p] = p, true
			}
		}
	}
	spare := firstSparePort
	for i := range t.Containers {
		for a := range numAsked {
			if s.ports[i][a] != 0 || s.protocol(i, a) == "" {
				continue
			}
			for taken[spare] {
				spare++
			}
			s.ports[i][a], taken[spare] = spare, true
		}
	}
	return s
}

// standIns are those of a pod.
func (r *CRI) standIns(p *pod) *standIns {
	if p.standIns != nil {
		return p.standIns
	}
	behaviors := make([]*model.Behavior, len(p.template.Containers))
	for i := range behaviors {
		behaviors[i] = r.cluster.BehaviorOf(p.ref.ID, i)
	}
	if r.busyPorts == nil {
		r.busyPorts = machinePorts()
	}
	p.standIns = newStandIns(p.template, behaviors, r.busyPorts)
	return p.standIns
}

// probeOf is the probe of a kind.
func probeOf(c *v1.Container, k model.ProbeType) *v1.Probe {
	return [model.NumProbes]*v1.Probe{model.Liveness: c.LivenessProbe, model.Readiness: c.ReadinessProbe, model.Startup: c.StartupProbe}[k]
}

// hookOf is the handler of a hook, nil for none.
func hookOf(c *v1.Container, a asked) *v1.LifecycleHandler {
	switch {
	case c.Lifecycle == nil:
		return nil
	case a == askedPostStart:
		return c.Lifecycle.PostStart
	default:
		return c.Lifecycle.PreStop
	}
}

// protocol is that of the server that is asked, "" where none is: of a hook by TCP there is none, as the
// kubelet does not run it.
func (s *standIns) protocol(i int, a asked) string {
	c := s.template.ContainerSpec(i)
	if a >= askedPostStart {
		if h := hookOf(c, a); h != nil && h.HTTPGet != nil {
			return workload.HTTP
		}
		return ""
	}
	switch p := probeOf(c, model.ProbeType(a)); {
	case p == nil:
	case p.HTTPGet != nil:
		return workload.HTTP
	case p.TCPSocket != nil:
		return workload.TCP
	case p.GRPC != nil:
		return workload.GRPC
	}
	return ""
}

// scenarioPort is the port that the manifest names, 0 where it names none, or one that the program could
// not listen on.
func (s *standIns) scenarioPort(i int, a asked) int {
	c := s.template.ContainerSpec(i)
	port := 0
	if a >= askedPostStart {
		if h := hookOf(c, a); h != nil && h.HTTPGet != nil {
			port = portOf(c, h.HTTPGet.Port)
		}
	} else if p := probeOf(c, model.ProbeType(a)); p != nil {
		switch {
		case p.HTTPGet != nil:
			port = portOf(c, p.HTTPGet.Port)
		case p.TCPSocket != nil:
			port = portOf(c, p.TCPSocket.Port)
		case p.GRPC != nil:
			port = int(p.GRPC.Port)
		}
	}
	const firstUnprivileged = 1024
	if port < firstUnprivileged && !s.root(c) {
		return 0
	}
	return port
}

// root says that nothing in the manifest keeps a container from running as root.
func (s *standIns) root(c *v1.Container) bool {
	if p := s.template.Spec.SecurityContext; p != nil && (p.RunAsUser != nil && *p.RunAsUser != 0 || p.RunAsNonRoot != nil && *p.RunAsNonRoot) {
		return false
	}
	p := c.SecurityContext
	return p == nil || (p.RunAsUser == nil || *p.RunAsUser == 0) && (p.RunAsNonRoot == nil || !*p.RunAsNonRoot)
}

// address is where a container is asked, in a pod with an address.
func (s *standIns) address(i int, a asked, podAddress string) string {
	return net.JoinHostPort(podAddress, strconv.Itoa(s.ports[i][a]))
}

// workloadRun is what the program does in one run of container i of a pod with an address. Limit is the
// container's limit of memory in bytes, 0 for none.
func workloadRun(r sim.ContainerRun, s *standIns, i int, podAddress string, limit int64) workload.Run {
	b := r.Behavior
	w := workload.Run{
		MemoryLimit: limit,
		Exit:        int(r.Exit),
		Message:     b.Run.Message,
		MessagePath: filepath.Join(workload.Directory, terminationLog),
		Log:         b.Run.Log,
		Term:        workload.Term{Ignore: b.OnTerm.Ignore, After: time.Duration(r.TermAfter), Exit: int(b.OnTerm.Exit)},
		ChildMemory: b.MemoryChild,
	}
	switch {
	case b.Run.Forever:
		w.Forever = true
	case b.Run.MilliCPUs > 0:
		w.Work, w.MilliCPUs = time.Duration(r.Work), b.Run.MilliCPUs
	default:
		w.For, w.OOM = time.Duration(r.For), b.Run.OOM
	}
	for _, p := range r.Memory {
		w.Memory = append(w.Memory, workload.MemoryPoint{At: time.Duration(p.At), Use: p.Use, PerSecond: perSecond(p.Rate)})
	}
	for _, p := range b.Processes {
		w.Processes = append(w.Processes, workload.ProcessPoint{At: time.Duration(p.At), Count: int(p.Count)})
	}
	s.writes(&w, i)
	s.serves(&w, i, r, podAddress)
	s.commands(&w, i, r)
	return w
}

// perSecond is a rate in bytes per second.
func perSecond(r model.MemoryRate) float64 {
	return math.Ldexp(float64(r), -48) * float64(model.Second)
}

// layerFile is what a container writes in its writable layer, dataFile in a volume.
const (
	layerFile = "/tmp/podsim-data"
	dataFile  = "podsim-"
)

// writes says what a container writes. A volume that it does not mount it cannot write to.
func (s *standIns) writes(w *workload.Run, i int) {
	c := s.template.ContainerSpec(i)
	for _, d := range s.behaviors[i].Disk {
		p := workload.FilePoint{At: time.Duration(d.At), Use: d.Use, Inodes: d.Inodes}
		switch d.Volume {
		case "":
			p.Path = layerFile
		case model.LogVolume:
			w.Logs = append(w.Logs, p)
			continue
		default:
			if p.Path = volumePath(c, d.Volume); p.Path == "" {
				continue
			}
			p.Path = path.Join(p.Path, dataFile+c.Name)
		}
		w.Files = append(w.Files, p)
	}
}

// volumePath is where a container has a volume, "" where it does not mount it or must not write to it.
func volumePath(c *v1.Container, volume string) string {
	for j := range c.VolumeMounts {
		if m := &c.VolumeMounts[j]; m.Name == volume && !m.ReadOnly {
			return m.MountPath
		}
	}
	return ""
}

// serves says what a container listens on: for its own probes and hooks or, where its behavior names a
// port, for those of all containers of the pod whose behaviors name it. The first of them that runs has it.
func (s *standIns) serves(w *workload.Run, i int, r sim.ContainerRun, podAddress string) {
	own := s.behaviors[i].Port
	for j, b := range s.behaviors {
		if j != i && (own == 0 || b.Port != own) {
			continue
		}
		for k := range model.NumProbes {
			if protocol := s.protocol(j, asked(k)); protocol != "" {
				w.Servers = append(w.Servers, workload.Server{Address: s.address(j, asked(k), podAddress), Protocol: protocol, Answers: answers(b.Probes[k])})
			}
		}
	}
	for a := askedPostStart; a < numAsked; a++ {
		if protocol := s.protocol(i, a); protocol != "" {
			w.Servers = append(w.Servers, workload.Server{Address: s.address(i, a, podAddress), Protocol: protocol,
				From: time.Duration(s.behaviors[i].Listens), Answers: hookAnswers(r, a)})
		}
	}
}

// commands are the answers of a container's exec probes and hooks.
func (s *standIns) commands(w *workload.Run, i int, r sim.ContainerRun) {
	c := s.template.ContainerSpec(i)
	w.Commands = map[string][]workload.Answer{}
	for k := range model.NumProbes {
		if p := probeOf(c, k); p != nil && p.Exec != nil {
			w.Commands["probe "+strings.ToLower(k.String())] = answers(s.behaviors[i].Probes[k])
		}
	}
	for a, name := range map[asked]string{askedPostStart: "hook postStart", askedPreStop: "hook preStop"} {
		if h := hookOf(c, a); h != nil && h.Exec != nil {
			w.Commands[name] = hookAnswers(r, a)
		}
	}
}

// answers are those of a probe's points.
func answers(points []model.ProbePoint) []workload.Answer {
	var list []workload.Answer
	for i := range points {
		p := &points[i]
		list = append(list, workload.Answer{At: time.Duration(p.At), OK: p.OK, Output: p.Output, Takes: samples(&p.Takes),
			Status: int(p.Status), Refused: p.Refused})
	}
	return list
}

// hookAnswers are those of a hook, which are the same all the time.
func hookAnswers(r sim.ContainerRun, a asked) []workload.Answer {
	h, takes := &r.Behavior.PreStop, r.PreStop
	if a == askedPostStart {
		h, takes = &r.Behavior.PostStart, r.PostStart
	}
	answer := workload.Answer{OK: !h.Fail, Output: h.Output, Exit: int(h.Exit)}
	if takes > 0 {
		answer.Takes = []time.Duration{time.Duration(takes)}
	}
	return []workload.Answer{answer}
}

// How long a program may take to listen, and how often it is looked at: guesses, far above and below what was seen.
const (
	standInMax  = 2 * time.Second
	standInEach = time.Millisecond
)

// awaitStandIn waits until the program of an instance that was started listens, so that no probe comes before:
// the runtime answers when the program begins, which takes some milliseconds, and longer on a machine that is
// busy. It waits for no program that does not come.
func awaitStandIn(ctx context.Context, directory string, startError error) {
	if _, err := os.Stat(filepath.Join(directory, workload.RunFile)); startError != nil || err != nil {
		return
	}
	for began := time.Now(); time.Since(began) < standInMax; wait(ctx, standInEach) {
		if _, err := workload.Started(directory); err == nil {
			return
		}
	}
}

// samples are spans of time that are spread as a distribution says, none when it is no time at all.
func samples(d *model.Dist) []time.Duration {
	const many = 64
	if d.Kind == model.DistConstant {
		if at := sim.SampleTime(d, 0.5); at > 0 {
			return []time.Duration{time.Duration(at)}
		}
		return nil
	}
	var list []time.Duration
	for i := range many {
		list = append(list, time.Duration(sim.SampleTime(d, (float64(i)+0.5)/many)))
	}
	return list
}
