package sim

import (
	"podsim/model"
	"podsim/model/kubelet"
)

// separateImagefs says that images and writable layers are on a file system of their own.
func (c *Cluster) separateImagefs(node model.NodeID) bool { return false }

// observeFilesystems measures the node's file systems.
func (c *Cluster) observeFilesystems(node model.NodeID, o *kubelet.Observations) {}

// watchFilesystems asks for the pass that finds that there is too little left of a file system.
func (c *Cluster) watchFilesystems(node model.NodeID) {}
