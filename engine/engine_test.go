package engine

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"resnet-web/engine/kernels"
)

// random makes parameters that fill the output's range, with some sums clipped at both ends.
func random(r *rand.Rand, out, in, kernel int, rows bool) (w []int8, m, b []float32) {
	raw := make([]int8, out*in*kernel*kernel)
	for i := range raw {
		raw[i] = int8(r.IntN(255) - 127)
	}
	w = PackConv(raw, out, in, kernel, rows)
	m, b = make([]float32, PadChannels(out)), make([]float32, PadChannels(out))
	for i := range out {
		m[i] = float32(1.5+r.Float64()) / float32(math.Sqrt(float64(in*kernel*kernel))*73)
		b[i] = float32(r.NormFloat64()*30 + 30)
	}
	if wild := r.IntN(3); wild > 0 {
		// Values beyond what bounded kernels allow; with 3e38, infinities and sums of opposite ones.
		m[0] *= []float32{1, 1e6, -3e38}[wild]
	}
	return w, m, b
}

// shape is one convolution to test.
type shape struct {
	size, in, out, kernel, stride int
	rows                          bool
	residual, output              int // as kernels.Residual and kernels.Output
}

func (s shape) String() string {
	return fmt.Sprintf("%dx%dx%d_to_%d_k%d_s%d_rows=%v_r%d_o%d", s.size, s.size, s.in, s.out, s.kernel, s.stride, s.rows, s.residual, s.output)
}

// program puts the convolution between ops that make its input and its residual from an image, and ones that use its
// outputs.
func (s shape) program(seed uint64) *Program {
	r := rand.New(rand.NewPCG(seed, 1))
	var b Builder
	add := func(name string, in, res Tensor, out, k, stride, pad int, rows, u7, i16 bool) (Tensor, Tensor) {
		c := in.C
		if rows {
			c = 3
		} else if in.C > s.in && name == "conv" {
			c = s.in
		}
		w, m, bias := random(r, out, c, k, rows)
		rs := float32(r.Float64()) / 32
		if name == "conv" && seed%4 == 3 {
			rs *= 1e38
		}
		return b.Conv(ConvSpec{Name: name, In: in, Channels: out, Kernel: k, Stride: stride, Pad: pad, Rows: rows, W: w, M: m, B: bias, Residual: res, RS: rs, Out: u7, Skip: i16})
	}
	pad := s.kernel / 2
	if s.rows {
		x := b.Image(s.size, pad, [3]byte{62, 58, 51})
		x, _ = add("conv", x, Tensor{}, s.out, s.kernel, s.stride, 0, true, true, s.output == int(kernels.OutBoth))
		x = b.MaxPool("maxpool", x)
		f := b.AvgPool("avgpool", x, 0.05)
		return b.Program(x, f, fc(&b, r, f, s.out, 11))
	}
	x := b.Image(s.size, 0, [3]byte{})
	x, _ = add("stem", x, Tensor{}, s.in, 1, 1, 0, true, true, false)
	var res Tensor
	switch kernels.Residual(s.residual) {
	case kernels.ResI16:
		_, res = add("signed", x, Tensor{}, s.out, s.kernel, s.stride, pad, false, false, true)
	case kernels.ResU7:
		res, _ = add("pooled", x, Tensor{}, s.out, s.kernel, s.stride, pad, false, true, false)
	}
	u7, i16 := s.output != int(kernels.OutI16), s.output != int(kernels.OutU7)
	y, skip := add("conv", x, res, s.out, s.kernel, s.stride, pad, false, u7, i16)
	// A last convolution with the skip as residual, so that every output matters.
	last := y
	if !u7 {
		last, _ = add("again", x, Tensor{}, s.out, s.kernel, s.stride, pad, false, true, false)
	}
	z, _ := add("end", last, skip, s.out, 1, 1, 0, false, true, false)
	f := b.AvgPool("avgpool", z, 0.05)
	return b.Program(z, f, fc(&b, r, f, s.out, 7))
}

// fc adds a head of two linear layers.
func fc(b *Builder, r *rand.Rand, f Tensor, features, classes int) Tensor {
	layer := func(name string, in Tensor, rows, columns int, relu bool) Tensor {
		s := LinearSpec{Name: name, In: in, Rows: rows, Columns: columns, W: make([]int8, rows*columns),
			Scale: make([]float32, rows), B: make([]float32, rows), ReLU: relu}
		for i := range s.W {
			s.W[i] = int8(r.IntN(255) - 127)
		}
		for i := range s.Scale {
			s.Scale[i], s.B[i] = float32(r.Float64()*0.01), float32(r.NormFloat64())
		}
		return b.Linear(s)
	}
	const hidden = 13
	return layer("fc", layer("fc1", f, hidden, features, true), classes, hidden, false)
}

// input is a seeded image in the program's input layout, border included.
func input(p *Program, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	rgba := make([]byte, p.ImageSize()*p.ImageSize()*4)
	for i := range rgba {
		rgba[i] = byte(r.IntN(256))
	}
	dst := make([]byte, p.Input.Bytes())
	p.Quantise(dst, rgba)
	return dst
}

// shapes has tile edges, primes, single pixels, both strides, every residual and every output.
func shapes() (list []shape) {
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 11, 13, 14} {
		list = append(list, shape{size, 16, 24, 3, 1, false, 1, 1}, shape{size, 8, 16, 1, 1, false, 2, 1}, shape{size, 16, 8, 1, 2, false, 0, 2})
	}
	for _, in := range []int{8, 16, 24, 56, 64, 128} {
		list = append(list, shape{7, in, 64, 3, 2, false, 0, 0}, shape{9, in, 16, 1, 1, false, 1, 0})
	}
	for residual := range 3 {
		for output := range 3 {
			if residual == 0 || output != int(kernels.OutI16) {
				list = append(list, shape{10, 32, 40, 3, 1, false, residual, output})
			}
		}
	}
	for _, size := range []int{8, 15, 32, 33} {
		list = append(list, shape{size, 3, 16, 7, 2, true, 0, 0}, shape{size, 3, 24, 3, 1, true, 0, 1})
	}
	return list
}

// arena reads everything an executor has left, gaps included.
func arena(t *testing.T, p *Program, e Executor) []byte {
	b := make([]byte, p.Arena)
	if err := e.Read(Tensor{H: 1, W: 1, C: p.Arena}, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// wanted is what the reference leaves of two images, arenas whole, of the program that was last asked for, as several
// executors are compared with it.
var wanted struct {
	program *Program
	arenas  [][]byte
}

func runBoth(t *testing.T, p *Program, e Executor) {
	t.Helper()
	leave := func(e Executor, seed int) []byte {
		if err := errors.Join(e.SetImage(input(p, uint64(seed))), e.Run()); err != nil {
			t.Fatal(err)
		}
		return arena(t, p, e)
	}
	if wanted.program != p {
		ref, _ := Reference(p)
		wanted.program, wanted.arenas = p, [][]byte{leave(ref, 0), leave(ref, 1)}
		spread(t, p, ref)
	}
	for seed, want := range wanted.arenas {
		got := leave(e, seed)
		if !bytes.Equal(want, got) {
			for i := range want {
				if want[i] != got[i] {
					t.Fatalf("image %d: arena differs first at byte %d of %d: want %d, got %d", seed, i, len(want), want[i], got[i])
				}
			}
		}
	}
}

// spread guards the test itself: outputs that are all alike would compare equal whatever the kernels do.
func spread(t *testing.T, p *Program, e Executor) {
	b := make([]byte, p.Last.Bytes())
	e.Read(p.Last, b)
	seen := map[byte]bool{}
	for _, v := range b {
		seen[v] = true
	}
	if len(b) > 64 && len(seen) < 8 {
		t.Fatalf("only %d distinct values in the last tensor", len(seen))
	}
}

func TestPlanNeverOverlaps(t *testing.T) {
	for _, s := range shapes() {
		p := s.program(1)
		for _, o := range p.Ops {
			for _, out := range []Tensor{o.Out, o.Skip} {
				for _, in := range []Tensor{o.In, o.Residual} {
					if out.Exists() && in.Exists() && out.Offset < in.Offset+in.Bytes() && in.Offset < out.Offset+out.Bytes() {
						t.Errorf("%v: %s: output at %d aliases input at %d", s, o.Name, out.Offset, in.Offset)
					}
				}
			}
		}
	}
}

func TestQuantise7(t *testing.T) {
	for p, want := range map[byte]byte{0: 0, 1: 0, 2: 1, 127: 63, 128: 64, 253: 126, 254: 127, 255: 127} {
		if got := Quantise7(p); got != want {
			t.Errorf("q(%d) = %d, want %d", p, got, want)
		}
	}
}

// TestShapesReachEveryKernel guards the other tests: bounded and clamped kernels, and NaN, must all occur.
func TestShapesReachEveryKernel(t *testing.T) {
	seen := map[bool]int{}
	for i, s := range shapes() {
		for _, o := range s.program(uint64(i)).Ops {
			if o.Kind == Conv {
				seen[bounded(&o)]++
			}
		}
	}
	if seen[true] < 40 || seen[false] < 40 {
		t.Errorf("%d bounded convolutions, %d others", seen[true], seen[false])
	}
}

func TestRound(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		t, lo, hi float32
		want      int32
	}{{0.5, 0, 127, 0}, {1.5, 0, 127, 2}, {2.5, 0, 127, 2}, {-3, 0, 127, 0}, {1e30, 0, 127, 127}, {nan, 0, 127, 0}, {-40000, -32768, 32767, -32768}, {-2.5, -32768, 32767, -2}, {126.5, 0, 127, 126}} {
		if got := round(c.t, c.lo, c.hi); got != c.want {
			t.Errorf("round(%v, %v, %v) = %d, want %d", c.t, c.lo, c.hi, got, c.want)
		}
	}
}
