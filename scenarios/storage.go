package scenarios

import (
	"slices"

	"gopkg.in/yaml.v3"

	"podsim/model"
)

// storageOperation is what a driver does with a volume.
type storageOperation model.StorageOperation

var storageOperations = []string{model.StorageAttach: "attach", model.StorageDetach: "detach", model.StorageMount: "mount"}

func (o *storageOperation) decodeNode(d *decoder, n *yaml.Node, path string) {
	if isNull(n) {
		return
	}
	s, ok := d.decodeString(n, path)
	i := slices.Index(storageOperations, s)
	if ok && i < 0 {
		d.errorf(n, "%s is %s, want %s%s", path, quoted(s), either(storageOperations), didYouMean(s, storageOperations))
	}
	*o = storageOperation(max(i, 0))
}

// storage makes the drivers of volumes.
func (r *reader) storage(files []storageFile) []model.StorageDriver {
	list := make([]model.StorageDriver, len(files))
	seen := map[string]model.Position{}
	for i := range files {
		f := &files[i]
		where := f.Where.at("driver")
		if first, ok := seen[f.Driver]; ok && first.File == where.File {
			r.errorAt(where, "driver %s is listed twice, first at %v", quoted(f.Driver), first)
		}
		seen[f.Driver] = where
		r.checkPattern(where, f.Driver)
		d := model.DefaultStorageDriver()
		d.Driver, d.Where = f.Driver, where
		override(f, &d)
		if f.Provision != nil {
			d.Provision = &f.Provision.Dist
		}
		for j := range f.Failures {
			d.Failures = append(d.Failures, r.storageFailure(&f.Failures[j]))
		}
		list[i] = d
	}
	return list
}

func (r *reader) storageFailure(f *storageFailureFile) model.StorageFailure {
	x := model.StorageFailure{Operation: model.StorageOperation(f.Operation), Error: f.Error, Until: model.Never}
	if f.Error == "" {
		r.errorAt(f.Where.at("error"), "error is empty, want the error of the driver")
	}
	if f.At != nil {
		x.From = model.Time(*f.At)
	}
	if f.For != nil {
		if x.Until = x.From + model.Time(*f.For); *f.For <= 0 || x.Until < x.From {
			r.errorAt(f.Where.at("for"), "for is %v, must be more than 0s", model.Time(*f.For))
		}
	}
	return x
}
