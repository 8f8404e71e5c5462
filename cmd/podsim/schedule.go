package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"

	"podsim/conform"
	"podsim/model"
	"podsim/scenarios"
)

type scheduleOptions struct {
	nodes, pods []string
	pod, config string
	output      string
}

// scheduleOutputs are the forms of a decision.
var scheduleOutputs = []string{"wide", "json"}

func newSchedule() *cobra.Command {
	var o scheduleOptions
	cmd := &cobra.Command{
		Use:   "schedule --nodes FILE --pod FILE [--pods FILE]",
		Short: "Explain one decision of the scheduler: where a pod would go, and why",
		Long: `Read manifests, and say where the scheduler would put a pod: which nodes can take it, why the
others cannot, and the score that each plugin gives to each node. Of a cell such as 75x2 the
first number is the plugin's score from 0 to 100, the second one its weight; the total is
the sum of the products. When no node can take the pod, the text of FailedScheduling follows,
and who would be preempted where.

The files of --nodes and --pods are what "kubectl get -o yaml" writes, or manifests. They may
hold all that a decision depends on: Nodes, Pods (those with spec.nodeName count), Namespaces,
Services, ReplicaSets, PersistentVolumes and their claims, StorageClasses, PriorityClasses,
PodDisruptionBudgets. Other objects are left out, and named.`,
		Example: `  podsim schedule --nodes cmd/podsim/testdata/schedule/nodes.yaml --pods cmd/podsim/testdata/schedule/pods.yaml --pod cmd/podsim/testdata/schedule/pod.yaml
  kubectl get nodes -o yaml > nodes.yaml; kubectl get pods -A -o yaml > pods.yaml
  podsim schedule --nodes nodes.yaml --pods pods.yaml --pod new.yaml -o wide`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return schedule(cmd.OutOrStdout(), cmd.ErrOrStderr(), &o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.nodes, "nodes", nil, "a file with the nodes; may be given several times")
	f.StringArrayVar(&o.pods, "pods", nil, "a file with the pods that are there already; may be given several times")
	f.StringVar(&o.pod, "pod", "", "the file with the pod that is to be scheduled")
	f.StringVar(&o.config, "config", "", "a KubeSchedulerConfiguration")
	addOutput(f, &o.output, scheduleOutputs)
	for _, name := range []string{"nodes", "pod"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return cmd
}

func schedule(w, notes io.Writer, o *scheduleOptions) error {
	if err := checkOutput(o.output, scheduleOutputs); err != nil {
		return err
	}
	in, err := o.read(notes)
	if err != nil {
		return err
	}
	d := conform.Decide(in)
	if d.Error != "" {
		return errors.New(d.Error)
	}
	if o.output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(d)
	}
	return writeDecision(w, d, o.output == "wide")
}

// read reads all files.
func (o *scheduleOptions) read(notes io.Writer) (*conform.Input, error) {
	g := gathered{in: &conform.Input{}, priorities: map[string]int32{}}
	for _, file := range slices.Concat(o.nodes, o.pods) {
		objects, err := scenarios.ReadManifests(file)
		if err != nil {
			return nil, err
		}
		g.add(objects)
	}
	if len(g.in.Nodes) == 0 {
		return nil, fmt.Errorf("%s:1: there is no Node, want some", o.nodes[0])
	}
	pending, err := scenarios.ReadManifests(o.pod)
	if err != nil {
		return nil, err
	}
	if err := g.pending(o.pod, pending); err != nil {
		return nil, err
	}
	for _, note := range g.left {
		fmt.Fprintln(notes, note)
	}
	if o.config != "" {
		if _, err := scenarios.ReadSchedulerConfig(o.config); err != nil {
			return nil, err
		}
		if g.in.Config, err = os.ReadFile(o.config); err != nil {
			return nil, err
		}
	}
	return g.in, g.check()
}

// gathered is what the files hold.
type gathered struct {
	in         *conform.Input
	priorities map[string]int32
	// pods are all pods with where they stand.
	pods []model.Object
	// left says which objects have no bearing.
	left []string
}

// pending takes the pod of --pod, and all else that is in its file.
func (g *gathered) pending(file string, objects []model.Object) error {
	i := slices.IndexFunc(objects, func(o model.Object) bool { _, is := o.Object.(*v1.Pod); return is })
	if i < 0 {
		return fmt.Errorf("%s:1: there is no Pod, want the one that is to be scheduled", file)
	}
	g.in.Pending = objects[i].Object.(*v1.Pod)
	g.pods = append(g.pods, objects[i])
	g.add(slices.Delete(slices.Clone(objects), i, i+1))
	return nil
}

func (g *gathered) add(objects []model.Object) {
	in := g.in
	for _, object := range objects {
		switch o := object.Object.(type) {
		case *v1.Node:
			in.Nodes = append(in.Nodes, o)
		case *v1.Pod:
			in.Pods = append(in.Pods, o)
			g.pods = append(g.pods, object)
		case *v1.Namespace:
			in.Namespaces = append(in.Namespaces, o)
		case *v1.Service:
			in.Services = append(in.Services, o)
		case *v1.ReplicationController:
			in.ReplicationControllers = append(in.ReplicationControllers, o)
		case *appsv1.ReplicaSet:
			in.ReplicaSets = append(in.ReplicaSets, o)
		case *appsv1.StatefulSet:
			in.StatefulSets = append(in.StatefulSets, o)
		case *policyv1.PodDisruptionBudget:
			in.PodDisruptionBudgets = append(in.PodDisruptionBudgets, o)
		case *schedulingv1.PriorityClass:
			g.priorities[o.Name] = o.Value
		default:
			if !g.addVolume(object) {
				g.left = append(g.left, fmt.Sprintf("%v: a %s has no bearing on where a pod goes", object.Where, object.GetObjectKind().GroupVersionKind().Kind))
			}
		}
	}
}

// addVolume adds an object of storage or of devices, and says whether it is one.
func (g *gathered) addVolume(object model.Object) bool {
	in := g.in
	switch o := object.Object.(type) {
	case *v1.PersistentVolume:
		in.PersistentVolumes = append(in.PersistentVolumes, o)
	case *v1.PersistentVolumeClaim:
		in.PersistentVolumeClaims = append(in.PersistentVolumeClaims, o)
	case *storagev1.StorageClass:
		in.StorageClasses = append(in.StorageClasses, o)
	case *storagev1.CSINode:
		in.CSINodes = append(in.CSINodes, o)
	case *storagev1.CSIDriver:
		in.CSIDrivers = append(in.CSIDrivers, o)
	case *storagev1.CSIStorageCapacity:
		in.CSIStorageCapacities = append(in.CSIStorageCapacities, o)
	case *storagev1.VolumeAttachment:
		in.VolumeAttachments = append(in.VolumeAttachments, o)
	case *resourcev1.DeviceClass:
		in.DeviceClasses = append(in.DeviceClasses, o)
	case *resourcev1.ResourceSlice:
		in.ResourceSlices = append(in.ResourceSlices, o)
	case *resourcev1.ResourceClaim:
		in.ResourceClaims = append(in.ResourceClaims, o)
	case *resourcev1.ResourceClaimTemplate:
		in.ResourceClaimTemplates = append(in.ResourceClaimTemplates, o)
	default:
		return false
	}
	return true
}

// check looks at how objects of different files fit together, and resolves priority classes.
func (g *gathered) check() error {
	nodes, pods := map[string]bool{}, map[string]model.Position{}
	for _, n := range g.in.Nodes {
		if nodes[n.Name] {
			return fmt.Errorf("node %s is defined twice", n.Name)
		}
		nodes[n.Name] = true
	}
	for _, object := range g.pods {
		p := object.Object.(*v1.Pod)
		name := p.Namespace + "/" + p.Name
		if at, ok := pods[name]; ok {
			return fmt.Errorf("%v: pod %s is defined twice, first at %v", object.Where, name, at)
		}
		pods[name] = object.Where
		if p.Spec.NodeName != "" && !nodes[p.Spec.NodeName] {
			return fmt.Errorf("%v: pod %s is on node %s, which is not among the nodes", object.Where, name, p.Spec.NodeName)
		}
		if class := p.Spec.PriorityClassName; class != "" && p.Spec.Priority == nil {
			value, ok := g.priorities[class]
			if system, is := model.SystemPriority(class); is {
				value, ok = system, true
			}
			if !ok {
				return fmt.Errorf("%v: pod %s: there is no PriorityClass %s in the files", object.Where, name, class)
			}
			p.Spec.Priority = &value
		}
	}
	return nil
}

// writeDecision writes a row for each node, the best first, and then what is said of the pod.
func writeDecision(w io.Writer, d *conform.Decision, wide bool) error {
	plugins := map[string]bool{}
	for _, s := range d.Scores {
		for name, score := range s.Plugins {
			if wide || score.Normalized != 0 {
				plugins[name] = true
			}
		}
	}
	columns := slices.Sorted(maps.Keys(plugins))
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 8, 3, ' ', 0)
	head := []string{"NODE", "TOTAL"}
	for _, name := range columns {
		head = append(head, strings.ToUpper(name))
	}
	fmt.Fprintln(table, strings.Join(append(head, "REJECTED BY", "REASON"), "\t"))
	for _, node := range ranked(d) {
		fmt.Fprintln(table, strings.Join(row(d, node, columns, wide), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict(d))
	return err
}

// ranked are the nodes by total, those that cannot take the pod last.
func ranked(d *conform.Decision) []string {
	nodes := slices.Clone(d.NodeOrder)
	total := func(node string) int64 {
		if s, ok := d.Scores[node]; ok {
			return s.Total
		}
		return -1
	}
	slices.SortStableFunc(nodes, func(a, b string) int { return int(total(b) - total(a)) })
	return nodes
}

func row(d *conform.Decision, node string, columns []string, wide bool) []string {
	s, fits := d.Scores[node]
	if !fits {
		r := d.Infeasible[node]
		cells := append([]string{node, "-"}, slices.Repeat([]string{"-"}, len(columns))...)
		by := r.Plugin
		if wide {
			by += " (" + r.Code + ")"
		}
		return append(cells, by, strings.Join(r.Reasons, ", "))
	}
	cells := []string{node, fmt.Sprint(s.Total)}
	for _, name := range columns {
		p, scored := s.Plugins[name]
		switch {
		case !scored:
			cells = append(cells, "-")
		case wide:
			cells = append(cells, fmt.Sprintf("%dx%d (raw %d)", p.Normalized, p.Weight, p.Raw))
		default:
			cells = append(cells, fmt.Sprintf("%dx%d", p.Normalized, p.Weight))
		}
	}
	return append(cells, "", "")
}

// verdict is the decision in words.
func verdict(d *conform.Decision) string {
	switch {
	case len(d.Top) > 0 && d.Evaluated < len(d.NodeOrder) && d.Evaluated > 1:
		return fmt.Sprintf("The best are %s. A scheduling cycle looks at enough nodes only, here at %d, and takes the best of these.",
			strings.Join(d.Top, ", "), d.Evaluated)
	case len(d.Top) > 0 && !slices.Contains(d.Top, d.Node):
		return "The pod goes to " + d.Node + ", to which it is nominated."
	case len(d.Top) == 1:
		return "The pod goes to " + d.Top[0] + "."
	case len(d.Top) > 1:
		return "The pod goes to one of these by chance: " + strings.Join(d.Top, ", ") + "."
	}
	words := d.FitError
	switch p := d.Preemption; {
	case p == nil:
	case p.Node != "":
		words += fmt.Sprintf("\nThe pod preempts %s on %s.", strings.Join(p.Victims, ", "), p.Node)
	default:
		words += "\npreemption: " + p.Message
	}
	return words
}
