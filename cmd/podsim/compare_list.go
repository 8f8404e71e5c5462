package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// listed is a scenario of a list: its file, and the moment at which it ends, 0 for that of the scenario.
type listed struct {
	path  string
	until time.Duration
}

// readList reads which scenarios are to be played: a line for each, with the file, beside the list, and "until" and
// a moment, or "not:" and why it is left out.
func readList(file string) (list []listed, left []string, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("--list %s: %s: want a file with a scenario on each line", file, reason(err))
	}
	for i, line := range strings.Split(string(data), "\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if name == "" || strings.HasPrefix(name, "#") {
			continue
		}
		one := listed{path: filepath.Join(filepath.Dir(file), name)}
		until, ends := strings.CutPrefix(rest, "until ")
		switch {
		case strings.HasPrefix(rest, "not: "):
			left = append(left, one.path)
			continue
		case ends:
			if one.until, err = time.ParseDuration(until); err != nil || one.until <= 0 {
				return nil, nil, fmt.Errorf("%s:%d: %q is no moment, want one such as 2m", file, i+1, until)
			}
		case rest != "":
			return nil, nil, fmt.Errorf("%s:%d: %q after the file, want \"until 2m\", \"not: why\" or nothing", file, i+1, rest)
		}
		if _, err := os.Stat(one.path); err != nil {
			return nil, nil, fmt.Errorf("%s:%d: %s: %s", file, i+1, one.path, reason(err))
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("%s:1: there is no scenario in this list", file)
	}
	return list, left, nil
}
