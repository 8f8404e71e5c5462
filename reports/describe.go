package reports

import (
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"podsim/model"
)

// DescribeOptions says what describe shows.
type DescribeOptions struct {
	Kind string
	// Names are the objects, or the beginnings of their names; all when there is none.
	Names     []string
	Namespace string
	Labels    labels.Selector
	At        model.Time
	// WhyPending, when it is set, is called after each pod and may write more about it.
	WhyPending func(w io.Writer, s *Snapshot, p *v1.Pod) error
}

// Describe prints objects at length, as `kubectl describe` does
// (k8s.io/kubectl/pkg/describe/describe.go).
//
// Differs from Kubernetes: of a node, what only a real kubelet knows is left out: heartbeats,
// the lease and the system info that the scenario does not give.
func (r *Record) Describe(w io.Writer, o DescribeOptions) error {
	s, err := r.At(o.At, true)
	if err != nil {
		return err
	}
	chosen, err := s.described(&o)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		_, err := fmt.Fprintln(w, nothing(&GetOptions{Kinds: []string{o.Kind}, Namespace: o.Namespace}))
		return err
	}
	for i, x := range chosen {
		if i > 0 {
			fmt.Fprint(w, "\n\n")
		}
		p := &printer{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0), s: s}
		p.describe(x)
		if err := p.w.Flush(); err != nil {
			return err
		}
		if x.Kind == "Pod" && o.WhyPending != nil {
			if err := o.WhyPending(w, s, s.pod(x)); err != nil {
				return err
			}
		}
	}
	return nil
}

// described finds the objects: by name, or else by the beginning of a name as kubectl does.
func (s *Snapshot) described(o *DescribeOptions) ([]*object, error) {
	if len(o.Names) == 0 {
		return s.find(o, func(string) bool { return true }), nil
	}
	var out []*object
	for _, name := range o.Names {
		found := s.find(o, func(n string) bool { return n == name })
		if len(found) == 0 {
			found = s.find(o, func(n string) bool { return strings.HasPrefix(n, name) })
		}
		if len(found) == 0 {
			return nil, NotFound{o.Kind, name}
		}
		out = append(out, found...)
	}
	return out, nil
}

// find gives the objects of the options whose name is wanted.
func (s *Snapshot) find(o *DescribeOptions, wanted func(name string) bool) []*object {
	get := &GetOptions{Namespace: o.Namespace, Labels: o.Labels}
	var out []*object
	for _, x := range s.objects {
		if x.Kind == o.Kind && wanted(x.Name) && s.selected(x, get) {
			out = append(out, x)
		}
	}
	return out
}

// printer writes the lines of a description.
type printer struct {
	w *tabwriter.Writer
	s *Snapshot
}

// line writes a line, indented by the level.
func (p *printer) line(level int, format string, args ...any) {
	fmt.Fprintf(p.w, strings.Repeat("  ", level)+format+"\n", args...)
}

func (p *printer) describe(x *object) {
	switch x.Kind {
	case "Pod":
		p.pod(x)
	case "Node":
		p.node(x)
	case "Deployment":
		p.deployment(x)
	case "ReplicaSet":
		p.replicaSet(x)
	default:
		p.service(x)
	}
	p.events(x)
}

// time is a moment as describe writes it.
func (p *printer) time(t metav1.Time) string { return t.Time.Format(time.RFC1123Z) }

// lines writes a title and a list beside it, one a line.
func (p *printer) lines(title string, list []string) {
	if len(list) == 0 {
		list = []string{"<none>"}
	}
	for i, l := range list {
		if i > 0 {
			title = ""
		}
		p.line(0, "%s\t%s", title, l)
	}
}

func (p *printer) labels(title string, m map[string]string) {
	var list []string
	for _, k := range sortedKeys(m) {
		list = append(list, k+"="+m[k])
	}
	p.lines(title+":", list)
}

// annotationMax is the length of what is shown of an annotation.
const annotationMax = 140

// annotations follows printAnnotationsMultiline.
func (p *printer) annotations(title string, m map[string]string) {
	var list []string
	for _, k := range sortedKeys(m) {
		value := strings.TrimSuffix(m[k], "\n")
		switch {
		case k == v1.LastAppliedConfigAnnotation:
		case len(k)+len(value)+2 <= annotationMax && !strings.Contains(value, "\n"):
			list = append(list, k+": "+value)
		default:
			list = append(list, k+":")
			for _, l := range strings.Split(value, "\n") {
				if len(l) > annotationMax-2 {
					l = l[:annotationMax-2] + "..."
				}
				list = append(list, "  "+l)
			}
		}
	}
	p.lines(title+":", list)
}

func sortedKeys[V any, K ~string](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (p *printer) tolerations(title string, list []v1.Toleration) {
	list = slices.Clone(list)
	sort.SliceStable(list, func(i, j int) bool { return list[i].Key < list[j].Key })
	var out []string
	for _, t := range list {
		text := t.Key
		if t.Value != "" {
			text += "=" + t.Value
		}
		if t.Effect != "" {
			text += ":" + string(t.Effect)
		}
		if t.Operator == v1.TolerationOpExists && t.Value == "" {
			text = strings.TrimSpace(text + " op=Exists")
		}
		if t.TolerationSeconds != nil {
			text += fmt.Sprintf(" for %ds", *t.TolerationSeconds)
		}
		out = append(out, text)
	}
	p.lines(title+":", out)
}

func (p *printer) resourceList(level int, list v1.ResourceList) {
	for _, name := range sortedKeys(list) {
		q := list[name]
		p.line(level, "%s:\t%s", name, q.String())
	}
}

// controlledBy names the controller.
func (p *printer) controlledBy(x *object) {
	if x.Owner != "" {
		p.line(0, "Controlled By:\t%s/%s", x.OwnerKind, x.Owner)
	}
}

// events prints the Events about an object, as a table of its own: the columns above are not
// these columns.
func (p *printer) events(x *object) {
	var mine []*eventRow
	for i := range p.s.events {
		if e := &p.s.events[i]; e.Kind == x.Kind && e.ObjectSerial == x.Serial {
			mine = append(mine, e)
		}
	}
	if len(mine) == 0 {
		p.line(0, "Events:\t<none>")
		return
	}
	p.w.Flush()
	p.line(0, "Events:")
	p.line(1, "Type\tReason\tAge\tFrom\tMessage")
	p.line(1, "----\t------\t----\t----\t-------")
	for _, e := range mine {
		when := p.s.age(e.First)
		if e.Count > 1 {
			when = fmt.Sprintf("%s (x%d over %s)", p.s.age(e.Time), e.Count, p.s.age(e.First))
		}
		message := strings.TrimSpace(e.Message)
		if e.FieldPath != "" {
			message = e.FieldPath + ": " + message
		}
		p.line(1, "%s\t%s\t%s\t%s\t%s", e.Type, e.Reason, when, e.Source, message)
	}
}
