//go:build !linux

package images

import "errors"

// errNoNode says that there is no registry where there is no node to play on.
var errNoNode = errors.New("a real node is played on Linux only")

func boundSocket(int) (int, error) { return 0, errNoNode }

func socketPort(int) (int, error) { return 0, errNoNode }

func listenWithoutRoom(int) error { return errNoNode }

func closeSocket(int) {}
