// Package plugins holds the filters and scores, a file for each plugin of upstream.
//
// It keeps no state: what a plugin needs to know of a pod is in its class, what it needs to
// know of a node in the NodeInfo. The rule book is pkg/scheduler/framework/plugins at
// k8s.io/kubernetes v1.37.1.
//
// Differs from Kubernetes: PodTopologySpread, with the constraints that a cluster has by
// default for the pods of a workload, and InterPodAffinity neither filter nor score yet.
//
// Differs from Kubernetes: VolumeRestrictions, NodeVolumeLimits, VolumeBinding, VolumeZone,
// DynamicResources and NodeDeclaredFeatures neither filter nor score: there are no volume
// objects, devices or declared features here.
package plugins
