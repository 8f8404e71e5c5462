// Package workload is the program that stands in for the processes of a scenario's containers on a real
// node: it runs for a time, uses CPU and memory, writes files, answers probes and signals as the scenario
// says, and ends as it says.
//
// It knows nothing of Kubernetes and of scenarios: package runner says in a file, Run, what one run of a
// container does. It uses the standard library only, so that the program stays small: many of them run
// at once, and each image has it.
package workload
