package checkpoint

import (
	"fmt"
	"slices"
)

// Normalisation is how pictures are brought to the scale of a network: (value in 0…1 − Mean) / Std, for R, G and B.
type Normalisation struct{ Mean, Std [3]float32 }

// front follows what is done to the input x before the first convolution: it may have its channels last, be normalised
// and be padded. It returns the convolution and its padding.
func (g *graph) front(x string, v value) (*node, [4]int64, error) {
	var pad [4]int64
	var nodes []*node
	last := false // whether the channels are the last dimension
	n, err := g.only(x, "Conv", "Transpose", "Pad", "Sub", "Div", "Mul", "Add")
	for err == nil && n.op != "Conv" {
		if nodes = append(nodes, n); n.op == "Transpose" {
			if last || !slices.Equal(n.ints("perm"), []int64{0, 3, 1, 2}) {
				return nil, pad, bad("ONNX: %v: perm %v before the first convolution, want one Transpose by [0 3 1 2]", n,
					n.ints("perm"))
			}
			last = true
		}
		n, err = g.only(n.outputs[0], "Conv", "Transpose", "Pad", "Sub", "Div", "Mul", "Add")
	}
	if err != nil {
		return nil, pad, err
	}
	if len(v.dims) == 4 {
		if g.h, g.w = v.dims[2], v.dims[3]; last {
			g.h, g.w = v.dims[1], v.dims[2]
		}
	}
	if g.h < 0 || g.w < 0 || g.h > 1<<16 || g.w > 1<<16 {
		return nil, pad, bad("ONNX: input %q of %d×%d, want at most 65536", x, g.h, g.w)
	}
	if g.h == g.w {
		g.c.Side = int(g.h)
	}

	scale, shift := [3]float64{1, 1, 1}, [3]float64{} // what has become of an x: scale·x + shift
	for _, n := range nodes {
		switch n.op {
		case "Transpose":
			last = false
		case "Pad":
			p, err := g.border(n, last)
			if err != nil {
				return nil, pad, err
			}
			for i := range pad {
				pad[i] = min(pad[i]+p[i], maxPad)
			}
		default:
			c, err := g.channelwise(n, last)
			if err != nil {
				return nil, pad, err
			}
			for i := range c {
				switch n.op {
				case "Sub":
					shift[i] -= c[i]
				case "Add":
					shift[i] += c[i]
				case "Mul":
					scale[i], shift[i] = scale[i]*c[i], shift[i]*c[i]
				case "Div":
					scale[i], shift[i] = scale[i]/c[i], shift[i]/c[i]
				}
			}
			if pad != [4]int64{} && (n.op == "Sub" || n.op == "Add") {
				return nil, pad, bad("ONNX: %v shifts the picture when it has been padded already: want its border to be "+
					"zeros for the convolution", n)
			}
			g.c.Normalisation = &Normalisation{}
		}
	}
	if g.c.Normalisation == nil {
		return n, pad, nil
	}
	unit, of := 1.0, "0…1"
	for i := range scale {
		if !(scale[i] > 1e-9 && scale[i] < 1e9 && shift[i] > -1e9 && shift[i] < 1e9) {
			return nil, pad, bad("ONNX: the input is multiplied by %v and shifted by %v before the first convolution, want "+
				"positive and finite numbers", scale, shift)
		}
		if mean, std := -shift[i]/scale[i], 1/scale[i]; v.kind == onnxUint8 || mean > 1 || std > 1 {
			unit, of = 255, "0…255"
		}
	}
	for i := range scale {
		g.c.Normalisation.Mean[i] = float32(-shift[i] / scale[i] / unit)
		g.c.Normalisation.Std[i] = float32(1 / scale[i] / unit)
	}
	g.c.note("the graph normalises its pictures, of values in %s, itself: mean %v and std %v are taken from it, "+
		"unless -mean and -std give others",
		of, triple(g.c.Normalisation.Mean), triple(g.c.Normalisation.Std))
	return n, pad, nil
}

// triple writes three numbers as the flags take them.
func triple(v [3]float32) string { return fmt.Sprintf("%.5g,%.5g,%.5g", v[0], v[1], v[2]) }

// channelwise is the constant of an operation on pictures: a number for each channel.
func (g *graph) channelwise(n *node, last bool) (v [3]float64, err error) {
	at := 1
	if _, constant := g.inits[n.inputs[0]]; constant && (n.op == "Add" || n.op == "Mul") {
		at = 0
	}
	t, err := g.constant(n, at)
	if err != nil {
		return v, err
	}
	shape := slices.Clone(t.shape)
	if !last && len(shape) >= 3 && shape[len(shape)-2] == 1 && shape[len(shape)-1] == 1 {
		shape = shape[:len(shape)-2]
	} else if !last && t.count() != 1 {
		shape = nil
	}
	if count := t.count(); count != 1 && (count != 3 || len(shape) == 0 || shape[len(shape)-1] != 3) {
		return v, bad("ONNX: %v before the first convolution: want one number or one for each of 3 channels, file has %s",
			n, dims(t.shape))
	}
	list, err := g.numbers(t, 3)
	if err != nil {
		return v, err
	}
	for i := range v {
		v[i] = list[min(i, len(list)-1)]
	}
	return v, nil
}

// note keeps what the user should know.
func (c *Checkpoint) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}
