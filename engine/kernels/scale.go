package kernels

import (
	"encoding/binary"

	. "resnet-web/engine/wasmasm"
)

// Scaling a picture takes a program of its own for each strip of it: [White] where it may be transparent, [Horizontal]
// over its rows, [Vertical] for the rows of the image that have all they need by then. [Fill] makes the border of the
// image before the first, [Move] keeps what later rows need of what Horizontal has written.
//
// Coefficients have 22 fractional bits and up to 24 bits in all, the products of two of them with a pair of bytes are
// summed by one i32x4.dot_i16x8_s each for their upper part and their lower 11 bits: exact, as sums of integers are.

// lowBits is where a coefficient is divided.
const lowBits = 11

// WindowSize is the length of a window's head in a table: the byte offset of its first pixel or row, its number of pairs
// of coefficients, the address of those, and nothing. A pair takes PairSize: two upper parts, two lower parts, int16.
const (
	WindowSize = 16
	PairSize   = 8
)

// AppendWindow encodes a window's head.
func AppendWindow(b []byte, offset, pairs, address int) []byte {
	for _, v := range []int{offset, pairs, address, 0} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// AppendPair encodes two coefficients.
func AppendPair(b []byte, c0, c1 int32) []byte {
	const mask = 1<<lowBits - 1
	for _, v := range []int32{c0 >> lowBits, c1 >> lowBits, c0 & mask, c1 & mask} {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}

// Fill repeats four bytes from To on, in units of 16 bytes.
type Fill struct {
	To, Units int
	Value     [4]byte
}

// Move copies units of 16 bytes to a lower address; From and To may overlap.
type Move struct{ From, To, Units int }

// White puts pixels with straight alpha on white, in place, in units of 4 pixels. The fourth byte has no meaning then.
type White struct{ At, Units int }

// Horizontal scales Rows rows, In on, Pitch bytes apart, to Columns pixels each, from Out on, 4·Columns bytes apart.
type Horizontal struct{ In, Pitch, Rows, Out, Table, Columns int }

// Vertical makes rows Y to Y1 of the image, of Columns pixels, from rows that are 4·Columns bytes apart; In is where row 0
// of the part would be. Out is where the image's row 0 belongs, OutPitch bytes from one to the next. The bytes are
// quantised to 7 bits, in the order red, green, blue, 0.
type Vertical struct {
	In, Y, Y1, Out, OutPitch, Table, Columns int
	BlueFirst                                bool
}

// Append encodes the record behind b.
func (r Fill) Append(b []byte) []byte {
	var rec record
	rec.set(fKind, kindFill, fTo, r.To, fRows, r.Units, fData, int(binary.LittleEndian.Uint32(r.Value[:])))
	return append(b, rec[:]...)
}

// Append encodes the record behind b.
func (r Move) Append(b []byte) []byte {
	var rec record
	rec.set(fKind, kindMove, fIn, r.From, fTo, r.To, fRows, r.Units)
	return append(b, rec[:]...)
}

// Append encodes the record behind b.
func (r White) Append(b []byte) []byte {
	var rec record
	rec.set(fKind, kindWhite, fTo, r.At, fRows, r.Units)
	return append(b, rec[:]...)
}

// Append encodes the record behind b.
func (r Horizontal) Append(b []byte) []byte {
	var rec record
	rec.set(fKind, kindHorizontal, fIn, r.In, fPitch, r.Pitch, fRows, r.Rows, fTo, r.Out, fData, r.Table, fOW, r.Columns)
	return append(b, rec[:]...)
}

// Append encodes the record behind b.
func (r Vertical) Append(b []byte) []byte {
	var rec record
	order := kRGB0
	if r.BlueFirst {
		order = kBGR0
	}
	rec.set(fKind, kindVertical, fIn, r.In, fFrom, r.Y, fRows, r.Y1-r.Y, fTo, r.Out, fOutPitch, r.OutPitch, fData, r.Table, fOW, r.Columns, fOrder, order)
	return append(b, rec[:]...)
}

// splat pushes v in all lanes of 16 bits.
func splat16(f *Func, v uint16) { f.V128I32(uint32(v)<<16 | uint32(v)) }

// fill emits Fill; threads share out the units.
func fill(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	to, n, u, u1 := load(f, rec, fTo), load(f, rec, fRows), f.Local(I32), f.Local(I32)
	value := f.Local(V128)
	f.Get(rec)
	f.Mem(V128Load32Splat, fData)
	f.Set(value)
	share(f, n, thread, threads, u, u1)
	unit(f, to, u)
	each(f, u, u1, 1, func() {
		f.Get(to, value)
		f.Mem(V128Store, 0)
		f.AddConst(to, 16)
	})
	return f
}

// unit moves at on by n units of 16 bytes.
func unit(f *Func, at, n Local) {
	f.Get(at, n)
	f.I32(4)
	f.Op(I32Shl, I32Add)
	f.Set(at)
}

// move emits Move; thread 0 does it alone, in ascending order.
func move(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread := f.Param(0), f.Param(1)
	from, to, n, i := load(f, rec, fIn), load(f, rec, fTo), load(f, rec, fRows), f.Local(I32)
	f.Get(thread)
	f.If(func() { f.Return() })
	each(f, i, n, 1, func() {
		f.Get(to, from)
		f.Mem(V128Load, 0)
		f.Mem(V128Store, 0)
		f.AddConst(from, 16)
		f.AddConst(to, 16)
	})
	return f
}

// divide255 divides the unsigned 16-bit lanes on the stack, each at most 65,278, by 255: (x + 1 + (x >> 8)) >> 8.
func divide255(f *Func, x, one Local) {
	f.Tee(x)
	f.Get(one)
	f.Op(I16x8Add)
	f.Get(x)
	f.I32(8)
	f.Op(I16x8ShrU, I16x8Add)
	f.I32(8)
	f.Op(I16x8ShrU)
}

// white emits White; threads share out the units. With alpha a, p·a + 255·(255 − a) + 127 is 255² + 127 − (255 − p)·a.
func white(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	at, n, u, u1 := load(f, rec, fTo), load(f, rec, fRows), f.Local(I32), f.Local(I32)
	p, a, x, one, most, sum, alpha := f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128)
	splat16(f, 1)
	f.Set(one)
	splat16(f, 255)
	f.Set(most)
	splat16(f, 255*255+127)
	f.Set(sum)
	f.I32(0)
	f.Mem(V128Load, kAlpha)
	f.Set(alpha)
	share(f, n, thread, threads, u, u1)
	unit(f, at, u)
	each(f, u, u1, 1, func() {
		f.Get(at)
		f.Mem(V128Load, 0)
		f.Tee(p)
		f.Get(alpha)
		f.Op(I8x16Swizzle)
		f.Set(a)
		f.Get(at)
		for _, extend := range []Op{I16x8ExtendLowI8x16U, I16x8ExtendHighI8x16U} {
			f.Get(sum, most, p)
			f.Op(extend, I16x8Sub)
			f.Get(a)
			f.Op(extend, I16x8Mul, I16x8Sub)
			divide255(f, x, one)
		}
		f.Op(I8x16NarrowI16x8U)
		f.Mem(V128Store, 0)
		f.AddConst(at, 16)
	})
	return f
}

// taps holds what the two passes share: sums of upper and lower parts, and the coefficients of a pair.
type taps struct {
	*Func
	high, low   []Local
	h, l        Local
	half        Local
	pairs, from Local
}

func newTaps(f *Func, n int) *taps {
	t := &taps{Func: f, high: f.Locals(n, V128), low: f.Locals(n, V128), h: f.Local(V128), l: f.Local(V128), half: f.Local(V128),
		pairs: f.Local(I32), from: f.Local(I32)}
	f.V128I32(1 << 21)
	f.Set(t.half)
	return t
}

// start reads the rest of a window's head and clears the sums.
func (t *taps) start(window Local) {
	word(t.Func, window, 4)
	t.Set(t.pairs)
	word(t.Func, window, 8)
	t.Set(t.from)
	for i := range t.high {
		t.V128I32(0)
		t.Set(t.high[i])
		t.Get(t.half)
		t.Set(t.low[i])
	}
}

// each emits body for all pairs of the window; body calls add.
func (t *taps) each(body func()) {
	t.Loop(func(next Label) {
		t.Get(t.from)
		t.Mem(V128Load32Splat, 0)
		t.Set(t.h)
		t.Get(t.from)
		t.Mem(V128Load32Splat, 4)
		t.Set(t.l)
		body()
		t.AddConst(t.from, PairSize)
		t.Get(t.pairs)
		t.I32(1)
		t.Op(I32Sub)
		t.Tee(t.pairs)
		t.BrIf(next)
	})
}

// add multiplies pairs of bytes, widened to 16 bits, and adds them to sum i.
func (t *taps) add(i int, x Local) {
	for _, s := range []struct{ sum, c Local }{{t.high[i], t.h}, {t.low[i], t.l}} {
		t.Get(x, s.c)
		t.Op(I32x4DotI16x8S)
		t.Get(s.sum)
		t.Op(I32x4Add)
		t.Set(s.sum)
	}
}

// result pushes sum i in whole numbers.
func (t *taps) result(i int) {
	t.Get(t.high[i])
	t.I32(lowBits)
	t.Op(I32x4Shl)
	t.Get(t.low[i])
	t.Op(I32x4Add)
	t.I32(22)
	t.Op(I32x4ShrS)
}

// bytes pushes the four sums, clamped, as 16 bytes.
func (t *taps) bytes() {
	t.result(0)
	t.result(1)
	t.Op(I16x8NarrowI32x4S)
	t.result(2)
	t.result(3)
	t.Op(I16x8NarrowI32x4S, I8x16NarrowI16x8U)
}

// interleave are the lanes of i8x16.shuffle that take bytes from two vectors in turn: of their lower or upper halves.
var interleaveLow, interleaveHigh = func() (low, high [16]byte) {
	for i := range low {
		low[i] = byte(i/2 + i%2*16)
		high[i] = low[i] + 8
	}
	return
}()

// horizontal emits Horizontal; threads share out tiles of rows. What comes after the last row is read, too.
//
// Register tile: 4 rows × 1 pixel of 4 channels in 8 accumulators; per pair of coefficients two broadcast loads and, for
// each row, one load of two pixels, whose bytes are interleaved and widened, and two dot products.
func horizontal(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	const tile = 4
	in, pitch, rows, out := load(f, rec, fIn), load(f, rec, fPitch), load(f, rec, fRows), load(f, rec, fTo)
	table, columns := load(f, rec, fData), load(f, rec, fOW)
	tiles, t, t1, window, end, r, x := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(V128)
	row, at, to := f.Locals(tile, I32), f.Locals(tile, I32), f.Locals(tile, I32)
	v := newTaps(f, tile)
	f.Get(rows)
	f.I32(tile - 1)
	f.Op(I32Add)
	f.I32(2)
	f.Op(I32ShrU)
	f.Set(tiles)
	f.Get(table, columns)
	f.I32(4)
	f.Op(I32Shl, I32Add)
	f.Set(end)
	share(f, tiles, thread, threads, t, t1)
	each(f, t, t1, 1, func() {
		for i := range tile {
			// Rows after the last are the last again.
			f.Get(t)
			f.I32(2)
			f.Op(I32Shl)
			f.I32(int32(i))
			f.Op(I32Add)
			f.Tee(r)
			f.Get(rows)
			f.I32(1)
			f.Op(I32Sub)
			f.Get(r, rows)
			f.Op(I32LtU, Select)
			f.Tee(r)
			f.Get(pitch)
			f.Op(I32Mul)
			f.Get(in)
			f.Op(I32Add)
			f.Set(row[i])
			f.Get(r, columns)
			f.Op(I32Mul)
			f.I32(2)
			f.Op(I32Shl)
			f.Get(out)
			f.Op(I32Add)
			f.Set(to[i])
		}
		f.Get(table)
		f.Set(window)
		each(f, window, end, WindowSize, func() {
			for i := range tile {
				f.Get(row[i])
				word(f, window, 0)
				f.Op(I32Add)
				f.Set(at[i])
			}
			v.start(window)
			v.each(func() {
				for i := range tile {
					f.Get(at[i])
					f.Mem(V128Load64Zero, 0)
					f.Tee(x)
					f.Get(x)
					f.I32(32)
					f.Op(I64x2ShrU)
					f.Shuffle(interleaveLow)
					f.Op(I16x8ExtendLowI8x16U)
					f.Set(x)
					v.add(i, x)
					f.AddConst(at[i], 8)
				}
			})
			v.bytes()
			f.Set(x)
			for i := range tile {
				f.Get(to[i], x)
				f.MemLane(V128Store32Lane, 0, byte(i))
				f.AddConst(to[i], 4)
			}
		})
	})
	return f
}

// vertical emits Vertical; threads share out rows of the image.
//
// Register tile: 1 row × 4 pixels of 4 channels in 8 accumulators; per pair of coefficients two broadcast loads, a load
// from each of two rows, whose bytes are interleaved and widened, and eight dot products. The last tile of a row overlaps
// the one before it.
func vertical(m *Module) *Func {
	f := m.Func("", i32x3, nil)
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	in, from, rows, out := load(f, rec, fIn), load(f, rec, fFrom), load(f, rec, fRows), load(f, rec, fTo)
	outPitch, table, pitch := load(f, rec, fOutPitch), load(f, rec, fData), load(f, rec, fOW)
	y, y1, window, x, last, at, next := f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32), f.Local(I32)
	a, b, d, one, times, order := f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128), f.Local(V128)
	v := newTaps(f, 4)
	f.Get(pitch)
	f.I32(2)
	f.Op(I32Shl)
	f.Tee(pitch)
	f.I32(16)
	f.Op(I32Sub)
	f.Set(last)
	splat16(f, 1)
	f.Set(one)
	splat16(f, 127)
	f.Set(times)
	word(f, rec, fOrder)
	f.Mem(V128Load, 0)
	f.Set(order)
	share(f, rows, thread, threads, y, y1)
	for _, l := range []Local{y, y1} {
		f.Get(l, from)
		f.Op(I32Add)
		f.Set(l)
	}
	each(f, y, y1, 1, func() {
		f.Get(table, y)
		f.I32(4)
		f.Op(I32Shl, I32Add)
		f.Set(window)
		f.I32(0)
		f.Set(x)
		each(f, x, pitch, 16, func() {
			f.Get(x, last)
			f.Get(x, last)
			f.Op(I32LtU, Select)
			f.Tee(x)
			f.Get(in)
			f.Op(I32Add)
			word(f, window, 0)
			f.Op(I32Add)
			f.Set(at)
			v.start(window)
			v.each(func() {
				f.Get(at)
				f.Mem(V128Load, 0)
				f.Set(a)
				f.Get(at, pitch)
				f.Op(I32Add)
				f.Tee(next)
				f.Mem(V128Load, 0)
				f.Set(b)
				for i := range 4 {
					f.Get(a, b)
					f.Shuffle([][16]byte{interleaveLow, interleaveHigh}[i/2])
					f.Op([]Op{I16x8ExtendLowI8x16U, I16x8ExtendHighI8x16U}[i%2])
					f.Set(d)
					v.add(i, d)
				}
				f.Get(next, pitch)
				f.Op(I32Add)
				f.Set(at)
			})
			f.Get(out, y, outPitch)
			f.Op(I32Mul, I32Add)
			f.Get(x)
			f.Op(I32Add)
			v.bytes()
			f.Set(a)
			for _, extend := range []Op{I16x8ExtendLowI8x16U, I16x8ExtendHighI8x16U} {
				f.Get(a)
				f.Op(extend)
				f.Get(times)
				f.Op(I16x8Mul)
				f.Get(times)
				f.Op(I16x8Add)
				divide255(f, d, one)
			}
			f.Op(I8x16NarrowI16x8U)
			f.Get(order)
			f.Op(I8x16Swizzle)
			f.Mem(V128Store, 0)
		})
	})
	return f
}
