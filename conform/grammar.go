package conform

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/distribution/reference"
	v1 "k8s.io/api/core/v1"
)

// tester is the program of the recordings' image.
const tester = "/tester"

// The annotations of a recorded pod: two in seconds, and GateChanges.
const (
	watchedSeconds = "trace/seconds"
	deleteAfter    = "trace/delete-after"
	gateChanges    = "trace/gates"
)

// longest is the longest time, in seconds, that an annotation may give.
const longest = 1e6

// check says what of a recording podsim does not know.
func (r *Recording) check() error {
	if err := checkPod(r.Pod); err != nil {
		return err
	}
	return checkRequests(slices.Concat(r.Lines, r.Exact))
}

// checkPod says what a recorded pod has that podsim would not run as the tester does. What is not
// known is an error: a comparison with something else would say nothing.
func checkPod(pod *v1.Pod) error {
	if err := checkAnnotations(pod); err != nil {
		return err
	}
	if pod.Name == "" || len(pod.Spec.Containers) == 0 {
		return errors.New("the pod has no name or no containers")
	}
	for _, c := range containersOf(pod) {
		if c.Name == "" || c.Image == "" {
			return fmt.Errorf("container %q has no name or no image", c.Name)
		}
		if err := checkContainer(c); err != nil {
			return fmt.Errorf("container %s: %w", c.Name, err)
		}
	}
	return nil
}

// checkRequests looks at what was asked of the API server while the pod was watched.
func checkRequests(lines []Line) error {
	for i := range lines {
		if l := &lines[i]; l.Type == "request" && l.Message != "DELETE" {
			return fmt.Errorf("request %q at %s is not known, want DELETE", l.Message, seconds(l.Ms))
		}
	}
	return nil
}

func checkAnnotations(pod *v1.Pod) error {
	var keys []string
	for key := range pod.Annotations {
		if strings.HasPrefix(key, "trace/") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		value := pod.Annotations[key]
		if key == gateChanges {
			if value != "" && len(GateChanges(pod)) != strings.Count(value, ",")+1 {
				return fmt.Errorf("annotation %s is %q, want SECONDS TYPE STATUS, joined by commas", key, value)
			}
			continue
		}
		if key != watchedSeconds && key != deleteAfter {
			return fmt.Errorf("annotation %s is not known, want %s, %s or %s", key, watchedSeconds, deleteAfter, gateChanges)
		}
		if x, err := strconv.ParseFloat(value, 64); err != nil || !(x >= 0 && x <= longest) {
			return fmt.Errorf("annotation %s is %q, want a number of seconds", key, value)
		}
	}
	return nil
}

func checkContainer(c *v1.Container) error {
	if err := checkImage(c.Image); err != nil {
		return err
	}
	if len(c.Command) == 0 || c.Command[0] == tester {
		if err := checkArguments(arguments(c)); err != nil {
			return err
		}
	}
	for _, p := range []*v1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if err := checkProbe(p); err != nil {
			return err
		}
	}
	if h := c.Lifecycle; h != nil {
		for _, hook := range []*v1.LifecycleHandler{h.PostStart, h.PreStop} {
			if err := checkHook(hook); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkImage refuses an image of another registry; a name that is no image's is the kubelet's error.
func checkImage(name string) error {
	if _, err := reference.ParseDockerRef(name); err != nil {
		return nil
	}
	if !strings.HasPrefix(name, registry) && !strings.HasPrefix(name, closedRegistry) {
		return fmt.Errorf("image %q is of no registry of the recordings, want %s or %s", name, registry, closedRegistry)
	}
	return nil
}

// arguments that have no value, and for the others whether a value is good.
var (
	plainArguments = []string{"forever", "ignoreterm"}
	valueArguments = map[string]func(string) bool{
		"sleep":     func(s string) bool { d, err := time.ParseDuration(s); return err == nil && d >= 0 },
		"exit":      func(s string) bool { return isNumber(s, 255) },
		"term-exit": func(s string) bool { return isNumber(s, 255) },
		"alloc":     func(s string) bool { return isNumber(s, 1<<20) },
		"failmsg":   func(string) bool { return true },
		"http":      func(s string) bool { return isNumber(s[strings.LastIndex(s, ":")+1:], 65535) },
		"write": func(s string) bool {
			path, size, _ := strings.Cut(s, ":")
			return strings.HasPrefix(path, "/") && isNumber(size, 1<<20)
		},
	}
)

const argumentForms = "sleep=DUR, exit=N, forever, alloc=MiB, write=PATH:MiB, http=ADDR, failmsg=TEXT, ignoreterm or term-exit=N"

func checkArguments(args []string) error {
	for _, a := range args {
		key, value, hasValue := strings.Cut(a, "=")
		good := valueArguments[key]
		if hasValue && good != nil && good(value) || !hasValue && slices.Contains(plainArguments, key) {
			continue
		}
		return fmt.Errorf("argument %q is not one of the tester's, want %s", a, argumentForms)
	}
	return nil
}

func isNumber(s string, most int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= most
}

func checkProbe(p *v1.Probe) error {
	switch {
	case p == nil:
		return nil
	case p.Exec != nil && !isJudgement(p.Exec.Command):
		if len(p.Exec.Command) == 0 || p.Exec.Command[0] != tester {
			return fmt.Errorf("the probe's command %q is not known, want %s", p.Exec.Command, tester)
		}
		return checkArguments(p.Exec.Command[1:])
	}
	_, err := judgementOf(p)
	return err
}

// checkHook looks at a hook's command; one that is not the tester cannot be run, and fails.
func checkHook(h *v1.LifecycleHandler) error {
	switch {
	case h == nil || h.Exec == nil:
		return nil
	case len(h.Exec.Command) == 0:
		return fmt.Errorf("a hook has an empty command, want %s", tester)
	case h.Exec.Command[0] != tester:
		return nil
	}
	return checkArguments(h.Exec.Command[1:])
}

// judgement is when the tester's probes succeed: after or until n seconds since the start, or, when
// they flap, n seconds on and off seconds off; "ok" is always, "missing" a path without a page.
type judgement struct {
	kind   string
	n, off int
}

// isJudgement says whether a command asks for a judgement, such as "/tester probe after 3".
func isJudgement(command []string) bool {
	return len(command) > 1 && command[0] == tester && command[1] == "probe"
}

// judgementOf reads a judgement from a command such as "/tester probe flap 2 3", a path such as
// "/flap?on=2&off=3" or a gRPC service such as "flap-2-3".
func judgementOf(p *v1.Probe) (judgement, error) {
	var words []string
	text := ""
	switch {
	case p.Exec != nil:
		words, text = p.Exec.Command[2:], strings.Join(p.Exec.Command, " ")
	case p.HTTPGet != nil:
		words, text = pathWords(p.HTTPGet.Path), p.HTTPGet.Path
	case p.GRPC != nil && p.GRPC.Service != nil && *p.GRPC.Service != "":
		words, text = strings.Split(*p.GRPC.Service, "-"), *p.GRPC.Service
	default:
		return judgement{kind: "ok"}, nil
	}
	if j, ok := judgementIn(words); ok {
		return j, nil
	}
	return judgement{}, fmt.Errorf("the probe %q is not one of the tester's, want after N, until N or flap A B", text)
}

func judgementIn(words []string) (judgement, bool) {
	numbers := map[string]int{"ok": 0, "missing": 0, "after": 1, "until": 1, "flap": 2}
	if len(words) == 0 {
		return judgement{}, false
	}
	j := judgement{kind: words[0]}
	want, known := numbers[j.kind]
	if j.kind == "ok" {
		return j, true // whatever follows
	}
	if !known || len(words) != 1+want {
		return judgement{}, false
	}
	for i, to := range []*int{&j.n, &j.off}[:want] {
		if !isNumber(words[1+i], longest) {
			return judgement{}, false
		}
		*to = number(words[1+i])
	}
	return j, j.kind != "flap" || j.n+j.off > 0
}

// pathWords are the words of a path of the tester's server, which answers 404 to all others.
func pathWords(path string) []string {
	path, query, _ := strings.Cut(strings.TrimPrefix(path, "/"), "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	switch path {
	case "ok":
		return []string{path}
	case "after", "until":
		return []string{path, values.Get("s")}
	case "flap":
		return []string{path, values.Get("on"), values.Get("off")}
	}
	return []string{"missing"}
}
