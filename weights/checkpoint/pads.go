package checkpoint

import (
	"math"
	"slices"

	"resnet-web/resnet"
)

// padded is the one reader of a value, which must do one of ops, behind any Pad nodes, and what those amount to: above,
// left, below, right.
func (g *graph) padded(value string, ops ...string) (n *node, pad [4]int64, err error) {
	if n, err = g.only(value, append(ops, "Pad")...); err != nil {
		return nil, pad, err
	}
	return g.behind(n, ops...)
}

// behind is padded from a reader on.
func (g *graph) behind(n *node, ops ...string) (_ *node, pad [4]int64, err error) {
	for n.op == "Pad" {
		p, err := g.border(n, false)
		if err != nil {
			return nil, pad, err
		}
		for i := range pad {
			pad[i] = min(pad[i]+p[i], maxPad)
		}
		if n, err = g.only(n.outputs[0], append(ops, "Pad")...); err != nil {
			return nil, pad, err
		}
	}
	return n, pad, nil
}

// border is what a Pad node adds above, to the left, below and to the right of maps whose channels are last or not.
func (g *graph) border(n *node, last bool) (pad [4]int64, err error) {
	p, err := g.pads(n)
	if err != nil {
		return pad, err
	}
	rest := slices.Clone(p)
	h := 2
	if last {
		h = 1
	}
	ok := len(p) == 8 && slices.Min(p) >= 0 && slices.Max(p) <= maxPad
	if ok {
		pad = [4]int64{p[h], p[h+1], p[h+4], p[h+5]}
		rest[h], rest[h+1], rest[h+4], rest[h+5] = 0, 0, 0, 0
	}
	if !ok || slices.Max(rest) > 0 {
		return pad, bad("ONNX: %v: padding %v, want height and width alone, by at most %d", n, p, maxPad)
	}
	return pad, nil
}

// picks tells whether n is an average over one pixel, so that its stride alone counts.
func (n *node) picks() bool { return n.op == "AveragePool" && n.same("kernel_shape", 0) == 1 }

// padding follows a shortcut without parameters: rows and columns sliced by 2, then channels padded with zeros.
func (g *graph) padding(n *node) (*node, error) {
	for n.op == "Slice" || n.picks() {
		var err error
		if n.op == "Slice" {
			err = g.slice(n)
		} else if auto := n.attr("auto_pad"); n.same("strides", 1) != 2 || n.same("pads", 0) != 0 ||
			n.int("ceil_mode", 0) != 0 || auto != nil && auto.s != "NOTSET" && auto.s != "VALID" {
			err = bad("ONNX: %v: want stride 2 and no padding, to take every second row and column", n)
		}
		if err != nil {
			return nil, err
		}
		if double := g.doubled(n.outputs[0]); double != nil {
			n = double
			break
		}
		if n, err = g.only(n.outputs[0], "Slice", "Pad"); err != nil {
			return nil, err
		}
	}
	pad := resnet.PadAppend
	if n.op != "Concat" {
		p, err := g.pads(n)
		if err != nil {
			return nil, err
		}
		if len(p) != 8 || p[0]|p[2]|p[3]|p[4]|p[6]|p[7] != 0 || p[1] != 0 && p[1] != (p[1]+p[5])/2 {
			return nil, bad("ONNX: %v: padding %v, want channels alone, all behind or half before", n, p)
		}
		if p[1] != 0 {
			pad = resnet.PadSplit
		}
	}
	w := g.c.wiring
	if w.pad != 0 && w.pad != pad {
		return nil, bad("ONNX: %v pads channels on other sides than the one before", n)
	}
	w.pad = pad
	return g.only(n.outputs[0], "Add", "Sum")
}

// doubled is the node that appends as many channels of zeros to x as it has, as torch.cat((x, x * 0), 1) does; nil where
// there is none.
func (g *graph) doubled(x string) *node {
	for _, n := range g.users[x] {
		if n.op != "Mul" || len(g.users[x]) != 2 || len(n.inputs) != 2 || len(g.users[n.outputs[0]]) != 1 {
			continue
		}
		at := 0
		if n.inputs[0] == x {
			at = 1
		}
		t, err := g.constant(n, at)
		if err != nil || t.count() != 1 || len(t.shape) > 4 {
			continue
		}
		zero, err := g.numbers(t, 1)
		cat := g.users[n.outputs[0]][0]
		if axis := cat.int("axis", 0); err == nil && zero[0] == 0 && cat.op == "Concat" && (axis == 1 || axis == -3) &&
			slices.Equal(cat.inputs, []string{x, n.outputs[0]}) {
			return cat
		}
	}
	return nil
}

// slice checks that a Slice takes every second row and column, or all, from the first to the last.
func (g *graph) slice(n *node) error {
	var lists [4][]int64
	for i, name := range []string{"starts", "ends", "axes", "steps"} {
		optional := i >= 2 && n.attr(name) == nil && (i+1 >= len(n.inputs) || n.inputs[i+1] == "")
		if optional {
			continue
		}
		var err error
		if lists[i], err = g.integers(n, name, i+1); err != nil {
			return err
		}
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if len(ends) != len(starts) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return bad("ONNX: %v: starts %v, ends %v, axes %v, steps %v, want as many of each", n, starts, ends, axes, steps)
	}
	for i := range starts {
		axis, step := int64(i), int64(1)
		if axes != nil {
			axis = axes[i]
		}
		if steps != nil {
			step = steps[i]
		}
		end := int64(math.MaxInt32) // more than any map's side
		if size := []int64{0, 0, g.h, g.w}[axis&3]; size > 0 {
			end = (size + int64(g.stride) - 1) / int64(g.stride)
		}
		if axis < -4 || axis > 3 || starts[i] != 0 || ends[i] < end || step != 1 && (step != 2 || axis&3 < 2) {
			return bad("ONNX: %v: starts %v, ends %v, axes %v, steps %v, want every second row and column from the first "+
				"to the last", n, starts, ends, axes, steps)
		}
	}
	return nil
}

// pads are the amounts of a Pad node: before each of N, C, H, W, then behind, of zeros. Where they are not constant they
// are what torch.onnx.export makes of F.pad: a constant in F.pad's order (before and behind W, H, C), filled up with
// zeros, reversed and transposed by a fixed chain of nodes.
func (g *graph) pads(n *node) ([]int64, error) {
	if a := n.attr("mode"); a != nil && a.s != "constant" {
		return nil, bad("ONNX: %v: mode %q, want zeros; anti-aliased ResNets, whose blurs have such borders, cannot be "+
			"taken, %s", n, a.s, instead)
	}
	if err := g.zero(n); err != nil {
		return nil, err
	}
	if len(n.inputs) > 1 && g.made[n.inputs[1]] != nil {
		chain := g.made[n.inputs[1]]
		for _, op := range []string{"Cast", "Reshape", "Transpose", "Slice", "Reshape", "Concat"} {
			if chain == nil || chain.op != op || len(chain.inputs) == 0 {
				return nil, bad("ONNX: want constant paddings for %v, file computes them", n)
			}
			if op == "Concat" {
				break
			}
			chain = g.made[chain.inputs[0]]
		}
		list, err := g.integers(chain, "", 0)
		if err != nil || len(list)%2 != 0 || len(list) > 8 {
			return nil, bad("ONNX: want up to 8 paddings for %v, file has %v", n, list)
		}
		all := make([]int64, 8)
		for i := range len(list) / 2 {
			all[3-i], all[7-i] = list[2*i], list[2*i+1]
		}
		return all, nil
	}
	p, err := g.integers(n, "pads", 1)
	if err != nil || len(n.inputs) < 4 || n.inputs[3] == "" {
		return p, err
	}
	axes, err := g.integers(n, "axes", 3)
	if err != nil {
		return nil, err
	}
	all := make([]int64, 8)
	for i, axis := range axes {
		if axis < -4 || axis > 3 || len(p) != 2*len(axes) {
			return nil, bad("ONNX: %v: paddings %v of axes %v", n, p, axes)
		}
		all[axis&3], all[4+axis&3] = p[i], p[len(axes)+i]
	}
	return all, nil
}

// zero checks that a Pad node pads with zeros; before a max-pool of values that are not negative, less is the same.
func (g *graph) zero(n *node) error {
	v := 0.0
	if a := n.attr("value"); a != nil {
		v = a.f
	}
	if len(n.inputs) > 2 && n.inputs[2] != "" {
		t, err := g.constant(n, 2)
		if err != nil {
			return err
		}
		list, err := g.numbers(t, 1)
		if err != nil {
			return err
		}
		v = list[0]
	}
	users := g.users[n.outputs[0]]
	if len(users) == 1 && users[0].op == "MaxPool" && v < 0 {
		return nil
	}
	if v != 0 {
		return bad("ONNX: %v pads with %v, want zeros", n, v)
	}
	return nil
}
