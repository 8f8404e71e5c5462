package scheduler
import ("testing";"fmt";"os";"strconv")
func TestZZ(t *testing.T) {
	sd,_ := strconv.ParseUint(os.Getenv("SEQ"),10,64)
	s := newSequence(t, sd, append(leftOut(t), notInSequences...))
	fmt.Println(len(s.nodes), len(s.models), s.random.on)
	debugSteps = true
	err := s.run()
	fmt.Println(s.steps, err, len(s.nodes), s.real.nextStart())
	for _, m := range s.models { fmt.Println(m.Name, m.Spec.Affinity != nil) }
}
