// Package scenarios reads what goes into a run: scenario files and the Kubernetes manifests
// that they name. It is strict: what it does not understand is an error that says where it
// stands and what would be right. It applies the API server's defaults (model.DefaultPod and
// its neighbours), and it lists what a manifest asks for and the simulation does not do.
//
// It does not run anything and does not know how time passes: the result is a
// model.Scenario. A file is parsed into a YAML tree (tree.go), the tree is decoded into Go
// types that keep the line of everything (decode.go), and what has been decoded is checked
// for what a type cannot say (object.go for Kubernetes objects, read.go for scenarios).
//
// The rule books are the file types in file.go for scenarios, from which the JSON Schema is
// made too, and for manifests k8s.io/api and the validation in k8s.io/kubernetes v1.37.1
// pkg/apis/core/validation and pkg/apis/apps/validation.
package scenarios
