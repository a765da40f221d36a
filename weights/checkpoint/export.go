package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"resnet-web/resnet"
)

// WriteONNX writes f as an ONNX model (IR 7, opset 13) in float32: input "input", N×3×size×size, RGB, already normalised
// by mean and standard deviation; output "logits", N×classes, of a multi-label network too, whose probabilities are
// their sigmoids. The batch N is free.
//
// # Errors
//
// Those of w, and a size below 32.
func WriteONNX(w io.Writer, f *resnet.Float, size int) error {
	g := &onnxWriter{}
	conv := func(c resnet.Conv, x string) string {
		p := f.Convs[c.Index]
		return g.node("Conv", c.Name, []string{x, g.floats(c.Name+".weight", p.W, c.Out, c.In, c.Kernel, c.Kernel), g.floats(c.Name+".bias", p.B, c.Out)}, windowOf(c)...)
	}
	g.network(f.Network, "input", layers{
		conv: conv,
		act: func(_ resnet.Conv, x, name string) (next, skip string) {
			y := g.node("Relu", name, []string{x})
			return y, y
		},
		term: func(_ resnet.Conv, x string) string { return x },
		shortcut: func(b *resnet.Block, x string) string {
			c := b.Proj
			if b.Shortcut == resnet.Projection {
				return conv(c, x)
			}
			// The 0/1 weights of a pad shortcut say the same: every second row and column, then zero channels.
			before, s := int64(0), int64(c.Stride)
			if b.Shortcut == resnet.PadSplit {
				before = int64(c.Out-c.In) / 2
			}
			x = g.node("Slice", c.Name+".slice", []string{x, g.int64s(c.Name+".starts", 0, 0), g.int64s(c.Name+".ends", math.MaxInt64, math.MaxInt64),
				g.int64s(c.Name+".axes", 2, 3), g.int64s(c.Name+".steps", s, s)})
			return g.node("Pad", c.Name, []string{x, g.int64s(c.Name+".pads", 0, before, 0, 0, 0, int64(c.Out-c.In)-before, 0, 0)})
		},
		pool: func(x string) string { return x },
		linear: func(l resnet.Linear) []string {
			p := f.Head[l.Index]
			return []string{g.floats(l.Name+".weight", p.W, l.Out, l.In), g.floats(l.Name+".bias", p.B, l.Out)}
		},
	})
	return g.write(w, f.Network, size)
}

// onnxWriter is a graph that is being written: nodes in the order of execution, then the constants.
type onnxWriter struct {
	graph     message
	constants []*message
}

// node adds an operation, whose only output has its name.
func (g *onnxWriter) node(op, name string, inputs []string, attrs ...*message) string {
	n := &message{}
	for _, in := range inputs {
		n.text(nodeInput, in)
	}
	n.text(nodeOutput, name)
	n.text(nodeName, name)
	n.text(nodeOp, op)
	for _, a := range attrs {
		n.add(nodeAttribute, a)
	}
	g.graph.add(graphNode, n)
	return name
}

// tensor adds a constant of a type of ONNX; put writes its values.
func (g *onnxWriter) tensor(name string, kind int64, shape []int, put func(*message)) string {
	t := &message{}
	for _, n := range shape {
		t.int(tensorDims, int64(n))
	}
	t.int(tensorType, kind)
	t.text(tensorName, name)
	put(t)
	g.constants = append(g.constants, t)
	return name
}

func (g *onnxWriter) floats(name string, v []float32, shape ...int) string {
	return g.tensor(name, onnxFloat, shape, func(t *message) { t.floats(tensorRaw, v) })
}

func (g *onnxWriter) bytes(name string, kind int64, v []byte, shape ...int) string {
	return g.tensor(name, kind, shape, func(t *message) {
		t.head(tensorRaw, len(v))
		t.put(v)
	})
}

func (g *onnxWriter) int64s(name string, v ...int64) string {
	raw := make([]byte, 0, 8*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return g.bytes(name, onnxInt64, raw, len(v))
}

// layers says how a format writes the operations that have parameters or round.
type layers struct {
	conv     func(c resnet.Conv, x string) string
	act      func(c resnet.Conv, x, name string) (next, skip string) // the ReLU after c, for the next convolution and for a sum
	term     func(c resnet.Conv, x string) string                    // the output of a block's last convolution, before the sum
	shortcut func(b *resnet.Block, x string) string                  // a projection or pad shortcut
	pool     func(x string) string                                   // the output of the max-pool
	linear   func(l resnet.Linear) []string                          // weights and bias of a layer of the head
}

// network adds all of n, from the tensor x to "logits".
func (g *onnxWriter) network(n resnet.Network, x string, l layers) {
	var skip string     // what x is to a sum
	var shortcut string // of the block under way
	for _, s := range n.Steps() {
		switch s.Kind {
		case resnet.StemConv, resnet.BlockConv:
			x, skip = l.act(*s.Conv, l.conv(*s.Conv, x), s.Conv.Name+".relu")
		case resnet.StemPool:
			x = l.pool(g.node("MaxPool", "maxpool", []string{x}, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1)))
			skip = x
		case resnet.BlockShortcut:
			shortcut = skip
			if s.Conv != nil {
				shortcut = l.shortcut(s.Block, x)
			}
		case resnet.BlockEnd:
			x = l.conv(*s.Conv, x)
			if s.Block.Shortcut != resnet.NoShortcut {
				x = g.node("Add", s.Block.Name+".sum", []string{l.term(*s.Conv, x), shortcut})
			}
			x, skip = l.act(*s.Conv, x, s.Block.Name)
		case resnet.HeadPool:
			x = g.node("GlobalAveragePool", "avgpool", []string{x})
			x = g.node("Flatten", "features", []string{x})
		case resnet.HeadHidden:
			x = g.node("Gemm", s.Linear.Name, append([]string{x}, l.linear(*s.Linear)...), number("transB", 1))
			x = g.node("Relu", s.Linear.Name+".relu", []string{x})
		case resnet.HeadLinear:
			g.node("Gemm", "logits", append([]string{x}, l.linear(*s.Linear)...), number("transB", 1))
		}
	}
}

// write writes the graph as a model of n for pictures of side size (IR 7, opset 13).
func (g *onnxWriter) write(w io.Writer, n resnet.Network, size int) error {
	if size < 32 {
		return fmt.Errorf("checkpoint: ONNX for a picture of side %d, want 32 or more", size)
	}
	g.graph.text(graphName, n.Name)
	for _, c := range g.constants {
		g.graph.add(graphInitializer, c)
	}
	g.graph.add(graphInput, valueInfo("input", 3, int64(size), int64(size)))
	g.graph.add(graphOutput, valueInfo("logits", int64(n.Classes)))

	opset := &message{}
	opset.int(opsetVersion, 13)
	model := &message{}
	model.int(modelIR, 7)
	model.text(modelProducer, "resnet-web")
	model.add(modelGraph, &g.graph)
	model.add(modelOpset, opset)
	return model.write(w)
}

// windowOf is the attributes of a convolution.
func windowOf(c resnet.Conv) []*message {
	k, s, p := int64(c.Kernel), int64(c.Stride), int64(c.Pad)
	return []*message{ints("kernel_shape", k, k), ints("strides", s, s), ints("pads", p, p, p, p)}
}

// ints is a list attribute.
func ints(name string, v ...int64) *message {
	a := &message{}
	a.text(attributeName, name)
	for _, x := range v {
		a.int(attributeInts, x)
	}
	a.int(attributeType, attributeIsInts)
	return a
}

// number is an integer attribute.
func number(name string, v int64) *message {
	a := &message{}
	a.text(attributeName, name)
	a.int(attributeInt, v)
	a.int(attributeType, attributeIsInt)
	return a
}

// valueInfo is a ValueInfoProto: float32, a free batch, then dims.
func valueInfo(name string, dims ...int64) *message {
	shape, batch := &message{}, &message{}
	batch.text(dimParameter, "N")
	shape.add(shapeDim, batch)
	for _, n := range dims {
		d := &message{}
		d.int(dimValue, n)
		shape.add(shapeDim, d)
	}
	typed, kind, v := &message{}, &message{}, &message{}
	typed.int(typeElement, onnxFloat)
	typed.add(typeShape, shape)
	kind.add(typeTensor, typed)
	v.text(valueName, name)
	v.add(valueType, kind)
	return v
}
