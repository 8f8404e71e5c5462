package reports

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"podsim/model"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/record.md")

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenFile(t, filepath.Join("testdata", name), got)
}

func goldenFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "`go test ./reports -update` writes it")
	assert.Equal(t, string(want), got, "%s: read the diff, then `go test ./reports -update`", path)
}

// world is a small cluster whose story is told by hand, so that the golden files show the
// layout and not what the simulator decides.
type world struct {
	t      *testing.T
	s      *model.State
	w      *Writer
	dir    string
	now    model.Time
	seq    uint64
	events int64
	serial int64
}

// worldEnd is the moment at which the golden files are taken unless they say another.
const worldEnd = 10 * model.Minute

var worldInfo = RunInfo{Scenario: "world", Seed: 1, Kubernetes: "v1.37.1", Start: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), Duration: worldEnd}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), s: &model.State{Seed: 1, Start: worldInfo.Start}}
	w.s.Nodes, w.s.Pods = make([]model.Node, 1), make([]model.Pod, 1)
	w.s.Deployments, w.s.ReplicaSets, w.s.Services = make([]model.Deployment, 1), make([]model.ReplicaSet, 1), make([]model.Service, 1)
	var err error
	w.w, err = NewWriter(w.dir, w.s, worldInfo)
	require.NoError(t, err)
	return w
}

// close ends the record and opens it.
func (w *world) close() *Record {
	info := worldInfo
	info.Complete, info.Ended = true, worldEnd
	require.NoError(w.t, w.w.Close(info))
	r, err := Open(w.dir)
	require.NoError(w.t, err)
	return r
}

func (w *world) changed(kind model.ObjectKind, id int32, change model.ChangeType) {
	w.seq++
	w.w.Transition(model.Transition{At: w.now, Seq: w.seq, Type: change, Kind: kind, ID: id})
}

// event writes an Event; those with the same serial count up.
func (w *world) event(e model.Event) int64 {
	w.seq++
	e.At, e.Seq = w.now, w.seq
	if e.Serial == 0 {
		w.events++
		e.Serial, e.First, e.Count = w.events, w.now, 1
	}
	w.w.Event(&e)
	return e.Serial
}

func (w *world) text(s string) model.Message { return model.TextMessage(w.s.Texts.Intern(s)) }

// parse reads a manifest.
func parse[T any](t *testing.T, manifest string) *T {
	o := new(T)
	require.NoError(t, yaml.UnmarshalStrict([]byte(strings.ReplaceAll(manifest, "\t", "  ")), o))
	return o
}

func (w *world) node(manifest string) *model.Node {
	o := parse[v1.Node](w.t, manifest)
	id := model.NodeID(len(w.s.Nodes))
	w.s.Nodes = append(w.s.Nodes, model.Node{ID: id, Name: o.Name, Labels: o.Labels, Object: o, Created: w.now,
		Allocatable: model.ResourcesOf(o.Status.Allocatable), Taints: o.Spec.Taints, Unschedulable: o.Spec.Unschedulable})
	n := &w.s.Nodes[id]
	reasons := [...]model.Text{model.ReasonKubeletHasSufficientMemory, model.ReasonKubeletHasNoDiskPressure, model.ReasonKubeletHasSufficientPID,
		model.ReasonKubeletReady}
	for c := range model.NumNodeConditions {
		n.Conditions[c] = model.Condition{Status: model.ConditionFalse, Reason: reasons[c], Transition: w.now.TruncateSecond()}
	}
	n.Conditions[model.NodeReady].Status = model.ConditionTrue
	w.changed(model.KindNode, int32(id), model.Added)
	return n
}

func (w *world) service(manifest string) {
	o := parse[v1.Service](w.t, manifest)
	id := int32(len(w.s.Services))
	w.s.Services = append(w.s.Services, model.Service{ID: id, Created: w.now, Object: o})
	w.changed(model.KindService, id, model.Added)
}

// pod creates a pod of a manifest and gives its id.
func (w *world) pod(manifest string) model.PodID {
	o := parse[v1.Pod](w.t, manifest)
	return w.podOf(o.Name, w.s.Compile(o.Namespace, o.Labels, o.Annotations, &o.Spec), 0)
}

func (w *world) podOf(name string, t *model.PodTemplate, owner model.ReplicaSetID) model.PodID {
	id := model.PodID(len(w.s.Pods))
	w.serial++
	w.s.Pods = append(w.s.Pods, model.Pod{ID: id, Name: name, Serial: w.serial, Template: t, Owner: owner, Created: w.now, Generation: 1,
		Status: model.PodStatus{StartTime: model.Never}})
	w.changed(model.KindPod, int32(id), model.Added)
	return id
}

// bind puts a pod on a node.
func (w *world) bind(id model.PodID, node model.NodeID) {
	p := &w.s.Pods[id]
	p.Node = node
	p.Status.SetCondition(model.PodScheduled, model.ConditionTrue, model.NoText, model.Message{}, w.now)
	w.changed(model.KindPod, int32(id), model.Modified)
	w.event(model.Event{Kind: model.KindPod, ID: int32(id), Container: -1, Source: model.FromScheduler, Reason: model.EventScheduled,
		Message: model.Message{Kind: model.MessageScheduled, N: int64(node)}})
}

// status is what the kubelet writes of a pod.
func (w *world) status(id model.PodID, phase model.Phase, containers ...model.ContainerStatus) {
	p := &w.s.Pods[id]
	s := &p.Status
	if s.StartTime == model.Never {
		s.StartTime = w.now.TruncateSecond()
	}
	s.Phase, s.Containers, s.HasIP = phase, containers, true
	for i := range containers {
		if c := &containers[i]; c.ContainerID == 1 && c.State.ContainerID == 1 {
			c.ContainerID, c.State.ContainerID = int32(i+1), int32(i+1)
		}
	}
	s.SetConditions(p.Template, true, model.Message{}, w.now)
	w.changed(model.KindPod, int32(id), model.Modified)
}

func (w *world) kubelet(id model.PodID, container int16, reason model.EventReason, m model.Message) {
	w.event(model.Event{Kind: model.KindPod, ID: int32(id), Container: container, Source: model.FromKubelet, Reason: reason, Message: m})
}

func (w *world) deployment(manifest string) *model.Deployment {
	o := parse[appsv1.Deployment](w.t, manifest)
	id := model.DeploymentID(len(w.s.Deployments))
	w.s.Deployments = append(w.s.Deployments, model.Deployment{ID: id, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Created: w.now})
	d := &w.s.Deployments[id]
	w.apply(d, o, "5d8f7c6b9")
	w.changed(model.KindDeployment, int32(id), model.Added)
	return d
}

// apply gives a Deployment a new object.
func (w *world) apply(d *model.Deployment, o *appsv1.Deployment, hash string) {
	d.Object, d.Replicas, d.Hash = o, *o.Spec.Replicas, hash
	d.Selector, _ = metav1.LabelSelectorAsSelector(o.Spec.Selector)
	labels := map[string]string{"pod-template-hash": hash}
	for k, v := range o.Spec.Template.Labels {
		labels[k] = v
	}
	d.Template = w.s.Compile(o.Namespace, labels, nil, o.Spec.Template.Spec.DeepCopy())
	d.Generation++
}

// replicaSet makes the ReplicaSet of a Deployment's template.
func (w *world) replicaSet(d *model.Deployment, replicas int32) model.ReplicaSetID {
	id := model.ReplicaSetID(len(w.s.ReplicaSets))
	d.Revision++
	w.s.ReplicaSets = append(w.s.ReplicaSets, model.ReplicaSet{ID: id, Namespace: d.Namespace, Name: d.Name + "-" + d.Hash, Labels: d.Template.Labels,
		Owner: d.ID, Template: d.Template, Hash: d.Hash, Created: w.now, Generation: 1, Replicas: replicas, Revision: d.Revision,
		Desired: d.Replicas, Max: d.Replicas + 1})
	r := &w.s.ReplicaSets[id]
	r.Selector, _ = metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchLabels: d.Template.Labels})
	w.changed(model.KindReplicaSet, int32(id), model.Added)
	return id
}

func waiting(reason model.Text) model.ContainerStatus {
	return model.ContainerStatus{State: model.ContainerState{Kind: model.StateWaiting, Reason: reason}}
}

func (w *world) running(ready bool) model.ContainerStatus {
	return model.ContainerStatus{State: model.ContainerState{Kind: model.StateRunning, StartedAt: w.now.TruncateSecond(), ContainerID: 1},
		ContainerID: 1, Ready: ready, Started: true}
}

func (w *world) ended(code int32, reason model.Text) model.ContainerStatus {
	return model.ContainerStatus{State: model.ContainerState{Kind: model.StateTerminated, ExitCode: code, Reason: reason, ContainerID: 1,
		StartedAt: (w.now - 2*model.Second).TruncateSecond(), FinishedAt: w.now.TruncateSecond()}, ContainerID: 1}
}

// after makes c the status of a container that was restarted after last.
func after(c, last model.ContainerStatus, restarts int32) model.ContainerStatus {
	c.Last, c.Restarts = last.State, restarts
	if c.State.Kind != model.StateWaiting {
		c.ContainerID, c.State.ContainerID = restarts+1, restarts+1
	}
	return c
}

// record tells the whole story.
func record(t *testing.T) *Record {
	w := newWorld(t)
	w.nodesAndServices()
	w.crash()
	w.webRollout()
	w.init()
	w.pending()
	w.deletions()
	w.nodeFailure()
	return w.close()
}

func (w *world) nodesAndServices() {
	w.node(`
metadata:
	name: worker-0
	labels: {kubernetes.io/hostname: worker-0, node-role.kubernetes.io/control-plane: "", node-role.kubernetes.io/worker: ""}
	annotations: {note: "first\nsecond"}
spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}, {key: a, value: b, effect: NoExecute}]}
status:
	capacity: {cpu: "4", memory: 8Gi, pods: "110", nvidia.com/gpu: "2"}
	allocatable: {cpu: 3800m, memory: 7Gi, pods: "110", nvidia.com/gpu: "2"}
	nodeInfo: {osImage: Debian GNU/Linux 13, kernelVersion: 6.12.1, architecture: amd64, containerRuntimeVersion: containerd://2.2.0}`)
	w.node(`
metadata: {name: worker-1, labels: {kubernetes.io/hostname: worker-1}}
status:
	capacity: {cpu: "4", memory: 8Gi, pods: "110"}
	allocatable: {cpu: "4", memory: 8Gi, pods: "110"}`)
	w.service(`
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {type: LoadBalancer, selector: {app: web, tier: front}, sessionAffinity: None, ports: [{name: http, port: 80, targetPort: http, protocol: TCP, nodePort: 30080}, {port: 443, targetPort: 8443, protocol: TCP}]}`)
	w.service(`
metadata: {name: db, namespace: data}
spec: {type: ClusterIP, clusterIP: None, sessionAffinity: None, ports: [{port: 5432, targetPort: 5432, protocol: TCP}]}`)
	w.service(`
metadata: {name: outside, namespace: default}
spec: {type: ExternalName, externalName: db.example.com, sessionAffinity: None}`)
}

// crash is a pod that shows much of what describe knows.
func (w *world) crash() {
	w.now = 1500 * model.Millisecond
	id := w.pod(`
metadata:
	name: crash
	namespace: default
	labels: {app: crash, tier: back}
	annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", owner: team-a}
spec:
	priority: 1000
	priorityClassName: high
	serviceAccountName: default
	restartPolicy: Always
	nodeSelector: {disk: ssd}
	readinessGates: [{conditionType: example.com/lb}]
	tolerations:
	- {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
	- {operator: Exists}
	- {key: dedicated, operator: Equal, value: x, effect: NoSchedule}
	topologySpreadConstraints:
	- {maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: crash}}}
	volumes:
	- {name: cache, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
	- {name: settings, configMap: {name: settings}}
	- {name: keys, secret: {secretName: keys, optional: true}}
	- {name: disk, persistentVolumeClaim: {claimName: disk}}
	- {name: logs, hostPath: {path: /var/log}}
	- {name: token, projected: {sources: [{serviceAccountToken: {path: token, expirationSeconds: 3607}}, {configMap: {name: ca}}, {downwardAPI: {}}]}}
	containers:
	- name: app
	  image: registry.example/crash:1
	  command: [sh, -c, "echo a\necho b"]
	  args: [--flag]
	  ports: [{name: http, containerPort: 8080, protocol: TCP}, {containerPort: 9090, protocol: TCP}]
	  resources: {requests: {cpu: 250m, memory: 64Mi, nvidia.com/gpu: "1"}, limits: {memory: 128Mi, nvidia.com/gpu: "1"}}
	  livenessProbe: {httpGet: {path: /live, port: 8080, scheme: HTTP}, initialDelaySeconds: 3, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}
	  readinessProbe: {exec: {command: [cat, /ready]}, periodSeconds: 5, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}
	  startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 30}
	  envFrom: [{configMapRef: {name: settings}}, {prefix: K_, secretRef: {name: keys, optional: true}}]
	  env:
	  - {name: MODE, value: fast}
	  - {name: POD, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.name}}}
	  - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
	  - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
	  - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: k}}}
	  volumeMounts: [{name: settings, mountPath: /etc/settings, readOnly: true}, {name: cache, mountPath: /cache, subPath: a}]`)
	w.now = 1600 * model.Millisecond
	w.bind(id, 1)
	w.now = 2 * model.Second
	w.status(id, model.PodPending, waiting(model.ReasonContainerCreating))
	w.kubelet(id, 0, model.EventPulling, model.Message{Kind: model.MessagePulling})
	w.now = 4 * model.Second
	w.kubelet(id, 0, model.EventPulled, model.Message{Kind: model.MessageAlreadyPresent})
	created := model.Event{Kind: model.KindPod, ID: int32(id), Reason: model.EventCreated, Message: model.Message{Kind: model.MessageCreated}}
	created.Serial = w.event(created)
	created.First, created.Count = w.now, 2
	w.status(id, model.PodRunning, w.running(false))
	w.now = 6 * model.Second
	end := w.ended(137, model.ReasonOOMKilled)
	w.status(id, model.PodRunning, end)
	w.now = 7 * model.Second
	w.event(created)
	again := after(w.running(false), end, 1)
	w.status(id, model.PodRunning, again)
	w.now = 9 * model.Second
	end = after(w.ended(1, model.ReasonError), end, 1)
	w.status(id, model.PodRunning, end)
	backOff := after(waiting(model.ReasonCrashLoopBackOff), end, 1)
	backOff.ContainerID = end.ContainerID
	backOff.State.Message = model.Message{Kind: model.MessageCrashLoopBackOff, N: int64(10 * time.Second)}
	w.status(id, model.PodRunning, backOff)
	e := model.Event{Kind: model.KindPod, ID: int32(id), Warning: true, Reason: model.EventBackOff, Message: model.Message{Kind: model.MessageBackOffRestarting}}
	e.Serial = w.event(e)
	e.First, e.Count = w.now, 7
	w.now = 8 * model.Minute
	w.event(e)
	w.s.Pods[id].Status.Gates = []model.Condition{{Status: model.ConditionTrue}}
	w.changed(model.KindPod, int32(id), model.Modified)
}

// webRollout is a Deployment half way from its first to its second template.
func (w *world) webRollout() {
	const manifest = `
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
	replicas: 2
	selector: {matchLabels: {app: web}}
	strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
	template:
		metadata: {labels: {app: web}}
		spec:
			restartPolicy: Always
			serviceAccountName: web
			volumes: [{name: scratch, emptyDir: {}}]
			containers:
			- {name: web, image: "registry.example/web:1", resources: {requests: {cpu: 100m}}}
			- {name: log, image: "registry.example/log:1"}`
	w.now = 8*model.Minute + 2*model.Second
	d := w.deployment(manifest)
	d.Status.Conditions[model.DeploymentProgressing] = model.Condition{Status: model.ConditionTrue, Reason: model.ReasonNewReplicaSetCreated, Transition: w.now}
	d.Status.ProgressUpdated = w.now
	old := w.replicaSet(d, 2)
	w.changed(model.KindDeployment, 1, model.Modified)
	w.event(model.Event{Kind: model.KindDeployment, ID: 1, Container: -1, Source: model.FromDeploymentController, Reason: model.EventScalingReplicaSet,
		Message: model.Message{Kind: model.MessageScaledUp, Text: w.s.Texts.Intern("web-5d8f7c6b9"), N: 2}})
	first := w.webPod(old, "web-5d8f7c6b9-aaaaa", 2)
	w.webPod(old, "web-5d8f7c6b9-bbbbb", 2)
	d.Status.Replicas, d.Status.Updated, d.Status.Ready, d.Status.Available, d.Status.ObservedGeneration = 2, 2, 2, 2, 1
	d.Status.Conditions[model.DeploymentAvailable] = model.Condition{Status: model.ConditionTrue, Reason: model.ReasonMinimumReplicasAvailable, Transition: w.now}
	d.Status.Conditions[model.DeploymentProgressing].Reason = model.ReasonNewReplicaSetAvailable
	d.Status.ProgressUpdated = w.now
	w.changed(model.KindDeployment, 1, model.Modified)

	w.now = 9 * model.Minute
	o := d.Object.DeepCopy()
	o.Spec.Template.Spec.Containers[0].Image = "registry.example/web:2"
	w.apply(d, o, "7bb8dc7c4f")
	w.changed(model.KindDeployment, 1, model.Modified)
	w.now += model.Second
	next := w.replicaSet(d, 1)
	w.s.ReplicaSets[old].Replicas = 1
	w.s.ReplicaSets[old].Status = model.ReplicaSetStatus{Replicas: 1, Ready: 1, Available: 1}
	w.changed(model.KindReplicaSet, int32(old), model.Modified)
	w.s.ReplicaSets[next].Status = model.ReplicaSetStatus{Replicas: 1}
	w.changed(model.KindReplicaSet, int32(next), model.Modified)
	d.Status.Updated, d.Status.Ready, d.Status.Available, d.Status.Unavailable, d.Status.ObservedGeneration = 1, 1, 1, 1, 2
	d.Status.Conditions[model.DeploymentProgressing].Reason = model.ReasonReplicaSetUpdated
	d.Status.ProgressUpdated = w.now
	w.changed(model.KindDeployment, 1, model.Modified)
	id := w.podOf("web-7bb8dc7c4f-ccccc", d.Template, next)
	w.bind(id, 2)
	w.status(id, model.PodPending, waiting(model.ReasonErrImagePull), waiting(model.ReasonContainerCreating))
	p := &w.s.Pods[first]
	p.Deleting, p.GraceSeconds, p.DeletionTimestamp = true, 120, w.now+2*model.Minute
	w.changed(model.KindPod, int32(first), model.Modified)
}

func (w *world) webPod(owner model.ReplicaSetID, name string, node model.NodeID) model.PodID {
	id := w.podOf(name, w.s.ReplicaSets[owner].Template, owner)
	w.event(model.Event{Kind: model.KindReplicaSet, ID: int32(owner), Container: -1, Source: model.FromReplicaSetController,
		Reason: model.EventSuccessfulCreate, Message: model.Message{Kind: model.MessageCreatedPod, Text: w.s.Texts.Intern(name)}})
	w.bind(id, node)
	w.status(id, model.PodRunning, w.running(true), w.running(true))
	return id
}

// init is a pod with an init container and a sidecar, in another namespace.
func (w *world) init() {
	w.now = 9*model.Minute + 10*model.Second
	id := w.pod(`
metadata: {name: db-0, namespace: data, labels: {app: db}}
spec:
	restartPolicy: OnFailure
	initContainers: [{name: proxy, image: "proxy:1", restartPolicy: Always}, {name: setup, image: "setup:1"}]
	containers: [{name: db, image: "db:1", livenessProbe: {grpc: {port: 5000, service: live}, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3}}]`)
	w.bind(id, 1)
	proxy := w.running(true)
	w.status(id, model.PodPending, proxy, w.running(false), waiting(model.ReasonPodInitializing))
	w.now = 9*model.Minute + 20*model.Second
	end := w.ended(0, model.ReasonCompleted)
	end.Ready = true
	w.status(id, model.PodRunning, proxy, end, w.running(true))
	w.kubelet(id, 0, model.EventStarted, model.Message{Kind: model.MessageStarted})
}

// pending are pods that nobody runs.
func (w *world) pending() {
	w.now = 9*model.Minute + 30*model.Second
	id := w.pod(`
metadata: {name: big, namespace: default, labels: {app: big}}
spec: {restartPolicy: Never, containers: [{name: app, image: "big:1", resources: {requests: {cpu: "64"}}}]}`)
	p := &w.s.Pods[id]
	text := w.text("0/2 nodes are available: 2 Insufficient cpu.\nno new claims to deallocate")
	p.Status.SetCondition(model.PodScheduled, model.ConditionFalse, model.ReasonUnschedulable, text, w.now)
	w.changed(model.KindPod, int32(id), model.Modified)
	e := model.Event{Kind: model.KindPod, ID: int32(id), Container: -1, Warning: true, Source: model.FromScheduler, Reason: model.EventFailedScheduling, Message: text}
	e.Serial = w.event(e)
	e.First, e.Count = w.now, 2
	w.now += 20 * model.Second
	w.event(e)
	id = w.pod(`
metadata: {name: gated, namespace: default}
spec: {restartPolicy: Never, schedulingGates: [{name: example.com/wait}], containers: [{name: app, image: "app:1"}]}`)
	w.s.Pods[id].Status.SetCondition(model.PodScheduled, model.ConditionFalse, model.ReasonSchedulingGated, w.text("gated"), w.now)
	w.s.Pods[id].Nominated = 1
	w.changed(model.KindPod, int32(id), model.Modified)
}

// deletions is a pod that is deleted, and another that takes its name.
func (w *world) deletions() {
	const manifest = `
metadata: {name: job, namespace: default, labels: {app: job}}
spec: {restartPolicy: Never, hostNetwork: true, containers: [{name: app, image: "job:1"}]}`
	id := w.pod(manifest)
	w.bind(id, 2)
	w.status(id, model.PodRunning, w.running(true))
	w.now += model.Second
	p := &w.s.Pods[id]
	p.Deleting, p.DeletionTimestamp = true, w.now
	w.changed(model.KindPod, int32(id), model.Modified)
	w.changed(model.KindPod, int32(id), model.Deleted)
	w.now += model.Second
	id = w.pod(manifest)
	w.bind(id, 2)
	w.status(id, model.PodSucceeded, w.ended(0, model.ReasonCompleted))
}

func (w *world) nodeFailure() {
	w.now = 9*model.Minute + 55*model.Second
	n := &w.s.Nodes[2]
	n.Conditions[model.NodeReady] = model.Condition{Status: model.ConditionUnknown, Reason: model.ReasonNodeStatusUnknown, Transition: w.now}
	n.Unschedulable = true
	n.Taints = []v1.Taint{{Key: "node.kubernetes.io/unreachable", Effect: v1.TaintEffectNoSchedule}, {Key: "node.kubernetes.io/unschedulable", Effect: v1.TaintEffectNoSchedule}}
	w.changed(model.KindNode, 2, model.Modified)
	w.event(model.Event{Kind: model.KindNode, ID: 2, Container: -1, Source: model.FromNodeController, Reason: model.EventNodeNotReady,
		Message: model.Message{Kind: model.MessageNodeStatus, Text: w.s.Texts.Intern("Node worker-1 status is now: NodeNotReady")}})
	w.now = 11 * model.Minute
	w.changed(model.KindNode, 1, model.Modified) // after the end that the golden files look at
}
