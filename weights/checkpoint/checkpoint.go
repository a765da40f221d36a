// Package checkpoint reads the files in which trained ResNets are published and writes ONNX.
//
// It reads PyTorch's .pth (zip, and the pickle streams from before 1.6), .safetensors and .onnx, with the names of
// torchvision, timm, Hugging Face and others, in float16, bfloat16, float32 or float64. Open lists the tensors without
// reading them, except that it reads an ONNX file whole (and not the data beside it). [Checkpoint.Float] recognises the
// network by names and shapes, checks each shape, and folds the batch normalisations into the convolutions in float64.
//
// It refuses what it does not know, and names it: nothing of a pickle runs (only its tensors and dictionaries are made,
// all else in it is passed over), every length is checked against the bytes of the file before memory is taken, and a
// network that is not exactly one of the family is an error that names the first layer that differs.
package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"resnet-web/resnet"
)

// ErrFormat is wrapped by every error that the bytes of a file cause.
var ErrFormat = errors.New("unusable checkpoint")

// Checkpoint is an open file of named tensors.
type Checkpoint struct {
	Format string // "pth", "legacy pth", "safetensors" or "onnx"

	// Pad is how the parameter-free shortcuts of a CIFAR network add their zero channels: PadSplit, as most published
	// ones and for 0, or PadAppend. A .pth or .safetensors file does not tell. An ONNX graph does; then Pad is not used.
	Pad resnet.Shortcut

	// What Float found besides: what it took for something, and what it did not use, each a sentence.
	Notes []string

	// Normalisation is what the network does to its pictures itself, by its buffers or, in ONNX, before the first
	// convolution. It is not part of the network that Float returns; nil where there is nothing of it.
	Normalisation *Normalisation

	// Grey is whether the network takes pictures of one channel. Float makes it one for RGB, whose pictures want the same
	// mean and deviation for each of their channels.
	Grey bool

	// MultiLabel tells that classes do not exclude each other: a probability is the sigmoid of its logit. An ONNX graph
	// says so with a Sigmoid at its end, a file of PyTorch, after Float, at most by what its loss has saved.
	MultiLabel bool

	// One tells, after Float, that the network has one output, of which Float made the second of two classes.
	One bool

	// Side is that of the pictures that an ONNX graph is for, 0 where it takes any or the file does not tell.
	Side int

	r       io.ReaderAt
	files   []io.ReaderAt // in place of r, where a tensor's file counts
	shard   bool          // by the file's name it is one of several
	beside  fs.FS         // the folder of the file, nil where there is none
	parts   []*part
	close   func() error
	tensors []tensor
	wiring  *wiring // of an ONNX graph
}

// wiring is what a graph tells beside its tensors.
type wiring struct {
	strides  map[string]int     // by convolution
	epsilons map[string]float64 // by normalisation
	plain    bool               // no shortcuts
	pool     bool               // a max-pool after the stem
	pad      resnet.Shortcut    // PadAppend or PadSplit where there are such shortcuts
	head     []module           // behind the average
	windows  []window           // those whose padding is ours for some sizes only
}

// Open opens the checkpoint at path, whose format its first bytes tell. The file stays open until Close.
//
// # Errors
//
// ErrFormat, wrapped, for a file that is damaged or holds what a checkpoint of weights does not need.
func Open(path string) (*Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("checkpoint: %s: want a file, this is a folder; give the .safetensors, .pth, .bin or .onnx in it",
			path)
	case !info.Mode().IsRegular():
		err = fmt.Errorf("checkpoint: %s: want a file that can be read from any place; make a copy of it", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if x := readIndex(f, info.Size()); x != nil {
		f.Close()
		c, err := x.open(filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return c, nil
	}
	// A root leads to nothing outside it, not by a link either. Where the folder cannot be opened, a file that needs no
	// other can still be read.
	var beside fs.FS
	closeAll := f.Close
	if folder, err := os.OpenRoot(filepath.Dir(path)); err == nil {
		beside = folder.FS()
		closeAll = func() error { return errors.Join(f.Close(), folder.Close()) }
	}
	c, err := ReadBeside(f, info.Size(), beside)
	if err != nil {
		closeAll()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.close, c.shard = closeAll, shard.MatchString(filepath.Base(path))
	return c, nil
}

// Read is Open for the size bytes of r, which must stay readable as long as the Checkpoint is used. It refuses a file
// whose data is in other files.
func Read(r io.ReaderAt, size int64) (*Checkpoint, error) { return ReadBeside(r, size, nil) }

// ReadBeside is Read for a file with others beside it, as x.onnx.data beside x.onnx: beside holds them by their names.
// Its files must be io.ReaderAt, and it must not lead outside the folder, as a link can.
func ReadBeside(r io.ReaderAt, size int64, beside fs.FS) (*Checkpoint, error) {
	head := make([]byte, min(size, 2048))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c := &Checkpoint{r: r, beside: beside}
	var err error
	switch {
	case len(head) < 16:
		err = unknown(head, size)
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		err = c.readZip(size)
	case strings.HasPrefix(string(head), legacyMagic):
		err = c.readLegacy(size)
	case head[8] == '{' && (head[7] < ' ' || head[7] > '~'): // behind a length, not a text
		err = c.readSafetensors(size)
	case head[0] == 0x08: // ir_version, the first field of a ModelProto
		err = c.readONNX(size)
	default:
		err = unknown(head, size)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close closes the file that Open opened.
func (c *Checkpoint) Close() error {
	if c.close == nil {
		return nil
	}
	return c.close()
}

// bad makes an error of the file's content.
func bad(format string, args ...any) error {
	return fmt.Errorf("checkpoint: "+format+" (%w)", append(args, ErrFormat)...)
}

// dtype is the type of a tensor's elements; at is nil where they are no real numbers.
type dtype struct {
	name string
	size int
	at   func([]byte) float64
}

var (
	float16  = dtype{"float16", 2, func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }}
	float32_ = dtype{"float32", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }}
	float64_ = dtype{"float64", 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }}
	bfloat16 = dtype{"bfloat16", 2, func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}}
)

// half is the value of an IEEE 754 binary16.
func half(u uint16) float64 {
	sign, exp, frac := 1-2*float64(u>>15), int(u>>10&31), float64(u&1023)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// tensor is a named array in the file.
type tensor struct {
	name   string
	shape  []int
	stride []int // in elements; nil when row-major without gaps
	dtype  dtype
	at     int64  // byte of the first element in the file
	part   *part  // the file beside the checkpoint that has the elements, if one has
	raw    []byte // the elements themselves, when a reader has them in memory
	odd    string // what the tensor is and what to do, where its numbers cannot be read; it may lack a shape then
	file   int    // of several, the number
	home   int    // the dictionary it stands in, by number; 0 where a format has only one
	steps  *steps // what turns integers into real numbers, nil for others
}

// steps is the scale of integers: (element − zero) · scale, with one pair of numbers or one for each index of axis.
type steps struct {
	scale, zero tensor // zero has no elements where it is 0
	axis        int
}

// maxDims is more than any tensor of a ResNet has.
const maxDims = 8

// span is the number of elements from the first to the last one, counting those that strides skip, or an error when the
// shape does not fit the limit elements that are there. It bounds what values allocates.
func (t *tensor) span(limit int64) (int64, error) {
	if len(t.shape) > maxDims {
		return 0, bad("%s: want at most %d dimensions, file has %d", t.name, maxDims, len(t.shape))
	}
	if t.stride != nil && len(t.stride) != len(t.shape) {
		return 0, bad("%s: %d dimensions with %d strides", t.name, len(t.shape), len(t.stride))
	}
	count, last := int64(1), int64(0)
	most := limit
	if slices.Contains(t.stride, 0) {
		most = expanded(t.shape, limit)
	}
	for i, n := range t.shape {
		if n < 0 || t.stride != nil && t.stride[i] < 0 {
			return 0, bad("%s: negative shape %v or stride %v", t.name, t.shape, t.stride)
		}
		if n == 0 {
			return 0, nil
		}
		if int64(n) > most/count {
			return 0, bad("%s: shape %v needs more than the %d elements in the file", t.name, t.shape, limit)
		}
		count *= int64(n)
		if t.stride != nil && n > 1 {
			if int64(t.stride[i]) > (limit-1-last)/int64(n-1) {
				return 0, bad("%s: strides %v of shape %v read outside its %d elements", t.name, t.stride, t.shape, limit)
			}
			last += int64(n-1) * int64(t.stride[i])
		}
	}
	if t.stride == nil {
		return count, nil
	}
	return last + 1, nil
}

// expanded is how many elements a tensor may have where strides of 0 repeat the limit elements that are there: a vector
// as many as a layer has channels, any other four for each, so that no file makes a far larger network.
func expanded(shape []int, limit int64) int64 {
	wide := 0
	for _, n := range shape {
		if n > 1 {
			wide++
		}
	}
	if limit > 0 && wide < 2 {
		return max(limit, 4*maxChannels)
	}
	return min(limit, math.MaxInt64/4) * 4
}

// count is the number of elements.
func (t *tensor) count() int {
	n := 1
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// bytes reads the first n elements of t, which the reader has checked to be there.
func (c *Checkpoint) bytes(t tensor, n int64) (raw []byte, err error) {
	if t.raw != nil {
		return t.raw, nil
	}
	raw = make([]byte, n*int64(t.dtype.size))
	if t.part != nil {
		err = c.readPart(t.part, raw, t.at)
	} else {
		r := c.r
		if c.files != nil {
			r = c.files[t.file]
		}
		_, err = r.ReadAt(raw, t.at)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", t.name, err)
	}
	return raw, nil
}

// numbers reads the elements of a row-major tensor of any type.
func (c *Checkpoint) numbers(t tensor) ([]float64, error) {
	n := t.count()
	if n == 0 || t.dtype.size == 0 {
		return nil, nil
	}
	at := t.dtype.at
	if at == nil {
		at = integerAt[t.dtype.name]
	}
	if at == nil || t.stride != nil {
		return nil, bad("%s: want numbers, file has %s %s", t.name, t.dtype.name, dims(t.shape))
	}
	raw, err := c.bytes(t, int64(n))
	if err != nil {
		return nil, err
	}
	v := make([]float64, n)
	for i := range v {
		v[i] = at(raw[i*t.dtype.size:])
	}
	return v, nil
}

// values reads t, row-major, and checks that every element is finite.
func (c *Checkpoint) values(t tensor) ([]float64, error) {
	if t.odd != "" {
		return nil, bad("%s: want floating point, file has %s", t.name, t.odd)
	}
	if t.dtype.at == nil {
		return nil, bad("%s: want floating point, file has %s", t.name, t.dtype.name)
	}
	span, err := t.span(math.MaxInt64 / 8) // the reader has checked the shape against the file
	if err != nil {
		return nil, err
	}
	raw, err := c.bytes(t, span)
	if err != nil {
		return nil, err
	}
	size := t.dtype.size
	var scale, zero []float64
	inner := 1 // elements for each index of the axis, in a row-major tensor
	if t.steps != nil {
		if scale, err = c.numbers(t.steps.scale); err != nil {
			return nil, err
		}
		if zero, err = c.numbers(t.steps.zero); err != nil {
			return nil, err
		}
		for _, n := range t.shape[min(t.steps.axis+1, len(t.shape)):] {
			inner *= n
		}
	}
	v := make([]float64, t.count())
	index := make([]int, len(t.shape))
	at := 0
	for i := range v {
		v[i] = t.dtype.at(raw[at*size:])
		if len(scale) > 0 {
			k := 0
			if len(scale) > 1 {
				if k = index[t.steps.axis]; t.stride == nil {
					k = i / inner % len(scale)
				}
			}
			if len(zero) > 0 {
				v[i] -= zero[k]
			}
			v[i] *= scale[k]
		}
		if math.IsNaN(v[i]) || math.IsInf(v[i], 0) {
			return nil, bad("%s: element %d is %v, want finite numbers; the training may have diverged", t.name, i, v[i])
		}
		if t.stride == nil {
			at++
			continue
		}
		for d := len(index) - 1; d >= 0; d-- {
			index[d]++
			at += t.stride[d]
			if index[d] < t.shape[d] {
				break
			}
			at -= t.shape[d] * t.stride[d]
			index[d] = 0
		}
	}
	return v, nil
}
