package runner

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestErrorsAreInTheManual: docs/real-node.md has each line that says why no scenario can be played, so that who meets
// it finds what to do.
func TestErrorsAreInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/real-node.md")
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "preflight.go", nil, 0)
	require.NoError(t, err)
	verb := regexp.MustCompile(`%[a-z]`)
	found := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if !strings.HasPrefix(v.Names[0].Name, "err") {
				continue
			}
			text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			pattern := verb.ReplaceAllString(regexp.QuoteMeta(text), `[^|]+`)
			assert.Regexp(t, `(?m)^\| `+pattern+` \|`, string(manual), v.Names[0].Name)
			found++
		}
	}
	assert.Greater(t, found, 10)
}
