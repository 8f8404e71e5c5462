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
	// NoVerdicts asks all plugins about each node in each cycle: slower, for the same answers.
	NoVerdicts bool
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
	cluster framework.Cluster
	queue   queue
	// nominator has the nominated pods, budgets the PodDisruptionBudgets.
	nominator nominator
	budgets   budgets
	// globals are the rows of the table that look further than the class and one node.
	globals []*framework.Plugin

	// pods is indexed by PodID, classes by TemplateID; nil where there is none.
	pods    []podInfo
	classes []*class
	// verdicts are by nodeKey.
	verdicts map[string]*verdicts

	tree nodeTree
	// snapshot lists the nodes in the order in which they are looked at; it is made again
	// when stale.
	// positions are the places of nodes in it by NodeID, -1 for one that is not there.
	snapshot  []*framework.NodeInfo
	positions []int32
	stale     bool
	// treeGeneration counts how often the set of nodes changed.
	treeGeneration uint64
	// changes counts the changes of nodes, of the pods on them and of objects; log lists the nodes.
	changes uint64
	log     changeLog
	// nextStart is where in the snapshot the next search begins.
	nextStart int

	// assigned counts the assigned and assumed pods by priority, lowest first.
	assigned []priorityCount

	// The rest is scratch of the cycle.

	cycle   framework.Cycle
	attempt attempt
	status  framework.Status
	// preFiltered is what a PreFilter says.
	preFiltered framework.PreFilterResult
	statuses    statuses
	feasible    []*framework.NodeInfo
	// numFeasible is the number of feasible nodes that were found, known their positions, when
	// verdicts were at hand.
	numFeasible int
	known       []int32
	one         [1]int64
	scores      []int64
	raw         []int64
	totals      []int64
	diagnosis   diagnosis
	preemption  preemption
	// withNominated is a node with its nominated pods.
	withNominated framework.NodeInfo
	oldNode       framework.NodeInfo
	admission     framework.NodeInfo
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
	// filters and scores are in the order of the table; globals are those of the Globals that
	// have a PreFilter.
	filters []*framework.Plugin
	scores  []*framework.Plugin
	globals []*framework.Plugin
	// reserves are the Globals that have a Reserve.
	reserves []*framework.Global

	// keeps says that verdicts can be kept; localFilters and globalFilters, plainScores, normalized
	// and globalScores are filters and scores by what they look at.
	keeps                                 bool
	localFilters, globalFilters           []*framework.Plugin
	plainScores, normalized, globalScores []*framework.Plugin
	verdicts                              *verdicts

	// static is what PreFilter says of the class in every cycle: what the Globals say comes
	// before it as far as they stand before rejectedAt in the table, and on top of it.
	static     attempt
	rejectedAt int
	// nodes are those of static.nodeNames that exist, in the snapshot's order, as of
	// treeGeneration.
	nodes          []*framework.NodeInfo
	treeGeneration uint64

	// budgets are the indexes of the budgets that match, as of their generation.
	budgets           []int32
	budgetsGeneration uint64

	// hintEvent is the last event for which the class was asked, hinted the plugins that
	// said that it helps.
	hintEvent uint64
	hinted    framework.PluginSet
}

// attempt is what PreFilter says in a cycle (framework/types.go Diagnosis).
type attempt struct {
	// rejected: no node can take the pod. By which plugin, with which code and message.
	rejected   bool
	rejectedBy framework.PluginID
	code       framework.Code
	reason     string
	// rejectors are the plugins that are remembered as those that rejected the pod.
	rejectors framework.PluginSet
	// nodeNames are the only nodes that are left, nil for all; restricted by these plugins.
	nodeNames  []string
	restricted framework.PluginSet
	// skipped are the Globals whose Filter does not run.
	skipped framework.PluginSet
}

// New is a scheduler without nodes and pods. It reads image names and sizes from state, and
// nothing else. It panics when two rows of the table are the same plugin.
func New(state *model.State, config Config) *Scheduler {
	s := &Scheduler{config: config, state: state}
	s.cluster.Images.State = state
	s.cycle.Cluster = &s.cluster
	s.queue.s = s
	s.budgets.changed()
	var seen framework.PluginSet
	for i := range config.Plugins {
		p := &config.Plugins[i]
		if seen.Has(p.ID) {
			panic(fmt.Sprintf("scheduler: plugin %v is configured twice", p.ID))
		}
		seen |= p.ID.Set()
		if p.Global != nil {
			s.globals = append(s.globals, p)
		}
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
	c := &class{PodClass: *framework.NewPodClass(t, &s.cluster.Symbols, s.imageID), rejectedAt: len(s.config.Plugins)}
	for i := range s.config.Plugins {
		p := &s.config.Plugins[i]
		g := p.Global
		if g != nil && g.Concerns != nil && !g.Concerns(&c.PodClass) {
			continue
		}
		if g != nil && g.PreFilter != nil {
			c.globals = append(c.globals, p)
		}
		if g != nil && g.Reserve != nil {
			c.reserves = append(c.reserves, g)
		}
		if g != nil && g.Score != nil || p.Score != nil && (p.PreScore == nil || p.PreScore(&c.PodClass)) {
			c.scores = append(c.scores, p)
		}
		if g != nil && g.Filter != nil || p.Filter != nil && !s.preFilter(c, i, p) {
			c.filters = append(c.filters, p)
		}
	}
	c.split()
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
