package calibrate

import (
	"cmp"
	"math"
	"slices"
	"time"

	"podsim/runner"
)

// ConcurrencyFit is how many operations of the runtime have full speed at a time; beyond that all under way are
// equally slower.
type ConcurrencyFit struct {
	// PerCPU is for each processor of the machine, with the range in which the likelihood is within 1.92 of its
	// greatest (95 % if the operations were independent). It is 0 where no run shows a limit.
	PerCPU float64 `json:"per_cpu"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	// CPUs are those of the machine, Most the most operations that were under way at a time.
	CPUs int `json:"cpus"`
	Most int `json:"most_in_flight"`
}

// work is an operation with the times for which one, two, three, ... operations were under way while
// it was, itself included.
type work struct {
	*runner.Operation
	with []span
	// last is how many were under way when it ended.
	last, cpus int
}

// span is a time with so many operations under way.
type span struct {
	underWay int
	lasted   float64
}

// alone is how long the operation would have taken alone, if so many operations for each processor have full speed: the work
// that it had. 0 is no limit.
func (w *work) alone(perCPU float64) float64 {
	sum := 0.0
	for _, s := range w.with {
		sum += s.lasted * w.speed(perCPU, s.underWay)
	}
	return sum
}

// speed is that of each operation when so many are under way.
func (w *work) speed(perCPU float64, underWay int) float64 {
	if perCPU == 0 {
		return 1
	}
	return min(1, max(1, perCPU*float64(w.cpus))/float64(underWay))
}

// worksOf are the operations of a run that are work of the runtime, with what was under way beside them. A stop
// works once its wait is over.
func worksOf(operations []runner.Operation, cpus int) []work {
	type moment struct {
		at    time.Duration
		index int
		begin bool
	}
	var list []work
	var moments []moment
	for i := range operations {
		if p := &operations[i]; p.Kind.Works() && p.Took > p.Waited {
			moments = append(moments, moment{p.At + p.Waited, len(list), true}, moment{p.At + p.Took, len(list), false})
			list = append(list, work{Operation: p, cpus: cpus})
		}
	}
	slices.SortStableFunc(moments, func(a, b moment) int { return cmp.Compare(a.at, b.at) })
	underWay := map[int]bool{}
	last := time.Duration(0)
	for _, m := range moments {
		if lasted := float64(m.at - last); lasted > 0 {
			for i := range underWay {
				list[i].spend(len(underWay), lasted)
			}
		}
		last = m.at
		if m.begin {
			underWay[m.index] = true
			continue
		}
		list[m.index].last = len(underWay)
		delete(underWay, m.index)
	}
	return list
}

func (w *work) spend(underWay int, lasted float64) {
	for i := range w.with {
		if w.with[i].underWay == underWay {
			w.with[i].lasted += lasted
			return
		}
	}
	w.with = append(w.with, span{underWay, lasted})
}

// fitConcurrency finds the concurrency with which the operations' own times are most likely, each kind log-normal above its
// floor. What an operation took follows from its own time and from what was under way beside it; of two
// moments at its end that are some time apart, its own time differs by its speed then, which is the factor
// between the two densities.
func fitConcurrency(works []work) *ConcurrencyFit {
	f := ConcurrencyFit{}
	for i := range works {
		f.CPUs = max(f.CPUs, works[i].cpus)
		for _, s := range works[i].with {
			f.Most = max(f.Most, s.underWay)
		}
	}
	if f.Most < 2 || f.CPUs == 0 {
		return &f
	}
	kinds := byKind(works)
	if len(kinds) == 0 {
		return &f
	}
	likelihood := func(perCPU float64) float64 { return likelihoodOf(kinds, perCPU) }
	// A capacity of one operation, up to more than were ever under way.
	low, high := 1/float64(f.CPUs), float64(f.Most)/float64(f.CPUs)
	const steps = 120
	at := func(i int) float64 { return low * math.Pow(high/low, float64(i)/steps) }
	best, greatest := 0, math.Inf(-1)
	all := make([]float64, steps+1)
	for i := range all {
		if all[i] = likelihood(at(i)); all[i] > greatest {
			best, greatest = i, all[i]
		}
	}
	if best == steps {
		return &f
	}
	f.PerCPU = greatestBetween(likelihood, at(max(0, best-1)), at(best+1))
	f.Low, f.High = f.PerCPU, f.PerCPU
	for i, l := range all {
		if l >= greatest-1.92 {
			f.Low, f.High = min(f.Low, at(i)), max(f.High, at(i))
		}
	}
	return &f
}

// byKind are the operations that went well, by kind, those of which there are some.
func byKind(works []work) [][]*work {
	index := map[string]int{}
	var kinds [][]*work
	for i := range works {
		w := &works[i]
		if w.Error != "" {
			continue
		}
		name := nameOf(w.Operation)
		k, ok := index[name]
		if !ok {
			k = len(kinds)
			index[name] = k
			kinds = append(kinds, nil)
		}
		kinds[k] = append(kinds[k], w)
	}
	const some = 5
	return slices.DeleteFunc(kinds, func(k []*work) bool { return len(k) < some })
}

func likelihoodOf(kinds [][]*work, perCPU float64) float64 {
	sum := 0.0
	var xs []float64
	for _, k := range kinds {
		xs = xs[:0]
		for _, w := range k {
			xs = append(xs, w.alone(perCPU))
			sum += math.Log(w.speed(perCPU, w.last))
		}
		d := fitLogNormal(xs)
		// No times are so much alike; without a bound the likelihood would have none.
		d.Sigma = max(d.Sigma, 1e-3)
		sum += d.logLikelihood(xs)
	}
	return sum
}

// greatestBetween is where a function with one top has it (golden section).
func greatestBetween(f func(float64) float64, a, b float64) float64 {
	g := (math.Sqrt(5) - 1) / 2
	x, y := b-g*(b-a), a+g*(b-a)
	fx, fy := f(x), f(y)
	for range 25 {
		if fx > fy {
			b, y, fy = y, x, fx
			x = b - g*(b-a)
			fx = f(x)
		} else {
			a, x, fx = x, y, fy
			y = a + g*(b-a)
			fy = f(y)
		}
	}
	return (a + b) / 2
}
