package sim

import "podsim/model"

// pressureMayChange says that the use of a node's memory, disk or processes may take another course
// than was expected.
func (c *Cluster) pressureMayChange(model.NodeID) {}
