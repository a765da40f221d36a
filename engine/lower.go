package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"resnet-web/engine/kernels"
)

// image is a program lowered for one machine: everything that goes into its memory, and where.
type image struct {
	kernels []kernels.Kernel
	program int   // address of the bytecode
	records []int // address of each op's record
	arena   int   // address of the arena
	size    int   // bytes of memory
	parts   []part
}

// part is a piece of the memory's first content, in ascending order of address.
type part struct {
	at   int
	data []byte
}

// wasmPage is the unit of a memory's size.
const wasmPage = 1 << 16

// pages is the size of the memory.
func (m *image) pages() int { return (m.size + wasmPage - 1) / wasmPage }

// lower lays out p for a machine and its threads: control area, input row tables, a run of zeros for padding, weights,
// parameters, bytecode, activations, scratch.
//
// choose picks kernels: the function choose below, or another to try them all.
func lower(p *Program, relaxed bool, threads int, choose func(o *Op, relaxed bool, threads int) choice) (*image, error) {
	m := &image{}
	add := func(data []byte) int {
		at := m.size
		m.parts = append(m.parts, part{at, data})
		m.size += (len(data) + arenaAlign - 1) &^ (arenaAlign - 1)
		return at
	}
	add(kernels.Control())
	longest, scratch := 0, 0
	for i := range p.Ops {
		if o := &p.Ops[i]; o.Kind == Conv {
			longest = max(longest, o.Run())
		}
	}
	zeros := add(make([]byte, longest+8))

	// First everything whose size does not depend on the arena's address, then the arena, then what points into it.
	type consts struct{ w, params int }
	at := make([]consts, len(p.Ops))
	for i := range p.Ops {
		switch o := &p.Ops[i]; o.Kind {
		case Conv:
			if relaxed {
				at[i].w = add(bytesOf(o.W))
			} else {
				at[i].w = add(widen(o))
			}
			at[i].params = add(convParams(o))
		case Linear:
			at[i].w = add(bytesOf(o.W))
			at[i].params = add(floats(o.M, o.B))
		}
	}
	m.arena = m.size
	m.size += p.Arena

	tables := map[tableKey]int{}
	place := map[kernels.Kernel]int{}
	convs := make([]kernels.Conv, len(p.Ops))
	for i := range p.Ops {
		o := &p.Ops[i]
		if o.Kind != Conv {
			continue
		}
		k := choose(o, relaxed, threads)
		if _, ok := place[k.Kernel]; !ok {
			place[k.Kernel] = len(m.kernels)
			m.kernels = append(m.kernels, k.Kernel)
		}
		g := o.output()
		key := tableKey{o.In.Offset, o.In.H, o.In.W, o.In.C, g.H, g.W, o.Kernel, o.Stride, o.Pad, k.Pixels, o.Rows}
		table, ok := tables[key]
		if !ok {
			table = add(rowTable(o, k.Pixels, m.arena+o.In.Offset, zeros))
			tables[key] = table
		}
		c := kernels.Conv{Kernel: place[k.Kernel], ByBlocks: k.byBlocks, Tiles: ceil(g.H*g.W, k.Pixels), Blocks: g.C / 8, Table: table,
			Taps: o.Taps(), Groups: o.Run() / 4, Weights: at[i].w, Params: at[i].params, Stride: g.C, Pixels: g.H * g.W, RS: o.RS, Chunk: k.chunk,
			Out: m.arena + o.Out.Offset, Skip: m.arena + o.Skip.Offset, Residual: m.arena + o.Residual.Offset}
		if !relaxed {
			c.Groups = ceil(o.Run(), 8)
			scratch = max(scratch, min(c.Chunk, c.Tiles)*packed(o, k.Pixels))
		}
		convs[i] = c
	}
	scratchAt := m.size
	m.size += scratch * threads

	var code []byte
	m.program = m.size
	for i := range p.Ops {
		o := &p.Ops[i]
		m.records = append(m.records, m.program+len(code))
		in, out := m.arena+o.In.Offset, m.arena+o.Out.Offset
		switch o.Kind {
		case Conv:
			convs[i].Scratch, convs[i].ScratchSize = scratchAt, scratch
			code = convs[i].Append(code, len(m.kernels))
		case MaxPool:
			code = kernels.MaxPool{In: in, Out: out, H: o.In.H, W: o.In.W, C: o.In.C, OH: o.Out.H, OW: o.Out.W}.Append(code)
		case AvgPool:
			code = kernels.AvgPool{In: in, Out: out, Pixels: o.In.H * o.In.W, C: o.In.C, Scale: o.Scale}.Append(code)
		case Linear:
			code = kernels.Linear{In: in, Out: out, Weights: at[i].w, Scale: at[i].params, Bias: at[i].params + 4*len(o.M), Rows: o.Out.C, K: o.In.C}.Append(code)
		}
	}
	add(kernels.AppendEnd(code))
	if m.pages() > 1<<16 {
		return nil, fmt.Errorf("engine: the network needs %d MB, WebAssembly's memory ends at 4096 MB", m.size>>20)
	}
	return m, nil
}

// choice is how one convolution runs.
type choice struct {
	kernels.Kernel
	chunk    int // tiles
	byBlocks bool
}

// chunkBytes is how much of a convolution's activations (output, residual and, for the fixed machine, packed input) one
// chunk of tiles touches: half of a small second-level cache, so that they stay there while all blocks of weights stream
// past.
const chunkBytes = 256 << 10

// packed is the size of a tile's packed input in the fixed machine.
func packed(o *Op, pixels int) int { return o.Taps() * ceil(o.Run(), 8) * pixels * 16 }

// choose picks tile, unrolling and the split between threads for a convolution's shape.
func choose(o *Op, relaxed bool, threads int) choice {
	g := o.output()
	pixels := g.H * g.W
	var c choice
	switch {
	case o.Out.Exists() && o.Skip.Exists():
		c.Output = kernels.OutBoth
	case o.Skip.Exists():
		c.Output = kernels.OutI16
	}
	if r := o.Residual; r.Exists() {
		c.Residual = kernels.ResU7
		if r.Type == I16 {
			c.Residual = kernels.ResI16
		}
	}
	c.Bounded = bounded(o)
	// The tile that wastes least work in its overlapping last tile, weighted by what it costs per pixel (TestSweep).
	cost := []float64{0, 3, 2, 1.42, 1.13, 1.05, 1}
	if !relaxed {
		cost = []float64{0, 2, 1.2, 1.08, 1.02, 1, 1.4}
	}
	best := math.Inf(1)
	for t := len(cost) - 1; t >= 1; t-- {
		if work := float64(ceil(pixels, t)*t) * cost[t]; t <= pixels && work < best {
			best, c.Pixels = work, t
		}
	}
	c.Unroll = 1
	if relaxed {
		groups := o.Run() / 4
		for _, u := range []int{4, 7, 3, 2} {
			if groups%u == 0 {
				c.Unroll = u
				break
			}
		}
	}
	per := 0
	for _, t := range []Tensor{o.Out, o.Skip, o.Residual} {
		if t.Exists() {
			per += g.C * t.Type.Size()
		}
	}
	per *= c.Pixels
	if !relaxed {
		per += packed(o, c.Pixels)
	}
	c.chunk = max(chunkBytes/per, 1)
	// Few tiles do not divide evenly among threads; blocks of channels do.
	c.byBlocks = threads > 1 && ceil(pixels, c.Pixels) < 16*threads && g.C/8 >= threads
	return c
}

// bounded reports whether no image can take the convolution's values to kernels.MaxBounded. First by the largest weights
// there could be, which is quick and enough for nearly all; then by those there are. Half a unit in the last place of
// each rounding is far below the margin of 1 %.
func bounded(o *Op) bool {
	const limit = kernels.MaxBounded * 0.99
	taps, run := o.Taps(), o.Run()
	for i, m := range o.M {
		rest := math.Abs(float64(o.B[i])) + 32768*math.Abs(float64(o.RS))
		sum := float64(taps * run * 127)
		if sum*127*math.Abs(float64(m))+rest < limit {
			continue
		}
		sum = 0
		block := o.W[i/8*taps*run*8:][:taps*run*8]
		for k := i % 8 * 4; k < len(block); k += 32 {
			for _, w := range block[k : k+4] {
				sum += math.Abs(float64(w))
			}
		}
		if !(sum*127*math.Abs(float64(m))+rest < limit) {
			return false
		}
	}
	return true
}

func ceil(n, by int) int { return (n + by - 1) / by }

// tableKey is what a row table depends on: convolutions that read alike share one.
type tableKey struct {
	offset, h, w, c, oh, ow, kernel, stride, pad, tile int
	rows                                               bool
}

// rowTable lists the address of every input row that a tile reads, [tile][tap][pixel]; rows in the padding are at zeros.
func rowTable(o *Op, tile, in, zeros int) []byte {
	g := o.output()
	pixels, taps := g.H*g.W, o.Taps()
	b := make([]byte, 0, ceil(pixels, tile)*taps*tile*4)
	for t := 0; t < pixels; t += tile {
		for tap := range taps {
			for i := range tile {
				at := min(t, pixels-tile) + i
				y, x := at/g.W*o.Stride-o.Pad, at%g.W*o.Stride-o.Pad
				if o.Rows {
					y += tap
				} else {
					y, x = y+tap/o.Kernel, x+tap%o.Kernel
				}
				address := zeros
				if y >= 0 && y < o.In.H && x >= 0 && x < o.In.W {
					address = in + (y*o.In.W+x)*o.In.C
				}
				b = binary.LittleEndian.AppendUint32(b, uint32(address))
			}
		}
	}
	return b
}

// widen is the convolution's weights for the fixed machine.
func widen(o *Op) []byte {
	taps, groups := o.Taps(), o.Run()/4
	packed, wide := taps*groups*32, taps*ceil(groups, 2)*128
	b := make([]byte, o.output().C/8*wide)
	for i := range o.output().C / 8 {
		kernels.Widen(b[i*wide:], o.W[i*packed:], taps, groups)
	}
	return b
}

// convParams interleaves m and b by block of 8 channels.
func convParams(o *Op) []byte {
	var b []byte
	for i := 0; i < len(o.M); i += 8 {
		b = append(b, floats(o.M[i:i+8], o.B[i:i+8])...)
	}
	return b
}

func floats(lists ...[]float32) []byte {
	var b []byte
	for _, list := range lists {
		for _, v := range list {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}
