package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"resnet-web/resnet"
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
			n.text(nodeInput, in)
		}
		n.text(nodeOutput, name)
		n.text(nodeName, name)
		n.text(nodeOp, op)
		for _, a := range attrs {
			n.add(nodeAttribute, a)
		}
		graph.add(graphNode, n)
		return name
	}
	var constants []*message
	constant := func(name string, v []float32, shape ...int) string {
		t := &message{}
		for _, n := range shape {
			t.int(tensorDims, int64(n))
		}
		t.int(tensorType, onnxFloat)
		t.text(tensorName, name)
		t.floats(tensorRaw, v)
		constants = append(constants, t)
		return name
	}
	integers := func(name string, v ...int64) string {
		t := &message{}
		t.int(tensorDims, int64(len(v)))
		t.int(tensorType, onnxInt64)
		t.text(tensorName, name)
		raw := []byte{}
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
		}
		t.text(tensorRaw, string(raw))
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
	for _, s := range f.Steps() {
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

	graph.text(graphName, f.Name)
	for _, c := range constants {
		graph.add(graphInitializer, c)
	}
	graph.add(graphInput, value("input", 3, int64(size), int64(size)))
	graph.add(graphOutput, value("logits", int64(f.Classes)))

	opset := &message{}
	opset.int(opsetVersion, 13)
	model := &message{}
	model.int(modelIR, 7)
	model.text(modelProducer, "resnet-web")
	model.add(modelGraph, graph)
	model.add(modelOpset, opset)
	return model.write(w)
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

// value is a ValueInfoProto: float32, a free batch, then dims.
func value(name string, dims ...int64) *message {
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
