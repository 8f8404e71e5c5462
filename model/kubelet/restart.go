package kubelet

import "podsim/model"

// Restart makes p the pod of a kubelet that begins anew after its node lost its power: the
// runtime shows the sandbox and the containers dead (exit code 255, the reason given), the
// API server's status is all that is known of before, and back-offs and probes are forgotten.
func (p *Pod) Restart(api *model.PodStatus, reason model.Text, now model.Time) {
	containers, sandbox, instances := append([]container(nil), p.containers...), p.sandbox, p.instances
	status := append([]model.ContainerStatus(nil), api.Containers...)
	seen := p.seen.hasIP
	noCgroups := p.NoCgroupsPerQOS
	p.Reset(p.template)
	p.NoCgroupsPerQOS, p.KubeletStart = noCgroups, now
	p.instances = instances
	sandbox.ready = false
	p.sandbox = sandbox
	for i := range containers {
		c := &p.containers[i]
		c.cur, c.prev = containers[i].cur, containers[i].prev
		if c.cur.state == running || c.cur.state == created {
			c.cur.state, c.cur.exitCode, c.cur.reason, c.cur.finished = exited, 255, reason, now
		}
		c.logs = containers[i].logs
		c.list()
	}
	p.cacheStatus()
	p.seen.listed, p.seen.hasIP = p.sandbox, seen
	p.Status.CopyFrom(api)
	p.published = p.hasInitialized(api)
	p.Status.Containers = status
	if api.Containers == nil {
		p.Status.Containers = nil
	}
}
