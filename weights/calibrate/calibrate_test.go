package calibrate

import (
	"archive/zip"
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"resnet-web/resnet"
	"resnet-web/weights"
)

func picture(t *testing.T, c color.Color) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 40))
	for i := range 40 * 40 {
		img.Set(i%40, i/40, c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestZipNames takes a zip's names as Windows and tar write them.
func TestZipNames(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range []string{`a\1.png`, `__MACOSX\a\1.png`, "./b/1.png", "/c/1.png", "d.png"} {
		z.Create(name)
	}
	z.Close()
	archive := filepath.Join(t.TempDir(), "set.zip")
	if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDataset(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var got []string
	for _, im := range d.Images {
		got = append(got, im.Class+":"+im.Name)
	}
	if want := []string{"a:a/1.png", "b:b/1.png", "c:c/1.png", ":d.png"}; !reflect.DeepEqual(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestDataset(t *testing.T) {
	dir := t.TempDir()
	files := []string{"a/1.png", "a/2.PNG", "a/3.png", "b/1.png", "b/2.png", "c/deep/1.png", "a/notes.txt", "a/._1.png", "__MACOSX/a/1.png", ".cache/a/1.png", "a/.thumbs/1.png", "b/__MACOSX/1.png"}
	archive := filepath.Join(dir, "set.zip")
	out, err := os.Create(archive)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(out)
	root := filepath.Join(dir, "set")
	for _, name := range files {
		data := picture(t, color.Gray{200})
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		full := filepath.Join(root, filepath.FromSlash(name))
		os.MkdirAll(filepath.Dir(full), 0o755)
		if err := os.WriteFile(full, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	out.Close()
	prep := resnet.Prep{Resize: 40, Crop: 32, Filter: "bilinear"}
	for _, path := range []string{root, archive} {
		d, err := OpenDataset(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, im := range d.Images {
			got = append(got, im.Class+":"+im.Name)
		}
		want := []string{"a:a/1.png", "a:a/2.PNG", "a:a/3.png", "b:b/1.png", "b:b/2.png", "deep:c/deep/1.png"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %q, got %q", path, want, got)
		}
		count := map[string]int{}
		sample := d.Sample(4, 1)
		for _, im := range sample {
			count[im.Class]++
		}
		if len(sample) != 4 || count["a"] < 1 || count["b"] < 1 || count["deep"] != 1 {
			t.Errorf("%s: a sample of 4 from three classes is %v", path, count)
		}
		if again := d.Sample(4, 1); again[0].Name != sample[0].Name || again[3].Name != sample[3].Name {
			t.Errorf("%s: the same seed gave another sample", path)
		}
		if n := len(d.Sample(100, 1)); n != 6 {
			t.Errorf("%s: want all 6 images when 100 are asked for, got %d", path, n)
		}
		crop, err := d.Images[0].Load(prep)
		if err != nil || crop.Rect.Dx() != 32 || crop.Pix[0] != 200 {
			t.Errorf("%s: want a grey crop of 32×32, got %v, %v", path, crop, err)
		}
		d.Close()
	}

	// A linked class is one like any other, and a circle of links ends.
	other := t.TempDir()
	os.WriteFile(filepath.Join(other, "1.png"), picture(t, color.Gray{200}), 0o644)
	for from, to := range map[string]string{"linked": other, "a/round": root, "b/gone.png": filepath.Join(other, "none.png")} {
		if err := os.Symlink(to, filepath.Join(root, from)); err != nil {
			t.Skip(err)
		}
	}
	d, err := OpenDataset(root)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.Images); n != 8 || d.Images[7].Class != "linked" {
		t.Errorf("want 8 images with a linked one last, got %v", d.Images)
	}
	if _, err := d.Images[5].Load(prep); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: want that the file does not exist, got %v", d.Images[5].Name, err)
	}

	empty := t.TempDir()
	broken := filepath.Join(empty, "x.zip")
	os.WriteFile(broken, []byte("<html>"), 0o644)
	for _, path := range []string{empty, broken} {
		if _, err := OpenDataset(path); !errors.Is(err, ErrDataset) {
			t.Errorf("%s: want ErrDataset, got %v", path, err)
		}
	}
	if _, err := OpenDataset(filepath.Join(empty, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want that the file does not exist, got %v", err)
	}
	os.WriteFile(filepath.Join(empty, "x.png"), []byte("no picture"), 0o644)
	if d, err = OpenDataset(empty); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Images[0].Load(prep); !errors.Is(err, resnet.ErrDecode) || !strings.Contains(err.Error(), "x.png") {
		t.Errorf("want ErrDecode with the image's name, got %v", err)
	}
}

// TestScale holds the histogram's choice against a search over the values themselves.
func TestScale(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var values []float64
	h, half := newHistogram(), newHistogram()
	for i := range 20000 {
		x := math.Max(0, rng.NormFloat64())
		if i%1000 == 0 {
			x *= 20 // outliers: least error clips them
		}
		values = append(values, x)
		if i%2 == 0 {
			h.add(x, 1)
		} else {
			half.add(x, 1)
		}
	}
	h.merge(half)
	exact := func(s float64) (sum float64) {
		for _, x := range values {
			d := x - s*min(math.RoundToEven(x/s), 127)
			sum += d * d
		}
		return sum
	}
	s := h.scale()
	least := math.Inf(1)
	for try := h.top / 127; try > h.top/127/50; try *= 0.99 {
		least = min(least, exact(try))
	}
	if got := exact(s); got > 1.02*least {
		t.Errorf("scale %v has error %v, the best %v", s, got, least)
	}
	if s >= 0.99*h.top/127 {
		t.Errorf("scale %v reaches the largest value %v: nothing is clipped", s, h.top)
	}
	if got := newHistogram().scale(); got != 1 {
		t.Errorf("no values: want scale 1, got %v", got)
	}
	h.add(math.Inf(1), 1)
	if !h.bad {
		t.Error("an infinite value passed")
	}
}

// TestMeans compares the means per tap with a plain convolution of ones.
func TestMeans(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []resnet.Conv{{In: 2, Kernel: 3, Stride: 1, Pad: 1}, {In: 2, Kernel: 3, Stride: 2, Pad: 1}, {In: 2, Kernel: 1, Stride: 2}, {In: 2, Kernel: 7, Stride: 2, Pad: 3}} {
		const n = 9
		x := make([]float32, c.In*n*n)
		for i := range x {
			x[i] = rng.Float32()
		}
		var m means
		m.add(c, n, x)
		side := c.OutSize(n)
		for i := range c.In {
			for tap := range c.Kernel * c.Kernel {
				var want float64
				for y := range side {
					for xx := range side {
						iy, ix := y*c.Stride-c.Pad+tap/c.Kernel, xx*c.Stride-c.Pad+tap%c.Kernel
						if iy >= 0 && iy < n && ix >= 0 && ix < n {
							want += float64(x[(i*n+iy)*n+ix])
						}
					}
				}
				want /= float64(side * side)
				if got := m.mean()[i*c.Kernel*c.Kernel+tap]; math.Abs(got-want) > 1e-9 {
					t.Fatalf("%+v: channel %d tap %d: want %v, got %v", c, i, tap, want, got)
				}
			}
		}
	}
}

// network is a narrow net with seeded weights and enough of everything: both block kinds, both shortcuts.
func network(t *testing.T, name string) *resnet.Float {
	t.Helper()
	c, err := resnet.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return resnet.Random(c.Network(10), 1)
}

var prep = resnet.Prep{Resize: 64, Crop: 64, Filter: "bilinear", Mean: resnet.ImageNetPrep.Mean, Std: resnet.ImageNetPrep.Std}

// TestQuantise holds the quantised network against the float one: at every kind of block the features keep their signal.
// 7-bit activations alone leave about 40 dB a layer; 25 dB over a whole network is 5 % of noise.
func TestQuantise(t *testing.T) {
	samples, fresh := synthetic(prep, 12, 2), synthetic(prep, 8, 3)
	for _, name := range []string{"resnet18x0.25", "resnet50x0.125", "resnet50v1x0.125", "resnet20cifar", "plain18x0.25"} {
		t.Run(name, func(t *testing.T) {
			f := network(t, name)
			var runs, most atomic.Int64
			m, r, err := Quantise(f, prep, samples, Options{Progress: func(done, total int) { runs.Add(1); most.Store(int64(total)) }})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := weights.Write(&b, m); err != nil {
				t.Fatalf("the model is not one that a file takes: %v", err)
			}
			if runs.Load() != 36 || most.Load() != 36 {
				t.Errorf("want progress to 36 of 36 runs, got %d of %d", runs.Load(), most.Load())
			}
			if db := snr(t, f, m, fresh); db < 25 {
				t.Errorf("features of pictures not calibrated on: want 25 dB, got %.1f", db)
			}
			if r.Samples != 12 || r.Warning != "" || len(r.Layers) != len(f.Convs)+1 || r.Features < 25 {
				t.Errorf("report: %+v", r)
			}
			for _, l := range r.Layers {
				if l.Range > 0 && (l.SNR < 20 || l.Clipped > 0.01) || l.Weights < 30 && l.Weights != 0 {
					t.Errorf("layer %+v", l)
				}
			}
			if s := r.String(); !strings.Contains(s, "layer1.0.conv1") || !strings.Contains(s, "12 calibration images") {
				t.Errorf("report as text:\n%s", s)
			}
		})
	}
}

// TestNoAgreement keeps the summary where no answer stays the same.
func TestNoAgreement(t *testing.T) {
	r := &Report{Samples: 3}
	if s := r.String(); !strings.Contains(s, "3 calibration images: same best class as float 0.0 %") {
		t.Errorf("report as text:\n%s", s)
	}
}

// TestDepths shows that error does not pile up: however deep, the features keep their signal, with images and without.
// Run with -v it prints the tables of README.md here. Random weights have no meaningful best class.
func TestDepths(t *testing.T) {
	names := []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50v1", "resnet101v1", "resnet152v1"}
	if testing.Short() {
		names = []string{"resnet18", "resnet50", "resnet50v1"} // one of each kind of block
	}
	samples, fresh := synthetic(prep, 16, 2), synthetic(prep, 8, 3)
	for _, name := range names {
		f := network(t, name+"x0.25")
		with, _, err := Quantise(f, prep, samples, Options{})
		if err != nil {
			t.Fatal(err)
		}
		without, _, err := Quantise(f, prep, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, b := snr(t, f, with, fresh), snr(t, f, without, fresh)
		t.Logf("| %s | %.1f | %.1f |", name, a, b)
		if a < 25 || b < 25 {
			t.Errorf("%s: want 25 dB, got %.1f with images and %.1f without", name, a, b)
		}
	}
}

// snr is the signal-to-noise ratio of m's features on crops, dB.
func snr(t *testing.T, f *resnet.Float, m *resnet.Model, crops []*image.RGBA) float64 {
	t.Helper()
	got, _, err := outputs(m, crops, func() {})
	if err != nil {
		t.Fatal(err)
	}
	want := make([][]float32, len(crops))
	parallel(len(crops), func(i int) {
		f.Forward(prep.Normalise(crops[i]), prep.Crop, func(name string, _, _, _ int, v []float32) {
			if name == "features" {
				want[i] = append([]float32(nil), v...)
			}
		})
	})
	return ratio(want, got)
}

// TestCores asks for the same model whatever the number of cores.
func TestCores(t *testing.T) {
	f := network(t, "resnet18x0.125")
	samples := synthetic(prep, 5, 2)
	file := func() []byte {
		m, _, err := Quantise(f, prep, samples, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := weights.Write(&b, m); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	first := file()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if !bytes.Equal(file(), first) {
		t.Error("one core made another model")
	}
}

// TestNoImages calibrates on synthetic pictures, and on statistics where the checkpoint has them.
func TestNoImages(t *testing.T) {
	f := network(t, "resnet18x0.25")
	fresh := synthetic(prep, 8, 3)
	check := func(name string, least float64) {
		m, r, err := Quantise(f, prep, nil, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Warning == "" || r.Samples != 0 || r.Agreement != 0 {
			t.Errorf("%s: want a warning and no agreement, got %+v", name, r)
		}
		if db := snr(t, f, m, fresh); db < least {
			t.Errorf("%s: want %v dB, got %.1f", name, least, db)
		}
	}
	check("synthetic", 25)

	// Give the network the statistics that a trained one brings: those over some pictures, before shortcut and ReLU.
	// What Forward shows is after both; a network without them, one convolution at a time, would be another Forward. A
	// shift and deviation from the rectified values is near enough to see that nothing is mixed up.
	sums := map[string][]moments{}
	for _, crop := range synthetic(prep, 8, 2) {
		f.Forward(prep.Normalise(crop), prep.Crop, func(name string, c, h, w int, v []float32) {
			if sums[name] == nil {
				sums[name] = make([]moments, c)
			}
			for k := range c {
				for _, x := range v[k*h*w : (k+1)*h*w] {
					sums[name][k].mean += float64(x) / float64(8*h*w)
					sums[name][k].variance += float64(x) * float64(x) / float64(8*h*w)
				}
			}
		})
	}
	list := wires(f.Network)
	for i := range f.Convs {
		c := &f.Convs[i]
		name := c.Name
		if sums[name] == nil {
			name = list[i].out
		}
		c.Mean, c.Std = make([]float32, c.Out), make([]float32, c.Out)
		for k, m := range sums[name] {
			c.Mean[k], c.Std[k] = float32(m.mean), float32(math.Sqrt(m.variance-m.mean*m.mean))
		}
	}
	check("statistics", 18)
}

func TestOverflow(t *testing.T) {
	f := network(t, "resnet18x0.125")
	for i := range f.Convs {
		for k := range f.Convs[i].W {
			f.Convs[i].W[k] *= 1e4
		}
	}
	if _, _, err := Quantise(f, prep, synthetic(prep, 1, 2), Options{}); err == nil || !strings.Contains(err.Error(), "overflow") {
		t.Errorf("want an error about activations that overflow, got %v", err)
	}
	if _, _, err := Quantise(network(t, "resnet18x0.125"), prep, []*image.RGBA{image.NewRGBA(image.Rect(0, 0, 32, 32))}, Options{}); err == nil || !strings.Contains(err.Error(), "want samples of 64×64") {
		t.Errorf("want an error about the sample's size, got %v", err)
	}
}

// TestConfidence draws classes from softmax(logits/2): the temperature to find is 2.
func TestConfidence(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	const n, classes = 4000, 10
	logits, truth := make([][]float32, n), make([]int, n)
	p := make([]float64, classes)
	for i := range logits {
		logits[i] = make([]float32, classes)
		for k := range logits[i] {
			logits[i][k] = float32(4 * rng.NormFloat64())
		}
		resnet.Softmax(p, logits[i], 2)
		u := rng.Float64()
		for truth[i] = 0; truth[i] < classes-1 && u >= p[truth[i]]; truth[i]++ {
			u -= p[truth[i]]
		}
	}
	c := FitConfidence(logits, truth, 0.8)
	if math.Abs(float64(c.Temperature)-2) > 0.1 {
		t.Errorf("want temperature 2, got %v", c.Temperature)
	}
	if c.Error > 0.03 || c.Before < 0.1 {
		t.Errorf("want a small calibration error, from a large one, got %v from %v", c.Error, c.Before)
	}
	if c.Right < 0.8 || c.Kept <= 0 || c.Kept >= 1 || c.Unsure <= 0 || c.Unsure >= 1 {
		t.Errorf("want a threshold above which 80 %% are right, got %+v", c)
	}
	wrong := make([]int, 100) // no answer is right
	for i := range wrong {
		wrong[i] = (best(logits[i]) + 1) % classes
	}
	if c := FitConfidence(logits[:100], wrong, 0.8); c.Unsure != NeverSure || c.Kept != 0 || c.Right != 0 {
		t.Errorf("no answer is right: want a threshold that none reaches, got %+v", c)
	}
	if c := FitConfidence(nil, nil, 0.8); c.Temperature != 1 || c.Unsure != 0 {
		t.Errorf("no images: want temperature 1, threshold 0, got %+v", c)
	}
}
