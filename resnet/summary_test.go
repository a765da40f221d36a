package resnet

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The paper's depths with the totals of its Table 1 to the last digit; v1.5 differs where bottlenecks move their stride.
func TestSummaryTotals(t *testing.T) {
	for _, want := range []struct {
		name         string
		params, macs int64
	}{
		{"resnet18", 11689512, 1814073344},
		{"resnet34", 21797672, 3663761408},
		{"resnet50", 25557032, 4089184256},
		{"resnet101", 44549160, 7801405440},
		{"resnet152", 60192808, 11513626624},
		{"resnet18v1", 11689512, 1814073344},
		{"resnet34v1", 21797672, 3663761408},
		{"resnet50v1", 25557032, 3857973248},
		{"resnet101v1", 44549160, 7570194432},
		{"resnet152v1", 60192808, 11282415616},
	} {
		c, err := Lookup(want.name)
		if err != nil {
			t.Fatal(err)
		}
		if s := c.Summary(1000, 224); s.Params != want.params || s.MACs != want.macs {
			t.Errorf("%s: want %d parameters and %d multiply-adds, got %d and %d", want.name, want.params, want.macs, s.Params, s.MACs)
		}
	}
}

// Parameters as PyTorch counts those of torchvision's ResNet with other blocks, and with a 3×3 stem for 10 classes; the
// CIFAR nets are of its Bottleneck with 16, 32 and 64 channels.
func TestSummaryNear(t *testing.T) {
	for _, want := range []struct {
		name          string
		classes, size int
		params        int64
	}{
		{"resnet10", 1000, 224, 5418792},
		{"resnet14", 1000, 224, 10064936},
		{"resnet26", 1000, 224, 15995176},
		{"resnet200", 1000, 224, 64673832},
		{"resnet200v1", 1000, 224, 64673832},
		{"resnet18s", 10, 32, 11173962},
		{"resnet34s", 10, 32, 21282122},
		{"resnet50s", 10, 32, 23520842},
		{"resnet11cifarbottleneck", 10, 32, 127642},
		{"resnet164cifarbottleneck", 10, 32, 1704154},
	} {
		c, err := Lookup(want.name)
		if err != nil {
			t.Fatal(err)
		}
		if s := c.Summary(want.classes, want.size); s.Params != want.params {
			t.Errorf("%s: want %d parameters, got %d", want.name, want.params, s.Params)
		}
	}
}

// Figures that torchvision publishes with its checkpoints.
func TestSummaryWide(t *testing.T) {
	for _, want := range []struct {
		name   string
		params int64
		gmacs  float64
	}{{"wide_resnet50_2", 68883240, 11.398}, {"wide_resnet101_2", 126886696, 22.753}} {
		c, _ := Lookup(want.name)
		if s := c.Summary(1000, 224); s.Params != want.params || int64(want.gmacs*1e3) != s.MACs/1e6 {
			t.Errorf("%s: want %d parameters and %.3fe9 multiply-adds, got %d and %d", want.name, want.params, want.gmacs, s.Params, s.MACs)
		}
	}
}

// Without shortcuts there are no projections; nothing else changes. (34 layers: three projections.)
func TestSummaryPlain(t *testing.T) {
	plain, _ := Lookup("plain34")
	res, _ := Lookup("resnet34")
	p, r := plain.Summary(1000, 224), res.Summary(1000, 224)
	for _, l := range r.Layers {
		if strings.Contains(l.Name, "downsample") {
			r.Params -= l.Params
			r.MACs -= l.MACs
		}
	}
	if p.Params != r.Params || p.MACs != r.MACs {
		t.Errorf("plain34: want %d parameters and %d multiply-adds, got %d and %d", r.Params, r.MACs, p.Params, p.MACs)
	}
	for _, l := range p.Layers {
		if l.Kind == "add" {
			t.Errorf("plain34 adds at %s", l.Name)
		}
	}
}

// The paper's CIFAR networks: 6n+2 weighted layers, parameters in millions as in its Table 6, and as many with as
// without shortcuts, because those take no parameters.
func TestSummaryCIFAR(t *testing.T) {
	for _, want := range []struct {
		depth  string
		layers int
		params float64 // millions, as printed
	}{{"20", 20, 0.27}, {"32", 32, 0.46}, {"44", 44, 0.66}, {"56", 56, 0.85}, {"110", 110, 1.7}, {"1202", 1202, 19.4}} {
		c, err := Lookup("resnet" + want.depth + "cifar")
		if err != nil {
			t.Fatal(err)
		}
		s := c.Summary(10, 32)
		weighted := 0
		sides := map[int]bool{}
		for _, l := range s.Layers {
			if l.Kind == "conv" || l.Kind == "linear" {
				weighted++
			}
			if l.Kind == "conv" {
				sides[l.Height] = true
			}
		}
		if weighted != want.layers {
			t.Errorf("%s: want %d weighted layers, got %d", c.Name, want.layers, weighted)
		}
		unit := 0.01 // of the printed figure
		if want.params >= 1 {
			unit = 0.1
		}
		if got := float64(s.Params) / 1e6; got < want.params-unit || got > want.params+unit {
			t.Errorf("%s: want about %.2f million parameters, got %.3f", c.Name, want.params, got)
		}
		if len(sides) != 3 || !sides[32] || !sides[16] || !sides[8] {
			t.Errorf("%s: want outputs of 32, 16 and 8 pixels, got %v", c.Name, sides)
		}
		plain, err := Lookup("plain" + want.depth + "cifar")
		if err != nil {
			t.Fatal(err)
		}
		if p := plain.Summary(10, 32); p.Params != s.Params || p.MACs != s.MACs {
			t.Errorf("%s and %s differ: %d and %d parameters, %d and %d multiply-adds", c.Name, plain.Name, s.Params, p.Params, s.MACs, p.MACs)
		}
	}
}

// Two 3×3 convolutions at 256 channels, and the bottleneck 1×1,64 – 3×3,64 – 1×1,256 on 256 channels.
func TestSummaryBlocks(t *testing.T) {
	for _, want := range []struct {
		arch, block string
		weights     int64
	}{{"resnet34", "layer3.1.", 1179648}, {"resnet50", "layer1.1.", 69632}} {
		c, _ := Lookup(want.arch)
		var weights int64
		for _, l := range c.Summary(1000, 224).Layers {
			if strings.HasPrefix(l.Name, want.block) {
				weights += l.Params - 2*int64(l.Out)
			}
		}
		if weights != want.weights {
			t.Errorf("%s %s: want %d weights, got %d", want.arch, want.block, want.weights, weights)
		}
	}
}

// Table 1: output sizes 112, 56, 28, 14, 7 and the blocks of each stage; v1 and v1.5 have the same ones.
func TestSummaryTable1(t *testing.T) {
	for name, blocks := range map[string][4]int{
		"resnet18": {2, 2, 2, 2}, "resnet34": {3, 4, 6, 3}, "resnet50": {3, 4, 6, 3}, "resnet50v1": {3, 4, 6, 3},
		"resnet101": {3, 4, 23, 3}, "resnet152": {3, 8, 36, 3},
	} {
		c, _ := Lookup(name)
		s := c.Summary(1000, 224)
		if l := s.Layers[0]; l.Height != 112 || l.Width != 112 || l.Out != 64 || l.Kernel != 7 || l.Stride != 2 {
			t.Errorf("%s: conv1 is %+v", name, l)
		}
		if l := s.Layers[1]; l.Height != 56 || l.Kind != "maxpool" {
			t.Errorf("%s: after conv1 comes %+v", name, l)
		}
		out := [4]int{64, 128, 256, 512}
		if c.Bottleneck {
			out = [4]int{256, 512, 1024, 2048}
		}
		var got [4]int
		for _, l := range s.Layers {
			if l.Kind != "add" {
				continue
			}
			stage := int(l.Name[5] - '1')
			if side := 56 >> stage; l.Height != side || l.Width != side || l.Out != out[stage] {
				t.Errorf("%s %s: want %d×%d×%d, got %d×%d×%d", name, l.Name, out[stage], side, side, l.Out, l.Height, l.Width)
			}
			// Dashed where the shape changes, solid everywhere else.
			want := "identity"
			if got[stage] == 0 && (stage > 0 || c.Bottleneck) {
				want = "projection"
			}
			if l.Shortcut != want {
				t.Errorf("%s %s: want shortcut %s, got %s", name, l.Name, want, l.Shortcut)
			}
			got[stage]++
		}
		if got != blocks {
			t.Errorf("%s: want blocks %v, got %v", name, blocks, got)
		}
	}
}

func TestSummaryString(t *testing.T) {
	c, _ := Lookup("resnet50")
	s := c.Summary(1000, 224)
	golden(t, "resnet50.txt", s.String())

	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Summary
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back.String() != s.String() {
		t.Error("JSON loses something of the summary")
	}
}

// golden compares with a file of testdata; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile("testdata/"+name, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from testdata/%s; got:\n%s", name, got)
	}
}
