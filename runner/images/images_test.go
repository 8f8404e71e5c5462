package images

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"podsim/model"
)

// startTest serves a scenario's images.
func startTest(t *testing.T, sc *model.Scenario) *Registry {
	program := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(program, elfFile(), 0o755))
	r, err := Start(t.Context(), sc, "r1", program)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	require.NoError(t, r.Begin())
	return r
}

// elfFile is the shortest program that is one by its form.
func elfFile() []byte {
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}

func TestProgramMustStandAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh"), 0o755))
	_, err := Start(t.Context(), &model.Scenario{}, "r1", file)
	assert.EqualError(t, err, "the stand-in program "+file+": it is no Linux program")
	_, err = Start(t.Context(), &model.Scenario{}, "r1", "/bin/ls")
	assert.ErrorContains(t, err, "build it with CGO_ENABLED=0")
}

// pull fetches an image as a client of a registry does.
func pull(t *testing.T, image string, options ...remote.Option) (v1.Image, error) {
	ref, err := name.ParseReference(image)
	require.NoError(t, err)
	return remote.Image(ref, append([]remote.Option{remote.WithContext(t.Context()), remote.WithRetryPredicate(func(error) bool { return false })}, options...)...)
}

func mustPull(t *testing.T, image string) v1.Image {
	i, err := pull(t, image)
	require.NoError(t, err)
	checkImage(t, i)
	return i
}

// checkImage compares what comes with its digests and sizes. (validate looks into layers as if all were
// compressed.)
func checkImage(t *testing.T, i v1.Image) {
	require.NoError(t, validate.Image(i, validate.Fast))
	layers, err := i.Layers()
	require.NoError(t, err)
	config, err := i.ConfigFile()
	require.NoError(t, err)
	require.Len(t, config.RootFS.DiffIDs, len(layers))
	for j, l := range layers {
		data, err := l.Compressed()
		require.NoError(t, err)
		hash, n, err := v1.SHA256(data)
		require.NoError(t, err)
		require.NoError(t, data.Close())
		want, err := l.Digest()
		require.NoError(t, err)
		size, err := l.Size()
		require.NoError(t, err)
		assert.Equal(t, want, hash)
		assert.Equal(t, config.RootFS.DiffIDs[j], hash)
		assert.Equal(t, size, n)
	}
}

// sizes are those of an image's layers above the base layer.
func sizes(t *testing.T, i v1.Image) []int64 {
	layers, err := i.Layers()
	require.NoError(t, err)
	var list []int64
	for _, l := range layers[1:] {
		n, err := l.Size()
		require.NoError(t, err)
		list = append(list, n)
	}
	return list
}

func digests(t *testing.T, i v1.Image) []v1.Hash {
	m, err := i.Manifest()
	require.NoError(t, err)
	var list []v1.Hash
	for _, l := range m.Layers {
		list = append(list, l.Digest)
	}
	return list
}

func TestImagesAreAsTheScenarioSays(t *testing.T) {
	a, b, c := model.LayerSpec{Name: "a", Size: 30000, Unpacked: 30000}, model.LayerSpec{Name: "b", Size: 50001, Unpacked: 1000}, model.LayerSpec{Name: "c", Size: 7, Unpacked: 7}
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{
		{Name: "one", Size: 1000003, User: "app:web"},
		{Name: "two:2", Layers: []model.LayerSpec{a, b}},
		{Name: "quay.io/x/three", Layers: []model.LayerSpec{a, c}},
	}})
	require.NoError(t, r.Prepare())
	assert.Len(t, r.hashes.states, 5, "one of each size, and of the size that is assumed")
	one := mustPull(t, r.Name("n1", "one:latest"))
	two, three := mustPull(t, r.Name("n1", "docker.io/library/two:2")), mustPull(t, r.Name("n1", "quay.io/x/three"))
	assert.Equal(t, []int64{1000003}, sizes(t, one))
	assert.Equal(t, []int64{30000, 50001}, sizes(t, two))
	assert.Equal(t, []int64{30000, layerMin}, sizes(t, three), "a layer has a least size")
	config, err := one.ConfigFile()
	require.NoError(t, err)
	assert.Equal(t, "app:web", config.Config.User)
	assert.Equal(t, []string{Program}, config.Config.Entrypoint)

	assert.Equal(t, digests(t, two)[:2], digests(t, three)[:2], "the base layer, and layers of one name on a node, are the same")
	other := digests(t, mustPull(t, r.Name("n2", "two:2")))
	assert.Equal(t, digests(t, two)[0], other[0], "the base layer is the same everywhere")
	assert.NotEqual(t, digests(t, two)[1], other[1], "each node has layers of its own")
	assert.Len(t, digests(t, mustPull(t, r.Pause())), 1)
	assert.Equal(t, digests(t, two)[:1], digests(t, mustPull(t, r.Base())))
}

// An image that the scenario says nothing of has the size that the simulation assumes.
func TestImageNotInTheScenario(t *testing.T) {
	r := startTest(t, &model.Scenario{})
	i, err := pull(t, r.Name("n1", "nginx@sha256:"+strings.Repeat("ab", 32)))
	require.NoError(t, err)
	assert.Equal(t, []int64{model.DefaultImageSize}, sizes(t, i))
}

func TestBytesDoNotCompress(t *testing.T) {
	l, err := newLayer("x", 3<<20, 3<<20, &prefixes{})
	require.NoError(t, err)
	all, err := io.ReadAll(l.reader())
	require.NoError(t, err)
	counts := [256]int{}
	for _, b := range all[tarBlock : len(all)-3*tarBlock] {
		counts[b]++
	}
	for b, n := range counts {
		assert.InDelta(t, len(all)/256, n, float64(len(all)/256)*0.1, "byte %d", b)
	}
}

func TestErrors(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{
		{Name: "absent", Error: "notFound"}, {Name: "locked", Error: "unauthorized"}, {Name: "busy", Error: "rateLimited"},
		{Name: "broken", Error: "serverError"}, {Name: "odd", Error: "no space left"}, {Name: "shut", Error: "refused"},
	}})
	for image, status := range map[string]int{"absent": 404, "locked": 401, "busy": 429, "broken": 500, "odd": 500} {
		_, err := pull(t, r.Name("n1", image))
		var answer *transport.Error
		require.ErrorAs(t, err, &answer, image)
		assert.Equal(t, status, answer.StatusCode, image)
	}
	_, err := pull(t, r.Name("n1", "shut"))
	assert.ErrorIs(t, err, syscall.ECONNREFUSED)
}

// A registry may be out of reach for a while, or refuse to answer.
func TestOutage(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{{Name: "quay.io/a", Size: 5000}, {Name: "b", Size: 5000}}})
	a, b := r.Name("n1", "quay.io/a"), r.Name("n1", "b")
	mustPull(t, a)
	require.NoError(t, r.Set("quay.*", "refused", 0))
	_, err := pull(t, a)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	mustPull(t, b)

	require.NoError(t, r.Set("quay.*", "rateLimited", 0))
	_, err = pull(t, a)
	var answer *transport.Error
	require.ErrorAs(t, err, &answer)
	assert.Equal(t, http.StatusTooManyRequests, answer.StatusCode)

	require.NoError(t, r.Set("quay.io", "timeout", 0), "the later of two patterns counts")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = pull(t, a, remote.WithContext(ctx))
	require.Error(t, err)
	assert.False(t, errors.Is(err, syscall.ECONNREFUSED), "%v", err)

	require.NoError(t, r.Set("quay.io", "", 0))
	require.NoError(t, r.Set("quay.*", "", 0))
	mustPull(t, a)
}

func TestCredentials(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{{Name: "a", Size: 5000, Credentials: []string{"first", "second"}}}})
	image := r.Name("n1", "a")
	_, err := pull(t, image)
	require.Error(t, err)
	c := r.credential("second")
	_, err = pull(t, image, remote.WithAuth(&authn.Basic{Username: c.User, Password: "wrong"}))
	require.Error(t, err)
	i, err := pull(t, image, remote.WithAuth(&authn.Basic{Username: c.User, Password: c.Password}))
	require.NoError(t, err)
	checkImage(t, i)
	c = r.credential("third")
	_, err = pull(t, image, remote.WithAuth(&authn.Basic{Username: c.User, Password: c.Password}))
	require.Error(t, err)
}

// A transfer that was interrupted goes on where it was.
func TestRange(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{{Name: "a", Size: 100000}}})
	image := r.Name("n1", "a")
	layers, err := mustPull(t, image).Layers()
	require.NoError(t, err)
	d, err := layers[1].Digest()
	require.NoError(t, err)
	address, rest, _ := strings.Cut(strings.TrimSuffix(image, ":latest"), "/")
	get := func(bytes string) []byte {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/v2/"+rest+"/blobs/"+d.String(), nil)
		require.NoError(t, err)
		q.Header.Set("Range", bytes)
		a, err := http.DefaultClient.Do(q)
		require.NoError(t, err)
		defer func() { require.NoError(t, a.Body.Close()) }()
		assert.Equal(t, http.StatusPartialContent, a.StatusCode)
		data, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		return data
	}
	tail := get("bytes=70000-")
	require.Len(t, tail, 30000)
	assert.Equal(t, tail[:100], get("bytes=70000-70099"))
}

// All transfers from a registry share its bandwidth fairly, each has its own limit, and what is said
// meanwhile counts at once.
func TestBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &origin{bandwidth: 1 << 20, changed: make(chan struct{})}
		o.set(outage{})
		begin := time.Now()
		took := func(size int64, connection int64) <-chan time.Duration {
			done := make(chan time.Duration, 1)
			go func() {
				l, err := newLayer("x", size, size, &prefixes{})
				assert.NoError(t, err)
				o.begin()
				defer o.end()
				_, err = io.Copy(io.Discard, &slow{turn: true, ReadSeeker: l.reader(), ctx: t.Context(), origin: o, own: []*rate.Limiter{limiter(connection)}, flush: func() {}})
				assert.NoError(t, err)
				done <- time.Since(begin)
			}()
			return done
		}
		within := func(want time.Duration, done <-chan time.Duration) {
			t.Helper()
			assert.InDelta(t, want.Seconds(), (<-done).Seconds(), 0.1)
		}
		small, large := took(1<<20, 0), took(2<<20, 0)
		within(2*time.Second, small)
		within(3*time.Second, large)

		time.Sleep(time.Minute) // nothing is saved for later
		begin = time.Now()
		within(4*time.Second, took(1<<20, 1<<18))
		begin = time.Now()
		within(time.Second, took(1<<20, 0))

		begin = time.Now()
		done := took(2<<20, 0)
		time.Sleep(time.Second)
		o.set(outage{kind: kindStalled})
		time.Sleep(time.Minute)
		o.set(outage{bandwidth: 1 << 19})
		within(63*time.Second, done)
	})
}

// From a registry that stalls comes a part of each layer, and then nothing.
func TestStalled(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{{Name: "a", Size: 8 << 20, Error: "stalled"}, {Name: "b", Size: 5000, Error: "stalled"}}})
	for image, want := range map[string]int64{"a": stallsAfter, "b": 4999} {
		i, err := pull(t, r.Name("n1", image))
		require.NoError(t, err)
		layers, err := i.Layers()
		require.NoError(t, err)
		data, err := layers[1].Compressed()
		require.NoError(t, err)
		n, err := io.CopyN(io.Discard, data, want)
		require.NoError(t, err, "%s: %d bytes", image, n)
		more := make(chan int, 1)
		go func() {
			n, _ := data.Read(make([]byte, 1))
			more <- n
		}()
		select {
		case n := <-more:
			t.Fatalf("%s: %d bytes more", image, n)
		case <-time.After(50 * time.Millisecond):
		}
		r.Close()
		assert.Zero(t, <-more)
		require.NoError(t, data.Close())
		r = startTest(t, r.scenario)
	}
}

// A node downloads a few layers at a time, with its own bandwidth.
func TestLine(t *testing.T) {
	r := startTest(t, &model.Scenario{Nodes: []model.NodeSpec{{Name: "slow", Bandwidth: 1 << 20}, {Name: "fast"}}})
	slow := r.lineOf("slow")
	assert.Same(t, slow, r.lineOf("slow"))
	assert.InDelta(t, 1<<20, float64(slow.bandwidth.Limit()), 0)
	assert.Nil(t, r.lineOf("fast").bandwidth)
	ctx, cancel := context.WithCancel(t.Context())
	for range downloads {
		require.True(t, slow.begin(ctx, 0))
	}
	cancel()
	assert.False(t, slow.begin(ctx, 0))
	assert.False(t, slow.begin(t.Context(), time.Millisecond))
	slow.end()
	assert.True(t, slow.begin(t.Context(), 0))
}

func TestOriginal(t *testing.T) {
	r := startTest(t, &model.Scenario{Images: []model.ImageSpec{{Name: "nginx:1.23", Layers: []model.LayerSpec{{Name: "sha256:abc", Size: 5000}}}, {Name: "shut", Error: "refused"}}})
	nginx, longer, shut := r.Name("n1", "nginx:1.23"), r.Name("n1", "nginx:1.23.4"), r.Name("n1", "shut")
	mustPull(t, nginx)
	address, path, _ := strings.Cut(strings.TrimSuffix(nginx, ":1.23"), "/")
	layer := digests(t, mustPull(t, nginx))[1].String()
	shutAddress, _, _ := strings.Cut(shut, "/")
	for text, want := range map[string]string{
		"no " + nginx + ": not found":                             "no docker.io/library/nginx:1.23: not found",
		"no " + longer + ": not found":                            "no docker.io/library/nginx:1.23.4: not found",
		"http://" + address + "/v2/" + path + "/manifests/1.23 x": "https://registry-1.docker.io/v2/library/nginx/manifests/1.23 x",
		"http://" + address + "/v2/" + path + "/blobs/" + layer:   "https://registry-1.docker.io/v2/library/nginx/blobs/sha256:abc",
		shut + ": dial tcp " + shutAddress + ": refused":          "docker.io/library/shut:latest: dial tcp registry-1.docker.io:443: refused",
		"pulling " + nginx + " from host " + address + " failed":  "pulling docker.io/library/nginx:1.23 from host registry-1.docker.io failed",
		"dial tcp 10.0.0.1:443: i/o timeout":                      "dial tcp 10.0.0.1:443: i/o timeout",
	} {
		assert.Equal(t, want, r.Original(text))
	}
}

// A name that is too long for a runtime is made shorter.
func TestLongNames(t *testing.T) {
	r := startTest(t, &model.Scenario{})
	long := r.Name(strings.Repeat("node", 50), "quay.io/"+strings.Repeat("very/", 20)+"long:1")
	assert.LessOrEqual(t, strings.LastIndex(long, ":"), nameMax)
	assert.Contains(t, long, Prefix("r1"))
	assert.NotEqual(t, long, r.Name(strings.Repeat("node", 51), "quay.io/"+strings.Repeat("very/", 20)+"long:1"))
}

func TestUsers(t *testing.T) {
	passwd, group := users([]model.ImageSpec{{User: "app:web"}, {User: "1000"}, {User: "app"}, {User: "0:0"}})
	assert.Equal(t, "root:x:0:0::/:/podsim-workload\nnobody:x:65534:65534::/:/podsim-workload\napp:x:1002:1002::/:/podsim-workload\nweb:x:1003:1003::/:/podsim-workload\n", string(passwd))
	assert.Equal(t, 4, strings.Count(string(group), "\n"))
}
