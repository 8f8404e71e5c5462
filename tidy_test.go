package podsim

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// arrows lists what each room may import of the others: "room < rooms below it". A room is a
// folder; its inner rooms count as the room itself unless they have a line of their own.
// Test files may import sideways.
const arrows = `
model             <
model/kubelet     < model
model/controllers < model
scheduler         < model
sim               < model model/kubelet model/controllers scheduler
scenarios         < model
reports           < model
extender          < model scheduler
conform           < model scheduler sim scenarios
runner            < model model/kubelet sim runner/workload runner/images
runner/workload   <
calibrate         < model runner reports
runner/images     < model
cmd               < model model/kubelet scheduler sim scenarios reports extender conform runner runner/workload runner/images calibrate
`

// pure are the rooms without a clock, goroutines, locks, random numbers or files of their own.
var pure = []string{"model", "model/kubelet", "model/controllers", "scheduler", "sim"}

// forbidden is what the pure rooms do not import.
var forbidden = []string{"sync", "sync/atomic", "math/rand", "math/rand/v2", "os", "io/ioutil", "net", "net/http", "log", "unsafe"}

// noPackages are names that say nothing.
var noPackages = []string{"util", "utils", "common", "helpers", "types", "misc"}

// source is one parsed Go file.
type source struct {
	path string
	room string
	test bool
	file *ast.File
}

func TestTidy(t *testing.T) {
	allowed := parseArrows(t)
	files := parseAll(t)
	docs := map[string]int{}
	for _, f := range files {
		dir := filepath.Dir(f.path)
		if f.file.Doc != nil && !f.test {
			docs[dir]++
		}
		assert.NotContains(t, noPackages, f.file.Name.Name, "%s: a package's name says what it is about", f.path)
		if f.test {
			continue
		}
		checkImports(t, f, allowed)
		if contains(pure, f.room) {
			checkPure(t, f)
		}
	}
	dirs := map[string]bool{}
	for _, f := range files {
		dir := filepath.Dir(f.path)
		if !f.test && !dirs[dir] {
			dirs[dir] = true
			assert.Equal(t, 1, docs[dir], "%s: a package has one comment", dir)
		}
	}
}

func parseArrows(t *testing.T) map[string][]string {
	allowed := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(arrows), "\n") {
		room, below, ok := strings.Cut(line, "<")
		require.True(t, ok, "no arrow in %q", line)
		allowed[strings.TrimSpace(room)] = strings.Fields(below)
	}
	return allowed
}

func parseAll(t *testing.T) []source {
	var files []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || isModule(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		path = filepath.ToSlash(path)
		files = append(files, source{path: path, room: roomOf(filepath.ToSlash(filepath.Dir(path))), test: strings.HasSuffix(path, "_test.go"), file: file})
		return nil
	})
	require.NoError(t, err)
	sort.Slice(files, func(i, j int) bool { return files[i].path < files[j].path })
	return files
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// roomOf is the longest line of arrows that holds the folder.
func roomOf(dir string) string {
	best := ""
	for _, line := range strings.Split(strings.TrimSpace(arrows), "\n") {
		room := strings.TrimSpace(strings.SplitN(line, "<", 2)[0])
		if (dir == room || strings.HasPrefix(dir, room+"/")) && len(room) > len(best) {
			best = room
		}
	}
	return best
}

func checkImports(t *testing.T, f source, allowed map[string][]string) {
	for _, imp := range f.file.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		inner, ours := strings.CutPrefix(path, "podsim/")
		if !ours {
			continue
		}
		room := roomOf(inner)
		if room == f.room {
			continue
		}
		assert.Contains(t, allowed[f.room], room, "%s imports %s: not an arrow of the house (see arrows in tidy_test.go)", f.path, path)
	}
}

func checkPure(t *testing.T, f source) {
	for _, imp := range f.file.Imports {
		path, _ := strconv.Unquote(imp.Path.Value)
		assert.NotContains(t, forbidden, path, "%s: %s has no place in %s", f.path, path, f.room)
	}
	ast.Inspect(f.file, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.GoStmt:
			assert.Fail(t, "go statement", "%s: %s starts no goroutine", f.path, f.room)
		case *ast.SelectorExpr:
			if id, ok := x.X.(*ast.Ident); ok && id.Name == "time" && contains([]string{"Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"}, x.Sel.Name) {
				assert.Fail(t, "wall clock", "%s: %s has no clock: time.%s", f.path, f.room, x.Sel.Name)
			}
		}
		return true
	})
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
