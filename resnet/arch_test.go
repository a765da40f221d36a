package resnet

import (
	"errors"
	"slices"
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

// Each step takes what one before it makes, both sides of a sum have one shape, each convolution is met once and knows its
// place in the file, and names are unique.
func TestSteps(t *testing.T) {
	type shape struct{ channels, side int }
	for _, name := range Names() {
		c, _ := Lookup(name)
		n := c.Network(10)
		convs := n.Convs()
		met := make([]bool, len(convs))
		made := map[string]shape{"image": {3, 64}}
		var skip, x shape
		for _, s := range n.Steps() {
			in, ok := made[s.In]
			if !ok {
				t.Fatalf("%s: %+v reads what no step before it makes", name, s)
			}
			out := in
			if s.Conv != nil {
				if met[s.Conv.Index] || convs[s.Conv.Index] != *s.Conv {
					t.Errorf("%s: %s is met twice or at another place than in the file", name, s.Conv.Name)
				}
				met[s.Conv.Index] = true
				if s.Conv.In != in.channels {
					t.Errorf("%s: %s wants %d channels and gets %d", name, s.Conv.Name, s.Conv.In, in.channels)
				}
				out = shape{s.Conv.Out, s.Conv.OutSize(in.side)}
			}
			switch s.Kind {
			case StemPool:
				out.side = (in.side-1)/2 + 1
			case BlockShortcut:
				if skip = out; in != x {
					t.Errorf("%s: the shortcut of %s does not start at its input", name, s.Block.Name)
				}
			case BlockEnd:
				if c.Plain != (skip == shape{}) || !c.Plain && skip != out {
					t.Errorf("%s: %s makes %v, shortcut %s makes %v", name, s.Block.Name, out, s.Block.Shortcut, skip)
				}
				skip = shape{}
			case HeadPool:
				out.side = 1
				if out.channels != n.Features {
					t.Errorf("%s: the linear layer takes %d features of %d", name, n.Features, out.channels)
				}
			case HeadLinear:
				out.channels = n.Classes
			}
			if s.Kind != BlockShortcut {
				x = out
			}
			if _, twice := made[s.Out]; twice && s.In != s.Out {
				t.Errorf("%s: two steps make %s", name, s.Out)
			}
			made[s.Out] = out
		}
		if slices.Contains(met, false) || made["logits"] != (shape{10, 1}) {
			t.Errorf("%s: the walk leaves out a convolution or ends elsewhere than in the logits", name)
		}
	}
}
