package engine

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// Type is the element type of a tensor.
type Type uint8

const (
	U7  Type = iota // unsigned 7-bit activations, one byte each
	I16             // the 16-bit skip path: 64 steps per step of U7
	F32             // features and logits
)

// Size is the number of bytes of one element.
func (t Type) Size() int { return [...]int{1, 2, 4}[t] }

// Tensor is a place in the arena. Channels are last and padded with zeros to a multiple of 8 (the image: 4).
type Tensor struct {
	Type    Type
	H, W, C int // C with padding
	Offset  int // bytes from the start of the arena

	id int // number of the tensor in its builder, from 1; 0 is no tensor
}

// Bytes is the size of the tensor in the arena.
func (t Tensor) Bytes() int { return t.H * t.W * t.C * t.Type.Size() }

// Exists reports whether t is a tensor at all: ops leave out what they do not read or write.
func (t Tensor) Exists() bool { return t.id != 0 }

// Kind is the operation of an op.
type Kind uint8

const (
	Conv    Kind = iota
	MaxPool      // 3×3, stride 2, padding 1
	AvgPool      // global
	Linear
)

// Op is one step of a program. Fields that its kind does not use are zero.
type Op struct {
	Kind Kind
	Name string
	MACs int64 // multiply-adds of the network, padding not counted

	In       Tensor
	Out      Tensor // Conv: 7-bit output after a ReLU; others: their output
	Skip     Tensor // Conv: 16-bit output; signed and without ReLU where there is no Out
	Residual Tensor // Conv: added before the ReLU

	Kernel, Stride, Pad int
	Rows                bool // the stem: In is an image that holds its border; a tap is a row of Kernel pixels

	W     []int8    // Conv: as PackConv, nil if they are in a file; Linear: rows of In.C
	At    int       // Conv: where W begins in that file, see BrowserOptions
	M, B  []float32 // Conv: per output channel; Linear: M is the row's scale; padded to a multiple of 8
	RS    float32   // Conv: scale of the residual
	Scale float32   // AvgPool
	ReLU  bool      // Linear: negative outputs become 0
}

// Taps and Run say how a convolution reads: Taps positions, or rows of the stem, of Run contiguous bytes each.
func (o *Op) Taps() int {
	if o.Rows {
		return o.Kernel
	}
	return o.Kernel * o.Kernel
}

// Run is the number of contiguous bytes that a tap reads, a multiple of 4.
func (o *Op) Run() int {
	if o.Rows {
		return o.Kernel * 4
	}
	return o.In.C
}

// packedSize is the length of a convolution's W.
func (o *Op) packedSize() int { return o.output().C * o.Taps() * o.Run() }

// output is the tensor that gives a convolution's geometry.
func (o *Op) output() Tensor {
	if o.Out.Exists() {
		return o.Out
	}
	return o.Skip
}

// Program is a network ready to run.
type Program struct {
	Ops    []Op
	Arena  int    // bytes that activations need
	Input  Tensor // the image with its border
	Last   Tensor // last feature map before the average pool; kept
	Logits Tensor // float32, one per class, padded; kept

	Features Tensor // float32 features before the linear layer; kept

	border [3]byte
	pad    int
	lut    [256]byte
}

// MaxReduction is the longest sum of products a convolution may have: 130,000 · 127 · 127 stays inside int32.
const MaxReduction = 130_000

// PadChannels rounds a number of channels up to a multiple of 8.
func PadChannels(c int) int { return (c + 7) &^ 7 }

// PackConv orders int8 weights as the kernels and the model file have them.
//
// w is out × in × kernel × kernel. The result is [out/8][tap][input group of 4][8 outputs][4 inputs], zero-padded, with
// inputs padded to a multiple of 8. With rows (the stem, in ≤ 4) a tap is a kernel row and its groups are the pixels of
// the row, 4 channels each.
func PackConv(w []int8, out, in, kernel int, rows bool) []int8 {
	taps, groups := kernel*kernel, PadChannels(in)/4
	if rows {
		taps, groups = kernel, kernel
	}
	packed := make([]int8, PackedSize(out, in, kernel, rows))
	for o := range out {
		for i := range in {
			for y := range kernel {
				for x := range kernel {
					tap, group, lane := y*kernel+x, i/4, i%4
					if rows {
						tap, group, lane = y, x, i
					}
					packed[((o/8*taps+tap)*groups+group)*32+o%8*4+lane] = w[((o*in+i)*kernel+y)*kernel+x]
				}
			}
		}
	}
	return packed
}

// PackedSize is the length of PackConv's result.
func PackedSize(out, in, kernel int, rows bool) int {
	if rows {
		return PadChannels(out) * kernel * kernel * 4
	}
	return PadChannels(out) * kernel * kernel * PadChannels(in)
}

// Builder puts a program together, op by op, in the order of execution.
type Builder struct {
	ops     []Op
	tensors []Tensor // by id−1
	input   Tensor
	border  [3]byte
	pad     int
}

func (b *Builder) tensor(t Type, h, w, c int) Tensor {
	x := Tensor{Type: t, H: h, W: w, C: c, id: len(b.tensors) + 1}
	b.tensors = append(b.tensors, x)
	return x
}

// Image declares the input: size × size pixels of 4 channels inside a border of pad pixels, whose RGB value is border
// (already quantised).
func (b *Builder) Image(size, pad int, border [3]byte) Tensor {
	b.input, b.border, b.pad = b.tensor(U7, size+2*pad, size+2*pad, 4), border, pad
	return b.input
}

// ConvSpec is what Conv needs to know.
type ConvSpec struct {
	Name                string
	In                  Tensor
	Channels            int // outputs
	Kernel, Stride, Pad int // Pad is 0 for the stem, whose input holds its border
	Rows                bool
	W                   []int8
	At                  int // of W in a file, where W is nil
	M, B                []float32
	Residual            Tensor
	RS                  float32
	Out, Skip           bool // which outputs to write
	MACs                int64
}

// Conv adds a convolution and returns its 7-bit and its 16-bit output, where asked for.
func (b *Builder) Conv(s ConvSpec) (out, skip Tensor) {
	o := Op{Kind: Conv, Name: s.Name, MACs: s.MACs, In: s.In, Residual: s.Residual, Kernel: s.Kernel, Stride: s.Stride, Pad: s.Pad, Rows: s.Rows, W: s.W, At: s.At, M: s.M, B: s.B, RS: s.RS}
	h, w, c := (s.In.H+2*s.Pad-s.Kernel)/s.Stride+1, (s.In.W+2*s.Pad-s.Kernel)/s.Stride+1, PadChannels(s.Channels)
	in := s.In.C
	if s.Rows {
		in = 3
	}
	switch {
	case h < 1 || w < 1:
		panic(fmt.Sprintf("engine: %s: input %d×%d is smaller than the kernel", s.Name, s.In.H, s.In.W))
	case s.W != nil && len(s.W) != PackedSize(s.Channels, in, s.Kernel, s.Rows) || len(s.M) != c || len(s.B) != c:
		panic(fmt.Sprintf("engine: %s: parameters do not fit %d→%d, kernel %d", s.Name, s.In.C, s.Channels, s.Kernel))
	case o.Taps()*o.Run() > MaxReduction:
		panic(fmt.Sprintf("engine: %s: reduction longer than %d", s.Name, MaxReduction))
	case !s.Out && (!s.Skip || s.Residual.Exists()):
		panic(fmt.Sprintf("engine: %s: a signed output has no residual", s.Name))
	}
	if s.Out {
		out = b.tensor(U7, h, w, c)
	}
	if s.Skip {
		skip = b.tensor(I16, h, w, c)
	}
	o.Out, o.Skip = out, skip
	if r := s.Residual; r.Exists() && (r.H != h || r.W != w || r.C != c || r.Type == F32) {
		panic(fmt.Sprintf("engine: %s: residual %d×%d×%d, output %d×%d×%d", s.Name, r.H, r.W, r.C, h, w, c))
	}
	b.ops = append(b.ops, o)
	return out, skip
}

// MaxPool adds the 3×3, stride 2, padding 1 pooling.
func (b *Builder) MaxPool(name string, in Tensor) Tensor {
	out := b.tensor(U7, (in.H-1)/2+1, (in.W-1)/2+1, in.C)
	b.ops = append(b.ops, Op{Kind: MaxPool, Name: name, In: in, Out: out, Kernel: 3, Stride: 2, Pad: 1})
	return out
}

// AvgPool adds the global average; scale is the real value of one step of in.
func (b *Builder) AvgPool(name string, in Tensor, scale float32) Tensor {
	out := b.tensor(F32, 1, 1, in.C)
	b.ops = append(b.ops, Op{Kind: AvgPool, Name: name, In: in, Out: out, Scale: float32(float64(scale) / float64(in.H*in.W))})
	return out
}

// LinearSpec is what Linear needs to know.
type LinearSpec struct {
	Name          string
	In            Tensor // float32, Columns values
	Rows, Columns int
	W             []int8    // Rows × Columns
	Scale, B      []float32 // per row
	ReLU          bool      // negative outputs become 0
}

// Linear adds a linear layer.
func (b *Builder) Linear(s LinearSpec) Tensor {
	if len(s.W) != s.Rows*s.Columns || len(s.Scale) != s.Rows || len(s.B) != s.Rows || PadChannels(s.Columns) != s.In.C {
		panic(fmt.Sprintf("engine: %s: parameters do not fit %d→%d", s.Name, s.Columns, s.Rows))
	}
	rows := PadChannels(s.Rows)
	pad := func(v []float32) []float32 { return append(v[:s.Rows:s.Rows], make([]float32, rows-s.Rows)...) }
	o := Op{Kind: Linear, Name: s.Name, MACs: int64(s.Rows) * int64(s.Columns), In: s.In, Out: b.tensor(F32, 1, 1, rows),
		W: s.W, M: pad(s.Scale), B: pad(s.B), ReLU: s.ReLU}
	if rows != s.Rows || s.In.C != s.Columns {
		o.W = make([]int8, rows*s.In.C)
		for r := range s.Rows {
			copy(o.W[r*s.In.C:], s.W[r*s.Columns:][:s.Columns])
		}
	}
	b.ops = append(b.ops, o)
	return o.Out
}

// Program plans the arena and returns the finished program. last, features and logits stay valid after a run.
func (b *Builder) Program(last, features, logits Tensor) *Program {
	p := &Program{Ops: b.ops, border: b.border, pad: b.pad}
	for v := range p.lut {
		p.lut[v] = Quantise7(byte(v))
	}
	offsets := b.plan(last.id, features.id, logits.id)
	place := func(t *Tensor) {
		if t.Exists() {
			t.Offset = offsets[t.id-1]
			p.Arena = max(p.Arena, t.Offset+footprint(*t))
		}
	}
	for i := range p.Ops {
		o := &p.Ops[i]
		for _, t := range []*Tensor{&o.In, &o.Out, &o.Skip, &o.Residual} {
			place(t)
		}
	}
	p.Input, p.Last, p.Features, p.Logits = b.input, last, features, logits
	for _, t := range []*Tensor{&p.Input, &p.Last, &p.Features, &p.Logits} {
		place(t)
	}
	return p
}

// arenaAlign is a cache line.
const arenaAlign = 64

// footprint is a tensor's share of the arena: kernels may read up to 8 bytes past its end.
func footprint(t Tensor) int { return (t.Bytes() + 8 + arenaAlign - 1) &^ (arenaAlign - 1) }

// plan gives every tensor an offset so that no two that live at the same time overlap. A tensor lives from the op that
// writes it to the last that reads it, both included: an op's output never aliases its input or residual. Large tensors
// choose first; each takes the lowest gap that fits.
func (b *Builder) plan(keep ...int) []int {
	type life struct{ from, to int }
	lives := make([]life, len(b.tensors))
	for i := range lives {
		lives[i].from = len(b.ops)
	}
	lives[b.input.id-1].from = 0
	for i, o := range b.ops {
		for _, t := range []Tensor{o.In, o.Residual, o.Out, o.Skip} {
			if t.Exists() {
				l := &lives[t.id-1]
				l.from, l.to = min(l.from, i), max(l.to, i)
			}
		}
	}
	for _, id := range keep {
		lives[id-1].to = len(b.ops)
	}
	order := make([]int, len(b.tensors))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(x, y int) bool { return b.tensors[order[x]].Bytes() > b.tensors[order[y]].Bytes() })
	offsets := make([]int, len(b.tensors))
	var placed []int // by offset
	for _, i := range order {
		at, size := 0, footprint(b.tensors[i])
		for _, j := range placed {
			if lives[i].from <= lives[j].to && lives[j].from <= lives[i].to && offsets[j]+footprint(b.tensors[j]) > at {
				if offsets[j] >= at+size {
					break
				}
				at = offsets[j] + footprint(b.tensors[j])
			}
		}
		offsets[i] = at
		n := sort.Search(len(placed), func(k int) bool { return offsets[placed[k]] > at })
		placed = append(placed[:n], append([]int{i}, placed[n:]...)...)
	}
	return offsets
}

// Quantise7 is the image's quantisation of one byte.
func Quantise7(p byte) byte { return byte((int(p)*127 + 127) / 255) }

// Quantise makes the input of Run from size × size RGBA pixels (alpha ignored); dst has Input.Bytes() bytes.
func (p *Program) Quantise(dst, rgba []byte) {
	w := p.Input.W
	size := w - 2*p.pad
	if len(dst) != p.Input.Bytes() || len(rgba) != size*size*4 {
		panic(fmt.Sprintf("engine: image of %d bytes into %d, want %d into %d", len(rgba), len(dst), size*size*4, p.Input.Bytes()))
	}
	for i := 0; i < len(dst); i += 4 {
		dst[i], dst[i+1], dst[i+2], dst[i+3] = p.border[0], p.border[1], p.border[2], 0
	}
	for y := range size {
		src, to := rgba[y*size*4:][:size*4], dst[((y+p.pad)*w+p.pad)*4:][:size*4]
		for i := 0; i < len(src); i += 4 {
			to[i], to[i+1], to[i+2] = p.lut[src[i]], p.lut[src[i+1]], p.lut[src[i+2]]
		}
	}
}

// ImageSize is the side of the square image that Quantise takes.
func (p *Program) ImageSize() int { return p.Input.W - 2*p.pad }

// ErrBroken is returned by an executor one of whose threads did not reach the barrier in time. Close it and make another.
var ErrBroken = errors.New("engine: a thread did not reach the barrier in time")

// Weightless is p without the weights of its convolutions, for those who keep it beside an executor, which has its own.
func (p *Program) Weightless() *Program {
	q := *p
	q.Ops = slices.Clone(p.Ops)
	for i := range q.Ops {
		q.Ops[i].W = nil
	}
	return &q
}

// Executor runs one program, picture by picture. It is not safe for concurrent use.
//
//	e.Begin(scaler)
//	for each strip of the scaler's part, from the top {
//		e.Write(rows, RGBA)
//	}
//	e.Run()
//	e.Read(program.Logits, logits)
type Executor interface {
	// Begin announces a picture, in the place of the one under way. The scaler's image is as large as the program's.
	Begin(s *Scaler) error
	// Write takes the next rows of s.Part(), whole, any number of them, in one format for all. It puts transparency on
	// white, and scales and quantises as Scaling says.
	Write(rows []byte, format Format) error
	// SetImage takes a quantised image instead, as Program.Quantise makes it.
	SetImage(image []byte) error
	// Run takes the image through every op. There must be one, complete: each serves one run.
	Run() error
	// Read copies a tensor of the program out of the arena; dst has t.Bytes() bytes. Tensors that the program keeps
	// (Last, Features, Logits) are valid after Run, Input before.
	Read(t Tensor, dst []byte) error
	// Close frees what the executor holds.
	Close() error
}

// minImage is the smallest image that machines can scale pictures to: they make four pixels at a time.
const minImage = 4

// checkScaler reports whether s makes images for p.
func (p *Program) checkScaler(s *Scaler) error {
	if s.Size < minImage {
		return fmt.Errorf("engine: want an image of at least %d×%d pixels, the scaler makes %d×%d", minImage, minImage, s.Size, s.Size)
	}
	if s.Size != p.ImageSize() {
		return fmt.Errorf("engine: want an image of %d×%d pixels, the scaler makes %d×%d", p.ImageSize(), p.ImageSize(), s.Size, s.Size)
	}
	return nil
}

// checkImage reports whether image has the size of p's input.
func (p *Program) checkImage(image []byte) error {
	if len(image) != p.Input.Bytes() {
		return fmt.Errorf("engine: want an image of %d bytes, have %d", p.Input.Bytes(), len(image))
	}
	return nil
}
