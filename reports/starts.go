package reports

import "podsim/model"

// Start is how a pod came to run. Moments that did not come are model.Never.
type Start struct {
	Namespace, Name string
	// Created is metadata.creationTimestamp, Scheduled when the pod was bound, Running when its phase was
	// first seen to be Running, or already over.
	Created, Scheduled, Running model.Time
}

// Starts lists how the pods of a run came to run, in the order of their creations.
func (r *Record) Starts() ([]Start, error) {
	var list []Start
	index := map[int64]int{}
	err := readTable(r.dir, "transitions", func(row *struct {
		Time      int64  `parquet:"time_ns"`
		Kind      string `parquet:"kind"`
		Namespace string `parquet:"namespace"`
		Name      string `parquet:"name"`
		Serial    int64  `parquet:"serial"`
		Created   int64  `parquet:"created_ns"`
		Node      string `parquet:"node"`
		Phase     string `parquet:"phase"`
	}) bool {
		if row.Kind != "Pod" {
			return true
		}
		i, ok := index[row.Serial]
		if !ok {
			i = len(list)
			index[row.Serial] = i
			list = append(list, Start{row.Namespace, row.Name, model.Time(row.Created), model.Never, model.Never})
		}
		s := &list[i]
		if row.Node != "" {
			s.Scheduled = min(s.Scheduled, model.Time(row.Time))
		}
		if row.Phase != "Pending" {
			s.Running = min(s.Running, model.Time(row.Time))
		}
		return true
	})
	return list, err
}
