package conform

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// readFile reads a file, which ends in .gz when it is compressed. An error of read begins with the number
// of the line, and gets the file's name.
func readFile[T any](path string, read func(io.Reader) (T, error)) (T, error) {
	var none T
	f, err := os.Open(path)
	if err != nil {
		return none, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return none, fmt.Errorf("%s:1: %w", path, err)
		}
	}
	x, err := read(r)
	if err != nil {
		return none, fmt.Errorf("%s:%w", path, err)
	}
	return x, nil
}

// caseName is a file's name without its endings.
func caseName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".gz")
	return strings.TrimSuffix(base, filepath.Ext(base))
}
