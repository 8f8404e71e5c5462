package schedulerconfig

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1 "k8s.io/kube-scheduler/config/v1"
)

// Configuration is a KubeSchedulerConfiguration with its defaults, expanded.
type Configuration struct {
	// Profiles in the order of the file, at least one. Their names differ.
	Profiles []Profile
	// PercentageOfNodesToScore is how many percent of the nodes must be found feasible before the
	// search stops; 0 stands for upstream's formula.
	PercentageOfNodesToScore int32
	// PodInitialBackoffSeconds and PodMaxBackoffSeconds bound the back-off of a rejected pod.
	PodInitialBackoffSeconds, PodMaxBackoffSeconds int64
	// Extenders in the order in which they are called: those that may fail come last
	// (pkg/scheduler/scheduler.go buildExtenders).
	Extenders []configv1.Extender
}

// Profile is how the pods with one spec.schedulerName are scheduled.
type Profile struct {
	SchedulerName string
	// PercentageOfNodesToScore is nil for that of the configuration.
	PercentageOfNodesToScore *int32
	// Plugins are those that run at each extension point, in order.
	Plugins [NumPoints][]Plugin
	// Args are the arguments of the plugins.
	Args *Args
	// ScoreFailure is the error with which every scoring fails, empty when it does not.
	ScoreFailure string
}

// Plugin is a plugin at an extension point.
type Plugin struct {
	Name string
	// Weight multiplies the scores; 0 at the points that do not score.
	Weight int64
}

// Has says whether a plugin runs at an extension point.
func (p *Profile) Has(point Point, name string) bool {
	for i := range p.Plugins[point] {
		if p.Plugins[point][i].Name == name {
			return true
		}
	}
	return false
}

// Runs says whether a plugin runs at any extension point.
func (p *Profile) Runs(name string) bool {
	for point := range NumPoints {
		if p.Has(point, name) {
			return true
		}
	}
	return false
}

// Names lists the plugins of an extension point in order.
func (p *Profile) Names(point Point) []string {
	names := make([]string, len(p.Plugins[point]))
	for i := range names {
		names[i] = p.Plugins[point][i].Name
	}
	return names
}

// Default is the configuration of a kube-scheduler that was given none.
func Default() *Configuration {
	c, errs := New(&configv1.KubeSchedulerConfiguration{})
	if len(errs) > 0 {
		panic(errs.ToAggregate())
	}
	return c
}

// New is what a configuration means, or all that is wrong with it. The arguments of plugins are
// read from the Object of each PluginConfig, nil for none; o is not changed.
func New(o *configv1.KubeSchedulerConfiguration) (*Configuration, field.ErrorList) {
	o = o.DeepCopy()
	errs := checkNames(o)
	setDefaults(o)
	errs = append(errs, validate(o)...)
	c := &Configuration{
		PercentageOfNodesToScore: *o.PercentageOfNodesToScore,
		PodInitialBackoffSeconds: *o.PodInitialBackoffSeconds,
		PodMaxBackoffSeconds:     *o.PodMaxBackoffSeconds,
	}
	ignored := c.takeExtenders(o.Extenders)
	for i := range o.Profiles {
		path := field.NewPath("profiles").Index(i)
		p, wrong := expand(path, &o.Profiles[i])
		errs = append(errs, wrong...)
		if len(ignored) > 0 {
			p.Args.NodeResourcesFit.IgnoredResources = ignored
		}
		c.Profiles = append(c.Profiles, p)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return c, nil
}

// takeExtenders puts the extenders in their order and lists the resources that the scheduler is to
// ignore for their sake (scheduler.go buildExtenders).
func (c *Configuration) takeExtenders(list []configv1.Extender) (ignored []string) {
	var ignorable []configv1.Extender
	for _, e := range list {
		if e.Ignorable {
			ignorable = append(ignorable, e)
		} else {
			c.Extenders = append(c.Extenders, e)
		}
		for _, r := range e.ManagedResources {
			if r.IgnoredByScheduler {
				ignored = append(ignored, r.Name)
			}
		}
	}
	c.Extenders = append(c.Extenders, ignorable...)
	return ignored
}
