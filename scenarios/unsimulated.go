package scenarios

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"podsim/model"
)

// What a manifest sets and the simulation has no use for is listed, so that nobody takes
// the result for more than it is. The tables below name what is not listed: the fields that
// a run honours, and the fields whose effect, if they have one, is inside a container, where
// behaviors stand for it. A path stands for all that is below it.

// podSpecFields are those of a pod specification.
const podSpecFields = `
	activeDeadlineSeconds
	affinity topologySpreadConstraints
	hostNetwork imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName
	readinessGates.conditionType
	resources.limits resources.requests
	restartPolicy schedulerName schedulingGates terminationGracePeriodSeconds tolerations
	volumes.name volumes.configMap volumes.secret volumes.downwardAPI volumes.hostPath volumes.projected.defaultMode
	volumes.projected.sources.configMap volumes.projected.sources.secret volumes.projected.sources.downwardAPI
	volumes.projected.sources.serviceAccountToken
	volumes.emptyDir.sizeLimit volumes.persistentVolumeClaim volumes.ephemeral
	resourceClaims
	volumes.gcePersistentDisk volumes.awsElasticBlockStore volumes.rbd volumes.iscsi

	automountServiceAccountToken dnsPolicy enableServiceLinks hostAliases hostname
	os securityContext serviceAccount serviceAccountName setHostnameAsFQDN
	subdomain
`

// containerFields are those of a container or init container.
const containerFields = `
	image imagePullPolicy lifecycle.postStart lifecycle.preStop livenessProbe readinessProbe
	startupProbe name ports
	resources.limits resources.requests resources.claims restartPolicy restartPolicyRules

	args command env envFrom resizePolicy securityContext stdin stdinOnce
	terminationMessagePath terminationMessagePolicy tty volumeMounts workingDir
`

// metaFields are those of an object's metadata.
const metaFields = `
	name namespace labels annotations generateName uid resourceVersion generation
	creationTimestamp managedFields selfLink
`

// simulatedFields are the fields that are not listed, by kind.
var simulatedFields = map[string]fieldSet{
	"Pod": fieldsBelow("", "apiVersion kind status").
		and("metadata.", metaFields).podSpec("spec."),
	"Deployment": fieldsBelow("", "apiVersion kind status").
		and("metadata.", metaFields).
		and("spec.", `replicas selector strategy minReadySeconds progressDeadlineSeconds
			revisionHistoryLimit paused template.metadata`).
		podSpec("spec.template.spec."),
	"ReplicaSet": fieldsBelow("", "apiVersion kind status").
		and("metadata.", metaFields).
		and("spec.", "replicas selector minReadySeconds template.metadata").
		podSpec("spec.template.spec."),
}

// harmlessKinds are accepted without a word: a run needs nothing of them, as in it every
// namespace and account exists, everybody may do everything, and a Service is kept but routes
// nothing. ServiceAccounts, PriorityClasses, PodDisruptionBudgets, ConfigMaps, Secrets and what is around
// volumes and devices are honoured.
var harmlessKinds = strings.Fields(`
	Service ServiceAccount ConfigMap Secret Namespace Role RoleBinding ClusterRole
	ClusterRoleBinding PriorityClass PodDisruptionBudget Event Lease
	PersistentVolume PersistentVolumeClaim StorageClass CSINode CSIDriver CSIStorageCapacity VolumeAttachment
	DeviceClass ResourceSlice ResourceClaim ResourceClaimTemplate
`)

// fieldSet has the paths of fields without the indexes of lists. The value is true for a
// field that is in the set with all below it, false for one that has some below it.
type fieldSet map[string]bool

func fieldsBelow(prefix, names string) fieldSet { return fieldSet{}.and(prefix, names) }

func (s fieldSet) and(prefix, names string) fieldSet {
	for _, name := range strings.Fields(names) {
		path := prefix + name
		s[path] = true
		for i := strings.LastIndexByte(path, '.'); i > 0; i = strings.LastIndexByte(path[:i], '.') {
			if !s[path[:i]] {
				s[path[:i]] = false
			}
		}
	}
	return s
}

func (s fieldSet) podSpec(prefix string) fieldSet {
	return s.and(prefix, podSpecFields).
		and(prefix+"containers.", containerFields).
		and(prefix+"initContainers.", containerFields)
}

// unsimulated counts the fields and kinds that manifests set in vain.
type unsimulated map[model.Unsimulated]int

// add counts what one manifest sets in vain, for each of the objects that are made from it.
func (u unsimulated) add(m *manifest, objects int) {
	kind := m.kind.Kind
	fields, ok := simulatedFields[kind]
	if !ok {
		if !slices.Contains(harmlessKinds, kind) {
			u[model.Unsimulated{Kind: kind}] += objects
		}
		return
	}
	found := map[string]bool{}
	fields.walk(m.node, "", found)
	for path := range found {
		u[model.Unsimulated{Kind: kind, Field: path}] += objects
	}
}

// walk finds the fields below n that are set and not in the set.
func (s fieldSet) walk(n *yaml.Node, path string, found map[string]bool) {
	if n.Kind == yaml.SequenceNode {
		for _, item := range n.Content {
			s.walk(item, path, found)
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i].Value, n.Content[i+1]
		below := name
		if path != "" {
			below = path + "." + name
		}
		switch all, known := s[below]; {
		case all || isZero(value):
		case known:
			s.walk(value, below, found)
		default:
			found[below] = true
		}
	}
}

// isZero says that a field is as good as left out.
func isZero(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode {
		return len(n.Content) == 0
	}
	truth, ok := boolean(n)
	return isNull(n) || n.Value == "" || n.Value == "0" || ok && !truth
}

// list is what has been counted, sorted by kind and field.
func (u unsimulated) list() []model.Unsimulated {
	list := make([]model.Unsimulated, 0, len(u))
	for _, entry := range slices.SortedFunc(maps.Keys(u), func(a, b model.Unsimulated) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Field, b.Field))
	}) {
		entry.Objects = u[entry]
		list = append(list, entry)
	}
	return list
}
