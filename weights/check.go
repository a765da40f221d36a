package weights

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// lookup looks up the part of name before a "-". Importers append the widths of a network that the table lacks, as in
// resnet50-96-96; a model file has the widths under keys of their own, so they are not read from the name.
func lookup(name string) (resnet.Config, error) {
	base, _, _ := strings.Cut(name, "-")
	c, err := resnet.Lookup(base[:min(len(base), 64)])
	if err != nil || c.Name != base || len(name) > 128 || !textual(name) {
		return c, formatError("architecture: %.64q is no network this version knows", name)
	}
	c.Name = name
	return c, nil
}

// check holds a model against its architecture and its values against the arithmetic contract.
func check(m *resnet.Model) error {
	if err := checkConfig(&m.Config); err != nil {
		return err
	}
	if err := checkTexts(m); err != nil {
		return err
	}
	if err := checkPrep(m.Prep); err != nil {
		return err
	}
	if !(m.Temperature > 0 && m.Temperature <= 1000) {
		return formatError("temperature: want above 0, at most 1000, got %v", m.Temperature)
	}
	if !(m.Unsure >= 0 && m.Unsure < 1) {
		return formatError("unsure: want a probability below 1, got %v", m.Unsure)
	}
	if len(m.Head) < 1 || len(m.Head) > maxHead {
		return formatError("head: want 1 to %d linear layers, got %d", maxHead, len(m.Head))
	}
	net := m.Network()
	if err := checkLayers(&net, m.Convs); err != nil {
		return err
	}
	if err := CheckWork(&net, m.Prep.Crop); err != nil {
		return err
	}
	return checkHead(&net, m.Head)
}

func checkConfig(c *resnet.Config) error {
	known, err := lookup(c.Name)
	if err != nil {
		return err
	}
	known.Width, known.Inner, known.Dashed = c.Width, c.Inner, c.Dashed
	if !known.Equal(*c) {
		return formatError("architecture: the model's table differs from that of %s", c.Name)
	}
	if c.Width < 1 || c.Width > maxChannels || c.Inner < 1 || c.Inner > maxChannels {
		return formatError("architecture: want widths of 1 to %d, got %d and %d", maxChannels, c.Width, c.Inner)
	}
	if !slices.Contains(dashed, c.Dashed) {
		return formatError("shortcut: want one of %v, got %v", dashed, c.Dashed)
	}
	return nil
}

func checkTexts(m *resnet.Model) error {
	if len(m.Classes) == 0 {
		return formatError("ids: want at least one class")
	}
	for i, c := range m.Classes {
		if !textual(c.ID) {
			return formatError("ids: class %d: want UTF-8 without NUL of at most %d bytes", i, maxText)
		}
		for l, s := range c.Labels {
			if l == "" || !textual(l) || !textual(s) {
				return formatError("labels: class %d: want UTF-8 without NUL of at most %d bytes in a named language", i, maxText)
			}
		}
	}
	if !textual(m.Source) || !textual(m.Licence) {
		return formatError("source, licence: want UTF-8 without NUL of at most %d bytes", maxText)
	}
	return nil
}

// checkPrep holds p against the limits of the network's input; Prep.Check knows what the pre-processing can follow.
func checkPrep(p resnet.Prep) error {
	if p.Crop < 32 || p.Resize < p.Crop {
		return formatError("resize, crop: want 32 ≤ crop ≤ resize ≤ %d, got %d and %d", maxSide, p.Resize, p.Crop)
	}
	if err := p.Check(); err != nil {
		return formatError("%s", strings.TrimPrefix(err.Error(), "resnet: "))
	}
	for i := range 3 {
		if !(p.Mean[i] >= 0 && p.Mean[i] <= 1 && p.Std[i] > 1e-6 && p.Std[i] <= 1e6) {
			return formatError("mean, std: want means in 0…1 and positive deviations, got %v and %v", p.Mean, p.Std)
		}
	}
	return nil
}

// Limits of what one picture may cost. The largest networks that people publish stay far below: a ResNeXt-101 64×4d
// takes 62 thousand million multiply-adds at 448 pixels, a Wide ResNet-101-2 91. Without limits a file of some
// kilobytes could keep a machine busy for minutes, with a gigabyte of activations.
const (
	maxMACs        = 400e9
	maxActivations = 256 << 20 // bytes
)

// CheckWork refuses a network that would take too long for a picture of crop × crop pixels, or too much memory. Readers
// and writers of model files ask it; it is for those who want to know before they have made a model.
//
// # Errors
//
// ErrFormat, wrapped.
func CheckWork(net *resnet.Network, crop int) error {
	macs, activations := work(net, crop)
	if macs > maxMACs || activations > maxActivations {
		return formatError("crop: want at most %.0f thousand million multiply-adds and %d MiB of activations for a picture, %s at %d×%d takes %.0f and %.0f; use a smaller crop or a narrower network",
			maxMACs/1e9, maxActivations>>20, net.Name, crop, crop, macs/1e9, activations/(1<<20))
	}
	return nil
}

// work counts multiply-adds as the engine runs them, with channels rounded up, and the bytes of the activations that a
// step needs at once, of the step that needs most: 7 bits of what it reads and writes, 16 of what the block's sum
// takes. As floats, because no network overflows them.
func work(net *resnet.Network, crop int) (macs, activations float64) {
	const wide = 2 // bytes of a value of the skip path
	side, shortcut := crop, 0.0
	size := func(side, channels int) float64 {
		return float64(side) * float64(side) * float64(engine.PadChannels(channels))
	}
	read := 4 * float64(crop) * float64(crop)
	for _, s := range net.Steps() {
		out, wrote := side, read
		if s.Conv != nil {
			out = s.Conv.OutSize(side)
			macs += float64(packedSize(*s.Conv)) * float64(out) * float64(out)
			wrote = size(out, s.Conv.Out)
		}
		switch s.Kind {
		case resnet.StemPool:
			out = (side-1)/2 + 1
			wrote = size(out, net.Width)
		case resnet.BlockShortcut:
			shortcut = wide * wrote
			activations = max(activations, read+shortcut)
			continue // the block's first convolution reads the same
		case resnet.BlockEnd:
			activations = max(activations, read+shortcut+(1+wide)*wrote)
			shortcut = 0
		}
		activations = max(activations, read+shortcut+wrote)
		side, read = out, wrote
	}
	return macs, activations
}

func checkLayers(net *resnet.Network, list []resnet.QuantConv) error {
	convs := net.Convs()
	for _, c := range convs {
		// As the engine counts: with the inputs rounded up to 8.
		if n := packedSize(c) / engine.PadChannels(c.Out); n > engine.MaxReduction {
			return formatError("%s: want sums of at most %d products, the layer has %d", c.Name, engine.MaxReduction, n)
		}
	}
	if len(list) != len(convs) {
		return formatError("layers: want %d, got %d", len(convs), len(list))
	}
	for i, c := range convs {
		q := &list[i]
		n, out8 := packedSize(c), engine.PadChannels(c.Out)
		switch {
		case q.Name != c.Name:
			return formatError("%s: want this layer here, file has %.40q", c.Name, q.Name)
		case (q.W != nil || q.At == 0) && len(q.W) != n || len(q.M) != out8 || len(q.B) != out8:
			return formatError("%s: want %d weights, %d m and b, got %d, %d and %d", c.Name, n, out8, len(q.W), len(q.M), len(q.B))
		case !(q.Scale >= minScale && q.Scale <= maxScale):
			return formatError("%s: scale: want %v to %v, got %v", c.Name, float32(minScale), float32(maxScale), q.Scale)
		}
		if err := checkWeights(c.Name, q.W); err != nil {
			return err
		}
		if err := checkParameters(c, q.M, q.B); err != nil {
			return err
		}
	}
	for _, s := range net.Steps() {
		if s.Kind != resnet.BlockShortcut || s.Conv == nil {
			continue
		}
		if got, want := list[s.Conv.Index].Scale, list[s.Block.End().Index].Scale; got != want {
			return formatError("%s: scale: want its block's %v, got %v", s.Conv.Name, want, got)
		}
	}
	return nil
}

func checkParameters(c resnet.Conv, m, b []float32) error {
	for j := range m {
		if !(m[j] >= 0 && finite(m[j])) || !finite(b[j]) {
			return formatError("%s: channel %d: want finite m ≥ 0 and b, got %v and %v", c.Name, j, m[j], b[j])
		}
		if j >= c.Out && (m[j] != 0 || b[j] != 0) {
			return formatError("%s: channel %d is padding: want m and b 0, got %v and %v", c.Name, j, m[j], b[j])
		}
	}
	return nil
}

func checkHead(net *resnet.Network, list []resnet.QuantLinear) error {
	for i, l := range net.Head {
		q, n := list[i], l.Out*l.In
		if l.Out < 1 || l.Out > maxOutputs || len(q.W) != n || len(q.Scale) != l.Out || len(q.B) != l.Out {
			return formatError("%s: want %d weights, %d scales and biases, got %d, %d and %d", l.Name, n, l.Out, len(q.W),
				len(q.Scale), len(q.B))
		}
		for j := range q.Scale {
			if !finite(q.Scale[j]) || !finite(q.B[j]) {
				return formatError("%s: output %d: want a finite scale and bias, got %v and %v", l.Name, j, q.Scale[j], q.B[j])
			}
		}
		if err := checkWeights(l.Name, q.W); err != nil {
			return err
		}
	}
	return nil
}

// checkWeights refuses −128, which the 7-bit dot product cannot take.
func checkWeights(layer string, w []int8) error {
	if i := bytes.IndexByte(asBytes(w), 0x80); i >= 0 {
		return formatError("%s: weight %d: want −127 to 127, got −128", layer, i)
	}
	return nil
}

func finite(f float32) bool { return f-f == 0 }

// textual reports whether a model file may hold s. NUL is refused because it separates labels on their way to a page.
func textual(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
