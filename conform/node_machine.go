package conform

import (
	"regexp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// What the recordings' machine takes of the two file systems beside images and pods, in bytes: what the
// kubelet's summary API shows where there are no images but those of the tester and of the sandboxes.
const (
	nodefsUsed  = 323 << 20
	imagefsUsed = 330 << 20
)

// addMachine says what the node's machine is like.
func (p *replay) addMachine() {
	node := &p.base.Nodes[0]
	node.Object = recordedNode(node.Kubelet)
	node.SystemMemory = p.systemMemory()
	node.NodeFilesystem = &model.Filesystem{Capacity: nodeFilesystem, Used: nodefsUsed}
	node.ImageFilesystem = &model.Filesystem{Capacity: nodeFilesystem, Used: imagefsUsed}
}

// systemMemory is what everything but the pods uses of the machine's memory, in bytes. It is an input:
// each sample of the kubelet says what was available, and the tester's arguments what the pods used.
// Other cases ran on the machine at the same time, so the middle one is taken.
func (p *replay) systemMemory() int64 {
	var samples []int64
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.MemoryAvailableMi == 0 {
			continue
		}
		// The moment is in whole seconds of the wall clock.
		if used, steady := p.podMemory(l.MemoryTime.Ms, l.MemoryTime.Ms+1000); steady {
			samples = append(samples, nodeMemory-l.MemoryAvailableMi<<20-used)
		}
	}
	if len(samples) == 0 {
		return model.DefaultSystemMemory
	}
	slices.Sort(samples)
	return samples[len(samples)/2]
}

// podMemory is what the pods' containers used of the memory at the moment from; steady says that it was
// the same until to.
func (p *replay) podMemory(from, to int64) (used int64, steady bool) {
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Event != "Started" || l.Ms > to {
			continue
		}
		c := p.container(l)
		if c == nil {
			continue
		}
		points := p.settings.behavior(c, nil).Memory
		if len(points) == 0 || p.ended(l) <= from {
			continue
		}
		line, until := model.MemoryAt(points, model.Time(from-l.Ms)*model.Millisecond)
		if l.Ms > from || p.ended(l) <= to || line.Rate != 0 || until <= model.Time(to-l.Ms)*model.Millisecond {
			return 0, false
		}
		used += line.Bytes
	}
	return used, true
}

// fieldContainer is the container that an Event is about.
var fieldContainer = regexp.MustCompile(`^spec\.\w+\{(.*)\}$`)

// container is the one that an Event is about, of the pods that were created.
func (p *replay) container(l *NodeLine) *v1.Container {
	match := fieldContainer.FindStringSubmatch(l.Field)
	for i := range p.pods {
		if match == nil || l.Object != "Pod/"+p.alias(p.pods[i].Name) {
			continue
		}
		for _, c := range containersOf(p.pods[i]) {
			if c.Name == match[1] {
				return c
			}
		}
	}
	return nil
}

// ended is when the container that an Event began was seen to have ended, ForGood when it was not.
func (p *replay) ended(began *NodeLine) int64 {
	for i := range p.Lines {
		l := &p.Lines[i]
		if l.Ms < began.Ms || !strings.HasSuffix(began.Object, "/"+l.Name) || l.Kind != "Pod" {
			continue
		}
		for k := range l.Containers {
			if c := &l.Containers[k]; c.State == "terminated" && strings.Contains(began.Field, "{"+c.Name+"}") {
				return l.Ms
			}
		}
	}
	return ForGood
}
