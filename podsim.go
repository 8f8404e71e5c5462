// Package podsim is the root of a simulator of Kubernetes clusters in virtual time. It holds
// no code: ARCHITECTURE.md is the map of the rooms, and the command is cmd/podsim.
package podsim
