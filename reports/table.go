package reports

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// The layout of kubectl's tables (k8s.io/cli-runtime/pkg/printers/tabwriter.go): a column is
// at least cellMin wide, with cellGap between its widest cell and the next column.
const (
	cellMin = 6
	cellGap = 3
)

// widths are the widths of a table's columns.
type widths []int

// fit widens the columns for a row.
func (w *widths) fit(cells []string) {
	for i, c := range cells {
		if i == len(*w) {
			*w = append(*w, cellMin)
		}
		(*w)[i] = max((*w)[i], utf8.RuneCountInString(c)+cellGap)
	}
}

// row writes a row. The last cell is as wide as it is.
func (w widths) row(out *bufio.Writer, cells []string) {
	for i, c := range cells {
		out.WriteString(c)
		if i < len(cells)-1 {
			for range w[i] - utf8.RuneCountInString(c) {
				out.WriteByte(' ')
			}
		}
	}
	out.WriteByte('\n')
}

// writeTable writes rows in columns.
func writeTable(w io.Writer, rows [][]string) error {
	var columns widths
	for _, r := range rows {
		columns.fit(r)
	}
	out := bufio.NewWriter(w)
	for _, r := range rows {
		columns.row(out, r)
	}
	return out.Flush()
}

// oneLine is a cell's text up to the end of its first line
// (k8s.io/cli-runtime/pkg/printers/tableprinter.go).
func oneLine(s string) string {
	if i := strings.IndexAny(s, "\f\n\r"); i >= 0 {
		return s[:i] + "..."
	}
	return s
}
