package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"resnet-web/resnet"
)

// message is a protobuf message in pieces, so that weights are not copied to learn its length.
type message struct {
	pieces []piece
	size   int
}

type piece struct {
	bytes  []byte
	floats []float32
}

func (m *message) put(b []byte) {
	m.pieces, m.size = append(m.pieces, piece{bytes: b}), m.size+len(b)
}

func (m *message) int(field int, v int64) {
	m.put(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), uint64(v)))
}

func (m *message) head(field, size int) {
	m.put(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|2), uint64(size)))
}

func (m *message) text(field int, s string) {
	m.head(field, len(s))
	m.put([]byte(s))
}

func (m *message) floats(field int, v []float32) {
	m.head(field, 4*len(v))
	m.pieces, m.size = append(m.pieces, piece{floats: v}), m.size+4*len(v)
}

func (m *message) add(field int, sub *message) {
	m.head(field, sub.size)
	m.pieces, m.size = append(m.pieces, sub.pieces...), m.size+sub.size
}

func (m *message) write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<16)
	var four [4]byte
	for _, p := range m.pieces {
		b.Write(p.bytes) // a bufio.Writer keeps its first error for Flush
		for _, v := range p.floats {
			binary.LittleEndian.PutUint32(four[:], math.Float32bits(v))
			b.Write(four[:])
		}
	}
	return b.Flush()
}

// attribute kinds of ONNX.
const (
	attrInt  = 2
	attrInts = 7
)

// data types of ONNX.
const (
	typeFloat = 1
	typeUint8 = 2
	typeInt8  = 3
	typeInt32 = 6
	typeInt64 = 7
)

// onnxWriter is a graph that is being written: nodes in the order of execution, then the constants.
type onnxWriter struct {
	nodes     message
	constants []*message
}

// node adds an operation, whose only output has its name.
func (g *onnxWriter) node(op, name string, inputs []string, attrs ...*message) string {
	n := &message{}
	for _, in := range inputs {
		n.text(1, in)
	}
	n.text(2, name)
	n.text(3, name)
	n.text(4, op)
	for _, a := range attrs {
		n.add(5, a)
	}
	g.nodes.add(1, n)
	return name
}

// tensor adds a constant; put writes its values.
func (g *onnxWriter) tensor(name string, kind int64, shape []int, put func(*message)) string {
	t := &message{}
	for _, n := range shape {
		t.int(1, int64(n))
	}
	t.int(2, kind)
	t.text(8, name)
	put(t)
	g.constants = append(g.constants, t)
	return name
}

func (g *onnxWriter) floats(name string, v []float32, shape ...int) string {
	return g.tensor(name, typeFloat, shape, func(t *message) { t.floats(9, v) })
}

func (g *onnxWriter) bytes(name string, kind int64, v []byte, shape ...int) string {
	return g.tensor(name, kind, shape, func(t *message) {
		t.head(9, len(v))
		t.put(v)
	})
}

func (g *onnxWriter) int64s(name string, v ...int64) string {
	raw := make([]byte, 0, 8*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return g.bytes(name, typeInt64, raw, len(v))
}

// layers says how a format writes the operations that have parameters or round.
type layers struct {
	conv     func(i int, x string) string                    // convolution i of Network.Convs
	act      func(i int, x, name string) (next, skip string) // the ReLU of convolution i, for the next convolution and for a sum
	term     func(i int, x string) string                    // the output of a block's last convolution i, before the sum
	shortcut func(i int, b resnet.Block, x string) string    // a projection or pad shortcut
	pool     func(x string) string                           // the output of the max-pool
	fc       []string                                        // weights and bias of the linear layer
}

// network adds all of n, from the tensor x to "logits".
func (g *onnxWriter) network(n resnet.Network, x string, l layers) {
	x, skip := l.act(0, l.conv(0, x), "conv1.relu")
	if n.MaxPool {
		x = l.pool(g.node("MaxPool", "maxpool", []string{x}, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1)))
		skip = x
	}
	at := 1
	for _, b := range n.Blocks {
		in, last := x, at+len(b.Convs)-1
		for i, c := range b.Convs[:len(b.Convs)-1] {
			x, _ = l.act(at+i, l.conv(at+i, x), c.Name+".relu")
		}
		x = l.conv(last, x)
		at = last + 1
		if b.Shortcut == resnet.NoShortcut {
			x, skip = l.act(last, x, b.Name)
			continue
		}
		if b.HasProj() {
			skip = l.shortcut(at, b, in)
			at++
		}
		x, skip = l.act(last, g.node("Add", b.Name+".sum", []string{l.term(last, x), skip}), b.Name)
	}
	x = g.node("GlobalAveragePool", "avgpool", []string{x})
	x = g.node("Flatten", "features", []string{x})
	g.node("Gemm", "logits", append([]string{x}, l.fc...), number("transB", 1))
}

// window is the attributes of a convolution.
func window(c resnet.Conv, pad int) []*message {
	k, s, p := int64(c.Kernel), int64(c.Stride), int64(pad)
	return []*message{ints("kernel_shape", k, k), ints("strides", s, s), ints("pads", p, p, p, p)}
}

// write writes the graph as a model of n for pictures of side size (IR 7, opset 13).
func (g *onnxWriter) write(w io.Writer, n resnet.Network, size int) error {
	if size < 32 {
		return fmt.Errorf("checkpoint: ONNX for a picture of side %d, want 32 or more", size)
	}
	graph := &message{}
	graph.pieces, graph.size = g.nodes.pieces, g.nodes.size
	graph.text(2, n.Name)
	for _, c := range g.constants {
		graph.add(5, c)
	}
	graph.add(11, value("input", 3, int64(size), int64(size)))
	graph.add(12, value("logits", int64(n.Classes)))

	opset := &message{}
	opset.int(2, 13)
	model := &message{}
	model.int(1, 7)
	model.text(2, "resnet-web")
	model.add(7, graph)
	model.add(8, opset)
	return model.write(w)
}

// WriteONNX writes f as an ONNX model (IR 7, opset 13) in float32: input "input", N×3×size×size, RGB, already normalised
// by mean and standard deviation; output "logits", N×classes. The batch N is free.
//
// # Errors
//
// Those of w, and a size below 32.
func WriteONNX(w io.Writer, f *resnet.Float, size int) error {
	g := &onnxWriter{}
	conv := func(i int, x string) string {
		c := f.Convs[i]
		return g.node("Conv", c.Name, []string{x, g.floats(c.Name+".weight", c.W, c.Out, c.In, c.Kernel, c.Kernel), g.floats(c.Name+".bias", c.B, c.Out)}, window(c.Conv, c.Pad)...)
	}
	g.network(f.Network, "input", layers{
		conv: conv,
		act: func(_ int, x, name string) (next, skip string) {
			y := g.node("Relu", name, []string{x})
			return y, y
		},
		term: func(_ int, x string) string { return x },
		shortcut: func(i int, b resnet.Block, x string) string {
			if b.Shortcut == resnet.Projection {
				return conv(i, x)
			}
			// The 0/1 weights say the same.
			name, before, s := b.Proj.Name, int64(0), int64(b.Proj.Stride)
			if b.Shortcut == resnet.PadSplit {
				before = int64(b.Proj.Out-b.Proj.In) / 2
			}
			x = g.node("Slice", name+".slice", []string{x, g.int64s(name+".starts", 0, 0), g.int64s(name+".ends", math.MaxInt64, math.MaxInt64),
				g.int64s(name+".axes", 2, 3), g.int64s(name+".steps", s, s)})
			return g.node("Pad", name, []string{x, g.int64s(name+".pads", 0, before, 0, 0, 0, int64(b.Proj.Out-b.Proj.In)-before, 0, 0)})
		},
		pool: func(x string) string { return x },
		fc:   []string{g.floats("fc.weight", f.FCW, f.Classes, f.Features), g.floats("fc.bias", f.FCB, f.Classes)},
	})
	return g.write(w, f.Network, size)
}

// ints is a list attribute.
func ints(name string, v ...int64) *message {
	a := &message{}
	a.text(1, name)
	for _, x := range v {
		a.int(8, x)
	}
	a.int(20, attrInts)
	return a
}

// number is an integer attribute.
func number(name string, v int64) *message {
	a := &message{}
	a.text(1, name)
	a.int(3, v)
	a.int(20, attrInt)
	return a
}

// value is a ValueInfoProto: float32, a free batch, then dims.
func value(name string, dims ...int64) *message {
	shape, batch := &message{}, &message{}
	batch.text(2, "N")
	shape.add(1, batch)
	for _, n := range dims {
		d := &message{}
		d.int(1, n)
		shape.add(1, d)
	}
	typed, kind, v := &message{}, &message{}, &message{}
	typed.int(1, 1)
	typed.add(2, shape)
	kind.add(1, typed)
	v.text(1, name)
	v.add(2, kind)
	return v
}
