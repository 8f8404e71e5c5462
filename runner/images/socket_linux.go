package images

import (
	"os"
	"syscall"
)

// boundSocket has a port of the loopback interface, 0 for a free one.
func boundSocket(port int) (int, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		closeSocket(fd)
		return 0, os.NewSyscallError("bind", err)
	}
	return fd, nil
}

// socketPort is the port of a bound socket.
func socketPort(fd int) (int, error) {
	name, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return name.(*syscall.SockaddrInet4).Port, nil
}

// listenWithoutRoom listens with as short a queue as there is.
func listenWithoutRoom(fd int) error { return os.NewSyscallError("listen", syscall.Listen(fd, 0)) }

func closeSocket(fd int) { _ = syscall.Close(fd) }
