package kernels

import (
	. "resnet-web/engine/wasmasm"
)

// maxPool emits the 3×3, stride 2, padding 1 pooling over unsigned bytes; threads share out rows.
//
// Positions outside the input are replaced by the nearest inside, which belong to the window anyway: the maximum is the
// same as with zeros around an input that is never negative.
func maxPool(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	in, h, w, c := load(f, rec, fIn), load(f, rec, fH), load(f, rec, fW), load(f, rec, fC)
	oh, ow, out := load(f, rec, fOH), load(f, rec, fOW), load(f, rec, fTo)
	y, y1, x, n := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32)
	row, col, at := f.Locals(3, I32), f.Locals(3, I32), f.Locals(9, I32)
	share(f, oh, thread, threads, y, y1)
	f.Get(out, y, ow, c)
	f.Op(I32Mul, I32Mul, I32Add)
	f.Set(out)
	// clamp sets list[i] to min(max(2·v−1+i, 0), size−1) · unit.
	clamp := func(list []Local, v, size Local, unit func()) {
		for i, l := range list {
			f.Get(v)
			f.I32(2)
			f.Op(I32Mul)
			f.I32(int32(i - 1))
			f.Op(I32Add)
			f.Tee(l)
			f.I32(0)
			f.Get(l)
			f.I32(0)
			f.Op(I32GtS, Select)
			f.Tee(l)
			f.Get(size)
			f.I32(1)
			f.Op(I32Sub)
			f.Get(l, size)
			f.Op(I32LtS, Select)
			unit()
			f.Set(l)
		}
	}
	each(f, y, y1, 1, func() {
		clamp(row, y, h, func() { f.Get(w, c); f.Op(I32Mul, I32Mul); f.Get(in); f.Op(I32Add) })
		f.I32(0)
		f.Set(x)
		each(f, x, ow, 1, func() {
			clamp(col, x, w, func() { f.Get(c); f.Op(I32Mul) })
			for i, l := range at {
				f.Get(row[i/3], col[i%3])
				f.Op(I32Add)
				f.Set(l)
			}
			f.Get(c)
			f.Set(n)
			// Eight channels at a time; channels are a multiple of 8.
			f.Loop(func(next Label) {
				f.Get(out)
				for i, l := range at {
					f.Get(l)
					f.Mem(V128Load64Zero, 0)
					if i > 0 {
						f.Op(I8x16MaxU)
					}
				}
				f.MemLane(V128Store64Lane, 0, 0)
				for _, l := range append(at, out) {
					f.AddConst(l, 8)
				}
				f.Get(n)
				f.I32(8)
				f.Op(I32Sub)
				f.Tee(n)
				f.BrIf(next)
			})
		})
	})
	return f
}

// avgPool emits the global average: exact int32 sums, one conversion, one multiply; threads share out channels.
func avgPool(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	in, out, c, pixels := load(f, rec, fIn), load(f, rec, fTo), load(f, rec, fC), load(f, rec, fRows)
	blocks, b, b1, n, at := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32)
	sum, x, scale := f.Locals(2, V128), f.Local(V128), f.Local(V128)
	f.Get(c)
	f.I32(3)
	f.Op(I32ShrU)
	f.Set(blocks)
	f.Get(rec)
	f.Mem(V128Load32Splat, fScale)
	f.Set(scale)
	share(f, blocks, thread, threads, b, b1)
	each(f, b, b1, 1, func() {
		for _, s := range sum {
			f.V128I32(0)
			f.Set(s)
		}
		f.Get(in, b)
		f.I32(8)
		f.Op(I32Mul, I32Add)
		f.Set(at)
		f.Get(pixels)
		f.Set(n)
		f.Loop(func(next Label) {
			f.Get(at)
			f.Mem(V128Load8x8U, 0)
			f.Set(x)
			for j, s := range sum {
				f.Get(s, x)
				f.Op([]Op{I32x4ExtendLowI16x8U, I32x4ExtendHighI16x8U}[j], I32x4Add)
				f.Set(s)
			}
			f.Get(at, c)
			f.Op(I32Add)
			f.Set(at)
			f.Get(n)
			f.I32(1)
			f.Op(I32Sub)
			f.Tee(n)
			f.BrIf(next)
		})
		f.Get(out, b)
		f.I32(32)
		f.Op(I32Mul, I32Add)
		f.Set(at)
		for j, s := range sum {
			f.Get(at, s)
			f.Op(F32x4ConvertI32x4S)
			f.Get(scale)
			f.Op(F32x4Mul)
			f.Mem(V128Store, uint32(16*j))
		}
	})
	return f
}

// linear emits a linear layer, four rows at a time; threads share out groups of rows. Lane j of a row's accumulator
// sums features × weights for k ≡ j (mod 4) in ascending order. Unless the record is signed, what is not positive is 0.
func linear(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	in, out, k, rows := load(f, rec, fIn), load(f, rec, fTo), load(f, rec, fC), load(f, rec, fRows)
	weights, scale, bias, signed := load(f, rec, fData), load(f, rec, fScale), load(f, rec, fBias), load(f, rec, fSigned)
	y := f.Local(F32)
	r, r1, n, at := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32)
	row, acc, x := f.Locals(4, I32), f.Locals(4, V128), f.Local(V128)
	f.Get(rows)
	f.I32(2)
	f.Op(I32ShrU)
	f.Set(rows)
	share(f, rows, thread, threads, r, r1)
	each(f, r, r1, 1, func() {
		for i, l := range row {
			f.Get(weights, r)
			f.I32(4)
			f.Op(I32Mul)
			f.I32(int32(i))
			f.Op(I32Add)
			f.Get(k)
			f.Op(I32Mul, I32Add)
			f.Set(l)
			f.V128I32(0)
			f.Set(acc[i])
		}
		f.Get(in)
		f.Set(at)
		f.Get(k)
		f.Set(n)
		f.Loop(func(next Label) {
			f.Get(at)
			f.Mem(V128Load, 0)
			f.Set(x)
			for i, l := range row {
				f.Get(acc[i], x, l)
				f.Mem(V128Load32Zero, 0)
				f.Op(I16x8ExtendLowI8x16S, I32x4ExtendLowI16x8S, F32x4ConvertI32x4S, F32x4Mul, F32x4Add)
				f.Set(acc[i])
				f.AddConst(l, 4)
			}
			f.AddConst(at, 16)
			f.Get(n)
			f.I32(4)
			f.Op(I32Sub)
			f.Tee(n)
			f.BrIf(next)
		})
		f.Get(r)
		f.I32(16)
		f.Op(I32Mul)
		f.Set(at)
		for i, l := range acc {
			address := func(base Local) { f.Get(base, at); f.Op(I32Add) }
			address(out)
			for _, lane := range []byte{0, 2} {
				f.Get(l)
				f.Lane(F32x4ExtractLane, lane)
				f.Get(l)
				f.Lane(F32x4ExtractLane, lane+1)
				f.Op(F32Add)
			}
			f.Op(F32Add)
			address(scale)
			f.Mem(F32Load, uint32(4*i))
			f.Op(F32Mul)
			address(bias)
			f.Mem(F32Load, uint32(4*i))
			f.Op(F32Add)
			f.Tee(y)
			f.F32(0)
			f.Get(y)
			f.F32(0)
			f.Op(F32Gt)
			f.Get(signed)
			f.Op(I32Or, Select)
			f.Mem(F32Store, uint32(4*i))
		}
	})
	return f
}
