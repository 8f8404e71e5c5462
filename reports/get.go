package reports

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"podsim/model"
)

// GetOptions says what get shows. The zero value of a field is kubectl's default.
type GetOptions struct {
	// Kinds are the kinds to show (see Kinds), Names the objects; all when there is none.
	Kinds []string
	Names []string
	// Namespace is the namespace, AllNamespaces shows every one.
	Namespace     string
	AllNamespaces bool
	Labels        labels.Selector
	Fields        fields.Selector
	// Output is "", "wide", "name", "yaml", "json" or "csv".
	Output string
	// At is the moment.
	At model.Time
}

// Outputs are the values of GetOptions.Output.
var Outputs = []string{"wide", "name", "yaml", "json", "csv"}

// NotFound says that a named object is not there.
type NotFound struct{ Kind, Name string }

// Error is kubectl's text.
func (e NotFound) Error() string {
	return fmt.Sprintf("Error from server (NotFound): %s %q not found", pluralOf(e.Kind), e.Name)
}

// Get prints objects as `kubectl get` does. The error is a NotFound when the only thing wrong
// is that a named object is not there; the others are printed.
func (r *Record) Get(w io.Writer, o GetOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	s, err := r.At(o.At, slices.Contains(o.Kinds, "Event"), o.Kinds...)
	if err != nil {
		return err
	}
	list := s.choose(&o)
	missing := o.missing(list)
	if len(list) == 0 && missing != nil {
		return missing
	}
	if err := s.print(w, list, &o); err != nil {
		return err
	}
	return missing
}

// check finds selectors of fields that a kind does not have, as the API server does.
func (o *GetOptions) check() error {
	if o.Fields == nil {
		return nil
	}
	for _, kind := range o.Kinds {
		for _, q := range o.Fields.Requirements() {
			if !slices.Contains(selectable[kind], q.Field) {
				return fmt.Errorf("field label not supported: %s; %s have %s", q.Field, pluralOf(kind), strings.Join(selectable[kind], ", "))
			}
		}
	}
	return nil
}

// selectable are the fields of --field-selector (pkg/apis/core/v1/conversion.go).
var selectable = map[string][]string{
	"Pod": {"metadata.name", "metadata.namespace", "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
		"spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"},
	"Node":       {"metadata.name", "spec.unschedulable"},
	"Deployment": {"metadata.name", "metadata.namespace"},
	"ReplicaSet": {"metadata.name", "metadata.namespace", "status.replicas"},
	"Service":    {"metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"},
	"Event": {"metadata.name", "metadata.namespace", "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
		"involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"},
}

// item is an object or an Event to print.
type item struct {
	kind, name string
	object     *object
	event      *eventRow
}

// choose picks what the options ask for, in the order of their kinds.
func (s *Snapshot) choose(o *GetOptions) []item {
	var chosen []item
	for _, kind := range o.Kinds {
		if kind == "Event" {
			chosen = append(chosen, s.chooseEvents(o)...)
			continue
		}
		for _, x := range s.objects {
			if x.Kind == kind && s.selected(x, o) {
				chosen = append(chosen, item{kind, x.Name, x, nil})
			}
		}
	}
	return chosen
}

// selected says whether an object of a kind that is asked for is asked for.
func (s *Snapshot) selected(x *object, o *GetOptions) bool {
	return o.inNamespace(x.Kind, x.Namespace) && (len(o.Names) == 0 || slices.Contains(o.Names, x.Name)) &&
		(o.Labels == nil || o.Labels.Matches(labels.Set(s.labels(x)))) && (o.Fields == nil || o.Fields.Matches(s.fields(x)))
}

func (s *Snapshot) chooseEvents(o *GetOptions) []item {
	var out []item
	for i := range s.events {
		e := &s.events[i]
		name := eventName(e)
		if o.inNamespace("Event", eventNamespace(e)) && (len(o.Names) == 0 || slices.Contains(o.Names, name)) &&
			(o.Labels == nil || o.Labels.Empty()) && (o.Fields == nil || o.Fields.Matches(s.eventFields(e))) {
			out = append(out, item{"Event", name, nil, e})
		}
	}
	return out
}

func (o *GetOptions) inNamespace(kind, namespace string) bool {
	return o.AllNamespaces || kind == "Node" || namespace == o.Namespace
}

// missing is the first of the names that was not found.
func (o *GetOptions) missing(found []item) error {
	for _, name := range o.Names {
		if !slices.ContainsFunc(found, func(x item) bool { return x.name == name }) {
			return NotFound{o.Kinds[0], name}
		}
	}
	return nil
}

// fields are what --field-selector selects by.
func (s *Snapshot) fields(x *object) fields.Set {
	f := fields.Set{"metadata.name": x.Name, "metadata.namespace": x.Namespace}
	switch x.Kind {
	case "Pod":
		spec := s.podSpec(x)
		f["spec.nodeName"], f["status.phase"], f["status.podIP"], f["status.nominatedNodeName"] = x.Node, x.Phase, x.IP, x.Nominated
		f["spec.restartPolicy"], f["spec.schedulerName"] = string(spec.RestartPolicy), spec.SchedulerName
		f["spec.serviceAccountName"], f["spec.hostNetwork"] = spec.ServiceAccountName, fmt.Sprint(spec.HostNetwork)
	case "Node":
		f["spec.unschedulable"] = fmt.Sprint(x.Unschedulable)
	case "ReplicaSet":
		f["status.replicas"] = fmt.Sprint(x.CurrentReplicas)
	case "Service":
		o := s.service(x)
		f["spec.clusterIP"], f["spec.type"] = o.Spec.ClusterIP, string(o.Spec.Type)
	}
	return f
}

func (s *Snapshot) eventFields(e *eventRow) fields.Set {
	return fields.Set{"metadata.name": eventName(e), "metadata.namespace": eventNamespace(e), "involvedObject.kind": e.Kind,
		"involvedObject.namespace": e.Namespace, "involvedObject.name": e.Name, "involvedObject.uid": string(s.uid(e.Kind, e.ObjectSerial)),
		"involvedObject.fieldPath": e.FieldPath, "reason": e.Reason, "reportingComponent": e.Source, "source": e.Source, "type": e.Type}
}

// print prints the chosen in the form that is asked for.
func (s *Snapshot) print(w io.Writer, list []item, o *GetOptions) error {
	switch o.Output {
	case "yaml", "json":
		return s.printObjects(w, list, o)
	case "name":
		return printNames(w, list)
	case "csv":
		return s.printCSV(w, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, nothing(o))
		return err
	}
	return s.printTables(w, list, o)
}

// nothing is what kubectl says when it has nothing to show.
func nothing(o *GetOptions) string {
	if o.AllNamespaces || slices.Contains(o.Kinds, "Node") {
		return "No resources found"
	}
	return fmt.Sprintf("No resources found in %s namespace.", o.Namespace)
}

// resourceName is the resource of `-o name`, such as deployment.apps.
func resourceName(kind string) string {
	switch kind {
	case "Deployment", "ReplicaSet":
		return strings.ToLower(kind) + ".apps"
	}
	return strings.ToLower(kind)
}

func printNames(w io.Writer, list []item) error {
	var out strings.Builder
	for _, x := range list {
		out.WriteString(resourceName(x.kind) + "/" + x.name + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// printObjects prints the objects as YAML or JSON: one that was named alone, else a list.
func (s *Snapshot) printObjects(w io.Writer, list []item, o *GetOptions) error {
	items := make([]any, 0, len(list))
	for _, x := range list {
		items = append(items, s.value(x))
	}
	var value any = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": items}
	if len(o.Names) == 1 && len(items) == 1 {
		value = items[0]
	}
	if o.Output == "json" {
		data, err := json.MarshalIndent(value, "", "    ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(data, '\n'))
		return err
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// value is an object or an Event as JSON values, without what nobody has set.
func (s *Snapshot) value(x item) map[string]any {
	var o any
	if x.event != nil {
		o = s.event(x.event)
	} else {
		o = s.api(x.object)
	}
	data, err := json.Marshal(o)
	if err != nil {
		panic("reports: an API object is not JSON: " + err.Error())
	}
	var value map[string]any
	if err := json.Unmarshal(data, &value); err != nil {
		panic("reports: an API object is not JSON: " + err.Error())
	}
	if x.kind == "Node" {
		tidyNode(value)
	}
	return value
}

// tidyNode takes the fields away that a kubelet fills in and podsim does not know.
func tidyNode(value map[string]any) {
	status := value["status"].(map[string]any)
	delete(status, "daemonEndpoints")
	for _, c := range status["conditions"].([]any) {
		delete(c.(map[string]any), "lastHeartbeatTime")
	}
	info := status["nodeInfo"].(map[string]any)
	for k, v := range info {
		if v == "" {
			delete(info, k)
		}
	}
}

// printTables prints a table for each kind.
func (s *Snapshot) printTables(w io.Writer, list []item, o *GetOptions) error {
	for first := true; len(list) > 0; first = false {
		if !first {
			if _, err := fmt.Fprintln(w); err != nil {
				return err
			}
		}
		kind := list[0].kind
		n := slices.IndexFunc(list, func(x item) bool { return x.kind != kind })
		if n < 0 {
			n = len(list)
		}
		rows := make([][]string, 0, n+1)
		rows = append(rows, header(kind, o))
		for _, x := range list[:n] {
			rows = append(rows, s.cells(x, o))
		}
		if err := writeTable(w, rows); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// printCSV prints all columns of each kind, with the namespace, one table a kind. Programs
// read it: ages are seconds, restarts a number, and what is not there is empty.
func (s *Snapshot) printCSV(w io.Writer, list []item) error {
	exact := *s
	exact.exact = true
	out := csv.NewWriter(w)
	all := &GetOptions{AllNamespaces: true, Output: "wide"}
	for i, x := range list {
		if i == 0 || x.kind != list[i-1].kind {
			if err := out.Write(csvHeader(x.kind, all)); err != nil {
				return err
			}
		}
		row := append([]string{x.kind}, exact.cells(x, all)...)
		for j, cell := range row {
			if cell == "<none>" || cell == "<unknown>" {
				row[j] = ""
			}
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func csvHeader(kind string, o *GetOptions) []string {
	row := append([]string{"KIND"}, header(kind, o)...)
	for i, name := range row {
		switch name {
		case "AGE", "LAST SEEN", "FIRST SEEN":
			row[i] += " SECONDS"
		}
	}
	return row
}
