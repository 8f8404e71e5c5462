package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Schema is the JSON Schema (draft 2020-12) of scenario files, for editors and other tools.
// It is made from the same types that the decoder reads into; schema.json in this folder is
// a copy of it.
func Schema() []byte {
	g := schemaMaker{definitions: map[string]any{}}
	root := g.structSchema(reflect.TypeFor[scenarioFile]())
	properties := root["properties"].(map[string]any)
	properties["apiVersion"].(map[string]any)["const"] = "podsim/v1alpha1"
	properties["kind"].(map[string]any)["const"] = "Scenario"
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "podsim scenario"
	root["$defs"] = g.definitions
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		panic(err)
	}
	return out.Bytes()
}

type schemaMaker struct {
	definitions map[string]any
}

// named are the types that decode themselves, with the names of their definitions.
var named = map[reflect.Type]string{
	reflect.TypeFor[span]():             "duration",
	reflect.TypeFor[amount]():           "bytes",
	reflect.TypeFor[distribution]():     "distribution",
	reflect.TypeFor[numbers]():          "exitCodes",
	reflect.TypeFor[memoryUse]():        "memory",
	reflect.TypeFor[quantity]():         "quantity",
	reflect.TypeFor[document]():         "manifest",
	reflect.TypeFor[objectTree]():       "object",
	reflect.TypeFor[fileName]():         "file",
	reflect.TypeFor[clock]():            "time",
	reflect.TypeFor[pullError]():        "pullError",
	reflect.TypeFor[nodeMode]():         "nodeFailure",
	reflect.TypeFor[truth]():            "conditionStatus",
	reflect.TypeFor[tieRule]():          "tieRule",
	reflect.TypeFor[storageOperation](): "storageOperation",
}

func (g *schemaMaker) typeSchema(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		return g.typeSchema(t.Elem())
	}
	if name, ok := named[t]; ok {
		if _, ok := g.definitions[name]; !ok {
			g.definitions[name] = nil
			g.definitions[name] = g.definition(t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	switch t.Kind() {
	case reflect.Struct:
		return g.structSchema(t)
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.typeSchema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.typeSchema(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int32:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	}
	panic(fmt.Sprintf("scenarios: no schema for %v", t))
}

// structSchema is the schema of a mapping. The fields are those that the decoder knows.
func (g *schemaMaker) structSchema(t reflect.Type) map[string]any {
	fields := newDecoder(nil).fieldsOf(t)
	properties := map[string]any{}
	required := []string{}
	for _, name := range sortedKeys(fields) {
		f := fields[name]
		s := g.typeSchema(t.FieldByIndex(f.index).Type)
		s["description"] = f.doc
		properties[name] = s
		if f.need {
			required = append(required, name)
		}
	}
	schema := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	if t == reflect.TypeFor[stepFile]() {
		schema["oneOf"] = oneVerb()
	}
	return schema
}

// oneVerb says that a step has exactly one verb.
func oneVerb() []any {
	var alternatives []any
	for _, v := range verbs {
		alternatives = append(alternatives, map[string]any{"required": []string{v.name}})
	}
	return alternatives
}

// definition is the schema of a type that decodes itself.
func (g *schemaMaker) definition(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[span]():
		return map[string]any{
			"type":        "string",
			"pattern":     `^([0-9]+(\.[0-9]*)?(d|h|m|s|ms|us|µs|ns))+$|^0$`,
			"description": "A duration such as 90s, 1h30m or 1d.",
		}
	case reflect.TypeFor[amount]():
		return map[string]any{"type": []string{"string", "number"}, "description": "A number of bytes as a Kubernetes quantity, such as 100Mi."}
	case reflect.TypeFor[quantity]():
		return map[string]any{"type": []string{"string", "number"}, "description": "A Kubernetes quantity, such as 300m or 200Mi."}
	case reflect.TypeFor[numbers]():
		code := map[string]any{"type": "integer", "minimum": 0, "maximum": 255}
		return map[string]any{
			"oneOf":       []any{code, map[string]any{"type": "array", "items": code, "minItems": 1}},
			"description": "An exit code or a list of them.",
		}
	case reflect.TypeFor[document]():
		return map[string]any{"type": []string{"string", "object"}, "description": "The path of a file or folder, or a Kubernetes object."}
	case reflect.TypeFor[objectTree]():
		return map[string]any{"type": "object", "description": "A Kubernetes object."}
	case reflect.TypeFor[fileName]():
		return map[string]any{"type": "string", "minLength": 1, "description": "The path of a file."}
	case reflect.TypeFor[clock]():
		return map[string]any{"type": "string", "format": "date-time", "description": "A moment in RFC 3339."}
	case reflect.TypeFor[pullError]():
		return map[string]any{
			"anyOf":       []any{map[string]any{"enum": pullErrors}, map[string]any{"type": "string"}},
			"description": "What a pull ends with.",
		}
	case reflect.TypeFor[nodeMode]():
		return map[string]any{"enum": nodeModes, "description": "How a node fails."}
	case reflect.TypeFor[storageOperation]():
		return map[string]any{"enum": storageOperations, "description": "What a driver does with a volume."}
	case reflect.TypeFor[tieRule]():
		return map[string]any{"enum": tieRules, "description": "Which of several best nodes a pod gets."}
	case reflect.TypeFor[truth]():
		return map[string]any{"enum": truths, "description": "The status of a condition."}
	case reflect.TypeFor[memoryUse]():
		return map[string]any{
			"oneOf":       []any{g.typeSchema(reflect.TypeFor[[]useFile]()), g.structSchema(reflect.TypeFor[memoryFile]())},
			"description": "The memory in use over time: a list of points, or a mapping.",
		}
	case reflect.TypeFor[distribution]():
		kinds := g.structSchema(reflect.TypeFor[distributionFile]())
		kinds["minProperties"], kinds["maxProperties"] = 1, 1
		return map[string]any{
			"oneOf":       []any{g.typeSchema(reflect.TypeFor[span]()), kinds},
			"description": "A duration, or a distribution of durations: a mapping with one key that names its kind.",
		}
	}
	panic(fmt.Sprintf("scenarios: no definition for %v", t))
}
