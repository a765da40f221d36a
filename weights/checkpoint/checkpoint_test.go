package checkpoint

import (
	"math"
	"os"
	"testing"

	"resnet-web/resnet"
)

const seed = "../../../shared/seed/resnet18-tiny200.pth"

// load opens a checkpoint and builds the network, as arch or as recognised.
func load(t testing.TB, path, arch string) *resnet.Float {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.Float(arch)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSeed(t *testing.T) {
	if _, err := os.Stat(seed); err != nil {
		t.Skip("needs ../shared/seed")
	}
	f := load(t, seed, "")
	if f.Name != "resnet18" || f.Classes != 200 || len(f.Convs) != 20 {
		t.Fatalf("got %s with %d classes and %d convolutions, want resnet18, 200, 20", f.Name, f.Classes, len(f.Convs))
	}
	var sum float64
	for _, c := range f.Convs {
		for _, w := range c.W {
			sum += math.Abs(float64(w))
		}
	}
	if !(sum > 0) {
		t.Fatal("all weights are zero")
	}
}
