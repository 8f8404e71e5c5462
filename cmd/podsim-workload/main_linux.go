// Command podsim-workload stands in for the processes of a scenario's containers on a real node. It does
// what the runner's file /podsim/run.json says, see package workload.
package main

import (
	"os"

	"podsim/runner/workload"
)

func main() { os.Exit(workload.Main(os.Args[1:])) }
