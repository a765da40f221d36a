package calibrate

import (
	"image"
	"math"

	"resnet-web/resnet"
)

// equalisation is the power of a channel's range that its activations are divided by. 1 would give every channel the
// same range, at the cost of the next convolution's weights, which are multiplied by it.
const equalisation = 0.5

// leastGain keeps channels that hardly ever fire from blowing up the weights before them.
const leastGain = 1.0 / 32

// equaliseSamples images are enough to know a channel's range to a few per cent.
const equaliseSamples = 32

// groups names, for each activation that may have a gain, the group whose channels must be scaled alike: an identity
// shortcut ties a block's output to its input. The blocks' outputs of a CIFAR net have none, so that the weights of its
// pad shortcuts stay 0 and 1.
func groups(n resnet.Network) map[string]string {
	g := map[string]string{}
	in := wires(n)[0].out
	if !n.CIFAR {
		g[in] = in
	}
	for _, b := range n.Blocks {
		for _, c := range b.Convs[:len(b.Convs)-1] {
			g[c.Name] = c.Name
		}
		if n.CIFAR {
			continue
		}
		g[b.Name] = b.Name
		if b.Shortcut == resnet.Identity {
			g[b.Name] = g[in]
		}
		in = b.Name
	}
	return g
}

// equalise chooses, for each activation, a gain per channel that the quantised network divides it by: one scale for the
// tensor then fits its channels better. ReLU, max-pool and sums commute with a positive gain, and the weights around
// absorb it, so nothing else changes. The last feature map keeps its units, as it is shown to callers.
func equalise(f *resnet.Float, p resnet.Prep, samples []*image.RGBA) map[string][]float64 {
	samples = samples[:min(len(samples), equaliseSamples)]
	group := groups(f.Network)
	var parts [shards]map[string][]float64 // by activation: sums over images of each channel's largest value
	for i := range parts {
		parts[i] = map[string][]float64{}
	}
	visit(f, p, samples, func() {}, func(i int, name string, n int, t []float32) {
		if group[name] == "" {
			return
		}
		channels := len(t) / (n * n)
		sums := parts[i%shards][name]
		if sums == nil {
			sums = make([]float64, channels)
			parts[i%shards][name] = sums
		}
		for c := range sums {
			var top float32
			for _, v := range t[c*n*n : (c+1)*n*n] {
				top = max(top, v)
			}
			sums[c] += float64(top)
		}
	})
	ranges := map[string][]float64{}
	for _, part := range parts {
		for name, sums := range part {
			r := ranges[name]
			if r == nil {
				r = make([]float64, len(sums))
				ranges[name] = r
			}
			for c, v := range sums {
				r[c] += v
			}
		}
	}
	gains := map[string][]float64{} // by group
	last := group[f.Blocks[len(f.Blocks)-1].Name]
	for name, r := range ranges {
		top := 0.0
		for _, v := range r {
			top = max(top, v)
		}
		if group[name] == last || !(top > 0) || top > math.MaxFloat32 {
			continue
		}
		k := gains[group[name]]
		if k == nil {
			k = make([]float64, len(r))
			gains[group[name]] = k
		}
		for c, v := range r {
			k[c] = max(k[c], leastGain, math.Pow(v/top, equalisation))
		}
	}
	by := map[string][]float64{}
	for name, g := range group {
		by[name] = gains[g]
	}
	return by
}
