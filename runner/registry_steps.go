package runner

import (
	"fmt"

	"podsim/model"
	"podsim/runner/images"
)

// watchRegistries carries out the scenario's steps about registries, each when the cluster has come to its
// moment: one after the other in a goroutine, as the registry's addresses are opened and closed.
func (p *play) watchRegistries(r *CRI, registry *images.Registry) {
	var steps []*model.Step
	for i := range p.scenario.Steps {
		if s := &p.scenario.Steps[i]; s.Verb == model.StepRegistry {
			steps = append(steps, s)
		}
	}
	due := make(chan *model.Step, len(steps))
	p.driver.Go(func() {
		for {
			select {
			case s := <-due:
				if err := registry.Set(s.Name, s.Error, s.Bandwidth); err != nil {
					p.driver.Answer(func() { r.leftOut(fmt.Sprintf("registry (%v): %s", s.Where, err)) })
				}
			case <-p.calls.Done():
				return
			}
		}
	})
	tick := p.Tick
	p.driver.Tick = func() {
		for len(steps) > 0 && steps[0].At <= p.cluster.Now() {
			due <- steps[0]
			steps = steps[1:]
		}
		if tick != nil {
			tick()
		}
	}
}
