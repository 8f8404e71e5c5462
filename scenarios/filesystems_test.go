package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
)

const diskScenario = `apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  duration: 1m
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "4", memory: 16Gi, ephemeral-storage: 100Gi}}}
    FIELDS
  behaviors:
  - match: {}
    BEHAVIOR
`

func readDisks(fields, behavior string) (*model.Scenario, error) {
	data := strings.NewReplacer("FIELDS", fields, "BEHAVIOR", behavior).Replace(diskScenario)
	return ReadBytes("s.yaml", []byte(data), nil)
}

func TestFilesystems(t *testing.T) {
	s, err := readDisks("imageFilesystem: {capacity: 20Gi, used: 1Gi}\n    nodeFilesystem: {used: 5Gi, inodes: 1M, inodesUsed: 1k}\n    processes: {max: 32768, used: 200}",
		"disk: [{at: 1s, use: 1Mi, inodes: 7}, {at: 0s, use: 4Ki, log: true}]\n    processes: [{at: 1s, count: 30}]")
	require.NoError(t, err)
	n := s.Nodes[0]
	assert.Equal(t, &model.Filesystem{Capacity: 20 << 30, Used: 1 << 30}, n.ImageFilesystem)
	assert.Equal(t, &model.Filesystem{Capacity: 100 << 30, Used: 5 << 30, Inodes: 1e6, InodesUsed: 1000}, n.NodeFilesystem)
	assert.Equal(t, model.ProcessLimit{Max: 32768, Used: 200}, n.Processes)
	assert.Equal(t, []model.DiskPoint{{At: model.Second, Use: 1 << 20, Inodes: 7}, {Use: 4096, Volume: model.LogVolume}}, s.Behaviors[0].Disk)
	assert.Equal(t, []model.ProcessPoint{{At: model.Second, Count: 30}}, s.Behaviors[0].Processes)
}

func TestBadFilesystems(t *testing.T) {
	for _, c := range []struct{ name, fields, behavior, want string }{
		{"capacity twice", "nodeFilesystem: {capacity: 1Gi}", "", "s.yaml:9: nodeFilesystem.capacity must be left out: status.capacity ephemeral-storage counts"},
		{"no capacity", "imageFilesystem: {used: 1Gi}", "", "s.yaml:9: imageFilesystem.capacity is missing or 0, want something like 100Gi"},
		{"no room", "imageFilesystem: {capacity: 0}", "", "s.yaml:9: imageFilesystem.capacity is missing or 0, want something like 100Gi"},
		{"too full", "imageFilesystem: {capacity: 1Ki, used: 2Ki}", "", "s.yaml:9: imageFilesystem.used is 2048 bytes, must not be above the capacity (1024)"},
		{"inodes", "nodeFilesystem: {inodesUsed: 5}", "", "s.yaml:9: nodeFilesystem.inodesUsed is 5, must not be above inodes (0)"},
		{"processes", "processes: {max: 1, used: 2}", "", "s.yaml:9: processes.used is 2, must not be above max (1)"},
		{"no max", "processes: {used: 2}", "", "s.yaml:9: spec.nodes[0].processes.max is missing"},
		{"log", "images: [a]", "disk: [{at: 2s, use: 1, volume: v, log: true}]", "s.yaml:12: disk.log and disk.volume (s.yaml:12) contradict each other: leave one out\n" +
			`s.yaml:12: no container that this behavior matches mounts an emptyDir "v"`},
		{"order", "images: [a]", "processes: [{at: 2s, count: 1}, {at: 1s, count: 2}]", "s.yaml:12: at is 1s, must be later than the one before (2s)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.behavior == "" {
				c.behavior = "run: {forever: true}"
			}
			_, err := readDisks(c.fields, c.behavior)
			assert.EqualError(t, err, c.want)
		})
	}
}
