// Package sim is how time passes: the event queue, the named random draws, and the cluster
// that lets the rules of package model and the decisions of package scheduler happen one
// after the other in virtual time.
//
// The cluster is passive. Next says when something happens, Step lets it happen, Inject hands
// in an answer from outside; Run is the five-line loop around them. It holds no clock,
// starts no goroutine and reads no file. What Kubernetes does stands in package model; the
// files here are named for the component whose writes, watches and limits they model.
package sim
