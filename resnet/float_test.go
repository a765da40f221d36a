package resnet

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// Every depth and variant against PyTorch, with parameters and images that both sides draw from one stream. The recipe
// is testdata/logits.py. The tolerance is a thousandth of the largest logit; what is measured is near a millionth.
func TestForwardTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/logits.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Pad     string
		Hidden        []int
		Classes, Size int
		Seed          uint64
		Logits        []float64
		Names         []string
		Means         []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, want := range cases {
		t.Run(fmt.Sprint(want.Name, want.Pad), func(t *testing.T) {
			c, err := Lookup(want.Name)
			if err != nil {
				t.Fatal(err)
			}
			if testing.Short() && c.Depth > 50 {
				t.Skip("deep; run without -short")
			}
			for _, s := range []Shortcut{Projection, PadAppend, PadSplit} {
				if want.Pad == s.String() {
					c.Dashed = s
				}
			}
			f := Random(c.Network(want.Classes, want.Hidden...), want.Seed)
			var names []string
			means := map[string]float64{}
			logits := f.Forward(RandomImage(want.Size, want.Seed+1), want.Size, func(name string, c, h, w int, a []float32) {
				if len(a) != c*h*w {
					t.Errorf("%s: want %d×%d×%d values, got %d", name, c, h, w, len(a))
				}
				var sum float64
				for _, v := range a {
					sum += math.Abs(float64(v))
				}
				names = append(names, name)
				means[name] = sum / float64(len(a))
			})
			if len(logits) != len(want.Logits) {
				t.Fatalf("want %d logits, got %d", len(want.Logits), len(logits))
			}
			var worst, largest float64
			for i, v := range logits {
				worst = math.Max(worst, math.Abs(float64(v)-want.Logits[i]))
				largest = math.Max(largest, math.Abs(want.Logits[i]))
			}
			t.Logf("logits differ by at most %.1e of the largest, %.3g", worst/largest, largest)
			if !(worst <= 1e-3*largest) || !(largest > 0.1 && largest < 100) {
				t.Errorf("want %v, got %v", want.Logits, logits)
			}
			if len(want.Names) == 0 { // too many
				return
			}
			var steps []string
			for _, s := range f.Steps() {
				if s.In != s.Out && s.Kind != HeadLinear {
					steps = append(steps, s.Out)
				}
			}
			if !slices.Equal(names, steps) {
				t.Errorf("observed names: want those of Steps, %v, got %v", steps, names)
			}
			// PyTorch runs a block's shortcut after its convolutions.
			slices.Sort(names)
			if sorted := slices.Sorted(slices.Values(want.Names)); !slices.Equal(names, sorted) {
				t.Fatalf("observed names:\nwant %v\ngot  %v", sorted, names)
			}
			for i, m := range want.Means {
				if name := want.Names[i]; !(math.Abs(means[name]-m) <= 1e-3*m) {
					t.Errorf("%s: want mean absolute value %g, got %g", name, m, means[name])
				}
			}
		})
	}
}

// The logits are the same bits on every CPU (the constant was made on amd64; arm64 fuses what is not kept apart), for any
// number of cores, and with several calls at once.
func TestForwardBits(t *testing.T) {
	const want = 0xacb68e0044f864b3
	c, _ := Lookup("resnet18x0.125")
	f := Random(c.Network(10), 1)
	rgb := RandomImage(67, 2)
	hash := func() uint64 {
		h := fnv.New64a()
		binary.Write(h, binary.LittleEndian, f.Forward(rgb, 67, nil))
		return h.Sum64()
	}
	if got := hash(); got != want {
		t.Errorf("want hash %#x, got %#x", uint64(want), got)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(3))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 3 {
				if got := hash(); got != want {
					t.Errorf("several at once: want hash %#x, got %#x", uint64(want), got)
				}
			}
		})
	}
	wg.Wait()
}

func TestForwardPanics(t *testing.T) {
	c, _ := Lookup("resnet20cifar")
	f := NewFloat(c.Network(2))
	for _, bad := range []struct{ values, size int }{{3 * 32 * 32, 33}, {3 * 31 * 31, 31}, {0, 32}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d values of size %d: want a panic", bad.values, bad.size)
				}
			}()
			f.Forward(make([]float32, bad.values), bad.size, nil)
		}()
	}
}

// One call uses all cores; calls in parallel, one per core, are what an evaluation does.
func BenchmarkForward(b *testing.B) {
	for _, v := range []struct {
		name string
		size int
	}{{"resnet18", 128}, {"resnet18", 224}, {"resnet50", 224}} {
		c, _ := Lookup(v.name)
		f := Random(c.Network(1000), 1)
		rgb := RandomImage(v.size, 2)
		macs := float64(c.Summary(1000, v.size).MACs)
		rate := func(b *testing.B) { b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s") }
		b.Run(fmt.Sprintf("%s/%d", v.name, v.size), func(b *testing.B) {
			for b.Loop() {
				f.Forward(rgb, v.size, nil)
			}
			rate(b)
		})
		b.Run(fmt.Sprintf("%s/%d/parallel", v.name, v.size), func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					f.Forward(rgb, v.size, nil)
				}
			})
			rate(b)
		})
	}
}
