package resnet

import (
	"fmt"
	"strings"
)

// Summary is what a network consists of, layer by layer: the paper's Table 1 with every number behind it.
type Summary struct {
	Architecture string         `json:"architecture"`
	Classes      int            `json:"classes"`
	Size         int            `json:"size"` // side of the input
	Layers       []LayerSummary `json:"layers"`
	Params       int64          `json:"params"` // weights, biases, and batch normalisation's scale and shift
	MACs         int64          `json:"macs"`   // multiply-adds of convolutions and the linear layer
}

// LayerSummary is one layer of a Summary.
type LayerSummary struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // "conv", "maxpool", "add", "avgpool" or "linear"
	Kernel int    `json:"kernel,omitempty"`
	Stride int    `json:"stride,omitempty"`
	In     int    `json:"in"` // channels
	Out    int    `json:"out"`
	Height int    `json:"height"` // of the output
	Width  int    `json:"width"`
	Params int64  `json:"params"`
	MACs   int64  `json:"macs"`
	// Shortcut is the kind of an "add": "identity" (solid in Figure 3), "projection", "pad-append" or "pad-split" (dashed).
	Shortcut string `json:"shortcut,omitempty"`
}

// Summary counts what c does with a size×size image and a number of classes, and the linear layers before the last, if
// there are any: hidden are their outputs. Multiply-adds follow the paper: those of convolutions and linear layers; pad shortcuts, which only copy, count as nothing although the engine runs them as
// convolutions. It panics if size is less than 32 or classes less than 1.
func (c Config) Summary(classes, size int, hidden ...int) Summary {
	if size < 32 || classes < 1 {
		panic(fmt.Sprintf("resnet: Summary: want a size of at least 32 and at least 1 class, got %d and %d", size, classes))
	}
	n := c.Network(classes, hidden...)
	s := Summary{Architecture: c.Name, Classes: classes, Size: size}
	add := func(l LayerSummary) {
		s.Layers = append(s.Layers, l)
		s.Params += l.Params
		s.MACs += l.MACs
	}
	conv := func(v *Conv, side int) LayerSummary {
		out := v.OutSize(side)
		weights := int64(v.Out) * int64(v.In*v.Kernel*v.Kernel)
		return LayerSummary{Name: v.Name, Kind: "conv", Kernel: v.Kernel, Stride: v.Stride, In: v.In, Out: v.Out, Height: out, Width: out,
			Params: weights + 2*int64(v.Out), MACs: weights * int64(out*out)}
	}
	channels, side := 3, size
	var projection *LayerSummary // of the block, listed after its convolutions as in the model file
	for _, step := range n.Steps() {
		switch step.Kind {
		case StemConv, BlockConv, BlockEnd:
			add(conv(step.Conv, side))
			channels, side = step.Conv.Out, step.Conv.OutSize(side)
			if step.Kind != BlockEnd {
				continue
			}
			if projection != nil {
				add(*projection)
				projection = nil
			}
			if b := step.Block; b.Shortcut != NoShortcut {
				add(LayerSummary{Name: b.Name, Kind: "add", In: channels, Out: channels, Height: side, Width: side, Shortcut: b.Shortcut.String()})
			}
		case StemPool:
			side = (side-1)/2 + 1
			add(LayerSummary{Name: "maxpool", Kind: "maxpool", Kernel: 3, Stride: 2, In: channels, Out: channels, Height: side, Width: side})
		case BlockShortcut:
			if step.Block.Shortcut == Projection {
				l := conv(step.Conv, side)
				projection = &l
			}
		case HeadPool:
			add(LayerSummary{Name: "avgpool", Kind: "avgpool", In: n.Features, Out: n.Features, Height: 1, Width: 1})
		case HeadHidden, HeadLinear:
			l := step.Linear
			weights := int64(l.In) * int64(l.Out)
			add(LayerSummary{Name: l.Name, Kind: "linear", In: l.In, Out: l.Out, Height: 1, Width: 1, Params: weights + int64(l.Out), MACs: weights})
		}
	}
	return s
}

// String is a table with one line per layer and the totals in the last.
func (s Summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d classes, input 3×%d×%d\n\n", s.Architecture, s.Classes, s.Size, s.Size)
	fmt.Fprintf(&b, "%-24s %-16s %15s %14s %16s\n", "layer", "", "output", "parameters", "multiply-adds")
	for _, l := range s.Layers {
		what := l.Kind
		switch {
		case l.Shortcut != "":
			what = "+ " + l.Shortcut
		case l.Kernel > 0 && l.Stride > 1:
			what = fmt.Sprintf("%s %d×%d /%d", l.Kind, l.Kernel, l.Kernel, l.Stride)
		case l.Kernel > 0:
			what = fmt.Sprintf("%s %d×%d", l.Kind, l.Kernel, l.Kernel)
		}
		shape := fmt.Sprintf("%d×%d×%d", l.Out, l.Height, l.Width)
		fmt.Fprintf(&b, "%-24s %-16s %15s %14s %16s\n", l.Name, what, shape, count(l.Params), count(l.MACs))
	}
	fmt.Fprintf(&b, "%-24s %-16s %15s %14s %16s\n", "total", "", "", count(s.Params), count(s.MACs))
	return b.String()
}

// count writes n with commas between thousands, and nothing for 0.
func count(n int64) string {
	if n == 0 {
		return ""
	}
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
