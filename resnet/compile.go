package resnet

import (
	"fmt"
	"math"

	"resnet-web/engine"
)

// Compile turns a model into an engine program for its crop size. The model's parameters must fit its wiring, which a
// reader of model files has checked. The program refers to them and copies none.
//
// # Notes
//
// A block's output is kept twice, in 7 bits for the next convolution and in 16 bits for the next sum (engine, Arithmetic).
// Only an output that an identity shortcut reads is kept in 16 bits; where that is the max-pool's, the shortcut reads the
// 7 bits.
//
// # Errors
//
// A crop that is too small for the network's strides.
func Compile(m *Model) (*engine.Program, error) {
	n := m.Network()
	if m.Prep.Crop < 32 {
		return nil, fmt.Errorf("resnet: want an input of at least 32×32 pixels, the model says %d", m.Prep.Crop)
	}
	// Activations that a later identity shortcut adds are kept in 16 bits too.
	kept := map[string]bool{}
	for _, s := range n.Steps() {
		if s.Kind == BlockShortcut && s.Conv == nil {
			kept[s.In] = true
		}
	}

	var b engine.Builder
	var none, x, skip, last, features, logits engine.Tensor
	var scale float32 // real value of one step of x
	var step float64  // and of one of skip
	// conv adds the convolution of step s, which reads x.
	conv := func(s Step, residual engine.Tensor, rs float64, out, keep bool) (engine.Tensor, engine.Tensor) {
		c, q := *s.Conv, m.Convs[s.Conv.Index]
		spec := engine.ConvSpec{Name: c.Name, In: x, Channels: c.Out, Kernel: c.Kernel, Stride: c.Stride, Pad: c.Pad, W: q.W, At: q.At, M: q.M, B: q.B,
			Residual: residual, RS: float32(rs), Out: out, Skip: keep}
		side := c.OutSize(x.H)
		if c.Index == 0 {
			x = b.Image(m.Prep.Crop, c.Pad, border(m.Prep.Mean))
			side = c.OutSize(m.Prep.Crop)
			spec.In, spec.Rows, spec.Pad = x, true, 0
		}
		spec.MACs = macs(c, side)
		scale = q.Scale
		return b.Conv(spec)
	}
	for _, s := range n.Steps() {
		switch s.Kind {
		case StemConv:
			x, skip = conv(s, none, 0, true, kept[s.Out])
			step = float64(scale) / 64
		case StemPool:
			x = b.MaxPool("maxpool", x)
			skip, step = x, float64(scale)
		case BlockShortcut:
			if s.Conv != nil {
				_, skip = conv(s, none, 0, false, true)
				step = float64(scale) / 64
			}
		case BlockConv:
			x, _ = conv(s, none, 0, true, false)
		case BlockEnd:
			if s.Block.Shortcut == NoShortcut {
				skip = none
			}
			x, skip = conv(s, skip, step/float64(m.Convs[s.Conv.Index].Scale), true, kept[s.Out])
			step = float64(scale) / 64
		case HeadPool:
			last = x
			features = b.AvgPool("avgpool", x, scale)
			logits = features
		case HeadHidden, HeadLinear:
			l, q := s.Linear, m.Head[s.Linear.Index]
			logits = b.Linear(engine.LinearSpec{Name: l.Name, In: logits, Rows: l.Out, Columns: l.In, W: q.W, Scale: q.Scale, B: q.B,
				ReLU: s.Kind == HeadHidden})
		}
	}
	return b.Program(last, features, logits), nil
}

// macs counts a convolution's multiply-adds for a square output. A pad shortcut only copies.
func macs(c Conv, side int) int64 {
	if c.Fixed() {
		return 0
	}
	return int64(side) * int64(side) * int64(c.Out) * int64(c.In) * int64(c.Kernel) * int64(c.Kernel)
}

// border is the quantised mean colour, with which the first convolution pads the picture.
func border(mean [3]float32) (b [3]byte) {
	for i, v := range mean {
		b[i] = engine.Quantise7(byte(math.Round(255 * float64(min(max(v, 0), 1)))))
	}
	return b
}
