// Package resnet describes the ResNet family and runs its members.
//
// One table and one wiring function, [Config.Network], say what every network consists of, and one list,
// [Network.Steps], says in which order it is computed: the summary, the float32 oracle, the compiler to an engine program,
// quantisation and the exporter all walk that list. Names of layers and parameters are torchvision's.
//
// # Pictures
//
// A picture becomes a network's input as Pillow and torchvision make it, byte for byte: networks are trained on those
// bytes, and answers move with them. Package engine scales, with Pillow's integer arithmetic, see engine.Scaling; this
// package says which part is wanted and by which recipe, see [Prep] and [View]. It does not scale with bild
// (github.com/anthonynsimon/bild), whose weights are floats where Pillow's are integers: now and then its results are one
// level off, which is enough for another answer. bild also scales whole pictures, premultiplied, and evaluates its filter
// for every pixel anew, so that photographs had to be reduced before. It serves where pictures are drawn or varied instead
// of being judged: for the heat maps of the command line, and for synthetic pictures and variations of examples that
// somebody teaches.
//
// # Sources
//
// He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015), Table 1 and section 4.2;
// torchvision.models.resnet for v1.5, which moves the stride of a bottleneck from its first 1×1 to its 3×3.
package resnet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// ErrArch is returned, wrapped, for a name that is no network of the family.
var ErrArch = errors.New("unknown architecture")

// Config is one member of the family: a row of the table.
type Config struct {
	Name       string   // as accepted by Lookup: "resnet50", "resnet50v1", "resnet18s", "resnet56cifar", "plain34"
	Depth      int      // weighted layers on the main path, as the paper counts
	Stages     []int    // blocks per stage
	Bottleneck bool     // 1×1, 3×3, 1×1 instead of 3×3, 3×3
	V1         bool     // a bottleneck's stride is in its first 1×1, as in the paper
	Small      bool     // for small pictures: a 3×3 stem of stride 1, no max-pool
	Plain      bool     // no shortcuts
	Width      int      // channels of the stem; stages have Width, 2·Width, …
	Inner      int      // channels of a bottleneck's 3×3 in the first stage
	Dashed     Shortcut // how a block that changes its input's size reaches its sum: Projection, PadAppend or PadSplit
}

// Equal reports whether c and d are the same network.
func (c Config) Equal(d Config) bool {
	return slices.Equal(c.Stages, d.Stages) && c.Name == d.Name && c.Depth == d.Depth && c.Bottleneck == d.Bottleneck && c.V1 == d.V1 &&
		c.Small == d.Small && c.Plain == d.Plain && c.Width == d.Width && c.Inner == d.Inner && c.Dashed == d.Dashed
}

// Shortcut is how a block's input reaches its sum.
type Shortcut int

const (
	NoShortcut Shortcut = iota // a plain net
	Identity                   // solid line in the paper's Figure 3
	Projection                 // dashed line, option B: a strided 1×1 convolution with batch normalisation
	PadAppend                  // dashed line, option A: subsample, then append zero channels
	PadSplit                   // as PadAppend, half of the zero channels before, half after, as common CIFAR checkpoints do
)

func (s Shortcut) String() string {
	return [...]string{"none", "identity", "projection", "pad-append", "pad-split"}[s]
}

// Conv is one convolution and the batch normalisation after it. Kernels are square, there is no bias.
type Conv struct {
	Name, Norm          string // parameter prefixes: "layer1.0.conv1", "layer1.0.bn1"; Norm is "" for a pad shortcut
	In, Out             int    // channels
	Kernel, Stride, Pad int
	Index               int // place in Network.Convs, and so in Float, Model and the model file
}

// Fixed reports whether the convolution is a pad shortcut, whose 0/1 weights follow from its shape: no checkpoint has them,
// and the paper counts neither parameters nor multiply-adds for it.
func (c Conv) Fixed() bool { return c.Norm == "" }

// OutSize is the side of the output for an input of side n.
func (c Conv) OutSize(n int) int { return (n+2*c.Pad-c.Kernel)/c.Stride + 1 }

// Block is one residual block: convolutions with a ReLU after each, the last ReLU after the sum with the shortcut.
type Block struct {
	Name     string // "layer1.0"
	Convs    []Conv // two or three
	Shortcut Shortcut
	Proj     Conv // for Projection, PadAppend and PadSplit; pad shortcuts are 1×1 convolutions with 0/1 weights
}

// Linear is one layer of the head: y = W·x + b. A ReLU follows all but the last.
type Linear struct {
	Name    string // "fc" for the last, "fc1", "fc2", … for those before it
	In, Out int
	Index   int // place in Network.Head
}

// Network is the wiring of a Config with a number of classes.
type Network struct {
	Config
	Stem     Conv
	MaxPool  bool // 3×3, stride 2, padding 1
	Blocks   []Block
	Features int      // inputs of the head
	Head     []Linear // at least one; usually just that
	Classes  int      // outputs of the last
}

// The paper's depths, and those that timm has besides: 10 and 14 are one block a stage, 26 is two bottlenecks a stage.
// Depth 200 is of He et al., "Identity Mappings in Deep Residual Networks" (2016).
var stages = map[int]Config{
	10:  {Stages: []int{1, 1, 1, 1}},
	14:  {Stages: []int{1, 1, 1, 1}, Bottleneck: true},
	18:  {Stages: []int{2, 2, 2, 2}},
	26:  {Stages: []int{2, 2, 2, 2}, Bottleneck: true},
	34:  {Stages: []int{3, 4, 6, 3}},
	50:  {Stages: []int{3, 4, 6, 3}, Bottleneck: true},
	101: {Stages: []int{3, 4, 23, 3}, Bottleneck: true},
	152: {Stages: []int{3, 8, 36, 3}, Bottleneck: true},
	200: {Stages: []int{3, 24, 36, 3}, Bottleneck: true},
}

// Lookup returns the network called name.
//
// Names are resnet10, 14, 18, 26, 34, 50, 101, 152 and 200 (v1.5, as torchvision), with s behind the depth for a stem for
// small pictures (3×3 of stride 1, no max-pool); resnetNcifar with N = 6n+2 from 8 to 1202, and resnetNcifarbottleneck with
// N = 9n+2 from 11 to 1199, three stages each, where bottleneck may be left out if N is no 6n+2; plainN and plainNcifar
// (without shortcuts); wide_resnet50_2 and wide_resnet101_2. A suffix v1 moves the stride of a bottleneck into its first
// 1×1, as in the paper. A suffix xF, as in resnet18x0.5, multiplies every width by F (0.125 to 4) and rounds to a
// multiple of 8.
//
// # Errors
//
// ErrArch, with the nearest names.
func Lookup(name string) (Config, error) {
	unknown := func() (Config, error) {
		return Config{}, fmt.Errorf("resnet: %w %q; known are %s", ErrArch, name, strings.Join(Names(), ", "))
	}
	c := Config{Name: name, Width: 64, Dashed: Projection}
	rest := strings.ToLower(strings.TrimSpace(name))
	c.Name = rest
	switch rest {
	case "wide_resnet50_2", "wide_resnet101_2":
		depth, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(rest, "wide_resnet"), "_2"))
		s := stages[depth]
		c.Depth, c.Stages, c.Bottleneck, c.Inner = depth, s.Stages, true, 128
		return c, nil
	}
	mult := 1.0
	if i := strings.LastIndexByte(rest, 'x'); i > 0 {
		f, err := strconv.ParseFloat(rest[i+1:], 64)
		if err != nil || !(f >= 0.125 && f <= 4) {
			return unknown()
		}
		mult, rest = f, rest[:i]
	}
	switch {
	case strings.HasPrefix(rest, "resnet"):
		rest = rest[len("resnet"):]
	case strings.HasPrefix(rest, "plain"):
		rest, c.Plain = rest[len("plain"):], true
	default:
		return unknown()
	}
	cut := func(suffix string) (found bool) {
		rest, found = strings.CutSuffix(rest, suffix)
		return found
	}
	c.V1 = cut("v1")
	thirds := cut("cifarbottleneck")
	cifar := thirds || cut("cifar")
	c.Small = cifar || cut("s")
	depth, err := strconv.Atoi(rest)
	if err != nil || strconv.Itoa(depth) != rest {
		return unknown()
	}
	c.Depth = depth
	if cifar {
		layers := 6                                  // three stages of blocks of two layers
		if depth%6 != 2 && depth%9 == 2 && !thirds { // no other network has this depth
			before, after, _ := strings.Cut(c.Name, "cifar")
			thirds, c.Name = true, before+"cifarbottleneck"+after
		}
		if thirds {
			layers, c.Bottleneck = 9, true
		}
		n := (depth - 2) / layers
		if n < 1 || depth > 1202 || depth != layers*n+2 || c.Plain && c.Bottleneck {
			return unknown()
		}
		c.Stages, c.Width, c.Dashed = []int{n, n, n}, 16, PadAppend
		if c.Bottleneck {
			c.Dashed = Projection
		}
	} else {
		s, ok := stages[depth]
		if !ok || c.Plain && s.Bottleneck {
			return unknown()
		}
		c.Stages, c.Bottleneck = s.Stages, s.Bottleneck
	}
	c.Width = int(math.Max(8, math.Round(float64(c.Width)*mult/8)*8))
	c.Inner = c.Width
	return c, nil
}

// Names lists the networks of the paper and of torchvision, for messages and completion.
func Names() []string {
	var names []string
	var depths []int
	for d := range stages {
		depths = append(depths, d)
	}
	sort.Ints(depths)
	for _, d := range depths {
		names = append(names, fmt.Sprintf("resnet%d", d))
	}
	for _, d := range depths {
		if stages[d].Bottleneck {
			names = append(names, fmt.Sprintf("resnet%dv1", d))
		}
	}
	for _, d := range []int{20, 32, 44, 56, 110, 1202} {
		names = append(names, fmt.Sprintf("resnet%dcifar", d))
	}
	return append(names, "resnet164cifarbottleneck", "resnet18s", "resnet34s", "resnet50s", "plain18", "plain34",
		"plain20cifar", "plain56cifar", "wide_resnet50_2", "wide_resnet101_2")
}

// Network wires c for a number of classes. hidden are the outputs of the linear layers before the last, of which most
// networks have none.
func (c Config) Network(classes int, hidden ...int) Network {
	n := Network{Config: c, Classes: classes, MaxPool: !c.Small}
	n.Stem = Conv{Name: "conv1", Norm: "bn1", In: 3, Out: c.Width, Kernel: 7, Stride: 2, Pad: 3}
	if c.Small {
		n.Stem.Kernel, n.Stem.Stride, n.Stem.Pad = 3, 1, 1
	}
	in, index := c.Width, 1
	for s, count := range c.Stages {
		planes, inner, out := c.Width<<s, c.Inner<<s, c.Width<<s
		if c.Bottleneck {
			out = 4 * planes
		}
		for i := range count {
			b := Block{Name: "layer" + strconv.Itoa(s+1) + "." + strconv.Itoa(i)}
			stride := 1
			if i == 0 && s > 0 {
				stride = 2
			}
			conv := func(k, in, out, kernel, stride int) {
				b.Convs = append(b.Convs, Conv{Name: b.Name + ".conv" + strconv.Itoa(k), Norm: b.Name + ".bn" + strconv.Itoa(k), In: in, Out: out, Kernel: kernel, Stride: stride, Pad: kernel / 2, Index: index})
				index++
			}
			switch {
			case c.Bottleneck && c.V1:
				conv(1, in, inner, 1, stride)
				conv(2, inner, inner, 3, 1)
				conv(3, inner, out, 1, 1)
			case c.Bottleneck:
				conv(1, in, inner, 1, 1)
				conv(2, inner, inner, 3, stride)
				conv(3, inner, out, 1, 1)
			default:
				conv(1, in, out, 3, stride)
				conv(2, out, out, 3, 1)
			}
			switch {
			case c.Plain:
				b.Shortcut = NoShortcut
			case stride == 1 && in == out:
				b.Shortcut = Identity
			case c.Dashed != Projection:
				b.Shortcut = c.Dashed
				b.Proj = Conv{Name: b.Name + ".shortcut", In: in, Out: out, Kernel: 1, Stride: stride}
			default:
				b.Shortcut = Projection
				b.Proj = Conv{Name: b.Name + ".downsample.0", Norm: b.Name + ".downsample.1", In: in, Out: out, Kernel: 1, Stride: stride}
			}
			if b.HasProj() {
				b.Proj.Index = index
				index++
			}
			n.Blocks = append(n.Blocks, b)
			in = out
		}
	}
	n.Features = in
	for i, out := range hidden {
		n.Head = append(n.Head, Linear{Name: "fc" + strconv.Itoa(i+1), In: in, Out: out, Index: i})
		in = out
	}
	n.Head = append(n.Head, Linear{Name: "fc", In: in, Out: classes, Index: len(hidden)})
	return n
}

// HasProj reports whether the shortcut runs as a convolution, with weights from a file or 0/1 ones.
func (b Block) HasProj() bool { return b.Shortcut >= Projection }

// End is the block's last convolution, whose output's scale is the block's.
func (b Block) End() Conv { return b.Convs[len(b.Convs)-1] }
