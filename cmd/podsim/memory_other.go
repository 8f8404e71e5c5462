//go:build !unix

package main

// peakMemory is the most memory in bytes that the process has had, 0 when that is not known.
func peakMemory() int64 { return 0 }
