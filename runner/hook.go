package runner

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"

	"podsim/model"
	"podsim/model/kubelet"
)

// hookTime is how long a hook may take. The kubelet sets no limit of its own.
const hookTime = 24 * time.Hour

// hook runs a hook other than a sleep before the stop (pkg/kubelet/lifecycle/handlers.go Run).
func (r *CRI) hook(p *pod, f *kubelet.Effect) {
	e := kubelet.Event{Kind: kubelet.HookDone, Container: f.Container, Instance: f.Instance}
	t := &p.template.Containers[f.Container]
	h, name, hook := t.PreStop, "preStop", askedPreStop
	if f.OK {
		h, name, hook = t.PostStart, "postStart", askedPostStart
	}
	handler := hookOf(p.template.ContainerSpec(int(f.Container)), hook)
	scheme := r.scheme(handler.HTTPGet)
	where := r.where(p, int(f.Container), hook, &v1.ProbeHandler{HTTPGet: handler.HTTPGet})
	id := r.instanceID(p, f)
	var result probeResult
	r.call(hookTime, func(ctx context.Context) error {
		switch h.Handler {
		case model.HandlerSleep:
			wait(ctx, time.Duration(h.Sleep))
			result.ok = true
		case model.HandlerHTTP:
			result = httpProbe(ctx, scheme, where, handler.HTTPGet, 0)
			if !result.said {
				result.text = ""
			}
		case model.HandlerExec:
			result = r.execProbe(ctx, id, r.execCommand(handler.Exec, []string{programPath, "hook", name}), 0)
		}
		return nil
	}, func(error) {
		e.OK, e.N = result.ok, int64(max(1, result.exit))
		if !result.ok && result.text != "" {
			e.Text = r.intern(result.text)
		}
		r.answer(p, e)
	})
}
