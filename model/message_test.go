package model

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMessages(t *testing.T) {
	s := &State{Seed: 1, Nodes: []Node{{}, {ID: 1, Name: "worker-0"}}}
	sp := spec([]string{"proxy+"}, "app", "bad")
	sp.Containers[1].Image = "i::"
	template := s.Compile("shop", nil, nil, sp)
	template.Containers[1].InvalidImage = "invalid reference format"
	s.Pods = []Pod{{}, {ID: 1, Name: "web", Serial: 1, Template: template}}
	uid := s.UID(KindPod, 1)
	text := s.Texts.Intern("no such host")
	unavailable := s.Texts.Intern("RegistryUnavailable: down")
	for _, c := range []struct {
		container int16
		m         Message
		want      string
	}{
		{-1, Message{}, ""},
		{-1, Message{Kind: MessageText, Text: text}, "no such host"},
		{1, Message{Kind: MessageCrashLoopBackOff, N: int64(160 * Second)}, "back-off 2m40s restarting failed container=app pod=web_shop(" + uid + ")"},
		{1, Message{Kind: MessageImagePullBackOff, Text: text, N: int64(ReasonErrImagePull)},
			`Back-off pulling image "i:1": ErrImagePull: no such host`},
		{1, Message{Kind: MessageImagePullBackOff, Text: unavailable, N: int64(ReasonRegistryUnavailable)},
			`Back-off pulling image "i:1": RegistryUnavailable: image pull failed for i:1 because the registry is unavailable: down`},
		{1, Message{Kind: MessagePullError, Text: text, N: int64(ReasonErrImagePull)}, "no such host"},
		{1, Message{Kind: MessagePullError, Text: s.Texts.Intern("SignatureValidationFailed"), N: int64(ReasonSignatureValidationFailed)},
			"image pull failed for i:1 because the signature validation failed"},
		{-1, Message{Kind: MessagePullSecrets, Text: text},
			"Unable to retrieve some image pull secrets (no such host); attempting to pull the image may not succeed."},
		{-1, Message{Kind: MessageFailedSandbox, Text: text}, "Failed to create pod sandbox: no such host"},
		{1, Message{Kind: MessageImageNeverPull}, `Container image "i:1" is not present with pull policy of Never`},
		{2, Message{Kind: MessageInvalidImageName}, `Failed to apply default image tag "i::": couldn't parse image name "i::": invalid reference format`},
		{-1, Message{Kind: MessageTakenAsCompleted}, "Unable to get init container status from container runtime and pod has been " +
			"initialized, treat it as exited normally"},
		{-1, Message{Kind: MessageNotLocatedTerminated}, "The container could not be located when the pod was terminated"},
		{-1, Message{Kind: MessageNotLocatedDeleted}, "The container could not be located when the pod was deleted.  The container used to be Running"},
		{-1, Message{Kind: MessageDeadlineExceeded}, "Pod was active on the node longer than the specified deadline"},
		{-1, Message{Kind: MessageNoSandbox}, "no pod sandbox exists"},
		{-1, Message{Kind: MessageSandboxNotReady}, "pod sandbox is not ready"},
		{-1, Message{Kind: MessageScheduled, N: 1}, "Successfully assigned shop/web to worker-0"},
		{1, Message{Kind: MessagePulling}, `Pulling image "i:1"`},
		{1, Message{Kind: MessagePulled, N: int64(1234567890)}, `Successfully pulled image "i:1" in 1.234s (2s including waiting). Image size: 54 bytes.`},
		{1, Message{Kind: MessageAlreadyPresent}, `Container image "i:1" already present on machine and can be accessed by the pod`},
		{1, Message{Kind: MessageFailedToPull, Text: text}, `Failed to pull image "i:1": no such host`},
		{1, Message{Kind: MessageErrorText, Text: ReasonErrImagePull}, "Error: ErrImagePull"},
		{1, Message{Kind: MessageBackOffPulling}, `Back-off pulling image "i:1"`},
		{1, Message{Kind: MessageBackOffRestarting}, "Back-off restarting failed container app in pod web_shop(" + uid + ")"},
		{1, Message{Kind: MessageCreated}, "Container created"},
		{1, Message{Kind: MessageStarted}, "Container started"},
		{1, Message{Kind: MessageStopping}, "Stopping container app"},
		{1, Message{Kind: MessageFailedLiveness, N: 1}, "Container app failed liveness probe, will be restarted"},
		{1, Message{Kind: MessageFailedStartup}, "Container app failed startup probe"},
		{0, Message{Kind: MessageFailedLiveness, N: 1}, "Init container proxy failed liveness probe"},
		{1, Message{Kind: MessageKillPostStart}, "FailedPostStartHook"},
		{1, Message{Kind: MessagePostStartFailed}, "PostStartHook failed"},
		{1, Message{Kind: MessagePreStopFailed}, "PreStopHook failed"},
		{1, Message{Kind: MessageProbeFailed, Text: text, N: int64(Readiness)}, "Readiness probe failed: no such host"},
		{-1, Message{Kind: MessageScaledUp, Text: text, N: 2<<32 | 5}, "Scaled up replica set no such host from 2 to 5"},
		{-1, Message{Kind: MessageScaledDown, Text: text, N: 5 << 32}, "Scaled down replica set no such host from 5 to 0"},
		{-1, Message{Kind: MessageCreatedPod, Text: text}, "Created pod: no such host"},
		{-1, Message{Kind: MessageDeletedPod, Text: text}, "Deleted pod: no such host"},
		{-1, Message{Kind: MessageSandboxChanged}, "Pod sandbox changed, it will be killed and re-created."},
		{-1, Message{Kind: MessageFailedMount, Text: text}, "MountVolume.SetUp failed for no such host"},
		{-1, Message{Kind: MessageNodeNotReady}, "Node is not ready"},
		{-1, Message{Kind: MessageTaintEviction}, "Marking for deletion Pod shop/web"},
		{-1, Message{Kind: MessageCancelTaintEviction}, "Cancelling deletion of Pod shop/web"},
		{-1, Message{Kind: MessageNodeStatus, Text: text}, "no such host"},
		{1, Message{Kind: MessageDefinitionChanged}, "Container app definition changed, will be restarted"},
	} {
		e := &Event{Kind: KindPod, ID: 1, Container: c.container, Message: c.m, M: int64(2 * Second), S: 54}
		assert.Equal(t, c.want, s.EventMessage(e), "kind %d", c.m.Kind)
		e.Combined = true
		assert.Equal(t, "(combined from similar events): "+c.want, s.EventMessage(e))
		if c.m.Kind != MessageScheduled && c.m.Kind != MessagePulled {
			assert.Equal(t, c.want, s.Message(&s.Pods[1], int(c.container), c.m))
		}
	}
	assert.Equal(t, "no such host", s.EventMessage(&Event{Kind: KindNode, ID: 1, Container: -1, Message: TextMessage(text)}))
	assert.Equal(t, Message{}, TextMessage(NoText))
	assert.Panics(t, func() { s.Message(&s.Pods[1], -1, Message{Kind: 200}) })
}

func TestUID(t *testing.T) {
	s, other := &State{Seed: 1}, &State{Seed: 2}
	uid := s.UID(KindPod, 1)
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, uid)
	seen := map[string]bool{uid: true}
	for serial := int64(2); serial < 5_000; serial++ {
		u := s.UID(KindPod, serial)
		assert.False(t, seen[u], u)
		seen[u] = true
	}
	assert.Equal(t, uid, s.UID(KindPod, 1))
	assert.NotEqual(t, uid, s.UID(KindNode, 1))
	assert.NotEqual(t, uid, other.UID(KindPod, 1))
}
