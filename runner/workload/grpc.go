package workload

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// The frames of HTTP/2 that a health check needs (RFC 9113, sections 4.1 and 6), and their flags.
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameSettings = 0x4
	framePing     = 0x6
	frameGoAway   = 0x7

	flagAck        = 0x1
	flagEndStream  = 0x1
	flagEndHeaders = 0x4
)

// preface is what a client of HTTP/2 says first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The answers of a Health server (grpc.health.v1 HealthCheckResponse.ServingStatus).
const (
	serving    = 1
	notServing = 2
)

// frame is a frame without its payload.
type frame struct {
	length      int
	kind, flags byte
	stream      uint32
}

// answerGRPC is a server of gRPC with one method, Check of grpc.health.v1.Health: whatever a stream asks, the
// answer is that of the probe. So no header of a request needs to be read.
func (p *process) answerGRPC(s *Server, c net.Conn) {
	hello := make([]byte, len(preface))
	c.SetReadDeadline(time.Now().Add(idle))
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != preface {
		return
	}
	if writeFrame(c, frameSettings, 0, 0, nil) != nil {
		return
	}
	for {
		c.SetReadDeadline(time.Now().Add(idle))
		f, payload, err := readFrame(c)
		if err != nil || f.kind == frameGoAway {
			return
		}
		switch {
		case f.kind == frameSettings && f.flags&flagAck == 0:
			err = writeFrame(c, frameSettings, flagAck, 0, nil)
		case f.kind == framePing && f.flags&flagAck == 0:
			err = writeFrame(c, framePing, flagAck, 0, payload)
		case (f.kind == frameData || f.kind == frameHeaders) && f.flags&flagEndStream != 0:
			a := answer(s.Answers, p.start)
			if a.Refused {
				return
			}
			err = writeHealth(c, f.stream, &a)
		}
		if err != nil {
			return
		}
	}
}

// readFrame reads a frame. A payload beyond the size that every client keeps to is an error.
func readFrame(r io.Reader) (f frame, payload []byte, err error) {
	const largestFrame = 1 << 14
	var head [9]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return f, nil, err
	}
	f = frame{length: int(head[0])<<16 | int(head[1])<<8 | int(head[2]), kind: head[3], flags: head[4],
		stream: binary.BigEndian.Uint32(head[5:]) &^ (1 << 31)}
	if f.length > largestFrame {
		return f, nil, io.ErrShortBuffer
	}
	payload = make([]byte, f.length)
	_, err = io.ReadFull(r, payload)
	return f, payload, err
}

func writeFrame(w io.Writer, kind, flags byte, stream uint32, payload []byte) error {
	out := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	out = binary.BigEndian.AppendUint32(out, stream)
	_, err := w.Write(append(out, payload...))
	return err
}

// writeHealth answers a call: headers, one message and trailers.
func writeHealth(w io.Writer, stream uint32, a *Answer) error {
	status := byte(serving)
	if !a.OK {
		status = notServing
	}
	// The static table of HPACK has ":status: 200" as number 8 (RFC 7541, appendix A).
	headers := append([]byte{0x80 | 8}, header("content-type", "application/grpc")...)
	if a.Output != "" {
		headers = append(headers, header(OutputField, base64.StdEncoding.EncodeToString([]byte(a.Output)))...)
	}
	// A message has a flag, its length and its fields: field 1, a varint.
	message := []byte{0, 0, 0, 0, 2, 1 << 3, status}
	if err := writeFrame(w, frameHeaders, flagEndHeaders, stream, headers); err != nil {
		return err
	}
	if err := writeFrame(w, frameData, 0, stream, message); err != nil {
		return err
	}
	return writeFrame(w, frameHeaders, flagEndHeaders|flagEndStream, stream, header("grpc-status", "0"))
}

// header is a header field as HPACK writes it when it names no table (RFC 7541, 6.2.2): no value is
// compressed.
func header(name, value string) []byte {
	out := []byte{0}
	out = appendString(out, name)
	return appendString(out, value)
}

// appendString appends a string: its length with a prefix of 7 bits (RFC 7541, 5.1), and its bytes.
func appendString(out []byte, s string) []byte {
	const prefix = 0x7f
	if len(s) < prefix {
		out = append(out, byte(len(s)))
	} else {
		out = binary.AppendUvarint(append(out, prefix), uint64(len(s)-prefix))
	}
	return append(out, s...)
}
