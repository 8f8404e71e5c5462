package model

import (
	"math"
	"strconv"
	"time"
)

// Time is a moment of a run: nanoseconds since the run began. A span of time is a Time too.
type Time int64

// The units of Time.
const (
	Microsecond Time = 1_000
	Millisecond Time = 1_000 * Microsecond
	Second      Time = 1_000 * Millisecond
	Minute      Time = 60 * Second
	Hour        Time = 60 * Minute
)

// Never is later than every moment of a run.
const Never Time = math.MaxInt64

// Duration is t as Go's span of time.
func (t Time) Duration() time.Duration { return time.Duration(t) }

// Seconds is t in seconds.
func (t Time) Seconds() float64 { return time.Duration(t).Seconds() }

// TruncateSecond is t without its fraction of a second, as the API server stores it
// (k8s.io/apimachinery meta/v1 Time.MarshalJSON: RFC 3339, whole seconds). The run starts
// on a whole second.
func (t Time) TruncateSecond() Time {
	if t == Never {
		return t
	}
	return t - t%Second
}

// String prints t in seconds with up to three decimals: "0s", "4.25s", "3600s".
func (t Time) String() string {
	if t == Never {
		return "never"
	}
	return strconv.FormatFloat(float64((t+Millisecond/2)/Millisecond)/1000, 'f', -1, 64) + "s"
}

// PodID names a pod's slot. Slots are used again when a pod's object is gone; what may
// arrive late carries the pod's generation as well. Zero is no pod.
type PodID int32

// NodeID names a node. Zero is no node.
type NodeID int32

// DeploymentID names a Deployment. Zero is none.
type DeploymentID int32

// ReplicaSetID names a ReplicaSet. Zero is none.
type ReplicaSetID int32

// TemplateID names a compiled pod template. Zero is none.
type TemplateID int32

// ImageID names an image as a manifest writes it. Zero is none.
type ImageID int32
