package workload

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// cycle is how finely the program divides its time between work and rest.
const cycle = 10 * time.Millisecond

// work uses so much CPU time, at most so many thousandths of cores at a time; the channel is closed when
// it has had it. It uses no more than the machine's cores.
func work(need time.Duration, milliCPUs int64) <-chan struct{} {
	threads := int64(min(runtime.NumCPU(), int(milliCPUs+999)/1000))
	runtime.GOMAXPROCS(int(threads) + 1)
	w := &worker{need: int64(need), burn: min(cycle, cycle*time.Duration(milliCPUs)/time.Duration(1000*threads)), done: make(chan struct{})}
	for range threads {
		go w.run()
	}
	return w.done
}

// worker is the work of all threads; each burns so much CPU time a cycle.
type worker struct {
	need int64
	burn time.Duration
	had  atomic.Int64
	once sync.Once
	done chan struct{}
}

func (w *worker) run() {
	// Linux counts the time of each thread.
	runtime.LockOSThread()
	for {
		begun, cpu := time.Now(), threadTime()
		counted := time.Duration(0)
		for counted < w.burn {
			spin()
			used := threadTime() - cpu
			if w.had.Add(int64(used-counted)) >= w.need {
				w.once.Do(func() { close(w.done) })
				return
			}
			counted = used
		}
		// What a limit or other processes took is not made up for.
		time.Sleep(time.Duration(float64(cycle)*float64(counted)/float64(w.burn)) - time.Since(begun))
	}
}

// spin burns some microseconds.
func spin() {
	x := uint64(1)
	for range 10_000 {
		x = x*6364136223846793005 + 1
	}
	sink.Store(x)
}

// sink keeps the compiler from leaving spin's loop out.
var sink atomic.Uint64

// threadTime is the CPU time that this thread has had.
func threadTime() time.Duration {
	const thisThread = 1
	var u syscall.Rusage
	if syscall.Getrusage(thisThread, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
