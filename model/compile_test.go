package model

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resources makes a resource list of pairs of name and amount.
func resources(pairs ...string) v1.ResourceList {
	list := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func TestPodQOS(t *testing.T) {
	both := resources("cpu", "1", "memory", "1Gi")
	type needs = v1.ResourceRequirements
	equal, none := needs{Requests: both, Limits: both}, needs{}
	burst := needs{Requests: resources("cpu", "500m"), Limits: both}
	for _, c := range []struct {
		name             string
		pod              *needs
		init, containers []needs
		want             v1.PodQOSClass
	}{
		{"nothing asked for", nil, nil, []needs{none}, v1.PodQOSBestEffort},
		{"two of nothing", nil, nil, []needs{none, none}, v1.PodQOSBestEffort},
		{"requests are limits", nil, nil, []needs{equal}, v1.PodQOSGuaranteed},
		{"written in two ways", nil, nil, []needs{{Requests: resources("cpu", "1000m", "memory", "1Gi"), Limits: both}}, v1.PodQOSGuaranteed},
		{"requests below limits", nil, nil, []needs{burst}, v1.PodQOSBurstable},
		{"requests only", nil, nil, []needs{{Requests: both}}, v1.PodQOSBurstable},
		{"limits only", nil, nil, []needs{{Limits: both}}, v1.PodQOSBurstable},
		{"CPU only, equal", nil, nil, []needs{{Requests: resources("cpu", "1"), Limits: resources("cpu", "1")}}, v1.PodQOSBurstable},
		{"amounts of zero", nil, nil, []needs{{Requests: resources("cpu", "0", "memory", "0")}}, v1.PodQOSBestEffort},
		{"other resources do not count", nil, nil, []needs{{Requests: resources("ephemeral-storage", "1Gi")}}, v1.PodQOSBestEffort},
		{"other resources beside equal ones", nil, nil, []needs{{Requests: resources("cpu", "1", "memory", "1Gi", "nvidia.com/gpu", "1"), Limits: both}}, v1.PodQOSGuaranteed},
		{"one equal, one nothing", nil, nil, []needs{equal, none}, v1.PodQOSBurstable},
		{"one burstable first", nil, nil, []needs{burst, equal}, v1.PodQOSBurstable},
		{"init containers count", nil, []needs{none}, []needs{equal}, v1.PodQOSBurstable},
		{"all equal", nil, []needs{equal}, []needs{equal, equal}, v1.PodQOSGuaranteed},
		{"the pod's own go first", &equal, nil, []needs{none}, v1.PodQOSGuaranteed},
		{"the pod's own, burstable", &burst, nil, []needs{equal}, v1.PodQOSBurstable},
		{"the pod's own, empty", &none, nil, []needs{equal}, v1.PodQOSGuaranteed},
	} {
		sp := &v1.PodSpec{Resources: c.pod}
		for _, r := range c.init {
			sp.InitContainers = append(sp.InitContainers, v1.Container{Resources: r})
		}
		for _, r := range c.containers {
			sp.Containers = append(sp.Containers, v1.Container{Resources: r})
		}
		assert.Equal(t, c.want, PodQOS(sp), c.name)
	}
}

func TestPodQOSTwin(t *testing.T) {
	r := luck(t)
	for range 5_000 {
		sp := &v1.PodSpec{}
		for range r.IntN(2) {
			sp.InitContainers = append(sp.InitContainers, v1.Container{Resources: randomNeeds(r)})
		}
		for range 1 + r.IntN(2) {
			sp.Containers = append(sp.Containers, v1.Container{Resources: randomNeeds(r)})
		}
		require.Equal(t, twinQOS(sp), PodQOS(sp), "%+v", sp)
	}
}

func randomNeeds(r *rand.Rand) v1.ResourceRequirements {
	var n v1.ResourceRequirements
	amounts := func() v1.ResourceList {
		list := v1.ResourceList{}
		for _, name := range []v1.ResourceName{"cpu", "memory", "ephemeral-storage"} {
			if chance(r, 60) {
				list[name] = resource.MustParse(pick(r, "0", "1", "1", "1000m", "2"))
			}
		}
		return list
	}
	n.Requests, n.Limits = amounts(), amounts()
	if chance(r, 40) {
		n.Limits = n.Requests
	}
	return n
}

// twinQOS is the documentation's definition: BestEffort when no container asks for CPU or
// memory, Guaranteed when every one does for both with requests equal to limits.
func twinQOS(sp *v1.PodSpec) v1.PodQOSClass {
	all := append(append([]v1.Container{}, sp.InitContainers...), sp.Containers...)
	nothing, guaranteed := true, true
	for _, c := range all {
		for _, name := range []v1.ResourceName{"cpu", "memory"} {
			request, limit := c.Resources.Requests[name], c.Resources.Limits[name]
			nothing = nothing && request.IsZero() && limit.IsZero()
			guaranteed = guaranteed && !limit.IsZero() && request.Cmp(limit) == 0
		}
	}
	switch {
	case nothing:
		return v1.PodQOSBestEffort
	case guaranteed:
		return v1.PodQOSGuaranteed
	}
	return v1.PodQOSBurstable
}

func TestCompile(t *testing.T) {
	sp := spec([]string{"setup", "proxy+"}, "app")
	sp.InitContainers[0].Resources.Requests = resources("cpu", "2")
	sp.InitContainers[1].Resources.Requests = resources("cpu", "100m", "memory", "64Mi")
	sp.Containers[0].Resources.Requests = resources("cpu", "500m", "nvidia.com/gpu", "1")
	sp.Containers[0].ImagePullPolicy = v1.PullNever
	sp.Containers[0].ReadinessProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{TCPSocket: &v1.TCPSocketAction{}},
		InitialDelaySeconds: 3, PeriodSeconds: 10, TimeoutSeconds: 1, SuccessThreshold: 1, FailureThreshold: 3}
	sp.Containers[0].Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 5}}}
	s := &State{}
	a := s.Compile("shop", map[string]string{"app": "web"}, nil, sp)
	b := s.Compile("shop", nil, nil, spec(nil, "app"))

	assert.Equal(t, TemplateID(1), a.ID)
	assert.Equal(t, TemplateID(2), b.ID)
	assert.Same(t, b, s.Templates[b.ID])
	var kinds []string
	for i := range a.Containers {
		kinds = append(kinds, fmt.Sprintf("%s:%d", a.Containers[i].Name, a.Containers[i].Kind))
	}
	assert.Equal(t, []string{"setup:1", "proxy:2", "app:0"}, kinds)
	assert.Equal(t, 2, a.NumInit)
	assert.True(t, a.HasSidecars)
	assert.Equal(t, int64(30), a.GraceSeconds)
	assert.Equal(t, int64(-1), a.ActiveDeadlineSeconds)
	assert.Equal(t, v1.PodQOSBurstable, a.QOS)
	app := a.AppContainers()[0]
	assert.Equal(t, PullNever, app.PullPolicy)
	assert.Equal(t, &Probe{Handler: HandlerTCP, InitialDelay: 3 * Second, Period: 10 * Second, Timeout: Second, Success: 1, Failure: 3, GraceSeconds: -1}, app.Probes[Readiness])
	assert.Equal(t, &Hook{Handler: HandlerSleep, Sleep: 5 * Second}, app.PreStop)
	assert.Nil(t, app.PostStart)
	// The init container's two cores are more than sidecar and container together.
	assert.Equal(t, Resources{MilliCPU: 2000, Memory: 64 << 20, Pods: 1, Extended: []ExtendedResource{{"nvidia.com/gpu", 1}}}, a.Requests)
	assert.Equal(t, int64(2000), a.NonZeroMilliCPU)
	assert.Equal(t, int64(264<<20), a.NonZeroMemory, "the sidecar's 64 MiB and 200 MiB for a container that asks for none")
	assert.Equal(t, app.ImageID, b.Containers[0].ImageID, "the same image has one id")
}

// The requests of the pod as a whole count where it is, and not where it may go.
func TestPodLevelRequestsForScoring(t *testing.T) {
	var s State
	list := func(cpu string) v1.ResourceList { return v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu)} }
	spec := &v1.PodSpec{Containers: []v1.Container{{Name: "a", Image: "img"}, {Name: "b", Image: "img"}}}
	spec.Containers[0].Resources.Requests = list("300m")
	spec.Resources = &v1.ResourceRequirements{Requests: list("700m")}
	p := s.Compile("default", nil, nil, spec)
	assert.Equal(t, int64(700), p.Requests.MilliCPU)
	assert.Equal(t, []int64{400, 400 << 20}, []int64{p.NonZeroMilliCPU, p.NonZeroMemory})
	assert.Equal(t, []int64{700, 400 << 20}, []int64{p.PlacedMilliCPU, p.PlacedMemory})
	spec.Resources.Requests[v1.ResourceMemory] = resource.MustParse("0")
	p = s.Compile("default", nil, nil, spec)
	assert.Equal(t, []int64{700, 0}, []int64{p.PlacedMilliCPU, p.PlacedMemory})
}

func TestImages(t *testing.T) {
	for _, c := range []struct {
		image, want, registry string
		ok                    bool
	}{
		{"nginx", "nginx:latest", "docker.io", true},
		{"nginx:1.23", "nginx:1.23", "docker.io", true},
		{"registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10", "registry.k8s.io", true},
		{"localhost:5000/app", "localhost:5000/app:latest", "localhost:5000", true},
		{"app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "docker.io", true},
		{"Nginx:1", "", "", false},
		{"nginx::1", "", "", false},
		{"", "", "", false},
	} {
		got, err := WithDefaultTag(c.image)
		assert.Equal(t, c.ok, err == nil, c.image)
		assert.Equal(t, c.want, got, c.image)
		assert.Equal(t, c.registry, (&Image{Name: got}).Registry(), c.image)
	}
	s := &State{}
	sp := spec(nil, "app")
	sp.Containers[0].Image = "Nginx"
	bad := s.Compile("default", nil, nil, sp).Containers[0]
	assert.NotEmpty(t, bad.InvalidImage)
	assert.Zero(t, bad.ImageID)
	first, second := s.Image("a:1"), s.Image("b:1")
	assert.NotEqual(t, first, second)
	assert.Equal(t, first, s.Image("a:1"))
	assert.True(t, s.Images[first].Assumed)
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "anything", true},
		{"web", "web", true},
		{"web", "web-0", false},
		{"web-*", "web-0", true},
		{"web-*", "web", false},
		{"*", "", true},
		{"*-0", "web-0", true},
		{"*-0", "web-01", false},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "a-c-b", false},
	} {
		assert.Equal(t, c.want, Matches(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
}
