package runner

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// programName is the stand-in program's file.
const programName = "podsim-workload"

// Program finds the stand-in program: what is given; else the file podsim-workload beside podsim itself; else
// it builds it, where the working directory is in podsim's source, into the user's cache directory. The error
// of a program that cannot be had says what would be right.
func Program(ctx context.Context, explicit string) (string, error) {
	executable, err := os.Executable()
	if err != nil {
		executable = ""
	}
	working, err := os.Getwd()
	if err != nil {
		working = ""
	}
	return findProgram(ctx, explicit, executable, working)
}

func findProgram(ctx context.Context, explicit, executable, working string) (string, error) {
	if explicit != "" {
		if err := runnable(explicit); err != nil {
			return "", fmt.Errorf("the stand-in program %s: %w", explicit, err)
		}
		return filepath.Abs(explicit)
	}
	if resolved, err := filepath.EvalSymlinks(executable); err == nil {
		executable = resolved
	}
	if beside := filepath.Join(filepath.Dir(executable), programName); executable != "" && runnable(beside) == nil {
		return beside, nil
	}
	if root := moduleRoot(working); root != "" {
		return buildProgram(ctx, root)
	}
	return "", fmt.Errorf("there is no %s beside %s: put it there, name it with --workload, or start podsim in its source, where it is built",
		programName, executable)
}

// runnable says why a file cannot be run.
func runnable(name string) error {
	info, err := os.Stat(name)
	var path *fs.PathError
	switch {
	case errors.As(err, &path):
		return path.Err
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return errors.New("not a program")
	}
	return nil
}

// moduleRoot is the folder of podsim's source that a folder is in, "" for none.
func moduleRoot(dir string) string {
	for ; dir != ""; dir = filepath.Dir(dir) {
		if isModule(filepath.Join(dir, "go.mod")) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return ""
}

func isModule(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.TrimSpace(s.Text()) == "module podsim" {
			return true
		}
	}
	return false
}

// buildProgram builds the program with the Go toolchain: static and without what only a debugger reads,
// so that it runs in an image that has nothing else.
func buildProgram(ctx context.Context, root string) (string, error) {
	tool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("building %s: there is no Go toolchain on the PATH: install it, or name a built program with --workload", programName)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("building %s: %w", programName, err)
	}
	name := filepath.Join(cache, "podsim", programName)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", fmt.Errorf("building %s: %w", programName, err)
	}
	// Go writes the file only if it would be another one. A run that is under way has the old one.
	build := exec.CommandContext(ctx, tool, "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w -buildid=", "-o", name, "./cmd/"+programName)
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", programName, err, out)
	}
	return name, nil
}
