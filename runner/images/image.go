package images

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"podsim/model"
)

// Program is where the stand-in program is in each image.
const Program = "/podsim-workload"

// nobody is the number of the user and the group nobody.
const nobody = 65534

// readProgram reads the stand-in program. There is nothing in its images that could link it.
func readProgram(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	x, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, errors.New("it is no Linux program")
	}
	if slices.ContainsFunc(x.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil, errors.New("it needs libraries, which its images do not have: build it with CGO_ENABLED=0")
	}
	return data, nil
}

// baseLayer has the stand-in program and what else a process looks for.
func baseLayer(program []byte, specs []model.ImageSpec) (v1.Layer, error) {
	passwd, group := users(specs)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode int64
		data []byte
	}{
		{"podsim-workload", 0o755, program},
		{"etc/", 0o755, nil},
		{"etc/passwd", 0o644, passwd},
		{"etc/group", 0o644, group},
		{"tmp/", 0o1777, nil},
	} {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0)}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return static.NewLayer(b.Bytes(), types.OCIUncompressedLayer), nil
}

// users are the files passwd and group, with the users that images name.
func users(specs []model.ImageSpec) (passwd, group []byte) {
	names := []string{"root", "nobody"}
	ids := []int{0, nobody}
	for i := range specs {
		user, other, _ := strings.Cut(specs[i].User, ":")
		for _, name := range []string{user, other} {
			if name == "" || name[0] >= '0' && name[0] <= '9' || slices.Contains(names, name) {
				continue
			}
			names, ids = append(names, name), append(ids, 1000+len(names))
		}
	}
	for i, name := range names {
		passwd = fmt.Appendf(passwd, "%s:x:%d:%d::/:%s\n", name, ids[i], ids[i], Program)
		group = fmt.Appendf(group, "%s:x:%d:\n", name, ids[i])
	}
	return passwd, group
}

// build makes an image. The run is in its labels, so that no two runs have the same image.
func build(run, user string, entrypoint []string, layers []v1.Layer) (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(image, layers...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", runtime.GOARCH
	file.Config = v1.Config{User: user, Entrypoint: entrypoint, WorkingDir: "/",
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, Labels: map[string]string{"podsim.run": run}}
	return mutate.ConfigFile(image, file)
}

// layersOf makes the layers of an image on a node above the base layer.
func layersOf(run, node, name string, spec *model.ImageSpec, hashes *prefixes) ([]*layer, error) {
	own := func(kind, name string, size, unpacked int64) (*layer, error) {
		return newLayer(strings.Join([]string{run, node, kind, name}, "\n"), size, unpacked, hashes)
	}
	if len(spec.Layers) == 0 {
		size := spec.Size
		if size == 0 {
			size = model.DefaultImageSize
		}
		l, err := own("image", name, size, size)
		return []*layer{l}, err
	}
	var layers []*layer
	for i := range spec.Layers {
		s := &spec.Layers[i]
		l, err := own("layer", s.Name, s.Size, s.Unpacked)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}
