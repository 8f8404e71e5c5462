// Package extender asks the scheduler extenders of a KubeSchedulerConfiguration over HTTP, as
// kube-scheduler does: which nodes can take a pod, and how good they are. It does not bind pods and does
// not ask about preemption.
//
// The rule book is pkg/scheduler/extender.go at k8s.io/kubernetes v1.37.1; the messages are those of
// k8s.io/kube-scheduler/extender/v1.
package extender

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"podsim/model"
	"podsim/scheduler/framework"
)

// defaultTimeout is how long an answer may take when httpTimeout says nothing (extender.go
// DefaultExtenderTimeout).
const defaultTimeout = 5 * time.Second

// HTTP is an extender behind a URL.
type HTTP struct {
	config configv1.Extender
	client http.Client
	state  *model.State
}

// New are the extenders of a configuration, in its order. The objects that they are sent are made from
// state. An error is one of their TLS settings.
func New(list []configv1.Extender, state *model.State) ([]framework.Extender, error) {
	var extenders []framework.Extender
	for i := range list {
		h := &HTTP{config: list[i], state: state}
		transport, err := newTransport(&list[i])
		if err != nil {
			return nil, fmt.Errorf("extender %s: %w", list[i].URLPrefix, err)
		}
		h.client = http.Client{Transport: transport, Timeout: list[i].HTTPTimeout.Duration}
		if h.client.Timeout == 0 {
			h.client.Timeout = defaultTimeout
		}
		extenders = append(extenders, h)
	}
	return extenders, nil
}

// Name is the extender's URL.
func (h *HTTP) Name() string { return h.config.URLPrefix }

// Ignorable is the field of that name.
func (h *HTTP) Ignorable() bool { return h.config.Ignorable }

// Interested says whether a container names one of the managed resources, if there are any (IsInterested).
func (h *HTTP) Interested(c *framework.PodClass) bool {
	if len(h.config.ManagedResources) == 0 {
		return true
	}
	spec := c.Template.Spec
	return slices.ContainsFunc(spec.Containers, h.manages) || slices.ContainsFunc(spec.InitContainers, h.manages)
}

func (h *HTTP) manages(c v1.Container) bool {
	for _, r := range h.config.ManagedResources {
		name := v1.ResourceName(r.Name)
		if _, ok := c.Resources.Requests[name]; ok {
			return true
		}
		if _, ok := c.Resources.Limits[name]; ok {
			return true
		}
	}
	return false
}

// Filter asks with filterVerb.
func (h *HTTP) Filter(p *framework.Pod, nodes []*framework.NodeInfo) (framework.ExtenderFilterResult, error) {
	if h.config.FilterVerb == "" {
		return framework.ExtenderFilterResult{Fit: nodes}, nil
	}
	var answer extenderv1.ExtenderFilterResult
	if err := h.send(h.config.FilterVerb, h.arguments(p, nodes), &answer); err != nil {
		return framework.ExtenderFilterResult{}, err
	}
	if answer.Error != "" {
		return framework.ExtenderFilterResult{}, errors.New(answer.Error)
	}
	var names []string
	r := framework.ExtenderFilterResult{}
	if h.config.NodeCacheCapable && answer.NodeNames != nil {
		names = *answer.NodeNames
	} else if answer.Nodes != nil {
		r.Bare = true
		for i := range answer.Nodes.Items {
			names = append(names, answer.Nodes.Items[i].Name)
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(nodes, func(n *framework.NodeInfo) bool { return n.Name == name })
		if i < 0 {
			return framework.ExtenderFilterResult{}, fmt.Errorf(
				"extender %q claims a filtered node %q which is not found in the input node list", h.config.URLPrefix, name)
		}
		r.Fit = append(r.Fit, nodes[i])
	}
	r.Failed = failedNodes(nodes, &answer)
	return r, nil
}

// failedNodes are the nodes of which an answer says why they fail, in the order of nodes.
func failedNodes(nodes []*framework.NodeInfo, answer *extenderv1.ExtenderFilterResult) []framework.FailedNode {
	var failed []framework.FailedNode
	for _, n := range nodes {
		if message, ok := answer.FailedAndUnresolvableNodes[n.Name]; ok {
			failed = append(failed, framework.FailedNode{Node: n, Message: message, Unresolvable: true})
		} else if message, ok := answer.FailedNodes[n.Name]; ok {
			failed = append(failed, framework.FailedNode{Node: n, Message: message})
		}
	}
	return failed
}

// Prioritize asks with prioritizeVerb.
func (h *HTTP) Prioritize(p *framework.Pod, nodes []*framework.NodeInfo) ([]framework.HostPriority, int64, error) {
	if h.config.PrioritizeVerb == "" {
		return nil, 0, nil
	}
	var answer extenderv1.HostPriorityList
	if err := h.send(h.config.PrioritizeVerb, h.arguments(p, nodes), &answer); err != nil {
		return nil, 0, err
	}
	scores := make([]framework.HostPriority, len(answer))
	for i, a := range answer {
		scores[i] = framework.HostPriority{Host: a.Host, Score: a.Score}
	}
	return scores, h.config.Weight, nil
}

// arguments are the pod with the nodes, or with their names for an extender that knows them.
func (h *HTTP) arguments(p *framework.Pod, nodes []*framework.NodeInfo) *extenderv1.ExtenderArgs {
	args := &extenderv1.ExtenderArgs{Pod: podObject(p, h.state)}
	if h.config.NodeCacheCapable {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = n.Name
		}
		args.NodeNames = &names
		return args
	}
	args.Nodes = &v1.NodeList{}
	for _, n := range nodes {
		args.Nodes.Items = append(args.Nodes.Items, *nodeObject(&h.state.Nodes[n.ID], h.state))
	}
	return args
}

// send posts a question and reads the answer.
func (h *HTTP) send(verb string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	url := strings.TrimRight(h.config.URLPrefix, "/") + "/" + verb
	response, err := h.client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("failed %v with extender at URL %v, code %v", verb, url, response.StatusCode)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}
