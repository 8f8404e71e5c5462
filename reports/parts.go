package reports

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
)

// partRows is the number of rows of a part: what a killed run may lose, and what is kept in
// memory while it is written.
const partRows = 200_000

// table writes the rows of one Parquet file in parts. Each part is a complete file under its
// name; a part that is being written has another name. Close makes one file of them.
type table[T any] struct {
	dir, name string
	parts     int
	rows      int
	file      *os.File
	writer    *parquet.GenericWriter[T]
}

func newTable[T any](dir, name string) *table[T] { return &table[T]{dir: dir, name: name} }

func (t *table[T]) path(name string) string { return filepath.Join(t.dir, name) }

func (t *table[T]) partName(i int) string { return fmt.Sprintf("%s-%05d.parquet", t.name, i) }

// write adds rows, and ends the part when it is full.
func (t *table[T]) write(rows []T) error {
	if t.writer == nil {
		file, err := os.Create(t.path(t.partName(t.parts) + ".tmp"))
		if err != nil {
			return err
		}
		t.file = file
		if t.writer == nil {
			t.writer = newParquet[T](file)
		}
	}
	if _, err := t.writer.Write(rows); err != nil {
		return err
	}
	t.rows += len(rows)
	if t.rows >= partRows {
		return t.flush()
	}
	return nil
}

func newParquet[T any](w io.Writer) *parquet.GenericWriter[T] {
	return parquet.NewGenericWriter[T](w, parquet.Compression(&parquet.Snappy), parquet.CreatedBy("podsim", "1", ""))
}

// flush completes the part that is being written.
func (t *table[T]) flush() error {
	if t.writer == nil {
		return nil
	}
	if err := t.writer.Close(); err != nil {
		return err
	}
	if err := t.file.Close(); err != nil {
		return err
	}
	name := t.path(t.partName(t.parts))
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	t.parts++
	t.rows, t.writer, t.file = 0, nil, nil
	return nil
}

// close makes one file of the parts.
func (t *table[T]) close() error {
	if t.writer == nil && t.parts == 0 {
		if err := t.write(nil); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	final := t.path(t.name + ".parquet")
	if t.parts == 1 {
		return os.Rename(t.path(t.partName(0)), final)
	}
	var parts []string
	for i := range t.parts {
		parts = append(parts, t.path(t.partName(i)))
	}
	if err := concatenate(parts, final); err != nil {
		return err
	}
	var errs []error
	for _, p := range parts {
		errs = append(errs, os.Remove(p))
	}
	return errors.Join(errs...)
}

// magic begins and ends every Parquet file.
const magic = "PAR1"

// concatenate makes one Parquet file of several with the same schema. The row groups are
// copied as they are and only their places in the footer change; the page indexes, which
// hold places too, are left out.
func concatenate(parts []string, final string) (err error) {
	out, err := os.Create(final + ".tmp")
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.WriteString(out, magic); err != nil {
		return err
	}
	at := int64(len(magic))
	merged := struct{ *parquet.File }{}
	for _, part := range parts {
		file, in, err := openParquet(part)
		if err != nil {
			return err
		}
		n, err := copyGroups(out, in, file, at)
		in.Close()
		if err != nil {
			return err
		}
		if merged.File == nil {
			merged.File = file
		} else {
			m, more := merged.File.Metadata(), file.Metadata()
			m.NumRows += more.NumRows
			m.RowGroups = append(m.RowGroups, more.RowGroups...)
		}
		at += n
	}
	m := merged.File.Metadata()
	for i := range m.RowGroups {
		m.RowGroups[i].Ordinal = int16(i)
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), m)
	if err != nil {
		return err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	footer = append(footer, magic...)
	if _, err := out.Write(footer); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(final+".tmp", final)
}

func openParquet(path string) (*parquet.File, *os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	info, err := in.Stat()
	if err != nil {
		in.Close()
		return nil, nil, err
	}
	file, err := parquet.OpenFile(in, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		in.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, in, nil
}

// copyGroups copies a part's row groups to out, where they begin at the place at, and moves
// the places in the part's footer. It gives the number of bytes copied.
func copyGroups(out io.Writer, in *os.File, file *parquet.File, at int64) (int64, error) {
	first := int64(len(magic))
	end := first
	m := file.Metadata()
	for i := range m.RowGroups {
		g := &m.RowGroups[i]
		for j := range g.Columns {
			c := &g.Columns[j]
			start := c.MetaData.DataPageOffset
			if d := c.MetaData.DictionaryPageOffset; d > 0 && d < start {
				start = d
			}
			end = max(end, start+c.MetaData.TotalCompressedSize)
			c.MetaData.DataPageOffset += at - first
			if c.MetaData.DictionaryPageOffset > 0 {
				c.MetaData.DictionaryPageOffset += at - first
			}
			c.FileOffset += at - first
			c.ColumnIndexOffset, c.ColumnIndexLength, c.OffsetIndexOffset, c.OffsetIndexLength = 0, 0, 0, 0
		}
		g.FileOffset += at - first
	}
	return io.Copy(out, io.NewSectionReader(in, first, end-first))
}

// tableFiles are the files of a table in a record: the one file, or the parts of a run that
// was killed or is still under way.
func tableFiles(dir, name string) ([]string, error) {
	final := filepath.Join(dir, name+".parquet")
	if _, err := os.Stat(final); err == nil {
		return []string{final}, nil
	}
	parts, err := filepath.Glob(filepath.Join(dir, name+"-*.parquet"))
	sort.Strings(parts)
	return parts, err
}

// readTable hands the rows of a table to f, in order, until f says false.
func readTable[T any](dir, name string, f func(*T) bool) error {
	files, err := tableFiles(dir, name)
	if err != nil {
		return err
	}
	for _, path := range files {
		more, err := readFile(path, f)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func readFile[T any](path string, f func(*T) bool) (more bool, err error) {
	file, in, err := openParquet(path)
	if err != nil {
		return false, err
	}
	defer in.Close()
	r := parquet.NewGenericReader[T](file)
	defer r.Close()
	for {
		rows := make([]T, 1024)
		n, err := r.Read(rows)
		for i := range rows[:n] {
			if !f(&rows[i]) {
				return false, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
	}
}
