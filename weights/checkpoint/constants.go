package checkpoint

import (
	"encoding/binary"
	"math"
	"slices"
)

// literal is the value of a Constant, nil where it is none of numbers.
func (g *graph) literal(n *node) *tensor {
	t := &tensor{name: n.outputs[0], dtype: float32_}
	for _, a := range n.attrs {
		switch a.name {
		case "value":
			return a.t
		case "value_float":
			t.shape, t.raw = []int{}, binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(a.f)))
		case "value_floats":
			t.shape, t.raw = []int{len(a.raw) / 4}, a.raw[:len(a.raw)/4*4]
		case "value_int", "value_ints":
			list := a.ints
			if t.shape, t.dtype = []int{len(list)}, onnxTypes[onnxInt64]; a.name == "value_int" {
				t.shape, list = []int{}, []int64{a.i}
			}
			t.raw = []byte{}
			for _, v := range list {
				t.raw = binary.LittleEndian.AppendUint64(t.raw, uint64(v))
			}
		}
	}
	if t.raw == nil {
		return nil
	}
	t.at, g.bytes = g.bytes, g.bytes+int64(len(t.raw))
	return t
}

// dequantise makes a constant of a DequantizeLinear of one.
func (g *graph) dequantise(n *node) error {
	x, ok := g.inits[n.inputs0()]
	if !ok || n.op == "QuantizeLinear" {
		return bad("ONNX: %v: this network is quantised; export it in floating point (integers are read where they are "+
			"constant weights)", n)
	}
	s := steps{axis: int(n.int("axis", 1))}
	var err error
	if s.scale, err = g.constant(n, 1); err != nil {
		return err
	}
	if len(n.inputs) > 2 && n.inputs[2] != "" {
		if s.zero, err = g.constant(n, 2); err != nil {
			return err
		}
		if s.zero.count() != s.scale.count() {
			return bad("ONNX: %v: scale %s with zero point %s", n, dims(s.scale.shape), dims(s.zero.shape))
		}
	}
	if s.axis < 0 {
		s.axis += len(x.shape)
	}
	each := s.scale.count() != 1
	if x.dtype.at = integerAt[x.dtype.name]; x.dtype.at == nil || x.stride != nil || s.scale.steps != nil ||
		s.scale.dtype.at == nil || s.zero.steps != nil ||
		n.int("block_size", 0) != 0 || each && (s.axis < 0 || s.axis >= len(x.shape) || s.scale.count() != x.shape[s.axis]) {
		return bad("ONNX: %v: want integers with one scale or one for each index of an axis, file has %s %s with scale "+
			"%s, axis %d, block_size %d; export it in floating point",
			n, x.dtype.name, dims(x.shape), dims(s.scale.shape), s.axis, n.int("block_size", 0))
	}
	if !each {
		s.axis = 0
	}
	x.steps = &s
	g.inits[n.outputs[0]] = x
	return nil
}

// reshape gives a constant the shape that n makes, or says that it cannot.
func (g *graph) reshape(n *node, t tensor) (tensor, bool) {
	if n.op == "Transpose" {
		perm := n.ints("perm")
		seen := make([]bool, len(t.shape))
		for _, p := range perm {
			if p < 0 || p >= int64(len(seen)) || seen[p] {
				return t, false
			}
			seen[p] = true
		}
		if len(perm) != len(t.shape) {
			return t, false
		}
		return transpose(t, perm...), true
	}
	list, err := g.integers(n, "shape", 1)
	if n.op != "Reshape" {
		list, err = g.integers(n, "axes", 1)
	}
	if err != nil || t.stride != nil || t.steps != nil || len(list) > maxDims {
		return t, false
	}
	var shape []int
	switch n.op {
	case "Reshape":
		free, rest := -1, 1
		for i, d := range list {
			if d == 0 && i < len(t.shape) {
				d = int64(t.shape[i])
			}
			if d < -1 || d > math.MaxInt32 || d == -1 && free >= 0 {
				return t, false
			}
			if shape = append(shape, int(d)); d == -1 {
				free = i
			} else if d > 0 && rest <= math.MaxInt32 {
				rest *= int(d)
			}
		}
		if free >= 0 {
			shape[free] = t.count() / rest
		}
	case "Squeeze":
		for i, d := range t.shape {
			if !slices.Contains(list, int64(i)) && !slices.Contains(list, int64(i-len(t.shape))) {
				shape = append(shape, d)
			}
		}
	case "Unsqueeze":
		rank, old := len(t.shape)+len(list), t.shape
		for i := range rank {
			if slices.Contains(list, int64(i)) || slices.Contains(list, int64(i-rank)) {
				shape = append(shape, 1)
			} else if len(old) > 0 {
				shape, old = append(shape, old[0]), old[1:]
			}
		}
	}
	to := t
	to.shape = shape
	limit := int64(t.count())
	if n, err := to.span(limit); err != nil || n != limit {
		return t, false
	}
	return to, true
}

// transpose permutes the axes of t.
func transpose(t tensor, perm ...int64) tensor {
	stride := t.stride
	if stride == nil {
		stride = make([]int, len(t.shape))
		n := 1
		for i := len(t.shape) - 1; i >= 0; i-- {
			stride[i], n = n, n*t.shape[i]
		}
	}
	to := t
	to.shape, to.stride = make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		to.shape[i], to.stride[i] = t.shape[p], stride[p]
	}
	if t.steps != nil {
		s := *t.steps
		s.axis = slices.Index(perm, int64(s.axis))
		to.steps = &s
	}
	return to
}

// constant is an input of n that is an initialiser.
func (g *graph) constant(n *node, input int) (tensor, error) {
	if input < len(n.inputs) {
		if t, ok := g.inits[n.inputs[input]]; ok {
			return t, nil
		}
	}
	return tensor{}, bad("ONNX: want a constant as input %d of %v", input, n)
}

// integers is a constant list of numbers: an attribute in older opsets, an input in newer ones.
func (g *graph) integers(n *node, name string, input int) ([]int64, error) {
	if a := n.attr(name); a != nil {
		return a.ints, nil
	}
	t, err := g.constant(n, input)
	if err != nil {
		return nil, err
	}
	if t.dtype.name != "int64" || t.count() > 64 || t.stride != nil || t.steps != nil {
		return nil, bad("ONNX: want a few int64 as input %d of %v, file has %s %s", input, n, t.dtype.name, dims(t.shape))
	}
	if t.raw, err = g.c.bytes(t, int64(t.count())); err != nil {
		return nil, err
	}
	v := make([]int64, t.count())
	for i := range v {
		v[i] = int64(binary.LittleEndian.Uint64(t.raw[8*i:]))
	}
	return v, nil
}

// numbers are the elements of a small constant of any type, at least one and at most limit.
func (g *graph) numbers(t tensor, limit int) ([]float64, error) {
	if n := t.count(); n < 1 || n > limit || t.steps != nil {
		return nil, bad("ONNX: %s: want 1 to %d numbers, file has %s %s", t.name, limit, t.dtype.name, dims(t.shape))
	}
	return g.c.numbers(t)
}
