package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"resnet-web/resnet"
)

// read opens data and builds the network: whatever data is, it ends with a network or with ErrFormat, in memory that the
// length of data bounds.
func read(t *testing.T, data []byte) { readBeside(t, data, nil, 0) }

// readBeside is read with files of the given size beside.
func readBeside(t *testing.T, data []byte, files fs.FS, size int) {
	if len(data) > 1<<18 {
		t.Skip("longer than the seeds")
	}
	used := allocated(func() {
		c, err := ReadBeside(bytes.NewReader(data), int64(len(data)), files)
		if err == nil {
			_, err = c.Float("")
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v is not ErrFormat", err)
		}
	})
	if used > bound(len(data)+size) {
		t.Errorf("%d bytes allocated for %d", used, len(data))
	}
}

// tiny is the smallest network that the readers know, a CIFAR ResNet-8 of width 1: files of it are a few KB.
func tiny(t testing.TB) resnet.Network {
	cfg, err := resnet.Lookup("resnet8cifar")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.Width, cfg.Inner = "resnet8cifar-1-1", 1, 1
	return cfg.Network(2)
}

func FuzzZip(f *testing.F) {
	pickle, storages := stateDict(networkParams(tiny(f)))
	f.Add(torchZip(zip.Store, pickle, storages...))
	f.Add(torchZip(zip.Store, one(4, 0, "K\x04\x85", "K\x01\x85"), "0123456789abcdef"))
	f.Fuzz(read)
}

// FuzzPickle puts the pickle into a zip, so that its program is what changes.
func FuzzPickle(f *testing.F) {
	pickle, storages := stateDict(networkParams(tiny(f)))
	f.Add([]byte(pickle))
	f.Add([]byte(one(4, 0, "K\x04\x85", "K\x01\x85")))
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b]q\x01(K\x02K\x03eu}X\x09\x00\x00\x00_metadatah\x00sb."))
	f.Add([]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94G?\xf0\x00\x00\x00\x00\x00\x00\x8c\x01b\x94\x88u."))
	for name, extra := range bystanders {
		if name == "a long text" { // which takes the fuzzer a minute to shorten
			continue
		}
		f.Add([]byte("\x80\x02}(" + text("extra") + extra + text("model") + pickle[2:len(pickle)-1] + "u."))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) { read(t, torchZip(zip.Store, string(pickle), storages...)) })
}

func FuzzLegacy(f *testing.F) {
	f.Add(legacy(stateDict(networkParams(tiny(f))))[len(legacyMagic):])
	f.Add(legacy(one(1, 0, "K\x01\x85", "K\x01\x85"), []string{"abcd"})[len(legacyMagic):])
	f.Fuzz(func(t *testing.T, data []byte) { read(t, append([]byte(legacyMagic), data...)) })
}

func FuzzSafetensors(f *testing.F) {
	f.Add(safetensors(networkParams(tiny(f))))
	one := func(int) float32 { return 1 }
	net := networkParams(tiny(f))
	beside := []param{{"mean", []int{3}, one, ""}, {"std", []int{1, 3, 1, 1}, one, ""}, {"n", []int{1}, one, ""}}
	f.Add(safetensors(append(rename(net, func(s string) string { return "module." + strings.Replace(s, "fc.", "head.1.", 1) }), beside...)))
	f.Add(safetensors(rename(net, func(s string) string {
		return strings.NewReplacer("conv1.w", "0.w", "bn1.", "1.", "layer1.", "2.", "layer2.", "3.", "layer3.", "4.", "fc.", "5.").Replace(s)
	})))
	f.Add(safetensors(append(rename(net, func(s string) string { return "model." + s }), rename(net, func(s string) string { return "ema." + s })...)))
	// A head of two layers with a normalisation between, and the same around the network's own.
	chain := []param{{"fc.0.weight", []int{3, 4}, one, ""}, {"fc.1.running_mean", []int{3}, one, ""},
		{"fc.1.running_var", []int{3}, one, ""}, {"fc.3.weight", []int{2, 3}, one, ""}, {"fc.3.bias", []int{2}, one, ""}}
	f.Add(safetensors(append(net[:len(net)-2:len(net)-2], chain...)))
	chain[0].shape = []int{3, 2}
	f.Add(safetensors(append(rename(net, func(s string) string { return "net." + s }), chain...)))
	f.Add(safetensors([]param{{"layer1.0.conv1.weight", []int{2, 2}, func(int) float32 { return 1 }, ""}}))
	for i, cfg := range nearby(f) {
		net := networkParams(cfg.Network(2))
		f.Add(safetensors(net))
		if i%2 == 0 { // grey
			net[0].shape[1] = 1
			net = append(net, param{"norm.mean", []int{1}, one, ""}, param{"norm.std", []int{}, one, ""})
		}
		f.Add(safetensors(rename(net, weiaicunzai)))
	}
	f.Fuzz(read)
}

// nearby are further networks of width 1: of projections, of bottlenecks, of four stages with both stems.
func nearby(t testing.TB) (list []resnet.Config) {
	for _, name := range []string{"resnet8cifar", "resnet11cifarbottleneck", "resnet10", "resnet10s", "resnet14s"} {
		c, err := resnet.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		c.Name, c.Width, c.Inner, c.Dashed = name+"-1-1", 1, 1, resnet.Projection
		list = append(list, c)
	}
	return list
}

func FuzzONNX(f *testing.F) {
	cfg := tiny(f).Config
	for _, c := range []resnet.Config{cfg, {Name: "plain", Stages: cfg.Stages, Small: true, Plain: true, Width: 1, Inner: 1, Dashed: cfg.Dashed}} {
		var b bytes.Buffer
		if err := WriteONNX(&b, resnet.Random(c.Network(2), 1), 32); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	for _, m := range graphs(f) {
		f.Add(m.bytes())
	}
	for i, c := range nearby(f) {
		m := modelOf(f, resnet.Random(c.Network(2), 1), 32)
		if i%2 == 0 {
			m.grey()
		}
		f.Add(m.bytes())
	}
	m := modelOf(f, resnet.Random(tiny(f), 1), 32)
	beside := m.outside("net.data")
	f.Add(m.bytes())
	files := fstest.MapFS{"net.data": {Data: beside}}
	f.Fuzz(func(t *testing.T, data []byte) { readBeside(t, data, files, len(beside)) })
}

// graphs are those of one network as different exporters write it.
func graphs(t testing.TB) (list []*model) {
	graph := func(changes ...func(m *model)) {
		m := modelOf(t, resnet.Random(tiny(t), 1), 32)
		for _, change := range changes {
			change(m)
		}
		list = append(list, m)
	}
	graph(func(m *model) { // Keras
		m.normalise(nil, "Mul", []float32{2}, "Sub", []float32{1})
		m.channelsLast(32)
		m.each("Conv", func(n *node) {
			if n.same("pads", 0) == 1 {
				n.drop("pads")
				m.before(n, 0, "Pad", []string{m.constant("pads", "int64", nil, 0, 0, 1, 1, 0, 0, 1, 1)})
			}
		})
		m.after(m.node("logits"), "Softmax", nil)
	})
	graph(func(m *model) { // dynamo, in halves
		m.node("avgpool").op = "ReduceMean"
		m.node("avgpool").inputs = append(m.node("avgpool").inputs, m.constant("axes", "int64", nil, -1, -2))
		m.node("features").op = "Reshape"
		m.node("features").inputs = append(m.node("features").inputs, m.constant("to", "int64", nil, 1, 4))
		m.before(m.node("conv1"), 0, "Cast", nil, attr{name: "to", i: onnxFloat16})
		m.before(m.node("conv1"), 1, "Cast", nil, attr{name: "to", i: onnxFloat16})
		m.after(m.node("logits"), "Cast", nil, attr{name: "to", i: onnxFloat})
	})
	graph(func(m *model) { // integers
		for i, c := range m.net.Convs {
			if !c.Fixed() {
				m.quantise(m.node(c.Name), 1, "int8", i%2, float32(i%3), c.W)
			}
		}
		m.before(m.node("logits"), 1, "Transpose", nil, many("perm", 1, 0))
		m.rows("fc.weight")
		m.node("avgpool").op = "AveragePool"
		m.node("avgpool").set(many("kernel_shape", 8, 8))
	})
	graph(func(m *model) { // zero channels by a product
		m.doubled(func(_, _, _ *node) {})
		m.grey()
	})
	m := modelOf(t, resnet.Random(tiny(t).Config.Network(2, 3, 2), 1), 32)
	m.before(m.node("fc2"), 0, "BatchNormalization", []string{m.constant("a", "", nil, 1, 1, 1), m.constant("b", "", nil, 0, 0, 0), "b", "a"},
		attr{name: "epsilon"})
	m.after(m.node("fc2"), "Flatten", nil)
	m.after(m.node("logits"), "Sigmoid", nil)
	list = append(list, m)
	graph(func(m *model) { // unequal pads
		m.each("Conv", func(n *node) {
			if n.same("pads", 0) == 1 {
				n.drop("pads")
				n.set(attr{name: "auto_pad", s: "SAME_UPPER"})
				if n.same("strides", 1) == 2 {
					n.drop("auto_pad")
					n.set(many("pads", 1, 1, 0, 0))
				}
			}
		})
		m.each("Add", func(n *node) { n.op = "Sum" })
		m.before(m.node("logits"), 1, "Unsqueeze", nil, many("axes", 2, 3))
		m.node("logits").op = "Conv"
		m.node("features").op = "Identity"
		m.after(m.node("logits"), "Flatten", nil)
	})
	return list
}

// TestSeeds makes sure that the seeds are networks, so that fuzzing starts behind the first check.
func TestSeeds(t *testing.T) {
	list := networkParams(tiny(t))
	pickle, storages := stateDict(list)
	for name, data := range map[string][]byte{"zip": torchZip(zip.Store, pickle, storages...), "legacy": legacy(pickle, storages), "safetensors": safetensors(list)} {
		if f, err := open(data); err != nil || f.Name != "resnet8cifar-1-1" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i, m := range graphs(t) {
		t.Run(fmt.Sprint(i), func(t *testing.T) { m.reads(t, 32) })
	}
}
