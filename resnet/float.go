package resnet

import (
	"fmt"
	"math"
	"sync"
)

// FloatConv is a convolution with its batch normalisation folded in.
type FloatConv struct {
	Conv
	W []float32 // Out × In × Kernel × Kernel, row-major
	B []float32 // Out

	// Mean and deviation of each output over the training images, before a shortcut and ReLU: what the folded
	// normalisation set them to. nil where that is not known.
	Mean, Std []float32
}

// Float is a network in float32 with batch normalisation folded into the convolutions: what an importer makes, the
// oracle for accuracy and the source for quantisation.
type Float struct {
	Network
	Convs []FloatConv // in the order of Network.Convs, the 0/1 weights of pad shortcuts included
	Head  []FloatLinear
}

// FloatLinear is a layer of the head.
type FloatLinear struct {
	Linear
	W []float32 // Out × In, row-major
	B []float32 // Out
}

// FC is the last layer, which gives the logits.
func (f *Float) FC() *FloatLinear { return &f.Head[len(f.Head)-1] }

// NewFloat allocates the parameters of n. They are zero, except for the 0/1 weights of pad shortcuts.
func NewFloat(n Network) *Float {
	f := &Float{Network: n}
	for _, l := range n.Head {
		f.Head = append(f.Head, FloatLinear{l, make([]float32, l.Out*l.In), make([]float32, l.Out)})
	}
	for _, c := range n.Convs() {
		f.Convs = append(f.Convs, FloatConv{Conv: c, W: make([]float32, c.Out*c.In*c.Kernel*c.Kernel), B: make([]float32, c.Out)})
	}
	for _, s := range n.Steps() {
		if s.Conv == nil || !s.Conv.Fixed() {
			continue
		}
		p, before := f.Convs[s.Conv.Index], 0
		if s.Block.Shortcut == PadSplit {
			before = (p.Out - p.In) / 2
		}
		for i := range p.In {
			p.W[(before+i)*p.In+i] = 1
		}
	}
	return f
}

// Random makes a network with seeded parameters, for tests and benchmarks: no file needed, and the same bits on every
// CPU. Activations stay near 1 at any depth.
//
// The stream is splitmix64: value i (from 0) mixes seed + (i+1)·0x9e3779b97f4a7c15 and its top 53 bits give u in
// [−1, 1). Parameters are drawn convolution by convolution in the order of Network.Convs, weights, then biases, then the
// rows and the biases of each linear layer; pad shortcuts draw nothing. Everything is computed in float64, u times a
// bound, and rounded once to float32. For n inputs of a sum the bound of a weight is √(3v/n), which gives it variance
// v/n, with v = 2 before a ReLU (He et al. 2015), 1 for a projection and for the last layer, and 1/blocks for the last
// convolution of a residual block, so that the sum over all blocks does not grow. Biases are bounded by 0.1, those of a
// residual block's last convolution by 0.1/blocks.
func Random(n Network, seed uint64) *Float {
	f := NewFloat(n)
	r := rng{seed}
	blocks := float64(len(n.Blocks))
	fill := func(w, b []float32, v, bias float64) {
		r.fill(w, math.Sqrt(3*v/float64(len(w)/len(b))))
		r.fill(b, bias)
	}
	// The walk is not in the order of the stream: bounds first, then numbers.
	type bounds struct{ v, bias float64 }
	list := make([]bounds, len(f.Convs))
	for _, s := range n.Steps() {
		switch {
		case s.Kind == BlockEnd && s.Block.Shortcut != NoShortcut:
			list[s.Conv.Index] = bounds{1 / blocks, 0.1 / blocks}
		case s.Kind == BlockShortcut && s.Block.Shortcut == Projection:
			list[s.Conv.Index] = bounds{1, 0.1}
		case s.Kind == StemConv || s.Kind == BlockConv || s.Kind == BlockEnd:
			list[s.Conv.Index] = bounds{2, 0.1}
		}
	}
	for i, b := range list {
		if b.v > 0 { // not a pad shortcut
			fill(f.Convs[i].W, f.Convs[i].B, b.v, b.bias)
		}
	}
	for i, l := range f.Head {
		v := 2.0
		if i == len(f.Head)-1 {
			v = 1
		}
		fill(l.W, l.B, v, 0.1)
	}
	return f
}

// RandomImage makes a 3×size×size input for Forward with values in [−2, 2), from the stream that Random describes.
func RandomImage(size int, seed uint64) []float32 {
	t := make([]float32, 3*size*size)
	r := rng{seed}
	r.fill(t, 2)
	return t
}

// rng is splitmix64 (Steele, Lea, Flood, 2014).
type rng struct{ state uint64 }

func (r *rng) fill(t []float32, bound float64) {
	for i := range t {
		r.state += 0x9e3779b97f4a7c15
		z := r.state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		u := float64(z>>11)*(1.0/(1<<52)) - 1
		t[i] = float32(u * bound)
	}
}

// Forward runs the network on one image and returns its logits.
//
// rgb is 3×size×size, planar, already normalised. observe, which may be nil, is called with each activation in the order
// of Steps and under the name of the step's Out: "conv1" after its ReLU; "maxpool" where there is one; of each block the
// projection or pad shortcut without a ReLU ("layer2.0.downsample.0", "layer2.0.shortcut"), the convolutions except the
// last after their ReLU ("layer1.0.conv1") and the block's output after the sum and the last ReLU ("layer1.0");
// "features", the averages before the head; and the head's hidden layers ("fc1") after their ReLU. Its t is c×h×w, planar,
// and valid only during the call.
//
// One call uses all cores. Calls are independent of each other, and several at once use the cores better than one.
// Sums run in a fixed order without fused multiply-adds, so the logits are the same bits on every CPU and for any number
// of cores. It panics if rgb has another length or size is less than 32.
func (f *Float) Forward(rgb []float32, size int, observe func(name string, c, h, w int, t []float32)) (logits []float32) {
	if size < 32 || len(rgb) != 3*size*size {
		panic(fmt.Sprintf("resnet: Forward: want 3×size×size values and size at least 32, got %d values and size %d", len(rgb), size))
	}
	if observe == nil {
		observe = func(string, int, int, int, []float32) {}
	}
	running.Add(1)
	defer running.Add(-1)
	x, side := &rgb, size
	var skip *[]float32 // what the block's shortcut adds
	// The caller keeps rgb, and an identity shortcut is read again at the end of its block.
	release := func(t *[]float32) {
		if t != &rgb && t != skip {
			floats.Put(t)
		}
	}
	// convolve runs the step's convolution on x, with the activation add unless that is nil.
	convolve := func(s Step, add *[]float32, relu bool) (y *[]float32, n int) {
		c := &f.Convs[s.Conv.Index]
		n = c.OutSize(side)
		y = getFloats(c.Out * n * n)
		var sum []float32
		if add != nil {
			sum = *add
		}
		c.run(*y, *x, side, sum, relu)
		observe(s.Out, c.Out, n, n, *y)
		return y, n
	}
	for _, s := range f.Steps() {
		switch s.Kind {
		case StemConv, BlockConv:
			y, n := convolve(s, nil, true)
			release(x)
			x, side = y, n
		case StemPool:
			channels, half := len(*x)/(side*side), (side-1)/2+1
			y := getFloats(channels * half * half)
			maxPool(*y, *x, side, half)
			observe(s.Out, channels, half, half, *y)
			release(x)
			x, side = y, half
		case BlockShortcut:
			if skip = x; s.Conv != nil {
				skip, _ = convolve(s, nil, false)
			}
		case BlockEnd:
			y, n := convolve(s, skip, true)
			release(x)
			if skip != nil {
				floats.Put(skip)
			}
			x, side, skip = y, n, nil
		case HeadPool:
			features := make([]float32, f.Features)
			for c := range features {
				var sum float32
				for _, v := range (*x)[c*side*side : (c+1)*side*side] {
					sum += v
				}
				features[c] = sum / float32(side*side)
			}
			release(x)
			x, side = &features, 1
			observe(s.Out, f.Features, 1, 1, features)
		case HeadHidden, HeadLinear:
			l := &f.Head[s.Linear.Index]
			y := make([]float32, l.Out)
			for i := range y {
				var sum float32
				for k, w := range l.W[i*l.In : (i+1)*l.In] {
					sum += float32(w * (*x)[k])
				}
				if y[i] = sum + l.B[i]; s.Kind == HeadHidden && !(y[i] > 0) {
					y[i] = 0
				}
			}
			if x, logits = &y, y; s.Kind == HeadHidden {
				observe(s.Out, l.Out, 1, 1, y)
			}
		}
	}
	return logits
}

// floats keeps the buffers of activations between calls.
var floats sync.Pool

// getFloats returns n values, which may be anything, in a buffer with room for tile more: convolutions read past the end.
func getFloats(n int) *[]float32 {
	if b, _ := floats.Get().(*[]float32); b != nil && cap(*b) >= n+tile {
		*b = (*b)[:n]
		return b
	}
	b := make([]float32, n, n+tile)
	return &b
}

// maxPool pools planes of n×n to planes of half×half: 3×3, stride 2, padding 1. Inputs are not negative.
func maxPool(dst, src []float32, n, half int) {
	for c := range len(dst) / (half * half) {
		plane, out := src[c*n*n:(c+1)*n*n], dst[c*half*half:(c+1)*half*half]
		for y := range half {
			for x := range half {
				var m float32
				for sy := max(0, 2*y-1); sy < min(n, 2*y+2); sy++ {
					for _, v := range plane[sy*n+max(0, 2*x-1) : sy*n+min(n, 2*x+2)] {
						m = max(m, v)
					}
				}
				out[y*half+x] = m
			}
		}
	}
}
