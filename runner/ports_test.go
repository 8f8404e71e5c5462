package runner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWildcardListeners(t *testing.T) {
	ports := map[int]bool{}
	wildcardListeners(strings.NewReader(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0
   2: 00000000:1F92 0100007F:A3B2 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0
   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4 1 0 100 0 0 10 0
`), ports)
	assert.Equal(t, map[int]bool{8080: true, 80: true}, ports)
}
