package scheduler

import (
	"podsim/model"
	"podsim/scheduler/framework"
)

// Scheduler is a kube-scheduler: its queue and its cache. It must not be copied.
type Scheduler struct {
	config  Config
	state   *model.State
	cluster framework.Cluster
	queue   queue
	// nominator has the nominated pods, budgets the PodDisruptionBudgets.
	nominator nominator
	budgets   budgets
	// profiles are those of the config; globals are the rows of their tables that look further than
	// the class and one node.
	profiles []*profile
	globals  []*framework.Plugin
	// extenders are asked in their order; failure is the error that failed the attempt.
	extenders []framework.Extender
	failure   string
	bare      []*framework.NodeInfo

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
	// profile is that of the template's schedulerName, or the first one where that has none: such a
	// class is only compared with others.
	profile *profile
	// filters and scores are in the order of the table; globals are those of the Globals that
	// have a PreFilter.
	filters []*framework.Plugin
	scores  []*framework.Plugin
	globals []*framework.Plugin
	// extenders are those that are asked about pods of the class.
	extenders []framework.Extender
	// reserves are the Globals that have a Reserve.
	reserves []*framework.Global

	// keeps says that verdicts can be kept; localFilters and globalFilters, plainScores, normalized
	// and globalScores are filters and scores by what they look at.
	keeps                                 bool
	localFilters, globalFilters           []*framework.Plugin
	plainScores, normalized, globalScores []*framework.Plugin
	verdicts                              *verdicts

	// static is what PreFilter says of the class in every cycle: what the first rejectedAt of the
	// globals say comes before it, and what the others say on top of it.
	static     attempt
	rejectedAt int
	// nodes are those of static.nodeNames that exist, in the snapshot's order, as of
	// treeGeneration.
	nodes          []*framework.NodeInfo
	treeGeneration uint64

	// dryRuns are the kept dry runs of preemption, by NodeID.
	dryRuns []dryRun
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
	// conflict says that several plugins left no node only together: upstream names none then.
	conflict bool
	code     framework.Code
	reason   string
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
	for i := range config.Profiles {
		p := compileProfile(&s.config.Profiles[i])
		s.profiles = append(s.profiles, p)
		for j := range p.Plugins {
			row := &p.Plugins[j]
			if row.Global != nil {
				s.globals = append(s.globals, row)
			}
			s.queue.interest |= row.Events
		}
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
	c := &class{PodClass: *framework.NewPodClass(t, &s.cluster.Symbols, s.imageID), profile: s.profileOf(t.Spec.SchedulerName)}
	if c.profile == nil {
		c.profile = s.profiles[0]
	}
	for _, p := range c.profile.preFilters {
		switch g := p.Global; {
		case !p.Concerns(&c.PodClass):
		case g != nil && g.PreFilter != nil:
			c.globals = append(c.globals, p)
		case p.PreFilter != nil:
			s.preFilter(c, p)
		}
	}
	for _, p := range c.profile.filters {
		filters := p.Filter != nil && !c.static.skipped.Has(p.ID) || p.Global != nil && p.Global.Filter != nil
		if filters && p.Concerns(&c.PodClass) {
			c.filters = append(c.filters, p)
		}
	}
	for _, p := range c.profile.scores {
		skips := p.PreScore != nil && c.profile.preScores.Has(p.ID) && !p.PreScore(&c.PodClass)
		scores := p.Score != nil && !skips || p.Global != nil && p.Global.Score != nil
		if scores && p.Concerns(&c.PodClass) {
			c.scores = append(c.scores, p)
		}
	}
	for i := range c.profile.Plugins {
		if p := &c.profile.Plugins[i]; p.Global != nil && p.Global.Reserve != nil && p.Concerns(&c.PodClass) {
			c.reserves = append(c.reserves, p.Global)
		}
	}
	c.split()
	s.findExtenders(c)
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
