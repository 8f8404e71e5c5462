package workload

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// largest is the most memory that is asked for, in bytes: addresses cost nothing until they are used.
	largest = int64(1) << 40
	// grain is how finely memory follows a line, rarest how often it is changed at most: the kernel counts
	// a cgroup's memory in about so large steps, and a program that waits should not wake up for nothing.
	grain  = 16 << 10
	rarest = 100 * time.Millisecond
	// chunk is what is used at a stretch, before other goroutines have their turn, look how often it is asked
	// what the machine has to spare.
	chunk = 1 << 20
	look  = 64 << 20
)

// memory is anonymous memory that is used and given back.
type memory struct {
	region []byte
	// used is how much of the region is in use, own what the program needs beside it, limit the
	// container's limit or 0.
	used, own, limit int64
	// spare is what the machine has to spare, checked up to where it was asked, short that it was not enough.
	spare   func() int64
	checked int64
	short   bool
}

func newMemory(limit, own int64) (*memory, error) {
	region, err := syscall.Mmap(-1, 0, int(largest), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("asking for memory: %w", err)
	}
	// A huge page would use what was not asked for.
	if err := syscall.Madvise(region, syscall.MADV_NOHUGEPAGE); err != nil && err != syscall.EINVAL {
		return nil, fmt.Errorf("asking for small pages: %w", err)
	}
	return &memory{region: region, own: own, limit: limit, spare: spare}, nil
}

// follow keeps the use on the line of points, for ever.
func (m *memory) follow(points []MemoryPoint, start time.Time) {
	for i := range points {
		p := &points[i]
		time.Sleep(time.Until(start.Add(p.At)))
		last := i+1 == len(points)
		for {
			since := time.Since(start)
			if !last && since >= points[i+1].At {
				break
			}
			m.set(p.Use + int64(p.PerSecond*(since-p.At).Seconds()))
			if p.PerSecond == 0 {
				break
			}
			wait := max(rarest, time.Duration(grain/max(p.PerSecond, -p.PerSecond)*float64(time.Second)))
			if !last {
				wait = min(wait, max(0, points[i+1].At-time.Since(start)))
			}
			time.Sleep(wait)
		}
	}
}

// set uses so many bytes in all, with those that the program has for itself. It stops short of what the
// machine needs (spare).
func (m *memory) set(use int64) {
	page := int64(os.Getpagesize())
	to := min(max(use-m.own, 0), int64(len(m.region)))
	to = (to + page - 1) / page * page
	if to < m.used {
		complain(syscall.Madvise(m.region[to:m.used], syscall.MADV_DONTNEED))
		m.used, m.checked = to, min(m.checked, to)
	}
	for m.used < to && m.enough(to) {
		for next := min(to, m.used+chunk); m.used < next; m.used += page {
			m.region[m.used] = 1
		}
		runtime.Gosched()
	}
}

// enough says that the machine can spare the next bytes on the way to so many. Of what is above the container's
// limit it gets no more than beyond.
func (m *memory) enough(to int64) bool {
	if m.used < m.checked {
		return true
	}
	if m.limit > 0 && m.used < m.limit+beyond {
		to = min(to, m.limit+beyond)
	}
	if need := min(to-m.used, look); m.spare() < need {
		if !m.short {
			m.short = true
			fmt.Fprintf(os.Stderr, "podsim-workload: the machine has no more memory to spare than %d bytes\n", m.used)
		}
		return false
	}
	m.checked = m.used + look
	return true
}

// spare is the memory that the machine has available, in bytes, less an eighth of what it has.
func spare() int64 {
	total, available := int64(0), int64(0)
	data, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	return available - total/8
}

// beyond is how far above its limit a container goes to be killed, in bytes: the kernel counts in steps.
const beyond = 64 << 20

// exceed uses more memory than the limit, until the kernel kills the process. It comes back where there
// is no limit, or where the machine has less to spare than that.
func exceed(limit int64) {
	if limit == 0 || limit+beyond > spare() {
		return
	}
	m, err := newMemory(limit, 0)
	complain(err)
	if err == nil {
		m.set(limit + beyond)
	}
}

// ownMemory is the anonymous memory that a process has, in bytes: what it shares with the file of the program
// counts once for all containers, and can be taken back.
func ownMemory(pid string) int64 {
	data, err := os.ReadFile("/proc/" + pid + "/statm")
	f := bytes.Fields(data)
	if err != nil || len(f) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(string(f[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(f[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

// beChildMemory is the life of the child that uses a container's memory. It ends with its parent.
func beChildMemory(directory string) error {
	r, err := Read(directory)
	if err != nil {
		return err
	}
	start, err := Started(directory)
	if err != nil {
		return err
	}
	m, err := newMemory(r.MemoryLimit, ownMemory("self")+ownMemory(strconv.Itoa(os.Getppid())))
	if err != nil {
		return err
	}
	go m.follow(r.Memory, start)
	io.Copy(io.Discard, os.Stdin)
	return nil
}
