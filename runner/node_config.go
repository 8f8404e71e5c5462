package runner

import (
	"fmt"
	"path/filepath"
	"strings"
)

// The plugins of containerd that a node does not need; the machine may lack what they want. A name that a
// version does not have is ignored.
var unwantedPlugins = []string{
	"io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp",
	"io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
	"io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs",
	"io.containerd.snapshotter.v1.aufs",
}

// nodeSandboxImage is the name of a node's sandbox image. Nobody listens at port 1, so that who asks for it before a
// run has brought it is refused at once.
const nodeSandboxImage = "127.0.0.1:1/podsim/pause:1"

// containerdConfig is the configuration of a node's containerd: version 2 of the format for containerd 1.x, 3 for 2.x.
// All that containerd and runc write stands below the node's folder. Without CAP_SYS_RESOURCE no process may get a
// negative oom_score_adj, which sandboxes ask for: restrict_oom_score_adj lets containerd raise it to what is allowed.
func containerdConfig(n *Node) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	in := func(name string) string { return filepath.Join(n.Dir, name) }
	version, cri, images := 3, "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
	if n.majorVersion() < 2 {
		version, cri, images = 2, "io.containerd.grpc.v1.cri", "io.containerd.grpc.v1.cri"
	}
	line("version = %d", version)
	line("root = %q", in("root"))
	line("state = %q", in("state"))
	line("temp = %q", in("temp"))
	line("imports = []")
	line("disabled_plugins = [%s]", quoted(unwantedPlugins))
	line("[grpc]\n  address = %q", in(nodeSocket))
	line("[plugins.%q]\n  path = %q", "io.containerd.internal.v1.opt", in("opt"))
	if images != cri {
		line("[plugins.%q]\n  snapshotter = \"overlayfs\"", images)
		if n.PullProgressTimeout > 0 {
			line("  image_pull_progress_timeout = %q", n.PullProgressTimeout)
		}
		line("  [plugins.%q.pinned_images]\n    sandbox = %q", images, nodeSandboxImage)
		// All nodes of a scenario pull at once. The registry keeps each to three downloads at a time. Unpacking needs no
		// such number: without one each pull unpacks its layers one after the other, however many pulls there are.
		line("[plugins.%q]\n  max_concurrent_downloads = 100", "io.containerd.transfer.v1.local")
	}
	line("[plugins.%q]", cri)
	if images == cri {
		line("  sandbox_image = %q", nodeSandboxImage)
	}
	line("  disable_apparmor = true")
	line("  restrict_oom_score_adj = %t", !hasCapability(capSysResource))
	line("  netns_mounts_under_state_dir = true")
	line("  [plugins.%q.cni]", cri)
	if images == cri {
		line("    bin_dir = %q", in("cni"))
	} else {
		line("    bin_dirs = [%q]", in("cni"))
	}
	line("    conf_dir = %q", in("cni"))
	line("  [plugins.%q.containerd.runtimes.runc]\n    runtime_type = \"io.containerd.runc.v2\"", cri)
	line("    [plugins.%q.containerd.runtimes.runc.options]", cri)
	line("      BinaryName = %q\n      Root = %q\n      SystemdCgroup = false", n.Runc, in("runc"))
	return b.String()
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
