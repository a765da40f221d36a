package checkpoint

import (
	"bytes"
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
	if cfg.CIFAR {
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
	for key, v := range map[string]string{"location": t.part.name, "offset": fmt.Sprint(t.at), "length": fmt.Sprint(len(t.raw))} {
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
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "layer4.1.conv1.weight") {
			t.Errorf("got %v, want %q in it", err, test.want)
		}
		if used > bound(len(file)) {
			t.Errorf("%s: %d bytes allocated for a file of %d", test.want, used, len(file))
		}
	}
	m := small(t, "resnet18", 32)
	m.outside("net.data")
	m.refuses(t, "external_data=False", `"net.data"`)
	if _, _, err := reading(m.bytes(), fstest.MapFS{"net.data": {Data: make([]byte, 100)}}); err == nil || !strings.Contains(err.Error(), `"net.data", which has 100`) {
		t.Errorf("got %v", err)
	}
}
