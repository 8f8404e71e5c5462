package sim

import (
	"fmt"
	"strconv"
	"strings"

	"podsim/model"
	"podsim/model/kubelet"
)

// applyConfig stores a ConfigMap or Secret. Kubelets see it at once: nobody else looks at it.
func (c *Cluster) applyConfig(x model.ConfigSource) {
	if i, ok := c.configs[x.ConfigName]; ok {
		c.state.ConfigSources[i] = x
		c.configChanged(x.ConfigName)
		return
	}
	c.configs[x.ConfigName] = len(c.state.ConfigSources)
	c.state.ConfigSources = append(c.state.ConfigSources, x)
}

func (c *Cluster) deleteConfig(s *model.Step) {
	name := model.ConfigName{Secret: s.Kind == model.KindSecret, Namespace: s.Namespace, Name: s.Name}
	i, ok := c.configs[name]
	if !ok || c.state.ConfigSources[i].Deleted {
		c.miss(s)
		return
	}
	c.state.ConfigSources[i].Deleted = true
	c.configChanged(name)
}

// configSource finds what a reference of a pod in the namespace is about, nil when there is none.
func (c *Cluster) configSource(namespace string, r *model.ConfigRef) *model.ConfigSource {
	i, ok := c.configs[model.ConfigName{Secret: r.Secret, Namespace: namespace, Name: r.Name}]
	switch {
	case ok && !c.state.ConfigSources[i].Deleted:
		return &c.state.ConfigSources[i]
	case !r.Secret && r.Name == model.RootCA.Name:
		return &model.RootCA
	}
	return nil
}

// generateConfig makes a container's configuration: of its variables and of the user that it is
// to run as (kuberuntime_container.go generateContainerConfig).
func (c *Cluster) generateConfig(id model.PodID, container int8) {
	e := kubelet.Event{Kind: kubelet.ConfigGenerated, Container: container}
	if why := c.configError(id, int(container)); why != "" {
		e.Text = c.state.Texts.Intern(why)
	}
	c.step(id, e)
}

func (c *Cluster) configError(id model.PodID, i int) string {
	o := &c.state.Pods[id]
	t := &o.Template.Containers[i]
	for j := range t.EnvRefs {
		r := &t.EnvRefs[j]
		if why := r.EnvError(o.Template.Namespace, c.configSource(o.Template.Namespace, r)); why != "" {
			return why
		}
	}
	return c.rootError(o, t)
}

// rootError follows verifyRunAsNonRoot. An image of which the scenario does not say as whom it
// runs is taken to run as somebody else than root.
func (c *Cluster) rootError(o *model.Pod, t *model.Container) string {
	pod := fmt.Sprintf("(pod: %q, container: %s)", c.state.PodDescription(o), t.Name)
	if t.RootForbidden {
		return "container's runAsUser breaks non-root policy " + pod
	}
	user := ""
	if t.UserOfImage {
		user, _, _ = strings.Cut(c.state.Images[t.ImageID].User, ":")
	}
	if user == "" {
		return ""
	}
	switch uid, err := strconv.ParseInt(user, 10, 64); {
	case err != nil:
		return fmt.Sprintf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root %s", user, pod)
	case uid == 0:
		return "container has runAsNonRoot and image will run as root " + pod
	}
	return ""
}
