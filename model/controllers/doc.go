// Package controllers decides what the controllers of kube-controller-manager do: each
// function takes the objects of one key and gives the writes that follow, changing nothing
// itself. When a key is synced, how long a write takes and how the writes are limited is the
// cluster's business.
//
// The rule book is pkg/controller of k8s.io/kubernetes v1.37.1.
package controllers
