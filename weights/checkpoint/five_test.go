package checkpoint

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestFive compares all five depths with torchvision, logits at 224×224, and measures the import. It takes minutes:
// RESNET_FIVE=1 runs it, where python3-torchvision is installed.
func TestFive(t *testing.T) {
	const python = "/usr/bin/python3"
	if os.Getenv("RESNET_FIVE") == "" {
		t.Skip("set RESNET_FIVE=1 to compare all five depths with torchvision")
	}
	if exec.Command(python, "-c", "import torchvision").Run() != nil {
		t.Skip("needs the package python3-torchvision")
	}
	dir := t.TempDir()
	for _, arch := range []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2"} {
		file := filepath.Join(dir, arch+".pth")
		out, err := exec.Command(python, "-c", `
import sys, json, torch, torchvision
torch.manual_seed(0)
m = getattr(torchvision.models, sys.argv[1])(weights=None)
for k, t in m.state_dict().items():
    if not t.is_floating_point(): continue
    if k.endswith("running_var") or "bn" in k and k.endswith("weight"): t.uniform_(0.5, 1)
    elif "bn" in k or k.endswith("running_mean"): t.normal_(0, 0.1)
    if ".bn3.weight" in k or ".bn2.weight" in k and sys.argv[1] in ("resnet18", "resnet34"): t.mul_(0.3)
torch.save(m.state_dict(), sys.argv[2])
x = torch.sin(0.37 * torch.arange(3 * 224 * 224, dtype=torch.float64)).float().reshape(1, 3, 224, 224)
with torch.no_grad(): print(json.dumps(m.eval()(x)[0].tolist()))`, arch, file).Output()
		if err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		var want []float64
		if err := json.Unmarshal(out, &want); err != nil {
			t.Fatal(err)
		}
		size, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		stop := peak()
		start := time.Now()
		f := load(t, file, "")
		took, top := time.Since(start), stop()
		if f.Name != arch {
			t.Errorf("%s was recognised as %s", arch, f.Name)
		}
		ratio := float64(top) / float64(size.Size())
		t.Logf("%s: %d bytes imported in %v, heap at most %.2f times the file", arch, size.Size(), took, ratio)
		if ratio > 3 {
			t.Errorf("%s: heap of %d bytes for a file of %d", arch, top, size.Size())
		}
		largest := 0.0
		for _, w := range want {
			largest = max(largest, math.Abs(w))
		}
		logits := f.Forward(sine(224), 224, nil)
		for i, w := range want {
			if d := math.Abs(float64(logits[i]) - w); d > 1e-3*largest {
				t.Fatalf("%s: logit %d is %v, torchvision has %v", arch, i, logits[i], w)
			}
		}
		os.Remove(file)
	}
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
