// Package weights reads and writes model files: a quantised ResNet with its classes and its pre-processing in one file.
//
// Importers, calibration and the command-line tool are in sub-packages, so that a browser build that needs the reader
// alone carries nothing else.
//
// # Format
//
// A model file is one msgpack map followed by 32 bytes: the SHA-256 of everything before them. The map has exactly these
// keys, in this order. Integers are msgpack integers, numbers msgpack float 32; floats in a bin are little-endian IEEE
// float32. Layers are in the order of [resnet.Network.Convs]; out8 is a layer's output channels rounded up to 8.
//
//	key           type           meaning
//	magic         str            "resnet-web model"
//	format        int            1, the version of this table
//	layout        int            1, the version of the packing of weights
//	architecture  str            a name that resnet.Lookup knows, which gives depth, blocks and stem; what follows a "-"
//	                             is for people only
//	width         int            channels of the stem
//	inner         int            channels of a bottleneck's 3×3 in the first stage
//	pad           str            how a CIFAR net widens its shortcut: "pad-append" or "pad-split"
//	ids           array of str   per class its WordNet id, or ""
//	labels        map            language → array of str, one label per class, "" for none; languages in ascending order
//	resize        int            pixels of the shorter side after scaling
//	crop          int            side of the square cut out of its centre: the network's input
//	filter        str            "linear"
//	mean, std     bin            3 floats each, for R, G, B in 0…1
//	scales        bin            per layer one float: the real value of one step of its 7-bit output; a projection's
//	                             equals that of its block's last convolution
//	temperature   float          logits are divided by it before the softmax
//	unsure        float          a best probability below this is reported as "not sure"
//	source        str            where the checkpoint came from
//	licence       str            licence of the checkpoint
//	layers        array of map   name    str  the layer's name, "layer1.0.conv1"
//	                             weights bin  int8 in −127…127, packed by engine.PackConv: out8 × taps × run bytes;
//	                                          a tap is a position of the kernel and its run the inputs rounded up to 8;
//	                                          for the first layer a tap is a kernel row, its run kernel × 4 bytes
//	                             m, b    bin  out8 floats each: requantisation in units of the output's scale
//	fc            map            weights bin  int8 in −127…127, classes × features
//	                             scale, b bin one float per class
package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/vmihailenco/msgpack/v5"

	"resnet-web/resnet"
)

const (
	magic         = "resnet-web model"
	formatVersion = 1
	layoutVersion = 1

	maxReduction = 130_000 // products of 127·127 that an int32 sums without overflow, with a margin
	maxText      = 1 << 16 // bytes of a string; a licence fits
	maxLanguages = 256
	maxSide      = 4096 // pixels of resize and crop
	maxChannels  = 4096 // of width and inner: keeps every product of sizes far inside int64

	// Scales outside this range come from no calibration, and inside it no ratio of two overflows float32.
	minScale, maxScale = 1e-12, 1e12
)

var (
	// ErrFormat marks data that is no model file, or one that this version cannot read. Errors wrap it.
	ErrFormat = errors.New("not a model file this version reads")
	// ErrIntegrity marks a model file that was cut short or altered: its checksum does not match. Errors wrap it.
	ErrIntegrity = errors.New("model file is damaged")
)

// fileError says what is wrong with a file; its message names no sentinel, errors.Is finds it.
type fileError struct {
	kind error
	text string
}

func (e *fileError) Error() string { return "weights: " + e.text }
func (e *fileError) Unwrap() error { return e.kind }

func formatError(format string, a ...any) error {
	return &fileError{ErrFormat, fmt.Sprintf(format, a...)}
}

func integrityError(format string, a ...any) error {
	return &fileError{ErrIntegrity, fmt.Sprintf(format, a...) + "; download the model again"}
}

// keys of the file, of a layer and of the linear layer, in order.
var (
	keys = []string{"magic", "format", "layout", "architecture", "width", "inner", "pad", "ids", "labels", "resize", "crop",
		"filter", "mean", "std", "scales", "temperature", "unsure", "source", "licence", "layers", "fc"}
	layerKeys = []string{"name", "weights", "m", "b"}
	fcKeys    = []string{"weights", "scale", "b"}
)

// pads are the shortcuts that architecture names do not tell apart.
var pads = []resnet.Shortcut{resnet.PadAppend, resnet.PadSplit}

// packed is the number of bytes of layer i's weights, and its output channels rounded up to 8.
func packed(c resnet.Conv, i int) (n, out8 int) {
	out8 = (c.Out + 7) &^ 7
	if i == 0 {
		return out8 * c.Kernel * c.Kernel * 4, out8
	}
	return out8 * c.Kernel * c.Kernel * ((c.In + 7) &^ 7), out8
}

// Write writes m as a model file.
//
// # Errors
//
// ErrFormat, wrapped, if m is not what Read would accept, or its weights are still in the file that ReadAt read; otherwise those of w.
func Write(w io.Writer, m *resnet.Model) error {
	if err := check(m); err != nil {
		return err
	}
	for _, c := range m.Convs {
		if c.W == nil {
			return formatError("%s: want its weights in memory, they are at byte %d of the file that the model was read from", c.Name, c.At)
		}
	}
	langs := languages(m.Classes)
	if len(langs) > maxLanguages {
		return formatError("labels: want at most %d languages, got %d", maxLanguages, len(langs))
	}
	sum := sha256.New()
	e := msgpack.NewEncoder(io.MultiWriter(w, sum))
	e.UseCompactInts(true)
	var err error
	do := func(e error) {
		if err == nil {
			err = e
		}
	}
	key := func(k string) { do(e.EncodeString(k)) }
	text := func(k, v string) { key(k); do(e.EncodeString(v)) }
	num := func(k string, v int) { key(k); do(e.EncodeInt(int64(v))) }
	float := func(k string, v float32) { key(k); do(e.EncodeFloat32(v)) }
	floats := func(k string, v []float32) {
		key(k)
		b := make([]byte, 0, 4*len(v))
		for _, f := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		}
		do(e.EncodeBytes(b))
	}
	ints := func(k string, v []int8) { key(k); do(e.EncodeBytes(asBytes(v))) }

	do(e.EncodeMapLen(len(keys)))
	text("magic", magic)
	num("format", formatVersion)
	num("layout", layoutVersion)
	text("architecture", m.Name)
	num("width", m.Width)
	num("inner", m.Inner)
	text("pad", m.Pad.String())
	key("ids")
	do(e.EncodeArrayLen(len(m.Classes)))
	for _, c := range m.Classes {
		do(e.EncodeString(c.ID))
	}
	key("labels")
	do(e.EncodeMapLen(len(langs)))
	for _, l := range langs {
		key(l)
		do(e.EncodeArrayLen(len(m.Classes)))
		for _, c := range m.Classes {
			do(e.EncodeString(c.Labels[l]))
		}
	}
	num("resize", m.Prep.Resize)
	num("crop", m.Prep.Crop)
	text("filter", m.Prep.Filter)
	floats("mean", m.Prep.Mean[:])
	floats("std", m.Prep.Std[:])
	scales := make([]float32, len(m.Convs))
	for i, c := range m.Convs {
		scales[i] = c.Scale
	}
	floats("scales", scales)
	float("temperature", m.Temperature)
	float("unsure", m.Unsure)
	text("source", m.Source)
	text("licence", m.Licence)
	key("layers")
	do(e.EncodeArrayLen(len(m.Convs)))
	for _, c := range m.Convs {
		do(e.EncodeMapLen(len(layerKeys)))
		text("name", c.Name)
		ints("weights", c.W)
		floats("m", c.M)
		floats("b", c.B)
	}
	key("fc")
	do(e.EncodeMapLen(len(fcKeys)))
	ints("weights", m.FC.W)
	floats("scale", m.FC.Scale)
	floats("b", m.FC.B)
	if err == nil {
		_, err = w.Write(sum.Sum(nil))
	}
	if err != nil {
		return fmt.Errorf("weights: cannot write the model: %w", err)
	}
	return nil
}

func languages(classes []resnet.Class) []string {
	seen := map[string]bool{}
	var list []string
	for _, c := range classes {
		for l, s := range c.Labels {
			if s != "" && !seen[l] {
				seen[l] = true
				list = append(list, l)
			}
		}
	}
	sort.Strings(list)
	return list
}

// Read reads a model file. The weights of the model alias data, which must not change afterwards; everything else is
// copied. It allocates in proportion to data, whatever the lengths in it claim.
//
// # Errors
//
// ErrFormat, wrapped, for data that is no model file (a web page, say) or one of another version or another
// architecture than this package knows; ErrIntegrity, wrapped, for a file that is cut short or altered.
func Read(data []byte) (*resnet.Model, error) {
	if err := sniff(data, len(data)); err != nil {
		return nil, err
	}
	end := len(data) - sha256.Size
	if end < 0 || sha256.Sum256(data[:end]) != [sha256.Size]byte(data[end:]) {
		// The layer at which a short file ends says more than the checksum does.
		if _, err := parse(whole(data[:max(end, 0)])); errors.Is(err, ErrIntegrity) {
			return nil, err
		}
		return nil, integrityError("the checksum does not match: the file of %d bytes was cut short or altered", len(data))
	}
	return parse(whole(data[:end]))
}

func whole(data []byte) *window { return &window{size: len(data), buf: data} }

// ReadAt reads a model file of size bytes and leaves the packed weights of the convolutions in it: their W is nil and At
// says where they are. The caller compares the checksum, the SHA-256 of all but the last 32 bytes. All else is checked as
// in Read, except for weights of −128 (which no writer makes, and which the engine computes as any other).
func ReadAt(file io.ReaderAt, size int) (*resnet.Model, error) {
	w := &window{file: file, size: size}
	head, err := w.take(min(size, 512))
	if err != nil {
		return nil, err
	}
	if err := sniff(head, size); err != nil {
		return nil, err
	}
	*w = window{file: file, size: max(size-sha256.Size, 0)}
	return parse(w)
}

// window is a file and the part of it that is in memory.
type window struct {
	file  io.ReaderAt // nil if all of it is
	size  int
	pos   int    // of the next byte
	buf   []byte // the file's bytes from start
	start int

	broken error // of file
}

// windowBytes is how much is read at once: a layer's parameters and the next one's name are mostly less.
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

// sniff tells a model file of size bytes, or the beginning of one, from everything else by the first bytes of it.
func sniff(data []byte, size int) error {
	const mapLen = "\xde\x00\x15" // map 16 with the 21 keys
	head := mapLen + "\xa5magic\xb0" + magic
	if n := min(len(data), len(head)); n > 0 && string(data[:n]) == head[:n] {
		return nil
	}
	text := strings.ToLower(string(data[:min(len(data), 512)]))
	for _, tag := range []string{"<!doctype", "<html", "<head", "<?xml"} {
		if strings.Contains(text, tag) {
			return formatError("want a model file, got a web page: the address is wrong or needs a login; check it, then download the model again")
		}
	}
	if len(data) == 0 {
		return integrityError("want a model file, got no bytes")
	}
	return formatError("want a model file, got %d bytes that begin %q; checkpoints are converted by resnet import", size, data[:min(len(data), 8)])
}

// reader walks the msgpack map. After the first error it returns zero values and keeps the error.
type reader struct {
	*window
	d   *msgpack.Decoder
	at  string // the key or layer being read, for errors
	err error
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

func (r *reader) mapLen(want int) {
	if r.err != nil {
		return
	}
	n, err := r.d.DecodeMapLen()
	if !r.failed("a map", err) && n != want {
		r.fail(formatError("%s: want a map of %d keys, file has %d; use a newer version of this program", r.at, want, n))
	}
}

// count reads the length of an array whose elements take at least a byte each.
func (r *reader) count() int {
	if r.err != nil {
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
	if r.err != nil {
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

func (r *reader) num(lo, hi int) int {
	if r.err != nil {
		return 0
	}
	n, err := r.d.DecodeInt64()
	if !r.failed("an integer", err) && (n < int64(lo) || n > int64(hi)) {
		r.fail(formatError("%s: want %d to %d, file has %d", r.at, lo, hi, n))
	}
	return int(n)
}

func (r *reader) float() float32 {
	if r.err != nil {
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
	if r.err != nil {
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

// parse reads the map that fills w.
func parse(w *window) (*resnet.Model, error) {
	r := &reader{window: w, at: "header"}
	r.d = msgpack.NewDecoder(w) // an io.ByteScanner is read directly, so its position is the decoder's
	key := func(k string) { r.key(k); r.at = k }

	r.mapLen(len(keys))
	key("magic")
	if s := r.text(); r.err == nil && s != magic {
		r.fail(formatError("want a model file, got magic %.20q", s))
	}
	version := func(k string, want int) {
		key(k)
		if v := r.num(0, math.MaxInt32); r.err == nil && v != want {
			r.fail(formatError("%s: want version %d, file has %d; use the version of this program that goes with the model", k, want, v))
		}
	}
	version("format", formatVersion)
	version("layout", layoutVersion)
	key("architecture")
	name := r.text()
	if r.err != nil {
		return nil, r.err
	}
	config, err := lookup(name)
	if err != nil {
		return nil, err
	}
	m := &resnet.Model{Config: config}
	key("width")
	m.Width = r.num(1, maxChannels)
	key("inner")
	m.Inner = r.num(1, maxChannels)
	key("pad")
	pad := r.text()
	for _, p := range pads {
		if p.String() == pad {
			m.Pad, pad = p, ""
		}
	}
	if r.err == nil && pad != "" {
		r.fail(formatError("pad: want pad-append or pad-split, file has %.20q", pad))
	}
	if r.err != nil {
		return nil, r.err
	}

	key("ids")
	classes := r.count()
	// A class costs a row of the linear layer further on: no class is allocated that the file cannot hold.
	net := m.Config.Network(classes)
	m.Classes = make([]resnet.Class, r.fits(classes, net.Features+8))
	for i := range m.Classes {
		m.Classes[i].ID = r.text()
	}
	r.labels(m.Classes, key)

	key("resize")
	m.Prep.Resize = r.num(1, maxSide)
	key("crop")
	m.Prep.Crop = r.num(1, maxSide)
	key("filter")
	m.Prep.Filter = r.text()
	key("mean")
	copy(m.Prep.Mean[:], r.floats(3))
	key("std")
	copy(m.Prep.Std[:], r.floats(3))
	convs := net.Convs()
	key("scales")
	scales := r.floats(len(convs))
	key("temperature")
	m.Temperature = r.float()
	key("unsure")
	m.Unsure = r.float()
	key("source")
	m.Source = r.text()
	key("licence")
	m.Licence = r.text()

	key("layers")
	if n := r.count(); r.err == nil && n != len(convs) {
		r.fail(formatError("layers: want %d, file has %d", len(convs), n))
	}
	if r.err != nil {
		return nil, r.err
	}
	m.Convs = make([]resnet.QuantConv, len(convs))
	for i, c := range convs {
		n, out8 := packed(c, i)
		q := &m.Convs[i]
		r.at = c.Name
		r.mapLen(len(layerKeys))
		r.key("name")
		q.Name, q.Scale = r.text(), scales[i]
		r.key("weights")
		q.W, q.At = r.weights(n)
		r.key("m")
		q.M = r.floats(out8)
		r.key("b")
		q.B = r.floats(out8)
		if r.err != nil {
			return nil, r.err
		}
	}
	key("fc")
	r.mapLen(len(fcKeys))
	r.key("weights")
	m.FC.W = asInts(r.bin(classes * net.Features))
	r.key("scale")
	m.FC.Scale = r.floats(classes)
	r.key("b")
	m.FC.B = r.floats(classes)
	if r.err == nil && r.left() != 0 {
		r.fail(formatError("want the checksum after fc, file has %d bytes more", r.left()))
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := check(m); err != nil {
		return nil, err
	}
	return m, nil
}

// labels reads the label arrays into classes.
func (r *reader) labels(classes []resnet.Class, key func(string)) {
	key("labels")
	if r.err != nil {
		return
	}
	langs, err := r.d.DecodeMapLen()
	if r.failed("a map", err) {
		return
	}
	if langs < 0 || langs > maxLanguages {
		r.fail(formatError("labels: want at most %d languages, file has %d", maxLanguages, langs))
		return
	}
	last := ""
	for range langs {
		lang := r.text()
		if r.err == nil && lang <= last {
			r.fail(formatError("labels: want languages in ascending order, file has %.20q after %.20q", lang, last))
		}
		last = lang
		if n := r.count(); r.err == nil && n != len(classes) {
			r.fail(formatError("labels: want %d labels in %.20q, file has %d", len(classes), lang, n))
		}
		if r.err != nil {
			return
		}
		for i := range classes {
			if s := r.text(); s != "" {
				if classes[i].Labels == nil {
					classes[i].Labels = map[string]string{}
				}
				classes[i].Labels[lang] = s
			}
		}
	}
}

// lookup is resnet.Lookup for the part of name before a "-": importers append widths that the table lacks, as in
// resnet50-96-96, which are keys of their own here.
func lookup(name string) (resnet.Config, error) {
	base, _, _ := strings.Cut(name, "-")
	c, err := resnet.Lookup(base[:min(len(base), 64)])
	if err != nil || c.Name != base || len(name) > 128 || !textual(name) {
		return c, formatError("architecture: %.64q is no network this version knows", name)
	}
	c.Name = name
	return c, nil
}

// check holds a model against its architecture and its values against the arithmetic contract.
func check(m *resnet.Model) error {
	known, err := lookup(m.Name)
	if err != nil {
		return err
	}
	known.Width, known.Inner, known.Pad = m.Width, m.Inner, m.Pad
	if !known.Equal(m.Config) {
		return formatError("architecture: the model's table differs from that of %s", m.Name)
	}
	if m.Width < 1 || m.Width > maxChannels || m.Inner < 1 || m.Inner > maxChannels {
		return formatError("architecture: want widths of 1 to %d, got %d and %d", maxChannels, m.Width, m.Inner)
	}
	if m.Pad != resnet.PadAppend && m.Pad != resnet.PadSplit {
		return formatError("pad: want pad-append or pad-split, got %v", m.Pad)
	}
	if len(m.Classes) == 0 {
		return formatError("ids: want at least one class")
	}
	for i, c := range m.Classes {
		if !textual(c.ID) {
			return formatError("ids: class %d: want UTF-8 without NUL of at most %d bytes", i, maxText)
		}
		for l, s := range c.Labels {
			if l == "" || !textual(l) || !textual(s) {
				return formatError("labels: class %d: want UTF-8 without NUL of at most %d bytes in a named language", i, maxText)
			}
		}
	}
	if !textual(m.Source) || !textual(m.Licence) {
		return formatError("source, licence: want UTF-8 without NUL of at most %d bytes", maxText)
	}
	if err := checkPrep(m.Prep); err != nil {
		return err
	}
	if !(m.Temperature > 0 && m.Temperature <= 1000) {
		return formatError("temperature: want above 0, at most 1000, got %v", m.Temperature)
	}
	if !(m.Unsure >= 0 && m.Unsure < 1) {
		return formatError("unsure: want a probability below 1, got %v", m.Unsure)
	}

	net := m.Network()
	convs := net.Convs()
	for _, c := range convs {
		if n := c.In * c.Kernel * c.Kernel; n > maxReduction {
			return formatError("%s: want sums of at most %d products, the layer has %d", c.Name, maxReduction, n)
		}
	}
	if len(m.Convs) != len(convs) {
		return formatError("layers: want %d, got %d", len(convs), len(m.Convs))
	}
	for i, c := range convs {
		q := m.Convs[i]
		n, out8 := packed(c, i)
		switch {
		case q.Name != c.Name:
			return formatError("%s: want this layer here, file has %.40q", c.Name, q.Name)
		case (q.W != nil || q.At == 0) && len(q.W) != n || len(q.M) != out8 || len(q.B) != out8:
			return formatError("%s: want %d weights, %d m and b, got %d, %d and %d", c.Name, n, out8, len(q.W), len(q.M), len(q.B))
		case !(q.Scale >= minScale && q.Scale <= maxScale):
			return formatError("%s: scale: want %v to %v, got %v", c.Name, float32(minScale), float32(maxScale), q.Scale)
		}
		if err := checkWeights(c.Name, q.W); err != nil {
			return err
		}
		if err := checkParameters(c, q.M, q.B); err != nil {
			return err
		}
	}
	for s := range net.Steps() {
		if s.Kind != resnet.BlockShortcut || s.Conv == nil {
			continue
		}
		if got, want := m.Convs[s.Conv.Index].Scale, m.Convs[s.Block.End().Index].Scale; got != want {
			return formatError("%s: scale: want its block's %v, got %v", s.Conv.Name, want, got)
		}
	}
	if n := net.Classes * net.Features; len(m.FC.W) != n || len(m.FC.Scale) != net.Classes || len(m.FC.B) != net.Classes {
		return formatError("fc: want %d weights, %d scales and biases, got %d, %d and %d", n, net.Classes, len(m.FC.W), len(m.FC.Scale), len(m.FC.B))
	}
	for j := range m.FC.Scale {
		if !finite(m.FC.Scale[j]) || !finite(m.FC.B[j]) {
			return formatError("fc: class %d: want a finite scale and bias, got %v and %v", j, m.FC.Scale[j], m.FC.B[j])
		}
	}
	return checkWeights("fc", m.FC.W)
}

func checkParameters(c resnet.Conv, m, b []float32) error {
	for j := range m {
		if !(m[j] >= 0 && finite(m[j])) || !finite(b[j]) {
			return formatError("%s: channel %d: want finite m ≥ 0 and b, got %v and %v", c.Name, j, m[j], b[j])
		}
		if j >= c.Out && (m[j] != 0 || b[j] != 0) {
			return formatError("%s: channel %d is padding: want m and b 0, got %v and %v", c.Name, j, m[j], b[j])
		}
	}
	return nil
}

func checkPrep(p resnet.Prep) error {
	if p.Crop < 32 || p.Resize < p.Crop || p.Resize > maxSide {
		return formatError("resize, crop: want 32 ≤ crop ≤ resize ≤ %d, got %d and %d", maxSide, p.Resize, p.Crop)
	}
	if p.Filter != "linear" {
		return formatError("filter: want linear, got %.20q", p.Filter)
	}
	for i := range 3 {
		if !(p.Mean[i] >= 0 && p.Mean[i] <= 1 && p.Std[i] > 1e-6 && p.Std[i] <= 1e6) {
			return formatError("mean, std: want means in 0…1 and positive deviations, got %v and %v", p.Mean, p.Std)
		}
	}
	return nil
}

// checkWeights refuses −128, which the 7-bit dot product cannot take.
func checkWeights(layer string, w []int8) error {
	if i := bytes.IndexByte(asBytes(w), 0x80); i >= 0 {
		return formatError("%s: weight %d: want −127 to 127, got −128", layer, i)
	}
	return nil
}

func finite(f float32) bool { return f-f == 0 }

// textual also keeps NUL out, which separates labels on their way to a page.
func textual(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// asInts and asBytes view the same memory as the other type: both have size 1 and no alignment.
func asInts(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func asBytes(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}
