package reports

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestRecordDoc makes docs/record.md of the tags of the rows, so that it stays true.
func TestRecordDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(recordIntro)
	b.WriteString("\n## run.json\n\n| field | what it says |\n|---|---|\n")
	for _, f := range reflect.VisibleFields(reflect.TypeFor[RunInfo]()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, docOf(t, f))
	}
	b.WriteString("\n## transitions.parquet\n\nA row is an object after a change: its whole status. Columns that do not belong to the object's kind are empty.\n\n")
	columnDocs(t, &b, reflect.TypeFor[transitionRow]())
	b.WriteString("\n### conditions\n\n")
	columnDocs(t, &b, reflect.TypeFor[conditionRow]())
	b.WriteString("\n### container_statuses\n\n")
	columnDocs(t, &b, reflect.TypeFor[containerRow]())
	b.WriteString("\n## events.parquet\n\nA row is a Kubernetes Event as a component wrote it.\n\n")
	columnDocs(t, &b, reflect.TypeFor[eventRow]())
	b.WriteString(recordExamples)
	goldenFile(t, "../docs/record.md", b.String())
}

const recordIntro = `# The record of a run

` + "`podsim run`" + ` writes three files into a folder (` + "`podsim-out`" + ` unless ` + "`-o`" + ` names another). ` + "`podsim get`, `describe` and `get --watch`" + ` read nothing
else, so what they show of any moment can be had in a notebook too.

| file | what it holds |
|---|---|
| ` + "`run.json`" + ` | which run it was |
| ` + "`transitions.parquet`" + ` | every change of every object, in order |
| ` + "`events.parquet`" + ` | every Kubernetes Event, in order |

Times are in nanoseconds since the start of the run; -1 is no time. The state at a moment is the last row of each object (` + "`kind`, `serial`" + `) up to
then, without those whose last row says DELETED. The two Parquet files are the same, byte for byte, for the same scenario, seed and podsim.

A run that is under way or was killed has parts instead (` + "`transitions-00000.parquet`" + ` and so on): each is a whole Parquet file, and together they
hold what happened up to a moment.

The record of a run on a real node (` + "`podsim run --on containerd`" + `) also has ` + "`operations.csv`" + `, what each call to the container runtime took. Its first line is a comment with the
machine, the second names the columns: ` + "`at_ns`" + ` and ` + "`took_ns`" + ` are the beginning since the start of the run and the time until the answer, ` + "`waited_ns`" + ` the part of it in which the
runtime waited for a process, ` + "`in_flight`" + ` how many calls were under way when it began, itself included. ` + "`podsim calibrate`" + ` reads it.

This page is made from the code: ` + "`go test ./reports -update`" + `.
`

const recordExamples = `
## Examples

DuckDB:

` + "```sql" + `
-- kubectl get pods at 90s
SELECT name, ready_containers || '/' || containers AS ready, status, restarts, node
FROM (SELECT *, row_number() OVER (PARTITION BY serial ORDER BY seq DESC) AS newest
      FROM 'podsim-out/transitions.parquet' WHERE kind = 'Pod' AND time_ns <= 90 * 1e9)
WHERE newest = 1 AND type <> 'DELETED' ORDER BY namespace, name;

-- the time from creation to Ready of each pod
SELECT name, min(time_ns - created_ns) / 1e9 AS seconds
FROM (SELECT *, unnest(conditions) AS c FROM 'podsim-out/transitions.parquet' WHERE kind = 'Pod')
WHERE c.type = 'Ready' AND c.status = 'True' GROUP BY serial, name;
` + "```" + `

pandas:

` + "```python" + `
import pandas as pd
t = pd.read_parquet("podsim-out/transitions.parquet", columns=["time_ns", "kind", "serial", "name", "status"])
pods = t[t.kind == "Pod"]
print(pods[pods.time_ns <= 90e9].groupby("serial").last())
` + "```" + `
`

func docOf(t *testing.T, f reflect.StructField) string {
	doc := f.Tag.Get("doc")
	assert.NotEmpty(t, doc, "%s has no doc", f.Name)
	return doc
}

func columnDocs(t *testing.T, b *strings.Builder, row reflect.Type) {
	b.WriteString("| column | type | what it holds |\n|---|---|---|\n")
	for _, f := range reflect.VisibleFields(row) {
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		kind := f.Type.String()
		if f.Type.Kind() == reflect.Slice {
			kind = "list, see below"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, kind, docOf(t, f))
	}
}
