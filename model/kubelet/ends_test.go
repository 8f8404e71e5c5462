package kubelet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// TestRejected lets the kubelet refuse a pod: it has failed and never has a worker, unless it is
// deleted before the API server knows of it.
func TestRejected(t *testing.T) {
	reject := func(deleting bool) *driver {
		d := newDriver(&v1.PodSpec{InitContainers: []v1.Container{app("i")}, Containers: []v1.Container{app("c")}})
		d.log = &strings.Builder{}
		d.start()
		d.step(kubelet.Event{Kind: kubelet.Rejected, Reason: model.ReasonOutOfCPU, Text: model.ReasonOutOfCPU, Deleting: deleting})
		d.until(10 * model.Second)
		return d
	}
	assert.Equal(t, "   0.005 Failed/OutOfcpu\n", reject(false).log.String())
	d := reject(true)
	assert.Contains(t, d.log.String(), "Failed/OutOfcpu [i ContainerStatusUnknown(137)] [c PodInitializing]\n")
	assert.True(t, d.done)
}
