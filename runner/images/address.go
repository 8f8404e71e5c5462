package images

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// reach says what becomes of connections to an address.
type reach uint8

const (
	// answers: there is a server.
	answers reach = iota
	// refuses: nobody listens.
	refuses
	// ignores: nothing comes back to those who knock.
	ignores
)

// address is a port of the loopback interface for a registry. It stays the registry's own while nobody
// listens there.
type address struct {
	// text is 127.0.0.1:PORT.
	text    string
	port    int
	handler http.Handler

	mutex sync.Mutex
	reach reach
	// socket has the port until the address is closed.
	socket int
	closed bool
	// listener takes connections for the server.
	listener net.Listener
	server   *http.Server
	// full is a socket that listens and whose queue is full of knocks.
	full   int
	knocks []net.Conn
}

// newAddress takes a free port, where nobody listens at first.
func newAddress(handler http.Handler) (*address, error) {
	fd, err := boundSocket(0)
	if err != nil {
		return nil, err
	}
	port, err := socketPort(fd)
	if err != nil {
		closeSocket(fd)
		return nil, err
	}
	local := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	return &address{text: local.String(), port: port, handler: handler, socket: fd, reach: refuses}, nil
}

// set changes what becomes of connections. Those that there are end when it refuses from now on, and stay
// when it ignores others.
func (a *address) set(to reach) error {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.reach == to || a.closed {
		return nil
	}
	a.leave()
	var err error
	switch to {
	case answers:
		err = a.serve()
	case refuses:
		a.hangUp()
	case ignores:
		err = a.fill()
	}
	if err == nil {
		a.reach = to
	}
	return err
}

// close gives the port back.
func (a *address) close() {
	_ = a.set(refuses)
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if !a.closed {
		a.closed = true
		closeSocket(a.socket)
	}
}

// leave ends the listening.
func (a *address) leave() {
	if a.listener != nil {
		_ = a.listener.Close()
		a.listener = nil
	}
	for _, c := range a.knocks {
		_ = c.Close()
	}
	if a.knocks = nil; a.full != 0 {
		closeSocket(a.full)
		a.full = 0
	}
	a.reach = refuses
}

// hangUp ends the connections.
func (a *address) hangUp() {
	if a.server != nil {
		_ = a.server.Close()
		a.server = nil
	}
}

func (a *address) serve() error {
	l, err := net.Listen("tcp4", a.text)
	if err != nil {
		return err
	}
	if a.server == nil {
		a.server = &http.Server{Handler: a.handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	}
	a.listener = l
	go func(s *http.Server) { _ = s.Serve(l) }(a.server)
	return nil
}

// fill listens and takes nothing out of the queue, which has room for hardly anybody: the kernel drops what
// comes when it is full.
func (a *address) fill() error {
	var err error
	if a.full, err = boundSocket(a.port); err != nil {
		return err
	}
	if err := listenWithoutRoom(a.full); err != nil {
		return err
	}
	for range 4 {
		c, err := net.DialTimeout("tcp4", a.text, 100*time.Millisecond)
		if err != nil {
			return nil
		}
		a.knocks = append(a.knocks, c)
	}
	return nil
}
