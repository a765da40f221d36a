package engine

import (
	"encoding/binary"
	"fmt"
	"math"

	"resnet-web/engine/kernels"
)

// layout is a program lowered for one machine: everything that goes into its memory, and where.
type layout struct {
	kernels []kernels.Kernel
	program int   // address of the bytecode
	records []int // address of each op's record
	arena   int   // address of the arena
	feed    areas // for pictures on their way to the arena
	size    int   // bytes of memory
	parts   []part
}

// part is a piece of the memory's first content, in ascending order of address: data, or n bytes of the file from.
type part struct {
	at      int
	data    []byte
	from, n int
}

// wasmPage is the unit of a memory's size.
const wasmPage = 1 << 16

// pages is the size of the memory.
func (m *layout) pages() int { return (m.size + wasmPage - 1) / wasmPage }

// lower lays out p for a machine and its threads: control area, a run of zeros for padding, weights and parameters,
// activations, input row tables, scratch, bytecode, and what pictures pass through on their way to the arena.
//
// choose picks kernels: the function choose below, or another to try them all.
func lower(p *Program, relaxed bool, threads int, choose func(o *Op, relaxed bool, threads int) choice) (*layout, error) {
	l := lowering{layout: &layout{}, ops: p.Ops, relaxed: relaxed, threads: threads, choose: choose,
		consts: make([]consts, len(p.Ops)), convs: make([]kernels.Conv, len(p.Ops)),
		numbers: map[kernels.Kernel]int{}, tables: map[tableKey]int{}}
	l.add(kernels.Control())
	longest := 0
	for i := range p.Ops {
		if o := &p.Ops[i]; o.Kind == Conv {
			longest = max(longest, o.Run())
		}
	}
	l.zeros = l.add(make([]byte, longest+8))
	// First everything whose size does not depend on the arena's address, then the arena, then what points into it.
	for i := range p.Ops {
		l.constants(i)
	}
	l.arena = l.size
	l.size += p.Arena
	for i := range p.Ops {
		if p.Ops[i].Kind == Conv {
			l.convolution(i)
		}
	}
	l.scratchAt = l.size
	l.size += l.scratch * threads
	l.program = l.size
	for i := range p.Ops {
		l.records = append(l.records, l.program+len(l.code))
		l.record(i)
	}
	l.add(kernels.AppendEnd(l.code))
	l.feed = newAreas(p.ImageSize(), l.reserve)
	if l.pages() > 1<<16 {
		return nil, fmt.Errorf("engine: the network needs %d MB, WebAssembly's memory ends at 4096 MB", l.size>>20)
	}
	return l.layout, nil
}

// lowering is a layout under way.
type lowering struct {
	*layout
	ops     []Op
	relaxed bool
	threads int
	choose  func(o *Op, relaxed bool, threads int) choice

	zeros     int      // address of zeros that rows in the padding are read from
	consts    []consts // by op
	convs     []kernels.Conv
	numbers   map[kernels.Kernel]int // of the kernels, in layout.kernels
	tables    map[tableKey]int       // addresses of row tables
	scratch   int                    // bytes per thread
	scratchAt int
	code      []byte
}

// consts are the addresses of an op's weights and of its parameters.
type consts struct{ weights, params int }

// place puts p at the end of the memory and returns its address.
func (l *lowering) place(p part) int {
	p.at = l.size
	l.parts = append(l.parts, p)
	l.size += (p.n + arenaAlign - 1) &^ (arenaAlign - 1)
	return p.at
}

// reserve leaves n bytes at the end of the memory and returns their address.
func (l *lowering) reserve(n int) int {
	at := l.size
	l.size += (n + arenaAlign - 1) &^ (arenaAlign - 1)
	return at
}

func (l *lowering) add(data []byte) int { return l.place(part{data: data, n: len(data)}) }

// constants places what op i reads beside activations.
func (l *lowering) constants(i int) {
	o, c := &l.ops[i], &l.consts[i]
	switch {
	case o.Kind == Linear:
		c.weights, c.params = l.add(bytesOf(o.W)), l.add(floats(o.M, o.B))
		return
	case o.Kind != Conv:
		return
	case !l.relaxed:
		c.weights = l.add(widen(o))
	case o.W == nil:
		c.weights = l.place(part{from: o.At, n: o.packedSize()})
	default:
		c.weights = l.add(bytesOf(o.W))
	}
	c.params = l.add(convParams(o))
}

// convolution chooses the kernel of op i and describes its run, but for the scratch.
func (l *lowering) convolution(i int) {
	o := &l.ops[i]
	k := l.choose(o, l.relaxed, l.threads)
	if _, ok := l.numbers[k.Kernel]; !ok {
		l.numbers[k.Kernel] = len(l.kernels)
		l.kernels = append(l.kernels, k.Kernel)
	}
	g := o.output()
	key := tableKey{o.In.Offset, o.In.H, o.In.W, o.In.C, g.H, g.W, o.Kernel, o.Stride, o.Pad, k.Pixels, o.Rows}
	table, ok := l.tables[key]
	if !ok {
		table = l.add(rowTable(o, k.Pixels, l.arena+o.In.Offset, l.zeros))
		l.tables[key] = table
	}
	c := kernels.Conv{Kernel: l.numbers[k.Kernel], ByBlocks: k.byBlocks, Tiles: ceil(g.H*g.W, k.Pixels), Blocks: g.C / 8, Table: table,
		Taps: o.Taps(), Groups: o.Run() / 4, Weights: l.consts[i].weights, Params: l.consts[i].params, Stride: g.C, Pixels: g.H * g.W,
		RS: o.RS, Chunk: k.chunk, Out: l.arena + o.Out.Offset, Skip: l.arena + o.Skip.Offset, Residual: l.arena + o.Residual.Offset}
	if !l.relaxed {
		c.Groups = ceil(o.Run(), 8)
		l.scratch = max(l.scratch, min(c.Chunk, c.Tiles)*packed(o, k.Pixels))
	}
	l.convs[i] = c
}

// record appends op i to the bytecode.
func (l *lowering) record(i int) {
	o, c := &l.ops[i], l.consts[i]
	in, out := l.arena+o.In.Offset, l.arena+o.Out.Offset
	switch o.Kind {
	case Conv:
		l.convs[i].Scratch, l.convs[i].ScratchSize = l.scratchAt, l.scratch
		l.code = l.convs[i].Append(l.code, len(l.kernels))
	case MaxPool:
		l.code = kernels.MaxPool{In: in, Out: out, H: o.In.H, W: o.In.W, C: o.In.C, OH: o.Out.H, OW: o.Out.W}.Append(l.code)
	case AvgPool:
		l.code = kernels.AvgPool{In: in, Out: out, Pixels: o.In.H * o.In.W, C: o.In.C, Scale: o.Scale}.Append(l.code)
	case Linear:
		l.code = kernels.Linear{In: in, Out: out, Weights: c.weights, Scale: c.params, Bias: c.params + 4*len(o.M), Rows: o.Out.C, K: o.In.C, ReLU: o.ReLU}.Append(l.code)
	}
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

// bounded reports whether no weights and no image can take the convolution's values to kernels.MaxBounded, which is so for
// nearly all layers of trained networks. Half a unit in the last place of each rounding is far below the margin of 1 %.
func bounded(o *Op) bool {
	const limit = kernels.MaxBounded * 0.99
	most := float64(o.Taps() * o.Run() * 128 * 127)
	for i, m := range o.M {
		if !(most*math.Abs(float64(m))+math.Abs(float64(o.B[i]))+32768*math.Abs(float64(o.RS)) < limit) {
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
