package scenarios

import (
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"podsim/model"
)

// setValue applies --set option i of s to its tree. The path is a.b[0].c; a key with dots in
// it is written ["app.kubernetes.io/name"].
func setValue(s *source, root *yaml.Node, i int) error {
	assignment := s.sets[i]
	where := model.Position{File: "--set " + assignment, Line: 1}
	path, value, ok := strings.Cut(assignment, "=")
	steps := splitPath(path)
	if !ok || len(steps) == 0 {
		return errorAt(where, "want PATH=VALUE, such as spec.nodes[0].count=5")
	}
	set := &source{name: where.File}
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	if strings.TrimSpace(value) != "" {
		documents, err := set.documents([]byte(value))
		if err != nil {
			return err
		}
		if len(documents) == 1 {
			node = documents[0]
		}
	}
	mark(node, -(i + 1), map[*yaml.Node]bool{})
	at := root
	for depth, step := range steps[:len(steps)-1] {
		slot, hint := slotOf(at, step)
		if slot < 0 {
			return errorAt(where, "there is no %s in %s%s", shown(steps[:depth+1]), s.name, hint)
		}
		at = own(at, slot)
	}
	return put(at, steps, node, where, s.name)
}

// put sets the last step of a path in the node that holds it; a key that is new is added.
func put(at *yaml.Node, steps []pathStep, value *yaml.Node, where model.Position, file string) error {
	last := steps[len(steps)-1]
	slot, hint := slotOf(at, last)
	switch {
	case slot >= 0:
		at.Content[slot] = value
	case last.index < 0 && at.Kind == yaml.MappingNode:
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: last.name, Line: value.Line}
		at.Content = append(at.Content, key, value)
	default:
		return errorAt(where, "there is no %s in %s%s", shown(steps), file, hint)
	}
	return nil
}

// slotOf is where in a node's content a step of a path leads, or -1 and a hint.
func slotOf(n *yaml.Node, step pathStep) (slot int, hint string) {
	if step.index >= 0 {
		if n.Kind == yaml.SequenceNode && step.index < len(n.Content) {
			return step.index, ""
		}
		if n.Kind == yaml.SequenceNode {
			return -1, fmt.Sprintf(", the list has %d items", len(n.Content))
		}
		return -1, ", it is not a list"
	}
	if n.Kind != yaml.MappingNode {
		return -1, ", it is not a mapping"
	}
	var keys []string
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == step.name {
			return i + 1, ""
		}
		keys = append(keys, n.Content[i].Value)
	}
	return -1, didYouMean(step.name, keys)
}

// own replaces a child by a copy of its own and gives it back: an alias may share the child
// with another place, which must not change.
func own(n *yaml.Node, slot int) *yaml.Node {
	c := *n.Content[slot]
	c.Content = append([]*yaml.Node(nil), c.Content...)
	n.Content[slot] = &c
	return &c
}

func mark(n *yaml.Node, line int, seen map[*yaml.Node]bool) {
	if seen[n] {
		return
	}
	seen[n] = true
	n.Line = line
	for _, c := range n.Content {
		mark(c, line, seen)
	}
}

// shown is the path of some steps as a user writes it.
func shown(steps []pathStep) string {
	path := ""
	for _, s := range steps {
		if s.index >= 0 {
			path = fmt.Sprintf("%s[%d]", path, s.index)
		} else {
			path = join(path, s.name)
		}
	}
	return path
}
