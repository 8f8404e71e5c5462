package runner

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"NAME": "web", "EMPTY": ""}
	for text, want := range map[string]string{
		"plain":          "plain",
		"$(NAME)-1":      "web-1",
		"$(EMPTY)$(NO)":  "$(NO)",
		"$$(NAME)":       "$(NAME)",
		"$NAME and $":    "$NAME and $",
		"$(NAME and on":  "$(NAME and on",
		"$(NAME)$(NAME)": "webweb",
	} {
		assert.Equal(t, want, expand(text, values), text)
	}
}
