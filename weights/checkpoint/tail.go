package checkpoint

import (
	"cmp"
	"slices"
)

// tail follows the average over the whole map, the linear layer and what comes after the logits.
func (g *graph) tail(x string) error {
	x, err := g.average(x)
	if err != nil {
		return err
	}
	var n *node
	for n == nil || n.flattens() {
		if n, err = g.only(x, "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Gemm", "MatMul", "Conv"); err != nil {
			return err
		}
		x = n.outputs[0]
	}
	if x, err = g.linear(n); err != nil {
		return err
	}
	return g.end(x)
}

// flattens tells whether n only gives N×C×1×1 or N×C another shape.
func (n *node) flattens() bool {
	return slices.Contains([]string{"Flatten", "Reshape", "Squeeze", "Unsqueeze"}, n.op)
}

// end checks that what follows the logits changes no answer, and that some of it is an output.
func (g *graph) end(logits string) error {
	type state struct {
		value   string
		softmax bool
	}
	output := false
	seen := map[string]bool{}
	for list := []state{{logits, false}}; len(list) > 0; {
		x := list[len(list)-1]
		list = list[:len(list)-1]
		output = output || g.outputs[x.value]
		for _, n := range g.users[x.value] {
			switch {
			case n.op == "Sigmoid" && g.classes == 1 && !x.softmax:
				g.c.note("%v is left out: it is the probability of the second of two classes", n)
			case g.classes == 1 && slices.Contains([]string{"Softmax", "LogSoftmax", "ArgMax", "TopK"}, n.op):
				return bad("ONNX: %v of one output, which is the same for every picture; want a Sigmoid, or two outputs", n)
			case (n.op == "Softmax" || n.op == "LogSoftmax") && !x.softmax:
				if axis := n.int("axis", 1); axis != 1 && axis != -1 {
					return bad("ONNX: %v: axis %d, want the classes", n, axis)
				}
				g.c.note("%v is left out: probabilities are computed of what it reads", n)
			case n.op == "ArgMax" || n.op == "TopK":
				g.c.note("%v is left out: all classes are given", n)
			case n.op == "Sigmoid":
				return bad("ONNX: %v behind the linear layer: a network with several answers at once (multi-label), which "+
					"cannot be taken yet; want one whose classes exclude each other", n)
			case slices.Contains([]string{"Gemm", "MatMul", "Relu", "BatchNormalization"}, n.op):
				return bad("ONNX: %v behind the linear layer: want a head of one linear layer, file has several", n)
			case !n.flattens():
				return bad("ONNX: want the linear layer to be the output, file has %v behind it; export the network without it", n)
			}
			if out := n.outputs[0]; !seen[out] {
				seen[out] = true
				list = append(list, state{out, x.softmax || !n.flattens()})
			}
		}
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

// linear names the tensors of n, y = W·x + b in one node or two, or a convolution of 1×1 maps, and returns the output.
// Where there is no b it is 0.
func (g *graph) linear(n *node) (string, error) {
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
	g.classes = w.shape[0]
	g.name(w, "fc.weight")
	b, x, err := g.bias(n, w.shape[0])
	if err != nil {
		return "", err
	}
	g.name(b, "fc.bias")
	return x, nil
}

// bias is what is added to the outputs of a linear layer: its input 2, or that of an Add behind it.
func (g *graph) bias(n *node, outputs int) (b tensor, x string, err error) {
	x = n.outputs[0]
	if n.op != "MatMul" && len(n.inputs) > 2 && n.inputs[2] != "" {
		b, err = g.constant(n, 2)
		return flat(b, outputs), x, err
	}
	if users := g.users[x]; len(users) == 1 && users[0].sums() && !g.outputs[x] {
		at := 1
		if users[0].inputs[1] == x {
			at = 0
		}
		b, err = g.constant(users[0], at)
		return flat(b, outputs), users[0].outputs[0], err
	}
	// As many zeros as the matrix has rows, which are not empty: no more than its elements.
	if w := g.c.tensors[len(g.c.tensors)-1]; w.count() == 0 {
		return b, x, bad("fc: %v: want a matrix, file has %s", n, dims(w.shape))
	}
	b = tensor{shape: []int{outputs}, dtype: float32_, raw: make([]byte, 4*outputs), at: g.bytes}
	g.bytes += int64(len(b.raw))
	return b, x, nil
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
