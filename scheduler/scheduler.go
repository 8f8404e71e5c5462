package scheduler

import (
	"fmt"

	"podsim/model"
	"podsim/scheduler/framework"
	"podsim/scheduler/plugins"
)

// Config is what a KubeSchedulerConfiguration can change.
type Config struct {
	// Plugins is the table of plugins in the order in which they run. Each is there once.
	Plugins []framework.Plugin
	// PercentageOfNodesToScore is how many percent of the nodes must be found feasible
	// before the search stops; 0 means 50 less one for each 125 nodes, at least 5.
	PercentageOfNodesToScore int
	// PodInitialBackoff and PodMaxBackoff bound how long a rejected pod waits, doubling
	// with each attempt.
	PodInitialBackoff, PodMaxBackoff model.Time
	// FirstOfTies takes the first of the best nodes in the order of evaluation, where
	// Kubernetes draws one.
	FirstOfTies bool
}

// DefaultConfig is the configuration of a kube-scheduler that was given none
// (pkg/scheduler/apis/config/v1/defaults.go).
func DefaultConfig() Config {
	return Config{
		Plugins:           plugins.Default(),
		PodInitialBackoff: 1 * model.Second,
		PodMaxBackoff:     10 * model.Second,
	}
}

// Scheduler is a kube-scheduler: its queue and its cache. It must not be copied.
type Scheduler struct {
	config  Config
	state   *model.State
	symbols framework.Symbols
	images  framework.Images
	queue   queue

	// pods is indexed by PodID, nodes by NodeID, classes by TemplateID; nil where there is
	// none.
	pods    []podInfo
	nodes   []*framework.NodeInfo
	classes []*class

	tree nodeTree
	// snapshot lists the nodes in the order in which they are looked at; it is made again
	// when stale.
	snapshot []*framework.NodeInfo
	stale    bool
	// treeGeneration counts how often the set of nodes changed.
	treeGeneration uint64
	// changes counts the changes of nodes and of the pods on them.
	changes uint64
	// nextStart is where in the snapshot the next search begins.
	nextStart int

	// assigned counts the assigned and assumed pods by priority, lowest first.
	assigned []priorityCount

	// The rest is scratch of the cycle.

	cycle     framework.Cycle
	status    framework.Status
	feasible  []*framework.NodeInfo
	scores    []int64
	raw       []int64
	totals    []int64
	diagnosis diagnosis
	dryRun    framework.NodeInfo
	oldNode   framework.NodeInfo
	admission framework.NodeInfo
	// admissionResults are those of the last AdmissionCheck.
	admissionResults []AdmissionResult
	// event is the cluster event that is being handed out, hints its number: a class is
	// asked once for each.
	event framework.ClusterEvent
	hints uint64
}

type priorityCount struct {
	priority int32
	pods     int
}

// class is a pod class with the plugins that have something to do for it.
type class struct {
	framework.PodClass
	filters []*framework.Plugin
	scores  []*framework.Plugin

	// rejected, when a PreFilter rejects the class: the plugin, the set that is remembered
	// as rejectors, and the message.
	rejected        bool
	rejectedBy      framework.PluginID
	rejectors       framework.PluginSet
	preFilterReason string
	// nodeNames are the only nodes that PreFilter leaves, nil for all; nodes are those of
	// them that exist, in the snapshot's order, as of treeGeneration.
	nodeNames      []string
	nodes          []*framework.NodeInfo
	treeGeneration uint64

	// hintEvent is the last event for which the class was asked, hinted the plugins that
	// said that it helps.
	hintEvent uint64
	hinted    framework.PluginSet
}

// New is a scheduler without nodes and pods. It reads image names and sizes from state, and
// nothing else. It panics when two rows of the table are the same plugin.
func New(state *model.State, config Config) *Scheduler {
	s := &Scheduler{config: config, state: state}
	s.images.State = state
	s.cycle.Images = &s.images
	s.queue.s = s
	var seen framework.PluginSet
	for i := range config.Plugins {
		p := &config.Plugins[i]
		if seen.Has(p.ID) {
			panic(fmt.Sprintf("scheduler: plugin %v is configured twice", p.ID))
		}
		seen |= p.ID.Set()
		s.queue.interest |= p.Events
	}
	return s
}

// class is the compiled form of a template, made the first time it is asked for. Templates
// without an id, which only Explain is given, are compiled each time.
func (s *Scheduler) class(t *model.PodTemplate) *class {
	if t.ID == 0 {
		return s.compile(t)
	}
	for len(s.classes) <= int(t.ID) {
		s.classes = append(s.classes, nil)
	}
	if s.classes[t.ID] == nil {
		s.classes[t.ID] = s.compile(t)
	}
	return s.classes[t.ID]
}

func (s *Scheduler) compile(t *model.PodTemplate) *class {
	c := &class{PodClass: *framework.NewPodClass(t, &s.symbols, s.imageID)}
	for i := range s.config.Plugins {
		p := &s.config.Plugins[i]
		if p.Score != nil && (p.PreScore == nil || p.PreScore(&c.PodClass)) {
			c.scores = append(c.scores, p)
		}
		if p.Filter != nil && !s.preFilter(c, p) {
			c.filters = append(c.filters, p)
		}
	}
	return c
}

// imageID is the id of an image that a volume names, by its name with the default tag.
func (s *Scheduler) imageID(name string) model.ImageID {
	name, err := model.WithDefaultTag(name)
	if err != nil {
		return 0
	}
	return s.state.Image(name)
}
