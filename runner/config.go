package runner

import (
	v1 "k8s.io/api/core/v1"

	"podsim/model"
)

// configData is what the ConfigMaps and Secrets of a scenario contain: a cluster keeps only their keys.
type configData struct{ steps []model.Step }

// of is the content of a ConfigMap or a Secret as it was applied last, until a moment.
func (d *configData) of(name model.ConfigName, now model.Time) map[string][]byte {
	var data map[string][]byte
	for i := range d.steps {
		if d.steps[i].At > now {
			break
		}
		for _, o := range d.steps[i].Objects {
			if configName(o.Object) != name {
				continue
			}
			switch x := o.Object.(type) {
			case *v1.ConfigMap:
				data = merge(x.BinaryData, x.Data)
			case *v1.Secret:
				data = merge(x.Data, x.StringData)
			}
		}
	}
	return data
}

// changes says whether a ConfigMap or a Secret is applied after a moment.
func (d *configData) changes(name model.ConfigName, after model.Time) bool {
	for i := range d.steps {
		for _, o := range d.steps[i].Objects {
			if d.steps[i].At > after && configName(o.Object) == name {
				return true
			}
		}
	}
	return false
}

// configName is that of a ConfigMap or a Secret, none of other objects.
func configName(o any) model.ConfigName {
	switch x := o.(type) {
	case *v1.ConfigMap:
		return model.ConfigName{Namespace: x.Namespace, Name: x.Name}
	case *v1.Secret:
		return model.ConfigName{Secret: true, Namespace: x.Namespace, Name: x.Name}
	}
	return model.ConfigName{}
}

func merge(bytes map[string][]byte, text map[string]string) map[string][]byte {
	data := map[string][]byte{}
	for k, v := range bytes {
		data[k] = v
	}
	for k, v := range text {
		data[k] = []byte(v)
	}
	return data
}
