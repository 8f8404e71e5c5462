package model

// StorageDriver is how a driver of volumes behaves.
type StorageDriver struct {
	// Driver is its name, or a pattern with "*"; the first that matches counts.
	Driver string
	// Provision is how long it takes to make a volume, in nanoseconds; nil for ControlPlane.Provision.
	Provision *Dist
	// Attach and Detach are from the request until a volume is at a node or is not any more, Mount and
	// Unmount what it takes on the node, all in nanoseconds.
	Attach, Detach, Mount, Unmount Dist
	Failures                       []StorageFailure
	Where                          Position
}

// StorageOperation is something that a driver does with a volume.
type StorageOperation uint8

// The operations that can fail.
const (
	StorageAttach StorageOperation = iota
	StorageDetach
	StorageMount
)

// StorageFailure is a time in which an operation of a driver fails with an error.
type StorageFailure struct {
	Operation StorageOperation
	Error     string
	// From and Until are its beginning and end; Until is Never when it does not end.
	From, Until Time
}

// Failing is the error with which an operation ends at a moment, "" when it succeeds.
func (d *StorageDriver) Failing(op StorageOperation, at Time) string {
	for i := range d.Failures {
		if f := &d.Failures[i]; f.Operation == op && f.From <= at && at < f.Until {
			return f.Error
		}
	}
	return ""
}

// DefaultStorageDriver is a CSI driver that the scenario does not describe. A guess: as the disks of
// clouds, which take some seconds to be attached.
func DefaultStorageDriver() StorageDriver {
	return StorageDriver{Attach: around(2 * Second), Detach: around(2 * Second), Mount: around(500 * Millisecond), Unmount: around(200 * Millisecond)}
}
