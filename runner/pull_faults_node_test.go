package runner

import (
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
	"podsim/runner/images"
)

var updatePullFaults = flag.Bool("update-pull-faults", false, "write what the real node says of pulls that fail into the table, for its version of containerd")

// pullFaultsTable is what containerd does when a registry fails from a stage of a pull on, or once. The simulation
// is held against it, too. "resolve" is the HEAD for the manifest, "layer" a GET of 3 MiB. Seconds are 0 for less
// than 5; a pull may get nothing for 4 s. The last column is the error, with the image as quay.io/faults:1 and without
// the digests; "" is a pull that goes on. containerd 1.6 waits for ever for an answer and for what stalls.
const pullFaultsTable = "../sim/testdata/pull-faults.csv"

var pullFaultsHeader = []string{"containerd", "stage", "fault", "how often", "requests", "seconds", "error"}

// pullStages are the requests of a pull in their order.
var pullStages = []string{"resolve", "manifest", "config", "layer"}

// midway is after how many bytes of a layer a fault comes: more than containerd sees progress in.
const midway = 1<<20 + 64<<10

// pullFault is a line of the table. The fault is a status; refused is a registry that goes away at the request, cut
// a connection that does.
type pullFault struct{ version, stage, fault, often, requests, seconds, text string }

func (f *pullFault) fields() []string {
	return []string{f.version, f.stage, f.fault, f.often, f.requests, f.seconds, f.text}
}

// faultyRegistry stands before a registry and fails from the stage of a pull on, or once.
type faultyRegistry struct {
	upstream string
	fault    *pullFault
	server   *http.Server

	mutex sync.Mutex
	// config is the path of the configuration: the first blob that is asked for.
	config string
	broken bool
	hits   int
}

func startFaultyRegistry(t *testing.T, upstream string, fault *pullFault) (f *faultyRegistry, address string) {
	f = &faultyRegistry{upstream: upstream, fault: fault}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	f.server = &http.Server{Handler: f}
	go func() { _ = f.server.Serve(l) }()
	t.Cleanup(func() { _ = f.server.Close() })
	return f, l.Addr().String()
}

func (f *faultyRegistry) stageOf(q *http.Request) string {
	switch {
	case q.Method == http.MethodHead:
		return "resolve"
	case strings.Contains(q.URL.Path, "/manifests/"):
		return "manifest"
	case f.config == "" || f.config == q.URL.Path:
		f.config = q.URL.Path
		return "config"
	}
	return "layer"
}

// fails counts a request of the stage, and says whether it fails.
func (f *faultyRegistry) fails(q *http.Request) bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.stageOf(q) == f.fault.stage {
		f.broken = f.fault.often == "on" || f.hits == 0
		f.hits++
	}
	return f.broken
}

func (f *faultyRegistry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if !f.fails(q) {
		f.pass(w, q, -1)
		return
	}
	code, _, _ := strings.Cut(f.fault.fault, " ")
	if status, err := strconv.Atoi(code); err == nil {
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="podsim"`)
		}
		w.WriteHeader(status)
		return
	}
	switch f.fault.fault {
	case "refused":
		_ = f.server.Close()
	case "refused midway":
		f.pass(w, q, midway)
		_ = f.server.Close()
	case "cut midway":
		f.pass(w, q, midway)
		panic(http.ErrAbortHandler)
	case "no answer":
		<-q.Context().Done()
	case "stalled midway":
		f.pass(w, q, midway)
		<-q.Context().Done()
	}
}

// pass gives what the registry gives, or only so many bytes of it.
func (f *faultyRegistry) pass(w http.ResponseWriter, q *http.Request, limit int64) {
	up, err := http.NewRequestWithContext(q.Context(), q.Method, "http://"+f.upstream+q.URL.Path, nil)
	if err != nil {
		return
	}
	up.Header = q.Header
	answer, err := http.DefaultTransport.RoundTrip(up)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	for k, v := range answer.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(answer.StatusCode)
	if limit < 0 {
		_, _ = io.Copy(w, answer.Body)
		return
	}
	_, _ = io.CopyN(w, answer.Body, limit)
	_ = http.NewResponseController(w).Flush()
}

// allPullFaults are the lines of the table without what comes out.
func allPullFaults(version string) []*pullFault {
	var all []*pullFault
	add := func(often, stage string, faults ...string) {
		for _, fault := range faults {
			if version != "1.6" || fault != "no answer" && fault != "stalled midway" {
				all = append(all, &pullFault{version: version, stage: stage, fault: fault, often: often})
			}
		}
	}
	for _, stage := range pullStages {
		add("on", stage, "401", "401 with credentials", "403", "404", "429", "500", "503", "refused", "no answer")
		add("once", stage, "403", "404", "429", "500", "503")
	}
	add("on", "layer", "refused midway", "cut midway", "stalled midway")
	add("once", "layer", "cut midway")
	return all
}

var digestPattern = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// TestRealPullFaults: what containerd says when a registry fails in the middle of a pull, and how often it asks, is
// what the table says.
func TestRealPullFaults(t *testing.T) {
	node := privateNodeWith(t, NodeOptions{PullProgressTimeout: 4 * time.Second})
	t.Setenv("PODSIM_CONTAINERD", node.Endpoint)
	version := strings.Join(strings.SplitN(node.Version, ".", 3)[:2], ".")
	all := allPullFaults(version)
	sc := &model.Scenario{}
	for i := range all {
		name := pulledImage(i)
		sc.Images = append(sc.Images, model.ImageSpec{Name: name, Layers: []model.LayerSpec{{Name: name, Size: 3 << 20, Unpacked: 3 << 20}}})
	}
	r, conn := realRegistry(t, sc)
	service := runtimeapi.NewImageServiceClient(conn)
	var wait sync.WaitGroup
	for i, f := range all {
		address, path, _ := strings.Cut(r.Name("n1", pulledImage(i)), "/")
		faulty, own := startFaultyRegistry(t, address, f)
		var credentials []images.Credential
		if strings.HasSuffix(f.fault, "with credentials") {
			credentials = []images.Credential{{User: "somebody", Password: "knows"}}
		}
		wait.Go(func() {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err := pullImage(ctx, service, &runtimeapi.ImageSpec{Image: own + "/" + path}, credentials)
			f.seconds, f.requests = "0", strconv.Itoa(faulty.hits)
			if took := time.Since(begin); took > 5*time.Second {
				f.seconds = fmt.Sprintf("%.0f", took.Seconds())
			}
			if err != nil {
				text := r.Original(strings.ReplaceAll(err.Error(), own, address))
				text = strings.NewReplacer(pulledImage(i), "quay.io/faults:1", fmt.Sprintf("/faults%d/", i), "/faults/").Replace(text)
				f.text = digestPattern.ReplaceAllString(text, "DIGEST")
			}
		})
	}
	wait.Wait()
	if *updatePullFaults {
		writePullFaults(t, version, all)
	}
	known := 0
	for _, line := range readPullFaults(t) {
		if line[0] != version {
			continue
		}
		known++
		i := slices.IndexFunc(all, func(f *pullFault) bool { return slices.Equal(f.fields()[:4], line[:4]) })
		require.GreaterOrEqual(t, i, 0, "%v", line)
		what := strings.Join(line[:4], ", ")
		assert.Equal(t, line[6], all[i].text, what)
		assert.Equal(t, line[4], all[i].requests, what)
		want, err := strconv.ParseFloat(line[5], 64)
		require.NoError(t, err)
		took, err := strconv.ParseFloat(all[i].seconds, 64)
		require.NoError(t, err)
		assert.InDelta(t, want, took, 5, what)
	}
	if known == 0 {
		t.Skipf("the table has nothing of containerd %s; -update-pull-faults writes it", version)
	}
	assert.Len(t, all, known)
}

func pulledImage(i int) string { return fmt.Sprintf("quay.io/faults%d:1", i) }

func readPullFaults(t *testing.T) [][]string {
	t.Helper()
	file, err := os.Open(pullFaultsTable)
	require.NoError(t, err)
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	require.NoError(t, err)
	require.Equal(t, pullFaultsHeader, lines[0])
	return lines[1:]
}

// writePullFaults puts the lines in place of those of the same version.
func writePullFaults(t *testing.T, version string, all []*pullFault) {
	var lines [][]string
	if _, err := os.Stat(pullFaultsTable); err == nil {
		lines = slices.DeleteFunc(readPullFaults(t), func(line []string) bool { return line[0] == version })
	}
	for _, f := range all {
		lines = append(lines, f.fields())
	}
	slices.SortStableFunc(lines, func(a, b []string) int { return -strings.Compare(a[0], b[0]) })
	file, err := os.Create(pullFaultsTable)
	require.NoError(t, err)
	w := csv.NewWriter(file)
	require.NoError(t, w.WriteAll(append([][]string{pullFaultsHeader}, lines...)))
	require.NoError(t, file.Close())
}
