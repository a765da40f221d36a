package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"

	"resnet-web/resnet"
)

const seed = "../../../shared/seed/resnet18-tiny200.pth"

// load opens a checkpoint and builds the network, as arch or as recognised.
func load(t testing.TB, path, arch string, pad ...resnet.Shortcut) *resnet.Float {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range pad {
		c.Pad = p
	}
	f, err := c.Float(arch)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// different says where two networks differ by more than tolerance, relative to the largest value of a layer.
func different(a, b *resnet.Float, tolerance float64) error {
	if a.Name != b.Name || a.Classes != b.Classes || len(a.Convs) != len(b.Convs) {
		return fmt.Errorf("%s with %d classes, want %s with %d", a.Name, a.Classes, b.Name, b.Classes)
	}
	compare := func(name string, a, b []float32) error {
		if len(a) != len(b) {
			return fmt.Errorf("%s has %d elements, want %d", name, len(a), len(b))
		}
		top := 0.0
		for _, x := range b {
			top = max(top, math.Abs(float64(x)))
		}
		for i := range a {
			if d := math.Abs(float64(a[i]) - float64(b[i])); d > tolerance*top {
				return fmt.Errorf("%s[%d] is %v, want %v", name, i, a[i], b[i])
			}
		}
		return nil
	}
	for i, c := range a.Convs {
		if c.Conv != b.Convs[i].Conv {
			return fmt.Errorf("layer %d is %v, want %v", i, c.Conv, b.Convs[i].Conv)
		}
		if err := errors.Join(compare(c.Name, c.W, b.Convs[i].W), compare(c.Name+" bias", c.B, b.Convs[i].B)); err != nil {
			return err
		}
	}
	if len(a.Head) != len(b.Head) {
		return fmt.Errorf("a head of %d layers, want %d", len(a.Head), len(b.Head))
	}
	for i, l := range a.Head {
		err := errors.Join(compare(l.Name, l.W, b.Head[i].W), compare(l.Name+" bias", l.B, b.Head[i].B))
		if l.Linear != b.Head[i].Linear || err != nil {
			return fmt.Errorf("%v, want %v: %w", l.Linear, b.Head[i].Linear, err)
		}
	}
	return nil
}

// sine is the picture of golden.json.
func sine(size int) []float32 {
	rgb := make([]float32, 3*size*size)
	for i := range rgb {
		rgb[i] = float32(math.Sin(0.37 * float64(i)))
	}
	return rgb
}

func TestSeed(t *testing.T) {
	if _, err := os.Stat(seed); err != nil {
		t.Skip("needs ../shared/seed")
	}
	f := load(t, seed, "")
	if f.Name != "resnet18" || f.Classes != 200 || len(f.Convs) != 20 {
		t.Fatalf("got %s with %d classes and %d convolutions, want resnet18, 200, 20", f.Name, f.Classes, len(f.Convs))
	}
}

// TestFormats reads the same network from every format, naming and element type: the numbers are the same to the last
// bit. Exporters that fold compute in float32.
func TestFormats(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	if want.Name != "resnet18-2-2" || want.Width != 2 || want.Depth != 18 || want.Classes != 5 {
		t.Fatalf("recognised %+v", want.Config)
	}
	for _, test := range []struct {
		file      string
		tolerance float64
	}{
		{"basic-legacy.pth", 0}, {"basic-wrapped.pth", 0}, {"basic-ema.pth", 0}, {"basic-parameters.pth", 0}, {"basic-strided.pth", 0},
		{"basic-float16.pth", 0}, {"basic-bfloat16.pth", 0}, {"basic-float64.pth", 0},
		{"basic-float16.safetensors", 0}, {"basic-bfloat16.safetensors", 0}, {"basic-float64.safetensors", 0},
		{"basic.safetensors", 0}, {"basic-hf.safetensors", 0},
		{"basic.onnx", 0}, {"basic-folded.onnx", 1e-6}, // folding, the exporter rounds every step
	} {
		if err := different(load(t, "testdata/"+test.file, ""), want, test.tolerance); err != nil {
			t.Errorf("%s: %v", test.file, err)
		}
	}
	want = load(t, "testdata/bottleneck.pth", "")
	if err := different(load(t, "testdata/bottleneck-hf.safetensors", ""), want, 0); err != nil {
		t.Errorf("Hugging Face: %v", err)
	}
	if err := different(load(t, "testdata/bottleneck.onnx", ""), want, 0); err != nil {
		t.Errorf("ONNX: %v", err)
	}
	for _, test := range []struct {
		file string
		pad  resnet.Shortcut
	}{
		{"cifar-append.onnx", resnet.PadAppend}, {"cifar-split.onnx", resnet.PadSplit},
		{"cifar-mean.onnx", resnet.PadAppend}, {"cifar-pool.onnx", resnet.PadAppend}, {"cifar-data.onnx", resnet.PadAppend},
	} {
		// The graph goes before the option.
		if err := different(load(t, "testdata/"+test.file, "", resnet.PadAppend), load(t, "testdata/cifar.pth", "", test.pad), 1e-6); err != nil {
			t.Errorf("%s: %v", test.file, err)
		}
	}
	if err := different(load(t, "testdata/cifar-odd.onnx", ""), load(t, "testdata/cifar-odd.pth", ""), 1e-6); err != nil {
		t.Errorf("an odd number of zero channels: %v", err)
	}
}

// TestGolden compares logits with those of torch.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct {
		Size   int
		Logits []float64
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	nets := map[string]*resnet.Float{
		"basic":         load(t, "testdata/basic.pth", ""),
		"bottleneck":    load(t, "testdata/bottleneck.pth", ""),
		"bottleneck-v1": load(t, "testdata/bottleneck-v1.onnx", ""),
		"cifar-append":  load(t, "testdata/cifar.pth", "", resnet.PadAppend),
		"cifar-split":   load(t, "testdata/cifar.pth", ""), // as most are
	}
	for name := range near {
		nets[name] = load(t, "testdata/"+name+".safetensors", "")
	}
	if len(golden) != len(nets) {
		t.Fatalf("%d networks in golden.json, want %d", len(golden), len(nets))
	}
	if !nets["bottleneck-v1"].V1 {
		t.Error("the strides of bottleneck-v1.onnx were not recognised")
	}
	for name, g := range golden {
		logits := nets[name].Forward(sine(g.Size), g.Size, nil)
		for i, want := range g.Logits {
			if d := math.Abs(float64(logits[i]) - want); d > 1e-4*(1+math.Abs(want)) { // float32 sums in another order
				t.Errorf("%s: logit %d is %v, torch has %v", name, i, logits[i], want)
			}
		}
	}
}

// TestPublished compares the logits of two ResNets trained on CIFAR-10, as published, with those of torch: their zero
// channels are split.
func TestPublished(t *testing.T) {
	for file, want := range map[string][]float64{
		"resnet20-12fca82f.th": {4.88491, 9.47246, -2.83298, -2.46321, -6.17066, -4.41016, 4.27322, -9.29902, 0.12654, 6.42208},
		"resnet56-4bfd9763.th": {11.79541, 12.06056, -8.44033, -1.90337, -12.02341, -6.37164, -4.57024, -8.85467, 12.795, 5.47309},
	} {
		path := "../../../shared/data/cifar-resnets/" + file
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s is not here: skipped", path)
			continue
		}
		for i, got := range load(t, path, "").Forward(sine(32), 32, nil) {
			if math.Abs(float64(got)-want[i]) > 1e-3 {
				t.Errorf("%s: logit %d is %v, torch has %v", file, i, got, want[i])
			}
		}
	}
}

// family lists one small member of each kind.
func family(t testing.TB) []resnet.Config {
	var list []resnet.Config
	for _, name := range []string{"resnet18x0.125", "resnet50x0.125", "resnet50v1x0.125", "resnet8cifar", "plain18x0.125", "plain8cifar",
		"resnet10x0.125", "resnet14x0.125", "resnet26x0.125", "resnet10sx0.125", "resnet14sv1x0.125", "plain18sx0.125",
		"resnet11cifarbottleneckx0.5", "resnet11cifarbottleneckv1x0.5"} {
		c, err := resnet.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	split := list[3]
	split.Dashed = resnet.PadSplit
	wide := list[0]
	wide.Name, wide.Width, wide.Inner = "resnet18-12-12", 12, 12
	projection, pads := list[3], list[6] // CIFAR's, and one of four stages with padded shortcuts
	projection.Dashed, pads.Dashed = resnet.Projection, resnet.PadSplit
	return append(list, split, wide, projection, pads)
}

// hiddens are hidden layers of a head.
var hiddens = [][]int{nil, {6}, {9, 5}}

func TestWriteONNX(t *testing.T) {
	for i, cfg := range family(t) {
		want := resnet.Random(cfg.Network(7, hiddens[i%len(hiddens)]...), 1)
		var b bytes.Buffer
		if err := WriteONNX(&b, want, 64); err != nil {
			t.Fatal(err)
		}
		c, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil {
			t.Errorf("%s: %v", cfg.Name, err)
			continue
		}
		got, err := c.Float("")
		if err != nil {
			t.Errorf("%s: %v", cfg.Name, err)
			continue
		}
		if got.Dashed != cfg.Dashed || got.V1 != cfg.V1 || got.Plain != cfg.Plain || !slices.Equal(got.Stages, cfg.Stages) {
			t.Errorf("recognised %+v, want %+v", got.Config, cfg)
		}
		if err := different(got, want, 0); err != nil {
			t.Errorf("%s: %v", cfg.Name, err)
		}
	}
	if err := WriteONNX(&bytes.Buffer{}, resnet.Random(family(t)[0].Network(2), 1), 16); err == nil {
		t.Error("size 16 was accepted")
	}
}
