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
	parquetformat "github.com/parquet-go/parquet-go/format"
)

// partRows is the number of rows, of both tables together, after which a part of each is
// complete: what a killed run may lose, and what is kept in memory.
var partRows = 200_000

// tables are the two tables of a record. Their parts end together, so that a killed run's
// Events and changes end at one moment.
type tables struct {
	transitions *table[transitionRow]
	events      *table[eventRow]
	rows        int
}

// write adds rows, and ends the parts when they are full.
func (t *tables) write(rows []transitionRow, events []eventRow) error {
	if err := errors.Join(t.transitions.write(rows), t.events.write(events)); err != nil {
		return err
	}
	if t.rows += len(rows) + len(events); t.rows < partRows {
		return nil
	}
	t.rows = 0
	return errors.Join(t.transitions.flush(), t.events.flush())
}

// close makes one file of each table.
func (t *tables) close() error { return errors.Join(t.transitions.close(), t.events.close()) }

// table writes the rows of one Parquet file in parts. Each part is a complete file under its
// name; a part that is being written has another name. Close makes one file of them.
type table[T any] struct {
	dir, name string
	parts     int
	file      *os.File
	writer    *parquet.GenericWriter[T]
}

func newTable[T any](dir, name string) *table[T] { return &table[T]{dir: dir, name: name} }

func (t *table[T]) path(name string) string { return filepath.Join(t.dir, name) }

func (t *table[T]) partName(i int) string { return fmt.Sprintf("%s-%05d.parquet", t.name, i) }

// write adds rows to the part.
func (t *table[T]) write(rows []T) error {
	if t.file == nil {
		file, err := os.Create(t.path(t.partName(t.parts) + ".tmp"))
		if err != nil {
			return err
		}
		// A writer is not used again: Reset wipes the paths of its columns (parquet-go v0.32.0).
		t.file, t.writer = file, newParquet[T](file)
	}
	_, err := t.writer.Write(rows)
	return err
}

// pageBytes is the size of a page before it is compressed: small pages need little memory, in
// some eighty columns at once.
const pageBytes = 64 << 10

// newParquet leaves the bounds of text columns out: they cost a quarter of the time and help
// no reader.
func newParquet[T any](w io.Writer) *parquet.GenericWriter[T] {
	schema := parquet.SchemaOf(new(T))
	options := []parquet.WriterOption{schema, parquet.Compression(&parquet.Snappy), parquet.CreatedBy("podsim", "1", ""),
		parquet.PageBufferSize(pageBytes), parquet.DataPageStatistics(false)}
	for _, path := range schema.Columns() {
		if leaf, ok := schema.Lookup(path...); ok && leaf.Node.Type().Kind() == parquet.ByteArray {
			options = append(options, parquet.SkipPageBounds(path...))
		}
	}
	return parquet.NewGenericWriter[T](w, options...)
}

// flush completes the part that is being written.
func (t *table[T]) flush() error {
	if t.file == nil {
		return nil
	}
	if err := errors.Join(t.writer.Close(), t.file.Close()); err != nil {
		return err
	}
	name := t.path(t.partName(t.parts))
	if err := os.Rename(name+".tmp", name); err != nil {
		return err
	}
	t.parts++
	t.file, t.writer = nil, nil
	return nil
}

// close makes one file of the parts.
func (t *table[T]) close() error {
	if t.file == nil && t.parts == 0 {
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
func concatenate(parts []string, final string) error {
	out, err := os.Create(final + ".tmp")
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.WriteString(out, magic); err != nil {
		return err
	}
	at := int64(len(magic))
	var footer *parquetformat.FileMetaData
	for _, part := range parts {
		m, n, err := copyPart(out, part, at)
		if err != nil {
			return err
		}
		at += n
		if footer == nil {
			footer = m
			continue
		}
		footer.NumRows += m.NumRows
		footer.RowGroups = append(footer.RowGroups, m.RowGroups...)
	}
	if err := writeFooter(out, footer); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(final+".tmp", final)
}

// writeFooter ends a Parquet file.
func writeFooter(out io.Writer, m *parquetformat.FileMetaData) error {
	for i := range m.RowGroups {
		m.RowGroups[i].Ordinal = int16(i)
	}
	footer, err := thrift.Marshal(new(thrift.CompactProtocol), m)
	if err != nil {
		return err
	}
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	_, err = out.Write(append(footer, magic...))
	return err
}

// copyPart copies a part's row groups to out, where they begin at the place at. It gives the
// part's footer with the new places, and the number of bytes copied.
func copyPart(out io.Writer, part string, at int64) (*parquetformat.FileMetaData, int64, error) {
	file, in, err := openParquet(part)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	first := int64(len(magic))
	end := first
	m := file.Metadata()
	for i := range m.RowGroups {
		g := &m.RowGroups[i]
		for j := range g.Columns {
			end = max(end, moveColumn(&g.Columns[j], at-first))
		}
		g.FileOffset += at - first
	}
	n, err := io.Copy(out, io.NewSectionReader(in, first, end-first))
	return m, n, err
}

// moveColumn moves a column's place by that many bytes. It gives the place where the column
// ended before.
func moveColumn(c *parquetformat.ColumnChunk, by int64) (end int64) {
	start := c.MetaData.DataPageOffset
	if d := c.MetaData.DictionaryPageOffset; d > 0 {
		start = min(start, d)
		c.MetaData.DictionaryPageOffset += by
	}
	c.MetaData.DataPageOffset += by
	c.FileOffset += by
	c.ColumnIndexOffset, c.ColumnIndexLength, c.OffsetIndexOffset, c.OffsetIndexLength = 0, 0, 0, 0
	return start + c.MetaData.TotalCompressedSize
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

// readTable hands the rows of a table to f, in order, until f says false. A row is good until
// f returns; its strings stay.
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
	rows := make([]T, 1024)
	for {
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
