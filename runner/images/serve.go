package images

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
		refuse(w, http.StatusMethodNotAllowed, "UNSUPPORTED")
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
	refuse(w, http.StatusNotFound, "NAME_UNKNOWN")
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="podsim"`)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string][]map[string]string{"errors": {{"code": code}}})
}

// refusal is the answer for a kind of error, or for one that is a text.
func refusal(kind string) (int, string) {
	switch kind {
	case "notFound":
		return http.StatusNotFound, "MANIFEST_UNKNOWN"
	case "unauthorized":
		return http.StatusUnauthorized, "UNAUTHORIZED"
	case "rateLimited":
		return http.StatusTooManyRequests, "TOOMANYREQUESTS"
	}
	return http.StatusInternalServerError, "UNKNOWN"
}

// admit says whether the request for something of an image goes on. The one with which a pull begins waits
// as long as the registry takes on top.
func (r *Registry) admit(w http.ResponseWriter, q *http.Request, s *served, begins bool) bool {
	if begins && r.Draw != nil && s.origin.latency != nil {
		if !pause(q.Context(), r.Draw(s.origin.latency)) {
			return false
		}
	}
	_, kind, _ := s.origin.state()
	if begins && kind == "" {
		kind = s.spec.Error
	}
	if kind != "" && kind != kindStalled {
		status, code := refusal(kind)
		refuse(w, status, code)
		return false
	}
	if !r.authorized(s, q) {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED")
		return false
	}
	return true
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
			refuse(w, http.StatusInternalServerError, err.Error())
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
	refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
}

func (r *Registry) sendManifest(w http.ResponseWriter, q *http.Request, s *served, hash v1.Hash) {
	data, err := s.RawManifest()
	kind, err2 := s.MediaType()
	if err != nil || err2 != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN")
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
		refuse(w, http.StatusBadRequest, "DIGEST_INVALID")
		return
	}
	for _, s := range r.inRepository(repository) {
		if r.make(s) != nil {
			continue
		}
		if data := s.part(hash); data != nil {
			if r.admit(w, q, s, false) {
				r.sendBlob(w, q, s, hash, data)
			}
			return
		}
	}
	refuse(w, http.StatusNotFound, "BLOB_UNKNOWN")
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

// sendBlob sends as slowly as the registry does, or begins to.
func (r *Registry) sendBlob(w http.ResponseWriter, q *http.Request, s *served, hash v1.Hash, data io.ReadSeeker) {
	ctx := q.Context()
	if _, kind, _ := s.origin.state(); q.Method == http.MethodGet && (kind == kindStalled || s.spec.Error == kindStalled) {
		size, err := data.Seek(0, io.SeekEnd)
		if err != nil {
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		if s.spec.Error == kindStalled {
			<-ctx.Done()
			return
		}
		if _, err := data.Seek(0, io.SeekStart); err == nil {
			_, _ = io.Copy(w, &slow{data, ctx, s.origin, limiter(s.origin.connection)})
		}
		return
	}
	send(w, q, "application/octet-stream", hash, &slow{data, ctx, s.origin, limiter(s.origin.connection)})
}

// send answers with data, or with a range of it.
func send(w http.ResponseWriter, q *http.Request, kind string, hash v1.Hash, data io.ReadSeeker) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Docker-Content-Digest", hash.String())
	http.ServeContent(w, q, "", time.Time{}, data)
}

// slow reads at the pace of a registry.
type slow struct {
	io.ReadSeeker
	ctx    context.Context
	origin *origin
	own    *rate.Limiter
}

// Read waits for its turn before it reads a piece.
func (x *slow) Read(p []byte) (int, error) {
	p = p[:min(len(p), piece)]
	n, err := x.ReadSeeker.Read(p)
	if n > 0 {
		if err := x.origin.take(x.ctx, x.own, n); err != nil {
			return 0, err
		}
	}
	return n, err
}
