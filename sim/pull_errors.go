package sim

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"

	"github.com/distribution/reference"

	"podsim/model"
)

// pullRequest is a request to a registry that a pull makes. What containerd 2 says when it fails is measured:
// testdata/pull-faults.csv.
type pullRequest struct {
	// name is the image's with its registry, url what is asked for.
	name, method, url string
	// layer is the digest of the layer that is asked for, "" when the image is resolved.
	layer string
	// authorized says that it comes with credentials.
	authorized bool
}

// resolveRequest is the request with which a pull begins.
func resolveRequest(image string) *pullRequest {
	full := fullName(image)
	return &pullRequest{name: full, method: "Head", url: manifestURL(full)}
}

// layerRequest is the request for a layer.
func (c *Cluster) layerRequest(p *pull, id layerID) *pullRequest {
	q := resolveRequest(c.state.Images[p.image].Name)
	q.method, q.layer, q.authorized = "Get", digestOf(c.layers[id].name), p.secret != ""
	q.url = strings.Replace(q.url, "/manifests/", "/blobs/", 1)
	q.url = q.url[:strings.LastIndex(q.url, "/")+1] + q.layer
	return q
}

// pulling is how all errors of the pull begin.
func (q *pullRequest) pulling() string {
	return fmt.Sprintf("failed to pull and unpack image %q: ", q.name)
}

// head is how errors of the request begin (core/transfer/local/pull.go pull; core/content/helpers.go Copy and
// core/remotes/docker/httpreadseeker.go reader).
func (q *pullRequest) head() string {
	if q.layer == "" {
		return q.pulling() + "failed to resolve image: "
	}
	return q.pulling() + "failed to copy: httpReadSeeker: failed open: "
}

// error is what containerd 2 answers for a pull whose request fails with a kind of error, in its own words; a kind
// that is none of the known ones is the text itself (core/remotes/docker resolver.go, fetcher.go, authorizer.go).
func (q *pullRequest) error(kind string) string {
	switch kind {
	case kindNotFound:
		return "rpc error: code = NotFound desc = " + q.head() + q.notFound() + ": not found"
	case kindUnauthorized:
		if q.authorized {
			return q.unexpected("401 Unauthorized")
		}
		denied := ""
		if q.layer == "" {
			denied = "pull access denied, repository does not exist or may require authorization: "
		}
		return q.head() + denied + "authorization failed: no basic auth credentials"
	case kindRefused:
		return q.unanswered("dial tcp " + dialAddress(q.name) + ": connect: connection refused")
	case kindTimeout:
		return "rpc error: code = DeadlineExceeded desc = " + q.unanswered("dial tcp "+dialAddress(q.name)+": i/o timeout")
	case kindServerError:
		return q.unexpected("500 Internal Server Error")
	case kindRateLimited:
		return q.unexpected("429 Too Many Requests")
	case kindStalled:
		return "rpc error: code = Canceled desc = " + q.pulling() + "context canceled"
	}
	return kind
}

// noAnswer is the error of a request on a connection that is there.
func (q *pullRequest) noAnswer() string {
	return "rpc error: code = DeadlineExceeded desc = " + q.unanswered("net/http: timeout awaiting response headers")
}

// broken is the error of a layer's transfer whose connection is lost, and which cannot be taken up again
// (core/remotes/docker/httpreadseeker.go Read, core/content/helpers.go Copy). The numbers are in bytes.
func (q *pullRequest) broken(expected, got int64) string {
	return q.pulling() + fmt.Sprintf("short read: expected %d bytes but got %d: unexpected EOF", expected, got)
}

// notFound names what is not there. A layer is one of an image of the Open Container Initiative, as most are.
func (q *pullRequest) notFound() string {
	if q.layer == "" {
		return q.name
	}
	return "could not fetch content descriptor " + q.layer + " (application/vnd.oci.image.layer.v1.tar+gzip) from remote"
}

func (q *pullRequest) unexpected(status string) string {
	return q.head() + "unexpected status from " + strings.ToUpper(q.method) + " request to " + answeringURL(q.url) + ": " + status
}

func (q *pullRequest) unanswered(why string) string {
	return q.head() + fmt.Sprintf("failed to do request: %s %q: ", q.method, q.url) + why
}

// digestOf is a layer's digest: its name if that is one, and one made from it otherwise.
func digestOf(name string) string {
	if strings.HasPrefix(name, "sha256:") {
		return name
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))
}

// fullName is an image's name with its registry, as containerd writes it.
func fullName(name string) string {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return name
	}
	return named.String()
}

// registryHost is the host that a registry's images come from (core/remotes/docker/registry.go
// DefaultHost).
func registryHost(name string) string {
	host := (&model.Image{Name: name}).Registry()
	if host == "docker.io" {
		return "registry-1." + host
	}
	return host
}

// dialAddress is a registry's host with its port.
func dialAddress(name string) string {
	host := registryHost(name)
	if strings.Contains(host, ":") {
		return host
	}
	return host + ":443"
}

// manifestURL is where a registry has an image's manifest.
func manifestURL(name string) string {
	named, err := reference.ParseDockerRef(name)
	if err != nil {
		return ""
	}
	version := ""
	switch n := named.(type) {
	case reference.Digested:
		version = n.Digest().String()
	case reference.Tagged:
		version = n.Tag()
	}
	return "https://" + registryHost(name) + "/v2/" + reference.Path(named) + "/manifests/" + version
}

// answeringURL is where an answer comes from: a registry on the machine itself answers without TLS, unless its
// port is 443 (core/remotes/docker/config/hosts.go ConfigureHosts, core/remotes/docker/resolver.go httpFallback).
func answeringURL(location string) string {
	host, _, _ := strings.Cut(strings.TrimPrefix(location, "https://"), "/")
	address, err := netip.ParseAddrPort(host)
	local := err == nil && address.Addr().IsLoopback() || strings.HasPrefix(host, "localhost:")
	if local && !strings.HasSuffix(host, ":443") {
		return strings.Replace(location, "https", "http", 1)
	}
	return location
}
