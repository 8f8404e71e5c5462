package reports

import (
	"fmt"
	"io"
	"strings"

	"podsim/model"
)

// Watch prints every change in order up to o.At, as `kubectl get --watch` does, with the
// moment of the change in a first column TIME. Only pods, nodes, Deployments, ReplicaSets and
// Services are watched; one kind at a time.
func (r *Record) Watch(w io.Writer, o GetOptions) error {
	if len(o.Kinds) != 1 || o.Kinds[0] == "Event" {
		return fmt.Errorf("--watch shows one kind at a time, and not Events: name one of pods, nodes, deployments, replicasets, services")
	}
	s := &Snapshot{clock: clock{start: r.Info.Start, seed: r.Info.Seed}}
	widths := newColumns(w)
	header := append([]string{"TIME"}, s.table(o.Kinds[0], nil, &o)[0]...)
	widths.print(header)
	index := map[identity]*object{}
	return readTable(r.dir, "transitions", func(row *transitionRow) bool {
		if row.Time > int64(o.At) {
			return false
		}
		if row.Kind != o.Kinds[0] {
			return true
		}
		s.now = model.Time(row.Time)
		gone := index[identity{row.Kind, row.Serial}]
		fold(index, row)
		x := index[identity{row.Kind, row.Serial}]
		if x == nil {
			if gone == nil {
				return true
			}
			x = &object{transitionRow: row, spec: gone.spec}
		}
		s.objects = []*object{x}
		chosen, err := s.choose(&GetOptions{Kinds: o.Kinds, Namespace: o.Namespace, AllNamespaces: o.AllNamespaces, Labels: o.Labels, Fields: o.Fields})
		if err != nil || len(chosen) == 0 || len(o.Names) > 0 && !contains(o.Names, x.Name) {
			return true
		}
		widths.print(append([]string{s.now.String()}, s.cells(x, &o, false)...))
		return true
	})
}

// flowing prints rows whose columns grow with what was printed before: a watch cannot know
// its widest row.
type flowing struct {
	w      io.Writer
	widths []int
}

func newColumns(w io.Writer) *flowing { return &flowing{w: w} }

func (f *flowing) print(cells []string) {
	var b strings.Builder
	for i, c := range cells {
		if i == len(f.widths) {
			f.widths = append(f.widths, 6)
		}
		f.widths[i] = max(f.widths[i], len(c))
		if i == len(cells)-1 {
			b.WriteString(c)
			break
		}
		fmt.Fprintf(&b, "%-*s   ", f.widths[i], c)
	}
	fmt.Fprintln(f.w, strings.TrimRight(b.String(), " "))
}
