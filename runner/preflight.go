package runner

// The errors of a machine that no scenario can be played on. docs/real-node.md has each of them.
const (
	errNotRoot = "a real node needs root: run podsim as root, such as with sudo"
)

// Linux capabilities that matter (capabilities(7)).
const (
	capSysAdmin    = 21
	capSysResource = 24
)

// hasCapability says whether this process has a capability.
func hasCapability(n int) bool { return effectiveCapabilities()&(1<<n) != 0 }
