package resnet

import "iter"

// StepKind says what a Step computes and where in the network it stands.
type StepKind int

const (
	StemConv      StepKind = iota // a convolution of the stem, and a ReLU
	StemPool                      // max-pool: 3×3, stride 2, padding 1
	BlockShortcut                 // the shortcut of a block: its input as it is, or convolved, without a ReLU
	BlockConv                     // a convolution of a block except the last, and a ReLU
	BlockEnd                      // the last convolution of a block, the sum with the shortcut if there is one, and a ReLU
	HeadPool                      // the mean of each channel over the whole feature map
	HeadLinear                    // the linear layer
)

// Step is one operation of a network.
type Step struct {
	Kind  StepKind
	Conv  *Conv  // nil where the step has no convolution: the pools, an identity shortcut, the linear layer
	Block *Block // nil outside blocks

	// In and Out name the activations that the step reads and writes: "image" for the network's input, "logits" for its
	// result, and between them the names by which Forward reports activations. An identity shortcut writes nothing, so its
	// Out is its In.
	In, Out string
}

// Steps walks the network in the order in which it is computed. Every step reads what the step before it wrote, except
// that a block's first convolution reads what the block's shortcut read. The shortcut comes first in its block, so that
// the block's input is needed no longer than its first convolution; a block without a shortcut has no such step. The
// indices of the convolutions, on the other hand, follow the order of Convs, where a block's shortcut comes last.
func (n Network) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		x := "image"
		step := func(kind StepKind, c *Conv, b *Block, out string) bool {
			s := Step{kind, c, b, x, out}
			x = out
			return yield(s)
		}
		if !step(StemConv, &n.Stem, nil, n.Stem.Name) {
			return
		}
		if n.MaxPool && !step(StemPool, nil, nil, "maxpool") {
			return
		}
		for i := range n.Blocks {
			b := &n.Blocks[i]
			if b.Shortcut != NoShortcut {
				s := Step{BlockShortcut, nil, b, x, x}
				if b.HasProj() {
					s.Conv, s.Out = &b.Proj, b.Proj.Name
				}
				if !yield(s) {
					return
				}
			}
			last := len(b.Convs) - 1
			for k := range last {
				if !step(BlockConv, &b.Convs[k], b, b.Convs[k].Name) {
					return
				}
			}
			if !step(BlockEnd, &b.Convs[last], b, b.Name) {
				return
			}
		}
		if step(HeadPool, nil, nil, "features") {
			step(HeadLinear, nil, nil, "logits")
		}
	}
}

// Convs lists every convolution in the order of the model file, which is that of Conv.Index: the stem, then of each block
// its convolutions and, where it has one, its projection or pad shortcut.
func (n Network) Convs() []Conv {
	var list []Conv
	for c := range n.filed() {
		list = append(list, *c)
	}
	return list
}

// filed walks the convolutions in the order of the model file.
func (n *Network) filed() iter.Seq[*Conv] {
	return func(yield func(*Conv) bool) {
		if !yield(&n.Stem) {
			return
		}
		for i := range n.Blocks {
			b := &n.Blocks[i]
			for k := range b.Convs {
				if !yield(&b.Convs[k]) {
					return
				}
			}
			if b.HasProj() && !yield(&b.Proj) {
				return
			}
		}
	}
}
