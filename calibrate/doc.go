// Package calibrate fits the latencies of the container runtime to what its calls took in runs on a real node:
// a shifted log-normal distribution for each operation, the cost of pulls, and how many operations a node's
// processors have full speed for. It says how well each one fits.
//
// It is no part of a run. What the latencies mean stands in package sim; the records are those of package runner.
package calibrate
