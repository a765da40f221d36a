package resnet

import (
	"fmt"
	"math"

	"resnet-web/engine"
)

// Compile turns a model into an engine program for its crop size. The model's parameters must fit its wiring, as a
// reader of model files has checked; they are referred to, not copied.
//
// # Notes
//
// A block's output is kept twice, in 7 bits for the next convolution and in 16 bits for the next sum (engine, Arithmetic).
// The first block's identity shortcut reads the max-pool output; a network without max-pool keeps its stem's output in
// 16 bits like a block's. The last block needs no 16-bit output.
//
// # Errors
//
// A crop that is too small for the network's strides.
func Compile(m *Model) (*engine.Program, error) {
	n := m.Network()
	if m.Prep.Crop < 32 {
		return nil, fmt.Errorf("resnet: want an input of at least 32×32 pixels, the model says %d", m.Prep.Crop)
	}
	var b engine.Builder
	conv := func(c Conv, q QuantConv, in, residual engine.Tensor, rs float64, out, skip bool) (engine.Tensor, engine.Tensor) {
		s := engine.ConvSpec{Name: c.Name, In: in, Channels: c.Out, Kernel: c.Kernel, Stride: c.Stride, Pad: c.Pad, W: q.W, At: q.At, M: q.M, B: q.B,
			Residual: residual, RS: float32(rs), Out: out, Skip: skip}
		side := c.OutSize(in.H)
		if c.Name == n.Stem.Name {
			s.Rows, s.Pad, side = true, 0, c.OutSize(m.Prep.Crop)
		}
		s.MACs = macs(c, side)
		return b.Conv(s)
	}

	var none engine.Tensor
	x := b.Image(m.Prep.Crop, n.Stem.Pad, border(m.Prep.Mean))
	x, skip := conv(n.Stem, m.Convs[0], x, none, 0, true, !n.MaxPool && !n.Plain)
	scale := m.Convs[0].Scale
	step := float64(scale) / 64 // real value of one step of skip
	if n.MaxPool {
		x = b.MaxPool("maxpool", x)
		skip, step = x, float64(scale)
	}
	convs := m.Convs[1:]
	for i, block := range n.Blocks {
		last := len(block.Convs) - 1
		scale = convs[last].Scale
		// The projection runs first, so that its input need not outlive the block's first convolution.
		in := x
		if block.HasProj() {
			_, skip = conv(block.Proj, convs[last+1], in, none, 0, false, true)
			step = float64(scale) / 64
		}
		if block.Shortcut == NoShortcut {
			skip = none
		}
		for k, c := range block.Convs[:last] {
			x, _ = conv(c, convs[k], x, none, 0, true, false)
		}
		keep := i+1 < len(n.Blocks) && n.Blocks[i+1].Shortcut == Identity
		x, skip = conv(block.Convs[last], convs[last], x, skip, step/float64(scale), true, keep)
		step = float64(scale) / 64
		convs = convs[last+1:]
		if block.HasProj() {
			convs = convs[1:]
		}
	}
	features := b.AvgPool("avgpool", x, scale)
	logits := b.Linear("fc", features, m.FC.W, n.Classes, n.Features, m.FC.Scale, m.FC.B)
	return b.Program(x, features, logits), nil
}

// macs counts a convolution's multiply-adds for a square output. A pad shortcut copies and counts nothing.
func macs(c Conv, side int) int64 {
	if c.Norm == "" {
		return 0
	}
	return int64(side) * int64(side) * int64(c.Out) * int64(c.In) * int64(c.Kernel) * int64(c.Kernel)
}

// border is the quantised mean colour, which stands outside the picture.
func border(mean [3]float32) (b [3]byte) {
	for i, v := range mean {
		b[i] = engine.Quantise7(byte(math.Round(255 * float64(min(max(v, 0), 1)))))
	}
	return b
}
