package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// reader walks the msgpack map. After the first error it returns zero values and keeps the error.
type reader struct {
	*window
	d      *msgpack.Decoder
	format int    // of the file
	at     string // the key or layer being read, for errors
	err    error
}

func newReader(w *window) *reader {
	// The decoder reads an io.ByteScanner directly, so the window's position is the decoder's.
	return &reader{window: w, d: msgpack.NewDecoder(w), at: "header"}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// failed notes a msgpack error: either the file ends, or something else stands here.
func (r *reader) failed(want string, err error) bool {
	if err == nil {
		return r.err != nil
	}
	if r.broken != nil {
		r.fail(r.broken)
	} else if r.left() == 0 {
		r.fail(integrityError("%s: want %s, the file ends", r.at, want))
	} else {
		r.fail(formatError("%s: want %s, found something else; the file was written by another program", r.at, want))
	}
	return true
}

// next reports whether the next value is of a kind, which it must be: the decoder would take a missing value for 0, a
// float for an integer, and text for bytes.
func (r *reader) next(want string, is func(code byte) bool) bool {
	if r.err != nil {
		return false
	}
	code, err := r.d.PeekCode()
	if r.failed(want, err) {
		return false
	}
	if !is(code) {
		r.fail(formatError("%s: want %s, found something else; the file was written by another program", r.at, want))
	}
	return r.err == nil
}

// The kinds of the table in the package comment.
func isMap(c byte) bool { return msgpcode.IsFixedMap(c) || c == msgpcode.Map16 || c == msgpcode.Map32 }
func isArray(c byte) bool {
	return msgpcode.IsFixedArray(c) || c == msgpcode.Array16 || c == msgpcode.Array32
}
func isFloat(c byte) bool { return c == msgpcode.Float }
func isInt(c byte) bool {
	return msgpcode.IsFixedNum(c) || c >= msgpcode.Uint8 && c <= msgpcode.Int64 // the two ranges adjoin
}

// mapLen reads the head of a map and returns how many keys it has, one of the given numbers.
func (r *reader) mapLen(want ...int) int {
	if !r.next("a map", isMap) {
		return 0
	}
	n, err := r.d.DecodeMapLen()
	if !r.failed("a map", err) && !slices.Contains(want, n) {
		r.fail(formatError("%s: want a map of %d keys, file has %d; use a newer version of this program", r.at, want[len(want)-1], n))
	}
	return n
}

// count reads the length of an array whose elements take at least a byte each.
func (r *reader) count() int {
	if !r.next("an array", isArray) {
		return 0
	}
	n, err := r.d.DecodeArrayLen()
	if r.failed("an array", err) {
		return 0
	}
	return r.fits(n, 1)
}

// fits checks n things of size bytes against the bytes left.
func (r *reader) fits(n, size int) int {
	if n < 0 || n > r.left()/size {
		r.fail(integrityError("%s: want %d × %d bytes, file has %d", r.at, n, size, r.left()))
		return 0
	}
	return n
}

// take returns the next n bytes without copying them.
func (r *reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > r.left() {
		r.fail(integrityError("%s: want %d bytes, file has %d", r.at, n, r.left()))
		return nil
	}
	b, err := r.window.take(n)
	if err != nil {
		r.fail(err)
	}
	return b
}

func (r *reader) text() string {
	if !r.next("text", msgpcode.IsString) {
		return ""
	}
	n, err := r.d.DecodeBytesLen()
	if r.failed("text", err) {
		return ""
	}
	if n < 0 || n > maxText {
		r.fail(formatError("%s: want text of at most %d bytes, file has %d", r.at, maxText, n))
		return ""
	}
	return string(r.take(n))
}

// key reads the next key of a map, which must be k.
func (r *reader) key(k string) {
	if s := r.text(); r.err == nil && s != k {
		r.fail(formatError("%s: want the key %q next, file has %.20q; use a newer version of this program", r.at, k, s))
	}
}

// field reads the next key of the file, which must be k, and names it in errors from here on.
func (r *reader) field(k string) {
	r.key(k)
	r.at = k
}

func (r *reader) num(lo, hi int) int {
	if !r.next("an integer", isInt) {
		return 0
	}
	n, err := r.d.DecodeInt64()
	if !r.failed("an integer", err) && (n < int64(lo) || n > int64(hi)) {
		r.fail(formatError("%s: want %d to %d, file has %d", r.at, lo, hi, n))
	}
	return int(n)
}

func (r *reader) float() float32 {
	if !r.next("a float 32", isFloat) {
		return 0
	}
	f, err := r.d.DecodeFloat32()
	r.failed("a number", err)
	return f
}

// bin reads exactly n bytes without copying them.
func (r *reader) bin(n int) []byte {
	r.binLen(n)
	return r.take(n)
}

// binLen reads the head of a bin of exactly n bytes.
func (r *reader) binLen(n int) {
	if !r.next("bytes", msgpcode.IsBin) {
		return
	}
	got, err := r.d.DecodeBytesLen()
	if !r.failed("bytes", err) && got != n {
		r.fail(formatError("%s: want %d bytes, file has %d; download the model again", r.at, n, got))
	}
}

// weights reads the n weights of a convolution, or where they are if they stay in the file.
func (r *reader) weights(n int) (w []int8, at int) {
	r.binLen(n)
	if r.err != nil || r.file == nil {
		return asInts(r.take(n)), 0
	}
	if at = r.pos; n > r.left() {
		r.take(n) // fails
	}
	r.pos += n
	return nil, at
}

func (r *reader) floats(n int) []float32 {
	b := r.bin(4 * n)
	if r.err != nil {
		return nil
	}
	f := make([]float32, n)
	for i := range f {
		f[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return f
}

// window is a file and the part of it that is in memory.
type window struct {
	file  io.ReaderAt // nil if all of the file is in memory
	size  int
	pos   int    // of the next byte
	buf   []byte // the file's bytes from start
	start int

	broken error // of file
}

// windowBytes is how much is read at once. Mostly that holds a layer's parameters and the name of the next.
const windowBytes = 16 << 10

func (w *window) left() int { return w.size - w.pos }

// peek makes sure that n bytes are in memory, which the file must have, and returns what there is from pos.
func (w *window) peek(n int) ([]byte, error) {
	if at := w.pos - w.start; at < 0 || at+n > len(w.buf) {
		w.start, w.buf = w.pos, make([]byte, min(max(n, windowBytes), w.left()))
		if n, err := w.file.ReadAt(w.buf, int64(w.pos)); n < len(w.buf) {
			w.broken = fmt.Errorf("weights: cannot read the model file: %w", err)
			return nil, w.broken
		}
	}
	return w.buf[w.pos-w.start:], nil
}

// take returns the next n bytes, which the file must have.
func (w *window) take(n int) ([]byte, error) {
	b, err := w.peek(n)
	if err != nil {
		return nil, err
	}
	w.pos += n
	return b[:n:n], nil
}

func (w *window) Read(b []byte) (int, error) {
	if w.left() == 0 {
		return 0, io.EOF
	}
	from, err := w.take(min(len(b), w.left()))
	return copy(b, from), err
}

func (w *window) ReadByte() (byte, error) {
	if w.left() == 0 {
		return 0, io.EOF
	}
	b, err := w.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (w *window) UnreadByte() error {
	w.pos--
	return nil
}
