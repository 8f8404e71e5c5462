package sim_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"podsim/model"
	"podsim/model/kubeletconfig"
	"podsim/sim"
)

// The storm: nodes pull an image of 2 GiB from a registry of 10 Gbit/s. Half of its layers are on the
// nodes, as another image has them.
const (
	stormNodes     = 500
	stormBandwidth = int64(1_250_000_000)
	stormLayer     = int64(178_956_970)
	stormLookup    = 20 * model.Millisecond
)

// stormScenario has a pod on each node for each image, from a moment on.
func stormScenario(images []string, start func(node int) model.Time) *model.Scenario {
	sc := podsScenario(1, 1)
	sc.Nodes = nodesOf(stormNodes)
	sc.Steps, sc.Duration = nil, 30*model.Minute
	exact := model.Dist{Kind: model.DistConstant}
	sc.ControlPlane.KubeletAge, sc.ControlPlane.KubeletAdmit, sc.ControlPlane.KubeletSync = exact, exact, exact
	sc.ControlPlane.Write, sc.ControlPlane.Watch = exact, exact
	l := &sc.Latencies
	l.RunSandbox, l.MountVolumes, l.PullPerMiB = exact, exact, exact
	l.PullLookup = model.Dist{Kind: model.DistConstant, Value: float64(stormLookup)}
	sc.Registries = []model.Registry{{Host: "registry.example", Bandwidth: stormBandwidth}}
	layer := func(name string, i int, size int64) model.LayerSpec {
		return model.LayerSpec{Name: fmt.Sprintf("%s-%d", name, i), Size: size, Unpacked: size}
	}
	var base []model.LayerSpec
	for i, more := range []int64{2, 2, 1, 1, 1, 1} {
		base = append(base, layer("base", i, stormLayer+more))
	}
	sc.Images = []model.ImageSpec{{Name: "registry.example/base:1", Layers: base}}
	for _, name := range images {
		layers := slices.Clone(base)
		for i := range 6 {
			layers = append(layers, layer(name, i, stormLayer))
		}
		sc.Images = append(sc.Images, model.ImageSpec{Name: name, Layers: layers, Size: 2 << 30})
	}
	for i := range sc.Nodes {
		sc.Nodes[i].Images = []string{"registry.example/base:1"}
	}
	for n := range stormNodes {
		for k, image := range images {
			p := imagePod(fmt.Sprintf("p%d-%d", n, k), image, "")
			p.Spec.NodeName = sc.Nodes[n].Name
			sc.Steps = append(sc.Steps, applied(start(n), p))
		}
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return int(a.At - b.At) })
	return sc
}

// pulls are how long the pulls of the pods took, by name, without and with waiting.
func pulls(t *testing.T, sc *model.Scenario) (took, waited map[string]model.Time, c *sim.Cluster) {
	c = newCluster(t, sc)
	took, waited = map[string]model.Time{}, map[string]model.Time{}
	c.Observe(func(model.Transition) {}, func(e *model.Event) {
		if e.Kind == model.KindPod && e.Message.Kind == model.MessagePulled {
			name := c.State().Pods[e.ID].Name
			took[name], waited[name] = model.Time(e.Message.N), model.Time(e.M)
		}
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	return took, waited, c
}

// stormTime is how long it takes until all nodes have so many bytes each.
func stormTime(bytes int64) model.Time {
	return model.Time(float64(bytes) * stormNodes / float64(stormBandwidth) * float64(model.Second))
}

// nearTo asserts a span of time.
func nearTo(t *testing.T, want, got, delta model.Time, what string) {
	t.Helper()
	assert.InDelta(t, float64(want), float64(got), float64(delta), "%s: want %s, got %s", what, want, got)
}

// All nodes get the same share, so the transfers of all end when the registry has sent everything.
func TestPullStorm(t *testing.T) {
	sc := stormScenario([]string{"registry.example/app:1"}, func(int) model.Time { return 0 })
	took, _, c := pulls(t, sc)
	require.Len(t, took, stormNodes)
	for name, d := range took {
		nearTo(t, stormLookup+stormTime(6*stormLayer), d, model.Millisecond, fmt.Sprint(name))
	}
	// The same pods without anything to transfer: the difference is what pulls cost.
	for i := range sc.Nodes {
		sc.Nodes[i].Images = append(sc.Nodes[i].Images, "registry.example/app:1")
	}
	_, _, without := pulls(t, sc)
	transfers := int64(6 * stormNodes)
	assert.Less(t, c.Counts().Events-without.Counts().Events, 3*transfers)
}

// Half of the nodes begin a minute later. While all pull, they share; the first half ends a minute
// before the registry has sent everything, the other half then has all of it for itself.
func TestPullStormWaves(t *testing.T) {
	const later = model.Minute
	sc := stormScenario([]string{"registry.example/app:1"}, func(n int) model.Time { return later * model.Time(n%2) })
	took, _, _ := pulls(t, sc)
	require.Len(t, took, stormNodes)
	all := stormTime(6 * stormLayer)
	for n := range stormNodes {
		nearTo(t, stormLookup+all-later, took[fmt.Sprintf("p%d-0", n)], model.Millisecond, fmt.Sprint(n))
	}
}

// Nodes with a bandwidth of their own leave the rest to the others.
func TestPullStormSlowNodes(t *testing.T) {
	const slow = int64(1_000_000)
	sc := stormScenario([]string{"registry.example/app:1"}, func(int) model.Time { return 0 })
	for i := range sc.Nodes[:250] {
		sc.Nodes[i].Bandwidth = slow
	}
	took, _, _ := pulls(t, sc)
	require.Len(t, took, stormNodes)
	fast := float64(stormBandwidth-250*slow) / 250
	for n := range stormNodes {
		want := float64(6*stormLayer) / fast
		if n < 250 {
			want = float64(6*stormLayer) / float64(slow)
		}
		nearTo(t, stormLookup+model.Time(want*1e9), took[fmt.Sprintf("p%d-0", n)], model.Millisecond, fmt.Sprint(n))
	}
}

// Two images on each node. Serial pulls come one after the other; parallel ones begin together, the
// layers of the second wait for those of the first, as a node downloads three at a time. With
// registryPullQPS 1 and burst 1 the second pull fails and is tried again.
func TestPullStormKubelets(t *testing.T) {
	images := []string{"registry.example/app:1", "registry.example/side:1"}
	one := stormTime(6 * stormLayer)
	near := func(want, got model.Time, what string) {
		nearTo(t, want, got, 100*model.Millisecond, what)
	}
	run := func(change func(*kubeletconfig.Configuration)) (took, waited map[string]model.Time) {
		sc := stormScenario(images, func(int) model.Time { return 0 })
		config := kubeletconfig.Default()
		change(config)
		for i := range sc.Nodes {
			sc.Nodes[i].Kubelet = config
		}
		took, waited, _ = pulls(t, sc)
		require.Len(t, took, 2*stormNodes)
		return took, waited
	}
	took, waited := run(func(*kubeletconfig.Configuration) {})
	near(one, took["p7-0"], "serial, first")
	near(one, took["p7-1"], "serial, second")
	near(2*one, waited["p7-1"], "serial, second with waiting")

	parallel := false
	took, waited = run(func(c *kubeletconfig.Configuration) { c.SerializeImagePulls = &parallel })
	near(one, took["p7-0"], "parallel, first")
	near(2*one, took["p7-1"], "parallel, second")
	near(2*one, waited["p7-1"], "parallel, second with waiting")

	qps := int32(1)
	_, waited = run(func(c *kubeletconfig.Configuration) {
		c.SerializeImagePulls, c.RegistryPullQPS, c.RegistryBurst = &parallel, &qps, 1
	})
	nearTo(t, 2*one-15*model.Second, max(waited["p7-0"], waited["p7-1"]), 9*model.Second, "the pull that was refused began later, and ended with all others")
}

// Recorded: four images of 20,489,936 bytes from a registry that gives each connection 4 MB/s.
func TestRecordedPulls(t *testing.T) {
	const second = model.Second
	for _, c := range []struct {
		name         string
		serial       bool
		parallel     int32
		images       [4]string
		took, waited [4]float64
	}{
		{name: "serial", serial: true, images: [4]string{"a:1", "b:1", "c:1", "d:1"}, took: [4]float64{5.264, 5.372, 5.302, 5.235},
			waited: [4]float64{5.264, 10.621, 15.894, 21.092}},
		{name: "parallel", images: [4]string{"a:1", "b:1", "c:1", "d:1"}, took: [4]float64{5.29, 5.299, 5.321, 10.276}, waited: [4]float64{5.29, 5.299, 5.321, 10.276}},
		{name: "two at a time", parallel: 2, images: [4]string{"a:1", "b:1", "c:1", "d:1"}, took: [4]float64{5.2, 5.2, 5.2, 5.2}, waited: [4]float64{5.2, 5.2, 10.4, 10.4}},
		{name: "one image twice, two at a time", parallel: 2, images: [4]string{"a:1", "b:1", "a:1", "b:1"}, took: [4]float64{5.2, 5.2, 0.04, 0.04}, waited: [4]float64{5.2, 5.2, 5.3, 5.3}},
		{name: "one image twice, together", images: [4]string{"a:1", "a:1", "a:1", "b:1"}, took: [4]float64{5.2, 5.2, 5.2, 5.2}, waited: [4]float64{5.2, 5.2, 5.2, 5.2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sc := podsScenario(1, 1)
			sc.Steps, sc.Images = nil, nil
			sc.Nodes[0].Images = nil
			sc.Registries = []model.Registry{{Host: "registry.example", Connection: 4_000_000}}
			config := kubeletconfig.Default()
			config.SerializeImagePulls, config.MaxParallelImagePulls = &c.serial, &c.parallel
			sc.Nodes[0].Kubelet = config
			known := map[string]bool{}
			for i, image := range c.images {
				image = "registry.example/" + image
				sc.Steps = append(sc.Steps, applied(model.Time(i)*50*model.Millisecond, imagePod(fmt.Sprintf("p%d", i), image, v1.PullAlways)))
				if !known[image] {
					sc.Images = append(sc.Images, model.ImageSpec{Name: image, Size: 20489936})
				}
				known[image] = true
			}
			took, waited, _ := pulls(t, sc)
			var tooks, waits [4]float64
			for i := range c.images {
				name := fmt.Sprintf("p%d", i)
				tooks[i], waits[i] = float64(took[name])/float64(second), float64(waited[name])/float64(second)
			}
			slices.Sort(waits[:])
			for i := range c.images {
				assert.InDelta(t, c.waited[i], waits[i], max(0.3, c.waited[i]/20), "%v", waits)
			}
			slices.Sort(tooks[:])
			slices.Sort(c.took[:])
			for i := range c.images {
				assert.InDelta(t, c.took[i], tooks[i], 0.3, "%v", tooks)
			}
		})
	}
}

// registryStep is a step about the registry of the tests.
func registryStep(at model.Time, kind string, bandwidth int64) model.Step {
	return model.Step{At: at, Verb: model.StepRegistry, Name: "registry.example", Error: kind, Bandwidth: bandwidth}
}

// What becomes of a pull of six layers, three at a time for 5 s each, whose registry fails after 2 s.
func TestRegistrySteps(t *testing.T) {
	const blob = "https://registry.example/v2/app/blobs/sha256:"
	const copying = `failed to pull and unpack image "registry.example/app:1": failed to copy: httpReadSeeker: failed open: `
	run := func(steps ...model.Step) (events []string, took model.Time) {
		sc := podsScenario(1, 1)
		sc.Nodes[0].Images = nil
		sc.Registries = []model.Registry{{Host: "registry.example", Bandwidth: 3 << 20}}
		spec := model.ImageSpec{Name: "registry.example/app:1"}
		for i := range 6 {
			spec.Layers = append(spec.Layers, model.LayerSpec{Name: fmt.Sprint("sha256:", i), Size: 5 << 20, Unpacked: 5 << 20})
		}
		sc.Images = []model.ImageSpec{spec}
		sc.Steps = append([]model.Step{applied(0, imagePod("p", "registry.example/app:1", ""))}, steps...)
		sc.Duration = 12 * model.Minute
		c := newCluster(t, sc)
		c.Observe(func(model.Transition) {}, func(e *model.Event) {
			if e.Kind == model.KindPod && (e.Reason == model.EventFailed || e.Reason == model.EventPulled) {
				events = append(events, c.State().EventMessage(e))
				if e.Reason == model.EventPulled {
					took = c.Now()
				}
			}
		})
		c.Begin()
		for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
			c.Step()
			c.Check()
		}
		return events, took
	}
	events, took := run()
	require.Len(t, events, 1)
	nearTo(t, 10500*model.Millisecond, took, 600*model.Millisecond, "without an outage")

	events, _ = run(registryStep(2*model.Second, "refused", 0), registryStep(30*model.Second, "", 0))
	assert.Regexp(t, `^Failed to pull image "registry.example/app:1": failed to pull and unpack image "registry.example/app:1": `+
		`short read: expected 5242880 bytes but got 1[56]\d{5}: unexpected EOF$`, events[0])
	assert.Contains(t, strings.Join(events, " "), `failed to do request: Head "https://registry.example/v2/app/manifests/1": dial tcp registry.example:443: connect: connection refused`)
	assert.Contains(t, events[len(events)-1], "Successfully pulled image")

	// The three that are under way come; the next request fails.
	events, _ = run(registryStep(2*model.Second, "serverError", 0))
	assert.Equal(t, `Failed to pull image "registry.example/app:1": `+copying+"unexpected status from GET request to "+blob+"3: 500 Internal Server Error", events[0])

	// Nothing comes, for less than the runtime waits: it goes on where it was.
	events, took = run(registryStep(2*model.Second, "stalled", 0), registryStep(62*model.Second, "", 0))
	require.Len(t, events, 1)
	nearTo(t, 70500*model.Millisecond, took, 600*model.Millisecond, "stalled for a minute")

	// Nothing comes for too long. What had come is gone when the next try begins.
	events, _ = run(registryStep(2*model.Second, "timeout", 0), registryStep(5*model.Minute+25*model.Second, "", 0))
	assert.Equal(t, `Failed to pull image "registry.example/app:1": rpc error: code = Canceled desc = failed to pull and unpack image "registry.example/app:1": context canceled`, events[0])
	assert.Contains(t, events[len(events)-1], "in 10.", "as long as without an outage")

	// Nobody takes the connection until the kernel tries it for the third time, 7 s after the start of the pull.
	events, took = run(registryStep(0, "timeout", 0), registryStep(5*model.Second, "", 0))
	require.Len(t, events, 1)
	nearTo(t, 17500*model.Millisecond, took, 600*model.Millisecond, "connected at last")
	events, _ = run(registryStep(0, "timeout", 0), registryStep(5*model.Second, "refused", 0), registryStep(20*model.Second, "", 0))
	assert.Contains(t, events[0], "connection refused")

	events, took = run(registryStep(5*model.Second+500*model.Millisecond, "", 1<<20))
	require.Len(t, events, 1)
	nearTo(t, 20500*model.Millisecond, took, 600*model.Millisecond, "a third as fast for the second half")
}

// Random clusters with layers, parallel pulls, registries that fail, full disks and nodes that crash:
// Check after each event.
func TestRandomPulls(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		sc := randomPulls(r, uint64(seed))
		c := newCluster(t, sc)
		c.Begin()
		for at, ok := c.Next(); ok && at <= sc.Duration; at, ok = c.Next() {
			told := ""
			func() {
				defer func() {
					if wrong := recover(); wrong != nil {
						t.Fatalf("seed %d at %s after %s: %v", seed, c.Now(), told, wrong)
					}
				}()
				c.StepTold(&told)
				c.Check()
			}()
		}
	}
}

func randomPulls(r *rand.Rand, seed uint64) *model.Scenario {
	sc := podsScenario(seed, 1+r.Intn(4))
	sc.Steps, sc.Images = nil, nil
	sc.Registries = []model.Registry{{Host: "registry.example", Bandwidth: 1 << (20 + r.Intn(6)), Connection: int64(r.Intn(2)) << 22}, {Host: "other.example", Connection: 1 << 23}}
	for i := range 6 {
		host := []string{"registry.example", "other.example"}[r.Intn(2)]
		spec := model.ImageSpec{Name: fmt.Sprintf("%s/i%d:1", host, i), Pinned: r.Intn(6) == 0}
		for l := range 1 + r.Intn(6) {
			spec.Layers = append(spec.Layers, model.LayerSpec{Name: fmt.Sprint("l", (l+i%2)%8), Size: int64(1+l) << 21, Unpacked: int64(1+l) << 21})
			spec.Size += int64(1+l) << 21
		}
		sc.Images = append(sc.Images, spec)
	}
	// A layer has one size.
	sizes := map[string]int64{}
	for i := range sc.Images {
		for j := range sc.Images[i].Layers {
			l := &sc.Images[i].Layers[j]
			if sizes[l.Name] == 0 {
				sizes[l.Name] = l.Size
			}
			l.Size, l.Unpacked = sizes[l.Name], sizes[l.Name]
		}
	}
	for i := range sc.Nodes {
		n := &sc.Nodes[i]
		n.Images, n.Object, n.Bandwidth = nil, n.Object.DeepCopy(), int64(r.Intn(2))<<22
		n.Object.Status.Capacity[v1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(40+r.Intn(200))<<20, resource.BinarySI)
		config := kubeletconfig.Default()
		serial := r.Intn(2) == 0
		config.SerializeImagePulls = &serial
		n.Kubelet = config
	}
	at := model.Time(0)
	for i := range 25 {
		at += model.Time(r.Int63n(int64(40 * model.Second)))
		node := sc.Nodes[r.Intn(len(sc.Nodes))].Name
		switch k := r.Intn(10); {
		case k < 6:
			p := imagePod(fmt.Sprintf("p%d", i), sc.Images[r.Intn(len(sc.Images))].Name, []v1.PullPolicy{v1.PullAlways, v1.PullIfNotPresent}[r.Intn(2)])
			p.Spec.NodeName = node
			sc.Steps = append(sc.Steps, applied(at, p))
		case k < 7:
			sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepDelete, Kind: model.KindPod, Namespace: "default", Name: fmt.Sprintf("p%d", r.Intn(i+1)), GraceSeconds: -1})
		case k < 9:
			kind := []string{"", "", "refused", "timeout", "stalled", "serverError", "rateLimited"}[r.Intn(7)]
			sc.Steps = append(sc.Steps, registryStep(at, kind, int64(r.Intn(2))<<21))
		default:
			sc.Steps = append(sc.Steps, model.Step{At: at, Verb: model.StepFail, Kind: model.KindNode, Name: node, Failure: model.Failure(r.Intn(3))},
				model.Step{At: at + 30*model.Second, Verb: model.StepRecover, Kind: model.KindNode, Name: node})
		}
	}
	slices.SortStableFunc(sc.Steps, func(a, b model.Step) int { return int(a.At - b.At) })
	sc.Duration = at + 10*model.Minute
	return sc
}

// The scheduler knows of an image what the node has reported, with the kubelet's next look at its images
// and the node status update after that; then pods go where the image is.
func TestImageLocalityFollowsReports(t *testing.T) {
	const image = "registry.example/big:1"
	first := imagePod("first", image, "")
	sc := podsScenario(1, 2, first)
	sc.Images = []model.ImageSpec{{Name: image, Size: 1000 << 20}}
	sc.Registries = []model.Registry{{Host: "*", Bandwidth: 1 << 30}}
	for i := range sc.Nodes {
		sc.Nodes[i].Images = nil
	}
	for i := range 8 {
		p := imagePod(fmt.Sprintf("later%d", i), image, "")
		p.Spec.NodeName = ""
		sc.Steps = append(sc.Steps, applied(60*model.Second, p))
	}
	c := newCluster(t, sc)
	reported := model.Never
	c.Observe(func(tr model.Transition) {
		if tr.Kind == model.KindNode && len(c.State().Nodes[1].Images) > 0 {
			reported = min(reported, tr.At)
		}
	}, nil)
	c.Begin()
	c.Run(sc.Duration, nil)
	started := podNamed(c, "first").Status.Containers[0].State.StartedAt
	assert.Greater(t, reported, started)
	assert.Less(t, reported, started+42*model.Second)
	for i := range 8 {
		assert.Equal(t, model.NodeID(1), podNamed(c, fmt.Sprintf("later%d", i)).Node)
	}
}

// What unpacking takes may be drawn.
func TestUnpackingIsDrawn(t *testing.T) {
	pulled := func(perMiB model.Dist) model.Time {
		sc := podsScenario(1, 1)
		sc.Nodes[0].Images = nil
		sc.Latencies.PullPerMiB = perMiB
		sc.Images = []model.ImageSpec{{Name: "app:1", Size: 50 << 20}}
		sc.Steps = []model.Step{applied(0, imagePod("p", "app:1", ""))}
		took, _, _ := pulls(t, sc)
		return took["p"]
	}
	drawn := pulled(model.Dist{Kind: model.DistUniform, Min: 100e6, Max: 110e6}) - pulled(model.Dist{})
	nearTo(t, 5250*model.Millisecond, drawn, 250*model.Millisecond, "50 MiB")
}
