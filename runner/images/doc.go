// Package images has the images of a scenario and the registry that serves them to a real container
// runtime, on the loopback interface.
//
// An image has the scenario's name, size, user and layers. What is in it is not real: one layer that all
// images share with the stand-in program, and above it layers of bytes that do not compress. The bytes are
// made while they are served; the same image has other ones on each node of the scenario and in each run, so
// that each node pulls it itself though all are played on one runtime. Layers are not compressed: what a pull
// transfers is what the scenario says, and the runtime's CPU goes where it does for real layers except for
// the decompression. A layer that takes more on the disk than it transfers (LayerSpec.Unpacked above Size)
// takes only what it transfers; less is possible. A layer has at least 2 KiB.
//
// The registry answers as the scenario says: with errors, late, slowly, to those with the right credentials
// only. It is for pulls; nothing can be pushed.
//
// # What a runtime needs to pull from it
//
// Nothing. A registry whose address is in 127.0.0.0/8 is asked over plain http by containerd's default
// configuration, without config_path or a hosts.toml: tried with 1.6.20 and 2.4.2.
//
// Pulls of several nodes of a scenario go to one containerd. 2.4.2 downloads three layers at a time for all of
// them together (io.containerd.transfer.v1.local max_concurrent_downloads): `podsim node start` sets more. 1.6.20
// downloads three for each pull.
//
// What it says of a pull that fails is, for 2.4.2, what the simulation says, once the names are written back:
// docs/fidelity.md. 1.6.20 has other words; the kubelet's reason is the same. A pull that stalls is cancelled by 2.4.2 after
// image_pull_progress_timeout, 5 minutes by default, if the layer has more than about 1 MiB; 1.6.20 has no such
// limit.
//
// The runtime's own image for sandboxes is another matter: its name is in the runtime's configuration, and
// the runtime pulls it from there when it is absent. See the package runner.
package images
