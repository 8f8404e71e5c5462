package scenarios

import (
	"errors"
	"fmt"
	"strings"

	"podsim/model"
)

// inputError is a mistake of the user's at a place in a file.
type inputError struct {
	where   model.Position
	message string
}

// Error is "file:line: message" on one line.
func (e *inputError) Error() string { return fmt.Sprintf("%v: %s", e.where, e.message) }

func errorAt(where model.Position, format string, args ...any) error {
	return &inputError{where, oneLine(fmt.Sprintf(format, args...))}
}

// oneLine keeps a message on one line and of a length that a terminal can show, whatever a
// file contains.
func oneLine(s string) string {
	const most = 600
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}

// mostErrors is how many mistakes of one file are shown: the first ones explain the rest.
const mostErrors = 10

// joined is all errors as one, nil when there are none.
func joined(errs []error) error {
	if len(errs) > mostErrors {
		more := len(errs) - mostErrors
		errs = append(errs[:mostErrors:mostErrors], fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// quoted is a value from a file as a message shows it, cut when it is long.
func quoted(s string) string {
	const most = 80
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return fmt.Sprintf("%q", s)
}
