package sim

import "podsim/model"

func (c *Cluster) deleteUnusedImages(id model.NodeID) int64 { return 0 }

// imageBytesChanged says that images take more or less of a node's disk.
func (c *Cluster) imageBytesChanged(id model.NodeID) { c.pressureMayChange(id) }
