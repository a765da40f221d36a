package checkpoint

import (
	"fmt"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// Dequantise returns the float32 network whose weights are m's 7-bit machine's: real weight = weight · M · output scale /
// input scale, for the usual input, normalised by m's mean and standard deviation. It has the rounding of the weights
// and not that of the activations, so its logits are near the model's, not equal to them.
//
// # Errors
//
// A model whose layers do not fit its architecture.
func Dequantise(m *resnet.Model) (*resnet.Float, error) {
	net := m.Network()
	f := resnet.NewFloat(net)
	if err := fits(m); err != nil {
		return nil, err
	}

	// One step of the picture is 1/127 of a value in 0…1, of which the mean is then taken, and divided by the deviation.
	stem, p := f.Convs[0], m.Prep
	unfold(stem, m.Convs[0], 1, func(i int) float64 { return 127 * float64(p.Std[i]) }, true)
	row := len(stem.W) / stem.Out
	for o := range stem.Out {
		b := float64(stem.B[o])
		for k, w := range stem.W[o*row : (o+1)*row] {
			i := k / (stem.Kernel * stem.Kernel)
			b += float64(w) * float64(p.Mean[i]) / float64(p.Std[i])
		}
		stem.B[o] = float32(b)
	}

	scale := map[string]float64{} // of each activation, the real value of one step
	for _, step := range net.Steps() {
		if step.Kind == resnet.StemPool {
			scale[step.Out] = scale[step.In]
		}
		if step.Conv == nil {
			continue
		}
		at := step.Conv.Index
		scale[step.Out] = float64(m.Convs[at].Scale)
		if at > 0 && !step.Conv.Fixed() {
			unfold(f.Convs[at], m.Convs[at], scale[step.In], nil, false)
		}
	}
	for i, l := range f.Head {
		q := m.Head[i]
		for k := range l.W {
			l.W[k] = float32(q.W[k]) * q.Scale[k/l.In]
		}
		copy(l.B, q.B)
	}
	return f, nil
}

// fits checks that m's layers are those of its architecture.
func fits(m *resnet.Model) error {
	net := m.Network()
	convs := net.Convs()
	if len(m.Convs) != len(convs) || len(m.Head) != len(net.Head) {
		return fmt.Errorf("checkpoint: want %d convolutions and %d linear layers for %s, the model has %d and %d",
			len(convs), len(net.Head), net.Name, len(m.Convs), len(m.Head))
	}
	for i, l := range net.Head {
		if q := m.Head[i]; len(q.W) != l.Out*l.In || len(q.Scale) != l.Out || len(q.B) != l.Out {
			return fmt.Errorf("checkpoint: %s: want %d weights, %d scales and biases, the model has %d, %d and %d",
				l.Name, l.Out*l.In, l.Out, len(q.W), len(q.Scale), len(q.B))
		}
	}
	for i, c := range convs {
		q := m.Convs[i]
		if out8 := engine.PadChannels(c.Out); len(q.W) != engine.PackedSize(c.Out, c.In, c.Kernel, i == 0) || len(q.M) != out8 || len(q.B) != out8 {
			return fmt.Errorf("checkpoint: %s: want %d packed weights and %d scales and biases, the model has %d, %d and %d", c.Name, engine.PackedSize(c.Out, c.In, c.Kernel, i == 0), out8, len(q.W), len(q.M), len(q.B))
		}
	}
	return nil
}

// unfold fills in a convolution from its packed weights; in is the real value of one step of its input, factor one more
// factor for each input channel, rows as in engine.PackConv.
func unfold(c resnet.FloatConv, q resnet.QuantConv, in float64, factor func(i int) float64, rows bool) {
	w := unpack(q.W, c.Out, c.In, c.Kernel, rows)
	taps, at := c.Kernel*c.Kernel, 0
	for o := range c.Out {
		step := float64(q.M[o]) * float64(q.Scale) / in
		for i := range c.In {
			s := step
			if factor != nil {
				s *= factor(i)
			}
			for range taps {
				c.W[at] = float32(float64(w[at]) * s)
				at++
			}
		}
		c.B[o] = float32(float64(q.B[o]) * float64(q.Scale))
	}
}

// unpack undoes engine.PackConv: the result is out × in × kernel × kernel.
func unpack(packed []int8, out, in, kernel int, rows bool) []int8 {
	taps, groups := kernel*kernel, engine.PadChannels(in)/4
	if rows {
		taps, groups = kernel, kernel
	}
	w := make([]int8, 0, out*in*kernel*kernel)
	for o := range out {
		for i := range in {
			for k := range kernel * kernel {
				tap, group, lane := k, i/4, i%4
				if rows {
					tap, group, lane = k/kernel, k%kernel, i
				}
				w = append(w, packed[((o/8*taps+tap)*groups+group)*32+o%8*4+lane])
			}
		}
	}
	return w
}
