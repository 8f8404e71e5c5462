package runner

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// equipped is a pod whose program finds what its specification gives it.
const equipped = `
apiVersion: podsim/v1alpha1
kind: Scenario
metadata: {name: equipped}
spec:
  duration: 30s
  nodes:
  - name: worker
    template: {status: {capacity: {cpu: "2", memory: 4Gi}}}
    images: [app:1]
  manifests:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {WORD: hello}}
  - apiVersion: v1
    kind: Pod
    metadata: {name: web}
    spec:
      hostname: one
      subdomain: all
      hostAliases: [{ip: 10.1.2.3, hostnames: [db.local]}]
      dnsPolicy: None
      dnsConfig: {nameservers: [127.0.0.9], searches: [shop.local], options: [{name: ndots, value: "2"}]}
      securityContext: {fsGroup: 4321, supplementalGroups: [4322], sysctls: [{name: kernel.shm_rmid_forced, value: "1"}]}
      containers:
      - name: app
        image: "app:1"
        workingDir: /etc
        env: [{name: GREETING, value: "$(WORD) $(SELF)"}, {name: SELF, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        envFrom: [{configMapRef: {name: words}}]
        volumeMounts: [{name: files, mountPath: /files, subPath: below}, {name: words, mountPath: /words}]
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumes: [{name: files, emptyDir: {}}, {name: words, configMap: {name: words, defaultMode: 0400}}]
  behaviors: [{run: {forever: true}}]
`

// What a pod's specification gives a process is there when it runs.
func TestEquippedOnNode(t *testing.T) {
	lookOnNode(t, equipped, 1, func(node string) { assertEquipped(t, standInBelow(t, node)) })
}

// standInBelow is the process of the stand-in in a cgroup.
func standInBelow(t *testing.T, group string) Process {
	for _, p := range cgroupMembers(group) {
		if a := p.arguments(); len(a) == 1 && a[0] == programPath { // the sandbox has it too, with an argument
			return p
		}
	}
	require.Fail(t, "no stand-in runs")
	return Process{}
}

func assertEquipped(t *testing.T, p Process) {
	read := func(name string) string {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.PID, name))
		require.NoError(t, err)
		return string(data)
	}
	environment := strings.Split(read("environ"), "\x00")
	for _, want := range []string{"WORD=hello", "GREETING=hello $(SELF)", "SELF=web", "HOSTNAME=one"} {
		assert.Contains(t, environment, want)
	}
	hosts := read("root/etc/hosts")
	assert.Contains(t, hosts, "\tone.all.default.svc.\tone\n")
	assert.Contains(t, hosts, "10.1.2.3\tdb.local\n")
	resolv := strings.Fields(read("root/etc/resolv.conf"))
	assert.ElementsMatch(t, []string{"nameserver", "127.0.0.9", "search", "shop.local", "options", "ndots:2"}, resolv)
	assert.Equal(t, "hello", read("root/words/WORD"))
	status := read("status")
	for _, want := range []string{"NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n"} {
		assert.Contains(t, status, want)
	}
	groups := ""
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "Groups:"); ok {
			groups = rest
		}
	}
	assert.Contains(t, strings.Fields(groups), "4321")
	assert.Contains(t, strings.Fields(groups), "4322")
	directory, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", p.PID))
	require.NoError(t, err)
	assert.Equal(t, "/etc", directory)
	for path, want := range map[string]os.FileMode{"words/WORD": 0o440, "files": os.ModeDir | os.ModeSetgid | 0o777} {
		info, err := os.Stat(fmt.Sprintf("/proc/%d/root/%s", p.PID, path))
		require.NoError(t, err)
		assert.Equal(t, want, info.Mode()&(os.ModePerm|os.ModeDir|os.ModeSetgid), path)
	}
}
