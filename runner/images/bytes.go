package images

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"math/rand/v2"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tarBlock is the unit of a tar file. A file in it has a header of one, an end of two stands at the end.
const tarBlock = 512

// layerMin is the least size of a layer: one file of one block.
const layerMin = 4 * tarBlock

// noise are bytes that no compressor makes smaller in pieces of less than its length.
var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte([]byte("podsim: what layers are made of."))).Read(b)
	return b
})

// layer is a layer of an image that exists only while it is read: a tar file with one file of noise. The last
// block of the file is the layer's own, so that what comes before it is hashed once for all layers of a size.
// It is a v1.Layer.
type layer struct {
	size   int64
	body   int64
	header []byte
	tail   []byte
	digest v1.Hash
}

var _ v1.Layer = (*layer)(nil)

// newLayer makes a layer of so many bytes, of which so many are in the file. Layers of one name are the same.
func newLayer(name string, size, unpacked int64, hashes *prefixes) (*layer, error) {
	size = max(size, layerMin)
	l := &layer{size: size, body: (min(size-3*tarBlock, max(unpacked, tarBlock)) + tarBlock - 1) / tarBlock * tarBlock}
	for l.body > size-3*tarBlock {
		l.body -= tarBlock
	}
	var err error
	if l.header, err = tarHeader(l.body); err != nil {
		return nil, err
	}
	l.tail = make([]byte, tarBlock)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(l.tail)
	l.digest, err = hashes.digest(l)
	return l, err
}

func tarHeader(size int64) ([]byte, error) {
	var b bytes.Buffer
	err := tar.NewWriter(&b).WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "podsim-layer", Size: size, Mode: 0o644, Format: tar.FormatUSTAR})
	return b.Bytes(), err
}

// ReadAt reads the bytes from an offset on.
func (l *layer) ReadAt(p []byte, offset int64) (int, error) {
	n := 0
	for n < len(p) {
		piece := l.piece(offset + int64(n))
		if piece == nil {
			return n, io.EOF
		}
		n += copy(p[n:], piece)
	}
	return n, nil
}

// zeros are what follows the file.
var zeros [64 << 10]byte

// piece gives some of the bytes from an offset on, nil at the end.
func (l *layer) piece(offset int64) []byte {
	tail := tarBlock + l.body - tarBlock
	switch {
	case offset < tarBlock:
		return l.header[offset:]
	case offset < tail:
		b := noise()[(offset-tarBlock)%int64(len(noise())):]
		return b[:min(int64(len(b)), tail-offset)]
	case offset < tail+tarBlock:
		return l.tail[offset-tail:]
	case offset < l.size:
		return zeros[:min(int64(len(zeros)), l.size-offset)]
	}
	return nil
}

// Digest is that of the bytes.
func (l *layer) Digest() (v1.Hash, error) { return l.digest, nil }

// DiffID is the same: the layer is not compressed.
func (l *layer) DiffID() (v1.Hash, error) { return l.digest, nil }

// Compressed reads the bytes.
func (l *layer) Compressed() (io.ReadCloser, error) { return io.NopCloser(l.reader()), nil }

// Uncompressed reads the same bytes.
func (l *layer) Uncompressed() (io.ReadCloser, error) { return l.Compressed() }

// Size is in bytes.
func (l *layer) Size() (int64, error) { return l.size, nil }

// MediaType is that of an OCI layer that is not compressed.
func (l *layer) MediaType() (types.MediaType, error) { return types.OCIUncompressedLayer, nil }

func (l *layer) reader() *io.SectionReader { return io.NewSectionReader(l, 0, l.size) }

// prefixes keep the state of the hash after what layers of a size have in common.
type prefixes struct {
	mutex  sync.Mutex
	states map[[2]int64][]byte
}

// digest is a layer's digest.
func (x *prefixes) digest(l *layer) (v1.Hash, error) {
	x.mutex.Lock()
	defer x.mutex.Unlock()
	h := sha256.New()
	tail := l.body
	key := [2]int64{l.size, l.body}
	if state := x.states[key]; state != nil {
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
			return v1.Hash{}, err
		}
	} else {
		if err := hashRange(h, l, 0, tail); err != nil {
			return v1.Hash{}, err
		}
		state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
		if err != nil {
			return v1.Hash{}, err
		}
		if x.states == nil {
			x.states = map[[2]int64][]byte{}
		}
		x.states[key] = state
	}
	if err := hashRange(h, l, tail, l.size); err != nil {
		return v1.Hash{}, err
	}
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}, nil
}

func hashRange(h hash.Hash, l *layer, from, to int64) error {
	n, err := io.Copy(h, io.NewSectionReader(l, from, to-from))
	if err == nil && n != to-from {
		return errors.New("a layer ends before its end")
	}
	return err
}
