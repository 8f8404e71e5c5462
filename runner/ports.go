package runner

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// machinePorts are the TCP ports at which somebody listens on all addresses of this machine: no program can
// listen there on a pod's own address, with host networking.
func machinePorts() map[int]bool {
	ports := map[int]bool{}
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		wildcardListeners(f, ports)
		f.Close()
	}
	return ports
}

// wildcardListeners adds those of a table of sockets (proc_net_tcp): a line has the local address and port, the
// remote ones and the state, in hexadecimal digits.
func wildcardListeners(table io.Reader, ports map[int]bool) {
	const listens = "0A"
	for s := bufio.NewScanner(table); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 4 || f[3] != listens {
			continue
		}
		address, port, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(port, 16, 16); err == nil && strings.Trim(address, "0") == "" {
			ports[int(n)] = true
		}
	}
}
