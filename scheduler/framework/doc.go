// Package framework holds what the scheduler and its plugins share: nodes and pod classes as
// compact records, the verdicts of a cycle, and the shape of a plugin.
//
// It decides nothing itself. It is a package of its own because the plugins need these
// types and the scheduler needs the plugins. The rule book is pkg/scheduler/framework at
// k8s.io/kubernetes v1.37.1.
package framework
