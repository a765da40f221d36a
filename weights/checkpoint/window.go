package checkpoint

import (
	"fmt"
	"slices"
)

// window is how a convolution or a max-pool goes over its map, where it is not simply padded by half its kernel on all
// sides. Our networks are, so it can be taken only for maps on which both are the same.
type window struct {
	node           *node
	layer          string
	kernel, stride int64
	pad            [4]int64 // of Pad nodes before it: above, left, below, right
	own            [4]int64 // its attribute pads
	auto           string   // its attribute auto_pad
	ceil           bool     // its attribute ceil_mode
	at             int      // the stride of all layers before it
}

// window checks how n, of a square kernel and behind Pad nodes that amount to pad, goes over its map.
func (g *graph) window(n *node, layer string, kernel int, pad [4]int64, at int) error {
	w := window{node: n, layer: layer, kernel: int64(kernel), stride: n.same("strides", 1), pad: pad, auto: "NOTSET",
		ceil: n.int("ceil_mode", 0) != 0, at: at}
	if a := n.attr("auto_pad"); a != nil {
		w.auto = a.s
	}
	if a := n.attr("pads"); a != nil && len(a.ints) > 0 {
		if len(a.ints) != 4 || slices.Min(a.ints) < 0 || slices.Max(a.ints) > maxPad {
			return bad("%s: %v: pads %v, want 4 of at most %d", layer, n, a.ints, maxPad)
		}
		w.own = [4]int64(a.ints)
	}
	if !slices.Contains([]string{"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}, w.auto) || w.auto != "NOTSET" &&
		w.own != [4]int64{} {
		return bad("%s: %v: auto_pad %q with pads %v, want one of the two", layer, n, w.auto, w.own)
	}
	if w.stride != 1 && w.stride != 2 {
		return bad("%s: %v: want stride 1 or 2, file has %v", layer, n, n.ints("strides"))
	}
	if w.kernel < 1 || w.kernel > maxPad || n.same("dilations", 1) != 1 {
		return bad("%s: %v: kernel %d, dilations %v, want none; export a network without them", layer, n, kernel,
			n.ints("dilations"))
	}
	// For maps larger than the kernel it depends on nothing but whether their sides are even.
	even, odd := w.fits(1000, 1000), w.fits(1001, 1001)
	if !even && !odd {
		return bad("%s: %v: want it padded by half its kernel, %d on each side, file has %s; a network that is padded "+
			"otherwise "+
			"(TensorFlow's SAME, Caffe) computes other numbers and cannot be taken", layer, n, kernel/2, w.padding())
	}
	if !even || !odd {
		g.c.wiring.windows = append(g.c.wiring.windows, w)
	}
	return nil
}

// maxPad is more than any layer of a ResNet has; it keeps sums of such numbers small.
const maxPad = 1 << 10

// fits tells whether a map of h×w is gone over as with half the kernel on all sides: what is to the right of the last
// step and below it does not matter.
func (w window) fits(h, width int64) bool {
	for axis, n := range []int64{h, width} {
		before, after, size := w.own[axis], w.own[axis+2], n+w.pad[axis]+w.pad[axis+2]
		if w.auto == "SAME_UPPER" || w.auto == "SAME_LOWER" {
			steps := (size + w.stride - 1) / w.stride
			all := max((steps-1)*w.stride+w.kernel-size, 0)
			if before, after = all/2, all-all/2; w.auto == "SAME_LOWER" {
				before, after = after, before
			}
		}
		span := size + before + after - w.kernel
		steps := span/w.stride + 1
		if w.ceil && span%w.stride != 0 && steps*w.stride < size+before { // no step begins in the padding behind
			steps++
		}
		half := w.kernel / 2
		if span < 0 || w.pad[axis]+before != half || steps != (n+2*half-w.kernel)/w.stride+1 {
			return false
		}
	}
	return true
}

// padding says in words how the window is padded.
func (w window) padding() string {
	s := "auto_pad " + w.auto
	if w.auto == "NOTSET" {
		s = fmt.Sprint("pads ", w.own)
	}
	if w.pad != [4]int64{} {
		s += fmt.Sprint(" after a Pad by ", w.pad)
	}
	if w.ceil {
		s += " and ceil_mode"
	}
	return s
}

// Fits reports whether the network computes for side×side pixels what its file says. Only an ONNX graph with unequal
// paddings depends on it: TensorFlow's SAME, for one, is the padding of our networks where a map's side is odd and
// another one where it is even.
//
// # Errors
//
// ErrFormat, wrapped, which names the layer.
func (c *Checkpoint) Fits(side int) error {
	if c.wiring == nil {
		return nil
	}
	return c.wiring.fits(int64(side), int64(side))
}

func (w *wiring) fits(h, width int64) error {
	for _, x := range w.windows {
		at := int64(x.at)
		if !x.fits((h+at-1)/at, (width+at-1)/at) {
			return bad("%s: %v: for an input of %d×%d, %s is not what we compute, %d on each side; take a size for which "+
				"its map has %s sides, or a network trained with equal padding",
				x.layer, x.node, h, width, x.padding(), x.kernel/2, x.parity())
		}
	}
	return nil
}

// parity says for which maps the window fits.
func (w window) parity() string {
	if w.fits(1000, 1000) {
		return "even"
	}
	return "odd"
}
