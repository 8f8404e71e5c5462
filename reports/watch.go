package reports

import (
	"bufio"
	"fmt"
	"io"
	"slices"

	"podsim/model"
)

// Watch prints every change in order up to o.At, as `kubectl get --watch` does, with the
// moment of the change in a first column TIME. The record is read twice: once for the widths
// of the columns, which a real watch can only guess.
func (r *Record) Watch(w io.Writer, o GetOptions) error {
	if len(o.Kinds) != 1 || o.Kinds[0] == "Event" {
		return fmt.Errorf("--watch shows one kind at a time, and not Events: name one of pods, nodes, deployments, replicasets, services")
	}
	if o.Output != "" && o.Output != "wide" {
		return fmt.Errorf("--watch shows tables only: -o wide or no -o, not -o %s", o.Output)
	}
	if err := o.check(); err != nil {
		return err
	}
	head := append([]string{"TIME"}, header(o.Kinds[0], &o)...)
	var columns widths
	columns.fit(head)
	rows := 0
	err := r.changes(&o, func(cells []string) {
		columns.fit(cells)
		rows++
	})
	if err != nil {
		return err
	}
	if rows == 0 {
		_, err := fmt.Fprintln(w, nothing(&o))
		return err
	}
	out := bufio.NewWriter(w)
	columns.row(out, head)
	if err := r.changes(&o, func(cells []string) { columns.row(out, cells) }); err != nil {
		return err
	}
	return out.Flush()
}

// changes gives the cells of each change of the objects that o asks for, the moment first.
func (r *Record) changes(o *GetOptions, each func(cells []string)) error {
	s, f := r.snapshot(0), newFold()
	return readTable(r.dir, "transitions", func(row *transitionRow) bool {
		if row.Time > int64(o.At) {
			return false
		}
		if !slices.Contains(o.Kinds, row.Kind) {
			return true
		}
		x := f.take(row)
		s.now = model.Time(row.Time)
		if s.selected(x, o) {
			each(append([]string{s.now.String()}, s.cells(item{x.Kind, x.Name, x, nil}, o)...))
		}
		return true
	})
}
