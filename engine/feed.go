package engine

import "resnet-web/engine/kernels"

// areas are where a picture passes through a machine's memory. They are as large as the largest picture and the wider
// filter can need; what no picture has touched takes no memory.
type areas struct {
	columns, rows int // tables, see encodeAxis
	strip         int // rows of the picture, as decoders give them
	squeezed      int // rows after the horizontal pass
	program       int // of the strip under way
}

// newAreas places them for images of size pixels a side.
func newAreas(size int, reserve func(n int) int) areas {
	// A window has at most twice the wider support's pixels, and support grows as source over result does: over all
	// windows that is four times the source, or four pixels each, one more at an end and one to make them even.
	taps := 4*MaxSide + 6*size
	table := size*kernels.WindowSize + taps*kernels.PairSize/2
	// The rows of one window, and what a strip adds to them. The kernels read one pixel or row beyond.
	window := (4*MaxSide/size + 6) * 4 * size
	return areas{columns: reserve(table), rows: reserve(table), strip: reserve(stripBytes + 64),
		squeezed: reserve(window + stripBytes + 8*size + 64), program: reserve(8 * kernels.RecordSize)}
}

// encodeAxis is an axis as the kernels read it: the windows' heads, then the pairs of each, padded with zeros; unit is the
// number of bytes from one pixel of the source to the next, at the table's address.
func encodeAxis(a axis, unit, at int) []byte {
	heads := make([]byte, 0, len(a)*kernels.WindowSize)
	var pairs []byte
	for _, w := range a {
		heads = kernels.AppendWindow(heads, w.first*unit, (len(w.coeffs)+1)/2, at+cap(heads)+len(pairs))
		for i := 0; i < len(w.coeffs); i += 2 {
			var second int32
			if i+1 < len(w.coeffs) {
				second = w.coeffs[i+1]
			}
			pairs = kernels.AppendPair(pairs, w.coeffs[i], second)
		}
	}
	return append(heads, pairs...)
}

// feed takes a picture through a machine's memory, strip by strip.
type feed struct {
	progress
	p *Program
	m *layout

	tables *Scaler // whose tables are in memory
	kept   int     // first row of the part that is still among the squeezed
	made   int     // rows of the image
}

// begin starts a picture; write puts tables into the memory, unless they are there from the last.
func (f *feed) begin(s *Scaler, write func(at int, data []byte)) {
	if f.tables == nil || f.tables.Scaling != s.Scaling {
		write(f.m.feed.columns, encodeAxis(s.columns, 4, f.m.feed.columns))
		write(f.m.feed.rows, encodeAxis(s.rows, 4*s.Size, f.m.feed.rows))
	}
	f.progress, f.tables, f.kept, f.made = progress{Scaler: s}, s, 0, 0
}

// next returns the bytecode, to be run at areas.program, that takes n more rows from the strip.
func (f *feed) next(n int, format Format) ([]byte, error) {
	before := f.taken
	if n > f.Rows() {
		panic("engine: more rows than a strip has")
	}
	if err := f.take(n, format); err != nil {
		return nil, err
	}
	var code []byte
	a, in, pad, pitch := f.m.feed, f.p.Input, f.p.pad, 4*f.Size
	if before == 0 {
		code = kernels.Fill{To: f.m.arena + in.Offset, Units: ceil(in.Bytes(), 16), Value: [4]byte{f.p.border[0], f.p.border[1], f.p.border[2], 0}}.Append(code)
	}
	if first := f.rows[f.made].first; first > f.kept && before > f.kept {
		// What no window needs any more makes room.
		gone := min(first, before) - f.kept
		code = kernels.Move{From: a.squeezed + gone*pitch, To: a.squeezed, Units: ceil((before-f.kept-gone)*pitch, 16)}.Append(code)
		f.kept += gone
	}
	if !format.opaque() {
		code = kernels.White{At: a.strip, Units: ceil(n*f.part.Dx(), 4)}.Append(code)
	}
	code = kernels.Horizontal{In: a.strip, Pitch: 4 * f.part.Dx(), Rows: n, Out: a.squeezed + (before-f.kept)*pitch, Table: a.columns, Columns: f.Size}.Append(code)
	y := f.made
	for f.made < f.Size && f.rows[f.made].first+len(f.rows[f.made].coeffs) <= f.taken {
		f.made++
	}
	if f.made > y {
		code = kernels.Vertical{In: a.squeezed - f.kept*pitch, Y: y, Y1: f.made, Out: f.m.arena + in.Offset + 4*(pad*in.W+pad), OutPitch: 4 * in.W,
			Table: a.rows, Columns: f.Size, BlueFirst: format.blueFirst()}.Append(code)
	}
	return kernels.AppendEnd(code), nil
}
