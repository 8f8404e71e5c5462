package schedulerconfig

import (
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	configv1 "k8s.io/kube-scheduler/config/v1"
)

// maxCustomPriorityScore is the best score of a shape (apis/config/types.go MaxCustomPriorityScore).
const maxCustomPriorityScore = 10

// checkNames refuses plugins that are not known, in the configuration as it was written.
func checkNames(o *configv1.KubeSchedulerConfiguration) field.ErrorList {
	var errs field.ErrorList
	for i := range o.Profiles {
		p, path := &o.Profiles[i], field.NewPath("profiles").Index(i)
		for j := range p.PluginConfig {
			errs = append(errs, checkName(path.Child("pluginConfig").Index(j).Child("name"), p.PluginConfig[j].Name)...)
		}
		if p.Plugins == nil {
			continue
		}
		errs = append(errs, checkSet(path.Child("plugins", "multiPoint"), &p.Plugins.MultiPoint)...)
		for point := range NumPoints {
			errs = append(errs, checkSet(path.Child("plugins", point.String()), point.pluginSet(p.Plugins))...)
		}
	}
	return errs
}

func checkSet(path *field.Path, set *configv1.PluginSet) field.ErrorList {
	var errs field.ErrorList
	for i := range set.Enabled {
		errs = append(errs, checkName(path.Child("enabled").Index(i).Child("name"), set.Enabled[i].Name)...)
	}
	for i := range set.Disabled {
		if name := set.Disabled[i].Name; name != "*" {
			errs = append(errs, checkName(path.Child("disabled").Index(i).Child("name"), name)...)
		}
	}
	return errs
}

func checkName(path *field.Path, name string) field.ErrorList {
	switch {
	case kindOf(name) != nil:
		return nil
	case slices.Contains(gated, name):
		return field.ErrorList{field.Invalid(path, name, "the plugin is not simulated, as its feature gate is off by default")}
	}
	return field.ErrorList{field.NotSupported(path, name, PluginNames())}
}

// validate follows apis/config/validation/validation.go ValidateKubeSchedulerConfiguration. The
// defaults must have been set.
func validate(o *configv1.KubeSchedulerConfiguration) field.ErrorList {
	var errs field.ErrorList
	if *o.Parallelism <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("parallelism"), *o.Parallelism, "should be an integer value greater than zero"))
	}
	if o.ClientConnection.Burst < 0 {
		errs = append(errs, field.Invalid(field.NewPath("clientConnection", "burst"), o.ClientConnection.Burst, "must be non-negative"))
	}
	errs = append(errs, validateProfiles(o.Profiles)...)
	errs = append(errs, validatePercentage(field.NewPath("percentageOfNodesToScore"), o.PercentageOfNodesToScore)...)
	if *o.PodInitialBackoffSeconds <= 0 {
		errs = append(errs, field.Invalid(field.NewPath("podInitialBackoffSeconds"), *o.PodInitialBackoffSeconds, "must be greater than 0"))
	}
	if *o.PodMaxBackoffSeconds < *o.PodInitialBackoffSeconds {
		errs = append(errs, field.Invalid(field.NewPath("podMaxBackoffSeconds"), *o.PodMaxBackoffSeconds,
			"must be greater than or equal to podInitialBackoffSeconds"))
	}
	return append(errs, validateExtenders(field.NewPath("extenders"), o.Extenders)...)
}

func validatePercentage(path *field.Path, percentage *int32) field.ErrorList {
	if percentage != nil && (*percentage < 0 || *percentage > 100) {
		return field.ErrorList{field.Invalid(path, *percentage, "not in valid range [0-100]")}
	}
	return nil
}

func validateProfiles(profiles []configv1.KubeSchedulerProfile) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range profiles {
		p, path := &profiles[i], field.NewPath("profiles").Index(i)
		name := ""
		if p.SchedulerName != nil {
			name = *p.SchedulerName
		}
		switch {
		case name == "":
			errs = append(errs, field.Required(path.Child("schedulerName"), "with several profiles each needs a name"))
		case seen[name]:
			errs = append(errs, field.Duplicate(path.Child("schedulerName"), name))
		}
		seen[name] = true
		errs = append(errs, validatePercentage(path.Child("percentageOfNodesToScore"), p.PercentageOfNodesToScore)...)
		errs = append(errs, validatePluginConfig(path.Child("pluginConfig"), p.PluginConfig)...)
		if !apiequality.Semantic.DeepEqual(profiles[0].Plugins.QueueSort, p.Plugins.QueueSort) {
			errs = append(errs, field.Invalid(path.Child("plugins", "queueSort"), p.Plugins.QueueSort, "must be the same for all profiles"))
		}
	}
	return errs
}

func validatePluginConfig(path *field.Path, list []configv1.PluginConfig) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i := range list {
		if seen[list[i].Name] {
			errs = append(errs, field.Duplicate(path.Index(i), list[i].Name))
		}
		seen[list[i].Name] = true
		errs = append(errs, validateArgs(path.Index(i).Child("args"), list[i].Args.Object)...)
	}
	return errs
}

// validateArgs follows apis/config/validation/validation_pluginargs.go.
func validateArgs(path *field.Path, o runtime.Object) field.ErrorList {
	switch a := o.(type) {
	case *configv1.DefaultPreemptionArgs:
		return validateDefaultPreemption(path, a)
	case *configv1.DynamicResourcesArgs:
		return validateDynamicResources(path, a)
	case *configv1.InterPodAffinityArgs:
		return validateRange(path.Child("hardPodAffinityWeight"), *a.HardPodAffinityWeight, 0, 100)
	case *configv1.NodeAffinityArgs:
		return validateNodeAffinity(path.Child("addedAffinity"), a.AddedAffinity)
	case *configv1.NodeResourcesBalancedAllocationArgs:
		return validateBalancedAllocation(path.Child("resources"), a.Resources)
	case *configv1.NodeResourcesFitArgs:
		return validateFit(path, a)
	case *configv1.PodTopologySpreadArgs:
		return validateTopologySpread(path, a)
	case *configv1.VolumeBindingArgs:
		errs := validateShape(path.Child("shape"), a.Shape)
		if *a.BindTimeoutSeconds < 0 {
			errs = append(errs, field.Invalid(path.Child("bindTimeoutSeconds"), *a.BindTimeoutSeconds, "should not be a negative value"))
		}
		return errs
	}
	return nil
}

func validateRange(path *field.Path, value, least, most int32) field.ErrorList {
	if value < least || value > most {
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("not in valid range [%d, %d]", least, most))}
	}
	return nil
}

func validateDefaultPreemption(path *field.Path, a *configv1.DefaultPreemptionArgs) field.ErrorList {
	percentage, absolute := path.Child("minCandidateNodesPercentage"), path.Child("minCandidateNodesAbsolute")
	errs := validateRange(percentage, *a.MinCandidateNodesPercentage, 0, 100)
	if *a.MinCandidateNodesAbsolute < 0 {
		errs = append(errs, field.Invalid(absolute, *a.MinCandidateNodesAbsolute, "not in valid range [0, inf)"))
	}
	if *a.MinCandidateNodesPercentage == 0 && *a.MinCandidateNodesAbsolute == 0 {
		errs = append(errs, field.Invalid(percentage, 0, "cannot be zero at the same time as minCandidateNodesAbsolute"))
	}
	return errs
}

func validateDynamicResources(path *field.Path, a *configv1.DynamicResourcesArgs) field.ErrorList {
	var errs field.ErrorList
	if a.FilterTimeout.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("filterTimeout"), a.FilterTimeout.Duration.String(), "must be zero or positive"))
	}
	if a.BindingTimeout.Duration < time.Second {
		errs = append(errs, field.Invalid(path.Child("bindingTimeout"), a.BindingTimeout.Duration.String(), "must be at least 1 second"))
	}
	return errs
}

func validateNodeAffinity(path *field.Path, a *v1.NodeAffinity) field.ErrorList {
	if a == nil {
		return nil
	}
	var errs field.ErrorList
	if required := a.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		at := path.Child("requiredDuringSchedulingIgnoredDuringExecution")
		_, err := nodeaffinity.NewNodeSelector(required, field.WithPath(at))
		errs = append(errs, fieldErrors(at, err)...)
	}
	if preferred := a.PreferredDuringSchedulingIgnoredDuringExecution; len(preferred) > 0 {
		at := path.Child("preferredDuringSchedulingIgnoredDuringExecution")
		_, err := nodeaffinity.NewPreferredSchedulingTerms(preferred, field.WithPath(at))
		errs = append(errs, fieldErrors(at, err)...)
	}
	return errs
}

// fieldErrors are the errors of fields that an error is made of; one of another kind is put at path.
func fieldErrors(path *field.Path, err error) field.ErrorList {
	var errs field.ErrorList
	switch e := err.(type) {
	case nil:
	case *field.Error:
		errs = append(errs, e)
	case utilerrors.Aggregate:
		for _, each := range e.Errors() {
			errs = append(errs, fieldErrors(path, each)...)
		}
	default:
		errs = append(errs, field.Invalid(path, "", err.Error()))
	}
	return errs
}

func validateBalancedAllocation(path *field.Path, list []configv1.ResourceSpec) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{}
	for i, r := range list {
		if seen[r.Name] {
			errs = append(errs, field.Duplicate(path.Index(i).Child("name"), r.Name))
		}
		seen[r.Name] = true
		if r.Weight != 1 {
			errs = append(errs, field.Invalid(path.Index(i).Child("weight"), r.Weight, "must be 1"))
		}
	}
	return errs
}

func validateFit(path *field.Path, a *configv1.NodeResourcesFitArgs) field.ErrorList {
	var errs field.ErrorList
	for i, name := range a.IgnoredResources {
		errs = append(errs, metav1validation.ValidateLabelName(name, path.Child("ignoredResources").Index(i))...)
	}
	for i, group := range a.IgnoredResourceGroups {
		at := path.Child("ignoredResourceGroups").Index(i)
		if strings.Contains(group, "/") {
			errs = append(errs, field.Invalid(at, group, "resource group name can't contain '/'"))
		}
		errs = append(errs, metav1validation.ValidateLabelName(group, at)...)
	}
	return append(errs, validateStrategy(path.Child("scoringStrategy"), a.ScoringStrategy)...)
}

var strategies = []configv1.ScoringStrategyType{configv1.LeastAllocated, configv1.MostAllocated, configv1.RequestedToCapacityRatio}

func validateStrategy(path *field.Path, s *configv1.ScoringStrategy) field.ErrorList {
	var errs field.ErrorList
	if !slices.Contains(strategies, s.Type) {
		errs = append(errs, field.NotSupported(path.Child("type"), s.Type, strategies))
	}
	for i, r := range s.Resources {
		if r.Weight <= 0 || r.Weight > 100 {
			errs = append(errs, field.Invalid(path.Child("resources").Index(i).Child("weight"), r.Weight,
				fmt.Sprintf("resource weight of %s not in valid range (0, 100]", r.Name)))
		}
	}
	ratio := path.Child("requestedToCapacityRatio")
	switch {
	case s.Type != configv1.RequestedToCapacityRatio && s.RequestedToCapacityRatio != nil:
		errs = append(errs, field.Forbidden(ratio, "must be left out when type is not RequestedToCapacityRatio"))
	case s.Type != configv1.RequestedToCapacityRatio:
	case s.RequestedToCapacityRatio == nil:
		errs = append(errs, field.Required(ratio, "must be specified when type is RequestedToCapacityRatio"))
	default:
		errs = append(errs, validateShape(ratio.Child("shape"), s.RequestedToCapacityRatio.Shape)...)
	}
	return errs
}

// validateShape follows validateFunctionShape.
func validateShape(path *field.Path, shape []configv1.UtilizationShapePoint) field.ErrorList {
	if len(shape) == 0 {
		return field.ErrorList{field.Required(path, "at least one point must be specified")}
	}
	var errs field.ErrorList
	for i, point := range shape {
		if i > 0 && shape[i-1].Utilization >= point.Utilization {
			errs = append(errs, field.Invalid(path.Index(i).Child("utilization"), point.Utilization, "values must be sorted in increasing order"))
		}
		errs = append(errs, validateRange(path.Index(i).Child("utilization"), point.Utilization, 0, 100)...)
		errs = append(errs, validateRange(path.Index(i).Child("score"), point.Score, 0, maxCustomPriorityScore)...)
	}
	return errs
}

func validateTopologySpread(path *field.Path, a *configv1.PodTopologySpreadArgs) field.ErrorList {
	var errs field.ErrorList
	types := []configv1.PodTopologySpreadConstraintsDefaulting{configv1.SystemDefaulting, configv1.ListDefaulting}
	switch {
	case !slices.Contains(types, a.DefaultingType):
		errs = append(errs, field.NotSupported(path.Child("defaultingType"), a.DefaultingType, types))
	case a.DefaultingType == configv1.SystemDefaulting && len(a.DefaultConstraints) > 0:
		errs = append(errs, field.Invalid(path.Child("defaultingType"), a.DefaultingType, "must be List when .defaultConstraints are not empty"))
	}
	for i := range a.DefaultConstraints {
		errs = append(errs, validateConstraint(path.Child("defaultConstraints"), a.DefaultConstraints, i)...)
	}
	return errs
}

func validateConstraint(list *field.Path, constraints []v1.TopologySpreadConstraint, i int) field.ErrorList {
	c, path := &constraints[i], list.Index(i)
	var errs field.ErrorList
	if c.MaxSkew <= 0 {
		errs = append(errs, field.Invalid(path.Child("maxSkew"), c.MaxSkew, "not in valid range (0, inf)"))
	}
	if c.TopologyKey == "" {
		errs = append(errs, field.Required(path.Child("topologyKey"), "can not be empty"))
	} else {
		errs = append(errs, metav1validation.ValidateLabelName(c.TopologyKey, path.Child("topologyKey"))...)
	}
	actions := []v1.UnsatisfiableConstraintAction{v1.DoNotSchedule, v1.ScheduleAnyway}
	if !slices.Contains(actions, c.WhenUnsatisfiable) {
		errs = append(errs, field.NotSupported(path.Child("whenUnsatisfiable"), c.WhenUnsatisfiable, actions))
	}
	if c.LabelSelector != nil {
		errs = append(errs, field.Forbidden(path.Child("labelSelector"), "must be left out, as it is deduced for each pod"))
	}
	same := func(o v1.TopologySpreadConstraint) bool {
		return o.TopologyKey == c.TopologyKey && o.WhenUnsatisfiable == c.WhenUnsatisfiable
	}
	if slices.ContainsFunc(constraints[:i], same) {
		errs = append(errs, field.Duplicate(path, fmt.Sprintf("{%v, %v}", c.TopologyKey, c.WhenUnsatisfiable)))
	}
	return errs
}

func validateExtenders(path *field.Path, list []configv1.Extender) field.ErrorList {
	var errs field.ErrorList
	binders := 0
	seen := map[string]bool{}
	for i := range list {
		e, at := &list[i], path.Index(i)
		if e.PrioritizeVerb != "" && e.Weight <= 0 {
			errs = append(errs, field.Invalid(at.Child("weight"), e.Weight, "must have a positive weight applied to it"))
		}
		if e.BindVerb != "" {
			binders++
		}
		for j, r := range e.ManagedResources {
			name := at.Child("managedResources").Index(j).Child("name")
			if !IsExtendedResource(r.Name) {
				errs = append(errs, field.Invalid(name, r.Name, "is an invalid extended resource name"))
			}
			if seen[r.Name] {
				errs = append(errs, field.Duplicate(name, r.Name))
			}
			seen[r.Name] = true
		}
	}
	if binders > 1 {
		errs = append(errs, field.Invalid(path, fmt.Sprintf("found %d extenders implementing bind", binders), "only one extender can implement bind"))
	}
	return errs
}

// IsExtendedResource follows pkg/apis/core/v1/helper/helpers.go IsExtendedResourceName.
func IsExtendedResource(name string) bool {
	if !strings.Contains(name, "/") || strings.Contains(name, v1.ResourceDefaultNamespacePrefix) || strings.HasPrefix(name, v1.DefaultResourceRequestsPrefix) {
		return false
	}
	return len(validation.IsQualifiedName(v1.DefaultResourceRequestsPrefix+name)) == 0
}
