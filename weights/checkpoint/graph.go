package checkpoint

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
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
		return bad("ONNX: %v: this network is quantised; export it in floating point (integers are read where they are constant weights)", n)
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
	if x.dtype.at = integerAt[x.dtype.name]; x.dtype.at == nil || x.stride != nil || s.scale.steps != nil || s.scale.dtype.at == nil || s.zero.steps != nil ||
		n.int("block_size", 0) != 0 || each && (s.axis < 0 || s.axis >= len(x.shape) || s.scale.count() != x.shape[s.axis]) {
		return bad("ONNX: %v: want integers with one scale or one for each index of an axis, file has %s %s with scale %s, axis %d, block_size %d; export it in floating point",
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
		return "", bad("ONNX: want one input that leads to an output, file has %d (%d that lead to none)", len(read), len(g.inputs)-len(read))
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

// few lists the first of many nodes.
func few(nodes []*node) string { return fmt.Sprint(nodes[:min(len(nodes), 4)]) }

// hint says why users cannot be taken where one that does one of ops is wanted, and what to do.
func hint(users []*node, ops []string) string {
	const relu = "only ReLU is computed here: train the network with it"
	front, sum, average, head := slices.Contains(ops, "Sub"), slices.Contains(ops, "Sum"), slices.Contains(ops, "GlobalAveragePool"), slices.Contains(ops, "Gemm")
	if len(users) == 0 && head {
		return "a backbone alone names no classes: export the network with its linear layer"
	}
	for _, n := range users {
		switch n.op {
		case "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "Mish", "Clip", "Softplus", "ThresholdedRelu", "Swish":
			return relu
		case "Sigmoid":
			return "only ReLU is computed here, no SiLU and no squeeze-and-excitation: train the network without"
		case "InstanceNormalization", "GroupNormalization", "LayerNormalization":
			return "only batch normalisation is computed here"
		case "QLinearConv", "ConvInteger", "DynamicQuantizeLinear":
			return "export the network in floating point, before it is quantised"
		case "If", "Loop":
			return "export the network for a fixed input, so that nothing depends on it"
		case "BatchNormalization":
			if front {
				return "a network that normalises before it convolves (pre-activation, ResNet v2) cannot be taken"
			}
		case "MaxPool":
			if average {
				return "a max-pool behind blocks or behind a stem of several convolutions (ResNet-C, D) cannot be taken"
			}
		case "GlobalMaxPool":
			return "an average over the map is wanted, no maximum"
		case "GlobalAveragePool", "ReduceMean":
			if sum {
				return "squeeze-and-excitation cannot be taken"
			}
		}
	}
	switch {
	case front && len(users) > 1:
		return "several networks on one picture cannot be taken: export one of them"
	case front:
		return "export the network without what it does to the picture first"
	case head:
		return "want a head of one linear layer"
	}
	return ""
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

// padded is the one reader of a value, which must do one of ops, behind any Pad nodes, and what those amount to: above,
// left, below, right.
func (g *graph) padded(value string, ops ...string) (n *node, pad [4]int64, err error) {
	if n, err = g.only(value, append(ops, "Pad")...); err != nil {
		return nil, pad, err
	}
	return g.behind(n, ops...)
}

// behind is padded from a reader on.
func (g *graph) behind(n *node, ops ...string) (_ *node, pad [4]int64, err error) {
	for n.op == "Pad" {
		p, err := g.border(n, false)
		if err != nil {
			return nil, pad, err
		}
		for i := range pad {
			pad[i] = min(pad[i]+p[i], maxPad)
		}
		if n, err = g.only(n.outputs[0], append(ops, "Pad")...); err != nil {
			return nil, pad, err
		}
	}
	return n, pad, nil
}

// border is what a Pad node adds above, to the left, below and to the right of maps whose channels are last or not.
func (g *graph) border(n *node, last bool) (pad [4]int64, err error) {
	p, err := g.pads(n)
	if err != nil {
		return pad, err
	}
	p = slices.Clone(p)
	h := 2
	if last {
		h = 1
	}
	ok := len(p) == 8 && slices.Min(p) >= 0 && slices.Max(p) <= maxPad
	if ok {
		pad = [4]int64{p[h], p[h+1], p[h+4], p[h+5]}
		p[h], p[h+1], p[h+4], p[h+5] = 0, 0, 0, 0
	}
	if !ok || slices.Max(p) > 0 {
		return pad, bad("ONNX: %v: padding %v, want height and width alone, by at most %d", n, p, maxPad)
	}
	return pad, nil
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
	if len(w.shape) != 4 || w.shape[2] != w.shape[3] || s.conv.int("group", 1) != 1 {
		return bad("%s: %v: want a plain convolution, file has weight %s, group %d; grouped ones (ResNeXt) cannot be taken",
			conv, s.conv, dims(w.shape), s.conv.int("group", 1))
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
		return bad("%s: %v: want a bias or a BatchNormalization behind it, file has %v; other normalisations cannot be taken",
			conv, s.conv, few(g.users[s.conv.outputs[0]]))
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
			return bad("ONNX: %v: want 3×3, stride 2, padding 1, file has kernel %v and strides %v", n, n.ints("kernel_shape"), n.ints("strides"))
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
		return bad("%s: %v: the input has no fixed size to tell whether %s is what we compute, %d on each side; export with a fixed one",
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
		case n.op == "Slice":
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
				why = "; shortcuts or branches that average (ResNet-D, squeeze-and-excitation) cannot be taken"
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

// padding follows a shortcut without parameters: rows and columns sliced by 2, then channels padded with zeros.
func (g *graph) padding(n *node) (*node, error) {
	for n.op == "Slice" {
		if err := g.slice(n); err != nil {
			return nil, err
		}
		var err error
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
	return g.only(n.outputs[0], "Add", "Sum")
}

// slice checks that a Slice takes every second row and column, or all, from the first to the last.
func (g *graph) slice(n *node) error {
	var lists [4][]int64
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		optional := i >= 2 && n.attr(name) == nil && (i+1 >= len(n.inputs) || n.inputs[i+1] == "")
		if optional {
			continue
		}
		var err error
		if lists[i], err = g.integers(n, name, i+1); err != nil {
			return err
		}
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if len(ends) != len(starts) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return bad("ONNX: %v: starts %v, ends %v, axes %v, steps %v, want as many of each", n, starts, ends, axes, steps)
	}
	for i := range starts {
		axis, step := int64(i), int64(1)
		if axes != nil {
			axis = axes[i]
		}
		if steps != nil {
			step = steps[i]
		}
		end := int64(math.MaxInt32) // more than any map's side
		if size := []int64{0, 0, g.h, g.w}[axis&3]; size > 0 {
			end = (size + int64(g.stride) - 1) / int64(g.stride)
		}
		if axis < -4 || axis > 3 || starts[i] != 0 || ends[i] < end || step != 1 && (step != 2 || axis&3 < 2) {
			return bad("ONNX: %v: starts %v, ends %v, axes %v, steps %v, want every second row and column from the first to the last", n, starts, ends, axes, steps)
		}
	}
	return nil
}

// pads are the amounts of a Pad node: before each of N, C, H, W, then behind, of zeros. Where they are not constant they
// are what torch.onnx.export makes of F.pad: a constant in F.pad's order (before and behind W, H, C), filled up with
// zeros, reversed and transposed by a fixed chain of nodes.
func (g *graph) pads(n *node) ([]int64, error) {
	if a := n.attr("mode"); a != nil && a.s != "constant" {
		return nil, bad("ONNX: %v: mode %q, want zeros", n, a.s)
	}
	if err := g.zero(n); err != nil {
		return nil, err
	}
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
		if err != nil || len(list)%2 != 0 || len(list) > 8 {
			return nil, bad("ONNX: want up to 8 paddings for %v, file has %v", n, list)
		}
		all := make([]int64, 8)
		for i := range len(list) / 2 {
			all[3-i], all[7-i] = list[2*i], list[2*i+1]
		}
		return all, nil
	}
	p, err := g.integers(n, "pads", 1)
	if err != nil || len(n.inputs) < 4 || n.inputs[3] == "" {
		return p, err
	}
	axes, err := g.integers(n, "axes", 3)
	if err != nil {
		return nil, err
	}
	all := make([]int64, 8)
	for i, axis := range axes {
		if axis < -4 || axis > 3 || len(p) != 2*len(axes) {
			return nil, bad("ONNX: %v: paddings %v of axes %v", n, p, axes)
		}
		all[axis&3], all[4+axis&3] = p[i], p[len(axes)+i]
	}
	return all, nil
}

// zero checks that a Pad node pads with zeros; before a max-pool of values that are not negative, less is the same.
func (g *graph) zero(n *node) error {
	v := 0.0
	if a := n.attr("value"); a != nil {
		v = a.f
	}
	if len(n.inputs) > 2 && n.inputs[2] != "" {
		t, err := g.constant(n, 2)
		if err != nil {
			return err
		}
		list, err := g.numbers(t, 1)
		if err != nil {
			return err
		}
		v = list[0]
	}
	users := g.users[n.outputs[0]]
	if len(users) == 1 && users[0].op == "MaxPool" && v < 0 {
		return nil
	}
	if v != 0 {
		return bad("ONNX: %v pads with %v, want zeros", n, v)
	}
	return nil
}

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
			case (n.op == "Softmax" || n.op == "LogSoftmax") && !x.softmax:
				if axis := n.int("axis", 1); axis != 1 && axis != -1 {
					return bad("ONNX: %v: axis %d, want the classes", n, axis)
				}
				g.c.note("%v is left out: probabilities are computed of what it reads", n)
			case n.op == "ArgMax" || n.op == "TopK":
				g.c.note("%v is left out: all classes are given", n)
			case n.op == "Sigmoid":
				return bad("ONNX: %v behind the linear layer: a network with several answers at once (multi-label), which cannot be taken yet; want one whose classes exclude each other", n)
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
			if axes[1] != c || len(shape) != 3 || shape[1] != 0 && shape[1] != int64(g.channels) || shape[2] != -1 && (map3 == 0 || shape[2] != map3) {
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
		return bad("ONNX: %v: the input has no fixed size to tell whether this averages the whole map; export with a fixed one, or with GlobalAveragePool", n)
	}
	want := []int64{g.sideHere(g.h), g.sideHere(g.w)}
	auto := n.attr("auto_pad")
	if !slices.Equal(n.ints("kernel_shape"), want) || n.same("pads", 0) != 0 || n.same("dilations", 1) != 1 || auto != nil && auto.s != "NOTSET" && auto.s != "VALID" {
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
		if len(w.shape) != 4 || w.shape[2] != 1 || w.shape[3] != 1 || n.int("group", 1) != 1 || pads != 0 || auto != nil && auto.s != "NOTSET" && auto.s != "VALID" {
			return "", bad("fc: %v: want a 1×1 convolution for a linear layer, file has weight %s, group %d, pads %v", n, dims(w.shape), n.int("group", 1), n.ints("pads"))
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
