package scheduler

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	"podsim/model"
	"podsim/model/schedulerconfig"
	"podsim/scheduler/framework"
	"podsim/scheduler/plugins"
)

// Config is what a KubeSchedulerConfiguration can change. Its plugins hold scratch, so it is for one
// Scheduler.
type Config struct {
	// Profiles are chosen by the spec.schedulerName of pods. There is at least one.
	Profiles []Profile
	// PercentageOfNodesToScore is how many percent of the nodes must be found feasible
	// before the search stops; 0 means 50 less one for each 125 nodes, at least 5.
	PercentageOfNodesToScore int
	// PodInitialBackoff and PodMaxBackoff bound how long a rejected pod waits, doubling
	// with each attempt.
	PodInitialBackoff, PodMaxBackoff model.Time
	// NoVerdicts asks all plugins about each node in each cycle: slower, for the same answers.
	NoVerdicts bool
	// FirstOfTies takes the first of the best nodes in the order of evaluation, where
	// Kubernetes draws one.
	FirstOfTies bool
}

// Profile is how the pods of one scheduler name are scheduled.
type Profile struct {
	SchedulerName string
	// PercentageOfNodesToScore takes the place of the Config's when it is not nil.
	PercentageOfNodesToScore *int
	// Plugins is the table of plugins in the order in which they run. Each is there once.
	Plugins []framework.Plugin
	// Points has the plugins of each extension point in their order, where they are not all of the
	// table in its order; nil when they are.
	Points *Points
	// ScoreFailure is the error with which every scoring fails, empty when it does not.
	ScoreFailure string
	// Preemption are the arguments of DefaultPreemption, nil for the default ones.
	Preemption *configv1.DefaultPreemptionArgs
}

// Points are the plugins that run at the extension points.
type Points struct {
	PreFilter, Filter, PostFilter, PreScore, Score []framework.PluginID
}

// DefaultConfig is the configuration of a kube-scheduler that was given none
// (pkg/scheduler/apis/config/v1/defaults.go).
func DefaultConfig() Config {
	return Config{
		Profiles:          []Profile{{SchedulerName: v1.DefaultSchedulerName, Plugins: plugins.Default()}},
		PodInitialBackoff: 1 * model.Second,
		PodMaxBackoff:     10 * model.Second,
	}
}

// NewConfig is what a KubeSchedulerConfiguration says.
func NewConfig(c *schedulerconfig.Configuration) Config {
	config := Config{
		PercentageOfNodesToScore: int(c.PercentageOfNodesToScore),
		PodInitialBackoff:        model.Time(c.PodInitialBackoffSeconds) * model.Second,
		PodMaxBackoff:            model.Time(c.PodMaxBackoffSeconds) * model.Second,
	}
	for i := range c.Profiles {
		config.Profiles = append(config.Profiles, newProfile(&c.Profiles[i]))
	}
	return config
}

func newProfile(c *schedulerconfig.Profile) Profile {
	p := Profile{SchedulerName: c.SchedulerName, ScoreFailure: c.ScoreFailure, Preemption: &c.Args.DefaultPreemption, Points: &Points{
		PreFilter:  pluginIDs(c.Names(schedulerconfig.PreFilter)),
		Filter:     pluginIDs(c.Names(schedulerconfig.Filter)),
		PostFilter: pluginIDs(c.Names(schedulerconfig.PostFilter)),
		PreScore:   pluginIDs(c.Names(schedulerconfig.PreScore)),
		Score:      pluginIDs(c.Names(schedulerconfig.Score)),
	}}
	if c.PercentageOfNodesToScore != nil {
		percentage := int(*c.PercentageOfNodesToScore)
		p.PercentageOfNodesToScore = &percentage
	}
	for _, plugin := range plugins.Table(c.Args) {
		if c.Runs(plugin.ID.String()) {
			p.Plugins = append(p.Plugins, plugin)
		}
	}
	for _, score := range c.Plugins[schedulerconfig.Score] {
		for i := range p.Plugins {
			if p.Plugins[i].ID.String() == score.Name {
				p.Plugins[i].Weight = score.Weight
			}
		}
	}
	return p
}

func pluginIDs(names []string) []framework.PluginID {
	ids := make([]framework.PluginID, len(names))
	for i, name := range names {
		id, ok := framework.PluginNamed(name)
		if !ok {
			panic(fmt.Sprintf("scheduler: no plugin is named %q", name))
		}
		ids[i] = id
	}
	return ids
}

// profile is a Profile with its plugins by extension point.
type profile struct {
	*Profile
	// preFilters, filters and scores are in their order; preScores are the plugins that are asked
	// whether they score.
	preFilters, filters, scores []*framework.Plugin
	preScores                   framework.PluginSet
	// preempts says that DefaultPreemption is among the PostFilter plugins.
	preempts bool
}

// compileProfile panics when two rows of the table are the same plugin.
func compileProfile(p *Profile) *profile {
	t := &profile{Profile: p, preempts: true}
	var all []*framework.Plugin
	var seen framework.PluginSet
	for i := range p.Plugins {
		row := &p.Plugins[i]
		if seen.Has(row.ID) {
			panic(fmt.Sprintf("scheduler: plugin %v is configured twice", row.ID))
		}
		seen |= row.ID.Set()
		all = append(all, row)
	}
	if p.Points == nil {
		t.preFilters, t.filters, t.scores, t.preScores = all, all, all, seen
		return t
	}
	rows := func(ids []framework.PluginID) (list []*framework.Plugin) {
		for _, id := range ids {
			if i := slices.IndexFunc(all, func(row *framework.Plugin) bool { return row.ID == id }); i >= 0 {
				list = append(list, all[i])
			}
		}
		return list
	}
	t.preFilters, t.filters, t.scores = rows(p.Points.PreFilter), rows(p.Points.Filter), rows(p.Points.Score)
	for _, row := range t.filters {
		// Where upstream's Filter does what PreFilter would have done, ours has it done.
		if row.Global != nil && !slices.Contains(t.preFilters, row) {
			t.preFilters = append(t.preFilters, row)
		}
	}
	for _, id := range p.Points.PreScore {
		t.preScores |= id.Set()
	}
	t.preempts = slices.Contains(p.Points.PostFilter, framework.DefaultPreemption)
	return t
}

// minCandidateNodes bound the search for nodes where preemption helps: percent of the nodes, and at least
// so many (pkg/scheduler/apis/config/v1/defaults.go SetDefaults_DefaultPreemptionArgs).
func (p *profile) minCandidateNodes() (percentage, absolute int) {
	if p.Preemption == nil {
		return 10, 100
	}
	return int(*p.Preemption.MinCandidateNodesPercentage), int(*p.Preemption.MinCandidateNodesAbsolute)
}

// profileOf is the profile for a scheduler name, nil when there is none. No name is the default
// scheduler's.
func (s *Scheduler) profileOf(name string) *profile {
	if name == "" {
		name = v1.DefaultSchedulerName
	}
	for _, p := range s.profiles {
		if p.SchedulerName == name {
			return p
		}
	}
	return nil
}

// Names are the scheduler names of the profiles.
func (s *Scheduler) Names() []string {
	names := make([]string, len(s.profiles))
	for i, p := range s.profiles {
		names[i] = p.SchedulerName
	}
	return names
}

// Handles says whether a profile has the scheduler name (profile/profile.go HandlesSchedulerName).
func (s *Scheduler) Handles(schedulerName string) bool { return s.profileOf(schedulerName) != nil }
