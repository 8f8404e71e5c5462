package kubelet

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"podsim/conform"
)

// answer is a pod and what the real kubelet made of it, a line of a file that podsim reads too.
type answer struct {
	Name     string           `json:"name"`
	Pod      *v1.Pod          `json:"pod"`
	Exact    []conform.Line   `json:"exact,omitempty"`
	Jittered [][]conform.Line `json:"jittered,omitempty"`
}

// batch is a number of random pods for a process of its own: each kubelet leaves about 1 MiB
// behind, and each process has one processor only.
type batch struct {
	Kind     string
	First    int64
	Pods     int
	Jittered bool
	File     string
}

// kinds are the generators.
var kinds = map[string]func(seed int64) *v1.Pod{"plain": PlainPod, "wild": WildPod, "gated": GatedPod}

const (
	batchVariable = "KUBELET_BATCH"
	batchPods     = 250
)

// TestAnswer is the process of a batch. It is no test by itself.
func TestAnswer(t *testing.T) {
	description := os.Getenv(batchVariable)
	if description == "" {
		t.Skip("it is run by the other tests, in processes of its own")
	}
	var b batch
	require.NoError(t, json.Unmarshal([]byte(description), &b))
	f, err := os.Create(b.File)
	require.NoError(t, err)
	out := json.NewEncoder(f)
	for seed := b.First; seed < b.First+int64(b.Pods); seed++ {
		require.NoError(t, out.Encode(answerOf(t, kinds[b.Kind](seed), seed, b.Jittered)))
	}
	require.NoError(t, f.Close())
}

// answerOf is what the real kubelet makes of a pod with the draws of a seed.
func answerOf(t *testing.T, pod *v1.Pod, seed int64, jittered bool) answer {
	if jittered {
		return answer{Name: pod.Name, Pod: pod, Jittered: [][]conform.Line{Run(t, pod, Jittered(seed))}}
	}
	return answer{Name: pod.Name, Pod: pod, Exact: Run(t, pod, Exact(seed))}
}

// answers has the real kubelet answer pods of a kind from a seed on, two processes at a time, and
// calls take with each answer, in order within a batch.
func answers(t *testing.T, b batch, take func(*conform.Recording)) {
	dir := t.TempDir()
	var batches []batch
	for rest := b.Pods; rest > 0; rest -= batchPods {
		part := b
		part.Pods = min(rest, batchPods)
		part.File = filepath.Join(dir, fmt.Sprintf("%d.jsonl", b.First))
		batches = append(batches, part)
		b.First += int64(part.Pods)
	}
	queue := make(chan batch, len(batches))
	done := make(chan batch, len(batches))
	for _, part := range batches {
		queue <- part
	}
	close(queue)
	var workers sync.WaitGroup
	for range min(2, runtime.NumCPU()) {
		workers.Go(func() {
			for part := range queue {
				if err := part.run(); err != nil {
					t.Errorf("batch from %d: %v", part.First, err)
				} else {
					done <- part
				}
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	for part := range done {
		takeBatch(t, part, take)
	}
}

func takeBatch(t *testing.T, part batch, take func(*conform.Recording)) {
	list, err := conform.ReadFile(part.File)
	require.NoError(t, err)
	require.Len(t, list, part.Pods)
	for i := range list {
		take(&list[i])
	}
	require.NoError(t, os.Remove(part.File))
}

func (b batch) run() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	description, err := json.Marshal(b)
	if err != nil {
		return err
	}
	c := exec.Command(self, "-test.run=^TestAnswer$", "-test.timeout=20m")
	c.Env = append(os.Environ(), batchVariable+"="+string(description))
	if words, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, words)
	}
	return nil
}
