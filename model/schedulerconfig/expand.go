package schedulerconfig

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
	configv1 "k8s.io/kube-scheduler/config/v1"
)

// expand is a profile with the plugins of each extension point (framework/runtime/framework.go
// NewFramework). Its plugins must have been merged with the default ones.
func expand(path *field.Path, o *configv1.KubeSchedulerProfile) (Profile, field.ErrorList) {
	p := Profile{PercentageOfNodesToScore: o.PercentageOfNodesToScore, Args: argsOf(o)}
	if o.SchedulerName != nil {
		p.SchedulerName = *o.SchedulerName
	}
	var errs field.ErrorList
	for point := range NumPoints {
		names, err := expandPoint(path.Child("plugins"), point, o.Plugins)
		if err != nil {
			errs = append(errs, err)
		}
		for _, name := range names {
			plugin := Plugin{Name: name}
			if point == Score || point == PlacementScore {
				plugin.Weight = weight(point, name, o.Plugins)
			}
			p.Plugins[point] = append(p.Plugins[point], plugin)
		}
	}
	if len(errs) > 0 {
		return p, errs
	}
	p.ScoreFailure = p.scoreFailure()
	return p, p.check(path.Child("plugins"))
}

// expandPoint is the order of the plugins at a point: first those of the point that MultiPoint has too,
// then those of MultiPoint, then the others of the point (framework.go updatePluginList,
// expandMultiPointPlugins).
func expandPoint(path *field.Path, point Point, plugins *configv1.Plugins) ([]string, *field.Error) {
	set := point.pluginSet(plugins)
	var own []string
	for _, e := range set.Enabled {
		switch k := kindOf(e.Name); {
		case k == nil:
			// checkNames has said so.
		case !slices.Contains(k.points, point):
			return nil, field.Invalid(path.Child(point.String()), e.Name, fmt.Sprintf("the plugin has no %s, it has %s", point, pointList(k)))
		case slices.Contains(own, e.Name):
			return nil, field.Duplicate(path.Child(point.String()), e.Name)
		default:
			own = append(own, e.Name)
		}
	}
	if listed(set.Disabled, "*") {
		return own, nil
	}
	var overriding, multi []string
	for _, e := range plugins.MultiPoint.Enabled {
		k := kindOf(e.Name)
		if k == nil || !slices.Contains(k.points, point) || listed(set.Disabled, e.Name) {
			continue
		}
		switch {
		case slices.Contains(own, e.Name):
			overriding = append(overriding, e.Name)
		case slices.Contains(multi, e.Name):
			return nil, field.Duplicate(path.Child("multiPoint"), e.Name)
		default:
			multi = append(multi, e.Name)
		}
	}
	var first, last []string
	for _, name := range own {
		if slices.Contains(overriding, name) {
			first = append(first, name)
		} else {
			last = append(last, name)
		}
	}
	return slices.Concat(first, multi, last), nil
}

func pointList(k *kind) string {
	list := ""
	for i, p := range k.points {
		if i > 0 {
			list += ", "
		}
		list += p.String()
	}
	return list
}

// weight is that of the point, or else that of MultiPoint, or else 1 (framework.go
// getValidScoreWeights).
func weight(point Point, name string, plugins *configv1.Plugins) int64 {
	for _, e := range slices.Concat(point.pluginSet(plugins).Enabled, plugins.MultiPoint.Enabled) {
		if e.Name == name {
			if e.Weight == nil || *e.Weight == 0 {
				return 1
			}
			return int64(*e.Weight)
		}
	}
	return 1
}

// scoreFailure is the error with which every scoring fails, as a plugin scores whose PreScore is disabled;
// empty when there is none (framework.go RunScorePlugins, getPreScoreState of the plugins).
func (p *Profile) scoreFailure() string {
	for _, score := range p.Plugins[Score] {
		if how := kindOf(score.Name).noPreScore; how != "" && !p.Has(PreScore, score.Name) {
			return fmt.Sprintf("running Score plugins: plugin %q failed with: %s %q from cycleState: not found", score.Name, how, "PreScore"+score.Name)
		}
	}
	return ""
}

// check refuses a profile with which nothing could be scheduled: one that cannot sort its queue or bind,
// and one with a plugin whose Filter fails for every pod because its PreFilter is disabled.
func (p *Profile) check(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n := len(p.Plugins[QueueSort]); n != 1 {
		errs = append(errs, field.Invalid(path.Child("queueSort"), p.Names(QueueSort), "one queue sort plugin is needed: PrioritySort"))
	}
	if len(p.Plugins[Bind]) == 0 {
		errs = append(errs, field.Required(path.Child("bind"), "a bind plugin is needed: DefaultBinder"))
	}
	for i := range kinds {
		if k := &kinds[i]; k.needsPreFilter && p.Has(Filter, k.name) && !p.Has(PreFilter, k.name) {
			errs = append(errs, field.Invalid(path.Child("filter"), k.name, "every pod would fail, as the plugin's preFilter is disabled: disable both"))
		}
	}
	return errs
}
