package scenarios

import (
	"math"

	"podsim/model"
)

// behaviors makes the behaviors and refuses those that contradict themselves or each other.
func (r *reader) behaviors(files []behaviorFile) []model.Behavior {
	list := make([]model.Behavior, len(files))
	seen := map[matchFile]*behaviorFile{}
	all := map[*source]*behaviorFile{}
	for i := range files {
		f := &files[i]
		where := f.Where.at("match")
		// A behavior of an included file may be replaced by one of this file.
		if first := seen[f.Match]; first != nil && first.Where.source == f.Where.source {
			r.errorAt(where, "this behavior matches the same containers as the one at %v, which counts: join them", first.Where.at("match"))
		} else if first := all[f.Where.source]; first != nil {
			r.errorAt(where, "this behavior never counts, as the one at %v matches all containers: put that one last", first.Where.at("match"))
		}
		seen[f.Match] = f
		if f.Match.everything() {
			all[f.Where.source] = f
		}
		for _, pattern := range []string{f.Match.Namespace, f.Match.Pod, f.Match.Container, f.Match.Image, f.Match.Args} {
			r.checkPattern(where, pattern)
		}
		list[i] = r.behavior(f)
		list[i].Where = where
	}
	return list
}

func (m *matchFile) everything() bool {
	for _, pattern := range []string{m.Namespace, m.Pod, m.Container, m.Image, m.Args} {
		if pattern != "" && pattern != "*" {
			return false
		}
	}
	return true
}

// checkPattern refuses patterns that are longer than any name, which keeps matching fast.
func (r *reader) checkPattern(where model.Position, pattern string) {
	const longest = 512
	if len(pattern) > longest {
		r.errorAt(where, "the pattern %s has %d characters, must have at most %d", quoted(pattern), len(pattern), longest)
	}
}

func (r *reader) behavior(f *behaviorFile) model.Behavior {
	b := model.Behavior{
		Namespace:   f.Match.Namespace,
		Pod:         f.Match.Pod,
		Container:   f.Match.Container,
		Image:       f.Match.Image,
		Args:        f.Match.Args,
		CreateError: f.CreateError,
		StartError:  f.StartError,
		Run:         r.run(f.Run),
		OnTerm:      r.onTerm(f.OnTerm),
		Disk:        r.disk(f.Disk),
		Processes:   r.processes(f.Processes),
	}
	r.memory(&b, f.Memory)
	for _, e := range []struct{ name, text string }{{"createError", f.CreateError}, {"startError", f.StartError}} {
		if e.text != "" && f.Run != nil {
			r.errorAt(f.Run.Where.at(""), "run and %s (%v) contradict each other: a container that does not start does not run",
				e.name, f.Where.at(e.name))
		}
	}
	b.Probes[model.Readiness] = r.probe(f.Readiness)
	b.Probes[model.Liveness] = r.probe(f.Liveness)
	b.Probes[model.Startup] = r.probe(f.Startup)
	if f.Port != nil {
		b.Port = *f.Port
		if b.Port < 1 || b.Port > 65535 {
			r.errorAt(f.Where.at("port"), "port is %d, want 1 to 65535", b.Port)
		}
	}
	b.PostStart, b.PreStop = r.hook(f.PostStart), r.hook(f.PreStop)
	return b
}

func (r *reader) hook(f *hookFile) model.HookRun {
	if f == nil {
		return model.HookRun{}
	}
	h := model.HookRun{Takes: f.Takes.Dist, Fail: f.Fail, Output: f.Output}
	if f.Exit == nil {
		return h
	}
	h.Exit = *f.Exit
	switch {
	case h.Exit < 0 || h.Exit > 255:
		r.errorAt(f.Where.at("exit"), "exit is %d, want an exit code from 0 to 255", h.Exit)
	case h.Exit == 0 && f.Fail:
		r.errorAt(f.Where.at("exit"), "exit 0 and fail (%v) contradict each other: leave one out", f.Where.at("fail"))
	}
	h.Fail = h.Exit != 0
	return h
}

func (r *reader) run(f *runFile) model.Run {
	if f == nil {
		return model.Run{Forever: true}
	}
	forever, oom := f.Forever != nil && *f.Forever, f.OOM != nil && *f.OOM
	contradict := func(key, other string) {
		r.errorAt(f.Where.at(key), "run.%s and run.%s (%v) contradict each other: leave one out", key, other, f.Where.at(other))
	}
	switch {
	case forever && f.For != nil:
		contradict("for", "forever")
	case f.Work != nil && f.For != nil:
		contradict("work", "for")
	case f.Work != nil && forever:
		contradict("work", "forever")
	case f.Work != nil && oom:
		contradict("work", "oom")
	case f.CPUs != nil && f.Work == nil:
		r.errorAt(f.Where.at("cpus"), "run.cpus says nothing without run.work: leave it out")
	case f.CPUs != nil && !(*f.CPUs >= 0.001 && *f.CPUs <= 4096):
		r.errorAt(f.Where.at("cpus"), "run.cpus is %v, want cores from 0.001 to 4096", *f.CPUs)
	case forever && f.Exit != nil:
		contradict("exit", "forever")
	case forever && oom:
		contradict("oom", "forever")
	case oom && f.Exit != nil:
		contradict("exit", "oom")
	case !forever && !oom && f.For == nil && f.Work == nil && f.Exit == nil && f.Message == "" && f.Log == "":
		r.errorAt(f.Where.at(""), "run says nothing, want for, work, exit, oom or forever")
	}
	forever = forever || !oom && f.For == nil && f.Work == nil && f.Exit == nil
	run := model.Run{Forever: forever, OOM: oom, Exit: f.Exit, Message: f.Message, Log: f.Log}
	if f.For != nil {
		run.For = f.For.Dist
	}
	if f.Work != nil {
		run.Work, run.MilliCPUs = f.Work.Dist, 1000
	}
	if f.CPUs != nil {
		run.MilliCPUs = int64(math.Round(*f.CPUs * 1000))
	}
	return run
}

func (r *reader) onTerm(f *onTermFile) model.OnTerm {
	if f == nil {
		return model.OnTerm{}
	}
	t := model.OnTerm{Ignore: f.Ignore != nil && *f.Ignore}
	for _, other := range []struct {
		name string
		set  bool
	}{{"after", f.After != nil}, {"exit", f.Exit != nil}} {
		if t.Ignore && other.set {
			r.errorAt(f.Where.at(other.name), "onTerm.%s and onTerm.ignore (%v) contradict each other: leave one out",
				other.name, f.Where.at("ignore"))
		}
	}
	if f.After != nil {
		t.After = f.After.Dist
	}
	if f.Exit != nil {
		t.Exit = *f.Exit
		if t.Exit < 0 || t.Exit > 255 {
			r.errorAt(f.Where.at("exit"), "onTerm.exit is %d, want an exit code from 0 to 255", t.Exit)
		}
	}
	return t
}

func (r *reader) probe(files []probeFile) []model.ProbePoint {
	var points []model.ProbePoint
	for i := range files {
		f := &files[i]
		if i > 0 && f.At <= files[i-1].At {
			r.errorAt(f.Where.at("at"), "at is %v, must be later than the one before (%v)", model.Time(f.At), model.Time(files[i-1].At))
		}
		point := model.ProbePoint{At: model.Time(f.At), OK: f.OK, Output: f.Output, Takes: f.Takes.Dist}
		if point.Refused = f.Refused != nil && *f.Refused; point.Refused && f.OK {
			r.errorAt(f.Where.at("refused"), "refused and ok (%v) contradict each other: a probe that reaches nobody fails", f.Where.at("ok"))
		}
		if f.Status != nil {
			point.Status = *f.Status
			if ok := point.Status >= 200 && point.Status < 400; ok != f.OK {
				r.errorAt(f.Where.at("status"), "status is %d, which is ok: %t, not as ok (%v) says", point.Status, ok, f.Where.at("ok"))
			}
		}
		points = append(points, point)
	}
	return points
}

func (r *reader) disk(files []diskFile) []model.DiskPoint {
	var points []model.DiskPoint
	last := map[string]span{}
	for i := range files {
		f := &files[i]
		volume := f.Volume
		if f.Log != nil && *f.Log {
			if volume != "" {
				r.errorAt(f.Where.at("log"), "disk.log and disk.volume (%v) contradict each other: leave one out", f.Where.at("volume"))
			}
			volume = model.LogVolume
		}
		if before, ok := last[volume]; ok && f.At <= before {
			r.errorAt(f.Where.at("at"), "at is %v, must be later than the one before (%v)", model.Time(f.At), model.Time(before))
		}
		last[volume] = f.At
		points = append(points, model.DiskPoint{At: model.Time(f.At), Volume: volume, Use: int64(f.Use), Inodes: amountOf(f.Inodes)})
	}
	return points
}

func (r *reader) processes(files []countFile) []model.ProcessPoint {
	var points []model.ProcessPoint
	for i := range files {
		f := &files[i]
		if i > 0 && f.At <= files[i-1].At {
			r.errorAt(f.Where.at("at"), "at is %v, must be later than the one before (%v)", model.Time(f.At), model.Time(files[i-1].At))
		}
		points = append(points, model.ProcessPoint{At: model.Time(f.At), Count: int64(f.Count)})
	}
	return points
}

// amountOf is an amount that may be left out.
func amountOf(a *amount) int64 {
	if a == nil {
		return 0
	}
	return int64(*a)
}
