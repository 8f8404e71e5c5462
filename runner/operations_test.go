package runner

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What is written is read again, in order of the beginnings.
func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOperations()
		o.beginCall(OpPull, Subject{}).end(nil)
		o.begin()
		o.machine = Machine{Runtime: "containerd", Version: "2.4.2", CPUs: 2}
		web := Subject{Node: "worker-0", Namespace: "default", Pod: "web"}
		sandbox := o.beginCall(OpRunSandbox, web)
		time.Sleep(20 * time.Millisecond)
		pull := o.beginCall(OpPull, web)
		create := o.beginCall(OpCreate, Subject{Node: "worker-0", Pod: "other", Container: "app"})
		time.Sleep(10 * time.Millisecond)
		create.end(nil)
		pull.Bytes = 1 << 20
		pull.end(errors.New("no \"such\"\nimage, they say"))
		sandbox.end(nil)
		stop := o.beginCall(OpStop, web)
		time.Sleep(2 * time.Second)
		stop.Waited, stop.Ended = 1900*time.Millisecond, EndedByTerm
		stop.end(nil)
		now := time.Now()
		o.note(OpExitVisible, web, now.Add(-30*time.Millisecond), now)

		dir := t.TempDir()
		require.NoError(t, o.write(dir))
		machine, list, err := ReadOperations(dir)
		require.NoError(t, err)
		assert.Equal(t, o.machine, machine)
		ms := time.Millisecond
		assert.Equal(t, []Operation{
			{Subject: web, Kind: OpRunSandbox, Took: 30 * ms, InFlight: 1},
			{Subject: Subject{Node: "worker-0", Pod: "other", Container: "app"}, Kind: OpCreate, At: 20 * ms, Took: 10 * ms, InFlight: 2},
			{Subject: web, Kind: OpPull, At: 20 * ms, Took: 10 * ms, Bytes: 1 << 20, Error: `no "such" image, they say`},
			{Subject: web, Kind: OpStop, At: 30 * ms, Took: 2000 * ms, Waited: 1900 * ms, InFlight: 1, Ended: EndedByTerm},
			{Subject: web, Kind: OpExitVisible, At: 2000 * ms, Took: 30 * ms},
		}, list)
	})
}

func TestReadOperationsErrors(t *testing.T) {
	head := "# podsim/operations/v1 {\"runtime\":\"containerd\",\"version\":\"2.4.2\",\"cpus\":2}\n"
	columns := "at_ns,operation,node,namespace,pod,container,took_ns,waited_ns,bytes,in_flight,ended,error\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", `operations.csv:1: the first line must begin with "# podsim/operations/v1": it is not of this version of podsim`},
		{"columns", head + "at\n", "operations.csv:2: the columns must be " + columns[:len(columns)-1]},
		{"number", head + columns + "0,create,n,d,p,c,fast,0,0,1,,\n", `operations.csv:3: took_ns is "fast", want a whole number`},
		{"fields", head + columns + "0,create\n", "operations.csv:3: wrong number of fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, operationsFile), []byte(c.text), 0o644))
			_, _, err := ReadOperations(dir)
			assert.EqualError(t, err, filepath.Join(dir, c.want))
		})
	}
	dir := t.TempDir()
	_, _, err := ReadOperations(dir)
	assert.EqualError(t, err, dir+": there is no operations.csv: it is not the record of a run on a real node (podsim run --on containerd), or that run was killed")
}
