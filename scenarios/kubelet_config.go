package scenarios

import (
	"gopkg.in/yaml.v3"
	configv1beta1 "k8s.io/kubelet/config/v1beta1"

	"podsim/model"
	"podsim/model/kubeletconfig"
)

// KubeletConfig is a KubeletConfiguration that was read from a file.
type KubeletConfig struct {
	*kubeletconfig.Configuration
	// Unsimulated lists the fields that it sets and the simulation has no use for.
	Unsimulated []model.Unsimulated
}

const (
	kubeletConfigKind    = "KubeletConfiguration"
	kubeletConfigVersion = "kubelet.config.k8s.io/v1beta1"
)

// ReadKubeletConfigBytes reads a KubeletConfiguration as kubelet --config would take it, and more
// strictly: an unknown field is an error. data is YAML or JSON; name is its name in errors, which are as
// those of Read.
func ReadKubeletConfigBytes(name string, data []byte) (*KubeletConfig, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, errorAt(s.line(1), "this file has %d documents, want one %s", len(documents), kubeletConfigKind)
	}
	return readKubeletConfig(s, documents[0], "")
}

// readKubeletConfig reads the configuration whose tree is root, which stands at path.
func readKubeletConfig(s *source, root *yaml.Node, path string) (*KubeletConfig, error) {
	d := newDecoder(s)
	d.checkType(root, path, kubeletConfigVersion, kubeletConfigKind, true)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	var o configv1beta1.KubeletConfiguration
	d.decodeInto(root, &o, path)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	c, errs := kubeletconfig.New(&o)
	for _, e := range errs {
		d.errorf(find(root, e.Field), "%s: %s", joinPath(path, e.Field), e.ErrorBody())
	}
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	return &KubeletConfig{c, unsimulatedKubelet(root)}, nil
}

// kubeletFields are the fields of a KubeletConfiguration that a run honours.
const kubeletFields = `
	apiVersion kind
	cgroupsPerQOS maxPods podsPerCore
	serializeImagePulls maxParallelImagePulls registryPullQPS registryBurst
	kubeAPIQPS kubeAPIBurst nodeStatusUpdateFrequency
`

// unsimulatedKubelet lists what a configuration sets in vain.
func unsimulatedKubelet(root *yaml.Node) []model.Unsimulated {
	found := map[string]bool{}
	fieldsBelow("", kubeletFields).walk(root, "", found)
	u := unsimulated{}
	for field := range found {
		u[model.Unsimulated{Kind: kubeletConfigKind, Field: field}] = 1
	}
	return u.list()
}

// kubeletConfigs are the configurations of the pools' kubelets. Pools without one share the scenario's.
func (r *reader) kubeletConfigs(spec *specFile) []*kubeletconfig.Configuration {
	shared := kubeletconfig.Default()
	if spec.Config != nil && spec.Config.Kubelet != nil {
		shared = r.kubeletConfig(spec.Config.Kubelet, shared)
	}
	list := make([]*kubeletconfig.Configuration, len(spec.Nodes))
	for i := range list {
		list[i] = shared
		if own := spec.Nodes[i].Kubelet; own != nil {
			list[i] = r.kubeletConfig(own, shared)
		}
	}
	return list
}

// kubeletConfig reads a configuration; where it is wrong, instead stands for it.
func (r *reader) kubeletConfig(x *document, instead *kubeletconfig.Configuration) *kubeletconfig.Configuration {
	c, err := r.readKubeletDocument(x)
	if err != nil {
		r.errs = append(r.errs, err)
		return instead
	}
	for _, u := range c.Unsimulated {
		r.unsimulated[model.Unsimulated{Kind: u.Kind, Field: u.Field}]++
	}
	return c.Configuration
}

func (r *reader) readKubeletDocument(x *document) (*KubeletConfig, error) {
	if x.file == "" {
		return readKubeletConfig(x.from, x.node, x.path)
	}
	name := relative(x.from.name, x.file)
	data, err := r.files.ReadFile(name)
	if err != nil {
		return nil, errorAt(x.from.at(x.node), "%s: %s", x.path, missingFile(r.files, name, err))
	}
	return ReadKubeletConfigBytes(name, data)
}
