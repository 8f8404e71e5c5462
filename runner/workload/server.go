package workload

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const (
	// bindAgain is how long the program waits for an address that another process has.
	bindAgain = 50 * time.Millisecond
	// idle is how long a connection may say nothing.
	idle = time.Minute
)

// listens says whether the server listens while an answer counts.
func (s *Server) listens(a *Answer) bool { return !a.Refused && (a.OK || s.Protocol != TCP) }

// change is the first moment after since at which another answer counts, false when there is none.
func (s *Server) change(since time.Duration) (at time.Duration, ok bool) {
	for i := range s.Answers {
		if t := s.Answers[i].At; t > since && (!ok || t < at) {
			at, ok = t, true
		}
	}
	return at, ok
}

// serve listens whenever somebody should, for ever. When it comes back the program listens where it should at
// the start.
func (p *process) serve(s *Server) {
	if s.From > 0 {
		go func() {
			time.Sleep(time.Until(p.start.Add(s.From)))
			p.keepListening(s, nil)
		}()
		return
	}
	l, _ := p.listen(s, nil)
	go p.keepListening(s, l)
}

// keepListening listens, and closes its listener, as the answers change.
func (p *process) keepListening(s *Server, l net.Listener) {
	for {
		var wait time.Duration
		if l, wait = p.listen(s, l); wait == 0 {
			return
		}
		time.Sleep(wait)
	}
}

// listen has a listener or has none as the answer of the present moment says. It also gives when to look
// again, 0 for never.
func (p *process) listen(s *Server, l net.Listener) (now net.Listener, wait time.Duration) {
	since := time.Since(p.start)
	a := AnswerAt(s.Answers, since)
	open := s.listens(&a)
	if !open && l != nil {
		l.Close()
		l = nil
	}
	if open && l == nil {
		var err error
		if l, err = net.Listen("tcp", s.Address); err != nil {
			return nil, bindAgain
		}
		go p.accept(s, l)
	}
	if next, more := s.change(since); more {
		wait = next - since
	}
	return l, wait
}

// accept answers until the listener is closed.
func (p *process) accept(s *Server, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			switch s.Protocol {
			case HTTP:
				p.answerHTTP(s, c)
			case GRPC:
				p.answerGRPC(s, c)
			}
		}()
	}
}

// answerHTTP answers one request of HTTP/1.1.
func (p *process) answerHTTP(s *Server, c net.Conn) {
	c.SetReadDeadline(time.Now().Add(idle))
	if !readRequest(c) {
		return
	}
	a := answer(s.Answers, p.start)
	if a.Refused {
		return
	}
	io.WriteString(c, response(&a))
}

// readRequest reads the head of a request; what probes and hooks ask for has no body.
func readRequest(r io.Reader) bool {
	const longest = 64 << 10
	b := bufio.NewReaderSize(io.LimitReader(r, longest), 1<<10)
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			return false
		}
		if strings.TrimRight(line, "\r\n") == "" {
			return true
		}
	}
}

// elsewhere is where a redirect leads: to another host, where a probe does not follow
// (pkg/probe/http/http.go RedirectChecker).
const elsewhere = "http://elsewhere.invalid/"

// response is a whole answer of HTTP/1.1.
func response(a *Answer) string {
	status, location := a.Status, ""
	switch {
	case status == 0 && a.OK:
		status = 200
	case status == 0:
		status = 503
	case status >= 300 && status < 400:
		location = "Location: " + elsewhere + "\r\n"
	}
	output := ""
	if a.Output != "" {
		output = OutputHeader + ": 1\r\n"
	}
	return fmt.Sprintf("HTTP/1.1 %d \r\n%s%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, location, output, len(a.Output), a.Output)
}
