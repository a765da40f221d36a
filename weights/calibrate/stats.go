package calibrate

import (
	"fmt"
	"image"
	"math"
	"runtime"
	"slices"
	"sync"

	"resnet-web/resnet"
)

// means gathers what one convolution reads: for each input channel and tap, the mean over the positions of the output.
// Where a tap lies in the border it reads zero.
type means struct {
	sum   []float64 // in × taps
	count float64
}

// add adds one image's activation, in planes of n×n.
func (m *means) add(c resnet.Conv, n int, t []float32) {
	p := newPlane(n)
	for i := range c.In {
		for j, v := range t[i*n*n : (i+1)*n*n] {
			p.values[j] = float64(v)
		}
		p.sum()
		m.addPlane(c, i, p)
	}
	m.count += positions(c, n)
}

// positions is the number of positions of the output.
func positions(c resnet.Conv, n int) float64 { return float64(c.OutSize(n) * c.OutSize(n)) }

// plane is one channel, n×n, and the sum of each of its rows.
type plane struct {
	n      int
	values []float64
	rows   []float64
}

func newPlane(n int) *plane { return &plane{n, make([]float64, n*n), make([]float64, n)} }

// sum fills in the sums of the rows.
func (p *plane) sum() {
	for y := range p.rows {
		p.rows[y] = 0
		for _, v := range p.values[y*p.n : (y+1)*p.n] {
			p.rows[y] += v
		}
	}
}

// addPlane adds channel i of one image to the sums, without counting its positions.
func (m *means) addPlane(c resnet.Conv, i int, p *plane) {
	if m.sum == nil {
		m.sum = make([]float64, c.In*c.Kernel*c.Kernel)
	}
	n, side := p.n, c.OutSize(p.n)
	for iy := range n {
		if (iy+c.Pad)%c.Stride >= c.Kernel {
			continue // between the windows
		}
		row := p.values[iy*n : (iy+1)*n]
		for kx := range c.Kernel {
			// What the tap reads in this row: all but the ends, or every stride-th value.
			var sum float64
			if c.Stride == 1 {
				sum = p.rows[iy]
				for _, v := range row[:max(0, kx-c.Pad)] {
					sum -= v
				}
				for _, v := range row[min(n, side+kx-c.Pad):] {
					sum -= v
				}
			} else {
				for x, ix := 0, kx-c.Pad; x < side && ix < n; x, ix = x+1, ix+c.Stride {
					if ix >= 0 {
						sum += row[ix]
					}
				}
			}
			for ky := range c.Kernel {
				if at := iy + c.Pad - ky; at >= 0 && at%c.Stride == 0 && at/c.Stride < side {
					m.sum[(i*c.Kernel+ky)*c.Kernel+kx] += sum
				}
			}
		}
	}
}

func (m *means) merge(o *means) {
	if m.sum == nil {
		m.sum = make([]float64, len(o.sum))
	}
	for i, v := range o.sum {
		m.sum[i] += v
	}
	m.count += o.count
}

// mean returns the means themselves.
func (m *means) mean() []float64 {
	out := make([]float64, len(m.sum))
	for i, v := range m.sum {
		out[i] = v / m.count
	}
	return out
}

// shards is the number of groups that samples are summed in. It is fixed, so that the sums, and with them the bytes of
// the model, do not depend on the number of cores.
const shards = 4

// visit runs the float network over the samples; see sees each activation of image i by its name, "image" and "logits"
// included, in planes of n×n. Images of one shard, i mod shards, come one after the other.
func visit(f *resnet.Float, p resnet.Prep, samples []*image.RGBA, done func(), see func(i int, name string, n int, t []float32)) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range min(shards, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for shard := range work {
				for i := shard; i < len(samples); i += shards {
					x := p.Normalise(samples[i])
					see(i, "image", p.Crop, x)
					see(i, "logits", 1, f.Forward(x, p.Crop, func(name string, _, h, _ int, t []float32) { see(i, name, h, t) }))
					done()
				}
			}
		})
	}
	for shard := range shards {
		work <- shard
	}
	close(work)
	wg.Wait()
}

// wire says what a convolution reads and writes.
type wire struct {
	in       string // the activation that it reads
	out      string // the activation whose scale its output has: its own, the pooled one, or its block's
	shortcut bool   // its output is not an activation itself: the block's sum takes it in
}

// wires lists them in the order of Network.Convs. "maxpool" stands for what it pools: both have one scale, as rounding and
// the maximum commute.
func wires(n resnet.Network) []wire {
	list := make([]wire, len(n.Convs()))
	var before *resnet.Conv
	for _, s := range n.Steps() {
		switch {
		case s.Kind == resnet.StemPool:
			list[before.Index].out = s.Out
		case s.Conv == nil:
		case s.Kind == resnet.BlockShortcut:
			list[s.Conv.Index] = wire{s.In, s.Block.Name, true}
		default:
			list[s.Conv.Index] = wire{s.In, s.Out, false}
			before = s.Conv
		}
	}
	return list
}

// readers are the wires and, behind them, what each linear layer reads, the first of them through the average.
func readers(n resnet.Network) []wire {
	list := wires(n)
	for i := range n.Head {
		in := n.Blocks[len(n.Blocks)-1].Name
		if i > 0 {
			in = n.Head[i-1].Name
		}
		list = append(list, wire{in: in})
	}
	return list
}

// conv is reader i as a convolution: a linear layer reads averages, or what the one before it made, with one tap.
func conv(f *resnet.Float, i int) resnet.Conv {
	if i < len(f.Convs) {
		return f.Convs[i].Conv
	}
	return resnet.Conv{In: f.Head[i-len(f.Convs)].In, Kernel: 1, Stride: 1}
}

// point reads each input of c once.
func point(c resnet.Conv) resnet.Conv { return resnet.Conv{In: c.In, Kernel: 1, Stride: 1} }

// stats is what quantisation needs to know of the activations.
type stats struct {
	hists map[string]*histogram // by name of the activation
	scale map[string]float64    // "image" included
	float []means               // by convolution, then linear layer: what it reads in the float network
	quant []means               // and in the quantised one
	// power is the mean squares per input, clipped as in quant but not rounded, so that small changes of a network change
	// them little.
	power []means

	features, logits [][]float32 // of the float network, by image
}

func finished(hists map[string]*histogram) error {
	for name, h := range hists {
		if h.bad {
			return fmt.Errorf("calibrate: %s: want finite activations, the network's overflow; check the checkpoint and the mean and std", name)
		}
	}
	return nil
}

// histograms counts the activations of these names over samples.
func histograms(
	f *resnet.Float, p resnet.Prep, samples []*image.RGBA, names []string, done func(),
) (map[string]*histogram, error) {
	var parts [shards]map[string]*histogram
	for i := range parts {
		parts[i] = map[string]*histogram{}
		for _, name := range names {
			parts[i][name] = newHistogram()
		}
	}
	visit(f, p, samples, done, func(i int, name string, _ int, t []float32) {
		if h := parts[i%shards][name]; h != nil {
			h.addAll(t)
		}
	})
	for _, part := range parts[1:] {
		for name, h := range part {
			parts[0][name].merge(h)
		}
	}
	return parts[0], finished(parts[0])
}

// measure takes the statistics from samples in two passes: the first finds the scales, the second the means of the
// activations before and after rounding to those scales.
func measure(f *resnet.Float, p resnet.Prep, samples []*image.RGBA, done func()) (*stats, error) {
	var names []string
	for _, w := range wires(f.Network) {
		names = append(names, w.out)
	}
	hists, err := histograms(f, p, samples, names, done)
	if err != nil {
		return nil, err
	}
	s := &stats{hists: hists, scale: map[string]float64{"image": 1.0 / 127}}
	for name, h := range s.hists {
		s.scale[name] = float64(float32(h.scale())) // as the file has it
	}

	readers := readers(f.Network)
	var float, quant, power [shards][]means
	for i := range shards {
		float[i], quant[i], power[i] = make([]means, len(readers)), make([]means, len(readers)), make([]means, len(readers))
	}
	s.features, s.logits = make([][]float32, len(samples)), make([][]float32, len(samples))
	visit(f, p, samples, done, func(image int, name string, n int, t []float32) {
		shard := image % shards
		switch name {
		case "features":
			s.features[image] = slices.Clone(t)
		case "logits":
			s.logits[image] = slices.Clone(t)
		case "image":
			c := f.Convs[0].Conv
			float[shard][0].add(c, n, t)
			t, n, c.Pad = unit(samples[image], p, c.Pad), n+2*c.Pad, 0
			quant[shard][0].add(c, n, t)
			squares := newPlane(n)
			for channel := range c.In {
				for j, v := range t[channel*n*n : (channel+1)*n*n] {
					squares.values[j] = float64(v) * float64(v)
				}
				squares.sum()
				power[shard][0].addPlane(point(c), channel, squares)
			}
			power[shard][0].count += positions(point(c), n)
			return
		}
		var list []int // the readers of this activation
		for i, w := range readers {
			if w.in == name {
				list = append(list, i)
			}
		}
		if len(list) == 0 {
			return
		}
		step := s.scale[name]
		exact, rounded, squares := newPlane(n), newPlane(n), newPlane(n)
		for channel := range len(t) / (n * n) {
			from := t[channel*n*n : (channel+1)*n*n]
			for j, v := range from {
				x := float64(v)
				if step == 0 { // inside the head nothing is rounded
					exact.values[j], rounded.values[j], squares.values[j] = x, x, x*x
					continue
				}
				q := math.RoundToEven(x / step)
				if q > 127 {
					q = 127
				}
				exact.values[j], rounded.values[j] = x, step*q
				x = min(x, 127*step)
				squares.values[j] = x * x
			}
			exact.sum()
			rounded.sum()
			squares.sum()
			for _, i := range list {
				c := conv(f, i)
				float[shard][i].addPlane(c, channel, exact)
				quant[shard][i].addPlane(c, channel, rounded)
				power[shard][i].addPlane(point(c), channel, squares)
			}
		}
		for _, i := range list {
			c := conv(f, i)
			float[shard][i].count += positions(c, n)
			quant[shard][i].count += positions(c, n)
			power[shard][i].count += positions(point(c), n)
		}
	})
	s.float, s.quant, s.power = float[0], quant[0], power[0]
	for k := 1; k < shards; k++ {
		for i := range readers {
			if float[k][i].sum == nil {
				continue // fewer samples than shards
			}
			s.float[i].merge(&float[k][i])
			s.quant[i].merge(&quant[k][i])
			s.power[i].merge(&power[k][i])
		}
	}
	return s, nil
}
