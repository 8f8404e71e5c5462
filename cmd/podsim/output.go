package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"
)

// outputs are the forms of what a command prints, beside the usual one for people.
var outputs = []string{"json", "yaml", "csv"}

// addOutput adds the flag that names one of the forms.
func addOutput(f *pflag.FlagSet, output *string, forms []string) {
	f.StringVarP(output, "output", "o", "", "the form: "+strings.Join(forms, ", "))
}

// checkOutput says whether a form is known; "" is the usual one.
func checkOutput(output string, forms []string) error {
	if output == "" || slices.Contains(forms, output) {
		return nil
	}
	return fmt.Errorf("--output %q is not known; there are %s", output, strings.Join(forms, ", "))
}

// writeOutput writes a value as one of the outputs. rows are those for csv, with the names of the columns in the first.
func writeOutput(w io.Writer, output string, value any, rows [][]string) error {
	switch output {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(value)
	case "yaml":
		data, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	default:
		return csv.NewWriter(w).WriteAll(rows)
	}
}

// reason is why a file cannot be read or written, without the system call and its name.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
