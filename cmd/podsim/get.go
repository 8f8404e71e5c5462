package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"podsim/model"
	"podsim/reports"
)

// recordFlags are the flags of the commands that read a record.
type recordFlags struct {
	directory     string
	at            time.Duration
	namespace     string
	allNamespaces bool
	selector      string
}

func (f *recordFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.directory, "run", defaultDirectory, "the folder of the record")
	fl.DurationVar(&f.at, "at", 0, "the moment to show, such as 4.2s; the end of the run by default")
	fl.StringVarP(&f.namespace, "namespace", "n", "default", "the namespace")
	fl.StringVarP(&f.selector, "selector", "l", "", "show only what has these labels, such as app=web")
}

// open opens the record and works out the moment.
func (f *recordFlags) open(cmd *cobra.Command) (*reports.Record, model.Time, error) {
	r, err := reports.Open(f.directory)
	if err != nil {
		return nil, 0, err
	}
	at := r.Info.Ended
	if !r.Info.Complete && at == 0 {
		at = r.Info.Duration
	}
	if cmd.Flags().Changed("at") {
		at = model.Time(f.at)
		if at < 0 {
			return nil, 0, fmt.Errorf("--at must be 0s or later, not %s", f.at)
		}
	}
	return r, at, nil
}

func (f *recordFlags) labels() (labels.Selector, error) {
	if f.selector == "" {
		return nil, nil
	}
	s, err := labels.Parse(f.selector)
	if err != nil {
		return nil, fmt.Errorf("--selector %q: %w", f.selector, err)
	}
	return s, nil
}

func newGet() *cobra.Command {
	var f recordFlags
	var output, fieldSelector string
	var watch bool
	cmd := &cobra.Command{
		Use:   "get KIND[,KIND...] [NAME...]",
		Short: "Show objects of a run at any moment, as kubectl get does",
		Long: `Show pods, nodes, deployments, replicasets, services or events of a run as they were at a
moment; at its end by default. With --watch, every change up to then, in order, with the
moment of the change in the column TIME.`,
		Example: `  podsim get pods -o wide
  podsim get pods --at 4.2s
  podsim get pods --watch
  podsim get deploy,rs -A
  podsim get pods -l app=frontend -o yaml
  podsim get events --field-selector type=Warning`,
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: []string{"pods", "nodes", "deployments", "replicasets", "services", "events", "all"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := getOptions(args, &f, output, fieldSelector)
			if err != nil {
				return err
			}
			r, at, err := f.open(cmd)
			if err != nil {
				return err
			}
			o.At = at
			if watch {
				return r.Watch(cmd.OutOrStdout(), o)
			}
			return asFailure(r.Get(cmd.OutOrStdout(), o))
		},
	}
	f.add(cmd)
	fl := cmd.Flags()
	fl.BoolVarP(&f.allNamespaces, "all-namespaces", "A", false, "all namespaces")
	addOutput(fl, &output, reports.Outputs)
	fl.StringVar(&fieldSelector, "field-selector", "", "show only what has these fields, such as status.phase=Running")
	fl.BoolVarP(&watch, "watch", "w", false, "show every change in order")
	return cmd
}

// getOptions turns arguments and flags into options. KIND/NAME works as in kubectl.
func getOptions(args []string, f *recordFlags, output, fieldSelector string) (reports.GetOptions, error) {
	var o reports.GetOptions
	kind, names := args[0], args[1:]
	if k, name, ok := strings.Cut(kind, "/"); ok {
		kind, names = k, append([]string{name}, names...)
	}
	kinds, err := reports.Kinds(kind)
	if err != nil {
		return o, err
	}
	if len(names) > 0 && len(kinds) > 1 {
		return o, fmt.Errorf("names go with one kind, not with %s", kind)
	}
	if err := checkOutput(output, reports.Outputs); err != nil {
		return o, err
	}
	o = reports.GetOptions{Kinds: kinds, Names: names, Namespace: f.namespace, AllNamespaces: f.allNamespaces, Output: output}
	if o.Labels, err = f.labels(); err != nil {
		return o, err
	}
	if fieldSelector != "" {
		if o.Fields, err = fields.ParseSelector(fieldSelector); err != nil {
			return o, fmt.Errorf("--field-selector %q: %w", fieldSelector, err)
		}
	}
	return o, nil
}

// asFailure gives the exit code 1 to an object that is not there.
func asFailure(err error) error {
	if nf, ok := err.(reports.NotFound); ok {
		return failure{nf, exitFailed}
	}
	return err
}

func newDescribe() *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "describe KIND [NAME...]",
		Short: "Show an object at length, with its Events, as kubectl describe does",
		Long: `Show pods, nodes, deployments, replicasets or services at length: conditions, container states, Events. The
beginning of a name is enough. Of a pod without a node it is said at the end why: what the scheduler said, and what
each node would say at that moment.`,
		Example: `  podsim describe pod frontend
  podsim describe pod frontend --at 12s
  podsim describe node worker-0`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := getOptions(args, &f, "", "")
			if err != nil {
				return err
			}
			if len(o.Kinds) != 1 || o.Kinds[0] == "Event" {
				return fmt.Errorf("describe shows one kind of pods, nodes, deployments, replicasets, services; %q is none", args[0])
			}
			r, at, err := f.open(cmd)
			if err != nil {
				return err
			}
			return asFailure(r.Describe(cmd.OutOrStdout(), reports.DescribeOptions{Kind: o.Kinds[0], Names: o.Names, Namespace: o.Namespace, Labels: o.Labels, At: at, WhyPending: whyPending}))
		},
	}
	f.add(cmd)
	return cmd
}
