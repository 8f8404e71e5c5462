// Package scheduler runs the real kube-scheduler v1.37.1 in process and compares podsim with it.
//
// [Real] is a scheduler made by upstream's scheduler.New: its cache, its plugins and its
// SchedulePod, unmodified. Only what is around it is not there: the queue, the binding, and an API
// server, whose objects are put into the informers' stores. It looks at nodes one after the other
// (parallelism 1), so that the nodes that a cycle samples are always the same.
//
//   - real.go: the scheduler and its cluster; explain.go: what it says of a pod;
//   - random.go, random_nodes.go, random_pods.go, random_volumes.go, random_devices.go,
//     random_config.go: a swarm of random clusters, in which each feature is on or off;
//   - random_test.go: one decision on each of many clusters;
//   - sequence_test.go: pods one after the other on one cluster;
//   - bench_test.go: how fast both are.
package scheduler
