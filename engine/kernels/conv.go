package kernels

import (
	"encoding/binary"
	"fmt"
	"math"

	. "resnet-web/engine/wasmasm"
)

// Residual is what a convolution adds before its ReLU.
type Residual uint8

const (
	ResNone Residual = iota
	ResI16           // a block's 16-bit skip tensor
	ResU7            // the max-pool output
)

// Output is what a convolution writes.
type Output uint8

const (
	OutU7   Output = iota // ReLU, 7-bit
	OutBoth               // ReLU, 7-bit and 16-bit
	OutI16                // no ReLU, signed 16-bit: a projection shortcut
)

// Kernel is one convolution kernel: a register tile of Pixels × 8 output channels and the stores at its end.
type Kernel struct {
	Pixels   int // 1 to 6
	Unroll   int // groups per trip of the inner loop; must divide the groups of a tap (relaxed; fixed always takes one)
	Residual Residual
	Output   Output
	Bounded  bool // |t| < MaxBounded whatever the image, so that rounding needs no clamp before it
}

// MaxBounded is the limit of a Bounded kernel's values t, in units of the output's scale.
const MaxBounded = 1 << 16

// String is the kernel's name: type, tile, unrolling, residual, output.
func (k Kernel) String() string {
	clamp := "_clamped"
	if k.Bounded {
		clamp = ""
	}
	return fmt.Sprintf("conv_%dx8_u%d_%s_%s%s", k.Pixels, k.Unroll, [...]string{"none", "i16", "u7"}[k.Residual], [...]string{"u7", "both", "i16"}[k.Output], clamp)
}

// convParams are those of every conv kernel: record, block, first tile, end tile, packed activations (fixed).
var convParams = []Type{I32, I32, I32, I32, I32}

// magic is 1.5·2²³: adding it to a float32 of magnitude below 2²² leaves the nearest integer, ties to even, in the low
// bits, because the unit in the last place of the sum is 1. Adding magic64, a 64th of it, to one of magnitude below 2¹⁶
// does the same with 64 times the number.
const (
	magic   = 12582912
	magic64 = 196608
)

// Constants are kept in memory behind the control area, where a load costs less than building them: V8 puts a v128.const
// together in general registers, each time around a loop.
var constants = []struct {
	at    uint32
	value uint32 // of each of the four lanes
}{
	{kMagic, math.Float32bits(magic)}, {kMagic64, math.Float32bits(magic64)}, {k64, math.Float32bits(64)}, {k127, math.Float32bits(127)},
	{k32767, math.Float32bits(32767)}, {kMinus32768, math.Float32bits(-32768)}, {kSeven, 0x7f7f7f7f},
}

// Addresses of the constants.
const (
	kMagic      = 64
	kMagic64    = 80
	k64         = 96
	k127        = 112
	k32767      = 128
	kMinus32768 = 144
	kSeven      = 160 // bytes of 127
	kAlpha      = 176 // lanes that hold each pixel's alpha
	kRGB0       = 192 // lanes of red, green and blue, and 128, which i8x16.swizzle takes for 0
	kBGR0       = 208
	kEnd        = 256
)

// Control is the first content of the control area.
func Control() []byte {
	b := make([]byte, ControlSize)
	for _, c := range constants {
		for lane := range uint32(4) {
			binary.LittleEndian.PutUint32(b[c.at+4*lane:], c.value)
		}
	}
	for i := range byte(16) {
		pixel := i &^ 3
		b[kAlpha+int(i)] = pixel + 3
		b[kRGB0+int(i)] = pixel + []byte{0, 1, 2, 128}[i%4]
		b[kBGR0+int(i)] = pixel + []byte{2, 1, 0, 128}[i%4]
	}
	return b
}

// constant pushes one of the constants.
func (v *tile) constant(at uint32) {
	v.I32(0)
	v.Mem(V128Load, at)
}

// tile holds what the parts of a conv kernel share.
type tile struct {
	*Func
	k                       Kernel
	rec, block, t, end      Local
	params, out, skip, res  Local
	stride, pix, last, tmpI Local
	rs, x, y                Local
	acc                     [][2]Local
}

// newTile emits the head of a kernel: the record's fields into locals, addresses moved to the block's channels.
func newTile(m *Module, k Kernel) *tile {
	f := m.Func("", convParams, nil)
	v := &tile{Func: f, k: k, rec: f.Param(0), block: f.Param(1), t: f.Param(2), end: f.Param(3)}
	v.params = load(f, v.rec, fParams)
	f.Get(v.params, v.block)
	f.I32(64)
	f.Op(I32Mul, I32Add)
	f.Set(v.params)
	v.stride = load(f, v.rec, fStride)
	v.last = load(f, v.rec, fPixels)
	f.AddConst(v.last, int32(-k.Pixels))
	v.pix, v.tmpI = f.Local(I32), f.Local(I32)
	v.out, v.skip, v.res = f.Local(I32), f.Local(I32), f.Local(I32)
	v.rs, v.x, v.y = f.Local(V128), f.Local(V128), f.Local(V128)
	if k.Residual != ResNone {
		f.Get(v.rec)
		f.Mem(V128Load32Splat, fRS)
		f.Set(v.rs)
	}
	for range k.Pixels {
		v.acc = append(v.acc, [2]Local{f.Local(V128), f.Local(V128)})
	}
	return v
}

// zero clears the accumulators.
func (v *tile) zero() {
	for _, a := range v.acc {
		for _, l := range a {
			v.V128I32(0)
			v.Set(l)
		}
	}
}

// address sets l to the field's base + (pix·stride + block·8)·size.
func (v *tile) address(l Local, field uint32, size int32) {
	word(v.Func, v.rec, field)
	v.Get(v.pix, v.stride)
	v.Op(I32Mul)
	v.Get(v.block)
	v.I32(8)
	v.Op(I32Mul, I32Add)
	v.I32(size)
	v.Op(I32Mul, I32Add)
	v.Set(l)
}

// advance moves l on by one pixel.
func (v *tile) advance(l Local, size int32) {
	v.Get(l, v.stride)
	if size > 1 {
		v.I32(size)
		v.Op(I32Mul)
	}
	v.Op(I32Add)
	v.Set(l)
}

// store requantises the accumulators, adds the residual and writes the tile: the arithmetic contract, instruction by
// instruction.
func (v *tile) store() {
	// The last tile overlaps the one before it rather than running past the end.
	v.Get(v.t)
	v.I32(int32(v.k.Pixels))
	v.Op(I32Mul)
	v.Tee(v.pix)
	v.Get(v.last)
	v.Get(v.pix, v.last)
	v.Op(I32LtU, Select)
	v.Set(v.pix)
	if v.k.Output != OutI16 {
		v.address(v.out, fOut, 1)
	}
	if v.k.Output != OutU7 {
		v.address(v.skip, fSkip, 2)
	}
	resSize := int32(1)
	if v.k.Residual == ResI16 {
		resSize = 2
	}
	if v.k.Residual != ResNone {
		v.address(v.res, fRes, resSize)
	}
	for p, a := range v.acc {
		for j, l := range a {
			v.Get(l)
			v.Op(F32x4ConvertI32x4S)
			v.Get(v.params)
			v.Mem(V128Load, uint32(16*j))
			v.Op(F32x4Mul)
			v.Get(v.params)
			v.Mem(V128Load, uint32(32+16*j))
			v.Op(F32x4Add)
			switch v.k.Residual {
			case ResI16:
				v.Get(v.res)
				v.Mem(V128Load16x4S, uint32(8*j))
			case ResU7:
				v.Get(v.res)
				v.Mem(V128Load8x8U, 0)
				v.Op([]Op{I32x4ExtendLowI16x8U, I32x4ExtendHighI16x8U}[j])
			}
			if v.k.Residual != ResNone {
				v.Op(F32x4ConvertI32x4S)
				v.Get(v.rs)
				v.Op(F32x4Mul, F32x4Add)
			}
			v.Set(l)
		}
		if v.k.Output != OutU7 {
			v.Get(v.skip)
			for _, l := range a {
				v.Get(l)
				if v.k.Bounded {
					v.integer(kMagic64)
					continue
				}
				v.constant(k64)
				v.Op(F32x4Mul)
				if v.k.Output == OutI16 {
					v.clamp(kMinus32768, k32767)
				} else {
					v.clamp(0, k32767)
				}
				v.integer(kMagic)
			}
			v.Op(I16x8NarrowI32x4S) // saturates, as the contract does
			if v.k.Bounded && v.k.Output == OutBoth {
				v.V128I32(0)
				v.Op(I16x8MaxS)
			}
			v.Mem(V128Store, 0)
		}
		if v.k.Output != OutI16 {
			v.Get(v.out)
			for _, l := range a {
				v.Get(l)
				if !v.k.Bounded {
					v.clamp(0, k127)
				}
				v.integer(kMagic)
			}
			v.Op(I16x8NarrowI32x4S)
			v.Tee(v.x)
			v.Get(v.x)
			v.Op(I8x16NarrowI16x8U) // negative to 0
			if v.k.Bounded {
				v.constant(kSeven)
				v.Op(I8x16MinU)
			}
			v.MemLane(V128Store64Lane, 0, 0)
		}
		if p == len(v.acc)-1 {
			break
		}
		if v.k.Output != OutI16 {
			v.advance(v.out, 1)
		}
		if v.k.Output != OutU7 {
			v.advance(v.skip, 2)
		}
		if v.k.Residual != ResNone {
			v.advance(v.res, resSize)
		}
	}
}

// clamp limits the float32 lanes on the stack to the constants lo (0 for zero) and hi, NaN to lo: pmax(lo, t) is
// lo < t ? t : lo, one instruction on every CPU. (With −32768 there is no residual, and acc·m + b with finite m and b is
// never a NaN.)
func (v *tile) clamp(lo, hi uint32) {
	v.Set(v.y)
	if lo == 0 {
		v.V128I32(0)
	} else {
		v.constant(lo)
	}
	v.Get(v.y)
	v.Op(F32x4PMax)
	v.constant(hi)
	v.Op(F32x4PMin)
}

// integer rounds the float32 lanes on the stack to integers, ties to even, by a magic number, whose own bits it takes
// off again.
func (v *tile) integer(magic uint32) {
	v.constant(magic)
	v.Op(F32x4Add)
	v.constant(magic)
	v.Op(I32x4Sub)
}

// relaxedConv emits a kernel over 8-bit weights and 7-bit activations in place.
//
// Register tile: Pixels rows × 8 channels in 2·Pixels accumulators; per group of 4 inputs two weight vectors and, for
// each row, one broadcast load: 2·Pixels dot products to Pixels+2 loads.
func relaxedConv(m *Module, k Kernel) *Func {
	v := newTile(m, k)
	taps, groups := load(v.Func, v.rec, fTaps), load(v.Func, v.rec, fGroups)
	weights, table := v.Local(I32), v.Local(I32)
	w, tap, n := v.Local(I32), v.Local(I32), v.Local(I32)
	row := v.Locals(k.Pixels, I32)
	w0, w1, a := v.Local(V128), v.Local(V128), v.Local(V128)

	word(v.Func, v.rec, fWeights)
	v.Get(v.block, taps, groups)
	v.Op(I32Mul, I32Mul)
	v.I32(32)
	v.Op(I32Mul, I32Add)
	v.Set(weights)
	word(v.Func, v.rec, fTable)
	v.Get(v.t, taps)
	v.Op(I32Mul)
	v.I32(int32(4 * k.Pixels))
	v.Op(I32Mul, I32Add)
	v.Set(table)

	each(v.Func, v.t, v.end, 1, func() {
		v.zero()
		v.Get(weights)
		v.Set(w)
		v.Get(taps)
		v.Set(tap)
		v.Loop(func(nextTap Label) {
			for p, r := range row {
				v.Get(table)
				v.Mem(I32Load, uint32(4*p))
				v.Set(r)
			}
			v.Get(groups)
			v.Set(n)
			v.Loop(func(next Label) {
				for u := range uint32(k.Unroll) {
					v.Get(w)
					v.Mem(V128Load, 32*u)
					v.Set(w0)
					v.Get(w)
					v.Mem(V128Load, 32*u+16)
					v.Set(w1)
					for p, r := range row {
						v.Get(r)
						v.Mem(V128Load32Splat, 4*u)
						v.Set(a)
						for j, wj := range []Local{w0, w1} {
							v.Get(wj, a, v.acc[p][j])
							v.Op(I32x4RelaxedDotI8I7AddS)
							v.Set(v.acc[p][j])
						}
					}
				}
				for _, r := range row {
					v.AddConst(r, int32(4*k.Unroll))
				}
				v.AddConst(w, int32(32*k.Unroll))
				v.Get(n)
				v.I32(int32(k.Unroll))
				v.Op(I32Sub)
				v.Tee(n)
				v.BrIf(next)
			})
			v.AddConst(table, int32(4*k.Pixels))
			v.Get(tap)
			v.I32(1)
			v.Op(I32Sub)
			v.Tee(tap)
			v.BrIf(nextTap)
		})
		v.store()
	})
	return v.Func
}

// fixedConv emits a kernel over 16-bit weights and activations packed by pack: both are read front to back.
//
// Register tile: as relaxedConv; per pair of inputs two weight vectors, and per row one broadcast load, two multiplies
// and two adds.
func fixedConv(m *Module, k Kernel) *Func {
	v := newTile(m, k)
	steps := load(v.Func, v.rec, fTaps)
	word(v.Func, v.rec, fGroups)
	v.Get(steps)
	v.Op(I32Mul)
	v.Set(steps)
	weights, act := v.Local(I32), v.Param(4)
	w, n := v.Local(I32), v.Local(I32)
	w0, w1, a := v.Local(V128), v.Local(V128), v.Local(V128)

	word(v.Func, v.rec, fWeights)
	v.Get(v.block, steps)
	v.Op(I32Mul)
	v.I32(128)
	v.Op(I32Mul, I32Add)
	v.Set(weights)

	each(v.Func, v.t, v.end, 1, func() {
		v.zero()
		v.Get(weights)
		v.Set(w)
		v.Get(steps)
		v.Set(n)
		v.Loop(func(next Label) {
			for u := range uint32(4) {
				v.Get(w)
				v.Mem(V128Load, 32*u)
				v.Set(w0)
				v.Get(w)
				v.Mem(V128Load, 32*u+16)
				v.Set(w1)
				for p := range k.Pixels {
					v.Get(act)
					v.Mem(V128Load32Splat, uint32(16*p)+4*u)
					v.Set(a)
					for j, wj := range []Local{w0, w1} {
						v.Get(a, wj)
						v.Op(I32x4DotI16x8S)
						v.Get(v.acc[p][j])
						v.Op(I32x4Add)
						v.Set(v.acc[p][j])
					}
				}
			}
			v.AddConst(act, int32(16*k.Pixels))
			v.AddConst(w, 128)
			v.Get(n)
			v.I32(1)
			v.Op(I32Sub)
			v.Tee(n)
			v.BrIf(next)
		})
		v.store()
	})
	return v.Func
}

// pack emits pack(record, first tile, end tile, to): the tiles' input rows widened to 16 bits and interleaved,
// [tile][tap][group of 8][pixel][8] int16. A run that is no multiple of 8 bytes is read up to 4 bytes past its end;
// the weights there are zero.
func pack(m *Module, pixels int) *Func {
	f := m.Func("", []Type{I32, I32, I32, I32}, nil)
	rec, t, end, to := f.Param(0), f.Param(1), f.Param(2), f.Param(3)
	taps, groups := load(f, rec, fTaps), load(f, rec, fGroups)
	table, n := f.Local(I32), f.Local(I32)
	row := f.Locals(pixels, I32)
	word(f, rec, fTable)
	f.Get(t, taps)
	f.Op(I32Mul)
	f.I32(int32(4 * pixels))
	f.Op(I32Mul, I32Add)
	f.Set(table)
	// Taps of consecutive tiles follow each other in the table: one loop over all of them.
	f.Get(t, taps)
	f.Op(I32Mul)
	f.Set(t)
	f.Get(end, taps)
	f.Op(I32Mul)
	f.Set(end)
	each(f, t, end, 1, func() {
		for p, r := range row {
			f.Get(table)
			f.Mem(I32Load, uint32(4*p))
			f.Set(r)
		}
		f.Get(groups)
		f.Set(n)
		f.Loop(func(next Label) {
			for p, r := range row {
				f.Get(to, r)
				f.Mem(V128Load8x8U, 0)
				f.Mem(V128Store, uint32(16*p))
				f.AddConst(r, 8)
			}
			f.AddConst(to, int32(16*pixels))
			f.Get(n)
			f.I32(1)
			f.Op(I32Sub)
			f.Tee(n)
			f.BrIf(next)
		})
		f.AddConst(table, int32(4*pixels))
	})
	return f
}

// conv emits the walk over a convolution: a chunk of tiles at a time, and for each chunk all blocks of channels. So a
// block's weights stay in the first cache while it runs over the chunk, and the chunk's lines of output and residual,
// of which a block touches only a part, stay in the second until the other blocks have been there. The fixed machine
// packs each chunk first.
func conv(m *Module, mc Machine, like, packLike *Func) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	tiles, blocks, chunk := load(f, rec, fTiles), load(f, rec, fBlocks), load(f, rec, fChunk)
	t0, t1, b0, b1, b := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32)
	end, scratch := f.Local(I32), f.Local(I32)
	word(f, rec, fByBlocks)
	f.IfElse(func() {
		share(f, blocks, thread, threads, b0, b1)
		f.Get(tiles)
		f.Set(t1)
	}, func() {
		share(f, tiles, thread, threads, t0, t1)
		f.Get(blocks)
		f.Set(b1)
	})
	if !mc.Relaxed {
		word(f, rec, fScratch)
		word(f, rec, fScratchSize)
		f.Get(thread)
		f.Op(I32Mul, I32Add)
		f.Set(scratch)
	}
	f.Block(func(done Label) {
		f.Loop(func(next Label) {
			f.Get(t0, t1)
			f.Op(I32GeU)
			f.BrIf(done)
			f.Get(t0, chunk)
			f.Op(I32Add)
			f.Tee(end)
			f.Get(t1)
			f.Get(end, t1)
			f.Op(I32LtU, Select)
			f.Set(end)
			if !mc.Relaxed {
				f.Get(rec, t0, end, scratch)
				word(f, rec, fPack)
				f.CallIndirect(packLike)
			}
			f.Get(b0)
			f.Set(b)
			each(f, b, b1, 1, func() {
				f.Get(rec, b, t0, end, scratch)
				word(f, rec, fKernel)
				f.CallIndirect(like)
			})
			f.Get(end)
			f.Set(t0)
			f.Br(next)
		})
	})
	return f
}
