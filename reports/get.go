package reports

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
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

// Get prints objects as `kubectl get` does.
func (r *Record) Get(w io.Writer, o GetOptions) error {
	events := contains(o.Kinds, "Event")
	s, err := r.At(o.At, events, o.Kinds...)
	if err != nil {
		return err
	}
	chosen, err := s.choose(&o)
	if err != nil {
		return err
	}
	var evs []eventRow
	if events {
		evs = s.chooseEvents(&o)
	}
	if len(chosen) == 0 && len(evs) == 0 && (o.Output == "" || o.Output == "wide") {
		_, err := fmt.Fprintln(w, nothing(&o))
		return err
	}
	switch o.Output {
	case "yaml", "json":
		return s.printObjects(w, chosen, evs, &o)
	case "name":
		for _, x := range chosen {
			fmt.Fprintf(w, "%s/%s\n", resourceName(x.Kind), x.Name)
		}
		return nil
	case "csv":
		return s.printCSV(w, chosen, evs)
	}
	return s.printTables(w, chosen, evs, &o)
}

func nothing(o *GetOptions) string {
	if o.AllNamespaces || len(o.Kinds) == 1 && o.Kinds[0] == "Node" {
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

// choose picks the objects that the options ask for.
func (s *Snapshot) choose(o *GetOptions) ([]*object, error) {
	var chosen []*object
	found := map[string]bool{}
	for _, x := range s.objects {
		if !contains(o.Kinds, x.Kind) || !o.inNamespace(x.Kind, x.Namespace) {
			continue
		}
		if len(o.Names) > 0 && !contains(o.Names, x.Name) {
			continue
		}
		if o.Labels != nil && !o.Labels.Matches(labels.Set(x.Labels())) || o.Fields != nil && !o.Fields.Matches(fieldsOf(x)) {
			continue
		}
		found[x.Name] = true
		chosen = append(chosen, x)
	}
	for _, name := range o.Names {
		if !found[name] {
			return nil, NotFound{o.Kinds[0], name}
		}
	}
	return chosen, nil
}

func (o *GetOptions) inNamespace(kind, namespace string) bool {
	return o.AllNamespaces || kind == "Node" || namespace == o.Namespace
}

func fieldsOf(x *object) fields.Set {
	f := fields.Set{"metadata.name": x.Name, "metadata.namespace": x.Namespace}
	if x.Kind == "Pod" {
		f["status.phase"], f["spec.nodeName"], f["status.podIP"] = x.Phase, x.Node, x.IP
	}
	if x.Kind == "Node" {
		f["spec.unschedulable"] = fmt.Sprint(x.Unschedulable)
	}
	return f
}

func (s *Snapshot) chooseEvents(o *GetOptions) []eventRow {
	var out []eventRow
	for _, e := range s.events {
		if !o.inNamespace("Event", eventNamespace(&e)) || len(o.Names) > 0 && !contains(o.Names, eventName(&e)) {
			continue
		}
		f := fields.Set{"involvedObject.kind": e.Kind, "involvedObject.name": e.Name, "involvedObject.namespace": e.Namespace,
			"type": e.Type, "reason": e.Reason, "metadata.name": eventName(&e), "metadata.namespace": eventNamespace(&e), "source": e.Source}
		if o.Fields == nil || o.Fields.Matches(f) {
			out = append(out, e)
		}
	}
	return out
}

func (s *Snapshot) printObjects(w io.Writer, chosen []*object, events []eventRow, o *GetOptions) error {
	var items []runtime.Object
	for _, x := range chosen {
		items = append(items, s.api(x))
	}
	for i := range events {
		items = append(items, s.event(&events[i]))
	}
	var value any = items
	if len(o.Names) == 1 && len(items) == 1 {
		value = items[0]
	} else {
		list := &v1.List{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "List"}}
		for _, x := range items {
			list.Items = append(list.Items, runtime.RawExtension{Object: x})
		}
		value = list
	}
	if o.Output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "    ")
		return e.Encode(value)
	}
	data, err := yaml.Marshal(value)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// column is a column of a kind's table.
type column struct {
	name string
	wide bool
	cell func(c clock, x *object) string
}

// columns are the tables of the kinds, as kubectl prints them
// (pkg/printers/internalversion/printers.go).
var columns = map[string][]column{
	"Pod": {
		{"NAME", false, func(_ clock, x *object) string { return x.Name }},
		{"READY", false, func(_ clock, x *object) string { return fmt.Sprintf("%d/%d", x.ReadyContainers, x.Containers) }},
		{"STATUS", false, func(_ clock, x *object) string { return x.Status }},
		{"RESTARTS", false, restarts},
		{"AGE", false, age},
		{"IP", true, func(_ clock, x *object) string { return none(x.IP) }},
		{"NODE", true, func(_ clock, x *object) string { return none(x.Node) }},
		{"NOMINATED NODE", true, func(_ clock, x *object) string { return none(x.Nominated) }},
		{"READINESS GATES", true, readinessGates},
	},
	"Node": {
		{"NAME", false, func(_ clock, x *object) string { return x.Name }},
		{"STATUS", false, func(_ clock, x *object) string { return x.Status }},
		{"ROLES", false, roles},
		{"AGE", false, age},
		{"VERSION", false, func(clock, *object) string { return "v1.37.1" }},
		{"INTERNAL-IP", true, func(_ clock, x *object) string { n := model.Node{ID: model.NodeID(x.Serial)}; return n.IP() }},
		{"EXTERNAL-IP", true, func(clock, *object) string { return "<none>" }},
		{"CONTAINER-RUNTIME", true, func(clock, *object) string { return "simulated" }},
	},
	"Deployment": {
		{"NAME", false, func(_ clock, x *object) string { return x.Name }},
		{"READY", false, func(_ clock, x *object) string { return fmt.Sprintf("%d/%d", x.ReadyReplicas, x.Replicas) }},
		{"UP-TO-DATE", false, func(_ clock, x *object) string { return fmt.Sprint(x.UpdatedReplicas) }},
		{"AVAILABLE", false, func(_ clock, x *object) string { return fmt.Sprint(x.AvailableReplicas) }},
		{"AGE", false, age},
		{"CONTAINERS", true, func(c clock, x *object) string { return containerNames(&c.deployment(x).Spec.Template.Spec) }},
		{"IMAGES", true, func(c clock, x *object) string { return containerImages(&c.deployment(x).Spec.Template.Spec) }},
		{"SELECTOR", true, func(c clock, x *object) string { return metav1.FormatLabelSelector(c.deployment(x).Spec.Selector) }},
	},
	"ReplicaSet": {
		{"NAME", false, func(_ clock, x *object) string { return x.Name }},
		{"DESIRED", false, func(_ clock, x *object) string { return fmt.Sprint(x.Replicas) }},
		{"CURRENT", false, func(_ clock, x *object) string { return fmt.Sprint(x.CurrentReplicas) }},
		{"READY", false, func(_ clock, x *object) string { return fmt.Sprint(x.ReadyReplicas) }},
		{"AGE", false, age},
		{"CONTAINERS", true, func(c clock, x *object) string { return containerNames(&c.replicaSet(x).Spec.Template.Spec) }},
		{"IMAGES", true, func(c clock, x *object) string { return containerImages(&c.replicaSet(x).Spec.Template.Spec) }},
		{"SELECTOR", true, func(c clock, x *object) string { return metav1.FormatLabelSelector(c.replicaSet(x).Spec.Selector) }},
	},
	"Service": {
		{"NAME", false, func(_ clock, x *object) string { return x.Name }},
		{"TYPE", false, func(c clock, x *object) string { return string(service(c, x).Spec.Type) }},
		{"CLUSTER-IP", false, clusterIP},
		{"EXTERNAL-IP", false, externalIP},
		{"PORT(S)", false, servicePorts},
		{"AGE", false, age},
		{"SELECTOR", true, func(c clock, x *object) string {
			return none(labels.Set(service(c, x).Spec.Selector).String())
		}},
	},
}

func none(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}

func age(c clock, x *object) string { return c.age(x.Created) }

func restarts(c clock, x *object) string {
	last := model.Time(0)
	if x.LastRestart != absent {
		last = model.Time(x.LastRestart)
	}
	return model.RestartsColumn(x.Restarts, last, c.now)
}

func readinessGates(c clock, x *object) string {
	gates := c.pod(x).Spec.ReadinessGates
	if len(gates) == 0 {
		return "<none>"
	}
	n := 0
	for _, g := range gates {
		for i := range x.Conditions {
			if x.Conditions[i].Type == string(g.ConditionType) && x.Conditions[i].Status == "True" {
				n++
			}
		}
	}
	return fmt.Sprintf("%d/%d", n, len(gates))
}

// roles follows findNodeRoles.
func roles(_ clock, x *object) string {
	var out []string
	for k, v := range x.Labels() {
		if r, ok := strings.CutPrefix(k, "node-role.kubernetes.io/"); ok && r != "" {
			out = append(out, r)
		} else if k == "kubernetes.io/role" && v != "" {
			out = append(out, v)
		}
	}
	sort.Strings(out)
	return none(strings.Join(out, ","))
}

func containerNames(spec *v1.PodSpec) string {
	var out []string
	for i := range spec.Containers {
		out = append(out, spec.Containers[i].Name)
	}
	return strings.Join(out, ",")
}

func containerImages(spec *v1.PodSpec) string {
	var out []string
	for i := range spec.Containers {
		out = append(out, spec.Containers[i].Image)
	}
	return strings.Join(out, ",")
}

func service(c clock, x *object) *v1.Service { return c.api(x).(*v1.Service) }

// clusterIP is the Service's address: given, or one of the service range by its number.
func clusterIP(c clock, x *object) string {
	s := service(c, x)
	switch {
	case s.Spec.ClusterIP != "":
		return s.Spec.ClusterIP
	case s.Spec.Type == v1.ServiceTypeExternalName:
		return "<none>"
	}
	return fmt.Sprintf("10.96.%d.%d", x.Serial>>8&255, x.Serial&255)
}

func externalIP(c clock, x *object) string {
	s := service(c, x)
	switch s.Spec.Type {
	case v1.ServiceTypeLoadBalancer:
		return "<pending>"
	case v1.ServiceTypeExternalName:
		return s.Spec.ExternalName
	}
	return none(strings.Join(s.Spec.ExternalIPs, ","))
}

func servicePorts(c clock, x *object) string {
	var out []string
	for _, p := range service(c, x).Spec.Ports {
		port := fmt.Sprint(p.Port)
		if p.NodePort != 0 {
			port += fmt.Sprintf(":%d", p.NodePort)
		}
		out = append(out, port+"/"+string(p.Protocol))
	}
	return none(strings.Join(out, ","))
}

// eventColumns is the table of Events.
func (s *Snapshot) eventCells(e *eventRow) []string {
	return []string{s.age(e.Time), e.Type, e.Reason, strings.ToLower(e.Kind) + "/" + e.Name, e.Message}
}

var eventHeader = []string{"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"}

func tableWriter(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 6, 4, 3, ' ', 0) }

func (s *Snapshot) printTables(w io.Writer, chosen []*object, events []eventRow, o *GetOptions) error {
	var tables [][][]string
	for _, kind := range o.Kinds {
		if t := s.table(kind, chosen, o); len(t) > 1 {
			tables = append(tables, t)
		}
	}
	if len(events) > 0 {
		t := [][]string{eventHeader}
		for i := range events {
			cells := s.eventCells(&events[i])
			if o.AllNamespaces {
				cells = append([]string{eventNamespace(&events[i])}, cells...)
			}
			t = append(t, cells)
		}
		if o.AllNamespaces {
			t[0] = append([]string{"NAMESPACE"}, eventHeader...)
		}
		tables = append(tables, t)
	}
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := writeTable(w, t); err != nil {
			return err
		}
	}
	return nil
}

// table is a kind's header and rows.
func (s *Snapshot) table(kind string, chosen []*object, o *GetOptions) [][]string {
	prefix := len(o.Kinds) > 1
	var header []string
	if o.AllNamespaces && kind != "Node" {
		header = append(header, "NAMESPACE")
	}
	for _, c := range columns[kind] {
		if !c.wide || o.Output == "wide" {
			header = append(header, c.name)
		}
	}
	t := [][]string{header}
	for _, x := range chosen {
		if x.Kind == kind {
			t = append(t, s.cells(x, o, prefix))
		}
	}
	return t
}

// cells is an object's row in its table.
func (s *Snapshot) cells(x *object, o *GetOptions, prefix bool) []string {
	var row []string
	if o.AllNamespaces && x.Kind != "Node" {
		row = append(row, x.Namespace)
	}
	for i, c := range columns[x.Kind] {
		if c.wide && o.Output != "wide" {
			continue
		}
		cell := c.cell(s.clock, x)
		if i == 0 && prefix {
			cell = resourceName(x.Kind) + "/" + cell
		}
		row = append(row, cell)
	}
	return row
}

func writeTable(w io.Writer, rows [][]string) error {
	t := tableWriter(w)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// printCSV prints all columns of each kind, with the namespace, one table a kind.
func (s *Snapshot) printCSV(w io.Writer, chosen []*object, events []eventRow) error {
	out := csv.NewWriter(w)
	all := &GetOptions{AllNamespaces: true, Output: "wide"}
	last := ""
	for _, x := range chosen {
		if x.Kind != last {
			last = x.Kind
			header := append([]string{"KIND"}, s.table(x.Kind, nil, all)[0]...)
			if err := out.Write(header); err != nil {
				return err
			}
		}
		if err := out.Write(append([]string{x.Kind}, s.cells(x, all, false)...)); err != nil {
			return err
		}
	}
	if len(events) > 0 {
		if err := out.Write([]string{"TIME", "COUNT", "TYPE", "REASON", "NAMESPACE", "OBJECT", "FIELD", "SOURCE", "MESSAGE"}); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		if err := out.Write([]string{model.Time(e.Time).String(), fmt.Sprint(e.Count), e.Type, e.Reason, eventNamespace(e),
			strings.ToLower(e.Kind) + "/" + e.Name, e.Field, e.Source, e.Message}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
