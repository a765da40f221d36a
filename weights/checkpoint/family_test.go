package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
)

// near are the networks beside torchvision's five depths, by file, with what they are recognised as. Their names are
// those of torchvision, kuangliu, weiaicunzai and chenyaofo.
var near = map[string]struct {
	name   string
	dashed resnet.Shortcut
	note   string
	onnx   bool
}{
	"resnet10":         {"resnet10-2-2", resnet.Projection, "", false},
	"resnet14":         {"resnet14-2-2", resnet.Projection, "", false},
	"resnet26":         {"resnet26-2-2", resnet.Projection, "", false},
	"small":            {"resnet10s-2-2", resnet.Projection, "-arch resnet10s says so", true},
	"small-bottleneck": {"resnet14s-2-2", resnet.Projection, "-arch resnet14s says so", false},
	"cifar-projection": {"resnet8cifar-4-4", resnet.Projection, "", true},
	"cifar-bottleneck": {"resnet11cifarbottleneck-2-2", resnet.Projection, "", true},
	"grey":             {"resnet10-2-2", resnet.Projection, "grey pictures", true},
}

// TestNear reads each of them, under another format too where an export is here, and takes it into a model file and
// through both executors, which give the same bytes.
func TestNear(t *testing.T) {
	for file, want := range near {
		t.Run(file, func(t *testing.T) {
			c, err := Open("testdata/" + file + ".safetensors")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			f, err := c.Float("")
			if err != nil {
				t.Fatal(err)
			}
			if f.Name != want.name || f.Dashed != want.dashed || f.Classes != 5 || f.V1 {
				t.Errorf("recognised %+v, want %s", f.Config, want.name)
			}
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, want.note) || want.note == "" && notes != "" {
				t.Errorf("notes %q, want %q", notes, want.note)
			}
			if want.onnx {
				g, err := Open("testdata/" + file + ".onnx")
				if err != nil {
					t.Fatal(err)
				}
				defer g.Close()
				exported, err := g.Float("")
				if err == nil {
					err = different(exported, f, 1e-6) // the exporter folds in float32
				}
				if err != nil || exported.Dashed != f.Dashed || g.Grey != c.Grey {
					t.Errorf("ONNX: %v", err)
				}
				if file != "grey" && len(g.Notes) != 0 {
					t.Errorf("ONNX: notes %q", g.Notes)
				}
				if n := g.Normalisation; file == "grey" && (n == nil || *n != *c.Normalisation ||
					*n != Normalisation{[3]float32{.5, .5, .5}, [3]float32{.25, .25, .25}}) {
					t.Errorf("normalisation %v and %v, want 0.5 and 0.25", n, c.Normalisation)
				}
			}
			alike(t, f)
		})
	}
}

// alike quantises f without pictures and runs it on both executors.
func alike(t *testing.T, f *resnet.Float) {
	t.Helper()
	prep := resnet.Prep{Resize: 32, Crop: 32, Filter: "bilinear", Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.25, .25, .25}}
	m, _, err := calibrate.Quantise(f, prep, nil, calibrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m.Classes = make([]resnet.Class, f.Classes)
	var file bytes.Buffer
	if err := weights.Write(&file, m); err != nil {
		t.Fatal(err)
	}
	if m, err = weights.Read(file.Bytes()); err != nil {
		t.Fatal(err)
	}
	if m.Dashed != f.Dashed || m.Small != f.Small {
		t.Errorf("the model file has %+v, want %+v", m.Config, f.Config)
	}
	program, err := resnet.Compile(m)
	if err != nil {
		t.Fatal(err)
	}
	picture := make([]byte, 4*32*32)
	for i := range picture {
		picture[i] = byte(i*i>>3 + 7*i)
	}
	in := make([]byte, program.Input.Bytes())
	program.Quantise(in, picture)
	run := func(open func(*engine.Program) (engine.Executor, error)) (kept []byte) {
		e, err := open(program)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := errors.Join(e.SetImage(in), e.Run()); err != nil {
			t.Fatal(err)
		}
		for _, x := range []engine.Tensor{program.Last, program.Features, program.Logits} {
			b := make([]byte, x.Bytes())
			if err := e.Read(x, b); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, b...)
		}
		return kept
	}
	got, want := run(engine.Native), run(engine.Reference)
	if !bytes.Equal(got, want) {
		t.Error("the executors leave different bytes")
	}
	if bytes.Count(want, []byte{0}) == len(want) {
		t.Error("all is 0")
	}
}

// TestGrey computes for a grey picture what the network of one channel does, and for one in colours what it does for
// Pillow's grey of it.
func TestGrey(t *testing.T) {
	const taps = 9
	w := []float64{1, -2, 3, 4, 5, -6, 7, 8, 9, 9, 8, 7, -6, 5, 4, 3, 2, 1} // two channels
	all := spread(w, taps)
	if len(all) != 3*len(w) {
		t.Fatalf("%d weights, want %d", len(all), 3*len(w))
	}
	for o := range 2 {
		for k := range taps {
			r, g, b := all[(3*o)*taps+k], all[(3*o+1)*taps+k], all[(3*o+2)*taps+k]
			if x := w[o*taps+k]; r+g+b != x || r != x*19595/65536 || g != x*38470/65536 {
				t.Errorf("weight %v became %v, %v, %v", x, r, g, b)
			}
		}
	}
}

// TestStems tells the stems that a graph can have, and takes two of them.
func TestStems(t *testing.T) {
	for _, test := range []struct {
		arch   string
		change func(m *model)
		want   string
	}{
		{"resnet18s", func(*model) {}, ""},
		{"resnet18", func(*model) {}, ""},
		{"resnet18", func(m *model) { m.node("conv1").set(many("strides", 1, 1)) }, "7×7 with stride 1 and a max-pool"},
		{"resnet18s", func(m *model) { m.node("conv1").set(many("strides", 2, 2)) }, "3×3 with stride 2 and no max-pool"},
		{"resnet18s", func(m *model) {
			m.after(m.node("conv1.relu"), "MaxPool", nil, many("kernel_shape", 3, 3), many("strides", 2, 2), many("pads", 1, 1, 1, 1))
		}, "3×3 with stride 1 and a max-pool"},
		{"resnet18", func(m *model) {
			n := m.node("maxpool")
			n.op, n.attrs = "Identity", nil
		}, "7×7 with stride 2 and no max-pool"},
	} {
		m := small(t, test.arch, 64)
		test.change(m)
		if test.want == "" {
			m.reads(t, 64)
		} else {
			m.refuses(t, "conv1: want a stem of 7×7", "file has "+test.want)
		}
	}
}

// TestDepths recognises all depths and stems by their shapes alone.
func TestDepths(t *testing.T) {
	for _, name := range []string{"resnet10x0.125", "resnet14x0.125", "resnet26x0.125", "resnet200x0.125", "resnet10sx0.125",
		"resnet14sx0.125", "resnet18sx0.125", "resnet34sx0.125", "resnet50sx0.125", "resnet101sx0.125", "resnet164cifarbottleneck",
		"resnet11cifarbottleneckx0.5"} {
		if testing.Short() && (strings.Contains(name, "200") || strings.Contains(name, "10") || strings.Contains(name, "164")) {
			continue
		}
		f, err := open(safetensors(params(t, name, 3)))
		if err != nil || f.Name != name {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want, err := resnet.Lookup(name)
		if err != nil || !f.Config.Equal(want) {
			t.Errorf("got %+v, want %+v", f.Config, want)
		}
	}
}

// TestDashed takes the shortcuts of three stages as the file has them, whatever -pad says.
func TestDashed(t *testing.T) {
	cfg, err := resnet.Lookup("resnet8cifar")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dashed, pad, want resnet.Shortcut
		arch              string
	}{
		{resnet.Projection, 0, resnet.Projection, ""},
		{resnet.Projection, resnet.PadAppend, resnet.Projection, "resnet8cifar"},
		{resnet.PadAppend, 0, resnet.PadSplit, ""},
		{resnet.PadAppend, resnet.PadAppend, resnet.PadAppend, ""},
		{resnet.PadAppend, 0, resnet.PadSplit, "resnet8cifar"},
	} {
		cfg.Dashed = test.dashed
		data := safetensors(networkParams(cfg.Network(3)))
		c, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		c.Pad = test.pad
		f, err := c.Float(test.arch)
		if err != nil || f.Dashed != test.want {
			t.Errorf("%v: %v, want %v", fmt.Sprint(test), err, test.want)
		}
	}
}

// TestRelatives refuses the relatives of the family by what they are.
func TestRelatives(t *testing.T) {
	basic, deep := params(t, "resnet18x0.125", 3), params(t, "resnet50x0.125", 3)
	with := func(list []param, name string, shape ...int) []param {
		return append(slices.Clone(list), param{name, shape, func(int) float32 { return 1 }, ""})
	}
	names := func(list []param, pairs ...string) []param {
		return rename(list, strings.NewReplacer(pairs...).Replace)
	}
	without := func(list []param, part string) []param {
		return slices.DeleteFunc(slices.Clone(list), func(p param) bool { return strings.Contains(p.name, part) })
	}
	shaped := func(list []param, change func(name string, shape []int)) []param {
		list = slices.Clone(list)
		for i := range list {
			list[i].shape = slices.Clone(list[i].shape)
			change(list[i].name, list[i].shape)
		}
		return list
	}
	stem := names(basic, "conv1.w", "conv1.w") // a copy
	stem[0].name, stem[0].shape = "conv1.0.weight", []int{4, 3, 3, 3}
	three := with(with(with(stem, "conv1.1.weight", 4), "conv1.3.weight", 4, 4, 3, 3), "conv1.6.weight", 8, 4, 3, 3)
	preact := shaped(without(basic, "downsample.1"), func(name string, shape []int) {
		if strings.HasSuffix(name, "0.bn1.weight") && name > "layer2" && name < "layer5" {
			shape[0] /= 2
		}
	})
	for _, test := range []struct {
		list []param
		want string
	}{
		{shaped(deep, func(name string, shape []int) {
			if strings.HasSuffix(name, ".conv2.weight") {
				shape[1] /= 4
			}
		}), "grouped convolutions (ResNeXt)"},
		{three, "deep stem of three convolutions (ResNet-C, D)"},
		{with(names(basic, "conv1.w", "stem.6.w"), "stem.0.weight", 4, 3, 3, 3), "deep stem of three convolutions (ResNet-C, D)"},
		{names(deep, "downsample.1.", "downsample.2.", "downsample.0.", "downsample.1."), "averages in its shortcuts (ResNet-D)"},
		{with(basic, "layer1.0.se.fc1.weight", 2, 8, 1, 1), "squeeze-and-excitation"},
		{with(basic, "layer1.0.se_module.fc1.weight", 2, 8, 1, 1), "squeeze-and-excitation"},
		{with(basic, "layer1.0.fc1.weight", 2, 8, 1, 1), "squeeze-and-excitation"},
		{with(deep, "layer1.0.se.conv.weight", 1, 1, 3), "(ECA)"},
		{with(deep, "layer1.0.eca.conv.weight", 1, 1, 3), "(ECA)"},
		{with(basic, "layer1.0.ca.fc1.weight", 1, 8, 1, 1), "(CBAM)"},
		{with(basic, "layer2.0.downsample.0.filt", 8, 1, 3, 3), "anti-aliased"},
		{with(basic, "maxpool.1.filt", 8, 1, 3, 3), "anti-aliased"},
		{preact, "(pre-activation, ResNet v2)"},
		{names(basic, "layer1.", "stages.0.blocks.", "bn1.", "norm1."), "(pre-activation, ResNet v2, BiT)"},
		{names(basic, "layer1.0.", "body.block1.unit01.", "layer", "body.block"), "Big Transfer (BiT)"},
		{names(basic, "layer", "block", ".0.", ".layer.0."), "Wide ResNet with pre-activation"},
		{without(basic, "running_"), "GroupNorm"},
		{with(basic, "layer3.0.context_block.conv_mask.weight", 1, 8, 1, 1), "context blocks"},
		{with(deep, "layer1.0.conv2.conv.weight", 8, 8, 3, 3), "ResNeSt"},
		{names(deep, "conv2.", "convs.0."), "Res2Net"},
		{with(deep, "layer3.0.conv2_offset.weight", 18, 8, 3, 3), "deformable"},
		{with(deep, "attnpool.q_proj.weight", 8, 8), "CLIP"},
		{with(nil, "features.denseblock1.denselayer1.conv1.weight", 1), "a DenseNet, want a ResNet"},
		{with(nil, "cls_token", 1, 1, 8), "a transformer"},
	} {
		for _, prefix := range []string{"", "module."} {
			_, err := open(safetensors(rename(test.list, func(s string) string { return prefix + s })))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "ONNX Runtime") {
				t.Errorf("%q: got %v", test.want, err)
			}
		}
	}
}

// doubled lets the shortcuts of a CIFAR net of three stages append channels by a product with 0.
func (m *model) doubled(change func(mul, cat, pick *node)) {
	for _, stage := range []string{"layer2", "layer3"} {
		pick, cat := m.node(stage+".0.shortcut.slice"), m.node(stage+".0.shortcut")
		mul := &node{name: stage + ".mul", op: "Mul", outputs: []string{stage + ".mul"},
			inputs: []string{pick.outputs[0], m.constant(stage+".zero", "", []int{}, 0)}}
		cat.op, cat.inputs, cat.attrs = "Concat", []string{pick.outputs[0], stage + ".mul"}, []attr{{name: "axis", i: 1}}
		change(mul, cat, pick)
		m.nodes = slices.Insert(m.nodes, slices.Index(m.nodes, cat), mul)
	}
}

// grey lets the network of a model take one channel, by the first of its weights for three, and takes for its network
// what that is for colours.
func (m *model) grey() {
	v := m.inputs["input"]
	v.dims[1] = 1
	m.inputs["input"] = v
	w := m.inits["conv1.weight"]
	c := m.net.Convs[0]
	taps := 4 * c.Kernel * c.Kernel
	var raw []byte
	for o := range c.Out {
		raw = append(raw, w.raw[3*o*taps:][:taps]...)
		row := slices.Clone(c.W[3*o*taps/4:][:taps/4])
		for i := range 3 * taps / 4 {
			c.W[3*o*taps/4+i] = float32(grey[i/(taps/4)] * float64(row[i%(taps/4)]))
		}
	}
	w.shape, w.raw = []int{c.Out, 1, c.Kernel, c.Kernel}, raw
	m.inits["conv1.weight"] = w
}

// TestDoubled reads shortcuts that append as many channels of zeros as there are by multiplying them with 0.
func TestDoubled(t *testing.T) {
	build := func(pool bool, change func(mul, cat, pick *node)) *model {
		m := small(t, "resnet8cifar", 32)
		m.doubled(func(mul, cat, pick *node) {
			if pool {
				pick.op, pick.inputs = "AveragePool", pick.inputs[:1]
				pick.attrs = []attr{many("kernel_shape", 1, 1), many("strides", 2, 2)}
			}
			change(mul, cat, pick)
		})
		return m
	}
	for _, pool := range []bool{false, true} {
		m := build(pool, func(_, _, _ *node) {})
		if c := m.reads(t, 32); c != nil && c.wiring.pad != resnet.PadAppend {
			t.Errorf("zeros are at %v, want append", c.wiring.pad)
		}
	}
	for _, test := range []struct {
		change func(mul, cat, pick *node)
		want   string
	}{
		{func(_, cat, _ *node) { slices.Reverse(cat.inputs) }, "Concat"},
		{func(_, cat, _ *node) { cat.attrs[0].i = 2 }, "Concat"},
		{func(mul, cat, _ *node) { mul.inputs[1] = "fc.bias" }, "Concat"},
		{func(_, _, pick *node) { pick.attrs[1] = many("strides", 1, 1) }, "want stride 2 and no padding"},
		{func(_, _, pick *node) { pick.set(many("pads", 1, 1, 1, 1)) }, "want stride 2 and no padding"},
		{func(_, _, pick *node) { pick.attrs[0] = many("kernel_shape", 2, 2) }, "shortcuts or branches that average"},
	} {
		build(true, test.change).refuses(t, test.want)
	}
}
