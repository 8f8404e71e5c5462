// Package schedulerconfig says what a KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1)
// means: its defaults, what is wrong with one, and which plugins each profile runs at each
// extension point, in which order and with which weights and arguments.
//
// It reads no file, and it does not know what the plugins do. The rule book is
// pkg/scheduler/apis/config and pkg/scheduler/framework/runtime/framework.go NewFramework at
// k8s.io/kubernetes v1.37.1, with the feature gates at their defaults.
package schedulerconfig
