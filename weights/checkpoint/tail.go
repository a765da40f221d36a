package checkpoint

import (
	"cmp"
	"slices"
	"strconv"
)

// tail follows the average over the whole map, the linear layers and what comes after the logits.
func (g *graph) tail(x string) error {
	x, err := g.average(x)
	if err != nil {
		return err
	}
	w := g.c.wiring
	for g.classes == 0 || g.goesOn(x) {
		n, err := g.only(x, "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Gemm", "MatMul", "Conv", "Relu",
			"BatchNormalization")
		if err != nil {
			return err
		}
		x = n.outputs[0]
		m := module{name: n.String()}
		switch {
		case n.flattens():
			continue
		case n.op == "Relu":
			m.kind = relu
		case n.op == "BatchNormalization":
			if err = g.normalisation(n, &m); err != nil {
				return err
			}
		default:
			if x, err = g.linear(n, &m); err != nil {
				return err
			}
		}
		w.head = append(w.head, m)
	}
	if last := w.head[len(w.head)-1]; last.kind == relu {
		return bad("ONNX: %v behind the last linear layer: want its outputs as they are, some of them negative; export the "+
			"network without it", last.name)
	}
	return g.end(x)
}

// goesOn tells whether x leads to another layer of the head, and to nothing else.
func (g *graph) goesOn(x string) bool {
	for len(g.users[x]) == 1 {
		n := g.users[x][0]
		if !n.flattens() {
			return slices.Contains([]string{"Gemm", "MatMul", "Conv", "Relu", "BatchNormalization"}, n.op)
		}
		x = n.outputs[0]
	}
	return false
}

// leadsOn tells whether a linear layer depends on n.
func (g *graph) leadsOn(n *node) bool {
	seen := map[*node]bool{n: true}
	for list := []*node{n}; len(list) > 0; {
		n := list[len(list)-1]
		list = list[:len(list)-1]
		for _, out := range n.outputs {
			for _, user := range g.users[out] {
				if slices.Contains([]string{"Gemm", "MatMul", "Conv"}, user.op) {
					return true
				}
				if !seen[user] {
					seen[user] = true
					list = append(list, user)
				}
			}
		}
	}
	return false
}

// flattens tells whether n only gives N×C×1×1 or N×C another shape.
func (n *node) flattens() bool {
	return slices.Contains([]string{"Flatten", "Reshape", "Squeeze", "Unsqueeze"}, n.op)
}

// end checks that what follows the logits changes no answer, and that some of it is an output.
func (g *graph) end(logits string) error {
	type state struct {
		value   string
		changed bool // what is there are the logits no more
	}
	output, softmax := false, false
	seen := map[string]bool{}
	for list := []state{{logits, false}}; len(list) > 0; {
		x := list[len(list)-1]
		list = list[:len(list)-1]
		output = output || g.outputs[x.value]
		for _, n := range g.users[x.value] {
			switch {
			case n.op == "Sigmoid" && g.classes == 1 && !x.changed && !g.leadsOn(n):
				g.c.note("%v is left out: it is the probability of the second of two classes", n)
			case g.classes == 1 && slices.Contains([]string{"Softmax", "LogSoftmax", "ArgMax", "TopK"}, n.op):
				return bad("ONNX: %v of one output, which is the same for every picture; want a Sigmoid, or two outputs", n)
			case (n.op == "Softmax" || n.op == "LogSoftmax") && !x.changed:
				if axis := n.int("axis", 1); axis != 1 && axis != -1 {
					return bad("ONNX: %v: axis %d, want the classes", n, axis)
				}
				softmax = true
				g.c.note("%v is left out: probabilities are computed of what it reads", n)
			case n.op == "ArgMax" || n.op == "TopK":
				g.c.note("%v is left out: all classes are given", n)
			case n.op == "Sigmoid" && !x.changed && !g.leadsOn(n):
				g.c.MultiLabel = true
				g.c.note("%v is left out: classes do not exclude each other, and probabilities are the sigmoids of what it "+
					"reads", n)
			case slices.Contains([]string{"Gemm", "MatMul", "Conv", "Relu", "BatchNormalization"}, n.op):
				return bad("ONNX: %v behind a linear layer: want one head, in which each layer reads the one before, file has "+
					"other branches", n)
			case !n.flattens() && g.leadsOn(n):
				return bad("ONNX: %v between linear layers: only ReLU is computed there; train the network with it", n)
			case !n.flattens():
				return bad("ONNX: want the linear layer to be the output, file has %v behind it; export the network without it", n)
			}
			if out := n.outputs[0]; !seen[out] {
				seen[out] = true
				list = append(list, state{out, x.changed || !n.flattens()})
			}
		}
	}
	if softmax && g.c.MultiLabel {
		return bad("ONNX: want a Softmax or a Sigmoid at the end, file has both; export the network without one of them")
	}
	if !output {
		return bad("ONNX: want the linear layer to lead to an output, file has none behind %q", logits)
	}
	return nil
}

// average follows the nodes that average x over the whole map, and returns what they make.
func (g *graph) average(x string) (string, error) {
	const n, c, h, w, hw = 0, 1, 2, 3, 4
	axes, means := []int{n, c, h, w}, []string{"ReduceMean"}
	left := map[int]bool{h: true, w: true}
	for len(left) > 0 {
		ops := means
		if len(axes) == 4 && len(left) == 2 {
			ops = []string{"GlobalAveragePool", "ReduceMean", "AveragePool", "Pad", "Transpose", "Reshape"}
		}
		next, err := g.only(x, ops...)
		if err != nil {
			return "", err
		}
		x = next.outputs[0]
		switch next.op {
		case "GlobalAveragePool", "AveragePool", "Pad":
			if !slices.Equal(axes, []int{n, c, h, w}) {
				return "", bad("ONNX: %v: want the channels before the map", next)
			}
			if next.op == "Pad" { // by nothing: an exporter puts it before an AveragePool
				if pad, err := g.border(next, false); err != nil || pad != [4]int64{} {
					return "", cmp.Or(err, bad("ONNX: %v: padding %v before the average, want none", next, pad))
				}
				continue
			}
			if next.op == "AveragePool" {
				if err := g.whole(next); err != nil {
					return "", err
				}
			}
			return x, nil
		case "Transpose":
			if !slices.Equal(next.ints("perm"), []int64{0, 2, 3, 1}) || axes[1] != c {
				return "", bad("ONNX: %v: perm %v before the average, want [0 2 3 1]", next, next.ints("perm"))
			}
			axes = []int{n, h, w, c}
		case "Reshape":
			shape, err := g.integers(next, "shape", 1)
			if err != nil {
				return "", err
			}
			map3 := g.sideHere(g.h) * g.sideHere(g.w)
			if axes[1] != c || len(shape) != 3 || shape[1] != 0 && shape[1] != int64(g.channels) || shape[2] != -1 &&
				(map3 == 0 || shape[2] != map3) {
				return "", bad("ONNX: %v to %v before the average: want batch × %d × map", next, shape, g.channels)
			}
			axes, left = []int{n, c, hw}, map[int]bool{hw: true}
		case "ReduceMean":
			list, err := g.integers(next, "axes", 1)
			if err != nil {
				return "", err
			}
			gone := make([]bool, len(axes))
			for _, i := range list {
				if i < 0 {
					i += int64(len(axes))
				}
				if i < 0 || i >= int64(len(axes)) || !left[axes[i]] {
					return "", bad("ONNX: %v: mean over axes %v, want those of the map", next, list)
				}
				delete(left, axes[i])
				gone[i] = next.int("keepdims", 1) == 0
			}
			if len(list) == 0 {
				return "", bad("ONNX: %v: mean over no axes, want those of the map", next)
			}
			var rest []int
			for i, a := range axes {
				if !gone[i] {
					rest = append(rest, a)
				}
			}
			axes = rest
		}
	}
	return x, nil
}

// sideHere is the side of the last map of an input of the given side, 0 where that is free.
func (g *graph) sideHere(side int64) int64 { return (side + int64(g.stride) - 1) / int64(g.stride) }

// whole checks that an AveragePool takes the whole map at once.
func (g *graph) whole(n *node) error {
	if g.h == 0 || g.w == 0 {
		return bad("ONNX: %v: the input has no fixed size to tell whether this averages the whole map; export with a "+
			"fixed one, or with GlobalAveragePool", n)
	}
	want := []int64{g.sideHere(g.h), g.sideHere(g.w)}
	auto := n.attr("auto_pad")
	if !slices.Equal(n.ints("kernel_shape"), want) || n.same("pads", 0) != 0 || n.same("dilations", 1) != 1 ||
		auto != nil && auto.s != "NOTSET" && auto.s != "VALID" {
		return bad("ONNX: %v: want an average over the whole map, %d×%d of the input's %d×%d, file has kernel %v, pads %v",
			n, want[0], want[1], g.h, g.w, n.ints("kernel_shape"), n.ints("pads"))
	}
	return nil
}

// linear takes the tensors of n, y = w·x + b in one node or two, or a convolution of 1×1 maps, and returns the output.
// Where there is no b it is 0.
func (g *graph) linear(n *node, m *module) (string, error) {
	w, err := g.constant(n, 1)
	if err != nil {
		return "", err
	}
	if n.op == "Conv" {
		pads, auto := n.same("pads", 0), n.attr("auto_pad")
		if len(w.shape) != 4 || w.shape[2] != 1 || w.shape[3] != 1 || n.int("group", 1) != 1 || pads != 0 || auto != nil &&
			auto.s != "NOTSET" && auto.s != "VALID" {
			return "", bad("fc: %v: want a 1×1 convolution for a linear layer, file has weight %s, group %d, pads %v", n,
				dims(w.shape), n.int("group", 1), n.ints("pads"))
		}
		w.shape = w.shape[:2]
		if w.stride != nil {
			w.stride = w.stride[:2]
		}
	}
	if len(w.shape) != 2 {
		return "", bad("fc: want a matrix, file has %s", dims(w.shape))
	}
	for _, a := range n.attrs {
		if n.op == "Gemm" && ((a.name == "alpha" || a.name == "beta") && a.f != 1 || a.name == "transA" && a.i != 0) {
			return "", bad("fc: %s of %v, want y = W·x + b", a.name, n)
		}
	}
	if n.op == "MatMul" || n.op == "Gemm" && n.int("transB", 0) == 0 {
		w = transpose(w, 1, 0)
	}
	g.classes, m.w = w.shape[0], w
	if g.classes < 1 {
		return "", bad("fc: %v: want a matrix, file has %s", n, dims(w.shape))
	}
	return g.bias(n, m)
}

// bias takes what is added to the outputs of a linear layer: its input 2, or that of an Add behind it.
func (g *graph) bias(n *node, m *module) (x string, err error) {
	x = n.outputs[0]
	var b tensor
	if n.op != "MatMul" && len(n.inputs) > 2 && n.inputs[2] != "" {
		b, err = g.constant(n, 2)
	} else if users := g.users[x]; len(users) == 1 && users[0].sums() && !g.outputs[x] {
		at := 1
		if users[0].inputs[1] == x {
			at = 0
		}
		x = users[0].outputs[0]
		b, err = g.constant(users[0], at)
	} else {
		return x, nil
	}
	b = flat(b, m.w.shape[0])
	m.b = &b
	return x, err
}

// normalisation takes the tensors of n.
func (g *graph) normalisation(n *node, m *module) (err error) {
	m.kind = normalisation
	if n.int("training_mode", 0) != 0 || len(n.outputs) != 1 {
		return bad("ONNX: %v is in training mode; export after model.eval()", n)
	}
	for i := range m.norm {
		t, err := g.constant(n, i+1)
		if err != nil {
			return err
		}
		m.norm[i] = &t
	}
	m.epsilon, err = n.epsilon(m.name)
	return err
}

// epsilon is that of a normalisation, called norm.
func (n *node) epsilon(norm string) (float64, error) {
	a := n.attr("epsilon")
	if a == nil {
		return epsilon, nil
	}
	if !(a.f >= 0 && a.f <= 1) {
		return 0, bad("%s: epsilon %v, want 0 to 1", norm, a.f)
	}
	// The file has it as a float32. torch has a float64 of few digits, which are those of the float32's shortest text.
	return strconv.ParseFloat(strconv.FormatFloat(a.f, 'g', -1, 32), 64)
}

// flat is t as a vector where it is one of n elements, in whatever shape.
func flat(t tensor, n int) tensor {
	if t.stride == nil && t.count() == n && len(t.shape) > 1 && t.shape[len(t.shape)-1] == n {
		if t.steps != nil {
			s := *t.steps
			s.axis = 0
			t.steps = &s
		}
		t.shape = []int{n}
	}
	return t
}
