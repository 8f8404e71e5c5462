package images

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/time/rate"
)

// ServeHTTP answers as a registry (https://github.com/opencontainers/distribution-spec/blob/main/spec.md,
// pull).
func (r *Registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method != http.MethodGet && q.Method != http.MethodHead {
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	path := strings.TrimPrefix(q.URL.Path, "/v2/")
	if path == "" {
		return
	}
	if repository, reference, ok := strings.Cut(path, "/manifests/"); ok {
		r.manifest(w, q, repository, reference)
		return
	}
	if repository, hash, ok := strings.Cut(path, "/blobs/"); ok {
		r.blob(w, q, repository, hash)
		return
	}
	refuse(w, http.StatusNotFound)
}

// refuse answers with an error, and with no more words than its status: containerd would repeat them.
func refuse(w http.ResponseWriter, status int) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="podsim"`)
	}
	w.WriteHeader(status)
}

// refusals are the statuses for kinds of errors. An error that is a text is one of the server.
var refusals = map[string]int{
	"notFound":     http.StatusNotFound,
	"unauthorized": http.StatusUnauthorized,
	"rateLimited":  http.StatusTooManyRequests,
	"serverError":  http.StatusInternalServerError,
}

// isText says that an error of the scenario is not one of its kinds.
func isText(kind string) bool {
	_, known := refusals[kind]
	return kind != "" && !known && kind != kindRefused && !stalls(kind)
}

// admit says whether the request for something of an image goes on. The one with which a pull begins waits
// as long as the registry takes on top.
func (r *Registry) admit(w http.ResponseWriter, q *http.Request, s *served, begins bool) bool {
	if !r.begun.Load() {
		return true
	}
	if begins && r.Draw != nil && s.origin.latency != nil {
		if !pause(q.Context(), r.Draw(s.origin.latency)) {
			return false
		}
	}
	kind, ok := s.origin.answer(q.Context())
	if !ok {
		return false
	}
	if begins && kind == "" {
		kind = s.spec.Error
	}
	if kind == "" && !r.authorized(s, q) {
		kind = "unauthorized"
	}
	if kind == "" || stalls(kind) {
		return true
	}
	answer, known := refusals[kind]
	if !known {
		answer = http.StatusInternalServerError
	}
	refuse(w, answer)
	return false
}

// pause waits, and says whether somebody still wants an answer.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// manifest answers the request for a manifest, by its tag or by its digest.
func (r *Registry) manifest(w http.ResponseWriter, q *http.Request, repository, reference string) {
	for _, s := range r.inRepository(repository) {
		tagged := s.tag == reference
		if !tagged && !strings.HasPrefix(reference, "sha256:") {
			continue
		}
		if err := r.make(s); err != nil {
			refuse(w, http.StatusInternalServerError)
			return
		}
		hash, err := s.Digest()
		if err != nil || !tagged && hash.String() != reference {
			continue
		}
		if r.admit(w, q, s, tagged) {
			r.sendManifest(w, q, s, hash)
		}
		return
	}
	refuse(w, http.StatusNotFound)
}

func (r *Registry) sendManifest(w http.ResponseWriter, q *http.Request, s *served, hash v1.Hash) {
	data, err := s.RawManifest()
	kind, err2 := s.MediaType()
	if err != nil || err2 != nil {
		refuse(w, http.StatusInternalServerError)
		return
	}
	send(w, q, string(kind), hash, bytes.NewReader(data))
}

// inRepository are the images of a repository.
func (r *Registry) inRepository(name string) []*served {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return append([]*served(nil), r.repositories[name]...)
}

// blob answers the request for a layer or a configuration.
func (r *Registry) blob(w http.ResponseWriter, q *http.Request, repository, reference string) {
	hash, err := v1.NewHash(reference)
	if err != nil {
		refuse(w, http.StatusBadRequest)
		return
	}
	for _, s := range r.inRepository(repository) {
		if r.make(s) != nil {
			continue
		}
		if data := s.part(hash); data != nil {
			r.sendBlob(w, q, s, hash, data)
			return
		}
	}
	refuse(w, http.StatusNotFound)
}

// part finds a layer or the configuration of an image, nil when it has no such one.
func (s *served) part(hash v1.Hash) io.ReadSeeker {
	if l := s.layers[hash]; l != nil {
		return l.reader()
	}
	if config, err := s.ConfigName(); err == nil && config == hash {
		if data, err := s.RawConfigFile(); err == nil {
			return bytes.NewReader(data)
		}
	}
	l, err := s.LayerByDigest(hash)
	if err != nil {
		return nil
	}
	c, err := l.Compressed()
	if err != nil {
		return nil
	}
	defer c.Close()
	data, err := io.ReadAll(c)
	if err != nil {
		return nil
	}
	return bytes.NewReader(data)
}

// sendBlob sends as slowly as the registry does, when it is the turn of this transfer among the node's. From
// a registry that stalls comes a part, and then nothing.
func (r *Registry) sendBlob(w http.ResponseWriter, q *http.Request, s *served, hash v1.Hash, data io.ReadSeeker) {
	// The configuration is small, and the runtime asks for the layers when it has it.
	if s.layers[hash] == nil || !r.begun.Load() || q.Method != http.MethodGet {
		if r.admit(w, q, s, false) {
			send(w, q, "application/octet-stream", hash, data)
		}
		return
	}
	x := &slow{ReadSeeker: data, ctx: q.Context(), origin: s.origin, line: r.lineOf(s.node), never: s.spec.Error == kindStalled}
	x.own = []*rate.Limiter{limiter(s.origin.connection), x.line.bandwidth}
	x.stallsAt = min(stallsAfter, sizeOf(data)-1)
	x.flush = func() { _ = http.NewResponseController(w).Flush() }
	x.turn = x.line.begin(q.Context(), turnMax)
	defer x.end()
	if r.admit(w, q, s, false) {
		s.origin.begin()
		defer s.origin.end()
		send(w, q, "application/octet-stream", hash, x)
	}
}

// turnMax is how long a transfer waits for its turn before it begins to answer: containerd waits 30 s for the
// header of an answer (core/remotes/docker/registry.go DefaultHTTPTransport).
const turnMax = 20 * time.Second

// sizeOf is how many bytes there are to read. Reading begins at the start.
func sizeOf(data io.Seeker) int64 {
	n, _ := data.Seek(0, io.SeekEnd)
	_, _ = data.Seek(0, io.SeekStart)
	return n
}

// send answers with data, or with a range of it.
func send(w http.ResponseWriter, q *http.Request, kind string, hash v1.Hash, data io.ReadSeeker) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", hash.String())
	http.ServeContent(w, q, "", time.Time{}, data)
}

// stallsAfter is how many bytes of a layer come, in bytes, before a transfer stalls. containerd 2.4.2 sees
// progress in steps of 1 MiB (core/content/helpers.go copyWithBuffer), and only a transfer that has made
// some is cancelled when there is no more of it (internal/cri/server/images/image_pull.go handleProgress).
// A smaller layer stalls at its last byte, for ever.
const stallsAfter = 1<<20 + 64<<10

// slow reads at the pace of a registry.
type slow struct {
	io.ReadSeeker
	ctx    context.Context
	origin *origin
	own    []*rate.Limiter
	// line is the node's; turn says that the transfer has one of its turns.
	line *line
	turn bool
	// never says that the transfer stalls, stallsAt after how many bytes at most one does.
	never    bool
	stallsAt int64
	// flush lets what has been written go out, sent is how much that is.
	flush func()
	sent  int64
}

// Read waits for its turn before it reads a piece.
func (x *slow) Read(p []byte) (int, error) {
	if !x.turn {
		x.flush()
		if x.turn = x.line.begin(x.ctx, 0); !x.turn {
			return 0, x.ctx.Err()
		}
	}
	p = p[:min(len(p), piece)]
	if _, kind, _ := x.origin.state(); x.never || stalls(kind) {
		if x.sent < x.stallsAt {
			p = p[:min(int64(len(p)), x.stallsAt-x.sent)]
			n, err := x.ReadSeeker.Read(p)
			x.sent += int64(n)
			return n, err
		}
		x.flush()
	}
	if x.never {
		<-x.ctx.Done()
		return 0, x.ctx.Err()
	}
	n, err := x.ReadSeeker.Read(p)
	x.sent += int64(n)
	if n > 0 {
		if err := x.origin.take(x.ctx, x.own, n); err != nil {
			return 0, err
		}
	}
	return n, err
}

// end gives the turn back.
func (x *slow) end() {
	if x.turn {
		x.line.end()
	}
}
