package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"resnet-web/resnet"
)

// param is a tensor to write, by values and, unless it is float32, element type.
type param struct {
	name  string
	shape []int
	value func(i int) float32
	dtype string
}

func (p param) count() int {
	n := 1
	for _, d := range p.shape {
		n *= d
	}
	return n
}

// kinds are the names of the element types in each format, and their writers.
var kinds = map[string]struct {
	safe, torch string
	onnx        int64
	put         func(b []byte, v float32) []byte
}{
	"":        {"F32", "FloatStorage", 1, func(b []byte, v float32) []byte { return binary.LittleEndian.AppendUint32(b, math.Float32bits(v)) }},
	"float16": {"F16", "HalfStorage", 10, func(b []byte, v float32) []byte { return binary.LittleEndian.AppendUint16(b, toHalf(v)) }},
	"bfloat16": {"BF16", "BFloat16Storage", 16, func(b []byte, v float32) []byte {
		u := math.Float32bits(v)
		return binary.LittleEndian.AppendUint16(b, uint16((u+0x7fff+u>>16&1)>>16))
	}},
	"float64": {"F64", "DoubleStorage", 11, func(b []byte, v float32) []byte {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v)))
	}},
	"int64": {"I64", "LongStorage", 7, func(b []byte, v float32) []byte { return binary.LittleEndian.AppendUint64(b, uint64(int64(v))) }},
	"int8":  {"I8", "CharStorage", 3, func(b []byte, v float32) []byte { return append(b, byte(int8(v))) }},
}

// toHalf rounds v, which binary16 can hold, to the nearest.
func toHalf(v float32) uint16 {
	_, exp := math.Frexp(float64(v))
	exp = max(exp, -13) // below are subnormal numbers
	frac := uint16(math.RoundToEven(math.Ldexp(math.Abs(float64(v)), 11-exp)))
	u := uint16(exp+13)<<10 + frac // the first bit of frac counts one up
	if math.Signbit(float64(v)) {
		u |= 0x8000
	}
	return u
}

func (p param) raw() (b []byte) {
	for i := range p.count() {
		b = kinds[p.dtype].put(b, p.value(i))
	}
	return b
}

// params are those of a network as torchvision names them.
func params(t testing.TB, arch string, classes int) []param {
	t.Helper()
	cfg, err := resnet.Lookup(arch)
	if err != nil {
		t.Fatal(err)
	}
	return networkParams(cfg.Network(classes))
}

func networkParams(net resnet.Network) []param {
	var list []param
	one := func(i int) float32 { return 1 }
	for _, c := range net.Convs() {
		if c.Norm == "" {
			continue
		}
		list = append(list, param{c.Name + ".weight", []int{c.Out, c.In, c.Kernel, c.Kernel}, one, ""})
		for _, part := range normParts {
			list = append(list, param{c.Norm + part, []int{c.Out}, one, ""})
		}
	}
	return append(list, param{"fc.weight", []int{net.Classes, net.Features}, one, ""}, param{"fc.bias", []int{net.Classes}, one, ""})
}

// safetensors writes list.
func safetensors(list []param) []byte {
	header, body := map[string]any{}, []byte{}
	for _, p := range list {
		start := len(body)
		body = append(body, p.raw()...)
		header[p.name] = map[string]any{"dtype": kinds[p.dtype].safe, "shape": p.shape, "data_offsets": []int{start, len(body)}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}

// torchZip is a .pth of a pickle and storages.
func torchZip(method uint16, pickle string, storages ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name, content string) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			panic(err)
		}
		w.Write([]byte(content))
	}
	add("a/data.pkl", pickle)
	for i, s := range storages {
		add("a/data/"+strconv.Itoa(i), s)
	}
	z.Close()
	return b.Bytes()
}

// stateDict is the pickle of list, inside dictionaries under the keys wrap, with its elements as storages "0", "1", ….
func stateDict(list []param, wrap ...string) (pickle string, storages []string) {
	b := "\x80\x02}"
	for _, key := range wrap {
		b += text(key) + "}"
	}
	b += "("
	for i, p := range list {
		shape, stride, n := "(", "", 1
		for k := len(p.shape) - 1; k >= 0; k-- {
			stride = number4(n) + stride
			n *= p.shape[k]
		}
		for _, d := range p.shape {
			shape += number4(d)
		}
		storages = append(storages, string(p.raw()))
		b += text(p.name) + tensorOf(kinds[p.dtype].torch, strconv.Itoa(i), n, 0, shape+"t", "("+stride+"t")
	}
	return b + "u" + strings.Repeat("s", len(wrap)) + ".", storages
}

// one is the pickle {"w": tensor} over storage "0" of numel float32 elements; shape and stride are pickled tuples.
func one(numel, offset int, shape, stride string) string {
	return "\x80\x02}" + text("w") + tensorOf("FloatStorage", "0", numel, offset, shape, stride) + "s."
}

func tensorOf(class, key string, numel, offset int, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + class + "\n" + text(key) + text("cpu") +
		number4(numel) + "tQ" + number4(offset) + shape + stride + "\x89ccollections\nOrderedDict\n)RtR"
}

func number4(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// legacy is a .pth from before 1.6; each is the bytes of an element, by storage, 4 where it is not given.
func legacy(pickle string, storages []string, each ...int) []byte {
	b := legacyMagic + "\x80\x02M\xe9\x03.\x80\x02}." + pickle + "\x80\x02]("
	for i := range storages {
		b += text(strconv.Itoa(i))
	}
	b += "e."
	for i, s := range storages {
		n := 4
		if i < len(each) {
			n = each[i]
		}
		b += string(binary.LittleEndian.AppendUint64(nil, uint64(len(s)/n))) + s
	}
	return []byte(b)
}

// open reads data and builds the network.
func open(data []byte) (*resnet.Float, error) {
	c, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	return c.Float("")
}

// TestVariants refuses networks that are near the family and not of it, and names the first layer that differs.
func TestVariants(t *testing.T) {
	change := func(arch string, f func(p *param)) []param {
		list := params(t, arch, 3)
		for i := range list {
			f(&list[i])
		}
		return list
	}
	drop := func(arch, prefix string) []param {
		return slices.DeleteFunc(params(t, arch, 3), func(p param) bool { return strings.HasPrefix(p.name, prefix) })
	}
	add := func(arch, name string, shape ...int) []param {
		return append(params(t, arch, 3), param{name, shape, func(int) float32 { return 0 }, ""})
	}
	set := func(name string, i int, v float64) []param {
		return change("resnet18x0.125", func(p *param) {
			if p.name == name {
				p.value = func(k int) float32 {
					if k == i {
						return float32(v)
					}
					return 1
				}
			}
		})
	}
	for _, test := range []struct {
		name string
		list []param
		want []string
	}{
		{"squeeze and excitation", add("resnet18x0.125", "layer1.0.se.fc1.weight", 2, 8, 1, 1), []string{"layer1.0.se.fc1.weight", "squeeze-and-excitation"}},
		{"ResNeXt", change("resnet50x0.125", func(p *param) {
			if strings.HasSuffix(p.name, ".conv2.weight") {
				p.shape[1] = 1
			}
		}), []string{"layer1.0.conv2.weight", "8×1×3×3", "ResNeXt"}},
		{"no bn1", drop("resnet18x0.125", "bn1."), []string{"bn1:", "want weight of 8", "none"}},
		{"average-pooled shortcut", change("resnet50x0.125", func(p *param) {
			p.name = strings.Replace(p.name, "downsample.1.", "downsample.2.", 1)
			p.name = strings.Replace(p.name, "downsample.0.", "downsample.1.", 1)
		}), []string{"layer1.0.downsample.1.weight", "32×8×1×1", "ResNet-D"}},
		{"blur", add("resnet18x0.125", "layer2.0.aa.filt", 8, 1, 3, 3), []string{"layer2.0.aa.filt", "anti-aliased"}},
		{"another stem", change("resnet18x0.125", func(p *param) {
			if p.name == "conv1.weight" {
				p.shape = []int{8, 3, 5, 5}
			}
		}), []string{"conv1:", "8×3×7×7", "8×3×5×5", "3×3"}},
		{"plain, not named so", drop("resnet18x0.125", "layer2.0.downsample."), []string{"layer2.0.downsample.0:", "plain18"}},
		{"another depth", drop("resnet18x0.125", "layer4.1."), []string{"[2 2 2 1] basic"}},
		{"CIFAR with half a projection", add("resnet8cifar", "layer2.0.downsample.0.weight", 32, 16, 1, 1), []string{"layer2.0.downsample.1:", "none"}},
		{"four channels", change("resnet18x0.125", func(p *param) {
			if p.name == "conv1.weight" {
				p.shape = []int{8, 4, 7, 7}
			}
		}), []string{"conv1:", "8×3×7×7", "8×4×7×7", "3 channels or 1"}},
		{"backbone", drop("resnet18x0.125", "fc."), []string{"fc:", "none"}},
		{"temperature", add("resnet18x0.125", "temperature", 1), []string{"temperature:", "logits"}},
		{"scale of logits", add("resnet18x0.125", "head.logit_scale"), []string{"head.logit_scale:", "logits"}},
		{"no classes", change("resnet18x0.125", func(p *param) {
			if strings.HasPrefix(p.name, "fc.") {
				p.shape[0] = 0
			}
		}), []string{"fc:", "0×64"}},
		{"another network", []param{{"features.0.weight", []int{1}, func(int) float32 { return 1 }, ""}}, []string{"features.0.weight", "VGG", "want a ResNet"}},
		{"a network of other names", []param{{"net.0.weight", []int{1}, func(int) float32 { return 1 }, ""}}, []string{"net.0.weight", "no ResNet"}},
		{"NaN", set("layer3.0.conv1.weight", 5, math.NaN()), []string{"layer3.0.conv1.weight", "element 5", "NaN"}},
		{"infinity", set("fc.weight", 0, math.Inf(1)), []string{"fc.weight", "+Inf"}},
		{"negative variance", set("layer2.1.bn2.running_var", 3, -0.5), []string{"layer2.1.bn2.running_var", "element 3", "-0.5"}},
		{"overflow", change("resnet18x0.125", func(p *param) {
			if p.name == "layer1.0.conv1.weight" || p.name == "layer1.0.bn1.weight" {
				p.value = func(int) float32 { return 1e30 }
			}
		}), []string{"layer1.0.conv1", "float32"}},
	} {
		_, err := open(safetensors(test.list))
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want ErrFormat", test.name, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %q, want %q in it", test.name, err, want)
			}
		}
	}
}

// TestNoChannels refuses a network of no width, whose tensors take no bytes.
func TestNoChannels(t *testing.T) {
	cfg, err := resnet.Lookup("resnet50")
	if err != nil {
		t.Fatal(err)
	}
	for _, widths := range [][2]int{{0, 0}, {8, 0}} {
		cfg.Width, cfg.Inner = widths[0], widths[1]
		c := &Checkpoint{}
		for _, p := range networkParams(cfg.Network(3)) {
			c.tensors = append(c.tensors, tensor{name: p.name, shape: p.shape, dtype: float32_, raw: make([]byte, 4*p.count())})
		}
		if _, err := c.Float(""); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "widths of 1 to 4096") {
			t.Errorf("widths %v: got %v", widths, err)
		}
	}
}

// TestArch recognises each network and takes it under a name that fits.
func TestArch(t *testing.T) {
	for _, test := range []struct {
		file, arch, want string // want "" for an error
		rename           string
	}{
		{"resnet34x0.125", "", "resnet34x0.125", ""},
		{"resnet50x0.125", "", "resnet50x0.125", ""},
		{"resnet101x0.125", "", "resnet101x0.125", ""},
		{"resnet152x0.125", "", "resnet152x0.125", ""},
		{"resnet20cifar", "", "resnet20cifar", ""},
		{"resnet8cifarx0.5", "", "resnet8cifarx0.5", ""},
		{"resnet50x0.125", "resnet50v1x0.125", "resnet50v1x0.125", ""},
		{"resnet8cifar", "plain8cifar", "plain8cifar", ""},
		{"plain18x0.125", "plain18x0.125", "plain18x0.125", ""},
		{"resnet50x0.125", "resnet50", "resnet50x0.125", ""},
		{"resnet50x0.125", "resnet50v1", "resnet50v1x0.125", ""},
		{"resnet50x0.125", "resnet50x0.25", "", ""},
		{"resnet50x0.125", "resnet34x0.125", "", ""},
		{"resnet50x0.125", "vgg16", "", ""},
		{"resnet8cifar", "", "resnet8cifar", "linear."},
	} {
		list := params(t, test.file, 3)
		for i := range list {
			if test.rename != "" {
				list[i].name = strings.Replace(list[i].name, "fc.", test.rename, 1)
			}
		}
		data := safetensors(list)
		c, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		f, err := c.Float(test.arch)
		if err != nil {
			if test.want != "" {
				t.Errorf("%s as %q: %v", test.file, test.arch, err)
			}
			continue
		}
		if f.Name != test.want || f.V1 != strings.Contains(test.want, "v1") {
			t.Errorf("%s as %q is %s, want %q", test.file, test.arch, f.Name, test.want)
		}
	}

	// Bottlenecks of twice the width have a name; others are described.
	for inner, want := range map[int]string{16: "resnet50-8-16", 8: "resnet50x0.125"} {
		cfg, err := resnet.Lookup("resnet50x0.125")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Inner = inner
		var list []param
		for _, c := range cfg.Network(3).Convs() {
			list = append(list, param{c.Name + ".weight", []int{c.Out, c.In, c.Kernel, c.Kernel}, func(int) float32 { return 0 }, ""}, param{c.Name + ".bias", []int{c.Out}, func(int) float32 { return 0 }, ""})
		}
		list = append(list, param{"fc.weight", []int{3, 256}, func(int) float32 { return 0 }, ""}, param{"fc.bias", []int{3}, func(int) float32 { return 0 }, ""})
		f, err := open(safetensors(list))
		if err != nil || f.Name != want || f.Inner != inner {
			t.Errorf("inner width %d: %v, want %s", inner, err, want)
		}
	}
	if got := widen(resnet.Config{Name: "resnet50", Width: 64, Inner: 64}, 64, 128); got.Name != "wide_resnet50_2" {
		t.Errorf("64 with 128 inside is %s, want wide_resnet50_2", got.Name)
	}
}

// TestBias folds a normalisation after a convolution with and without a bias.
func TestBias(t *testing.T) {
	build := func(name string, v float32) *resnet.Float {
		list := params(t, "resnet18x0.125", 3)
		if name == "conv1.bias" {
			list = append(list, param{name, []int{8}, nil, ""})
		}
		for i := range list {
			if list[i].name == name {
				list[i].value = func(k int) float32 { return v * float32(1+k) }
			}
		}
		f, err := open(safetensors(list))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	bias, mean := build("conv1.bias", 0.5), build("bn1.running_mean", 0.5)
	// Every other parameter is 1.
	scale := 1 / math.Sqrt(1+epsilon)
	for k := range 8 {
		v := 0.5 * float64(1+k)
		if b, want := float64(bias.Convs[0].B[k]), 1+(v-1)*scale; math.Abs(b-want) > 1e-6 {
			t.Errorf("output %d: bias %v, want %v", k, b, want)
		}
		if b, want := float64(mean.Convs[0].B[k]), 1-v*scale; math.Abs(b-want) > 1e-6 {
			t.Errorf("output %d: with a mean of %v the bias is %v, want %v", k, v, b, want)
		}
	}
}

// TestLies refuses damaged and hostile files, with what is wrong in the message.
func TestLies(t *testing.T) {
	four := strings.Repeat("\x00", 16) // 4 elements
	header := func(text string, body int) []byte {
		return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), []byte(text), make([]byte, body))
	}
	overlap := torchZip(zip.Store, "\x80\x02}.", four)
	// The second entry of the directory points at the first one's data.
	if i := bytes.LastIndex(overlap, []byte("PK\x01\x02")); i > 0 {
		binary.LittleEndian.PutUint32(overlap[i+42:], 0)
	}
	for _, test := range []struct {
		name, want string
		data       []byte
	}{
		{"empty", "file is empty", nil},
		{"HTML", "HTML", []byte("<!DOCTYPE html><html></html>")},
		{"noise", "file starts with 99 98", []byte("\x99\x98\x00\x01\x02\x03\x04\x05\x06\x0789abcdef")},
		{"zip without end", "want a zip", []byte("PK\x03\x04 and then nothing")},
		{"zip of something else", "data.pkl", torchZipNamed("readme")},
		{"compressed zip", "compressed", torchZip(zip.Deflate, one(4, 0, "K\x04\x85", "K\x01\x85"), four)},
		{"entries overlap", "overlap", overlap},
		{"runs a program", `"os.system"`, torchZip(zip.Store, "\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.")},
		{"builtins", "file has none", torchZip(zip.Store, "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.")},
		{"a whole module", `"torchvision.models.resnet.ResNet"`, torchZip(zip.Store, "\x80\x02ctorchvision.models.resnet\nResNet\n)\x81.")},
		{"no opcode", "opcode 0xff", torchZip(zip.Store, "\x80\x02\xff.")},
		{"long number", "want 4294967295 more bytes", torchZip(zip.Store, "\x80\x02\x8b\xff\xff\xff\xffabc.")},
		{"long bytes", "more bytes", torchZip(zip.Store, "\x80\x05\x8e\x00\x00\x00\x00\x01\x00\x00\x00abc.")},
		{"protocol 0", "protocol 0", torchZip(zip.Store, "\x80\x00}.")},
		{"empty stack", "operand", torchZip(zip.Store, "\x80\x02R.")},
		{"no mark", "mark", torchZip(zip.Store, "\x80\x02t.")},
		{"marks", "nested deeper", torchZip(zip.Store, "\x80\x02"+strings.Repeat("(", 300)+".")},
		{"memo", "memo 4294967295", torchZip(zip.Store, "\x80\x02}r\xff\xff\xff\xff.")},
		{"empty memo", "memo 7", torchZip(zip.Store, "\x80\x02h\x07.")},
		{"long text", "want 4294967295 more bytes", torchZip(zip.Store, "\x80\x02X\xff\xff\xff\xffabc.")},
		{"longer text", "more bytes", torchZip(zip.Store, "\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.")},
		{"no stop", "want 1 more bytes", torchZip(zip.Store, "\x80\x02}")},
		{"no tensors", "file has none", torchZip(zip.Store, "\x80\x02}.")},
		{"a list", "file has none", torchZip(zip.Store, "\x80\x02].")},
		{"storage is missing", `storage "0" is not in the file`, torchZip(zip.Store, one(4, 0, "K\x04\x85", "K\x01\x85"))},
		{"storage is short", "want 5 elements", torchZip(zip.Store, one(5, 0, "K\x05\x85", "K\x01\x85"), four)},
		{"shape is too long", "w: shape [5]", torchZip(zip.Store, one(4, 0, "K\x05\x85", "K\x01\x85"), four)},
		{"offset", "w: shape [4]", torchZip(zip.Store, one(4, 1, "K\x04\x85", "K\x01\x85"), four)},
		{"offset outside", "starts at element 9", torchZip(zip.Store, one(4, 9, "K\x01\x85", "K\x01\x85"), four)},
		{"stride", "read outside", torchZip(zip.Store, one(4, 0, "K\x03\x85", "K\x02\x85"), four)},
		{"expanded", "w: shape [1000000000]", torchZip(zip.Store, one(4, 0, number4(1e9)+"\x85", "K\x00\x85"), four)},
		{"huge shape", "w: shape", torchZip(zip.Store, one(4, 0, number4(math.MaxInt32)+number4(math.MaxInt32)+number4(math.MaxInt32)+"\x87", "K\x01K\x01K\x01\x87"), four)},
		{"negative shape", "negative", torchZip(zip.Store, one(4, 0, number4(-1)+"\x85", "K\x01\x85"), four)},
		{"negative stride", "negative", torchZip(zip.Store, one(4, 0, "K\x02\x85", number4(-1)+"\x85"), four)},
		{"strides of another shape", "1 dimensions with 2 strides", torchZip(zip.Store, one(4, 0, "K\x02\x85", "K\x01K\x01\x86"), four)},
		{"legacy version", "legacy protocol", []byte(legacyMagic + "\x80\x02K\x07.\x80\x02}.\x80\x02}.\x80\x02].")},
		{"legacy storage", `storage "0"`, []byte(legacyMagic + "\x80\x02M\xe9\x03.\x80\x02}." + one(4, 0, "K\x04\x85", "K\x01\x85") + "\x80\x02]X\x01\x00\x00\x000a.\xff\xff\xff\xff\xff\xff\xff\x7f")},
		{"legacy big endian", "byte order", []byte(legacyMagic + "\x80\x02M\xe9\x03.\x80\x02}X\x0d\x00\x00\x00little_endian\x89s.\x80\x02}.\x80\x02].")},
		{"header length", "header of", []byte("\xff\xff\xff\xff\xff\xff\xff\x7f{\"a\":{}}")},
		{"header", "header", header(`{"a":{"dtype":"F32"`, 0)},
		{"type", `"F4"; save it`, header(`{"layer1.0.conv1.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"conv1.weight":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"offsets", "bytes 0 to 400", header(`{"a":{"dtype":"F32","shape":[100],"data_offsets":[0,400]}}`, 4)},
		{"negative offsets", "bytes -4", header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4)},
		{"offsets and shape", "needs 4 bytes", header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}`, 8)},
		{"shape overflow", "more than", header(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}`, 8)},
		{"overlap", "overlap", header(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"twice", "twice", header(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"long shape", "file has none", torchZip(zip.Store, "\x80\x02("+strings.Repeat("K\x01", 3000)+"tq\x000"+strings.Repeat(tensorOf("FloatStorage", "0", 4, 0, "h\x00", "h\x00")+"0", 100)+"N.", four)},
		{"copied pairs", "a list is copied many times", torchZip(zip.Store, "\x80\x02]q\x00("+strings.Repeat("K\x01K\x02\x86", 1000)+"e0"+strings.Repeat("ccollections\nOrderedDict\nh\x00\x85R0", 300)+".")},
		{"numbers many times", "file has none", torchZip(zip.Store, "\x80\x02}("+strings.Repeat("K\x01N", 500)+"uq\x000}("+strings.Repeat("U\x01ah\x00", 500)+"u.")},
		{"tuples many times", "more names than", torchZip(zip.Store, "\x80\x02("+strings.Repeat("K\x01", 500)+"tq\x000("+strings.Repeat("h\x00", 500)+"t.")},
		{"ONNX without graph", "no graph", []byte("\x08\x07\x12\x0cabcdefghijkl")},
		{"ONNX length", "field 7 wants", []byte("\x08\x07\x3a\xff\xff\xff\xff\x07abcdefghijklmno")},
		{"ONNX external data", "another file", onnxGraph(func(g *message) {
			e, tensor := &message{}, &message{}
			e.text(1, "location")
			e.text(2, "w.data")
			tensor.int(1, 1)
			tensor.int(2, 1)
			tensor.text(8, "w")
			tensor.add(13, e)
			tensor.int(14, 1)
			g.add(5, tensor)
		})},
		{"ONNX data is short", "more than the 2 elements", onnxGraph(func(g *message) {
			tensor := &message{}
			tensor.int(1, 1000)
			tensor.int(2, 1)
			tensor.text(8, "w")
			tensor.floats(9, make([]float32, 2))
			g.add(5, tensor)
		})},
		{"ONNX output without a name", "without operation or named output", onnxGraph(func(g *message) {
			n := &message{} // would read and write "" again and again
			n.text(1, "")
			n.text(2, "")
			n.text(4, "Flatten")
			g.add(1, n)
			g.add(11, valueInfo("input", 3, 64, 64))
		})},
		{"ONNX cycle", "before it is written", onnxGraph(func(g *message) {
			for _, io := range [][2]string{{"a", "b"}, {"b", "a"}} {
				n := &message{}
				n.text(1, io[0])
				n.text(2, io[1])
				n.text(4, "Relu")
				g.add(1, n)
			}
			g.add(11, valueInfo("input", 3, 64, 64))
		})},
	} {
		_, err := open(test.data)
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want ErrFormat with %q", test.name, err, test.want)
		}
		if n := allocated(func() { open(test.data) }); n > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", test.name, n, len(test.data))
		}
	}
}

func torchZipNamed(name string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err != nil {
		panic(err)
	}
	w.Write([]byte("text"))
	z.Close()
	return b.Bytes()
}

// onnxGraph is a model with the graph that fill makes.
func onnxGraph(fill func(g *message)) []byte {
	g, m := &message{}, &message{}
	fill(g)
	m.int(1, 7)
	m.add(7, g)
	var b bytes.Buffer
	m.write(&b)
	return b.Bytes()
}

// allocated is the number of bytes that f takes in all.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// bound is what reading a file of n bytes may allocate: the numbers in float64 and float32, and names.
func bound(n int) uint64 { return 1<<20 + 64*uint64(n) }

// TestTruncated cuts every fixture short in many places. The smallest pieces are as short as a header.
func TestTruncated(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, name := range files {
		if strings.HasSuffix(name, ".py") || strings.HasSuffix(name, ".mjs") || strings.HasSuffix(name, ".json") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		read++
		for i := range 60 {
			n := len(data) * i / 60
			if i < 20 {
				n = 40 * i
			}
			limit := bound(n)
			if n < 4096 {
				limit = 1 << 20
			}
			used := allocated(func() {
				if _, err := open(data[:n]); err == nil {
					t.Errorf("%s: %d of %d bytes were accepted", name, n, len(data))
				} else if !errors.Is(err, ErrFormat) {
					t.Errorf("%s: %d of %d bytes: %v, want ErrFormat", name, n, len(data), err)
				}
			})
			if used > limit {
				t.Errorf("%s: %d of %d bytes: %d bytes allocated", name, n, len(data), used)
			}
		}
	}
	if read < 20 {
		t.Errorf("%d fixtures, want 20 or more", read)
	}
}

// TestShared refuses an ONNX file that uses one matrix for every layer: it would be a network larger than its file.
func TestShared(t *testing.T) {
	data, err := os.ReadFile("testdata/basic-folded.onnx")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.tensors {
		if c.tensors[i].name == "layer1.1.conv1.weight" {
			for _, from := range c.tensors {
				if from.name == "layer1.0.conv1.weight" {
					from.name = c.tensors[i].name
					c.tensors[i] = from
				}
			}
		}
	}
	if _, err := c.Float(""); err == nil || !strings.Contains(err.Error(), "layer1.0.conv1.weight and layer1.1.conv1.weight lie in the same bytes") {
		t.Error(fmt.Sprint("got ", err))
	}
}
