package calibrate

import (
	"errors"
	"fmt"
	"image"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// compared is how many of the samples the model is run on, too, for the report. Nothing of the model depends on it, and a
// run of it takes longer than one of the float network; eval compares the two on as many images as one likes.
const compared = 32

// Options of Quantise. The zero value is a good choice.
type Options struct {
	Progress func(done, total int) // called after each run of a network, from several goroutines; may be nil
}

// Report says what quantisation cost, layer by layer.
type Report struct {
	Samples int     `json:"samples"` // images of the caller
	Warning string  `json:"warning,omitempty"`
	Layers  []Layer `json:"layers"`

	// Float and quantised network on the first samples, 32 at most; 0 without any.
	Agreement float64 `json:"agreement"` // fraction with the same best class
	Features  float64 `json:"features"`  // signal-to-noise ratio of the features before the linear layer, dB
	Logits    float64 `json:"logits"`    // the same of the logits
}

// Layer is the part of a Report about one convolution or linear layer.
type Layer struct {
	Name    string  `json:"name"`
	Max     float64 `json:"max"`     // the largest activation seen after the layer's ReLU; 0 for a shortcut and fc
	Range   float64 `json:"range"`   // the largest that 7 bits express, 127 steps; 0 for a shortcut and fc
	Clipped float64 `json:"clipped"` // fraction of activations above it
	SNR     float64 `json:"snr"`     // of the quantised activations, dB
	Weights float64 `json:"weights"` // signal-to-noise ratio of the quantised weights, dB
	Bias    float64 `json:"bias"`    // root mean square of the mean error that the bias takes back, in steps of the output
}

// String is a table with one line per layer.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %10s %10s %9s %8s %8s %9s\n", "layer", "max", "range", "clipped", "SNR dB", "weights", "bias")
	for _, l := range r.Layers {
		if l.Range == 0 {
			fmt.Fprintf(&b, "%-24s %10s %10s %9s %8s %8.1f %9.3f\n", l.Name, "", "", "", "", l.Weights, l.Bias)
			continue
		}
		fmt.Fprintf(&b, "%-24s %10.3f %10.3f %8.3f%% %8.1f %8.1f %9.3f\n", l.Name, l.Max, l.Range, 100*l.Clipped, l.SNR, l.Weights, l.Bias)
	}
	if r.Samples > 0 {
		fmt.Fprintf(&b, "%d calibration images: same best class as float %.1f %%, signal-to-noise ratio of the features %.1f dB, "+
			"of the logits %.1f dB", r.Samples, 100*r.Agreement, r.Features, r.Logits)
		if r.Samples > compared {
			fmt.Fprintf(&b, " (of the first %d)", compared)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// Quantise makes a model of f for inputs prepared by p, with the classes unnamed: the caller fills in Classes' ids and
// labels, Source and Licence. samples are crops as resnet.Fit makes them; a few hundred that resemble what the network
// will see are enough. With none the ranges come from the network's own batch normalisations and its answer to synthetic
// pictures, which has to do alone where the normalisations are not known; the report then has a warning. f is not changed.
//
// # Errors
//
// For a network whose activations overflow, or whose scales are beyond float32.
func Quantise(f *resnet.Float, p resnet.Prep, samples []*image.RGBA, o Options) (*resnet.Model, *Report, error) {
	r := &Report{Samples: len(samples)}
	runs := 2*len(samples) + min(compared, len(samples)) // of the float network, then of the model
	if runs == 0 {
		runs = 2 * syntheticCount
		if known(f) {
			runs = syntheticCount
		}
	}
	var count atomic.Int64
	done := func() {
		if n := count.Add(1); o.Progress != nil {
			o.Progress(int(n), runs)
		}
	}
	s, err := gather(f, p, samples, r, done)
	if err != nil {
		return nil, nil, err
	}
	m := &resnet.Model{Config: f.Config, Classes: make([]resnet.Class, f.Classes), Prep: p, Temperature: 1}
	list := wires(f.Network)
	for i := range f.Convs {
		c := &f.Convs[i]
		in, out := s.scale[list[i].in], s.scale[list[i].out]
		div := []float64{1}
		if i == 0 {
			div = []float64{float64(p.Std[0]), float64(p.Std[1]), float64(p.Std[2])}
		}
		taps := c.Kernel * c.Kernel
		q := round(c.W, c.B, c.Out, c.In, taps, div, s.float[i].mean(), s.quant[i].mean(), s.power[i].mean())
		out8 := engine.PadChannels(c.Out)
		conv := resnet.QuantConv{Name: c.Name, W: engine.PackConv(q.w, c.Out, c.In, c.Kernel, i == 0), M: make([]float32, out8), B: make([]float32, out8), Scale: float32(out)}
		for o := range c.Out {
			conv.M[o], conv.B[o] = float32(in*q.scale[o]/out), float32(q.bias[o]/out)
			if v := conv.M[o] + conv.B[o]; v-v != 0 {
				return nil, nil, fmt.Errorf("calibrate: %s: channel %d: want m and b in float32, got %g and %g; check the checkpoint", c.Name, o, in*q.scale[o]/out, q.bias[o]/out)
			}
		}
		m.Convs = append(m.Convs, conv)
		l := Layer{Name: c.Name, Weights: q.snr, Bias: q.shift / out}
		if !list[i].shortcut {
			l.describe(s.hists[list[i].out], out)
		}
		r.Layers = append(r.Layers, l)
	}
	for i, l := range f.Head {
		at := len(f.Convs) + i
		q := round(l.W, l.B, l.Out, l.In, 1, []float64{1}, s.float[at].mean(), s.quant[at].mean(), s.power[at].mean())
		m.Head = append(m.Head, resnet.QuantLinear{W: q.w, Scale: narrow(q.scale), B: narrow(q.bias)})
		r.Layers = append(r.Layers, Layer{Name: l.Name, Weights: q.snr})
	}
	if r.Samples == 0 {
		return m, r, nil
	}
	return m, r, r.compare(m, samples, s, done)
}

// compare runs the model over the first samples beside what the float network said.
func (r *Report) compare(m *resnet.Model, samples []*image.RGBA, s *stats, done func()) error {
	samples = samples[:min(compared, len(samples))]
	features, logits, err := outputs(m, samples, done)
	if err != nil {
		return err
	}
	same := 0
	for i := range samples {
		if best(logits[i]) == best(s.logits[i]) {
			same++
		}
	}
	r.Agreement, r.Features, r.Logits = float64(same)/float64(len(samples)), ratio(s.features[:len(samples)], features), ratio(s.logits[:len(samples)], logits)
	return nil
}

// outputs runs m on crops, on all cores.
func outputs(m *resnet.Model, crops []*image.RGBA, done func()) (features, logits [][]float32, err error) {
	features, logits = make([][]float32, len(crops)), make([][]float32, len(crops))
	workers := min(runtime.GOMAXPROCS(0), len(crops))
	errs := make([]error, workers)
	parallel(workers, func(w int) {
		c, err := resnet.NewClassifier(m, engine.Native)
		if err != nil {
			errs[w] = err
			return
		}
		defer c.Close()
		for i := w; i < len(crops); i += workers {
			if errs[w] = c.Run(crops[i]); errs[w] != nil {
				return
			}
			features[i], logits[i] = slices.Clone(c.Features()), slices.Clone(c.Logits())
			done()
		}
	})
	return features, logits, errors.Join(errs...)
}

// best is the index of the largest value, or of the first one if several are equal.
func best(v []float32) int {
	at := 0
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}

// ratio is the signal-to-noise ratio of got against want, dB.
func ratio(want, got [][]float32) float64 {
	var signal, noise float64
	for i := range want {
		for j, w := range want[i] {
			d := float64(got[i][j]) - float64(w)
			signal += float64(w) * float64(w)
			noise += d * d
		}
	}
	return decibel(signal, noise)
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// describe fills in what the histogram of the activation tells of scale s.
func (l *Layer) describe(h *histogram, s float64) {
	var signal, above, all float64
	h.values(func(x, n float64) {
		signal += n * x * x
		all += n
		if x > 127*s {
			above += n
		}
	})
	l.Max, l.Range, l.Clipped, l.SNR = h.top, 127*s, above/max(1, all+float64(h.zeros)), decibel(signal, h.noise(s))
}

// decibel is the ratio in dB, at most 200, and 0 for no signal: JSON has no infinity.
func decibel(signal, noise float64) float64 {
	if signal == 0 {
		return 0
	}
	return min(200, 10*math.Log10(signal/noise))
}

// rows are the quantised rows of a convolution or a linear layer.
type rows struct {
	w           []int8
	scale, bias []float64 // per output: s_w, and the bias with the correction, both in real units
	snr, shift  float64   // of the weights in dB; root mean square of the correction
}

// round quantises out rows of in × taps weights, each divided by its input's div. float and quant are the mean inputs of
// the float and the quantised network per input and tap, power the quantised one's mean square per input.
func round(w, b []float32, out, in, taps int, div, float, quant, power []float64) rows {
	n := in * taps
	r := rows{w: make([]int8, len(w)), scale: make([]float64, out), bias: make([]float64, out)}
	var signal, noise, shift = make([]float64, out), make([]float64, out), make([]float64, out)
	parallel(out, func(o int) {
		row, q := w[o*n:(o+1)*n], r.w[o*n:(o+1)*n]
		exact := make([]float64, n)
		for i := range row {
			exact[i] = float64(row[i])
			if len(div) > 1 {
				exact[i] /= div[i/taps]
			}
		}
		s := rowScale(exact, taps, power)
		bias := float64(b[o])
		for i, x := range exact {
			v := 0.0
			if s > 0 {
				v = max(-127, min(127, math.RoundToEven(x/s)))
			}
			q[i] = int8(v)
			signal[o] += x * x
			noise[o] += (x - s*v) * (x - s*v)
			bias += float64(row[i])*float[i] - s*v*quant[i]
			shift[o] += x*quant[i] - s*v*quant[i]
		}
		r.scale[o], r.bias[o] = s, bias
	})
	var sums [3]float64
	for o := range out {
		sums[0] += signal[o]
		sums[1] += noise[o]
		sums[2] += shift[o] * shift[o]
	}
	r.snr, r.shift = decibel(sums[0], sums[1]), math.Sqrt(sums[2]/float64(out))
	return r
}

// rowScale is the step for one output's weights: of the candidates from half the largest weight's to the whole, the one
// of least squared error, each weight counted with the mean square of its input. Candidates that are as good within about
// 1/sharp share the choice, so that weights that differ by a rounding, as an exporter's folding makes them, always get
// steps that differ by as little. 0 if all weights are 0.
func rowScale(w []float64, taps int, power []float64) float64 {
	const sharp = 400
	top := 0.0
	for _, x := range w {
		top = max(top, math.Abs(x))
	}
	// Steps below float32's normal numbers would lose the precision of m.
	if top/127 < 1e-30 {
		return 0
	}
	// Signs make no difference. Of what is added to 2⁵², float64 has room for whole numbers only, rounded to even.
	const even = 1 << 52
	abs := make([]float64, len(w))
	for i, x := range w {
		abs[i] = math.Abs(x)
	}
	var steps, errs [26]float64
	for k := range steps {
		s := top / 127 * (1 - 0.02*float64(k))
		inverse := 1 / s // which rounds a tie to its other side now and then, and that is as near
		var sum float64
		for i, p := range power {
			for _, x := range abs[i*taps : (i+1)*taps] {
				v := float64(float64(x*inverse)+even) - even
				if v > 127 {
					v = 127
				}
				d := x - s*v
				sum += d * d * p
			}
		}
		if steps[k], errs[k] = s, sum; sum == 0 {
			return s
		}
	}
	least := slices.Min(errs[:])
	var sum, weight float64
	for k, s := range steps {
		share := math.Pow(least/errs[k], sharp)
		sum, weight = sum+share*s, weight+share
	}
	return sum / weight
}

// parallel calls f for 0 … n−1 on all cores.
func parallel(n int, f func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// gather chooses where the statistics come from.
func gather(f *resnet.Float, p resnet.Prep, samples []*image.RGBA, r *Report, done func()) (*stats, error) {
	for _, crop := range samples {
		if crop.Rect.Dx() != p.Crop || crop.Rect.Dy() != p.Crop {
			return nil, fmt.Errorf("calibrate: want samples of %d×%d pixels, got %d×%d; prepare them with resnet.Fit", p.Crop, p.Crop, crop.Rect.Dx(), crop.Rect.Dy())
		}
	}
	if len(samples) == 0 && known(f) {
		r.Warning = "calibrated on the checkpoint's own batch normalisations, without images of yours: accuracy is lower than with -calib and some images of your own"
		return predict(f, p, done)
	}
	if len(samples) == 0 {
		samples = synthetic(p, syntheticCount, 1)
		r.Warning = fmt.Sprintf("calibrated on %d synthetic pictures: accuracy is lower than with -calib and some images of your own", syntheticCount)
	}
	return measure(f, p, samples, done)
}
