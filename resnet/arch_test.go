package resnet

import (
	"errors"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for _, name := range Names() {
		c, err := Lookup(" " + strings.ToUpper(name))
		if err != nil || c.Name != name {
			t.Errorf("%s: got %q, %v", name, c.Name, err)
		}
	}
	for name, width := range map[string]int{"resnet18x0.5": 32, "resnet50x4": 256, "resnet18x0.125": 8, "resnet34x0.3": 16, "resnet20cifarx0.25": 8, "resnet56cifarx4": 64, "plain34x0.5": 32} {
		c, err := Lookup(name)
		if err != nil || c.Width != width || c.Name != name {
			t.Errorf("%s: want width %d, got %d, %q, %v", name, width, c.Width, c.Name, err)
		}
	}
	for _, name := range []string{"", "resnet", "resnet19", "resnet018", "resnet+18", "resnet18v2", "vgg16", "resnet9cifar", "resnet2cifar", "resnet1208cifar",
		"plain50", "resnet18x", "resnet18x0.1", "resnet18x5", "resnet18xNaN", "x2", "wide_resnet50_3", "resnet18x0.5x2"} {
		if c, err := Lookup(name); !errors.Is(err, ErrArch) || !strings.Contains(err.Error(), "resnet50") {
			t.Errorf("%q: want ErrArch with the known names, got %+v, %v", name, c, err)
		}
	}
}

// Each convolution takes what the one before it makes, and names are unique.
func TestNetworkWiring(t *testing.T) {
	for _, name := range Names() {
		c, _ := Lookup(name)
		n := c.Network(10)
		channels, seen := n.Stem.Out, map[string]bool{}
		for _, v := range n.Convs() {
			if seen[v.Name] {
				t.Errorf("%s: two convolutions are called %s", name, v.Name)
			}
			seen[v.Name] = true
		}
		side := n.Stem.OutSize(64)
		for _, b := range n.Blocks {
			in, out := channels, side
			for _, v := range b.Convs {
				if v.In != channels {
					t.Errorf("%s: %s wants %d channels and gets %d", name, v.Name, v.In, channels)
				}
				channels, out = v.Out, v.OutSize(out)
			}
			switch {
			case b.HasProj() && (b.Proj.In != in || b.Proj.Out != channels || b.Proj.OutSize(side) != out):
				t.Errorf("%s: %s does not fit its sum: %+v", name, b.Name, b.Proj)
			case b.Shortcut == Identity && (in != channels || side != out):
				t.Errorf("%s: %s changes the shape under an identity", name, b.Name)
			}
			if c.Plain != (b.Shortcut == NoShortcut) {
				t.Errorf("%s: %s has shortcut %s", name, b.Name, b.Shortcut)
			}
			side = out
		}
		if n.Features != channels {
			t.Errorf("%s: the linear layer takes %d features of %d", name, n.Features, channels)
		}
	}
}
