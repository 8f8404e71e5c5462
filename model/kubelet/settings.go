package kubelet

import (
	"podsim/model"
	"podsim/model/kubeletconfig"
)

// Settings are what a kubelet's configuration says of its pod workers.
type Settings struct {
	// SyncFrequency is how soon the worker looks again after a sync that went well (syncFrequency).
	SyncFrequency model.Time
	// BackoffInitial and BackoffMax are the first and the longest delay of a container that crashes.
	BackoffInitial, BackoffMax model.Time
}

// The crash back-off of kubelet.go (initialCrashLoopBackOff, MaxCrashLoopBackOff), and with the feature
// gate ReduceDefaultCrashLoopBackOffDecay.
const (
	crashBackoffInitial = 10 * model.Second
	crashBackoffMax     = 300 * model.Second
	reducedInitial      = 1 * model.Second
	reducedMax          = 60 * model.Second
)

// DefaultSettings are those of a kubelet without a configuration.
func DefaultSettings() Settings {
	return Settings{SyncFrequency: model.Minute, BackoffInitial: crashBackoffInitial, BackoffMax: crashBackoffMax}
}

// NewSettings are the settings of a configuration (kubelet.go newCrashLoopBackOff).
func NewSettings(c *kubeletconfig.Configuration) Settings {
	s := DefaultSettings()
	s.SyncFrequency = model.Time(c.SyncFrequency.Duration)
	if c.FeatureEnabled(kubeletconfig.ReduceDefaultCrashLoopBackOffDecay) {
		s.BackoffInitial, s.BackoffMax = reducedInitial, reducedMax
	}
	if c.FeatureEnabled(kubeletconfig.KubeletCrashLoopBackOffMax) {
		s.BackoffMax = model.Time(c.CrashLoopBackOff.MaxContainerRestartPeriod.Duration)
		s.BackoffInitial = min(s.BackoffInitial, s.BackoffMax)
	}
	return s
}
