package resnet

// StepKind says what a Step computes and where in the network it stands.
type StepKind int

const (
	StemConv      StepKind = iota // a convolution of the stem, and a ReLU
	StemPool                      // max-pool: 3×3, stride 2, padding 1
	BlockShortcut                 // the shortcut of a block: its input as it is, or convolved, without a ReLU
	BlockConv                     // a convolution of a block except the last, and a ReLU
	BlockEnd                      // the last convolution of a block, the sum with the shortcut if there is one, and a ReLU
	HeadPool                      // the mean of each channel over the whole feature map
	HeadHidden                    // a linear layer before the last, and a ReLU
	HeadLinear                    // the last linear layer
)

// Step is one operation of a network.
type Step struct {
	Kind   StepKind
	Conv   *Conv   // nil where the step has no convolution: the pools, an identity shortcut, the head
	Block  *Block  // nil outside blocks
	Linear *Linear // nil outside the head

	// In and Out name the activations that the step reads and writes: "image" for the network's input, "logits" for its
	// result, and between them the names by which Forward reports activations. An identity shortcut writes nothing, so its
	// Out is its In.
	In, Out string
}

// Steps lists the operations of the network in the order in which they are computed. Every step reads what the step
// before it wrote, except that a block's first convolution reads what the block's shortcut read. The shortcut comes first
// in its block, so that the block's input is needed no longer than its first convolution; a block without a shortcut has
// no such step. The indices of the convolutions, on the other hand, follow the order of Convs, where a block's shortcut
// comes last.
func (n Network) Steps() []Step {
	w := walk{x: "image"}
	w.step(StemConv, &n.Stem, nil, n.Stem.Name)
	if n.MaxPool {
		w.step(StemPool, nil, nil, "maxpool")
	}
	for i := range n.Blocks {
		b := &n.Blocks[i]
		switch {
		case b.HasProj():
			w.step(BlockShortcut, &b.Proj, b, b.Proj.Name)
		case b.Shortcut == Identity:
			w.step(BlockShortcut, nil, b, w.x)
		}
		last := len(b.Convs) - 1
		for k := range last {
			w.step(BlockConv, &b.Convs[k], b, b.Convs[k].Name)
		}
		w.step(BlockEnd, &b.Convs[last], b, b.Name)
	}
	w.step(HeadPool, nil, nil, "features")
	for i := range n.Head {
		l := &n.Head[i]
		if i == len(n.Head)-1 {
			w.step(HeadLinear, nil, nil, "logits")
		} else {
			w.step(HeadHidden, nil, nil, l.Name)
		}
		w.list[len(w.list)-1].Linear = l
	}
	return w.list
}

// walk is a list of steps in the making.
type walk struct {
	list []Step
	x    string // the activation that the next step reads
}

// Inlined, step would make Steps four times as long, in every program that carries it.
//
//go:noinline
func (w *walk) step(kind StepKind, c *Conv, b *Block, out string) {
	w.list = append(w.list, Step{Kind: kind, Conv: c, Block: b, In: w.x, Out: out})
	if kind != BlockShortcut {
		w.x = out
	}
}

// Convs lists every convolution in the order of the model file, which is that of Conv.Index: the stem, then of each block
// its convolutions and, where it has one, its projection or pad shortcut.
func (n Network) Convs() []Conv {
	list := []Conv{n.Stem}
	for _, b := range n.Blocks {
		list = append(list, b.Convs...)
		if b.HasProj() {
			list = append(list, b.Proj)
		}
	}
	return list
}
