package calibrate

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// WriteTable writes what was found as a table for people.
func (r *Result) WriteTable(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s\n\n", counted(len(r.Runs), "run"), r.Machines())
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "OPERATION\tLATENCY\tN\tERRORS\tMEASURED 50/95/99 %\tALONE 50/95/99 %\tFITTED 50/95/99 %\tFLOOR\tKS\tP")
	for i := range r.Operations {
		o := &r.Operations[i]
		if o.N == 0 {
			fmt.Fprintf(t, "%s\t%s\t0\t%d\n", o.Name, orDash(o.Latency), o.Errors)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%v\t%v\t%v\t%s\t%.3f\t%.2g\n", o.Name, orDash(o.Latency), o.N, o.Errors, o.Measured, o.Alone, o.Fitted, ms(o.Shift), o.Distance, o.P)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if p := r.Pulls; p != nil {
		fmt.Fprintf(w, "pulls: %s and %s for each MiB, median error %s (%s)\n", ms(p.Fixed), ms(p.PerMiB), ms(p.Error), counted(p.N, "pull"))
	}
	c := &r.Concurrency
	switch {
	case c.Most < 2:
		fmt.Fprintln(w, "concurrency: never were two operations under way, so nothing is known of it")
	case c.PerCPU == 0:
		fmt.Fprintf(w, "concurrency: up to %d operations were under way with %s, and did not slow each other down\n", c.Most, counted(c.CPUs, "CPU"))
	default:
		fmt.Fprintf(w, "concurrency: %.3g operations have full speed for each CPU, likely %.3g to %.3g (%s, up to %d operations under way)\n",
			c.PerCPU, c.Low, c.High, counted(c.CPUs, "CPU"), c.Most)
	}
	_, err := fmt.Fprintf(w, "MEASURED is with what was under way beside, ALONE without it, which is what is fitted. P is from %d samples of the fitted distribution, seed %d; small is a bad fit.\n",
		bootstraps, r.Seed)
	return err
}

// String is the quantiles in milliseconds.
func (q Quantiles) String() string {
	return fmt.Sprintf("%s / %s / %s", ms(q[0]), ms(q[1]), ms(q[2]))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// Rows are the operations as rows of numbers, with the names of the columns in the first.
func (r *Result) Rows() [][]string {
	rows := [][]string{{"operation", "latency", "n", "errors", "measured_p50_ns", "measured_p95_ns", "measured_p99_ns", "alone_p50_ns", "alone_p95_ns", "alone_p99_ns",
		"fitted_p50_ns", "fitted_p95_ns", "fitted_p99_ns", "shift_ns", "mu", "sigma", "ks_distance", "p"}}
	number := func(x float64) string { return strconv.FormatFloat(x, 'g', 9, 64) }
	for i := range r.Operations {
		o := &r.Operations[i]
		row := []string{o.Name, o.Latency, strconv.Itoa(o.N), strconv.Itoa(o.Errors)}
		for _, q := range []Quantiles{o.Measured, o.Alone, o.Fitted} {
			row = append(row, number(q[0]), number(q[1]), number(q[2]))
		}
		rows = append(rows, append(row, number(o.Shift), number(o.Mu), number(o.Sigma), number(o.Distance), number(o.P)))
	}
	return rows
}
