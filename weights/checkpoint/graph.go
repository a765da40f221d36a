package checkpoint

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An ONNX file has no layer names to rely on: exporters rename, fold and deduplicate. So the graph is followed from its
// input to its output, and what it passes gets torchvision's names by its place.

// graph is the part of a ModelProto that matters here.
type graph struct {
	nodes    []*node
	inits    map[string]tensor
	inputs   map[string]value   // the initialisers among them until link
	alias    map[string]string  // outputs of nodes that change nothing
	users    map[string][]*node // by the value they read
	made     map[string]*node   // by the value they write; constants have none
	c        *Checkpoint
	outputs  map[string]bool
	bytes    int64            // of the constants so far: a tensor's place among them is its at
	parts    map[string]*part // files beside the model, by their names in it
	h, w     int64            // of the input, 0 where free
	channels int              // of the last convolution
	classes  int              // outputs of the last linear layer
	stride   int              // of all layers so far
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
	live := g.live()
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
		if !live[n] {
			continue
		}
		switch n.op {
		case "Constant":
			if t := g.literal(n); t != nil {
				g.inits[n.outputs[0]] = *t
			}
		case "Identity", "Dropout", "Cast":
			if len(n.inputs) == 0 {
				return bad("ONNX: %v without input", n)
			}
			if len(n.inputs) > 2 && n.inputs[2] != "" {
				if t, err := g.constant(n, 2); err != nil || len(t.raw) != 1 || t.raw[0] != 0 {
					return bad("ONNX: %v is in training mode; export after model.eval()", n)
				}
			}
			if n.op == "Cast" && onnxTypes[uint64(n.int("to", 0))].at == nil {
				g.reads(n) // to integers
				continue
			}
			g.alias[n.outputs[0]] = n.inputs[0]
			if g.outputs[n.outputs[0]] {
				g.outputs[n.inputs[0]] = true
			}
		case "Shape": // feeds a Reshape
		case "QuantizeLinear", "DequantizeLinear":
			if err := g.dequantise(n); err != nil {
				return err
			}
		case "Transpose", "Reshape", "Squeeze", "Unsqueeze":
			if t, ok := g.inits[n.inputs0()]; ok {
				if t, ok = g.reshape(n, t); ok {
					g.inits[n.outputs[0]] = t
					continue
				}
			}
			g.reads(n)
		default:
			g.reads(n)
		}
	}
	return nil
}

// reads enters n among the makers and readers of its values.
func (g *graph) reads(n *node) {
	for _, out := range n.outputs {
		g.made[out] = n
	}
	for i, in := range n.inputs {
		if in != "" && !slices.Contains(n.inputs[:i], in) {
			g.users[in] = append(g.users[in], n)
		}
	}
}

// inputs0 is the first input, or "".
func (n *node) inputs0() string {
	if len(n.inputs) == 0 {
		return ""
	}
	return n.inputs[0]
}

// live are the nodes that an output depends on.
func (g *graph) live() map[*node]bool {
	live, wanted := map[*node]bool{}, maps.Clone(g.outputs)
	for _, n := range slices.Backward(g.nodes) {
		for _, out := range n.outputs {
			live[n] = live[n] || wanted[out]
		}
		if live[n] {
			for _, in := range n.inputs {
				wanted[in] = in != ""
			}
		}
	}
	return live
}

// input is the one that is read.
func (g *graph) input() (string, error) {
	var read []string
	for name := range g.inputs {
		if len(g.users[name]) > 0 {
			read = append(read, name)
		}
	}
	if len(read) != 1 {
		return "", bad("ONNX: want one input that leads to an output, file has %d (%d that lead to none)", len(read),
			len(g.inputs)-len(read))
	}
	return read[0], nil
}

// only is the one reader of a value, which must do one of ops with it.
func (g *graph) only(value string, ops ...string) (*node, error) {
	users := g.users[value]
	came := "nothing"
	if len(users) == 1 && slices.Contains(ops, users[0].op) {
		if n := users[0]; n.inputs[0] == value || n.sums() || n.op == "Mul" {
			return n, nil
		}
		came = fmt.Sprintf("%v, which reads it as another input than the first", users[0])
	} else if len(users) > 0 {
		came = few(users)
	}
	if h := hint(users, ops); h != "" {
		came += "; " + h
	}
	return nil, bad("ONNX: want %s after %q, file has %s", strings.Join(ops, " or "), value, came)
}

// step is a convolution on the way, with its normalisation, the paddings of Pad nodes before it and an Add of its bias.
type step struct {
	conv, bias, norm *node
	pad              [4]int64
}

// stride of the step, 0 for one that no ResNet has.
func (s step) stride() int {
	if n := s.conv.same("strides", 1); n == 1 || n == 2 {
		return int(n)
	}
	return 0
}

// conv takes n, behind Pad nodes that amount to pad, and the normalisation behind it, and returns their output.
func (g *graph) conv(n *node, pad [4]int64) (step, string, error) {
	s := step{conv: n, pad: pad}
	out := n.outputs[0]
	if users := g.users[out]; len(users) == 1 && users[0].sums() && len(n.inputs) < 3 {
		_, before := g.inits[users[0].inputs[0]]
		_, behind := g.inits[users[0].inputs[1]]
		if before || behind {
			s.bias, out = users[0], users[0].outputs[0]
		}
	}
	if users := g.users[out]; len(users) == 1 && users[0].op == "BatchNormalization" {
		if s.norm = users[0]; s.norm.int("training_mode", 0) != 0 || len(s.norm.outputs) != 1 {
			return s, "", bad("ONNX: %v is in training mode; export after model.eval()", s.norm)
		}
		out = s.norm.outputs[0]
	}
	return s, out, nil
}

// add names the tensors of a step, which is behind layers of the stride at.
func (g *graph) add(s step, conv, norm string, at int) error {
	w, err := g.constant(s.conv, 1)
	if err != nil {
		return err
	}
	if group := s.conv.int("group", 1); len(w.shape) != 4 || w.shape[2] != w.shape[3] || group != 1 {
		kind := "grouped ones (ResNeXt)"
		if len(w.shape) > 1 && w.shape[1] == 1 {
			kind = "those of each channel alone (blurs of anti-aliased ResNets)"
		}
		return bad("%s: %v: want a plain convolution, file has weight %s, group %d; %s cannot be taken, %s",
			conv, s.conv, dims(w.shape), group, kind, instead)
	}
	if k := s.conv.ints("kernel_shape"); len(k) > 0 && !slices.Equal(k, []int64{int64(w.shape[2]), int64(w.shape[3])}) {
		return bad("%s: %v: kernel_shape %v, but weight %s", conv, s.conv, k, dims(w.shape))
	}
	if err := g.window(s.conv, conv, w.shape[2], s.pad, at); err != nil {
		return err
	}
	g.channels = w.shape[0]
	g.name(w, conv+".weight")
	g.c.wiring.strides[conv] = s.stride()
	if len(s.conv.inputs) > 2 {
		b, err := g.constant(s.conv, 2)
		if err != nil {
			return err
		}
		g.name(b, conv+".bias")
	} else if s.bias != nil {
		i := 1
		if s.bias.inputs[1] == s.conv.outputs[0] {
			i = 0
		}
		b, err := g.constant(s.bias, i)
		if err != nil {
			return err
		}
		// One number for each channel of N×C×H×W, as Conv has them in a vector.
		shape, c := b.shape, w.shape[0]
		if len(shape) == 4 && shape[0] == 1 {
			shape = shape[1:]
		}
		if !slices.Equal(shape, []int{c, 1, 1}) || b.stride != nil || b.steps != nil {
			return bad("%s: %v: want a bias of 1×%d×1×1, file has %s", conv, s.bias, c, dims(b.shape))
		}
		b.shape = []int{c}
		g.name(b, conv+".bias")
	} else if s.norm == nil {
		users := g.users[s.conv.outputs[0]]
		kind := "other normalisations (GroupNorm)"
		if slices.ContainsFunc(users, func(n *node) bool { return n.op == "BatchNormalization" }) {
			kind = "networks that normalise before they convolve (pre-activation, ResNet v2)"
		}
		return bad("%s: %v: want a bias or a BatchNormalization behind it, file has %v; %s cannot be taken, %s",
			conv, s.conv, few(users), kind, instead)
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
	g.c.wiring.epsilons[norm], err = s.norm.epsilon(norm)
	return err
}

func (g *graph) name(t tensor, name string) {
	t.name = name
	g.c.tensors = append(g.c.tensors, t)
}

// follow walks from the input to the logits.
func (g *graph) follow() error {
	x, err := g.input()
	if err != nil {
		return err
	}
	n, pad, err := g.front(x, g.inputs[x])
	if err != nil {
		return err
	}
	stem, x, err := g.conv(n, pad)
	if err != nil {
		return err
	}
	if err := g.add(stem, "conv1", "bn1", 1); err != nil {
		return err
	}
	g.stride = stem.stride()
	if n, err = g.only(x, "Relu"); err != nil {
		return err
	}
	x = n.outputs[0]
	// Its values are not negative, so zeros beside them change no maximum.
	if g.leads(x, "MaxPool") {
		n, pad, err := g.padded(x, "MaxPool")
		if err != nil {
			return err
		}
		if n.same("kernel_shape", 0) != 3 || n.same("strides", 1) != 2 {
			return bad("ONNX: %v: want 3×3, stride 2, padding 1, file has kernel %v and strides %v; anti-aliased ResNets have "+
				"such pools and cannot be taken", n, n.ints("kernel_shape"), n.ints("strides"))
		}
		if err := g.window(n, "maxpool", 3, pad, g.stride); err != nil {
			return err
		}
		g.stride *= 2
		g.c.wiring.pool = true
		x = n.outputs[0]
	}
	stage, block := 1, 0
	for g.blocks(x) {
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
		name, at := fmt.Sprintf("layer%d.%d.", stage, block), g.stride
		for i, s := range convs {
			if err := g.add(s, fmt.Sprintf("%sconv%d", name, i+1), fmt.Sprintf("%sbn%d", name, i+1), at); err != nil {
				return err
			}
			at *= s.stride()
		}
		if proj != nil {
			if err := g.add(*proj, name+"downsample.0", name+"downsample.1", g.stride); err != nil {
				return err
			}
		}
		if g.stride = at; g.stride > 1<<16 {
			return bad("layer%d.%d: stride %d", stage, block, stride)
		}
		x, block = out, block+1
	}
	if err := g.tail(x); err != nil {
		return err
	}
	w := g.c.wiring.windows
	if len(w) > 0 && (g.h == 0 || g.w == 0) {
		return bad("%s: %v: the input has no fixed size to tell whether %s is what we compute, %d on each side; export "+
			"with a fixed one",
			w[0].layer, w[0].node, w[0].padding(), w[0].kernel/2)
	}
	return g.c.wiring.fits(g.h, g.w)
}

// blocks tells whether a block begins at x.
func (g *graph) blocks(x string) bool { return len(g.users[x]) != 1 || g.leads(x, "Conv") }

// leads tells whether x has one reader, which does op, behind any Pad nodes.
func (g *graph) leads(x, op string) bool {
	for len(g.users[x]) == 1 {
		n := g.users[x][0]
		if n.op != "Pad" {
			return n.op == op
		}
		x = n.outputs[0]
	}
	return false
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
		switch {
		case n.op == "Conv" || n.op == "Pad" && g.leads(n.outputs[0], "Conv"):
			if path, n, err = g.path(n, plain); err != nil {
				return nil, nil, "", err
			}
		case n.op == "Slice" || n.picks():
			if n, err = g.padding(n); err != nil {
				return nil, nil, "", err
			}
		}
		if plain {
			return path, nil, n.outputs[0], nil
		}
		if !n.sums() || sum != nil && sum != n {
			for n.op == "Pad" && len(g.users[n.outputs[0]]) == 1 {
				n = g.users[n.outputs[0]][0]
			}
			why := ""
			if n.op == "AveragePool" || n.op == "GlobalAveragePool" {
				why = "; shortcuts or branches that average (ResNet-D, squeeze-and-excitation) cannot be taken, " + instead
			}
			return nil, nil, "", bad("ONNX: want two branches from %q that meet in one Add or Sum, file has %v%s", x, n, why)
		}
		sum = n
		switch {
		case len(path) == 1 && proj == nil:
			proj = &path[0]
		case len(path) > 1 && convs == nil:
			convs = path
		case len(path) > 0:
			return nil, nil, "", bad("ONNX: want a block of two or three convolutions and a shortcut from %q, file has "+
				"another", x)
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

// sums tells whether n adds two values.
func (n *node) sums() bool {
	return (n.op == "Add" || n.op == "Sum") && len(n.inputs) == 2 && n.inputs[0] != n.inputs[1]
}

// path follows convolutions with a ReLU between them from n to the sum; in a plain net, to the second ReLU.
func (g *graph) path(n *node, plain bool) ([]step, *node, error) {
	n, pad, err := g.behind(n, "Conv")
	if err != nil {
		return nil, nil, err
	}
	var steps []step
	for {
		s, out, err := g.conv(n, pad)
		if err != nil {
			return nil, nil, err
		}
		steps = append(steps, s)
		if n, err = g.only(out, "Relu", "Add", "Sum"); err != nil {
			return nil, nil, err
		}
		if n.op != "Relu" && !plain || n.op == "Relu" && plain && len(steps) == 2 {
			return steps, n, nil
		}
		if n.op != "Relu" || len(steps) == 3 {
			return nil, nil, bad("ONNX: want a block of two or three convolutions, file has %v after %d", n, len(steps))
		}
		if n, pad, err = g.padded(n.outputs[0], "Conv"); err != nil {
			return nil, nil, err
		}
	}
}
