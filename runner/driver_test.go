package runner

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"podsim/model"
	"podsim/sim"
)

// idle is a cluster of which nothing is asked but a step that does nothing, each second.
func idle(t *testing.T, steps int) *sim.Cluster {
	sc := &model.Scenario{Start: time.Unix(1e9, 0).UTC()}
	for i := range steps {
		sc.Steps = append(sc.Steps, model.Step{At: model.Time(i+1) * model.Second, Verb: model.StepReseed})
	}
	c, err := sim.NewCluster(sc)
	require.NoError(t, err)
	return c
}

func TestDriverKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idle(t, 3)
		d := NewDriver(c)
		start := time.Now()
		var ticks []time.Duration
		d.Tick = func() { ticks = append(ticks, time.Since(start)) }
		require.NoError(t, d.Run(t.Context(), 5*model.Second))
		assert.Equal(t, []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}, ticks)
		assert.Equal(t, 5*time.Second, time.Since(start))
		assert.Equal(t, 5*model.Second, c.Now())
	})
}

func TestDriverTakesAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idle(t, 2)
		d := NewDriver(c)
		var at []model.Time
		d.After(1500*time.Millisecond, func() { at = append(at, c.Now()) })
		require.NoError(t, d.Run(t.Context(), 3*model.Second))
		assert.Equal(t, []model.Time{1500 * model.Millisecond}, at, "an answer comes at the present moment")
	})
}

// What is due happens before an answer that comes at the same moment or was late.
func TestDriverStepsBeforeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := idle(t, 1)
		d := NewDriver(c)
		events := int64(-1)
		d.After(time.Second, func() { events = c.Counts().Events })
		require.NoError(t, d.Run(t.Context(), 2*model.Second))
		assert.Equal(t, int64(1), events)
	})
}

func TestDriverStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		c := idle(t, 3)
		require.ErrorIs(t, NewDriver(c).Run(ctx, 5*model.Second), context.DeadlineExceeded)
		assert.Equal(t, model.Second, c.Now())
	})
}

// Who answers too late does not wait.
func TestDriverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(idle(t, 0))
		require.NoError(t, d.Run(t.Context(), model.Second))
		for range 2 * cap(d.answers) {
			d.Answer(func() { t.Error("nobody runs the cluster") })
		}
	})
}

// A panic in a goroutine of the run is one of the goroutine that runs the cluster.
func TestDriverGoPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDriver(idle(t, 1))
		d.Go(func() { panic("somewhere else") })
		defer func() { assert.Contains(t, recover(), "somewhere else\n") }()
		d.Run(t.Context(), model.Second)
	})
}

// The goroutines of the room run under Driver.Go, so that none of them ends podsim by a panic before it has
// removed what it has made. Driver.After hands in an answer, and a cancel cannot panic.
func TestGoroutinesAreGuarded(t *testing.T) {
	allowed := []string{"driver.go", "node.go"}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || slices.Contains(allowed, name) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				assert.Fail(t, name+": a goroutine that is not begun by Driver.Go")
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "AfterFunc" && fmt.Sprint(s.X) == "time" {
					assert.Equal(t, "cancel", fmt.Sprint(n.Args[1]), "%s: a timer that is not Driver.After's", name)
				}
			}
			return true
		})
	}
}
