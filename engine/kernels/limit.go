package kernels

import (
	"encoding/binary"

	. "resnet-web/engine/wasmasm"
)

// Limit emits the yardstick of the benchmark: a module whose limit(n) runs one full register tile over a reduction of
// 2,304 inputs n times, everything in the first cache. It is the kernel that convolutions use, so its speed is what they
// would reach if reading, waiting and requantising cost nothing.
//
// memory is the content of the memory to import, a multiple of 64 KiB; macs are the multiply-adds of one run.
func Limit(relaxed bool) (wasm, memory []byte, macs int) {
	const reduction, page = 2304, 1 << 16
	k := Kernel{Pixels: 6, Unroll: 4}
	if !relaxed {
		k.Pixels = 4
	}
	c := Conv{Tiles: 1, Blocks: 1, Taps: 1, Groups: reduction / 4, Stride: 8, Pixels: k.Pixels}
	weights := reduction * 8
	if !relaxed {
		c.Groups, weights = reduction/8, weights*2
	}
	c.Table = ControlSize + RecordSize
	c.Params = c.Table + 4*k.Pixels
	c.Out = c.Params + 64
	c.Weights = c.Out + 8*k.Pixels
	rows := c.Weights + weights
	memory = make([]byte, page*2)
	copy(memory, Control())
	copy(memory[ControlSize:], c.Append(nil, 1))
	for p := range k.Pixels {
		binary.LittleEndian.PutUint32(memory[c.Table+4*p:], uint32(rows+p*reduction))
	}

	m := new(Module)
	m.ImportMemory("env", "memory", uint32(len(memory)/page), 0, false)
	kernel := fixedConv
	if relaxed {
		kernel = relaxedConv
	}
	tile := kernel(m, k)
	f := m.Func("limit", []Type{I32}, nil)
	f.Loop(func(next Label) {
		f.I32(ControlSize)
		f.I32(0)
		f.I32(0)
		f.I32(1)
		f.I32(int32(rows)) // the fixed kernel's packed activations
		f.Call(tile)
		f.AddConst(f.Param(0), -1)
		f.Get(f.Param(0))
		f.BrIf(next)
	})
	return m.Bytes(), memory, reduction * 8 * k.Pixels
}
