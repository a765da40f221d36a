package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// contents lists the tensors of a file as params.
func contents(t *testing.T, path string) []param {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var list []param
	for _, x := range c.tensors {
		p := param{name: x.name, shape: x.shape}
		if x.dtype.at == nil {
			p.dtype, p.value = x.dtype.name, func(int) float32 { return 7 }
		} else {
			v, err := c.values(x)
			if err != nil {
				t.Fatal(err)
			}
			p.value = func(i int) float32 { return float32(v[i]) }
		}
		list = append(list, p)
	}
	return list
}

// cast gives the numbers of list another type; counters stay.
func cast(list []param, dtype string) []param {
	list = slices.Clone(list)
	for i := range list {
		if !strings.HasSuffix(list[i].name, "num_batches_tracked") {
			list[i].dtype = dtype
		}
	}
	return list
}

// rename changes every name.
func rename(list []param, to func(string) string) []param {
	list = slices.Clone(list)
	for i := range list {
		list[i].name = to(list[i].name)
	}
	return list
}

// huggingFace is Hugging Face's name for one of torchvision's, which are timm's too.
func huggingFace(name string) string {
	p := strings.Split(name, ".")
	kind := map[string]string{"conv": "convolution", "bn": "normalization", "0": "convolution", "1": "normalization"}
	layer := func(s string) (string, int) { return kind[s[:len(s)-1]], int(s[len(s)-1]-'0') - 1 }
	switch {
	case p[0] == "fc":
		return "classifier.1." + p[1]
	case len(p) == 2:
		k, _ := layer(p[0])
		return "resnet.embedder.embedder." + k + "." + p[1]
	}
	block := fmt.Sprintf("resnet.encoder.stages.%d.layers.%s.", p[0][5]-'1', p[1])
	if p[2] == "downsample" {
		return block + "shortcut." + kind[p[3]] + "." + p[4]
	}
	k, n := layer(p[2])
	return fmt.Sprintf("%slayer.%d.%s.%s", block, n, k, p[3])
}

// namings and formats are the rows of the table in ../README.md, with the ways to wrap that each format has.
var namings = map[string]func(string) string{
	"torchvision, timm": func(s string) string { return s },
	"Hugging Face":      huggingFace,
}

var formats = map[string]struct {
	write func(list []param, wrap ...string) []byte
	wraps [][]string
}{
	"pth": {func(list []param, wrap ...string) []byte {
		pickle, storages := stateDict(list, wrap...)
		return torchZip(zip.Store, pickle, storages...)
	}, [][]string{nil, {"state_dict"}, {"model"}, {"model", "state_dict"}}},
	"legacy pth": {func(list []param, wrap ...string) []byte {
		pickle, storages := stateDict(list, wrap...)
		var each []int
		for _, p := range list {
			each = append(each, len(kinds[p.dtype].put(nil, 0)))
		}
		return legacy(pickle, storages, each...)
	}, [][]string{nil, {"state_dict"}, {"model"}, {"model", "state_dict"}}},
	"safetensors": {func(list []param, _ ...string) []byte { return safetensors(list) }, [][]string{nil}},
}

// TestTable reads every cell of the table: format × naming × element type, and what may be around the dictionary. The
// network's numbers are exact in all four types, so it is the same to the last bit.
func TestTable(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	list := contents(t, "testdata/basic.pth")
	for format, f := range formats {
		for naming, name := range namings {
			for _, dtype := range []string{"", "float16", "bfloat16", "float64"} {
				for _, wrap := range f.wraps {
					for _, prefix := range []string{"", "module."} {
						cell := fmt.Sprintf("%s × %s × %q, wrapped %q, prefix %q", format, naming, dtype, wrap, prefix)
						data := f.write(rename(cast(list, dtype), func(s string) string { return prefix + name(s) }), wrap...)
						c, err := Read(bytes.NewReader(data), int64(len(data)))
						if err != nil {
							t.Errorf("%s: %v", cell, err)
							continue
						}
						if c.Format != format {
							t.Errorf("%s: read as %s", cell, c.Format)
						}
						got, err := c.Float("")
						if err == nil {
							err = different(got, want, 0)
						}
						if err != nil {
							t.Errorf("%s: %v", cell, err)
						}
					}
				}
			}
			for _, dtype := range []string{"int8", "int64"} {
				_, err := open(f.write(rename(cast(list, dtype), name)))
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "conv1.weight: want floating point, file has "+dtype) {
					t.Errorf("%s × %s × %s: got %v, want ErrFormat with conv1.weight", format, naming, dtype, err)
				}
			}
		}
	}
}

// TestTableONNX does the same for exported graphs, whose numbers it casts. Folding made some of them that are not exact
// in 16 bits: there the tolerance is their rounding.
func TestTableONNX(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	for _, test := range []struct {
		file      string
		tolerance map[string]float64
	}{
		{"testdata/basic.onnx", map[string]float64{"": 0, "float16": 0, "bfloat16": 0, "float64": 0}},
		{"testdata/basic-folded.onnx", map[string]float64{"": 1e-6, "float16": 1.0 / 2048, "bfloat16": 1.0 / 256, "float64": 1e-6}},
	} {
		data, err := os.ReadFile(test.file)
		if err != nil {
			t.Fatal(err)
		}
		for dtype, tolerance := range test.tolerance {
			got, err := open(castONNX(t, data, dtype))
			if err == nil {
				err = different(got, want, tolerance)
			}
			if err != nil {
				t.Errorf("%s × %q: %v", test.file, dtype, err)
			}
		}
		for _, dtype := range []string{"int8", "int64"} {
			_, err := open(castONNX(t, data, dtype))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "conv1.weight: want floating point, file has "+dtype) {
				t.Errorf("%s × %s: got %v, want ErrFormat with conv1.weight", test.file, dtype, err)
			}
		}
	}
}

// castONNX gives the float32 initialisers of a model another type.
func castONNX(t *testing.T, model []byte, dtype string) []byte {
	t.Helper()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	out := &message{}
	check(fields(model, func(field int, v uint64, data []byte) error {
		switch {
		case data == nil:
			out.int(field, int64(v))
		case field != 7:
			out.text(field, string(data))
		default:
			g := &message{}
			check(fields(data, func(field int, _ uint64, data []byte) error {
				if x, err := newGraph(&Checkpoint{}).tensor(data); field == 5 && err == nil && x.dtype.name == "float32" {
					c := Checkpoint{}
					v, err := c.values(*x)
					check(err)
					p := param{x.name, x.shape, func(i int) float32 { return float32(v[i]) }, dtype}
					to := &message{}
					for _, n := range x.shape {
						to.int(1, int64(n))
					}
					to.int(2, kinds[dtype].onnx)
					to.text(8, x.name)
					to.text(9, string(p.raw()))
					g.add(5, to)
					return nil
				}
				g.text(field, string(data))
				return nil
			}))
			out.add(7, g)
		}
		return nil
	}))
	var b bytes.Buffer
	check(out.write(&b))
	return b.Bytes()
}

// TestTableRefuses refuses a near relative in every format, under every naming, with the name of its first layer that
// differs. TestVariants has the relatives.
func TestTableRefuses(t *testing.T) {
	list := params(t, "resnet50x0.125", 3)
	for i := range list {
		if strings.HasSuffix(list[i].name, ".conv2.weight") {
			list[i].shape[1] = 1
		}
	}
	for format, f := range formats {
		for naming, name := range namings {
			_, err := open(f.write(rename(list, name)))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), name("layer1.0.conv2.weight")+", float32 8×1×3×3: this is a network of grouped convolutions (ResNeXt)") {
				t.Errorf("%s × %s: got %v, want ErrFormat with layer1.0.conv2", format, naming, err)
			}
		}
	}
	data, err := os.ReadFile("testdata/basic.onnx")
	if err != nil {
		t.Fatal(err)
	}
	// The second convolution of the graph.
	parts := bytes.SplitN(data, []byte("\x05group\x18\x01"), 3)
	_, err = open(bytes.Join([][]byte{parts[0], []byte("\x05group\x18\x01"), parts[1], []byte("\x05group\x18\x02"), parts[2]}, nil))
	if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "layer1.0.conv1: Conv \"/layer1/layer1.0/conv1/Conv\": want a plain convolution") {
		t.Errorf("onnx: got %v, want ErrFormat with layer1.0.conv1", err)
	}
}
