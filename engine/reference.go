package engine

import (
	"encoding/binary"
	"math"
)

// Reference returns the executor in plain Go: short, obvious, always available, and the truth that the others are
// tested against.
func Reference(p *Program) (Executor, error) {
	return &reference{p: p, arena: make([]byte, p.Arena)}, nil
}

type reference struct {
	p     *Program
	arena []byte
	scale Scale // of the picture under way
}

func (e *reference) Begin(s *Scaler) error {
	if err := e.p.checkScaler(s); err != nil {
		return err
	}
	e.scale = *NewScale(s)
	return nil
}

func (e *reference) Write(rows []byte, format Format) error {
	if err := e.scale.Write(rows, format); err != nil || !e.scale.ready {
		return err
	}
	square := make([]byte, 4*e.scale.Size*e.scale.Size)
	e.scale.Square(square)
	e.p.Quantise(e.bytes(e.p.Input), square)
	return nil
}

func (e *reference) SetImage(image []byte) error {
	if err := e.p.checkImage(image); err != nil {
		return err
	}
	copy(e.bytes(e.p.Input), image)
	e.scale = Scale{progress: progress{ready: true}}
	return nil
}

func (e *reference) Run() error {
	if err := e.scale.use(); err != nil {
		return err
	}
	for i := range e.p.Ops {
		if err := e.RunOp(i); err != nil {
			return err
		}
	}
	return nil
}

// RunOp runs one op alone, over whatever the arena holds: for timing.
func (e *reference) RunOp(i int) error {
	switch o := &e.p.Ops[i]; o.Kind {
	case Conv:
		e.conv(o)
	case MaxPool:
		e.maxPool(o)
	case AvgPool:
		e.avgPool(o)
	case Linear:
		e.linear(o)
	}
	return nil
}

func (e *reference) Read(t Tensor, dst []byte) error {
	copy(dst, e.bytes(t))
	return nil
}

func (e *reference) Close() error { *e = reference{p: e.p}; return nil }

func (e *reference) bytes(t Tensor) []byte { return e.arena[t.Offset:][:t.Bytes()] }

// conv is the contract's convolution, one output pixel and block of 8 channels at a time.
func (e *reference) conv(o *Op) {
	in, out, skip, res := e.bytes(o.In), e.bytes(o.Out), e.bytes(o.Skip), e.bytes(o.Residual)
	g := o.output()
	taps, run := o.Taps(), o.Run()
	for y := range g.H {
		for x := range g.W {
			for block := 0; block < g.C; block += 8 {
				var acc [8]int32
				for tap := range taps {
					iy, ix := y*o.Stride-o.Pad+tap/o.Kernel, x*o.Stride-o.Pad+tap%o.Kernel
					if o.Rows {
						iy, ix = y*o.Stride+tap, x*o.Stride
					}
					if iy < 0 || iy >= o.In.H || ix < 0 || ix >= o.In.W {
						continue
					}
					q := in[(iy*o.In.W+ix)*o.In.C:][:run]
					w := o.W[(block*taps+tap*8)*run:][:8*run]
					for k := 0; k < run; k += 4 {
						q0, q1, q2, q3 := int32(q[k]), int32(q[k+1]), int32(q[k+2]), int32(q[k+3])
						for c := range acc {
							w := w[k*8+c*4:][:4]
							acc[c] += int32(w[0])*q0 + int32(w[1])*q1 + int32(w[2])*q2 + int32(w[3])*q3
						}
					}
				}
				for c, a := range acc {
					c += block
					i := (y*g.W+x)*g.C + c
					t := float32(float32(a) * o.M[c])
					t = float32(t + o.B[c])
					switch {
					case !o.Residual.Exists():
					case o.Residual.Type == I16:
						t = float32(t + float32(float32(int16(binary.LittleEndian.Uint16(res[2*i:])))*o.RS))
					default:
						t = float32(t + float32(float32(res[i])*o.RS))
					}
					if o.Out.Exists() {
						out[i] = byte(round(t, 0, 127))
					}
					if o.Skip.Exists() {
						lo := float32(0)
						if !o.Out.Exists() {
							lo = -32768
						}
						binary.LittleEndian.PutUint16(skip[2*i:], uint16(round(float32(t*64), lo, 32767)))
					}
				}
			}
		}
	}
}

// round clamps t to lo…hi, NaN to lo, then rounds to the nearest integer, ties to even.
func round(t, lo, hi float32) int32 {
	if !(t > lo) {
		t = lo
	}
	return int32(math.RoundToEven(float64(min(t, hi))))
}

func (e *reference) maxPool(o *Op) {
	in, out := e.bytes(o.In), e.bytes(o.Out)
	for y := range o.Out.H {
		for x := range o.Out.W {
			to := out[(y*o.Out.W+x)*o.Out.C:][:o.Out.C]
			clear(to)
			for iy := max(2*y-1, 0); iy < min(2*y+2, o.In.H); iy++ {
				for ix := max(2*x-1, 0); ix < min(2*x+2, o.In.W); ix++ {
					for c, q := range in[(iy*o.In.W+ix)*o.In.C:][:len(to)] {
						to[c] = max(to[c], q)
					}
				}
			}
		}
	}
}

func (e *reference) avgPool(o *Op) {
	in, out := e.bytes(o.In), e.bytes(o.Out)
	for c := range o.In.C {
		sum := int32(0)
		for i := c; i < len(in); i += o.In.C {
			sum += int32(in[i])
		}
		putFloat(out, c, float32(sum)*o.Scale)
	}
}

func (e *reference) linear(o *Op) {
	in, out := e.bytes(o.In), e.bytes(o.Out)
	features := make([]float32, o.In.C)
	for i := range features {
		features[i] = math.Float32frombits(binary.LittleEndian.Uint32(in[4*i:]))
	}
	for r := range o.Out.C {
		var s [4]float32
		for k, w := range o.W[r*len(features):][:len(features)] {
			s[k%4] = float32(s[k%4] + float32(features[k]*float32(w)))
		}
		sum := float32(float32(s[0]+s[1]) + float32(s[2]+s[3]))
		t := float32(float32(sum*o.M[r]) + o.B[r])
		if o.ReLU && !(t > 0) {
			t = 0
		}
		putFloat(out, r, t)
	}
}

func putFloat(b []byte, i int, v float32) {
	binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v))
}
