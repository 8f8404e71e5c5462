package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTexts(t *testing.T) {
	var texts Texts
	assert.Empty(t, texts.String(NoText))
	assert.Equal(t, "CrashLoopBackOff", texts.String(ReasonCrashLoopBackOff), "the zero Texts knows Kubernetes' own")

	assert.Equal(t, NoText, texts.Intern(""))
	assert.Equal(t, ReasonOOMKilled, texts.Intern("OOMKilled"))
	a, b := texts.Intern("no such host"), texts.Intern("unauthorized")
	assert.NotEqual(t, a, b)
	assert.Equal(t, a, texts.Intern("no such host"))
	assert.Equal(t, "no such host", texts.String(a))
	assert.Equal(t, "unauthorized", texts.String(b))
	assert.Panics(t, func() { new(Texts).String(a) }, "a Text of another table")
}

// Every reason has its word, and no two have the same.
func TestWellKnownTexts(t *testing.T) {
	seen := map[string]bool{}
	for i, w := range wellKnown {
		assert.Equal(t, Text(i) == NoText, w == "", "text %d", i)
		assert.False(t, seen[w], "%s twice", w)
		seen[w] = true
	}
}
