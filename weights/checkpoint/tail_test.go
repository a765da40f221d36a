package checkpoint

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"resnet-web/resnet"
)

// without removes nodes.
func (m *model) without(names ...string) {
	m.nodes = slices.DeleteFunc(m.nodes, func(n *node) bool { return slices.Contains(names, n.name) })
}

// add appends a node at the end of the graph.
func (m *model) add(op string, inputs []string, output string, attrs ...attr) *node {
	n := &node{name: output, op: op, inputs: inputs, outputs: []string{output}, attrs: attrs}
	m.nodes = append(m.nodes, n)
	return n
}

// rows gives a constant that is a matrix the other layout.
func (m *model) rows(name string) {
	x := m.inits[name]
	r, c := x.shape[0], x.shape[1]
	raw := make([]byte, 0, len(x.raw))
	for i := range c {
		for k := range r {
			raw = append(raw, x.raw[4*(k*c+i):][:4]...)
		}
	}
	x.shape, x.raw = []int{c, r}, raw
	m.inits[name] = x
}

// TestTail reads other ways to write the head of a network.
func TestTail(t *testing.T) {
	features := func(m *model) (x string) { // behind the last block, without the average
		x = m.node("avgpool").inputs[0]
		m.without("avgpool", "features", "logits")
		return x
	}
	gemm := func(m *model, x string) {
		m.add("Gemm", []string{x, "fc.weight", "fc.bias"}, "logits", attr{name: "transB", i: 1}, attr{name: "alpha", f: 1})
	}
	for _, test := range []struct {
		name   string
		change func(m *model)
		note   string
	}{
		{"dynamo", func(m *model) { // as PyTorch 2.9 writes it, opset 18
			x := features(m)
			m.add("ReduceMean", []string{x, m.constant("val_0", "int64", nil, -1, -2)}, "mean", attr{name: "keepdims", i: 1},
				attr{name: "noop_with_empty_axes"})
			m.add("Reshape", []string{"mean", m.constant("val_1", "int64", nil, 1, 16)}, "view", attr{name: "allowzero", i: 1})
			gemm(m, "view")
		}, ""},
		{"dynamo, batch free", func(m *model) {
			x := features(m)
			m.add("GlobalAveragePool", []string{x}, "mean")
			m.add("Shape", []string{"input"}, "shape", attr{name: "start"}, attr{name: "end", i: 1})
			m.add("Concat", []string{"shape", m.constant("val_1", "int64", nil, 16)}, "to")
			m.add("Reshape", []string{"mean", "to"}, "view")
			gemm(m, "view")
		}, ""},
		{"mean of rows, then of columns", func(m *model) {
			x := features(m)
			m.add("ReduceMean", []string{x}, "rows", many("axes", 3), attr{name: "keepdims"})
			m.add("ReduceMean", []string{"rows"}, "mean", many("axes", 2), attr{name: "keepdims"})
			gemm(m, "mean")
		}, ""},
		{"mean of columns, then of rows", func(m *model) {
			x := features(m)
			m.add("ReduceMean", []string{x}, "rows", many("axes", -2), attr{name: "keepdims", i: 1})
			m.add("ReduceMean", []string{"rows"}, "mean", many("axes", 3), attr{name: "keepdims"})
			m.add("Squeeze", []string{"mean"}, "flat", many("axes", 2))
			gemm(m, "flat")
		}, ""},
		{"flat map, then mean", func(m *model) {
			x := features(m)
			m.add("Reshape", []string{x, m.constant("to", "int64", nil, 1, 16, -1)}, "map")
			m.add("ReduceMean", []string{"map"}, "mean", many("axes", -1), attr{name: "keepdims"})
			gemm(m, "mean")
		}, ""},
		{"flat map of known size", func(m *model) {
			x := features(m)
			m.add("Reshape", []string{x, m.constant("to", "int64", nil, 0, 0, 4)}, "map")
			m.add("ReduceMean", []string{"map", m.constant("axes", "int64", nil, 2)}, "mean", attr{name: "keepdims", i: 1})
			m.add("Flatten", []string{"mean"}, "flat")
			gemm(m, "flat")
		}, ""},
		{"channels last", func(m *model) {
			x := features(m)
			m.add("Transpose", []string{x}, "last", many("perm", 0, 2, 3, 1))
			m.add("ReduceMean", []string{"last"}, "mean", many("axes", 1, 2), attr{name: "keepdims"})
			gemm(m, "mean")
		}, ""},
		{"AveragePool", func(m *model) {
			x := features(m)
			m.add("Pad", []string{x}, "pad", many("pads", 0, 0, 0, 0, 0, 0, 0, 0))
			m.add("AveragePool", []string{"pad"}, "mean", many("kernel_shape", 2, 2))
			m.add("Unsqueeze", []string{"mean"}, "more", many("axes", 4))
			m.add("Flatten", []string{"more"}, "flat")
			gemm(m, "flat")
		}, ""},
		{"MatMul and Add", func(m *model) {
			m.without("logits")
			m.rows("fc.weight")
			m.add("MatMul", []string{"features", "fc.weight"}, "product")
			b := m.inits["fc.bias"]
			b.shape = []int{1, 3}
			m.inits["fc.bias"] = b
			m.add("Add", []string{"fc.bias", "product"}, "logits")
		}, ""},
		{"MatMul by a transposed constant", func(m *model) {
			m.without("logits")
			m.add("Transpose", []string{"fc.weight"}, "turned", many("perm", 1, 0))
			m.add("MatMul", []string{"features", "turned"}, "product")
			m.add("Add", []string{"product", "fc.bias"}, "logits")
		}, ""},
		{"Gemm of the other layout, and Add", func(m *model) {
			m.without("logits")
			m.rows("fc.weight")
			m.add("Gemm", []string{"features", "fc.weight"}, "product")
			m.add("Add", []string{"product", "fc.bias"}, "logits")
		}, ""},
		{"no bias", func(m *model) {
			clear(m.net.FC().B)
			n := m.node("logits")
			n.inputs = n.inputs[:2]
		}, ""},
		{"no bias, product", func(m *model) {
			clear(m.net.FC().B)
			m.without("logits")
			m.rows("fc.weight")
			m.add("MatMul", []string{"features", "fc.weight"}, "logits")
		}, ""},
		{"convolution of 1×1", func(m *model) {
			m.without("features", "logits")
			m.add("Reshape", []string{"fc.weight", m.constant("to", "int64", nil, 3, -1, 1, 1)}, "kernel")
			m.add("Conv", []string{"avgpool", "kernel", "fc.bias"}, "scores", many("kernel_shape", 1, 1))
			m.add("Flatten", []string{"scores"}, "logits")
		}, ""},
		{"Dropout and Identity", func(m *model) {
			m.before(m.node("logits"), 0, "Dropout", []string{m.constant("ratio", "", []int{}, 0.5)})
			m.before(m.node("layer2.0.conv2"), 0, "Identity", nil)
			m.before(m.node("layer2.0.conv2"), 1, "Identity", nil)
			m.after(m.node("logits"), "Identity", nil)
		}, ""},
		{"half precision", func(m *model) {
			for name, x := range m.inits {
				p := param{name, x.shape, func(i int) float32 { return float32(x.dtype.at(x.raw[4*i:])) }, "float16"}
				x.raw, x.dtype = p.raw(), float16
				m.inits[name] = x
				// The numbers of the network are those of the file.
				to := map[string][]float32{"fc.weight": m.net.FC().W, "fc.bias": m.net.FC().B}[name]
				for _, c := range m.net.Convs {
					switch name {
					case c.Name + ".weight":
						to = c.W
					case c.Name + ".bias":
						to = c.B
					}
				}
				for i := range to {
					to[i] = float32(x.dtype.at(x.raw[2*i:]))
				}
			}
			m.before(m.node("conv1"), 0, "Cast", nil, attr{name: "to", i: onnxFloat16})
			m.after(m.node("logits"), "Cast", nil, attr{name: "to", i: onnxFloat})
		}, ""},
		{"Softmax", func(m *model) { m.after(m.node("logits"), "Softmax", nil, attr{name: "axis", i: -1}) },
			`Softmax "Softmax after logits" is left out`},
		{"Softmax of an old opset, with Cast and best class", func(m *model) {
			n := m.after(m.node("logits"), "Softmax", nil)
			m.after(n, "Cast", nil, attr{name: "to", i: onnxFloat})
			m.add("ArgMax", []string{"logits"}, "best", attr{name: "axis", i: 1})
			m.outputs["best"] = true
		}, `Softmax "Softmax after logits" is left out`},
		{"LogSoftmax", func(m *model) { m.after(m.node("logits"), "LogSoftmax", nil, attr{name: "axis", i: 1}) },
			"LogSoftmax"},
		{"ArgMax", func(m *model) { m.after(m.node("logits"), "ArgMax", nil, attr{name: "axis", i: 1}) },
			`ArgMax "ArgMax after logits" is left out`},
		{"bias of a convolution in an Add", func(m *model) {
			for i, name := range []string{"layer1.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"} {
				n := m.node(name)
				b := m.inits[n.inputs[2]]
				b.shape = []int{1, b.shape[0], 1, 1}[i%2:]
				m.inits[n.inputs[2]] = b
				m.after(n, "Add", []string{n.inputs[2]})
				n.inputs = n.inputs[:2]
			}
		}, ""},
		{"features too", func(m *model) { m.outputs["features"] = true }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := small(t, "resnet18", 64)
			test.change(m)
			c := m.reads(t, 64)
			if c == nil {
				return
			}
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, test.note) || (test.note == "") != (notes == "") {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
		})
	}
}

// TestTailRefused refuses other heads, and says what is in the way.
func TestTailRefused(t *testing.T) {
	for _, test := range []struct {
		change func(m *model)
		want   []string
	}{
		{func(m *model) { m.after(m.after(m.node("logits"), "Sigmoid", nil), "Round", nil) }, []string{`Round "Round after ` +
			`Sigmoid after logits" behind it`}},
		{func(m *model) {
			m.after(m.node("logits"), "Sigmoid", nil)
			m.add("Softmax", []string{"logits"}, "exclusive")
			m.outputs["exclusive"] = true
		}, []string{"want a Softmax or a Sigmoid at the end, file has both"}},
		{func(m *model) { m.after(m.node("logits"), "Softmax", nil, attr{name: "axis", i: 0}) },
			[]string{"axis 0, want the classes"}},
		{func(m *model) { m.after(m.after(m.node("logits"), "Softmax", nil), "Softmax", nil) },
			[]string{`Softmax "Softmax after Softmax after logits" behind it`}},
		{func(m *model) { m.after(m.node("logits"), "Relu", nil) },
			[]string{`Relu "Relu after logits" behind the last linear layer`, "export the network without it"}},
		{func(m *model) { m.after(m.node("logits"), "Exp", nil) },
			[]string{`Exp "Exp after logits" behind it; export the network without it`}},
		{func(m *model) { m.outputs = map[string]bool{"features": true} }, []string{"file has nothing; a backbone alone"}},
		{func(m *model) { m.after(m.node("features"), "BatchNormalization", nil) },
			[]string{"want a constant as input 1 of BatchNormalization"}},
		{func(m *model) { m.before(m.node("conv1"), 0, "Slice", nil) }, []string{"without what it does to the picture " +
			"first"}},
		{func(m *model) { m.before(m.node("conv1"), 0, "BatchNormalization", nil) }, []string{"pre-activation, ResNet v2"}},
		{func(m *model) {
			m.before(m.node("maxpool"), 0, "Conv", m.node("layer1.0.conv1").inputs[1:], many("pads", 1, 1, 1, 1))
			m.before(m.node("maxpool"), 0, "Relu", nil)
			m.before(m.node("maxpool"), 0, "Conv", m.node("layer1.0.conv1").inputs[1:], many("pads", 1, 1, 1, 1))
			m.before(m.node("maxpool"), 0, "Relu", nil)
		}, []string{`MaxPool "maxpool"`, "a stem of several convolutions (ResNet-C, D)"}},
		{func(m *model) { m.before(m.node("layer2.0.downsample.0"), 0, "AveragePool", nil) }, []string{"AveragePool \"",
			"(ResNet-D, squeeze-and-excitation)"}},
		{func(m *model) { m.node("layer1.0.conv2").set(attr{name: "group", i: 2}) }, []string{"layer1.0.conv2",
			"group 2; grouped ones (ResNeXt)"}},
		{func(m *model) { n := m.node("layer1.0.conv2"); n.inputs = n.inputs[:2] }, []string{"layer1.0.conv2",
			"want a bias or a BatchNormalization behind it, file has [Add"}},
		{func(m *model) {
			n := m.node("layer1.0.conv2")
			m.after(n, "Mul", []string{"gate"})
			m.nodes = slices.Insert(m.nodes, slices.Index(m.nodes, n)+1, &node{name: "squeeze", op: "GlobalAveragePool",
				inputs: n.outputs, outputs: []string{"gate"}})
		}, []string{"squeeze-and-excitation cannot be taken"}},
		{func(m *model) { m.after(m.node("logits"), "Gemm", []string{"fc.weight"}) },
			[]string{"fc.weight and fc.weight lie in the same bytes"}},
		{func(m *model) {
			m.add("Gemm", []string{"logits", m.constant("w", "", []int{3, 2}, 1, 2, 3, 4, 5, 6)}, "more")
			m.add("Gemm", []string{"logits", "w"}, "others")
			m.outputs["more"], m.outputs["others"] = true, true
		}, []string{"behind a linear layer: want one head"}},
		{func(m *model) {
			m.add("Gemm", []string{"features", m.constant("w", "", []int{16, 2}, make([]float32, 32)...)}, "more")
			m.outputs["more"] = true
		}, []string{"want a head of linear layers, each behind the one before"}},
		{func(m *model) {
			m.after(m.node("logits"), "Gemm", []string{m.constant("w", "", []int{2, 2}, 1, 2, 3, 4)})
		},
			[]string{"want a linear layer of outputs × 3, file has float32 2×2"}},
		{func(m *model) { m.node("avgpool").op = "GlobalMaxPool" }, []string{`GlobalMaxPool "avgpool"`,
			"an average over the map is wanted"}},
		{func(m *model) { n := m.node("avgpool"); n.op = "ReduceMean"; n.set(many("axes", 1, 2)) },
			[]string{"mean over axes [1 2]"}},
		{func(m *model) { n := m.node("avgpool"); n.op = "ReduceMean"; n.set(many("axes", 2)) },
			[]string{"want ReduceMean after"}},
		{func(m *model) { n := m.node("avgpool"); n.op = "ReduceMean" }, []string{"want a constant as input 1 of " +
			"ReduceMean"}},
		{func(m *model) { n := m.node("avgpool"); n.op = "AveragePool"; n.set(many("kernel_shape", 2, 1)) },
			[]string{"2×2 of the input's 64×64, file has kernel [2 1]"}},
		{func(m *model) {
			n := m.node("avgpool")
			n.op = "AveragePool"
			n.set(many("kernel_shape", 2, 2))
			n.set(many("dilations", 2, 2))
		}, []string{"want an average over the whole map"}},
		{func(m *model) { m.before(m.node("avgpool"), 0, "Pad", nil, many("pads", 0, 0, 1, 1, 0, 0, 1, 1)) },
			[]string{"padding [1 1 1 1] before the average"}},
		{func(m *model) { m.before(m.node("avgpool"), 0, "Transpose", nil, many("perm", 0, 2, 3, 1)) },
			[]string{"want the channels before the map"}},
		{func(m *model) {
			m.before(m.node("logits"), 0, "Dropout", []string{m.constant("ratio", "", []int{}, 0.5), m.constant("training",
				"int8", []int{}, 1)})
		}, []string{"in training mode"}},
		{func(m *model) {
			n := m.node("layer1.0.conv1")
			m.after(n, "Add", []string{n.inputs[2]}) // a number for each column
			n.inputs = n.inputs[:2]
		}, []string{"want a bias of 1×2×1×1, file has 2"}},
		{func(m *model) { m.node("logits").set(attr{name: "alpha", f: 0.5}) }, []string{`alpha of Gemm "logits"`}},
		{func(m *model) { m.node("layer1.0.conv1.relu").op = "Clip" }, []string{`Clip "layer1.0.conv1.relu"`,
			"train the network with it"}},
		{func(m *model) {
			m.after(m.node("features"), "Reshape", []string{"fc.bias"})
			n := m.node("Reshape after features")
			n.inputs[0], n.inputs[1] = n.inputs[1], n.inputs[0]
		},
			[]string{"reads it as another input than the first"}},
	} {
		m := small(t, "resnet18", 64)
		test.change(m)
		m.refuses(t, test.want...)
	}
}

// TestHeadONNX follows chains of linear layers in other ways of writing them.
func TestHeadONNX(t *testing.T) {
	normed := func(m *model, name string, n int) []string { // inputs of a BatchNormalization that changes nothing
		list := []string{}
		for i, v := range []float32{1, 0, 0, 1} {
			list = append(list, m.constant(fmt.Sprint(name, i), "", nil, slices.Repeat([]float32{v}, n)...))
		}
		return list
	}
	exact := attr{name: "epsilon", f: 0}
	for _, test := range []struct {
		name    string
		hidden  []int
		change  func(m *model)
		refused string
	}{
		{"as written", []int{6, 5}, func(m *model) {}, ""},
		{"Dropout, Identity and other shapes between", []int{6, 5}, func(m *model) {
			m.after(m.node("fc1.relu"), "Dropout", nil)
			m.after(m.node("fc1"), "Identity", nil)
			m.after(m.node("fc2"), "Flatten", nil)
			m.after(m.node("fc2.relu"), "Unsqueeze", nil, many("axes", 2))
			m.before(m.node("logits"), 0, "Squeeze", nil, many("axes", 2))
		}, ""},
		{"MatMul and Add", []int{6}, func(m *model) {
			m.rows("fc1.weight")
			n := m.node("fc1")
			n.op, n.attrs = "MatMul", nil
			m.after(n, "Add", n.inputs[2:])
			n.inputs = n.inputs[:2]
		}, ""},
		{"ReLU of the averages", []int{6}, func(m *model) { m.after(m.node("features"), "Relu", nil) }, ""},
		{"ReLU twice", []int{6}, func(m *model) { m.after(m.node("fc1.relu"), "Relu", nil) }, ""},
		{"normalised in front, within and at the end", []int{6}, func(m *model) {
			m.after(m.node("avgpool"), "BatchNormalization", normed(m, "a", 16), exact)
			m.after(m.node("fc1"), "BatchNormalization", normed(m, "b", 6), exact)
			m.after(m.node("fc1.relu"), "BatchNormalization", normed(m, "c", 6), exact)
			m.after(m.node("logits"), "BatchNormalization", normed(m, "d", 3), exact)
		}, ""},
		{"two layers in one", nil, func(m *model) {
			// The first doubles, the second halves.
			w := make([]float32, 16*16)
			for i := range 16 {
				w[17*i] = 2
			}
			m.after(m.node("features"), "MatMul", []string{m.constant("two", "", []int{16, 16}, w...)})
			half := slices.Clone(w)
			for i := range half {
				half[i] /= 4
			}
			m.before(m.node("logits"), 0, "MatMul", []string{m.constant("half", "", []int{16, 16}, half...)})
		}, ""},
		{"the hidden layer is an output too", []int{6}, func(m *model) { m.outputs["fc1.relu"] = true }, ""},
		{"convolutions", []int{6}, func(m *model) {
			m.without("features")
			for _, name := range []string{"fc1", "logits"} {
				n := m.node(name)
				m.before(n, 1, "Unsqueeze", nil, many("axes", 2, 3))
				n.op, n.attrs = "Conv", nil
			}
			m.node("fc1").inputs[0] = "avgpool"
			m.after(m.node("logits"), "Flatten", nil)
		}, ""},

		{"Tanh", []int{6}, func(m *model) { m.node("fc1.relu").op = "Tanh" }, `Tanh "fc1.relu" between linear layers: only ReLU`},
		{"Gelu", []int{6}, func(m *model) { m.node("fc1.relu").op = "Gelu" }, `Gelu "fc1.relu" between`},
		{"LeakyRelu", []int{6}, func(m *model) { m.node("fc1.relu").op = "LeakyRelu" }, `LeakyRelu "fc1.relu" between`},
		{"HardSwish", []int{6}, func(m *model) { m.node("fc1.relu").op = "HardSwish" }, `HardSwish "fc1.relu" between`},
		{"Clip", []int{6}, func(m *model) { m.node("fc1.relu").op = "Clip" }, `Clip "fc1.relu" between`},
		{"Sigmoid", []int{6}, func(m *model) { m.node("fc1.relu").op = "Sigmoid" }, `Sigmoid "fc1.relu" between`},
		{"Sigmoid of one unit", []int{1}, func(m *model) { m.node("fc1.relu").op = "Sigmoid" }, `Sigmoid "fc1.relu" between`},
		{"SiLU", []int{6}, func(m *model) {
			n := m.node("fc1.relu")
			n.op = "Mul"
			m.before(n, 0, "Sigmoid", nil)
			n.inputs = append(n.inputs, "fc1")
		}, "between linear layers: only ReLU"},
		{"normalised, then ReLU", nil, func(m *model) {
			n := m.after(m.node("features"), "BatchNormalization", normed(m, "a", 16))
			m.after(n, "Relu", nil)
		}, "want a linear layer between the normalisation before it and this ReLU"},
		{"training mode", []int{6}, func(m *model) {
			m.after(m.node("fc1"), "BatchNormalization", normed(m, "b", 6), attr{name: "training_mode", i: 1})
		}, "training mode"},
		{"a normalisation of another size", []int{6}, func(m *model) {
			m.after(m.node("fc1"), "BatchNormalization", normed(m, "b", 5))
		}, "want weight of 6, file has float32 5"},
		{"nine", slices.Repeat([]int{4}, 8), func(m *model) {}, "want at most 8 linear layers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := small(t, "resnet18", 64).net.Config
			m := modelOf(t, resnet.Random(cfg.Network(3, test.hidden...), 1), 64)
			test.change(m)
			if test.refused != "" {
				m.refuses(t, test.refused)
			} else if c := m.reads(t, 64); c != nil && c.Notes != nil {
				t.Errorf("notes %q, want none", c.Notes)
			}
		})
	}
}

// TestMultiLabel takes a Sigmoid of several outputs for what it is.
func TestMultiLabel(t *testing.T) {
	m := small(t, "resnet18", 64)
	m.after(m.node("logits"), "Sigmoid", nil)
	if c := m.reads(t, 64); c == nil || !c.MultiLabel || !strings.Contains(strings.Join(c.Notes, ""), "do not exclude each other") {
		t.Errorf("%+v", c)
	}
	m = small(t, "resnet18", 64)
	if c := m.reads(t, 64); c == nil || c.MultiLabel {
		t.Errorf("%+v", c)
	}
}

// quantise stores a constant as integers with a scale for each index of axis, or one for all where axis is −1, and gives
// the network what they stand for.
func (m *model) quantise(reader *node, input int, kind string, axis int, zero float32, to []float32) {
	name := reader.inputs[input]
	x := m.inits[name]
	parts, inner := 1, 1
	if axis >= 0 {
		parts = x.shape[axis]
		for _, n := range x.shape[axis+1:] {
			inner *= n
		}
	}
	scale, zeros, q := make([]float32, parts), make([]float32, parts), make([]float32, len(to))
	for i := range scale {
		scale[i], zeros[i] = 0.01+0.001*float32(i), zero
	}
	for i, v := range to {
		k := i / inner % parts
		q[i] = max(-100, min(100, float32(math.RoundToEven(float64(v/scale[k])))))
		to[i] = q[i] * scale[k]
		q[i] += zero
	}
	inputs := []string{m.constant(name+".scale", "", nil, scale...)}
	if zero != 0 {
		inputs = append(inputs, m.constant(name+".zero", kind, nil, zeros...))
	}
	var attrs []attr
	if axis >= 0 {
		attrs = append(attrs, attr{name: "axis", i: int64(axis)})
	}
	m.constant(name, kind, x.shape, q...)
	m.before(reader, input, "DequantizeLinear", inputs, attrs...)
}

// TestDequantised reads weights in integers.
func TestDequantised(t *testing.T) {
	m := small(t, "resnet50", 64)
	for i, c := range m.net.Convs {
		n := m.node(c.Name)
		switch i % 4 {
		case 0:
			m.quantise(n, 1, "int8", 0, 0, c.W)
		case 1:
			m.quantise(n, 1, "uint8", 1, 120, c.W)
		case 2:
			m.quantise(n, 1, "int8", -1, 3, c.W)
			m.quantise(n, 2, "int8", 0, 0, c.B)
		}
	}
	m.quantise(m.node("logits"), 1, "int8", 0, 2, m.net.FC().W)
	m.reads(t, 64)

	// A scale for each index of the matrix's second axis, which is the first one when it is transposed.
	m = small(t, "resnet18", 64)
	m.quantise(m.node("logits"), 1, "int8", 1, 0, m.net.FC().W)
	m.before(m.node("logits"), 1, "Transpose", nil, many("perm", 1, 0))
	m.node("logits").drop("transB")
	m.reads(t, 64)

	for _, test := range []struct {
		change func(m *model, dq *node)
		want   string
	}{
		{func(m *model, dq *node) { dq.set(attr{name: "block_size", i: 2}) }, "block_size 2"},
		{func(m *model, dq *node) { dq.set(attr{name: "axis", i: 4}) }, "axis 4"},
		{func(m *model, dq *node) { dq.set(attr{name: "axis", i: -7}) }, "want integers with one scale or one for each"},
		{func(m *model, dq *node) { m.constant(dq.inputs[1], "", nil, 1, 2, 3) }, "scale 3"},
		{func(m *model, dq *node) { m.constant(dq.inputs[1], "int8", nil, 1, 1) }, "want integers with one scale"},
		{func(m *model, dq *node) { dq.inputs = append(dq.inputs, m.constant("z", "int8", nil, 1, 2, 3)) },
			"scale 2 with zero point 3"},
		{func(m *model, dq *node) { dq.inputs[0] = "input" }, "this network is quantised"},
		{func(m *model, dq *node) { m.constant(dq.inputs[1], "", nil, 1, float32(math.Inf(1))) }, "want finite numbers"},
	} {
		m := small(t, "resnet18", 64)
		m.quantise(m.node("layer1.0.conv1"), 1, "int8", 0, 0, slices.Clone(m.net.Convs[1].W))
		test.change(m, m.node("DequantizeLinear before layer1.0.conv1"))
		m.refuses(t, test.want)
	}
}

// TestLiterals reads constants in the ways of newer exporters.
func TestLiterals(t *testing.T) {
	m := small(t, "resnet18", 64)
	m.normalise(nil, "Mul", []float32{2}, "Sub", []float32{1})
	delete(m.inits, "Mul0")
	delete(m.inits, "Sub2")
	m.nodes = slices.Insert(m.nodes, 0, &node{name: "two", op: "Constant", outputs: []string{"Mul0"},
		attrs: []attr{{name: "value_float", f: 2}}},
		&node{name: "one", op: "Constant", outputs: []string{"Sub2"}, attrs: []attr{{name: "value_floats", raw: []byte{0,
			0, 0x80, 0x3f}}}},
		&node{name: "axes", op: "Constant", outputs: []string{"axes"}, attrs: []attr{many("value_ints", 2, 3)}})
	n := m.node("avgpool")
	n.op, n.inputs = "ReduceMean", append(n.inputs, "axes")
	c := m.reads(t, 64)
	if c != nil && (c.Normalisation == nil || c.Normalisation.Mean != [3]float32{0.5, 0.5, 0.5}) {
		t.Errorf("got %v, want means of 0.5", c.Normalisation)
	}
	for domain, want := range map[string]string{"com.microsoft": "before onnxruntime optimised",
		"pkg.onnxscript.torch_lib": "PyTorch 2.9", "org.me": "without its own operations"} {
		m := small(t, "resnet18", 64)
		m.node("conv1").domain = domain
		m.refuses(t, `Conv "conv1" is of domain "`+domain+`"`, want)
	}
}

// TestOneOutputONNX makes two classes of one output, with or without a Sigmoid, and refuses what answers the same for
// every picture.
func TestOneOutputONNX(t *testing.T) {
	net := tiny(t).Config.Network(1)
	for op, want := range map[string]string{"": "", "Sigmoid": "", "Softmax": "of one output", "ArgMax": "of one output"} {
		m := modelOf(t, resnet.Random(net, 1), 32)
		if op != "" {
			m.after(m.node("logits"), op, nil)
		}
		if want != "" {
			m.refuses(t, op, want)
			continue
		}
		c, f, err := reading(m.bytes(), nil)
		if err != nil {
			t.Errorf("%q: %v", op, err)
			continue
		}
		z, got := m.net.Forward(sine(32), 32, nil), f.Forward(sine(32), 32, nil)
		if len(z) != 1 || len(got) != 2 || got[0] != 0 || got[1] != z[0] || z[0] == 0 {
			t.Errorf("%q: logits %v, want 0 and %v", op, got, z)
		}
		if notes := strings.Join(c.Notes, "\n"); strings.Contains(notes, "Sigmoid") != (op != "") ||
			!strings.Contains(notes, "0 and z") {
			t.Errorf("%q: notes %q", op, notes)
		}
	}
}
