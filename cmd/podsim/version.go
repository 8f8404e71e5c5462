package main

import "runtime/debug"

// kubernetesVersion is the release whose source is podsim's specification.
const kubernetesVersion = "v1.37.1"

// version is podsim's own version, as the Go toolchain recorded it.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
