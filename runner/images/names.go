package images

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// real says where an image would come from if its registry were there.
type real struct {
	// full is its name with its registry, as containerd writes it.
	full string
	// host is the registry, dial its address with the port, url begins what it is asked for.
	host, dial, url string
}

func realOf(image string) real {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return real{full: image}
	}
	host := reference.Domain(named)
	if host == "docker.io" {
		host = "registry-1." + host // core/remotes/docker/registry.go DefaultHost
	}
	r := real{full: named.String(), host: reference.Domain(named), dial: host}
	if !strings.Contains(host, ":") {
		r.dial += ":443"
	}
	r.url = "https://" + host + "/v2/" + reference.Path(named)
	if isLocal(host) {
		r.url = "http" + strings.TrimPrefix(r.url, "https")
	}
	return r
}

// isLocal says that containerd asks a registry without TLS (core/remotes/docker/config/hosts.go
// ConfigureHosts).
func isLocal(host string) bool {
	address, err := netip.ParseAddrPort(host)
	local := err == nil && address.Addr().IsLoopback() || strings.HasPrefix(host, "localhost:")
	return local && !strings.HasSuffix(host, ":443")
}

// nameMax is the longest name of a repository with its registry (distribution/reference
// RepositoryNameTotalLengthMax).
const nameMax = 255

// pathOf is an image's repository and tag in the loopback registry. A digest is a tag there: what it
// names is not what the registry has.
func pathOf(run, node, image string) (repository, tag string) {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return strings.Join([]string{"podsim-" + run, node, "invalid"}, "/"), "latest"
	}
	host := strings.ToLower(strings.NewReplacer(":", "_", "[", "", "]", "").Replace(reference.Domain(named)))
	repository = strings.Join([]string{"podsim-" + run, node, host, reference.Path(named)}, "/")
	switch n := named.(type) {
	case reference.Digested:
		return repository, strings.Replace(n.Digest().String(), ":", "-", 1)
	case reference.Tagged:
		return repository, n.Tag()
	}
	return repository, "latest"
}

// Original writes what a runtime says of images of this registry as it would say it of the scenario's.
func (r *Registry) Original(text string) string {
	if !strings.Contains(text, loopback) {
		return text
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	list := r.longestFirst()
	for _, s := range list {
		for _, d := range s.digests {
			text = strings.ReplaceAll(text, d.served, d.real)
		}
	}
	text = strings.ReplaceAll(text, "("+string(types.OCIUncompressedLayer)+")", "("+string(types.OCILayer)+")")
	for _, s := range list {
		changed := s.original(text)
		if changed != text {
			text = strings.ReplaceAll(changed, "dial tcp "+s.address.text, "dial tcp "+s.real.dial)
			text = strings.ReplaceAll(text, "host "+s.address.text, "host "+strings.TrimSuffix(s.real.dial, ":443"))
		}
	}
	return text
}

// original writes the image's name and where it is back.
func (s *served) original(text string) string {
	for _, scheme := range []string{"http://", "https://"} {
		at := scheme + s.address.text + "/v2/" + s.repository
		text = strings.ReplaceAll(text, at+"/manifests/"+s.tag, s.manifestURL())
		text = strings.ReplaceAll(text, at+"/blobs/", s.real.url+"/blobs/")
		text = strings.ReplaceAll(text, at+"/manifests/sha256:", s.real.url+"/manifests/sha256:")
	}
	return strings.ReplaceAll(text, s.name(), s.real.full)
}

// longestFirst are the images in an order in which no name is the beginning of a later one.
func (r *Registry) longestFirst() []*served {
	list := make([]*served, 0, len(r.images))
	for _, s := range r.images {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *served) int {
		if d := len(b.name()) - len(a.name()); d != 0 {
			return d
		}
		return strings.Compare(a.name(), b.name())
	})
	return list
}

// manifestURL is where the image's real registry has its manifest.
func (s *served) manifestURL() string {
	named, err := reference.ParseDockerRef(s.image)
	if err != nil {
		return s.real.url
	}
	version := s.tag
	if n, ok := named.(reference.Digested); ok {
		version = n.Digest().String()
	}
	return s.real.url + "/manifests/" + version
}
