package checkpoint

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
)

// An ONNX file has no layer names to rely on: exporters rename, fold and deduplicate. So the graph is followed from its
// input to its output, and what it passes gets torchvision's names by its place.

// graph is the part of a ModelProto that matters here.
type graph struct {
	nodes   []*node
	inits   map[string]tensor
	inputs  map[string]value   // the initialisers among them until link
	alias   map[string]string  // outputs of nodes that change nothing
	users   map[string][]*node // by the value they read
	made    map[string]*node   // by the value they write; constants have none
	c       *Checkpoint
	outputs map[string]bool
	bytes   int64            // of the constants so far: a tensor's place among them is its at
	parts   map[string]*part // files beside the model, by their names in it
	side    int64            // of the input
	stride  int              // of all layers so far
}

// link resolves constants and nodes that change nothing, finds the readers of each value, and makes sure that values
// are written once and before they are read: so there is no cycle to follow.
func (g *graph) link() error {
	written := map[string]bool{"": true} // an optional input
	for name := range g.inputs {
		written[name] = true
	}
	for name := range g.inits {
		written[name] = true
		delete(g.inputs, name)
	}
	if len(g.inputs) != 1 {
		return bad("ONNX: want one input, file has %d", len(g.inputs))
	}
	for _, n := range g.nodes {
		for i, in := range n.inputs {
			if !written[in] {
				return bad("ONNX: %v reads %q before it is written", n, in)
			}
			if a, ok := g.alias[in]; ok {
				n.inputs[i] = a
			}
		}
		for _, out := range n.outputs {
			if out != "" && written[out] {
				return bad("ONNX: %v writes %q again", n, out)
			}
			written[out] = true
		}
		switch n.op {
		case "Constant":
			if a := n.attr("value"); a != nil && a.t != nil {
				g.inits[n.outputs[0]] = *a.t
			}
		case "Identity", "Dropout":
			if len(n.inputs) == 0 {
				return bad("ONNX: %v without input", n)
			}
			g.alias[n.outputs[0]] = n.inputs[0]
			if g.outputs[n.outputs[0]] {
				g.outputs[n.inputs[0]] = true
			}
		case "Shape": // feeds a Reshape
		case "QuantizeLinear", "DequantizeLinear":
			return bad("ONNX: %v: this network is quantised; export it in floating point", n)
		default:
			for _, out := range n.outputs {
				g.made[out] = n
			}
			for i, in := range n.inputs {
				if in != "" && !slices.Contains(n.inputs[:i], in) {
					g.users[in] = append(g.users[in], n)
				}
			}
		}
	}
	return nil
}

// only is the one reader of a value, which must do one of ops.
func (g *graph) only(value string, ops ...string) (*node, error) {
	users := g.users[value]
	if len(users) == 1 && slices.Contains(ops, users[0].op) {
		return users[0], nil
	}
	came := "nothing"
	if len(users) > 0 {
		came = fmt.Sprint(users[:min(len(users), 4)])
	}
	return nil, bad("ONNX: want %s after %q, file has %s", strings.Join(ops, " or "), value, came)
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
	if t.dtype.name != "int64" || t.count() > 64 {
		return nil, bad("ONNX: want a few int64 as input %d of %v, file has %s %s", input, n, t.dtype.name, dims(t.shape))
	}
	if t.raw == nil {
		t.raw = make([]byte, 8*t.count())
		if err := g.c.readPart(t.part, t.raw, t.at); err != nil {
			return nil, fmt.Errorf("checkpoint: %s: %w", t.name, err)
		}
	}
	v := make([]int64, t.count())
	for i := range v {
		v[i] = int64(binary.LittleEndian.Uint64(t.raw[8*i:]))
	}
	return v, nil
}

// step is a convolution on the way, with its normalisation.
type step struct{ conv, norm *node }

// stride of the step, 0 for one that no ResNet has.
func (s step) stride() int {
	if n := s.conv.same("strides", 1); n == 1 || n == 2 {
		return int(n)
	}
	return 0
}

// conv takes n and the normalisation behind it, and returns their output.
func (g *graph) conv(n *node) (step, string, error) {
	s := step{conv: n}
	out := n.outputs[0]
	if users := g.users[out]; len(users) == 1 && users[0].op == "BatchNormalization" {
		if s.norm = users[0]; s.norm.int("training_mode", 0) != 0 || len(s.norm.outputs) != 1 {
			return s, "", bad("ONNX: %v is in training mode; export after model.eval()", s.norm)
		}
		out = s.norm.outputs[0]
	}
	return s, out, nil
}

// add names the tensors of a step.
func (g *graph) add(s step, conv, norm string) error {
	w, err := g.constant(s.conv, 1)
	if err != nil {
		return err
	}
	auto := s.conv.attr("auto_pad")
	if len(w.shape) != 4 || s.conv.int("group", 1) != 1 || s.conv.same("dilations", 1) != 1 || s.conv.same("pads", 0) != int64(w.shape[2]/2) || auto != nil && auto.s != "NOTSET" {
		return bad("%s: want a plain convolution padded by half its kernel, file has weight %s, group %d, dilation %d, padding %d", conv, dims(w.shape), s.conv.int("group", 1), s.conv.same("dilations", 1), s.conv.same("pads", 0))
	}
	g.name(w, conv+".weight")
	g.c.wiring.strides[conv] = s.stride()
	if len(s.conv.inputs) > 2 {
		b, err := g.constant(s.conv, 2)
		if err != nil {
			return err
		}
		g.name(b, conv+".bias")
	} else if s.norm == nil {
		return bad("%s: want a bias or a BatchNormalization, file has none", conv)
	}
	if s.norm == nil {
		return nil
	}
	for i, part := range normParts {
		t, err := g.constant(s.norm, i+1)
		if err != nil {
			return err
		}
		g.name(t, norm+part)
	}
	g.c.wiring.epsilons[norm] = epsilon
	if a := s.norm.attr("epsilon"); a != nil {
		if !(a.f >= 0 && a.f <= 1) {
			return bad("%s: epsilon %v, want 0 to 1", norm, a.f)
		}
		// The file has it as a float32. torch has a float64 of few digits, which are those of the float32's shortest text.
		g.c.wiring.epsilons[norm], _ = strconv.ParseFloat(strconv.FormatFloat(a.f, 'g', -1, 32), 64)
	}
	return nil
}

func (g *graph) name(t tensor, name string) {
	t.name = name
	g.c.tensors = append(g.c.tensors, t)
}

// follow walks from the input to the logits.
func (g *graph) follow() error {
	var x string
	for name, v := range g.inputs {
		x = name
		if len(v.dims) == 4 {
			g.side = v.dims[3]
		}
	}
	n, err := g.only(x, "Conv")
	if err != nil {
		return err
	}
	stem, x, err := g.conv(n)
	if err != nil {
		return err
	}
	if err := g.add(stem, "conv1", "bn1"); err != nil {
		return err
	}
	if g.stride = stem.stride(); g.stride < 1 {
		return bad("conv1: want stride 1 or 2, file has %d", stem.conv.same("strides", 1))
	}
	if n, err = g.only(x, "Relu"); err != nil {
		return err
	}
	x = n.outputs[0]
	if n, err := g.only(x, "MaxPool"); err == nil {
		if n.same("kernel_shape", 0) != 3 || n.same("strides", 1) != 2 || n.same("pads", 0) != 1 || n.int("ceil_mode", 0) != 0 {
			return bad("ONNX: %v: want 3×3, stride 2, padding 1", n)
		}
		g.stride *= 2
		g.c.wiring.pool = true
		x = n.outputs[0]
	}
	stage, block := 1, 0
	for {
		if users := g.users[x]; len(users) == 1 && users[0].op != "Conv" {
			break
		}
		convs, proj, out, err := g.block(x)
		if err != nil {
			return err
		}
		stride := 1
		for _, s := range convs {
			stride *= s.stride()
		}
		if stride > 1 && block > 0 {
			stage, block = stage+1, 0
		}
		if g.stride *= stride; g.stride < 1 || g.stride > 1<<16 {
			return bad("layer%d.%d: stride %d", stage, block, stride)
		}
		name := fmt.Sprintf("layer%d.%d.", stage, block)
		for i, s := range convs {
			if err := g.add(s, fmt.Sprintf("%sconv%d", name, i+1), fmt.Sprintf("%sbn%d", name, i+1)); err != nil {
				return err
			}
		}
		if proj != nil {
			if err := g.add(*proj, name+"downsample.0", name+"downsample.1"); err != nil {
				return err
			}
		}
		x, block = out, block+1
	}
	return g.tail(x)
}

// block follows one residual block from x to its last ReLU; proj is nil without a projection.
func (g *graph) block(x string) (convs []step, proj *step, out string, err error) {
	var sum *node
	plain := len(g.users[x]) == 1
	if plain && !g.c.wiring.plain && len(g.c.wiring.strides) > 1 || !plain && g.c.wiring.plain {
		return nil, nil, "", bad("ONNX: %q: blocks with and without shortcut", x)
	}
	g.c.wiring.plain = plain
	for _, n := range g.users[x] {
		var path []step
		switch n.op {
		case "Conv":
			if path, n, err = g.path(n, plain); err != nil {
				return nil, nil, "", err
			}
		case "Slice":
			if n, err = g.padding(n); err != nil {
				return nil, nil, "", err
			}
		}
		if plain {
			return path, nil, n.outputs[0], nil
		}
		if n.op != "Add" || sum != nil && sum != n {
			return nil, nil, "", bad("ONNX: want the branches from %q to meet in one Add, file has %v", x, n)
		}
		sum = n
		switch {
		case len(path) == 1 && proj == nil:
			proj = &path[0]
		case len(path) > 1 && convs == nil:
			convs = path
		case len(path) > 0:
			return nil, nil, "", bad("ONNX: want a block of two or three convolutions and a shortcut from %q, file has another", x)
		}
	}
	if sum == nil || convs == nil {
		return nil, nil, "", bad("ONNX: want a residual block after %q, file has %v", x, g.users[x])
	}
	relu, err := g.only(sum.outputs[0], "Relu")
	if err != nil {
		return nil, nil, "", err
	}
	return convs, proj, relu.outputs[0], nil
}

// path follows convolutions with a ReLU between them to the Add; in a plain net, to the second ReLU.
func (g *graph) path(n *node, plain bool) ([]step, *node, error) {
	var steps []step
	for {
		s, out, err := g.conv(n)
		if err != nil {
			return nil, nil, err
		}
		steps = append(steps, s)
		if n, err = g.only(out, "Relu", "Add"); err != nil {
			return nil, nil, err
		}
		if n.op == "Add" && !plain || n.op == "Relu" && plain && len(steps) == 2 {
			return steps, n, nil
		}
		if n.op == "Add" || len(steps) == 3 {
			return nil, nil, bad("ONNX: want a block of two or three convolutions, file has %v after %d", n, len(steps))
		}
		if n, err = g.only(n.outputs[0], "Conv"); err != nil {
			return nil, nil, err
		}
	}
}

// padding follows a shortcut without parameters: rows and columns sliced by 2, then channels padded with zeros.
func (g *graph) padding(n *node) (*node, error) {
	for n.op == "Slice" {
		starts, err := g.integers(n, "starts", 1)
		if err != nil {
			return nil, err
		}
		steps, err := g.integers(n, "steps", 4)
		if err != nil {
			return nil, err
		}
		odd := func(s int64) bool { return s != 1 && s != 2 }
		if slices.ContainsFunc(starts, func(s int64) bool { return s != 0 }) || slices.ContainsFunc(steps, odd) {
			return nil, bad("ONNX: %v: starts %v, steps %v, want 0 and 1 or 2", n, starts, steps)
		}
		if n, err = g.only(n.outputs[0], "Slice", "Pad"); err != nil {
			return nil, err
		}
	}
	p, err := g.pads(n)
	if err != nil {
		return nil, err
	}
	if len(p) != 8 || p[0]|p[2]|p[3]|p[4]|p[6]|p[7] != 0 || p[1] != 0 && p[1] != p[5] {
		return nil, bad("ONNX: %v: padding %v, want channels alone, all behind or half before", n, p)
	}
	pad := resnet.PadAppend
	if p[1] != 0 {
		pad = resnet.PadSplit
	}
	w := g.c.wiring
	if w.pad != 0 && w.pad != pad {
		return nil, bad("ONNX: %v pads channels on other sides than the one before", n)
	}
	w.pad = pad
	return g.only(n.outputs[0], "Add")
}

// pads are the amounts of a Pad node: before each of N, C, H, W, then behind. Where they are not constant they are what
// torch.onnx.export makes of F.pad: a constant in F.pad's order (before and behind W, H, C), filled up with zeros,
// reversed and transposed by a fixed chain of nodes.
func (g *graph) pads(n *node) ([]int64, error) {
	if len(n.inputs) > 1 && g.made[n.inputs[1]] != nil {
		chain := g.made[n.inputs[1]]
		for _, op := range []string{"Cast", "Reshape", "Transpose", "Slice", "Reshape", "Concat"} {
			if chain == nil || chain.op != op || len(chain.inputs) == 0 {
				return nil, bad("ONNX: want constant paddings for %v, file computes them", n)
			}
			if op == "Concat" {
				break
			}
			chain = g.made[chain.inputs[0]]
		}
		list, err := g.integers(chain, "", 0)
		if err != nil || len(list) != 6 {
			return nil, bad("ONNX: want 6 paddings for %v, file has %v", n, list)
		}
		return []int64{0, list[4], list[2], list[0], 0, list[5], list[3], list[1]}, nil
	}
	return g.integers(n, "pads", 1)
}

// tail follows the average over the whole map, the linear layer and at most a softmax.
func (g *graph) tail(x string) error {
	n, err := g.average(x)
	if err != nil {
		return err
	}
	for n.op != "Gemm" && n.op != "MatMul" {
		if n, err = g.only(n.outputs[0], "Flatten", "Reshape", "Squeeze", "Gemm", "MatMul"); err != nil {
			return err
		}
	}
	out, err := g.linear(n)
	if err != nil {
		return err
	}
	if s, err := g.only(out, "Softmax"); err == nil {
		out = s.outputs[0]
	}
	if !g.outputs[out] || len(g.users[out]) > 0 {
		return bad("ONNX: want the linear layer to be the output, file has %v behind it", g.users[out])
	}
	return nil
}

// average returns the node that averages x over the whole map.
func (g *graph) average(x string) (*node, error) {
	n, err := g.only(x, "GlobalAveragePool", "ReduceMean", "AveragePool", "Pad")
	if err != nil {
		return nil, err
	}
	if n.op == "Pad" { // by nothing: an exporter puts it before an AveragePool
		p, err := g.pads(n)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(p, func(x int64) bool { return x != 0 }) {
			return nil, bad("ONNX: %v: padding %v, want none", n, p)
		}
		if n, err = g.only(n.outputs[0], "AveragePool"); err != nil {
			return nil, err
		}
	}
	switch n.op {
	case "ReduceMean":
		axes, err := g.integers(n, "axes", 1)
		if err != nil {
			return nil, err
		}
		for i := range axes {
			axes[i] = (axes[i] + 4) % 4
		}
		slices.Sort(axes)
		if !slices.Equal(axes, []int64{2, 3}) {
			return nil, bad("ONNX: %v: mean over axes %v, want 2 and 3", n, axes)
		}
	case "AveragePool":
		if g.side == 0 {
			return nil, bad("ONNX: %v: the input has no fixed size to tell whether this averages the whole map; export with a fixed one, or with GlobalAveragePool", n)
		}
		want := (g.side + int64(g.stride) - 1) / int64(g.stride)
		if n.same("kernel_shape", 0) != want || n.same("pads", 0) != 0 {
			return nil, bad("ONNX: %v: want an average over the whole map, %d×%d of the input's %d", n, want, want, g.side)
		}
	}
	return n, nil
}

// linear names the tensors of n, y = W·x + b in one node or two, and returns the output.
func (g *graph) linear(n *node) (string, error) {
	w, err := g.constant(n, 1)
	if err != nil {
		return "", err
	}
	if len(w.shape) != 2 {
		return "", bad("fc: want a matrix, file has %s", dims(w.shape))
	}
	bias, transposed := n, n.op == "Gemm" && n.int("transB", 0) == 1
	at := 2
	if n.op == "MatMul" {
		if bias, err = g.only(n.outputs[0], "Add"); err != nil {
			return "", err
		}
		if at = 1; bias.inputs[0] != n.outputs[0] {
			at = 0
		}
	}
	if !transposed {
		w.shape, w.stride = []int{w.shape[1], w.shape[0]}, []int{1, w.shape[1]}
	}
	for _, a := range n.attrs {
		if (a.name == "alpha" || a.name == "beta") && a.f != 1 || a.name == "transA" && a.i != 0 {
			return "", bad("fc: %s of %v, want y = W·x + b", a.name, n)
		}
	}
	b, err := g.constant(bias, at)
	if err != nil {
		return "", err
	}
	g.name(w, "fc.weight")
	g.name(b, "fc.bias")
	return bias.outputs[0], nil
}
