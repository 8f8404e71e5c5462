package workload

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
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

// serve listens whenever somebody should, for ever.
func (p *process) serve(s *Server) {
	time.Sleep(time.Until(p.start.Add(s.From)))
	var l net.Listener
	for {
		since := time.Since(p.start)
		a := AnswerAt(s.Answers, since)
		next, more := s.change(since)
		wait := next - since
		switch open := s.listens(&a); {
		case open && l == nil:
			var err error
			if l, err = net.Listen("tcp", s.Address); err != nil {
				l, more = nil, true
				wait = bindAgain
				break
			}
			go p.accept(s, l)
		case !open && l != nil:
			l.Close()
			l = nil
		}
		if !more {
			return
		}
		time.Sleep(wait)
	}
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
	return fmt.Sprintf("HTTP/1.1 %d \r\n%s%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s",
		status, location, output, strconv.Itoa(len(a.Output)), a.Output)
}
