package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"podsim/model"
)

// The limits of an input file. They are far above any file that a person or a tool writes,
// and low enough that a hostile one ends in seconds and a few hundred megabytes.
const (
	// maxFileBytes is the most that a file may hold.
	maxFileBytes = 64 << 20
	// maxDocumentMarks bounds the lines, commas and opening brackets of one document, and
	// with them its nodes. A file may hold many documents.
	maxDocumentMarks = 1 << 20
	// maxAliasNodes bounds the nodes that aliases stand for in one document.
	maxAliasNodes = 1 << 20
)

// source is a file that is being read: its name in errors.
type source struct {
	name string
	// sets are the --set options that changed its tree. A node that option i brought has
	// the line -(i+1).
	sets []string
}

// at is the position of a node.
func (s *source) at(n *yaml.Node) model.Position {
	if n.Line < 0 {
		return model.Position{File: "--set " + s.sets[-n.Line-1], Line: 1}
	}
	return model.Position{File: s.name, Line: max(n.Line, 1)}
}

func (s *source) line(line int) model.Position {
	return model.Position{File: s.name, Line: line}
}

// documents parses YAML or JSON into one tree for each document that is not empty, with
// aliases and merge keys replaced by what they stand for.
func (s *source) documents(data []byte) ([]*yaml.Node, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := s.checkText(data); err != nil {
		return nil, err
	}
	var docs []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, s.syntaxError(err, data)
		}
		if len(doc.Content) == 0 || isNull(doc.Content[0]) {
			continue
		}
		e := expander{source: s, active: map[*yaml.Node]bool{}, sizes: map[*yaml.Node]int{}}
		root, _, err := e.expand(doc.Content[0])
		if err != nil {
			return nil, err
		}
		docs = append(docs, root)
	}
	return docs, nil
}

// checkText refuses what cannot be a manifest before a parser is given it.
func (s *source) checkText(data []byte) error {
	if len(data) > maxFileBytes {
		return errorAt(s.line(1), "the file is larger than %d MiB: split it", maxFileBytes>>20)
	}
	if i := badByte(data); i >= 0 {
		return errorAt(s.line(lineOf(data, i)), "this is not a text file (byte 0x%02x at %d), want YAML or JSON in UTF-8", data[i], i)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return errorAt(s.line(1), "the file is empty, want YAML or JSON")
	}
	marks := 0
	for rest := data; len(rest) > 0; {
		var text []byte
		text, rest, _ = bytes.Cut(rest, []byte("\n"))
		if bytes.HasPrefix(text, []byte("---")) {
			marks = 0
		}
		marks++
		for _, c := range text {
			if c == ',' || c == '[' || c == '{' || c == '\r' {
				marks++
			}
		}
		if marks > maxDocumentMarks {
			line := lineOf(data, len(data)-len(rest)-1)
			return errorAt(s.line(line), "the document is too large to read: divide it with --- lines")
		}
	}
	return nil
}

// badByte is the offset of the first byte that no text has, -1 when there is none.
func badByte(data []byte) int {
	bad := bytes.IndexByte(data, 0)
	if bad < 0 && utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data) && i != bad; {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return i
		}
		i += size
	}
	return bad
}

func lineOf(data []byte, offset int) int { return 1 + bytes.Count(data[:offset], []byte("\n")) }

var syntaxLine = regexp.MustCompile(`^line (\d+): `)

// syntaxError gives the parser's error its place.
func (s *source) syntaxError(err error, data []byte) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := syntaxLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	line = min(line, lineOf(data, len(data)))
	return errorAt(s.line(line), "cannot parse this as YAML: %s", message)
}

// expander replaces aliases and merge keys. The nodes that an alias stands for are shared,
// so memory stays small; their number is bounded, as what is decoded from them is not
// shared.
type expander struct {
	source *source
	// active holds the nodes that are being expanded: an alias to one of them would never
	// end.
	active map[*yaml.Node]bool
	// sizes has the number of nodes of each anchored one.
	sizes   map[*yaml.Node]int
	aliases int
}

// expand gives back n without aliases and merge keys below it, and the number of its nodes.
func (e *expander) expand(n *yaml.Node) (*yaml.Node, int, error) {
	if n.Kind == yaml.AliasNode {
		return e.expandAlias(n)
	}
	e.active[n] = true
	defer delete(e.active, n)
	size := 1
	merges := false
	for i, child := range n.Content {
		expanded, nodes, err := e.expand(child)
		if err != nil {
			return nil, 0, err
		}
		n.Content[i] = expanded
		size += nodes
		merges = merges || n.Kind == yaml.MappingNode && i%2 == 0 && isMerge(child)
	}
	if merges {
		if err := e.merge(n); err != nil {
			return nil, 0, err
		}
	}
	if n.Anchor != "" {
		e.sizes[n] = size
	}
	return n, size, nil
}

func (e *expander) expandAlias(n *yaml.Node) (*yaml.Node, int, error) {
	if e.active[n.Alias] {
		return nil, 0, errorAt(e.source.at(n), "the anchor &%s contains itself", n.Value)
	}
	size := e.sizes[n.Alias]
	if e.aliases += size; e.aliases > maxAliasNodes {
		return nil, 0, errorAt(e.source.at(n), "the aliases stand for more than %d values: write fewer", maxAliasNodes)
	}
	return n.Alias, size, nil
}

func isMerge(key *yaml.Node) bool { return key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// merge puts what the "<<" keys of a mapping name into it, unless it says otherwise itself.
// Of several mappings, the first that has a key counts.
func (e *expander) merge(n *yaml.Node) error {
	var own, sources []*yaml.Node
	for i := 0; i < len(n.Content); i += 2 {
		switch key, value := n.Content[i], n.Content[i+1]; {
		case !isMerge(key):
			own = append(own, key, value)
		case value.Kind == yaml.SequenceNode:
			sources = append(sources, value.Content...)
		default:
			sources = append(sources, value)
		}
	}
	has := map[string]bool{}
	for i := 0; i < len(own); i += 2 {
		has[own[i].Value] = true
	}
	for _, s := range sources {
		if s.Kind != yaml.MappingNode {
			return errorAt(e.source.at(s), "the merge key << wants a mapping or a list of mappings, not %s", kindOf(s))
		}
		for i := 0; i < len(s.Content); i += 2 {
			if key := s.Content[i]; !has[key.Value] {
				has[key.Value] = true
				own = append(own, key, s.Content[i+1])
			}
		}
		if e.aliases += len(s.Content); e.aliases > maxAliasNodes {
			return errorAt(e.source.at(s), "the merge keys stand for more than %d values: write fewer", maxAliasNodes)
		}
	}
	n.Content = own
	return nil
}

// kindOf says what a node is, in a message.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return "the text " + quoted(n.Value)
	case "!!null":
		return "nothing"
	}
	return quoted(n.Value)
}

// child is the value of a key in a mapping and the key itself, nil when it is absent.
func child(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// text is the string value of a key in a mapping, "" when it is absent.
func text(n *yaml.Node, name string) string {
	_, value := child(n, name)
	if value == nil || value.Kind != yaml.ScalarNode || isNull(value) {
		return ""
	}
	return value.Value
}

// find goes down from n by a path such as "spec.containers[0].image" and gives the last
// key or item on it that exists: the nearest place that an error about the path can name.
func find(n *yaml.Node, path string) *yaml.Node {
	last := n
	for _, step := range splitPath(path) {
		switch {
		case step.index >= 0 && n.Kind == yaml.SequenceNode && step.index < len(n.Content):
			n = n.Content[step.index]
			last = n
		case step.index < 0:
			key, value := child(n, step.name)
			if key == nil {
				return last
			}
			last, n = key, value
		default:
			return last
		}
	}
	return last
}

// pathStep is a key of a mapping, or an index of a list when index is not negative.
type pathStep struct {
	name  string
	index int
}

// splitPath takes a path apart. A key that itself has dots or brackets in it stands in
// brackets and quotes: labels["app.kubernetes.io/name"].
func splitPath(path string) []pathStep {
	var steps []pathStep
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			end := strings.Index(path, `"]`)
			if end < 2 {
				return append(steps, pathStep{path, -1})
			}
			steps = append(steps, pathStep{path[2:end], -1})
			path = path[end+2:]
		case path[0] == '[':
			end := strings.IndexByte(path, ']')
			index, err := strconv.Atoi(path[1:max(end, 1)])
			if end < 0 || err != nil || index < 0 {
				return append(steps, pathStep{path, -1})
			}
			steps = append(steps, pathStep{"", index})
			path = path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps = append(steps, pathStep{path[:end], -1})
			path = path[end:]
		}
	}
	return steps
}

// join adds a key to a path.
func join(path, key string) string {
	switch {
	case strings.ContainsAny(key, `.[]"/ `) || key == "":
		return fmt.Sprintf("%s[%s]", path, quoted(key))
	case path == "":
		return key
	}
	return path + "." + key
}
