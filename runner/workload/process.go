package workload

import (
	"fmt"
	"os"
	"time"
)

// process is the main process of a container.
type process struct {
	*Run
	directory string
	start     time.Time
}

// answer waits as long as the answer takes. What it is then counts.
func answer(answers []Answer, start time.Time) Answer {
	a := AnswerAt(answers, time.Since(start))
	if wait := a.Wait(); wait > 0 {
		time.Sleep(wait)
		a = AnswerAt(answers, time.Since(start))
	}
	return a
}

// complain tells of something that the container does without.
func complain(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "podsim-workload: %v\n", err)
	}
}
