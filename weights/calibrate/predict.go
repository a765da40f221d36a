package calibrate

import (
	"math"

	"resnet-web/resnet"
)

// moments describe one channel: its mean and variance.
type moments struct{ mean, variance float64 }

// known reports whether every convolution with a normalisation tells its statistics.
func known(f *resnet.Float) bool {
	for i := range f.Convs {
		if c := &f.Convs[i]; c.Norm != "" && (len(c.Mean) != c.Out || len(c.Std) != c.Out) {
			return false
		}
	}
	return true
}

// predict makes the statistics without the caller's images. A batch normalisation set each channel's mean and deviation
// over the training images. The distribution is taken as Laplace's: the largest activations of trained networks are about
// twice those of a normal distribution.
//
// How the two sides of a block's sum go together no normalisation tells. In trained networks they are far from
// independent, and the deeper the network, the more: taken so, ResNet-56's ranges came out at half of what they are. The
// sums' histograms are those of synthetic pictures, therefore. Their means are predicted, with the sides independent, and
// stand for every tap alike: borders are not counted.
func predict(f *resnet.Float, p resnet.Prep, done func()) (*stats, error) {
	s := &stats{scale: map[string]float64{"image": 1.0 / 127}}
	var sums []string
	for _, b := range f.Blocks {
		if b.Shortcut != resnet.NoShortcut {
			sums = append(sums, b.Name)
		}
	}
	s.hists = map[string]*histogram{}
	if len(sums) > 0 {
		var err error
		if s.hists, err = histograms(f, p, synthetic(p, syntheticCount, 1), sums, done); err != nil {
			return nil, err
		}
	}
	list := wires(f.Network)
	after := map[string][]moments{} // by activation, after its ReLU
	var skip []moments              // of the block's shortcut
	for _, step := range f.Steps() {
		if step.Kind == resnet.BlockShortcut {
			switch skip = after[step.In]; step.Block.Shortcut {
			case resnet.Projection:
				skip = normalised(&f.Convs[step.Conv.Index])
			case resnet.PadAppend, resnet.PadSplit:
				c := &f.Convs[step.Conv.Index]
				skip = through(c.W, c.B, skip)
			}
			continue
		}
		if step.Kind == resnet.HeadHidden {
			l := &f.Head[step.Linear.Index]
			in := after[step.In]
			if step.Linear.Index == 0 { // the mean over the map is that of its pixels
				in = after[f.Blocks[len(f.Blocks)-1].Name]
			}
			units := through(l.W, l.B, in)
			for k, m := range units {
				units[k] = rectify(newHistogram(), m, 1)
			}
			after[step.Out] = units
			continue
		}
		if step.Conv == nil {
			continue
		}
		before, out := normalised(&f.Convs[step.Conv.Index]), list[step.Conv.Index].out
		if step.Kind == resnet.BlockEnd && skip != nil {
			for k := range before {
				before[k].mean += skip[k].mean
				before[k].variance += skip[k].variance
			}
			skip = nil
		}
		draws := 1.0
		if out != step.Out { // what is pooled
			draws = poolDraws
		}
		h := newHistogram()
		rectified := make([]moments, len(before))
		for k, m := range before {
			rectified[k] = rectify(h, m, draws)
		}
		if after[out] = rectified; s.hists[out] == nil {
			s.hists[out] = h
		}
	}
	if err := finished(s.hists); err != nil {
		return nil, err
	}
	for name, h := range s.hists {
		s.scale[name] = float64(float32(h.scale()))
	}

	for i, w := range readers(f.Network) {
		taps := 1
		if i < len(f.Convs) {
			taps = f.Convs[i].Kernel * f.Convs[i].Kernel
		}
		float, quant, power := means{count: 1}, means{count: 1}, means{count: 1}
		if i == 0 { // the float network's input has mean 0 and deviation 1
			for c := range 3 {
				mean, std := float64(p.Mean[c]), float64(p.Std[c])
				float.sum = append(float.sum, make([]float64, taps)...)
				for range taps {
					quant.sum = append(quant.sum, mean)
				}
				power.sum = append(power.sum, mean*mean+std*std)
			}
		} else {
			for _, m := range after[w.in] {
				for range taps {
					float.sum, quant.sum = append(float.sum, m.mean), append(quant.sum, m.mean)
				}
				power.sum = append(power.sum, m.mean*m.mean+m.variance)
			}
		}
		s.float, s.quant, s.power = append(s.float, float), append(s.quant, quant), append(s.power, power)
	}
	return s, nil
}

// normalised is what the normalisation says of a convolution's outputs.
func normalised(c *resnet.FloatConv) []moments {
	m := make([]moments, c.Out)
	for o := range m {
		m[o] = moments{float64(c.Mean[o]), float64(c.Std[o]) * float64(c.Std[o])}
	}
	return m
}

// through carries moments through a 1×1 convolution or a linear layer, inputs taken as independent: exact for a pad
// shortcut, which copies.
func through(w, b []float32, in []moments) []moments {
	m := make([]moments, len(b))
	for o := range m {
		m[o].mean = float64(b[o])
		for i, w := range w[o*len(in) : (o+1)*len(in)] {
			m[o].mean += float64(w) * in[i].mean
			m[o].variance += float64(w) * float64(w) * in[i].variance
		}
	}
	return m
}

// poolDraws is the number of independent values that the nine neighbours in a pooling window count as: they overlap in
// most of what they see.
const poolDraws = 3

// rectify adds max(x, 0) to h, where x is the largest of draws values from a Laplace distribution with the moments m, at
// points up to ten deviations from the mean with the weight of their density; and returns the moments of max(x, 0).
// Beyond lie less than one of a million values.
func rectify(h *histogram, m moments, draws float64) moments {
	const parts, weight, reach = 512, 1 << 24, 10
	std := math.Sqrt(m.variance)
	var sum, squares, all float64
	for k := range parts {
		z := ((float64(k)+0.5)/parts*2 - 1) * reach
		p := math.Exp(-math.Sqrt2 * math.Abs(z))
		below := p / 2 // the probability of a smaller value
		if z > 0 {
			below = 1 - below
		}
		p *= math.Pow(below, draws-1)
		x := max(0, m.mean+z*std)
		h.add(x, uint64(p*weight))
		sum += p * x
		squares += p * x * x
		all += p
	}
	mean := sum / all
	return moments{mean, max(0, squares/all-mean*mean)}
}
