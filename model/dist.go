package model

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Numbers beyond these overflow on the way to a quantile, and mean nothing in a cluster.
const (
	distMax      = 1e60
	distShapeMax = 1e9
)

// DistKind is the family of a Dist.
type DistKind uint8

// The kinds of distributions, and the fields of Dist that each one reads besides Min and Max.
const (
	// DistConstant is always Value. The zero Dist is the constant 0.
	DistConstant DistKind = iota
	// DistUniform is flat between Min and Max.
	DistUniform
	// DistExponential has the mean Mean > 0.
	DistExponential
	// DistNormal has the mean Mean and the standard deviation Stddev >= 0.
	DistNormal
	// DistLogNormal has the mean Mean > 0 and the standard deviation Stddev >= 0. Both are of
	// the distribution itself, not of its logarithm: they are what is measured from a sample. With a
	// Shift, which is below Mean, no number is below it, and what is above it is log-normal.
	DistLogNormal
	// DistGamma has Shape > 0 (k) and Scale > 0 (theta); its mean is Shape*Scale.
	DistGamma
	// DistWeibull has Shape > 0 (k) and Scale > 0 (lambda, the quantile at 1-1/e).
	DistWeibull
	// DistPareto has Shape > 0 (alpha) and Scale > 0 (xm, the least value). Its mean is infinite
	// when Shape <= 1: give a Max.
	DistPareto
	// DistEmpirical is one of Values, each as often as its weight in Weights. Without Weights
	// all are equally likely. It does not interpolate between values.
	DistEmpirical
)

// String is the kind's name as it is written in errors: "constant", "lognormal".
func (k DistKind) String() string {
	names := [...]string{
		"constant", "uniform", "exponential", "normal", "lognormal", "gamma", "weibull", "pareto",
		"empirical",
	}
	if int(k) >= len(names) {
		return fmt.Sprintf("distribution kind %d", k)
	}
	return names[k]
}

// Dist describes a distribution of numbers; sim.Sample draws from it. The numbers are in the
// unit that the user of the distribution states; durations are in nanoseconds. It is an input
// and therefore floating point: what is drawn as a duration is rounded to whole nanoseconds.
// See Validate for the ranges.
type Dist struct {
	// Kind says which of the other fields are read.
	Kind DistKind
	// Value is the number that a constant always is.
	Value float64
	// Min and Max bound what is drawn, whatever the kind, when Max > Min: what falls outside
	// becomes the bound itself. Both zero is no bound; for one bound only, the other is an
	// infinity. For DistUniform they are the range.
	Min, Max float64
	// Mean and Stddev are those of the distribution itself (before Min and Max cut it).
	Mean, Stddev float64
	// Shift is the least number of DistLogNormal, 0 or above.
	Shift float64
	// Shape has no unit.
	Shape float64
	// Scale has the unit of what is drawn.
	Scale float64
	// Values are what DistEmpirical chooses from, in any order. Never empty for that kind.
	Values []float64
	// Weights are >= 0 and need not add up to one: Weights[i] belongs to Values[i]. Empty means
	// that all values weigh the same.
	Weights []float64
}

// Validate says what is wrong with d, or nil. What it accepts can be drawn from at any quantile.
// Besides what the fields say, numbers are within 1e60 of 0, those above 0 at least 1e-60, and
// Shape is from 1e-9 to 1e9; only Min and Max, as bounds, may be infinite.
func (d *Dist) Validate() error {
	if err := d.validateBounds(); err != nil {
		return fmt.Errorf("%v: %w", d.Kind, err)
	}
	if err := d.validateKind(); err != nil {
		return fmt.Errorf("%v: %w", d.Kind, err)
	}
	return nil
}

func (d *Dist) validateBounds() error {
	if math.IsNaN(d.Min) || math.IsNaN(d.Max) {
		return errors.New("min and max must be numbers")
	}
	if d.Kind == DistUniform {
		if d.Max < d.Min {
			return fmt.Errorf("max %v must not be below min %v", d.Max, d.Min)
		}
		return cmp.Or(finite("min", d.Min), finite("max", d.Max))
	}
	// A bound that would be passed over in silence is a mistake.
	if d.Max <= d.Min && (d.Min != 0 || d.Max != 0) {
		return fmt.Errorf("max %v must be above min %v", d.Max, d.Min)
	}
	return nil
}

func (d *Dist) validateKind() error {
	switch d.Kind {
	case DistConstant:
		return finite("value", d.Value)
	case DistUniform:
		return nil
	case DistExponential:
		return positive("mean", d.Mean)
	case DistNormal:
		return cmp.Or(finite("mean", d.Mean), notNegative("stddev", d.Stddev))
	case DistLogNormal:
		return cmp.Or(positive("mean", d.Mean), notNegative("stddev", d.Stddev), notNegative("shift", d.Shift), d.validateShift())
	case DistGamma, DistWeibull, DistPareto:
		return cmp.Or(between("shape", d.Shape, 1/distShapeMax, distShapeMax),
			positive("scale", d.Scale))
	case DistEmpirical:
		return d.validateEmpirical()
	}
	return errors.New("there is no such kind")
}

func (d *Dist) validateShift() error {
	if d.Shift >= d.Mean {
		return fmt.Errorf("shift %v must be below the mean %v", d.Shift, d.Mean)
	}
	return nil
}

func (d *Dist) validateEmpirical() error {
	if len(d.Values) == 0 {
		return errors.New("values must not be empty")
	}
	for i, value := range d.Values {
		if err := finite(fmt.Sprintf("values[%d]", i), value); err != nil {
			return err
		}
	}
	if len(d.Weights) == 0 {
		return nil
	}
	if len(d.Weights) != len(d.Values) {
		return fmt.Errorf("%d weights for %d values: give one each, or none", len(d.Weights), len(d.Values))
	}
	total := 0.0
	for i, weight := range d.Weights {
		if err := notNegative(fmt.Sprintf("weights[%d]", i), weight); err != nil {
			return err
		}
		total += weight
	}
	return positive("the sum of weights", total)
}

func finite(name string, x float64) error { return between(name, x, -distMax, distMax) }

func positive(name string, x float64) error {
	if !(x > 0) {
		return fmt.Errorf("%s is %v, must be above 0", name, x)
	}
	return between(name, x, 1/distMax, distMax)
}

func notNegative(name string, x float64) error {
	if !(x >= 0) {
		return fmt.Errorf("%s is %v, must be 0 or above", name, x)
	}
	return between(name, x, 0, distMax)
}

func between(name string, x, low, high float64) error {
	if !(low <= x && x <= high) {
		return fmt.Errorf("%s is %v, must be between %v and %v", name, x, low, high)
	}
	return nil
}

// Largest is the largest number that is drawn, infinity when there is none.
func (d *Dist) Largest() float64 {
	largest := math.Inf(1)
	switch d.Kind {
	case DistConstant:
		largest = d.Value
	case DistEmpirical:
		largest = slices.Max(d.Values)
	}
	if d.Max > d.Min || d.Kind == DistUniform {
		largest = min(largest, d.Max)
	}
	return largest
}
