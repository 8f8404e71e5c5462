package model

// Text is an interned string: a reason, a name, a message that a runtime returned. The zero
// Text is the empty string. The reasons that Kubernetes itself writes are constants; what
// arrives from outside is interned by a Texts.
type Text uint32

// The reasons of container states, pods and conditions, as upstream spells them.
const (
	NoText Text = iota
	// Waiting: pkg/kubelet/kubelet_pods.go, pkg/kubelet/images/types.go, kuberuntime/kuberuntime_container.go.
	ReasonContainerCreating
	ReasonPodInitializing
	ReasonCrashLoopBackOff
	ReasonErrImagePull
	ReasonImagePullBackOff
	ReasonInvalidImageName
	ReasonErrImageNeverPull
	ReasonImageInspectError
	ReasonRegistryUnavailable
	ReasonSignatureValidationFailed
	ReasonCreateContainerConfigError
	ReasonCreateContainerError
	ReasonPreCreateHookError
	ReasonPreStartHookError
	ReasonPostStartHookError
	ReasonRunContainerError
	ReasonRestartingAllContainers
	// Terminated: containerd's container reasons and pkg/kubelet/container.
	ReasonCompleted
	ReasonError
	ReasonOOMKilled
	ReasonStartError
	ReasonContainerStatusUnknown
	// Pod: pkg/kubelet, pkg/util/node, the eviction manager.
	ReasonEvicted
	ReasonDeadlineExceeded
	ReasonNodeLost
	ReasonNodeAffinity
	ReasonUnexpectedAdmissionError
	ReasonTerminated
	ReasonNodeShutdown
	ReasonOutOfCPU
	ReasonOutOfMemory
	ReasonOutOfPods
	ReasonOutOfEphemeralStorage
	// Conditions: pkg/kubelet/status/generate.go, k8s.io/api/core/v1.
	ReasonUnknownContainerStatuses
	ReasonPodCompleted
	ReasonPodFailed
	ReasonContainersNotReady
	ReasonContainersNotInitialized
	ReasonReadinessGatesNotReady
	ReasonPodSandboxNotReady
	ReasonUnschedulable
	ReasonSchedulingGated
	ReasonSchedulerError
	ReasonRestartAllContainersStarted
	ReasonTerminationByKubelet
	ReasonPreemptionByScheduler
	ReasonDeletionByTaintManager
	ReasonDeletionByPodGC
	ReasonEvictionByEvictionAPI
	ReasonDeferred
	ReasonInfeasible
	// Nodes: pkg/kubelet/nodestatus, pkg/controller/nodelifecycle.
	ReasonKubeletReady
	ReasonKubeletNotReady
	ReasonKubeletHasSufficientMemory
	ReasonKubeletHasNoDiskPressure
	ReasonKubeletHasSufficientPID
	ReasonKubeletHasInsufficientMemory
	ReasonKubeletHasDiskPressure
	ReasonKubeletHasInsufficientPID
	ReasonNodeStatusUnknown
	// Workloads: pkg/controller/deployment/util, pkg/controller/replicaset.
	ReasonNewReplicaSetCreated
	ReasonFoundNewReplicaSet
	ReasonReplicaSetUpdated
	ReasonNewReplicaSetAvailable
	ReasonMinimumReplicasAvailable
	ReasonMinimumReplicasUnavailable
	ReasonProgressDeadlineExceeded
	ReasonDeploymentPaused
	ReasonDeploymentResumed
	ReasonFailedCreate
	// firstFree is the first Text that a Texts gives out.
	firstFree
)

var wellKnown = [firstFree]string{
	NoText:                             "",
	ReasonContainerCreating:            "ContainerCreating",
	ReasonPodInitializing:              "PodInitializing",
	ReasonCrashLoopBackOff:             "CrashLoopBackOff",
	ReasonErrImagePull:                 "ErrImagePull",
	ReasonImagePullBackOff:             "ImagePullBackOff",
	ReasonInvalidImageName:             "InvalidImageName",
	ReasonErrImageNeverPull:            "ErrImageNeverPull",
	ReasonImageInspectError:            "ImageInspectError",
	ReasonRegistryUnavailable:          "RegistryUnavailable",
	ReasonSignatureValidationFailed:    "SignatureValidationFailed",
	ReasonCreateContainerConfigError:   "CreateContainerConfigError",
	ReasonCreateContainerError:         "CreateContainerError",
	ReasonPreCreateHookError:           "PreCreateHookError",
	ReasonPreStartHookError:            "PreStartHookError",
	ReasonPostStartHookError:           "PostStartHookError",
	ReasonRunContainerError:            "RunContainerError",
	ReasonRestartingAllContainers:      "RestartingAllContainers",
	ReasonCompleted:                    "Completed",
	ReasonError:                        "Error",
	ReasonOOMKilled:                    "OOMKilled",
	ReasonStartError:                   "StartError",
	ReasonContainerStatusUnknown:       "ContainerStatusUnknown",
	ReasonEvicted:                      "Evicted",
	ReasonDeadlineExceeded:             "DeadlineExceeded",
	ReasonNodeLost:                     "NodeLost",
	ReasonNodeAffinity:                 "NodeAffinity",
	ReasonUnexpectedAdmissionError:     "UnexpectedAdmissionError",
	ReasonTerminated:                   "Terminated",
	ReasonNodeShutdown:                 "NodeShutdown",
	ReasonOutOfCPU:                     "OutOfcpu",
	ReasonOutOfMemory:                  "OutOfmemory",
	ReasonOutOfPods:                    "OutOfpods",
	ReasonOutOfEphemeralStorage:        "OutOfephemeral-storage",
	ReasonUnknownContainerStatuses:     "UnknownContainerStatuses",
	ReasonPodCompleted:                 "PodCompleted",
	ReasonPodFailed:                    "PodFailed",
	ReasonContainersNotReady:           "ContainersNotReady",
	ReasonContainersNotInitialized:     "ContainersNotInitialized",
	ReasonReadinessGatesNotReady:       "ReadinessGatesNotReady",
	ReasonPodSandboxNotReady:           "PodSandboxNotReady",
	ReasonUnschedulable:                "Unschedulable",
	ReasonSchedulingGated:              "SchedulingGated",
	ReasonSchedulerError:               "SchedulerError",
	ReasonRestartAllContainersStarted:  "RestartAllContainersStarted",
	ReasonTerminationByKubelet:         "TerminationByKubelet",
	ReasonPreemptionByScheduler:        "PreemptionByScheduler",
	ReasonDeletionByTaintManager:       "DeletionByTaintManager",
	ReasonDeletionByPodGC:              "DeletionByPodGC",
	ReasonDeferred:                     "Deferred",
	ReasonInfeasible:                   "Infeasible",
	ReasonEvictionByEvictionAPI:        "EvictionByEvictionAPI",
	ReasonKubeletReady:                 "KubeletReady",
	ReasonKubeletNotReady:              "KubeletNotReady",
	ReasonKubeletHasSufficientMemory:   "KubeletHasSufficientMemory",
	ReasonKubeletHasNoDiskPressure:     "KubeletHasNoDiskPressure",
	ReasonKubeletHasSufficientPID:      "KubeletHasSufficientPID",
	ReasonKubeletHasInsufficientMemory: "KubeletHasInsufficientMemory",
	ReasonKubeletHasDiskPressure:       "KubeletHasDiskPressure",
	ReasonKubeletHasInsufficientPID:    "KubeletHasInsufficientPID",
	ReasonNodeStatusUnknown:            "NodeStatusUnknown",
	ReasonNewReplicaSetCreated:         "NewReplicaSetCreated",
	ReasonFoundNewReplicaSet:           "FoundNewReplicaSet",
	ReasonReplicaSetUpdated:            "ReplicaSetUpdated",
	ReasonNewReplicaSetAvailable:       "NewReplicaSetAvailable",
	ReasonMinimumReplicasAvailable:     "MinimumReplicasAvailable",
	ReasonMinimumReplicasUnavailable:   "MinimumReplicasUnavailable",
	ReasonProgressDeadlineExceeded:     "ProgressDeadlineExceeded",
	ReasonDeploymentPaused:             "DeploymentPaused",
	ReasonDeploymentResumed:            "DeploymentResumed",
	ReasonFailedCreate:                 "FailedCreate",
}

// Texts is the table of interned strings of one run. The zero Texts is ready to use and
// knows the reasons above. It grows only: a Text stays valid for the run.
type Texts struct {
	list  []string
	index map[string]Text
}

// Intern gives the Text of s, the same one for the same string.
func (t *Texts) Intern(s string) Text {
	if t.index == nil {
		t.index = make(map[string]Text, 2*int(firstFree))
		t.list = append(t.list[:0], wellKnown[:]...)
		for i, w := range wellKnown {
			t.index[w] = Text(i)
		}
	}
	if id, ok := t.index[s]; ok {
		return id
	}
	id := Text(len(t.list))
	t.list = append(t.list, s)
	t.index[s] = id
	return id
}

// String gives back the string of id. A Text of another table panics.
func (t *Texts) String(id Text) string {
	if id < firstFree {
		return wellKnown[id]
	}
	return t.list[id]
}
