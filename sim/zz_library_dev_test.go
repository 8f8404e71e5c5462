package sim

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/scenarios"
)

func TestLibraryDev(t *testing.T) {
	f := os.Getenv("SCENARIO")
	if f == "" {
		t.Skip("dev")
	}
	long := os.Getenv("LONG")
	only := os.Getenv("POD")
	sc, err := scenarios.Read(f)
	require.NoError(t, err)
	c, err := NewCluster(sc)
	require.NoError(t, err)
	last := map[string]string{}
	at := func(x model.Time) string { return fmt.Sprintf("%9.3f", float64(x)/1e9) }
	c.Observe(func(tr model.Transition) {
		switch tr.Kind {
		case model.KindPod:
			o := &c.state.Pods[tr.ID]
			if only != "" && !strings.Contains(o.Name, only) {
				return
			}
			r, n := o.ReadyContainers()
			node := "-"
			if o.Node != 0 {
				node = c.state.Nodes[o.Node].Name
			}
			line := fmt.Sprintf("%-30s %-8s %d/%d %-26s %d", o.Name, node, r, n, c.state.StatusWord(o), o.RestartCount())
			if tr.Type == model.Deleted {
				line += " DELETED"
			}
			if long != "" {
				line += " " + o.Status.Phase.String() + " " + c.state.Texts.String(o.Status.Reason)
				for k := range o.Status.Conditions {
					x := &o.Status.Conditions[k]
					if x.Status != 0 {
						line += fmt.Sprintf(" %s=%s(%s)", model.ConditionType(k), x.Status, c.state.Texts.String(x.Reason))
					}
				}
				for i := range o.Status.Containers {
					k := &o.Status.Containers[i]
					st := func(s *model.ContainerState) string {
						x := s.Kind.String()
						if s.Reason != 0 {
							x += "/" + c.state.Texts.String(s.Reason)
						}
						if s.Kind == model.StateTerminated {
							x += fmt.Sprintf("/%d", s.ExitCode)
						}
						return x
					}
					line += fmt.Sprintf(" [%s %s last %s s=%v r=%v]", o.Template.Containers[i].Name, st(&k.State), st(&k.Last), k.Started, k.Ready)
				}
			}
			if last[o.Name] == line && tr.Type == model.Modified {
				return
			}
			last[o.Name] = line
			fmt.Println(at(tr.At), line)
		case model.KindNode:
			o := &c.state.Nodes[tr.ID]
			fmt.Println(at(tr.At), "NODE", o.Name, "unsched", o.Unschedulable, "ready", o.Conditions[model.NodeReady].Status, o.Taints)
		case model.KindDeployment:
			if os.Getenv("DEP") != "" {
				o := &c.state.Deployments[tr.ID]
				fmt.Println(at(tr.At), "DEPLOY", o.Name, fmt.Sprintf("%+v", o.Status))
			}
		}
	}, func(e *model.Event) {
		if os.Getenv("EVENTS") == "" {
			return
		}
		name := ""
		if e.Kind == model.KindPod {
			name = c.state.Pods[e.ID].Name
			if only != "" && !strings.Contains(name, only) {
				return
			}
		} else if only != "" {
			return
		}
		fmt.Println(at(e.At), "   EVENT", e.Kind, name, e.Reason, "x", e.Count, c.state.EventMessage(e))
	})
	c.Begin()
	c.Run(sc.Duration, nil)
	fmt.Println("final:")
	for i := range c.state.Deployments {
		d := &c.state.Deployments[i]
		if i > 0 {
			fmt.Println("  deploy", d.Name, d.Replicas, fmt.Sprintf("%+v", d.Status))
		}
	}
	for _, u := range sc.Unsimulated {
		fmt.Println("unsimulated", u)
	}
	fmt.Println("warnings", c.Warnings())
}
