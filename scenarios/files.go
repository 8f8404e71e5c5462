package scenarios

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files is where a scenario finds the files that it names. OS is the one of the disk; the
// fuzz targets bring one in memory.
type Files interface {
	// ReadFile gives the content of a file, or an error that says why not, such as
	// fs.ErrNotExist. It may stop after 64 MiB and a byte: more is refused anyway.
	ReadFile(name string) ([]byte, error)
	// ReadDir gives the names in a folder in order, or an error when it is not one.
	ReadDir(name string) ([]string, error)
}

// OS reads from the disk.
type OS struct{}

// ReadFile reads at most a byte more than a file may hold.
func (OS) ReadFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFileBytes+1))
}

// ReadDir lists a folder.
func (OS) ReadDir(name string) ([]string, error) {
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// fileError says why a file cannot be read, without the system call.
func fileError(name string, err error) error {
	return fmt.Errorf("%s: %s", oneLine(name), reason(err))
}

func reason(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// manifestFiles is the files that a path in a scenario stands for: itself, or for a folder
// the manifests in it in order of their names.
func manifestFiles(files Files, name string) ([]string, error) {
	names, err := files.ReadDir(name)
	if err != nil {
		return []string{name}, nil
	}
	var manifests []string
	for _, n := range names {
		switch filepath.Ext(n) {
		case ".yaml", ".yml", ".json":
			manifests = append(manifests, filepath.Join(name, n))
		}
	}
	if len(manifests) == 0 {
		return nil, fmt.Errorf("there is no *.yaml, *.yml or *.json in the folder %s", name)
	}
	return manifests, nil
}

// missingFile says that a file that a scenario names cannot be read, with the nearest name
// in its folder.
func missingFile(files Files, name string, err error) string {
	hint := ""
	if errors.Is(err, fs.ErrNotExist) {
		if names, err := files.ReadDir(filepath.Dir(name)); err == nil {
			hint = didYouMean(filepath.Base(name), names)
		}
	}
	return fmt.Sprintf("%s: %s%s", strings.TrimSpace(name), reason(err), hint)
}
