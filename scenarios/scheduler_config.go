package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
	"k8s.io/apimachinery/pkg/runtime"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/model"
	"podsim/model/schedulerconfig"
)

// SchedulerConfig is a KubeSchedulerConfiguration that was read from a file.
type SchedulerConfig struct {
	*schedulerconfig.Configuration
	// Client is the request limit of clientConnection, as far as it is set: a QPS of 0 is not.
	Client model.ClientLimit
	// Unsimulated lists the fields that it sets and the simulation has no use for.
	Unsimulated []model.Unsimulated
}

// ReadSchedulerConfig reads a KubeSchedulerConfiguration as kube-scheduler --config would take it, and
// more strictly: an unknown field or plugin is an error. Errors are as those of Read.
func ReadSchedulerConfig(file string) (*SchedulerConfig, error) {
	data, err := OS{}.ReadFile(file)
	if err != nil {
		return nil, fileError(file, err)
	}
	return ReadSchedulerConfigBytes(file, data)
}

// ReadSchedulerConfigBytes is ReadSchedulerConfig for the content of a file, which is YAML or JSON; name
// is its name in errors.
func ReadSchedulerConfigBytes(name string, data []byte) (*SchedulerConfig, error) {
	s := &source{name: name}
	documents, err := s.documents(data)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 {
		return nil, errorAt(s.line(1), "this file has %d documents, want one %s", len(documents), configKind)
	}
	return readSchedulerConfig(s, documents[0], "")
}

const (
	configKind    = "KubeSchedulerConfiguration"
	configVersion = "kubescheduler.config.k8s.io/v1"
)

// readSchedulerConfig reads the configuration whose tree is root, which stands at path.
func readSchedulerConfig(s *source, root *yaml.Node, path string) (*SchedulerConfig, error) {
	d := newDecoder(s)
	d.checkType(root, path, configVersion, configKind, true)
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	var o configv1.KubeSchedulerConfiguration
	d.decodeInto(root, &o, path)
	if len(d.errs) == 0 {
		d.decodeArgs(root, &o, path)
	}
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	c, errs := schedulerconfig.New(&o)
	for _, e := range errs {
		d.errorf(find(root, e.Field), "%s: %s", joinPath(path, e.Field), e.ErrorBody())
	}
	if len(d.errs) > 0 {
		return nil, joined(d.errs)
	}
	return &SchedulerConfig{
		Configuration: c,
		Client:        model.ClientLimit{QPS: float64(o.ClientConnection.QPS), Burst: o.ClientConnection.Burst},
		Unsimulated:   unsimulatedConfig(root, &o),
	}, nil
}

func joinPath(path, below string) string {
	return strings.TrimPrefix(path+"."+below, ".")
}

// checkType checks the apiVersion and kind of an object that may hold only one.
func (d *decoder) checkType(n *yaml.Node, path, version, kind string, needed bool) {
	for _, t := range []struct{ key, want string }{{"apiVersion", version}, {"kind", kind}} {
		got := text(n, t.key)
		if got != t.want && (got != "" || needed) {
			d.errorf(find(n, t.key), "%s is %s, want %s", joinPath(path, t.key), quoted(got), t.want)
		}
	}
}

// decodeArgs decodes the arguments of plugins into their own types (k8s.io/kube-scheduler/config/v1
// PluginConfig.decodeNestedObjects).
func (d *decoder) decodeArgs(root *yaml.Node, o *configv1.KubeSchedulerConfiguration, path string) {
	_, profiles := child(root, "profiles")
	for i := range o.Profiles {
		_, configs := child(profiles.Content[i], "pluginConfig")
		for j := range o.Profiles[i].PluginConfig {
			c := &o.Profiles[i].PluginConfig[j]
			args := schedulerconfig.NewArgs(c.Name)
			_, n := child(configs.Content[j], "args")
			c.Args = runtime.RawExtension{Object: args}
			if args == nil || n == nil || isNull(n) {
				continue
			}
			at := joinPath(path, fmt.Sprintf("profiles[%d].pluginConfig[%d].args", i, j))
			d.checkType(n, at, configVersion, c.Name+"Args", false)
			d.decode(n, reflect.ValueOf(args).Elem(), at)
		}
	}
}

// configFields are the fields of a KubeSchedulerConfiguration that a run honours. Of the plugins that an
// extension point after Score or before PreFilter has, none can be left out.
const configFields = `
	apiVersion kind
	clientConnection.qps clientConnection.burst
	percentageOfNodesToScore podInitialBackoffSeconds podMaxBackoffSeconds
	profiles.schedulerName profiles.percentageOfNodesToScore
	profiles.plugins.multiPoint profiles.plugins.queueSort
	profiles.plugins.preFilter profiles.plugins.filter profiles.plugins.postFilter
	profiles.plugins.preScore profiles.plugins.score
	profiles.pluginConfig
	extenders.urlPrefix extenders.filterVerb extenders.prioritizeVerb extenders.weight
	extenders.enableHTTPS extenders.tlsConfig extenders.httpTimeout extenders.nodeCacheCapable
	extenders.managedResources extenders.ignorable
`

// configuredPlugins are the plugins whose arguments a run honours.
var configuredPlugins = []string{"DefaultPreemption", "InterPodAffinity", "NodeAffinity", "NodeResourcesBalancedAllocation",
	"NodeResourcesFit", "PodTopologySpread", "VolumeBinding"}

// unsimulatedConfig lists what a configuration sets in vain.
func unsimulatedConfig(root *yaml.Node, o *configv1.KubeSchedulerConfiguration) []model.Unsimulated {
	found := map[string]bool{}
	fieldsBelow("", configFields).walk(root, "", found)
	for i := range o.Profiles {
		for _, c := range o.Profiles[i].PluginConfig {
			if !slices.Contains(configuredPlugins, c.Name) {
				found["profiles.pluginConfig "+c.Name] = true
			}
		}
	}
	u := unsimulated{}
	for field := range found {
		u[model.Unsimulated{Kind: configKind, Field: field}] = 1
	}
	return u.list()
}

// configure reads the configuration of the scheduler. What the scenario itself says of the scheduler's
// request limit counts more.
func (r *reader) configure(s *model.Scenario, spec *specFile) {
	c, err := r.readConfig(spec)
	if err != nil {
		r.errs = append(r.errs, err)
	}
	if c == nil {
		return
	}
	s.Scheduler, s.Unsimulated = c.Configuration, c.Unsimulated
	own := spec.ControlPlane != nil && spec.ControlPlane.KubeScheduler != nil
	if c.Client.QPS != 0 && !own {
		s.ControlPlane.Scheduler.QPS = c.Client.QPS
	}
	if c.Client.Burst != 0 && !own {
		s.ControlPlane.Scheduler.Burst = c.Client.Burst
	}
}

// readConfig is nil when there is none.
func (r *reader) readConfig(spec *specFile) (*SchedulerConfig, error) {
	if name := r.schedulerConfig; name != "" {
		data, err := r.files.ReadFile(name)
		if err != nil {
			return nil, fileError(name, err)
		}
		return ReadSchedulerConfigBytes(name, data)
	}
	if spec.Config == nil || spec.Config.Scheduler == nil {
		return nil, nil
	}
	x := spec.Config.Scheduler
	if x.file == "" {
		return readSchedulerConfig(x.from, x.node, x.path)
	}
	name := relative(x.from.name, x.file)
	data, err := r.files.ReadFile(name)
	if err != nil {
		return nil, errorAt(x.from.at(x.node), "%s: %s", x.path, missingFile(r.files, name, err))
	}
	return ReadSchedulerConfigBytes(name, data)
}
