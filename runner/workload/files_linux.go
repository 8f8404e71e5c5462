package workload

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// writeFiles has on the volumes and in the writable layer what the points say.
func (p *process) writeFiles() {
	points := slices.Clone(p.Files)
	slices.SortStableFunc(points, func(a, b FilePoint) int { return int(a.At - b.At) })
	for i := range points {
		time.Sleep(time.Until(p.start.Add(points[i].At)))
		complain(points[i].write())
	}
}

// write makes the file as long as the point says, and as many empty files beside it as are missing.
func (f *FilePoint) write() error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := extend(file, f.Use); err != nil {
		return err
	}
	return setEmptyFiles(f.Path+".d", f.Inodes)
}

// extend gives a file its size, with blocks of its own for the first MostBytes.
func extend(file *os.File, size int64) error {
	if err := file.Truncate(size); err != nil || size == 0 {
		return err
	}
	err := syscall.Fallocate(int(file.Fd()), 0, 0, min(size, MostBytes))
	if err != syscall.EOPNOTSUPP && err != syscall.ENOSYS {
		return err
	}
	_, err = file.WriteAt(bytes.Repeat([]byte{'.'}, int(min(size, MostBytes))), 0)
	return err
}

// setEmptyFiles sees to it that a folder, the files in it and the file beside it are so many.
func setEmptyFiles(folder string, inodes int64) error {
	if inodes <= 1 {
		return os.RemoveAll(folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	have, want := int64(len(there)), min(inodes, MostInodes)-2
	for ; have < want; have++ {
		f, err := os.Create(filepath.Join(folder, strconv.FormatInt(have, 10)))
		if err != nil {
			return err
		}
		f.Close()
	}
	for ; have > want; have-- {
		if err := os.Remove(filepath.Join(folder, strconv.FormatInt(have-1, 10))); err != nil {
			return err
		}
	}
	return nil
}

// logLine is what a line of the log takes on the node, and logHead how much of it the runtime writes:
// the time, the stream and a tag (CRI's log format).
const (
	logLine = 1024
	logHead = len("2006-01-02T15:04:05.123456789Z stdout F ")
)

// writeLogs makes the log as long as the points say, MostBytes at most. It never gets shorter.
func (p *process) writeLogs() {
	line := append(bytes.Repeat([]byte{'.'}, logLine-logHead-1), '\n')
	written := int64(0)
	for i := range p.Logs {
		time.Sleep(time.Until(p.start.Add(p.Logs[i].At)))
		for ; written+logLine <= min(p.Logs[i].Use, MostBytes); written += logLine {
			if _, err := os.Stdout.Write(line); err != nil {
				complain(err)
				return
			}
		}
		io.WriteString(os.Stdout, p.Log)
	}
}
