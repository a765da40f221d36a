package checkpoint

import (
	"encoding/binary"
	"io"
	"math"

	"resnet-web/resnet"
)

// WriteQDQ writes m as an ONNX model (IR 7, opset 13) in which pairs of QuantizeLinear and DequantizeLinear say where
// the network rounds, so that another runtime can run it in integers: weights int8 with a scale for each output channel,
// biases int32, activations uint8 with zero point 0 and one scale for each tensor. Input and output are those of
// [WriteONNX]; the graph turns the normalised picture back into steps of 1/127.
//
// Without fast the graph is the network of package engine as nearly as ONNX has words for it. A Clip to 127 between the
// two halves of a pair keeps activations to 7 bits, with which the products of x86 processors without VNNI, summed in
// pairs in 16 bits, do not saturate either. What a block adds up is not rounded at all, where the engine keeps 16
// bits of the skip path; and where 127 times a mean lies close to half a step, the border can be one step off.
//
// With fast both terms of a block's sum are rounded to 8 bits. Runtimes that add only 8-bit integers, such as
// onnxruntime, then compute the convolutions before the sums in integers too, which they otherwise do in float32. To make
// up for some of that, activations have 8 bits over the same range: their steps are half as large, 255 of them in place
// of 127, and no Clip is needed.
//
// # Errors
//
// Those of w, a picture of less than 32×32, and a model whose layers do not fit its architecture.
func WriteQDQ(w io.Writer, m *resnet.Model, fast bool) error {
	if err := fits(m); err != nil {
		return err
	}
	net := m.Network()
	q := &qdqWriter{model: m, fast: fast, units: map[string]unit{}}
	q.zero = q.bytes("zero", onnxUint8, []byte{0})
	if !fast {
		q.top = q.bytes("top", onnxUint8, []byte{127})
	}
	q.network(net, q.picture(net.Stem.Pad), layers{
		conv:     q.conv,
		act:      q.act,
		term:     q.term,
		shortcut: func(b *resnet.Block, x string) string { return q.term(b.Proj, q.conv(b.Proj, x)) },
		pool:     func(x string) string { return q.pair(x, "maxpool", q.unit(net.Stem), "") },
		linear: func(l resnet.Linear) []string {
			layer := m.Head[l.Index]
			rows := make([]byte, len(layer.W))
			for i, v := range layer.W {
				rows[i] = byte(v)
			}
			return []string{
				q.constant(l.Name+".weight", onnxInt8, rows, layer.Scale, l.Out, l.In),
				q.floats(l.Name+".bias", layer.B, l.Out),
			}
		},
	})
	return q.write(w, net, m.Prep.Crop)
}

// qdqWriter adds a quantised network to a graph.
type qdqWriter struct {
	onnxWriter
	model *resnet.Model
	fast  bool
	zero  string          // the zero point of activations
	top   string          // the largest activation; "" with fast
	units map[string]unit // of the tensors that convolutions read
}

// unit is the real value of one step of a tensor, in the model, whose weights are made for it, and in the graph.
type unit struct{ model, graph float64 }

// unit is that of the activations after c.
func (q *qdqWriter) unit(c resnet.Conv) unit {
	s := float64(q.model.Convs[c.Index].Scale)
	if q.fast {
		return unit{s, s / 2}
	}
	return unit{s, s}
}

// picture quantises the input. It makes values of one step each, so that a mean that lies between two steps is rounded
// as the engine does it. The border goes round the normalised picture, where zero is the mean colour.
func (q *qdqWriter) picture(pad int) string {
	var std, mean [3]float32
	for i := range std {
		std[i], mean[i] = float32(127*float64(q.model.Prep.Std[i])), float32(127*float64(q.model.Prep.Mean[i]))
	}
	p := int64(pad)
	x := q.node("Pad", "border", []string{"input", q.int64s("border.pads", 0, 0, p, p, 0, 0, p, p)})
	x = q.node("Mul", "deviation", []string{x, q.floats("std", std[:], 1, 3, 1, 1)})
	x = q.node("Add", "picture", []string{x, q.floats("mean", mean[:], 1, 3, 1, 1)})
	return q.pair(x, "picture", unit{1, 1}, "")
}

// pair rounds x to steps, and to at most top unless that is "".
func (q *qdqWriter) pair(x, name string, u unit, top string) string {
	scale := q.floats(name+".scale", []float32{float32(u.graph)})
	x = q.node("QuantizeLinear", name+".rounded", []string{x, scale, q.zero})
	if top != "" {
		x = q.node("Clip", name+".clipped", []string{x, q.zero, top})
	}
	x = q.node("DequantizeLinear", name+".steps", []string{x, scale, q.zero})
	q.units[x] = u
	return x
}

func (q *qdqWriter) act(c resnet.Conv, x, name string) (next, skip string) {
	y := q.node("Relu", name, []string{x})
	next = q.pair(y, name, q.unit(c), q.top)
	if q.fast {
		return next, next
	}
	return next, y
}

// term rounds what a sum adds to 8 bits with a sign, in steps of the model's, if it has to be.
func (q *qdqWriter) term(c resnet.Conv, x string) string {
	if !q.fast {
		return x
	}
	name := c.Name + ".term"
	scale, zero := q.floats(name+".scale", []float32{q.model.Convs[c.Index].Scale}), q.bytes(name+".zero", onnxUint8, []byte{128})
	x = q.node("QuantizeLinear", name+".rounded", []string{x, scale, zero})
	return q.node("DequantizeLinear", name, []string{x, scale, zero})
}

// constant adds integers with a scale for each of their first dimension.
func (q *qdqWriter) constant(name string, kind int64, v []byte, scale []float32, shape ...int) string {
	size := onnxTypes[uint64(kind)].size
	return q.node("DequantizeLinear", name, []string{
		q.bytes(name+".steps", kind, v, shape...),
		q.floats(name+".scale", scale, len(scale)),
		q.bytes(name+".zero", kind, make([]byte, size*len(scale)), len(scale)),
	}, number("axis", 0))
}

func (q *qdqWriter) conv(c resnet.Conv, x string) string {
	p, in := q.model.Convs[c.Index], q.units[x]
	packed := unpack(p.W, c.Out, c.In, c.Kernel, c.Index == 0)
	w, row := make([]byte, len(packed)), len(packed)/c.Out
	var bias []byte
	ws, bs := make([]float32, c.Out), make([]float32, c.Out)
	for o := range c.Out {
		// The bias is counted in the steps of the products. A channel whose weights are too small for its bias to be an
		// int32 in these gets larger steps, with which its weights, next to nothing beside the bias, are rounded again.
		m, b := float64(p.M[o]), float64(p.B[o])
		s := max(m, math.Abs(b)/(1<<29))
		if s == 0 {
			s = 1
		}
		for k, v := range packed[o*row : (o+1)*row] {
			w[o*row+k] = byte(int8(math.RoundToEven(float64(v) * m / s)))
		}
		weight := s * float64(p.Scale) / in.model
		ws[o], bs[o] = float32(weight), float32(weight*in.graph)
		bias = binary.LittleEndian.AppendUint32(bias, uint32(int32(math.RoundToEven(b*float64(p.Scale)/(weight*in.graph)))))
	}
	if c.Index == 0 {
		c.Pad = 0 // the picture has its border
	}
	return q.node("Conv", c.Name, []string{
		x,
		q.constant(c.Name+".weight", onnxInt8, w, ws, c.Out, c.In, c.Kernel, c.Kernel),
		q.constant(c.Name+".bias", onnxInt32, bias, bs, c.Out),
	}, windowOf(c)...)
}
