package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"podsim/model"
)

// hugePageSizes are the sizes of huge pages that the machine has and whose use its cgroups limit, as they call them
// (github.com/opencontainers/cgroups HugePageSizes); none without the controller hugetlb.
var hugePageSizes = sync.OnceValue(func() []string {
	if !hugePagesLimited() {
		return nil
	}
	entries, err := os.ReadDir("/sys/kernel/mm/hugepages")
	if err != nil {
		return nil
	}
	var sizes []string
	for _, e := range entries {
		kilobytes := int64(0)
		if _, err := fmt.Sscanf(e.Name(), "hugepages-%dkB", &kilobytes); err == nil {
			sizes = append(sizes, pageSizeName(kilobytes<<10))
		}
	}
	return sizes
})

// hugePagesLimited says that the machine's cgroups have the controller hugetlb.
func hugePagesLimited() bool {
	if cgroupV2() {
		controllers, _ := os.ReadFile(filepath.Join(cgroupMount, "cgroup.controllers"))
		return slices.Contains(strings.Fields(string(controllers)), "hugetlb")
	}
	return slices.ContainsFunc(cgroupHierarchies(), func(h cgroupHierarchy) bool { return slices.Contains(h.controllers, "hugetlb") })
}

// pageSizeName is how cgroups call a size of huge pages, such as 2MB (pkg/apis/core/v1/helper/helpers.go
// HugePageUnitSizeFromByteSize).
func pageSizeName(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}} {
		if bytes >= unit.size {
			return fmt.Sprint(bytes/unit.size, unit.name)
		}
	}
	return fmt.Sprint(bytes>>10, "KB")
}

// hugePages are the amounts of huge pages in a list, in bytes, by the sizes' names.
func hugePages(list v1.ResourceList) map[string]int64 {
	all := map[string]int64{}
	for name, amount := range list {
		size, ok := strings.CutPrefix(string(name), v1.ResourceHugePagesPrefix)
		if !ok {
			continue
		}
		if q, err := resource.ParseQuantity(size); err == nil {
			all[pageSizeName(q.Value())] = amount.Value()
		}
	}
	return all
}

// hugePagesOf are those of a node that its pods may use together, of each size.
func hugePagesOf(node *model.Resources, sizes []string) map[string]int64 {
	list := v1.ResourceList{}
	for _, x := range node.Extended {
		list[x.Name] = *resource.NewQuantity(x.Amount, resource.BinarySI)
	}
	return ofSizes(hugePages(list), sizes)
}

// ofSizes has an amount of each size, 0 of one that is not there; nil without sizes.
func ofSizes(all map[string]int64, sizes []string) map[string]int64 {
	if len(sizes) == 0 {
		return nil
	}
	some := map[string]int64{}
	for _, size := range sizes {
		some[size] = all[size]
	}
	return some
}

// hugePageLimits are those of a container: its own, or else its pod's, and none of a size that nobody names
// (kuberuntime_container_linux.go GetHugepageLimitsFromResources).
func hugePageLimits(sizes []string, spec *v1.PodSpec, c *v1.Container) []*runtimeapi.HugepageLimit {
	var pod map[string]int64
	if spec.Resources != nil {
		pod = hugePages(spec.Resources.Limits)
	}
	own := hugePages(c.Resources.Limits)
	var limits []*runtimeapi.HugepageLimit
	for _, size := range sizes {
		limit, ok := own[size]
		if !ok {
			limit = pod[size]
		}
		limits = append(limits, &runtimeapi.HugepageLimit{PageSize: size, Limit: uint64(limit)})
	}
	return limits
}
