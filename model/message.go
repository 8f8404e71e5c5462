package model

import (
	"fmt"
	"strings"
	"time"
)

// Message is a message that is put into words only when somebody reads it: a kind, a text
// and a number. The zero Message is no message.
type Message struct {
	Kind MessageKind
	// Text is the part that came from outside: a runtime's error, a scheduler's reasons.
	Text Text
	N    int64
}

// MessageKind says which words a Message stands for.
type MessageKind uint8

// The kinds of messages. The comments show them.
const (
	NoMessage MessageKind = iota
	// MessageText is the text itself.
	MessageText
	// "back-off 10s restarting failed container=c pod=p_ns(uid)", N nanoseconds.
	MessageCrashLoopBackOff
	// The text of a failed pull as the kubelet shows it, N the reason.
	MessagePullError
	// `Back-off pulling image "i": ErrImagePull: <text>`, N the reason.
	MessageImagePullBackOff
	// `Container image "i" is not present with pull policy of Never`.
	MessageImageNeverPull
	// `Failed to apply default image tag "i": couldn't parse image name "i": invalid reference format`.
	MessageInvalidImageName
	// "The container could not be located when the pod was terminated".
	MessageNotLocatedTerminated
	// "The container could not be located when the pod was deleted.  The container used to be Running".
	MessageNotLocatedDeleted
	// "The container is removed because RestartAllContainers in place".
	MessageRemovedInPlace
	// "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally".
	MessageTakenAsCompleted
	// Why a postStart hook failed: N the exit code of a command, Text its output or the error of a
	// request, NoText when nobody listens.
	MessageHookFailed
	// "Pod was active on the node longer than the specified deadline".
	MessageDeadlineExceeded
	// "containers with unready status: [a b]" and "containers with incomplete status: [a b]"
	// (pkg/kubelet/status/generate.go), N the containers as bits.
	MessageUnready
	MessageIncomplete
	// `corresponding condition of pod readiness gate "g" does not exist.`, and what else is wrong with
	// the gates, N the Gates.
	MessageGates
	// "no pod sandbox exists" and "pod sandbox is not ready".
	MessageNoSandbox
	MessageSandboxNotReady

	// Messages of Events only.

	// "Successfully assigned ns/pod to node".
	MessageScheduled
	// "Preempted by pod UID on node NAME": N is the serial of the pod, Text the node's name.
	MessagePreempted
	// `Pulling image "i"`.
	MessagePulling
	// `Successfully pulled image "i" in D (E including waiting). Image size: S bytes.`
	MessagePulled
	// `Container image "i" already present on machine and can be accessed by the pod`.
	MessageAlreadyPresent
	// `Failed to pull image "i": <text>`.
	MessageFailedToPull
	// "Error: <text>", the text a reason.
	MessageErrorText
	// `Back-off pulling image "i"`.
	MessageBackOffPulling
	// "Back-off restarting failed container c in pod p_ns(uid)".
	MessageBackOffRestarting
	// "Container created" and "Container started".
	MessageCreated
	MessageStarted
	// "Stopping container c" and "killing".
	MessageStopping
	MessageKilling
	// "Container c failed liveness probe, will be restarted"; N is 1 when it will be.
	MessageFailedLiveness
	MessageFailedStartup
	// "FailedPostStartHook" as a reason to kill, "PostStartHook failed", "PreStopHook failed".
	MessageKillPostStart
	MessagePostStartFailed
	MessagePreStopFailed
	// "Readiness probe failed: <text>": see ProbeFailed.
	MessageProbeFailed
	// "Readiness probe warning: <text>", N the ProbeType.
	MessageProbeWarning
	// "Readiness probe errored and resulted in unknown state: <text>", N the ProbeType.
	MessageProbeErrored
	// "Scaled up replica set r from 0 to 3": N is from<<32 | to, Text the name.
	MessageScaledUp
	MessageScaledDown
	// "Created pod: p" and "Deleted pod: p", Text the name.
	MessageCreatedPod
	MessageDeletedPod
	// "Pod sandbox changed, it will be killed and re-created.".
	MessageSandboxChanged
	// `MountVolume.SetUp failed for volume "v" : <text>`.
	MessageFailedMount
	// "Container runtime did not kill the pod within specified grace period.".
	MessageExceededGracePeriod
	// "Node is not ready".
	MessageNodeNotReady
	// "Marking for deletion Pod ns/p" and "Cancelling deletion of Pod ns/p".
	MessageTaintEviction
	MessageCancelTaintEviction
	// "Node n status is now: NodeReady".
	MessageNodeStatus
	// "Container c definition changed, will be restarted".
	MessageDefinitionChanged
	// "Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.".
	MessagePullSecrets
	// "Failed to create pod sandbox: <text>".
	MessageFailedSandbox
	// "Pod resize started: {...}": see ResizeMessage.
	MessageResizeStarted
	MessageResizeCompleted
	MessageResizeError
	// "Container c resize requires restart".
	MessageResizeRestart
)

// Text makes a Message of an interned string.
func TextMessage(t Text) Message {
	if t == NoText {
		return Message{}
	}
	return Message{Kind: MessageText, Text: t}
}

// Message puts m into words for container i of pod p; i is -1 where the message is about
// the pod as a whole.
func (s *State) Message(p *Pod, i int, m Message) string {
	switch m.Kind {
	case NoMessage:
		return ""
	case MessageText:
		return s.Texts.String(m.Text)
	case MessageCrashLoopBackOff:
		return fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", time.Duration(m.N), p.container(i), s.PodDescription(p))
	case MessageImagePullBackOff:
		return fmt.Sprintf("Back-off pulling image %q: %s: %s", p.image(i), s.Texts.String(Text(m.N)), s.pullError(p, i, m))
	case MessagePullError:
		return s.pullError(p, i, m)
	case MessageImageNeverPull:
		return fmt.Sprintf("Container image %q is not present with pull policy of Never", p.image(i))
	case MessageInvalidImageName:
		return fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: %s", p.image(i), p.image(i),
			p.Template.Containers[i].InvalidImage)
	case MessageNotLocatedTerminated:
		return "The container could not be located when the pod was terminated"
	case MessageNotLocatedDeleted:
		return "The container could not be located when the pod was deleted.  The container used to be Running"
	case MessageHookFailed:
		return s.hookFailed(p, i, m)
	case MessageRemovedInPlace:
		return "The container is removed because RestartAllContainers in place"
	case MessageTakenAsCompleted:
		return "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally"
	case MessageDeadlineExceeded:
		return "Pod was active on the node longer than the specified deadline"
	case MessageUnready:
		return containersWith(p, "unready status", uint64(m.N))
	case MessageGates:
		return gateMessage(p, Gates(m.N))
	case MessageIncomplete:
		return containersWith(p, "incomplete status", uint64(m.N))
	case MessageNoSandbox:
		return "no pod sandbox exists"
	case MessageSandboxNotReady:
		return "pod sandbox is not ready"
	}
	return s.eventMessage(p, i, m)
}

func (s *State) eventMessage(p *Pod, i int, m Message) string {
	text := s.Texts.String(m.Text)
	switch m.Kind {
	case MessagePreempted:
		return fmt.Sprintf("Preempted by pod %s on node %s", s.UID(KindPod, m.N), text)
	case MessagePulling:
		return fmt.Sprintf("Pulling image %q", p.image(i))
	case MessageAlreadyPresent:
		return fmt.Sprintf("Container image %q already present on machine and can be accessed by the pod", p.image(i))
	case MessageFailedToPull:
		return fmt.Sprintf("Failed to pull image %q: %s", p.image(i), text)
	case MessageErrorText:
		return "Error: " + text
	case MessageBackOffPulling:
		return fmt.Sprintf("Back-off pulling image %q", p.image(i))
	case MessageBackOffRestarting:
		return fmt.Sprintf("Back-off restarting failed container %s in pod %s", p.container(i), s.PodDescription(p))
	case MessageCreated:
		return "Container created"
	case MessageStarted:
		return "Container started"
	case MessageStopping:
		return "Stopping container " + p.container(i)
	case MessageKilling:
		return "killing"
	case MessageFailedLiveness, MessageFailedStartup:
		return failedProbeKill(p, i, m)
	case MessageKillPostStart:
		return "FailedPostStartHook"
	case MessagePostStartFailed:
		return "PostStartHook failed"
	case MessagePreStopFailed:
		return "PreStopHook failed"
	case MessageProbeFailed:
		return s.probeFailed(p, i, m)
	case MessageProbeWarning:
		return fmt.Sprintf("%s probe warning: %s", ProbeType(m.N), text)
	case MessageProbeErrored:
		return fmt.Sprintf("%s probe errored and resulted in unknown state: %s", ProbeType(m.N), text)
	case MessageScaledUp:
		return fmt.Sprintf("Scaled up replica set %s from %d to %d", text, m.N>>32, int32(m.N))
	case MessageScaledDown:
		return fmt.Sprintf("Scaled down replica set %s from %d to %d", text, m.N>>32, int32(m.N))
	case MessageCreatedPod:
		return "Created pod: " + text
	case MessageDeletedPod:
		return "Deleted pod: " + text
	case MessageSandboxChanged:
		return "Pod sandbox changed, it will be killed and re-created."
	case MessageFailedMount:
		return fmt.Sprintf("MountVolume.SetUp failed for %s", text)
	case MessageExceededGracePeriod:
		return "Container runtime did not kill the pod within specified grace period."
	case MessageNodeNotReady:
		return "Node is not ready"
	case MessageTaintEviction:
		return fmt.Sprintf("Marking for deletion Pod %s/%s", p.Template.Namespace, p.Name)
	case MessageCancelTaintEviction:
		return fmt.Sprintf("Cancelling deletion of Pod %s/%s", p.Template.Namespace, p.Name)
	case MessageNodeStatus:
		return text
	case MessageDefinitionChanged:
		return fmt.Sprintf("Container %s definition changed, will be restarted", p.container(i))
	case MessagePullSecrets:
		return fmt.Sprintf("Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", text)
	case MessageFailedSandbox:
		return "Failed to create pod sandbox: " + text
	case MessageResizeStarted, MessageResizeCompleted, MessageResizeError:
		return s.resizeWords(m)
	case MessageResizeRestart:
		return fmt.Sprintf("Container %s resize requires restart", p.container(i))
	}
	panic(fmt.Sprintf("model: message kind %d has no words", m.Kind))
}

// SameWords says whether a message says the same of two containers of the template.
func (t *PodTemplate) SameWords(m Message, i, j int) bool {
	switch m.Kind {
	case MessagePulling, MessagePulled, MessageAlreadyPresent, MessageFailedToPull, MessageBackOffPulling, MessageImageNeverPull, MessageInvalidImageName:
		return i == j || t.Containers[i].Image == t.Containers[j].Image
	case MessageBackOffRestarting, MessageStopping, MessageFailedLiveness, MessageFailedStartup, MessageDefinitionChanged:
		return i == j
	case MessageProbeFailed:
		return i == j || m.Answered()
	}
	return true
}

// PullErrorReason is the reason for a pull that ended with this error of the runtime
// (pkg/kubelet/images/image_manager.go evalCRIPullErr).
func PullErrorReason(err string) Text {
	for _, reason := range [...]Text{ReasonRegistryUnavailable, ReasonSignatureValidationFailed} {
		if strings.HasPrefix(err, wellKnown[reason]) {
			return reason
		}
	}
	return ReasonErrImagePull
}

// pullError is what the kubelet says of a pull's error (evalCRIPullErr).
func (s *State) pullError(p *Pod, i int, m Message) string {
	why := ""
	switch Text(m.N) {
	case ReasonRegistryUnavailable:
		why = "the registry is unavailable"
	case ReasonSignatureValidationFailed:
		why = "the signature validation failed"
	default:
		return s.Texts.String(m.Text)
	}
	detail := strings.TrimPrefix(s.Texts.String(m.Text), wellKnown[Text(m.N)])
	return fmt.Sprintf("image pull failed for %s because %s%s", p.image(i), why, detail)
}

// hookFailed follows pkg/kubelet/lifecycle/handlers.go Run, with the words of the CRI client for a
// command (k8s.io/cri-client pkg/remote_runtime.go execSync).
func (s *State) hookFailed(p *Pod, i int, m Message) string {
	h, text := p.Template.ContainerSpec(i).Lifecycle.PostStart, s.Texts.String(m.Text)
	what := fmt.Sprintf("for Container %q in Pod %q failed - error: ", p.container(i), s.PodDescription(p))
	switch {
	case h.Exec != nil:
		return fmt.Sprintf("Exec lifecycle hook (%v) %scommand '%s' exited with %d: , message: %q",
			h.Exec.Command, what, strings.Join(h.Exec.Command, " "), m.N, text)
	case h.HTTPGet != nil:
		if text == "" {
			text = s.refusedRequest(p, i, h.HTTPGet)
		}
		return fmt.Sprintf("HTTP lifecycle hook (%s) %s%s", h.HTTPGet.Path, what, text)
	}
	return fmt.Sprintf("Cannot run handler: invalid handler: %v", h)
}

// failedProbeKill follows pkg/kubelet/kuberuntime/kuberuntime_manager.go computePodActions
// and computeInitContainerActions: a sidecar's message does not say that it is restarted.
func failedProbeKill(p *Pod, i int, m Message) string {
	probe := "liveness"
	if m.Kind == MessageFailedStartup {
		probe = "startup"
	}
	what, tail := "Container", ""
	if p.Template.Containers[i].Kind == Sidecar {
		what = "Init container"
	} else if m.N == 1 {
		tail = ", will be restarted"
	}
	return fmt.Sprintf("%s %s failed %s probe%s", what, p.container(i), probe, tail)
}

func (p *Pod) container(i int) string { return p.Template.Containers[i].Name }

func (p *Pod) image(i int) string { return p.Template.Containers[i].Image }

// UID is the pod's metadata.uid, made from the run's seed and the pod's serial number.
func (s *State) UID(kind ObjectKind, serial int64) string {
	a, b := mix(s.Seed^uint64(kind)<<56), uint64(serial)
	a, b = mix(a^b), mix(b+a)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a), uint16(a>>32), a>>52, 0x8000|uint16(b)&0x3fff, b>>16)
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// PodDescription is the pod as the kubelet's messages name it: name_namespace(uid)
// (pkg/kubelet/util/format/pod.go Pod).
func (s *State) PodDescription(p *Pod) string {
	return fmt.Sprintf("%s_%s(%s)", p.Name, p.Template.Namespace, s.UID(KindPod, p.Serial))
}

// IP is the pod's address: the node's own for a pod on the host network, else one of the
// node's /24. Empty before the sandbox has one.
func (s *State) IP(p *Pod) string {
	if !p.Status.HasIP {
		return ""
	}
	return s.sandboxIP(p)
}

// sandboxIP is the address that the pod has on its node, also before its status says so.
func (s *State) sandboxIP(p *Pod) string {
	if p.Template.HostNetwork {
		return s.Nodes[p.Node].IP()
	}
	return fmt.Sprintf("10.%d.%d.%d", 64+int(p.Node)>>8&127, int(p.Node)&255, 2+p.Serial%250)
}

// ConditionMessage is the message of a pod's condition.
func (s *State) ConditionMessage(p *Pod, t ConditionType) string {
	st := &p.Status
	c := &st.Conditions[t]
	if c.Reason == ReasonRestartAllContainersStarted {
		return "container exited with restart policy rule"
	}
	return s.Message(p, -1, c.Message)
}

// containersWith names containers of a pod, given as bits.
func containersWith(p *Pod, what string, bits uint64) string {
	var names []string
	for i := range p.Template.Containers {
		if bits>>i&1 != 0 {
			names = append(names, p.Template.Containers[i].Name)
		}
	}
	return fmt.Sprintf("containers with %s: %s", what, names)
}

// gateMessage says which readiness gates are not met.
func gateMessage(p *Pod, gates Gates) string {
	var parts []string
	for i, g := range p.Template.Spec.ReadinessGates {
		switch c := gates.At(i); c {
		case ConditionTrue:
		case ConditionAbsent:
			parts = append(parts, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", g.ConditionType))
		default:
			parts = append(parts, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", g.ConditionType, c))
		}
	}
	return strings.Join(parts, ", ")
}
