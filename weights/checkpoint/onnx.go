package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"resnet-web/resnet"
)

// An ONNX file has no layer names to rely on: exporters rename, fold and deduplicate. So the graph is followed from its
// input to its output, and what it passes gets torchvision's names by its place.

// fields walks the fields of a protobuf message: data holds a field of wire type 2, v any other.
func fields(b []byte, visit func(field int, v uint64, data []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return bad("ONNX: a field without number; the file is damaged")
		}
		b = b[n:]
		var v uint64
		var data []byte
		switch key & 7 {
		case 0:
			if v, n = binary.Uvarint(b); n <= 0 {
				return bad("ONNX: a number is cut short; download the file again")
			}
		case 1, 5:
			n = 8
			if key&7 == 5 {
				n = 4
			}
			if len(b) < n {
				return bad("ONNX: a number is cut short; download the file again")
			}
			for i, x := range b[:n] {
				v |= uint64(x) << (8 * i)
			}
		case 2:
			length, m := binary.Uvarint(b)
			if m <= 0 || length > uint64(len(b)-m) {
				return bad("ONNX: field %d wants %d bytes, file has %d; download it again", key>>3, length, len(b))
			}
			data, n = b[m:m+int(length)], m+int(length)
		default:
			return bad("ONNX: wire type %d; the file is damaged", key&7)
		}
		b = b[n:]
		if err := visit(int(key>>3), v, data); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends the varints of a repeated field, packed or not.
func numbers(to []int64, v uint64, data []byte, limit int) ([]int64, error) {
	if data == nil {
		to = append(to, int64(v))
	}
	for len(data) > 0 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, bad("ONNX: a number is cut short; download the file again")
		}
		to, data = append(to, int64(v)), data[n:]
	}
	if len(to) > limit {
		return nil, bad("ONNX: more than %d numbers in one place", limit)
	}
	return to, nil
}

// node is one operation.
type node struct {
	name, op        string
	inputs, outputs []string
	attrs           []attr
}

type attr struct {
	name string
	i    int64
	f    float64
	s    string
	ints []int64
	t    *tensor
}

func (n *node) attr(name string) *attr {
	for i := range n.attrs {
		if n.attrs[i].name == name {
			return &n.attrs[i]
		}
	}
	return nil
}

// int is an integer attribute, or what ONNX says where there is none.
func (n *node) int(name string, otherwise int64) int64 {
	if a := n.attr(name); a != nil {
		return a.i
	}
	return otherwise
}

// same is the value that all of a list attribute's numbers have, −1 when they differ.
func (n *node) same(name string, otherwise int64) int64 {
	a := n.attr(name)
	if a == nil || len(a.ints) == 0 {
		return otherwise
	}
	for _, x := range a.ints {
		if x != a.ints[0] {
			return -1
		}
	}
	return a.ints[0]
}

func (n *node) String() string { return fmt.Sprintf("%s %q", n.op, n.name) }

// graph is the part of a ModelProto that matters here.
type graph struct {
	nodes   []*node
	inits   map[string]tensor
	inputs  map[string]int64   // with their sides, 0 when free; the initialisers among them until link
	alias   map[string]string  // outputs of nodes that change nothing
	users   map[string][]*node // by the value they read
	made    map[string]*node   // by the value they write; constants have none
	c       *Checkpoint
	outputs map[string]bool
	bytes   int64 // of the constants so far: a tensor's place among them is its at
	side    int64 // of the input
	stride  int   // of all layers so far
	pad     resnet.Shortcut
}

// readONNX reads a ModelProto, which is at most 2 GB, into memory.
func (c *Checkpoint) readONNX(size int64) error {
	c.Format = "onnx"
	if size > math.MaxInt32 {
		return bad("ONNX of %d bytes, want at most 2 GiB", size)
	}
	file := make([]byte, size)
	if _, err := c.r.ReadAt(file, 0); err != nil && err != io.EOF {
		return fmt.Errorf("checkpoint: %w", err)
	}
	g := &graph{inputs: map[string]int64{}, inits: map[string]tensor{}, alias: map[string]string{}, users: map[string][]*node{}, made: map[string]*node{}, outputs: map[string]bool{}, c: c, stride: 1}
	found := false
	err := fields(file, func(field int, _ uint64, data []byte) error {
		if field != 7 {
			return nil
		}
		if found {
			return bad("ONNX: two graphs in one model")
		}
		found = true
		return g.read(data)
	})
	if err != nil {
		return err
	}
	if !found {
		return bad("want .pth, .safetensors or .onnx; the file starts as ONNX, but has no graph")
	}
	c.wiring = &wiring{strides: map[string]int{}, epsilons: map[string]float64{}}
	if err := g.link(); err != nil {
		return err
	}
	if err := g.follow(); err != nil {
		return err
	}
	c.Pad = g.pad
	return nil
}

func (g *graph) read(data []byte) error {
	return fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case 1:
			n, err := readNode(data)
			if err != nil {
				return err
			}
			g.nodes = append(g.nodes, n)
		case 5:
			t, err := readTensor(data)
			if err != nil {
				return err
			}
			if _, twice := g.inits[t.name]; twice || t.name == "" {
				return bad("ONNX: initialiser %q comes twice or has no name", t.name)
			}
			t.at, g.bytes = g.bytes, g.bytes+int64(len(t.raw))
			g.inits[t.name] = *t
		case 11:
			name, side, err := readInput(data)
			if err != nil {
				return err
			}
			g.inputs[name] = side
		case 12:
			name, _, err := readInput(data)
			g.outputs[name] = true
			return err
		case 15:
			return bad("ONNX: a sparse initialiser, want dense ones")
		}
		return nil
	})
}

func readNode(data []byte) (*node, error) {
	n := &node{}
	err := fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case 1:
			n.inputs = append(n.inputs, string(data))
		case 2:
			n.outputs = append(n.outputs, string(data))
		case 3:
			n.name = string(data)
		case 4:
			n.op = string(data)
		case 5:
			a, err := readAttr(data)
			if err != nil {
				return err
			}
			n.attrs = append(n.attrs, a)
		case 7:
			if len(data) > 0 && string(data) != "ai.onnx" {
				return bad("ONNX: an operation of domain %q, want only those of ONNX itself", data)
			}
		}
		return nil
	})
	if err == nil && (n.op == "" || len(n.outputs) == 0) {
		err = bad("ONNX: node %q without operation or output", n.name)
	}
	return n, err
}

func readAttr(data []byte) (attr, error) {
	a := attr{}
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case 1:
			a.name = string(data)
		case 2:
			a.f = float64(math.Float32frombits(uint32(v)))
		case 3:
			a.i = int64(v)
		case 4:
			a.s = string(data)
		case 5:
			a.t, err = readTensor(data)
		case 8:
			a.ints, err = numbers(a.ints, v, data, 64)
		}
		return err
	})
	if err == nil && a.name == "" {
		err = bad("ONNX: an attribute without name")
	}
	return a, err
}

var onnxTypes = map[uint64]dtype{
	1: float32_, 10: float16, 11: float64_, 16: bfloat16, 2: {"uint8", 1, nil}, 3: {"int8", 1, nil}, 6: {"int32", 4, nil}, 7: {"int64", 8, nil}, 9: {"bool", 1, nil},
}

func readTensor(data []byte) (*tensor, error) {
	t := &tensor{shape: []int{}}
	var kind uint64
	var external bool
	var wide []int64 // int32_data or int64_data
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case 1:
			var list []int64
			list, err = numbers(nil, v, data, 8)
			for _, n := range list {
				if n < 0 || n > math.MaxInt32 || len(t.shape) == 8 {
					return bad("ONNX: dimension %d of an initialiser, want up to 8 of up to 2³¹", n)
				}
				t.shape = append(t.shape, int(n))
			}
		case 2:
			kind = v
		case 4:
			if data == nil {
				data = binary.LittleEndian.AppendUint32(nil, uint32(v))
			}
			t.raw = join(t.raw, data)
		case 10:
			if data == nil {
				data = binary.LittleEndian.AppendUint64(nil, v)
			}
			t.raw = join(t.raw, data)
		case 5, 7:
			wide, err = numbers(wide, v, data, math.MaxInt32)
		case 8:
			t.name = string(data)
		case 9:
			t.raw = slices.Clip(data)
		case 13:
			external = true
		case 14:
			external = external || v != 0
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if external {
		return nil, bad("%s: its data is in another file; export with all data inside (torch.onnx.export(…, external_data=False))", t.name)
	}
	var ok bool
	if t.dtype, ok = onnxTypes[kind]; !ok {
		return nil, bad("%s: want floating point, file has ONNX type %d", t.name, kind)
	}
	if len(wide) > 0 {
		for _, v := range wide {
			t.raw = append(t.raw, binary.LittleEndian.AppendUint64(nil, uint64(v))[:t.dtype.size]...)
		}
	}
	count, err := t.span(int64(len(t.raw) / t.dtype.size))
	if err != nil {
		return nil, err
	}
	if count*int64(t.dtype.size) != int64(len(t.raw)) {
		return nil, bad("%s: %s %s needs %d bytes, file has %d", t.name, t.dtype.name, dims(t.shape), count*int64(t.dtype.size), len(t.raw))
	}
	if t.raw == nil {
		t.raw = []byte{}
	}
	return t, nil
}

// join appends b to a, without a copy when a is empty.
func join(a, b []byte) []byte {
	if a == nil {
		return slices.Clip(b)
	}
	return append(a, b...)
}

// readInput reads a ValueInfoProto: its name and the last of its dimensions.
func readInput(data []byte) (name string, side int64, err error) {
	err = fields(data, func(field int, _ uint64, data []byte) error {
		if field == 1 {
			name = string(data)
		}
		return inside(field, data, []int{2, 1, 2}, func(shape []byte) error {
			return fields(shape, func(field int, _ uint64, dim []byte) error {
				side = 0
				return fields(dim, func(field int, v uint64, _ []byte) error {
					if field == 1 {
						side = int64(v)
					}
					return nil
				})
			})
		})
	})
	return name, side, err
}

// inside descends the path of nested messages.
func inside(field int, data []byte, path []int, visit func([]byte) error) error {
	if field != path[0] {
		return nil
	}
	if len(path) == 1 {
		return visit(data)
	}
	return fields(data, func(field int, _ uint64, data []byte) error { return inside(field, data, path[1:], visit) })
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
				a.t.at, g.bytes = g.bytes, g.bytes+int64(len(a.t.raw))
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
		default:
			for _, out := range n.outputs {
				g.made[out] = n
			}
			for i, in := range n.inputs {
				if !slices.Contains(n.inputs[:i], in) {
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
		came = fmt.Sprint(users)
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
		g.c.wiring.epsilons[norm] = a.f
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
	for x, g.side = range g.inputs {
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
	if g.pad != 0 && g.pad != pad {
		return nil, bad("ONNX: %v pads channels on other sides than the one before", n)
	}
	g.pad = pad
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
	n, err := g.only(x, "GlobalAveragePool", "ReduceMean", "AveragePool")
	if err != nil {
		return err
	}
	switch n.op {
	case "ReduceMean":
		axes, err := g.integers(n, "axes", 1)
		if err != nil {
			return err
		}
		for i := range axes {
			axes[i] = (axes[i] + 4) % 4
		}
		slices.Sort(axes)
		if !slices.Equal(axes, []int64{2, 3}) {
			return bad("ONNX: %v: mean over axes %v, want 2 and 3", n, axes)
		}
	case "AveragePool":
		want := (g.side + int64(g.stride) - 1) / int64(g.stride)
		if g.side == 0 || n.same("kernel_shape", 0) != want || n.same("pads", 0) != 0 {
			return bad("ONNX: %v: want an average over the whole map, %d×%d of the input's %d", n, want, want, g.side)
		}
	}
	for n.op != "Gemm" && n.op != "MatMul" {
		if n, err = g.only(n.outputs[0], "Flatten", "Reshape", "Squeeze", "Gemm", "MatMul"); err != nil {
			return err
		}
	}
	w, err := g.constant(n, 1)
	if err != nil {
		return err
	}
	if len(w.shape) != 2 {
		return bad("fc: want a matrix, file has %s", dims(w.shape))
	}
	bias, transposed := n, n.op == "Gemm" && n.int("transB", 0) == 1
	at := 2
	if n.op == "MatMul" {
		if bias, err = g.only(n.outputs[0], "Add"); err != nil {
			return err
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
			return bad("fc: %s of %v, want y = W·x + b", a.name, n)
		}
	}
	b, err := g.constant(bias, at)
	if err != nil {
		return err
	}
	g.name(w, "fc.weight")
	g.name(b, "fc.bias")
	out := bias.outputs[0]
	if s, err := g.only(out, "Softmax"); err == nil {
		out = s.outputs[0]
	}
	if !g.outputs[out] || len(g.users[out]) > 0 {
		return bad("ONNX: want the linear layer to be the output, file has %v behind it", g.users[out])
	}
	return nil
}
