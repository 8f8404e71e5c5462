package reports

// absent marks a time or a number of seconds that is not set.
const absent = -1

// transitionRow is a row of transitions.parquet: an object after a change. Times are in
// nanoseconds since the start of the run, -1 where there is none. Columns that do not belong
// to the object's kind are empty.
type transitionRow struct {
	Time      int64  `parquet:"time_ns,delta"`
	Seq       int64  `parquet:"seq,delta"`
	Type      string `parquet:"type,dict"`
	Kind      string `parquet:"kind,dict"`
	Namespace string `parquet:"namespace,dict"`
	Name      string `parquet:"name,dict"`
	// Serial tells objects of the same kind and name apart that follow one another.
	Serial     int64  `parquet:"serial,delta"`
	Created    int64  `parquet:"created_ns,delta"`
	Generation int64  `parquet:"generation"`
	Deletion   int64  `parquet:"deletion_ns"`
	Grace      int64  `parquet:"grace_seconds"`
	OwnerKind  string `parquet:"owner_kind,dict"`
	Owner      string `parquet:"owner,dict"`
	// Spec is the object's metadata and spec as JSON, in the row where it is new or changed.
	Spec string `parquet:"spec,dict"`

	Node            string         `parquet:"node,dict"`
	Phase           string         `parquet:"phase,dict"`
	Status          string         `parquet:"status,dict"`
	ReadyContainers int32          `parquet:"ready_containers"`
	Containers      int32          `parquet:"containers"`
	Restarts        int32          `parquet:"restarts"`
	LastRestart     int64          `parquet:"last_restart_ns"`
	Reason          string         `parquet:"reason,dict"`
	Message         string         `parquet:"message,dict"`
	IP              string         `parquet:"ip,dict"`
	Nominated       string         `parquet:"nominated_node,dict"`
	StartTime       int64          `parquet:"start_ns"`
	QOS             string         `parquet:"qos,dict"`
	Conditions      []conditionRow `parquet:"conditions,list"`
	States          []containerRow `parquet:"container_statuses,list"`

	Replicas           int32  `parquet:"replicas"`
	CurrentReplicas    int32  `parquet:"current_replicas"`
	ReadyReplicas      int32  `parquet:"ready_replicas"`
	UpdatedReplicas    int32  `parquet:"updated_replicas"`
	AvailableReplicas  int32  `parquet:"available_replicas"`
	Unavailable        int32  `parquet:"unavailable_replicas"`
	Terminating        int32  `parquet:"terminating_replicas"`
	ObservedGeneration int64  `parquet:"observed_generation"`
	Unschedulable      bool   `parquet:"unschedulable"`
	Taints             string `parquet:"taints,dict"`
	Images             int32  `parquet:"images"`
}

// conditionRow is a condition of an object.
type conditionRow struct {
	Type       string `parquet:"type,dict"`
	Status     string `parquet:"status,dict"`
	Reason     string `parquet:"reason,dict"`
	Message    string `parquet:"message,dict"`
	Transition int64  `parquet:"transition_ns"`
}

// containerRow is a container's status in a pod's row.
type containerRow struct {
	Name string `parquet:"name,dict"`
	// Kind is "init", "sidecar" or "container".
	Kind     string `parquet:"kind,dict"`
	Ready    bool   `parquet:"ready"`
	Started  bool   `parquet:"started"`
	Restarts int32  `parquet:"restarts"`
	// Instance numbers the containers that the pod's runtime made, 0 before the first.
	Instance int32 `parquet:"instance"`

	State      string `parquet:"state,dict"`
	Reason     string `parquet:"reason,dict"`
	Message    string `parquet:"message,dict"`
	ExitCode   int32  `parquet:"exit_code"`
	Signal     int32  `parquet:"signal"`
	StartedAt  int64  `parquet:"started_ns"`
	FinishedAt int64  `parquet:"finished_ns"`

	LastState    string `parquet:"last_state,dict"`
	LastReason   string `parquet:"last_reason,dict"`
	LastMessage  string `parquet:"last_message,dict"`
	LastExitCode int32  `parquet:"last_exit_code"`
	LastSignal   int32  `parquet:"last_signal"`
	LastStarted  int64  `parquet:"last_started_ns"`
	LastFinished int64  `parquet:"last_finished_ns"`
	LastInstance int32  `parquet:"last_instance"`
}

// eventRow is a row of events.parquet: a Kubernetes Event as it was written. An Event that
// was counted up has a row for each count, with the same serial.
type eventRow struct {
	Time      int64  `parquet:"time_ns,delta"`
	First     int64  `parquet:"first_ns,delta"`
	Seq       int64  `parquet:"seq,delta"`
	Serial    int64  `parquet:"serial,delta"`
	Count     int32  `parquet:"count"`
	Type      string `parquet:"type,dict"`
	Reason    string `parquet:"reason,dict"`
	Kind      string `parquet:"kind,dict"`
	Namespace string `parquet:"namespace,dict"`
	Name      string `parquet:"name,dict"`
	// ObjectSerial is the serial of the object that the Event is about.
	ObjectSerial int64  `parquet:"object_serial,delta"`
	Field        string `parquet:"field,dict"`
	Message      string `parquet:"message,dict"`
	Source       string `parquet:"source,dict"`
	Host         string `parquet:"host,dict"`
}
