package reports

// absent marks a time or a number of seconds that is not set.
const absent = -1

// The rows of the record. docs/record.md is made of the tags: `parquet` names a column, `doc`
// says what it holds. Times are in nanoseconds since the start of the run.

// transitionRow is a row of transitions.parquet: an object after a change. Columns that do
// not belong to the object's kind are empty.
type transitionRow struct {
	Time int64  `parquet:"time_ns,delta" doc:"the moment of the change"`
	Seq  int64  `parquet:"seq,delta" doc:"numbers the changes and Events of a run together, from 1; also the object's resourceVersion"`
	Type string `parquet:"type,dict" doc:"ADDED, MODIFIED or DELETED"`

	Kind       string `parquet:"kind,dict" doc:"Node, Deployment, ReplicaSet, Pod or Service"`
	Namespace  string `parquet:"namespace,dict" doc:"empty for a node"`
	Name       string `parquet:"name" doc:"metadata.name"`
	Serial     int64  `parquet:"serial,delta" doc:"tells objects of one kind apart, also those that have a name one after the other"`
	Created    int64  `parquet:"created_ns,delta" doc:"when the object was created"`
	Generation int64  `parquet:"generation" doc:"metadata.generation"`
	Deletion   int64  `parquet:"deletion_ns" doc:"metadata.deletionTimestamp: when the grace period ends; -1 when the object is not being deleted"`
	Grace      int64  `parquet:"grace_seconds" doc:"metadata.deletionGracePeriodSeconds; -1 when the object is not being deleted"`

	OwnerKind   string `parquet:"owner_kind,dict" doc:"the kind of the controller that owns the object"`
	Owner       string `parquet:"owner,dict" doc:"its name"`
	OwnerSerial int64  `parquet:"owner_serial,delta" doc:"its serial, 0 for none"`

	Spec string `parquet:"spec,dict" doc:"labels, annotations and spec as JSON, in the rows where they are new or changed; else empty"`

	// Pods.
	Node            string         `parquet:"node,dict" doc:"pods: spec.nodeName, empty before the pod is bound"`
	Phase           string         `parquet:"phase,dict" doc:"pods: status.phase"`
	Status          string         `parquet:"status,dict" doc:"pods and nodes: the STATUS column of kubectl get"`
	ReadyContainers int32          `parquet:"ready_containers" doc:"pods: the first number of kubectl's READY column"`
	Containers      int32          `parquet:"containers" doc:"pods: the second number of kubectl's READY column"`
	Restarts        int32          `parquet:"restarts" doc:"pods: kubectl's RESTARTS column"`
	LastRestart     int64          `parquet:"last_restart_ns" doc:"pods: when the last container ended that was restarted; -1 for none"`
	Reason          string         `parquet:"reason,dict" doc:"pods: status.reason, such as Evicted"`
	Message         string         `parquet:"message,dict" doc:"pods: status.message"`
	IP              string         `parquet:"ip" doc:"pods: status.podIP"`
	Nominated       string         `parquet:"nominated_node,dict" doc:"pods: status.nominatedNodeName"`
	StartTime       int64          `parquet:"start_ns,delta" doc:"pods: status.startTime, when the kubelet first saw the pod; -1 before"`
	QOS             string         `parquet:"qos,dict" doc:"pods: status.qosClass"`
	Resources       string         `parquet:"resources,dict" doc:"pods: status.resources as JSON, empty before a kubelet has written a status"`
	Allocated       string         `parquet:"allocated_resources,dict" doc:"pods: status.allocatedResources as JSON, empty for none"`
	Conditions      []conditionRow `parquet:"conditions,list" doc:"the conditions of the object's status"`
	States          []containerRow `parquet:"container_statuses,list" doc:"pods: the containers, init containers first; empty before a kubelet has written a status"`

	// Deployments and ReplicaSets.
	Replicas           int32 `parquet:"replicas" doc:"Deployments and ReplicaSets: spec.replicas"`
	CurrentReplicas    int32 `parquet:"current_replicas" doc:"Deployments and ReplicaSets: status.replicas"`
	ReadyReplicas      int32 `parquet:"ready_replicas" doc:"Deployments and ReplicaSets: status.readyReplicas"`
	UpdatedReplicas    int32 `parquet:"updated_replicas" doc:"Deployments: status.updatedReplicas"`
	AvailableReplicas  int32 `parquet:"available_replicas" doc:"Deployments and ReplicaSets: status.availableReplicas"`
	Unavailable        int32 `parquet:"unavailable_replicas" doc:"Deployments: status.unavailableReplicas"`
	Terminating        int32 `parquet:"terminating_replicas" doc:"Deployments and ReplicaSets: status.terminatingReplicas"`
	ProgressUpdated    int64 `parquet:"progress_updated_ns" doc:"Deployments: lastUpdateTime of the condition Progressing; -1 for none"`
	ObservedGeneration int64 `parquet:"observed_generation" doc:"Deployments, ReplicaSets and pods: status.observedGeneration; of a pod also that of the kubelet's conditions"`

	// Nodes.
	Unschedulable bool   `parquet:"unschedulable" doc:"nodes: spec.unschedulable"`
	Taints        string `parquet:"taints,dict" doc:"nodes: spec.taints as JSON, empty for none"`
	Images        int32  `parquet:"images" doc:"nodes: the number of images on the node"`
}

// conditionRow is a condition of an object.
type conditionRow struct {
	Type       string `parquet:"type,dict" doc:"such as Ready"`
	Status     string `parquet:"status,dict" doc:"True, False or Unknown"`
	Reason     string `parquet:"reason,dict" doc:"why, in a word"`
	Message    string `parquet:"message,dict" doc:"why, in a sentence"`
	Transition int64  `parquet:"transition_ns" doc:"lastTransitionTime"`
	Generation int64  `parquet:"generation" doc:"observedGeneration of a pod's PodResizePending or PodResizeInProgress; 0 of others"`
}

// containerRow is a container's status in a pod's row.
type containerRow struct {
	Name     string `parquet:"name,dict" doc:"the container's name"`
	Kind     string `parquet:"kind,dict" doc:"init, sidecar or container"`
	Ready    bool   `parquet:"ready" doc:"whether the container is ready"`
	Started  bool   `parquet:"started" doc:"whether its startup probe has succeeded"`
	Restarts int32  `parquet:"restarts" doc:"restartCount"`
	Instance int32  `parquet:"instance" doc:"numbers the containers that the pod's runtime made, 0 before the first"`

	State      string `parquet:"state,dict" doc:"waiting, running or terminated"`
	Reason     string `parquet:"reason,dict" doc:"the state's reason, such as CrashLoopBackOff"`
	Message    string `parquet:"message,dict" doc:"the state's message"`
	ExitCode   int32  `parquet:"exit_code" doc:"of a terminated state"`
	Signal     int32  `parquet:"signal" doc:"of a terminated state, 0 for none"`
	StartedAt  int64  `parquet:"started_ns" doc:"startedAt of a running or terminated state; -1 when it is not known"`
	FinishedAt int64  `parquet:"finished_ns" doc:"finishedAt of a terminated state; -1 when it is not known"`

	LastState    string `parquet:"last_state,dict" doc:"lastState: terminated, or empty for none"`
	LastReason   string `parquet:"last_reason,dict" doc:"of lastState"`
	LastMessage  string `parquet:"last_message,dict" doc:"of lastState"`
	LastExitCode int32  `parquet:"last_exit_code" doc:"of lastState"`
	LastSignal   int32  `parquet:"last_signal" doc:"of lastState"`
	LastStarted  int64  `parquet:"last_started_ns" doc:"of lastState; -1 when it is not known"`
	LastFinished int64  `parquet:"last_finished_ns" doc:"of lastState; -1 when it is not known"`
	LastInstance int32  `parquet:"last_instance" doc:"of lastState; 0 when it is not known"`

	Resources string `parquet:"resources,dict" doc:"the requests and limits in force as JSON, empty before there was a container"`
	Allocated string `parquet:"allocated_resources,dict" doc:"allocatedResources as JSON, empty for none"`
}

// eventRow is a row of events.parquet: a Kubernetes Event as it was written. An Event that
// was counted up has a row for each count, with the same serial.
type eventRow struct {
	Time         int64  `parquet:"time_ns,delta" doc:"the moment of the write: lastTimestamp"`
	First        int64  `parquet:"first_ns,delta" doc:"firstTimestamp"`
	Seq          int64  `parquet:"seq,delta" doc:"numbers the changes and Events of a run together, from 1"`
	Serial       int64  `parquet:"serial,delta" doc:"numbers the Events; an Event that is counted up has a row for each count"`
	Count        int32  `parquet:"count" doc:"how often it happened"`
	Type         string `parquet:"type,dict" doc:"Normal or Warning"`
	Reason       string `parquet:"reason,dict" doc:"such as BackOff"`
	Kind         string `parquet:"kind,dict" doc:"the kind of the object that the Event is about"`
	Namespace    string `parquet:"namespace,dict" doc:"its namespace, empty for a node"`
	Name         string `parquet:"name" doc:"its name"`
	ObjectSerial int64  `parquet:"object_serial,delta" doc:"its serial in transitions.parquet"`
	FieldPath    string `parquet:"field_path,dict" doc:"the container that the Event is about, such as spec.containers{app}"`
	Message      string `parquet:"message,dict" doc:"the message"`
	Source       string `parquet:"source,dict" doc:"the component that wrote it, such as kubelet"`
	Host         string `parquet:"host,dict" doc:"the node of that component"`
}
