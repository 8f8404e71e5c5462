package kubelet

import (
	"flag"
	"os"
	"runtime"
	"testing"
)

// TestMain fixes the number of processors: with more than one, the order of what happens in one
// instant of virtual time varies.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	flag.Parse()
	os.Exit(m.Run())
}

// needMachine skips the test where the kubelet cannot be made.
func needMachine(t *testing.T) {
	kmsg, err := os.Open("/dev/kmsg")
	if err != nil {
		t.Skipf("the kubelet's constructor opens /dev/kmsg, which needs root: %v", err)
	}
	kmsg.Close()
	dir, err := os.MkdirTemp("/dev/shm", "kubelet")
	if err != nil {
		t.Skipf("the kubelet's directory is in /dev/shm: %v", err)
	}
	os.Remove(dir)
}
