package main

import (
	"flag"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "draw docs/terminal.svg anew")

// TestTerminalPicture draws what a terminal shows, from the real command lines, and compares
// it with the picture in the README.
func TestTerminalPicture(t *testing.T) {
	dir := t.TempDir()
	shop := library(t, "shop/shop.yaml")
	lines := []string{"$ podsim run scenarios/library/shop/shop.yaml"}
	r := podsim(t, dir, nil, "run", shop)
	require.Equal(t, 0, r.code, r.errors)
	speed := regexp.MustCompile(`(?m)^speed: .*\n`)
	lines = append(lines, output(speed.ReplaceAllString(r.out, ""), 6)...)
	for _, args := range [][]string{{"get", "pods", "--at", "14s"}, {"get", "events", "--at", "14s", "--field-selector", "type=Warning"}} {
		lines = append(lines, "", "$ podsim "+strings.Join(args, " "))
		r := podsim(t, dir, nil, args...)
		require.Equal(t, 0, r.code, r.errors)
		lines = append(lines, output(r.out, 20)...)
	}
	picture := draw(lines)
	path := filepath.Join("..", "..", "docs", "terminal.svg")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(picture), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), picture, "`go test ./cmd/podsim -update` draws it anew")
}

// output is the first lines of what a command printed.
func output(text string, most int) []string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) > most {
		lines = append(lines[:most], "...")
	}
	return lines
}

// draw lays lines out in a picture of a terminal.
func draw(lines []string) string {
	const width, lineHeight, left, top, columns = 1000, 18, 20, 50, 118
	height := top + len(lines)*lineHeight + 16
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#1b1f27"/>`+"\n", width, height)
	for i, color := range []string{"#ec6a5e", "#f4bf4f", "#61c554"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="20" r="6" fill="%s"/>`+"\n", 22+20*i, color)
	}
	b.WriteString(`<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="13" xml:space="preserve">` + "\n")
	for i, line := range lines {
		if len(line) > columns {
			line = line[:columns-3] + "..."
		}
		color := "#d5dae3"
		switch {
		case strings.HasPrefix(line, "$ "):
			color = "#8fd19e"
		case strings.HasPrefix(line, "NAME ") || strings.HasPrefix(line, "LAST SEEN"):
			color = "#8aa4c8"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s</text>`+"\n", left, top+i*lineHeight, color, html.EscapeString(line))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}
