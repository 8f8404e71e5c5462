package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// gcScenario is a node with the images of a recorded one: twelve of 20,489,936 bytes and a small one that
// nobody uses, five of 129 MiB and more, and others that take the rest of the disk.
func gcScenario(high, low int32) *model.Scenario {
	sc := podsScenario(1, 1)
	sc.Steps, sc.Images = nil, nil
	sc.ControlPlane.KubeletAge = model.Dist{Kind: model.DistConstant}
	config := kubeletconfig.Default()
	config.ImageGCHighThresholdPercent, config.ImageGCLowThresholdPercent = &high, &low
	node := &sc.Nodes[0]
	node.Kubelet = config
	node.Images, node.Object = nil, node.Object.DeepCopy()
	node.Object.Status.Capacity[v1.ResourceEphemeralStorage] = resource.MustParse("5959Mi")
	add := func(name string, size int64) {
		sc.Images = append(sc.Images, model.ImageSpec{Name: name, Size: size, Pinned: name == "pause:1"})
		node.Images = append(node.Images, name)
	}
	for i := range 5 {
		add(fmt.Sprintf("gc%d:1", i+1), 132687563+int64(i)*1048576)
	}
	add("pause:1", 168<<20)
	for i := range 12 {
		add(fmt.Sprintf("slow%d:1", i), 20489936)
	}
	add("tester:1", 3<<20)
	return sc
}

// nodeEvents runs a scenario. It gives the Events of its node that are about images, with their times.
func nodeEvents(t *testing.T, sc *model.Scenario) (c *sim.Cluster, events []string) {
	c = newCluster(t, sc)
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		if e.Kind == model.KindNode && (e.Reason == model.EventFreeDiskSpaceFailed || e.Reason == model.EventImageGCFailed) {
			events = append(events, fmt.Sprintf("%s x%d %s %s", e.At, e.Count, e.Reason, c.State().EventMessage(e)))
		}
	})
	c.Begin()
	for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
		c.Step()
		c.Check()
	}
	return c, events
}

func imageNames(c *sim.Cluster) (names []string) {
	for _, i := range c.State().Nodes[1].Images {
		names = append(names, c.State().Images[i.Image].Name)
	}
	return names
}

// The disk is over the threshold. At the kubelet's start no image is old enough; 5 min later those go that
// nobody used, and then the first of those that the kubelet saw in use. What runs and what the runtime
// needs stays. The node's status follows with the kubelet's next look at its images.
func TestImageGC(t *testing.T) {
	sc := gcScenario(28, 26)
	never := v1.PullIfNotPresent
	users := applied(0, imagePod("p1", "gc1:1", never), imagePod("p2", "gc2:1", never), imagePod("p3", "gc3:1", never),
		imagePod("p4", "gc4:1", never), imagePod("p5", "gc5:1", never))
	sc.Steps = append(sc.Steps, users)
	remove := model.Step{At: 350 * model.Second, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p2", Force: true}
	sc.Steps = append(sc.Steps, remove)
	sc.Duration = 650 * model.Second
	c, events := nodeEvents(t, sc)
	failed := func(percent, freed int) string {
		return fmt.Sprintf("Insufficient free disk space on the node's image filesystem (%d%% of 5.8 GiB used). Failed to free sufficient space by "+
			"deleting unused images (freed %d bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data.", percent, freed)
	}
	assert.Equal(t, []string{"0.075s x1 FreeDiskSpaceFailed " + failed(36, 0), "300.075s x1 FreeDiskSpaceFailed " + failed(36, 249024960),
		"300.075s x1 ImageGCFailed " + failed(36, 249024960)}, events)
	assert.Equal(t, []string{"pause:1", "gc5:1", "gc4:1", "gc3:1", "gc1:1"}, imageNames(c), "at 300 s what nobody uses, at 600 s what was in use then")
}

// A collection that cannot free enough says so each time, and from the second time on once more.
func TestImageGCFails(t *testing.T) {
	sc := gcScenario(27, 10)
	sc.Steps = append(sc.Steps, applied(0, imagePod("p1", "gc1:1", ""), imagePod("p2", "gc2:1", ""), imagePod("p3", "gc3:1", ""),
		imagePod("p4", "gc4:1", ""), imagePod("p5", "gc5:1", "")))
	sc.Duration = 700 * model.Second
	_, events := nodeEvents(t, sc)
	if assert.Len(t, events, 5) {
		assert.Contains(t, events[1], "300.075s x1 FreeDiskSpaceFailed")
		assert.Contains(t, events[1], "(freed 249024960 bytes)")
		assert.Contains(t, events[2], "300.075s x1 ImageGCFailed")
	}
	sc = gcScenario(100, 99)
	_, events = nodeEvents(t, sc)
	assert.Empty(t, events, "100 and no age turn it off")
}

// An image that nobody has used for longer than the maximum age goes, whatever the disk.
func TestImageGCAge(t *testing.T) {
	sc := gcScenario(90, 80)
	sc.Nodes[0].Kubelet.ImageMaximumGCAge = metav1.Duration{Duration: 7 * time.Minute}
	sc.Steps = append(sc.Steps, applied(0, imagePod("p1", "gc1:1", ""), imagePod("p2", "gc2:1", "")),
		model.Step{At: 5*model.Minute + 30*model.Second, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: "p1", Force: true})
	sc.Duration = 11 * model.Minute
	c, _ := nodeEvents(t, sc)
	assert.Equal(t, []string{"pause:1", "gc2:1", "gc1:1"}, imageNames(c), "at 10 min what was never used")
	sc.Duration = 16 * model.Minute
	c, _ = nodeEvents(t, sc)
	assert.Equal(t, []string{"pause:1", "gc2:1"}, imageNames(c), "at 15 min what was last seen in use at 5 min")
	before := c.Counts().Events
	c.Run(24*model.Hour, nil)
	assert.Less(t, c.Counts().Events-before, int64(40), "no round where nothing can happen")
}

// A node reports its largest images.
func TestNodeStatusMaxImages(t *testing.T) {
	sc := gcScenario(90, 80)
	two := int32(2)
	sc.Nodes[0].Kubelet.NodeStatusMaxImages = &two
	sc.Duration = model.Second
	c, _ := nodeEvents(t, sc)
	assert.Equal(t, []string{"pause:1", "gc5:1"}, imageNames(c))
}
