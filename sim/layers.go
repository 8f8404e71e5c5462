package sim

// layerID is the index of a layer.
type layerID int32
