package kubelet

import "time"

// Options are the circumstances of a run, apart from the pod.
type Options struct {
	// Seed decides what is random: latencies, calls and the pod workers' delays.
	Seed int64
	// Phase is the kubelet's age when the pod is created: it decides where its loops are then.
	// It should be more than the period of any probe, or the probes' start is random too
	// (pkg/kubelet/prober/worker.go, run).
	Phase time.Duration
	// WorkerJitter lengthens each delay of a pod worker by this part of a half, from 0 to just
	// under 1; RandomJitter draws it each time (pkg/kubelet/pod_workers.go, completeWork).
	WorkerJitter float64
	// Latencies are the container runtime's.
	Latencies Latencies
	// Images are what the registry has, by name. Others are not found.
	Images map[string]Image
}

// RandomJitter is the WorkerJitter of a kubelet that is left alone.
const RandomJitter = -1

// Latencies are how long the runtime's calls take. Those that are absent here answer at once.
type Latencies struct {
	RunSandbox, StopSandbox time.Duration
	Create, Start, Remove   time.Duration
	// Terminate is from StopContainer to the process's SIGTERM, Kill to its SIGKILL.
	Terminate, Kill time.Duration
	Exec            time.Duration
	// Resolve is how long the registry takes to answer for a name.
	Resolve time.Duration
	// Process is from a container's start until its process looks at its arguments.
	Process time.Duration
	// Jitter is the part by which each latency is lengthened at most.
	Jitter float64
}

// Image is an image of the registry.
type Image struct {
	// Present says that the node has it already.
	Present bool
	// Pull is how long a pull takes; when the image is present, it is not transferred again.
	Pull time.Duration
	// Error is what the registry answers instead.
	Error string
	// Size in bytes.
	Size uint64
}

const (
	// apiCall is the least time of a call to the API server; the most is twice as much. No two
	// calls that start together should end together: what then comes first would be chance.
	apiCall = 3 * time.Millisecond
	// relistCall is the time of each question of the PLEG to the runtime, see slowRuntime.
	relistCall = 2 * time.Millisecond
	// syncTime is from the start of a pod worker's sync until it does anything, see slowCache.
	syncTime = 3 * time.Millisecond
)

// Exact are circumstances without randomness: each delay of a pod worker is its least, latencies
// are constant. (The calls to the API server keep their spread, by the seed.)
func Exact(seed int64) Options {
	o := Jittered(seed)
	o.WorkerJitter, o.Latencies.Jitter = 0, 0
	return o
}

// Jittered are circumstances as on a node of its own.
func Jittered(seed int64) Options {
	return Options{
		Seed:         seed,
		Phase:        20300 * time.Millisecond,
		WorkerJitter: RandomJitter,
		Latencies:    recordedLatencies(),
		Images:       testerImages(),
	}
}

// recordedLatencies are those of the recordings: containerd on two shared cores.
func recordedLatencies() Latencies {
	return Latencies{
		RunSandbox:  150 * time.Millisecond,
		StopSandbox: 60 * time.Millisecond,
		Create:      40 * time.Millisecond,
		Start:       60 * time.Millisecond,
		Remove:      50 * time.Millisecond,
		Terminate:   30 * time.Millisecond,
		Kill:        40 * time.Millisecond,
		Exec:        30 * time.Millisecond,
		Resolve:     8 * time.Millisecond,
		Process:     40 * time.Millisecond,
		Jitter:      0.3,
	}
}

const registry = "127.0.0.1:25000/"

// testerImages are the images of the recordings.
func testerImages() map[string]Image {
	pull := func(name, url, err string) Image {
		return Image{Error: `failed to pull and unpack image "` + name + `": failed to ` + url + err}
	}
	resolve := func(name, err string) Image {
		return pull(registry+name+":1", `resolve reference "`+registry+name+
			`:1": unexpected status from HEAD request to http://127.0.0.1:25000/v2/`+name+`/manifests/1: `, err)
	}
	return map[string]Image{
		registry + "tester:1": {Present: true, Size: 4 << 20},
		registry + "slow:1":   {Pull: 9 * time.Second, Size: 36 << 20},
		registry + "big:1":    {Pull: 4 * time.Second, Size: 200 << 20},
		registry + "denied:1": resolve("denied", "401 Unauthorized"),
		registry + "err500:1": resolve("err500", "500 Internal Server Error"),
		"127.0.0.1:25001/x:1": pull("127.0.0.1:25001/x:1", `resolve reference "127.0.0.1:25001/x:1": failed to do request: `+
			`Head "https://127.0.0.1:25001/v2/x/manifests/1": `, "dial tcp 127.0.0.1:25001: connect: connection refused"),
	}
}
