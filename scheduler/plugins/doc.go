// Package plugins holds the filters and scores, a file for each plugin of upstream.
//
// What a plugin needs to know of a pod is in its class, what it needs to know of a node in the
// NodeInfo. Those that look further keep what they count in a struct of their own. The rule book
// is pkg/scheduler/framework/plugins at k8s.io/kubernetes v1.37.1.
package plugins
