package model

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTerminationMessage(t *testing.T) {
	template := func(containers int, fallback bool) *PodTemplate {
		t := &PodTemplate{Containers: make([]Container, containers)}
		t.Containers[0].FallbackToLogs = fallback
		return t
	}
	long, lines := strings.Repeat("a", 5000)+"z", strings.Repeat("l\n", 100)
	one := template(1, true)
	assert.Equal(t, "m", one.TerminationMessage(0, 1, "m", "log"))
	assert.Equal(t, "log", one.TerminationMessage(0, 1, "", "log"))
	assert.Equal(t, "", one.TerminationMessage(0, 1, "", ""), "neither message nor log")
	assert.Equal(t, "", one.TerminationMessage(0, 0, "", "log"))
	assert.Equal(t, "", template(1, false).TerminationMessage(0, 1, "", "log"))
	assert.Equal(t, long[len(long)-4096:], one.TerminationMessage(0, 1, long, ""), "the end of it")
	assert.Equal(t, long[len(long)-2048:], one.TerminationMessage(0, 1, "", long))
	assert.Equal(t, lines[:160], one.TerminationMessage(0, 1, "", lines), "80 lines")
	assert.Equal(t, "a\nb", one.TerminationMessage(0, 1, "", "a\nb"))
	assert.Len(t, template(3, false).TerminationMessage(0, 1, long, ""), 4096)
	assert.Len(t, template(4, false).TerminationMessage(0, 1, long, ""), 3072, "12 KiB for a pod")
}
