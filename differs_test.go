package podsim

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the parts of ARCHITECTURE.md that are collected from the code")

// TestDiffers: ARCHITECTURE.md lists every comment that says where podsim differs from
// Kubernetes.
func TestDiffers(t *testing.T) {
	const begin, end = "<!-- differs -->\n", "<!-- /differs -->"
	data, err := os.ReadFile("ARCHITECTURE.md")
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(data), begin)
	require.True(t, ok)
	_, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	text := head + begin + differences(t) + end + tail
	if *update {
		require.NoError(t, os.WriteFile("ARCHITECTURE.md", []byte(text), 0o644))
		return
	}
	require.Equal(t, text, string(data), "`go test . -update` takes the comments over")
}

// differences are the paragraphs of comments that begin with "Differs from Kubernetes:".
func differences(t *testing.T) string {
	const mark = "Differs from Kubernetes: "
	var out strings.Builder
	for _, f := range parseAll(t) {
		if f.test {
			continue
		}
		for _, group := range f.file.Comments {
			_, text, ok := strings.Cut(group.Text(), mark)
			for ok {
				paragraph, rest, _ := strings.Cut(text, "\n\n")
				next := ""
				if i := strings.Index(paragraph, mark); i >= 0 {
					paragraph, next = paragraph[:i], paragraph[i:]
				}
				fmt.Fprintf(&out, "- `%s`: %s\n", f.path, strings.Join(strings.Fields(paragraph), " "))
				_, text, ok = strings.Cut(next+"\n\n"+rest, mark)
			}
		}
	}
	return out.String()
}
