package checkpoint

import (
	"encoding/json"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

// TestFive compares all five depths and the v1 variants with torchvision: logits at 224×224, to a thousandth of the
// largest; the packed weights of four formats of the same network; and the memory that a .pth takes. It takes minutes:
// RESNET_FIVE=1 runs it, where python3-torchvision is installed.
func TestFive(t *testing.T) {
	const python = "/usr/bin/python3"
	if os.Getenv("RESNET_FIVE") == "" {
		t.Skip("set RESNET_FIVE=1 to compare all five depths with torchvision")
	}
	if exec.Command(python, "-c", "import torchvision").Run() != nil {
		t.Skip("needs the package python3-torchvision")
	}
	for _, arch := range []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet50v1", "resnet101v1", "resnet152v1", "wide_resnet50_2"} {
		t.Run(arch, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := exec.Command(python, "testdata/five.py", arch, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			file := filepath.Join(dir, "net.pth")
			size, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			runtime.GC()
			stop := peak()
			start := time.Now()
			given := "" // .pth does not tell v1
			if strings.HasSuffix(arch, "v1") {
				given = arch
			}
			f := load(t, file, given)
			took, top := time.Since(start), stop()
			if f.Name != arch {
				t.Errorf("recognised as %s", f.Name)
			}
			ratio := float64(top) / float64(size.Size())
			t.Logf("%d bytes imported in %v, heap at most %.2f times the file", size.Size(), took, ratio)
			if ratio > 3 {
				t.Errorf("heap of %d bytes for a file of %d", top, size.Size())
			}

			data, err := os.ReadFile(filepath.Join(dir, "logits.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want []float64
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			worst, largest := 0.0, 0.0
			logits := f.Forward(sine(224), 224, nil)
			for i, w := range want {
				worst, largest = max(worst, math.Abs(float64(logits[i])-w)), max(largest, math.Abs(w))
			}
			t.Logf("logits differ from torchvision's by at most %.1e of the largest", worst/largest)
			if !(worst <= 1e-3*largest) {
				t.Errorf("logits differ from torchvision's by %v, the largest is %v", worst, largest)
			}

			m := quantised(t, f)
			for _, name := range []string{"net.safetensors", "net.onnx", "folded.onnx"} {
				arch := given
				if strings.HasSuffix(name, ".onnx") { // whose strides tell
					arch = ""
				}
				samePacked(t, name, quantised(t, load(t, filepath.Join(dir, name), arch)), m)
			}
		})
	}
}

// TestPacked does the same with the small networks.
func TestPacked(t *testing.T) {
	for _, list := range [][]string{
		{"basic.pth", "basic-legacy.pth", "basic.safetensors", "basic-hf.safetensors", "basic.onnx", "basic-folded.onnx"},
		{"bottleneck.pth", "bottleneck-hf.safetensors", "bottleneck.onnx"},
	} {
		m := quantised(t, load(t, "testdata/"+list[0], ""))
		for _, name := range list[1:] {
			samePacked(t, name, quantised(t, load(t, "testdata/"+name, "")), m)
		}
	}
}

// quantised is f for 64×64 pixels, calibrated on two pictures.
func quantised(t *testing.T, f *resnet.Float) *resnet.Model {
	t.Helper()
	p := resnet.ImageNetPrep
	p.Resize, p.Crop = 64, 64
	pictures := make([]*image.RGBA, 2)
	for k := range pictures {
		pictures[k] = image.NewRGBA(image.Rect(0, 0, 64, 64))
		for i := range pictures[k].Pix {
			pictures[k].Pix[i] = byte(128 + 100*math.Sin(0.01*float64((k+3)*i)+0.3*float64(i%4)))
		}
	}
	m, _, err := calibrate.Quantise(f, p, pictures, calibrate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// samePacked wants the same packed weights and scales. Where the exporter has folded the normalisations in float32,
// weights may differ by a step.
func samePacked(t *testing.T, name string, got, want *resnet.Model) {
	t.Helper()
	differ, far, all, scales := 0, 0, 0, 0
	for i, w := range want.Convs {
		g := got.Convs[i]
		if g.Scale != w.Scale || !slices.Equal(g.M, w.M) || !slices.Equal(g.B, w.B) {
			scales++
		}
		for k, v := range w.W {
			d := int(g.W[k]) - int(v)
			if d != 0 {
				differ++
			}
			if d < -1 || d > 1 {
				far++
			}
		}
		all += len(w.W)
	}
	folded := strings.Contains(name, "folded")
	if !folded && (!slices.Equal(got.FC().W, want.FC().W) || differ+scales > 0) || far > 0 {
		t.Errorf("%s: %d of %d weights differ, %d by more than a step; scales or biases in %d layers", name, differ, all, far, scales)
		return
	}
	t.Logf("%s: %d of %d weights differ, none by more than a step", filepath.Base(name), differ, all)
}

// peak watches the heap until the function that it returns is called, which gives the most that was in use.
func peak() func() uint64 {
	var top atomic.Uint64
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			top.Store(max(top.Load(), m.HeapInuse))
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(quit)
		<-done
		return top.Load()
	}
}
