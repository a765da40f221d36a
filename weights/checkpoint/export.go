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

// WriteONNX writes f as an ONNX model (IR 7, opset 13) in float32: input "input", N×3×size×size, RGB, already normalised
// by mean and standard deviation; output "logits", N×classes. The batch N is free.
//
// # Errors
//
// Those of w, and a size below 32.
func WriteONNX(w io.Writer, f *resnet.Float, size int) error {
	if size < 32 {
		return fmt.Errorf("checkpoint: ONNX for a picture of side %d, want 32 or more", size)
	}
	graph := &message{}
	node := func(op, name string, inputs []string, attrs ...*message) string {
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
		graph.add(1, n)
		return name
	}
	var constants []*message
	constant := func(name string, v []float32, shape ...int) string {
		t := &message{}
		for _, n := range shape {
			t.int(1, int64(n))
		}
		t.int(2, 1)
		t.text(8, name)
		t.floats(9, v)
		constants = append(constants, t)
		return name
	}
	integers := func(name string, v ...int64) string {
		t := &message{}
		t.int(1, int64(len(v)))
		t.int(2, 7)
		t.text(8, name)
		raw := []byte{}
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
		}
		t.text(9, string(raw))
		constants = append(constants, t)
		return name
	}

	conv := func(x string, at int) string {
		c := f.Convs[at]
		k, s, p := int64(c.Kernel), int64(c.Stride), int64(c.Pad)
		return node("Conv", c.Name, []string{x, constant(c.Name+".weight", c.W, c.Out, c.In, c.Kernel, c.Kernel), constant(c.Name+".bias", c.B, c.Out)},
			ints("kernel_shape", k, k), ints("strides", s, s), ints("pads", p, p, p, p))
	}
	relu := func(x, name string) string { return node("Relu", name, []string{x}) }
	// pad is a shortcut without parameters, whose 0/1 weights say the same: every second row and column, then zero channels.
	pad := func(x string, b *resnet.Block) string {
		before, s := int64(0), int64(b.Proj.Stride)
		if b.Shortcut == resnet.PadSplit {
			before = int64(b.Proj.Out-b.Proj.In) / 2
		}
		name := b.Proj.Name
		x = node("Slice", name+".slice", []string{x, integers(name+".starts", 0, 0), integers(name+".ends", math.MaxInt64, math.MaxInt64),
			integers(name+".axes", 2, 3), integers(name+".steps", s, s)})
		return node("Pad", name, []string{x, integers(name+".pads", 0, before, 0, 0, 0, int64(b.Proj.Out-b.Proj.In)-before, 0, 0)})
	}

	x, skip := "input", ""
	for s := range f.Steps() {
		switch s.Kind {
		case resnet.StemConv, resnet.BlockConv:
			x = relu(conv(x, s.Conv.Index), s.Conv.Name+".relu")
		case resnet.StemPool:
			x = node("MaxPool", "maxpool", []string{x}, ints("kernel_shape", 3, 3), ints("strides", 2, 2), ints("pads", 1, 1, 1, 1))
		case resnet.BlockShortcut:
			switch s.Block.Shortcut {
			case resnet.Identity:
				skip = x
			case resnet.Projection:
				skip = conv(x, s.Conv.Index)
			default:
				skip = pad(x, s.Block)
			}
		case resnet.BlockEnd:
			x = conv(x, s.Conv.Index)
			if s.Block.Shortcut != resnet.NoShortcut {
				x = node("Add", s.Block.Name+".sum", []string{x, skip})
			}
			x = relu(x, s.Block.Name)
		case resnet.HeadPool:
			x = node("GlobalAveragePool", "avgpool", []string{x})
			x = node("Flatten", "features", []string{x})
		case resnet.HeadLinear:
			node("Gemm", "logits", []string{x, constant("fc.weight", f.FCW, f.Classes, f.Features), constant("fc.bias", f.FCB, f.Classes)}, number("transB", 1))
		}
	}

	graph.text(2, f.Name)
	for _, c := range constants {
		graph.add(5, c)
	}
	graph.add(11, value("input", 3, int64(size), int64(size)))
	graph.add(12, value("logits", int64(f.Classes)))

	opset := &message{}
	opset.int(2, 13)
	model := &message{}
	model.int(1, 7)
	model.text(2, "resnet-web")
	model.add(7, graph)
	model.add(8, opset)
	return model.write(w)
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
