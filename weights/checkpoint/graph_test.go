package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"resnet-web/resnet"
)

// model is an ONNX model to change: that of a network as [WriteONNX] writes it.
type model struct {
	*graph
	net *resnet.Float
}

// small is a narrow network, seeded, and its model for side×side pixels.
func small(t testing.TB, arch string, side int) *model {
	t.Helper()
	cfg, err := resnet.Lookup(arch)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Width, cfg.Inner = 2, 2
	if cfg.Small {
		cfg.Width, cfg.Inner = 4, 4
	}
	return modelOf(t, resnet.Random(cfg.Network(3), 1), side)
}

func modelOf(t testing.TB, net *resnet.Float, side int) *model {
	t.Helper()
	var b bytes.Buffer
	if err := WriteONNX(&b, net, max(side, 32)); err != nil {
		t.Fatal(err)
	}
	m := &model{newGraph(&Checkpoint{}), net}
	if err := fields(b.Bytes(), func(field int, _ uint64, data []byte) error {
		if field != modelGraph {
			return nil
		}
		return m.read(data)
	}); err != nil {
		t.Fatal(err)
	}
	m.size(int64(side), int64(side))
	return m
}

// size gives the input another size, 0 for a free one.
func (m *model) size(h, w int64) {
	m.inputs["input"] = value{onnxFloat, []int64{0, 3, h, w}}
}

// bytes is the model as a file.
func (m *model) bytes() []byte {
	g, file := &message{}, &message{}
	for _, n := range m.nodes {
		to := &message{}
		for _, in := range n.inputs {
			to.text(nodeInput, in)
		}
		for _, out := range n.outputs {
			to.text(nodeOutput, out)
		}
		to.text(nodeName, n.name)
		to.text(nodeOp, n.op)
		to.text(nodeDomain, n.domain)
		for _, a := range n.attrs {
			to.add(nodeAttribute, a.message())
		}
		g.add(graphNode, to)
	}
	for _, name := range slices.Sorted(maps.Keys(m.inits)) {
		t := m.inits[name]
		g.add(graphInitializer, t.message(name))
	}
	for _, name := range slices.Sorted(maps.Keys(m.inputs)) {
		v := m.inputs[name]
		info := valueInfo(name, v.dims[1:]...)
		if v.kind != onnxFloat {
			info = &message{}
			kind, typed := &message{}, &message{}
			typed.int(typeElement, int64(v.kind))
			kind.add(typeTensor, typed)
			info.text(valueName, name)
			info.add(valueType, kind)
		}
		g.add(graphInput, info)
	}
	for _, name := range slices.Sorted(maps.Keys(m.outputs)) {
		g.add(graphOutput, valueInfo(name, 3))
	}
	file.int(modelIR, 7)
	file.add(modelGraph, g)
	var b bytes.Buffer
	file.write(&b) // to memory
	return b.Bytes()
}

func (a attr) message() *message {
	to := &message{}
	to.text(attributeName, a.name)
	if a.f != 0 {
		to.put(binary.LittleEndian.AppendUint32([]byte{attributeFloat<<3 | wireFixed32}, math.Float32bits(float32(a.f))))
	}
	to.int(attributeInt, a.i)
	if a.s != "" {
		to.text(attributeString, a.s)
	}
	for _, x := range a.ints {
		to.int(attributeInts, x)
	}
	if a.raw != nil {
		to.text(attributeFloats, string(a.raw))
	}
	if a.t != nil {
		to.add(attributeTensor, a.t.message("value"))
	}
	return to
}

func (t tensor) message(name string) *message {
	to := &message{}
	for _, n := range t.shape {
		to.int(tensorDims, int64(n))
	}
	for kind, d := range onnxTypes {
		if d.name == t.dtype.name {
			to.int(tensorType, int64(kind))
		}
	}
	to.text(tensorName, name)
	if t.part == nil {
		to.head(tensorRaw, len(t.raw))
		to.put(t.raw)
		return to
	}
	for key, v := range map[string]string{"location": t.part.name, "offset": fmt.Sprint(t.at),
		"length": fmt.Sprint(len(t.raw))} {
		entry := &message{}
		entry.text(entryKey, key)
		entry.text(entryValue, v)
		to.add(tensorExternal, entry)
	}
	to.int(tensorLocation, 1)
	return to
}

// reading opens data and builds its network.
func reading(data []byte, beside fs.FS) (*Checkpoint, *resnet.Float, error) {
	c, err := ReadBeside(bytes.NewReader(data), int64(len(data)), beside)
	if err != nil {
		return nil, nil, err
	}
	f, err := c.Float("")
	return c, f, err
}

// reads wants m to be read as its network: the same logits for a picture of the given side.
func (m *model) reads(t *testing.T, side int) *Checkpoint {
	t.Helper()
	c, got, err := reading(m.bytes(), nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	m.same(t, got, side)
	return c
}

func (m *model) same(t *testing.T, got *resnet.Float, side int) {
	t.Helper()
	want := m.net.Forward(sine(side), side, nil)
	logits := got.Forward(sine(side), side, nil)
	if len(logits) != len(want) {
		t.Fatalf("%d logits, want %d", len(logits), len(want))
	}
	for i := range want {
		if d := math.Abs(float64(logits[i] - want[i])); !(d <= 1e-5*(1+math.Abs(float64(want[i])))) {
			t.Errorf("logit %d is %v, want %v", i, logits[i], want[i])
		}
	}
}

// refuses wants m to be refused with words.
func (m *model) refuses(t *testing.T, words ...string) {
	t.Helper()
	_, _, err := reading(m.bytes(), nil)
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q in it", err, w)
		}
	}
}

// outside moves the elements of all constants to another file, and returns its bytes.
func (m *model) outside(name string) (data []byte) {
	for _, key := range slices.Sorted(maps.Keys(m.inits)) {
		x := m.inits[key]
		data = append(data, make([]byte, -len(data)&63)...) // exporters align them
		x.part, x.at = &part{name: name}, int64(len(data))
		data = append(data, x.raw...)
		m.inits[key] = x
	}
	return data
}

// TestExternal reads weights from a file beside the model.
func TestExternal(t *testing.T) {
	for _, arch := range []string{"resnet18", "resnet8cifar"} { // the second has integers, which say where to pad
		m := small(t, arch, 32)
		data := m.outside("net.onnx.data")
		_, f, err := reading(m.bytes(), fstest.MapFS{"net.onnx.data": {Data: data}})
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		m.same(t, f, 32)
	}

	// As a program opens it, in another folder, and by another way of writing its name.
	m, dir := small(t, "resnet18", 32), t.TempDir()
	data := m.outside("./weights/net.data")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "net/weights"), 0o777))
	file, beside := filepath.Join(dir, "net/net.onnx"), filepath.Join(dir, "net/weights/net.data")
	must(os.WriteFile(file, m.bytes(), 0o666))
	must(os.WriteFile(beside, data, 0o666))
	m.same(t, load(t, file, ""), 32)
	refused := func(words string) {
		t.Helper()
		if _, err := Open(file); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("got %v, want %q in it", err, words)
		}
	}

	c, err := Open(file)
	must(err)
	defer c.Close()
	if files, err := Files(file); err != nil || !slices.Equal(files, []string{file, beside}) || c.Side != 32 {
		t.Errorf("got files %q, %v and side %d, want %q and 32", files, err, c.Side, []string{file, beside})
	}

	// A link inside the folder is a file, one out of it is not.
	inside, out := filepath.Join(dir, "net/blob"), filepath.Join(dir, "blob")
	must(os.Rename(beside, inside))
	must(os.Symlink("../blob", beside))
	m.same(t, load(t, file, ""), 32)
	must(os.Rename(inside, out))
	must(os.Remove(beside))
	must(os.Symlink("../../blob", beside))
	refused("a link to another folder")
	must(os.Remove(beside))
	must(os.Symlink(out, beside))
	refused("a link to another folder")
	must(os.Remove(beside))
	refused("put both into one folder")
	must(os.Mkdir(beside, 0o777))
	refused("which is no file")
	must(os.Remove(beside))
	if exec.Command("mkfifo", beside).Run() == nil { // opened, it would wait for ever
		refused("which is no file")
	}
}

// TestExternalLies refuses what a model says of a file that has it otherwise.
func TestExternalLies(t *testing.T) {
	for _, test := range []struct {
		change func(x *tensor)
		want   string
	}{
		{func(x *tensor) { x.part.name = "/etc/hostname" }, "neither absolute nor with .."},
		{func(x *tensor) { x.part.name = "../net.data" }, "neither absolute nor with .."},
		{func(x *tensor) { x.part.name = "a/../net.data" }, "neither absolute nor with .."},
		{func(x *tensor) { x.part.name = `..\net.data` }, "neither absolute nor with .."},
		{func(x *tensor) { x.part.name = `c:\net.data` }, "neither absolute nor with .."},
		{func(x *tensor) { x.part.name = "" }, "want the name of a file"},
		{func(x *tensor) { x.part.name = "other.data" }, `"other.data", which is not beside the checkpoint`},
		{func(x *tensor) { x.part.name = "." }, "which is no file"},
		{func(x *tensor) { x.at = 1 << 40 }, "both may not be of one export"},
		{func(x *tensor) { x.at = -4 }, "both may not be of one export"},
		{func(x *tensor) { x.raw = make([]byte, 1<<20) }, "both may not be of one export"},
		{func(x *tensor) { x.raw = x.raw[4:] }, "more than the"},
		{func(x *tensor) { x.shape = []int{1 << 30, 1 << 30, 3, 3} }, "more than the"},
		{func(x *tensor) { x.shape = []int{1} }, "needs 4 bytes"},
	} {
		m := small(t, "resnet18", 32)
		data := m.outside("net.data")
		x := m.inits["layer4.1.conv1.weight"]
		test.change(&x)
		m.inits["layer4.1.conv1.weight"] = x
		file := m.bytes()
		var err error
		used := allocated(func() { _, _, err = reading(file, fstest.MapFS{"net.data": {Data: data}}) })
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(),
			"layer4.1.conv1.weight") {
			t.Errorf("got %v, want %q in it", err, test.want)
		}
		if used > bound(len(file)) {
			t.Errorf("%s: %d bytes allocated for a file of %d", test.want, used, len(file))
		}
	}
	m := small(t, "resnet18", 32)
	m.outside("net.data")
	m.refuses(t, "external_data=False", `"net.data"`)
	if _, _, err := reading(m.bytes(), fstest.MapFS{"net.data": {Data: make([]byte, 100)}}); err == nil ||
		!strings.Contains(err.Error(), `"net.data", which has 100`) {
		t.Errorf("got %v", err)
	}
}

// node is the operation called name.
func (m *model) node(name string) *node {
	for _, n := range m.nodes {
		if n.name == name {
			return n
		}
	}
	panic("no node " + name)
}

// each calls change for all nodes that do op.
func (m *model) each(op string, change func(n *node)) {
	for _, n := range m.nodes {
		if n.op == op {
			change(n)
		}
	}
}

// set gives n an attribute in place of one of the same name.
func (n *node) set(a attr) {
	n.drop(a.name)
	n.attrs = append(n.attrs, a)
}

func (n *node) drop(name string) {
	n.attrs = slices.DeleteFunc(n.attrs, func(a attr) bool { return a.name == name })
}

// before puts a node between n and what it reads as input i.
func (m *model) before(n *node, i int, op string, inputs []string, attrs ...attr) *node {
	name := fmt.Sprintf("%s before %s", op, n.name)
	for slices.ContainsFunc(m.nodes, func(n *node) bool { return n.name == name }) {
		name += "'"
	}
	added := &node{name: name, op: op, inputs: append([]string{n.inputs[i]}, inputs...), outputs: []string{name},
		attrs: attrs}
	n.inputs[i] = name
	m.nodes = slices.Insert(m.nodes, slices.Index(m.nodes, n), added)
	return added
}

// after puts a node between the output of n and all that reads it, the graph's output among them.
func (m *model) after(n *node, op string, inputs []string, attrs ...attr) *node {
	name := fmt.Sprintf("%s after %s", op, n.name)
	for _, x := range m.nodes {
		for i, in := range x.inputs {
			if in == n.outputs[0] {
				x.inputs[i] = name
			}
		}
	}
	if m.outputs[n.outputs[0]] {
		delete(m.outputs, n.outputs[0])
		m.outputs[name] = true
	}
	added := &node{name: name, op: op, inputs: append([]string{n.outputs[0]}, inputs...), outputs: []string{name},
		attrs: attrs}
	m.nodes = slices.Insert(m.nodes, slices.Index(m.nodes, n)+1, added)
	return added
}

// constant adds an initialiser of whole numbers, or of others.
func (m *model) constant(name, kind string, shape []int, v ...float32) string {
	if shape == nil {
		shape = []int{len(v)}
	}
	x := tensor{shape: shape, raw: []byte{}}
	for _, d := range onnxTypes {
		if d.name == cmp.Or(kind, "float32") {
			x.dtype = d
		}
	}
	for _, f := range v {
		if kind == "uint8" {
			x.raw = append(x.raw, byte(f))
		} else {
			x.raw = kinds[kind].put(x.raw, f)
		}
	}
	m.inits[name] = x
	return name
}

func many(name string, v ...int64) attr { return attr{name: name, ints: v} }

// TestWindows reads other ways to write the padding of our networks.
func TestWindows(t *testing.T) {
	for _, test := range []struct {
		name   string
		arch   string
		side   int
		change func(m *model)
	}{
		{"Sum", "resnet50", 64, func(m *model) { m.each("Add", func(n *node) { n.op = "Sum" }) }},
		{"Pad before Conv and MaxPool", "resnet18", 64, func(m *model) {
			for _, op := range []string{"Conv", "MaxPool"} {
				m.each(op, func(n *node) {
					if p := n.same("pads", 0); p > 0 {
						n.drop("pads")
						m.before(n, 0, "Pad", []string{m.constant("pads of "+n.name, "int64", nil, 0, 0, float32(p), float32(p), 0, 0,
							float32(p), float32(p))}, attr{name: "mode", s: "constant"})
					}
				})
			}
		}},
		{"Pad with axes, and with attributes, before Conv of valid padding", "resnet50v1", 64, func(m *model) {
			n := m.node("conv1")
			n.drop("pads")
			n.set(attr{name: "auto_pad", s: "VALID"})
			m.before(n, 0, "Pad", []string{m.constant("pads", "int64", nil, 3, 3, 3, 3), m.constant("with", "", []int{}, 0),
				m.constant("axes", "int64", nil, -2, 3)})
			n = m.node("layer1.0.conv2")
			n.set(many("pads", 0, 0, 1, 0))
			m.before(n, 0, "Pad", nil, many("pads", 0, 0, 1, 1, 0, 0, 0, 1))
		}},
		{"Pad before MaxPool with less than any value", "resnet18", 64, func(m *model) {
			n := m.node("maxpool")
			n.drop("pads")
			m.before(n, 0, "Pad", []string{m.constant("pads", "int64", nil, 0, 0, 1, 1, 0, 0, 1, 1), m.constant("with", "",
				[]int{}, float32(math.Inf(-1)))})
		}},
		{"Pad in a plain net", "plain18", 64, func(m *model) {
			n := m.node("layer1.0.conv1")
			n.drop("pads")
			m.before(n, 0, "Pad", nil, many("pads", 0, 0, 1, 1, 0, 0, 1, 1))
		}},
		{"auto_pad at stride 1, and of 1×1", "resnet50", 64, func(m *model) {
			m.each("Conv", func(n *node) {
				if k := n.same("kernel_shape", 0); n.same("strides", 1) == 1 || k == 1 {
					n.drop("pads")
					n.set(attr{name: "auto_pad", s: map[bool]string{true: "SAME_UPPER", false: "SAME_LOWER"}[k == 3]})
				}
			})
		}},
		{"auto_pad at stride 2 of odd maps", "resnet18", 65, func(m *model) {
			for _, op := range []string{"Conv", "MaxPool"} {
				m.each(op, func(n *node) {
					n.drop("pads")
					n.set(attr{name: "auto_pad", s: "SAME_UPPER"})
				})
			}
		}},
		{"no padding behind even maps", "resnet18", 64, func(m *model) {
			for _, op := range []string{"Conv", "MaxPool"} {
				m.each(op, func(n *node) {
					if p := n.same("pads", 0); n.same("strides", 1) == 2 && p > 0 {
						n.set(many("pads", p, p, p-1, p-1))
						n.set(attr{name: "ceil_mode", i: 1})
					}
				})
			}
		}},
		{"ceil_mode on an odd map", "resnet18", 65, func(m *model) { m.node("maxpool").set(attr{name: "ceil_mode", i: 1}) }},
		{"sliced in one or two nodes", "resnet8cifar", 32, func(m *model) {
			n := m.nodes[slices.IndexFunc(m.nodes, func(n *node) bool { return n.op == "Slice" })]
			m.constant(n.inputs[1], "int64", nil, 0)
			m.constant(n.inputs[2], "int64", nil, 32)
			m.constant(n.inputs[3], "int64", nil, -1)
			m.constant(n.inputs[4], "int64", nil, 2)
			m.before(n, 0, "Slice", []string{n.inputs[1], m.constant("ends", "int64", nil, 1<<31), m.constant("rows", "int64",
				nil, 2), n.inputs[4]})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := small(t, test.arch, test.side)
			test.change(m)
			m.reads(t, test.side)
		})
	}
}

// TestWindowsRefused refuses what is computed otherwise, and says where.
func TestWindowsRefused(t *testing.T) {
	for _, test := range []struct {
		arch   string
		side   int
		change func(m *model)
		want   []string
	}{
		{"resnet18", 64, func(m *model) { m.node("maxpool").set(many("dilations", 2, 2)) }, []string{`MaxPool "maxpool"`,
			"dilations [2 2], want none"}},
		{"resnet18", 64, func(m *model) { m.node("maxpool").set(many("dilations", 1, 2)) }, []string{"dilations"}},
		{"resnet18", 64, func(m *model) { m.node("layer4.0.conv2").set(many("dilations", 2, 2)) },
			[]string{`layer4.0.conv2: Conv "layer4.0.conv2"`, "dilations [2 2]"}},
		{"resnet18", 64, func(m *model) { m.node("layer2.0.conv1").set(many("pads", 0, 0, 1, 1)) },
			[]string{`layer2.0.conv1: Conv "layer2.0.conv1": want it padded by half its kernel, 1 on each side, file has pads [0 0 1 1]`}},
		{"resnet18", 64, func(m *model) { m.node("conv1").set(many("pads", 2, 2, 3, 3)) }, []string{"conv1",
			"want it padded by half its kernel, 3 on each side, file has pads [2 2 3 3]"}},
		{"resnet18", 64, func(m *model) {
			n := m.node("conv1")
			n.drop("pads")
			n.set(attr{name: "auto_pad", s: "SAME_UPPER"})
		},
			[]string{"auto_pad SAME_UPPER is not what we compute", "odd sides"}},
		{"resnet18", 64, func(m *model) { m.node("conv1").set(attr{name: "auto_pad", s: "SAME_UPPER"}) },
			[]string{"auto_pad \"SAME_UPPER\" with pads [3 3 3 3]"}},
		{"resnet18", 64, func(m *model) {
			n := m.node("layer1.0.conv1")
			n.drop("pads")
			n.set(attr{name: "auto_pad", s: "VALID"})
		},
			[]string{"file has auto_pad VALID"}},
		{"resnet18", 65, func(m *model) { m.node("conv1").set(many("pads", 3, 3, 2, 2)) },
			[]string{"for an input of 65×65", "its map has even sides"}},
		{"resnet18", 0, func(m *model) { m.node("conv1").set(many("pads", 3, 3, 2, 2)) }, []string{"conv1",
			"no fixed size", "export with a fixed one"}},
		{"resnet18", 64, func(m *model) { m.node("maxpool").set(attr{name: "ceil_mode", i: 1}) }, []string{"maxpool",
			"and ceil_mode is not what we compute"}},
		{"resnet18", 64, func(m *model) { m.node("maxpool").set(many("kernel_shape", 2, 2)) },
			[]string{"want 3×3, stride 2, padding 1, file has kernel [2 2]"}},
		{"resnet18", 64, func(m *model) { m.node("layer1.0.conv1").set(many("kernel_shape", 5, 5)) },
			[]string{"kernel_shape [5 5], but weight 2×2×3×3"}},
		{"resnet18", 64, func(m *model) { m.node("layer1.0.conv1").set(many("strides", 1, 2)) },
			[]string{"want stride 1 or 2, file has [1 2]"}},
		{"resnet18", 64, func(m *model) { m.node("layer1.0.conv1").set(many("pads", 1, 1, 1)) },
			[]string{"pads [1 1 1], want 4"}},
		{"resnet18", 64, func(m *model) {
			m.before(m.node("conv1"), 0, "Pad", nil, many("pads", 0, 0, 3, 3, 0, 0, 3, 3), attr{name: "mode", s: "reflect"})
		}, []string{`Pad "Pad before conv1": mode "reflect", want zeros`}},
		{"resnet18", 64, func(m *model) {
			m.before(m.node("maxpool"), 0, "Pad", nil, many("pads", 0, 0, 0, 0, 0, 0, 1, 1), attr{name: "value", f: 1})
		}, []string{"pads with 1, want zeros"}},
		{"resnet18", 64, func(m *model) {
			m.before(m.node("layer1.0.conv1"), 0, "Pad", nil, many("pads", 0, 0, 0, 0, 0, 0, -1, 0))
		}, []string{"want height and width alone"}},
		{"resnet18", 64, func(m *model) {
			m.before(m.node("layer1.0.conv1"), 0, "Pad", nil, many("pads", 0, 1, 0, 0, 0, 0, 0, 0))
		},
			[]string{"want height and width alone"}},
		{"resnet18", 64, func(m *model) {
			m.each("Add", func(n *node) { n.op, n.inputs = "Sum", append(n.inputs, n.inputs[0]) })
		}, []string{"want two branches"}},
	} {
		m := small(t, test.arch, test.side)
		test.change(m)
		m.refuses(t, test.want...)
	}
	cuts := []struct {
		input int
		to    []float32
	}{{1, []float32{1, 1}}, {2, []float32{31, 32}}, {2, []float32{-1, -1}}, {3, []float32{1, 3}}, {3, []float32{1}},
		{4, []float32{2, 3}}}
	for _, test := range cuts {
		m, first := small(t, "resnet8cifar", 32), true
		m.each("Slice", func(n *node) {
			if first {
				m.constant(n.inputs[test.input], "int64", nil, test.to...)
			}
			first = false
		})
		m.refuses(t, "Slice", "want")
	}
	m := small(t, "resnet8cifar", 32)
	m.each("Pad", func(n *node) { n.set(attr{name: "mode", s: "edge"}) })
	m.refuses(t, `mode "edge", want zeros`)
}

// TestFits tells the sizes for which unequal paddings are ours.
func TestFits(t *testing.T) {
	m := small(t, "resnet18", 64)
	m.node("layer3.0.conv1").set(many("pads", 1, 1, 0, 0)) // behind layers of stride 8
	c := m.reads(t, 64)
	for side, want := range map[int]bool{32: true, 64: true, 57: true, 56: false, 65: false, 224: true, 72: false,
		96: true} {
		if err := c.Fits(side); (err == nil) != want {
			t.Errorf("%d: got %v, want it to fit: %t", side, err, want)
		}
	}
	if err := small(t, "resnet18", 64).reads(t, 64).Fits(65); err != nil {
		t.Error(err)
	}
}
