package resnet

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// The convolution of the float network is a matrix product, 8 outputs by 16 pixels at a time. The order of each sum is
// fixed, one product after the other, each product and each sum rounded: how the work is split changes no bit of it, and
// neither does the CPU, as the kernels of amd64 are written for the same order.

// rows × tile is the register tile: outputs by pixels.
const rows, tile = 8, 16

// panelBytes bounds the panels that share a pass over the weights: a part of the second-level cache.
const panelBytes = 1 << 20

// running counts the calls of Forward in progress.
var running atomic.Int32

// scratch is what one goroutine works with in a convolution.
type scratch struct {
	sums  [rows][tile]float32
	panel [][tile]float32
}

var scratches sync.Pool // of *scratch

// span is a run of a panel's pixels that lie side by side in the output: from to end−1 of the panel, to dst and on.
type span struct{ from, end, dst int }

// layout says where a convolution finds its inputs. They lie in planes of the input's rows with the padding around them;
// for a stride s, s·s planes for each channel, which hold every s-th pixel of every s-th row. In such a plane the inputs
// that one weight meets lie side by side for a whole row of outputs, so that 16 pixels are one copy. Rows follow each
// other at a distance of wide, so the pixels of a panel are counted in rows of that length, too; what lies past the end
// of an output's row is computed in vain.
type layout struct {
	wide    int   // of a row
	step    int   // from one channel to the next
	offsets []int // of each tap
}

func (c *FloatConv) layout(n int) layout {
	s := c.Stride
	l := layout{wide: (n + 2*c.Pad + s - 1) / s, offsets: make([]int, 0, 64)}
	phases := min(s, c.Kernel)
	for y := range c.Kernel {
		for x := range c.Kernel {
			phase := y%s*phases + x%s
			l.offsets = append(l.offsets, (phase*l.wide+y/s)*l.wide+x/s)
		}
	}
	l.step = phases * phases * l.wide * l.wide
	return l
}

// lay writes src, In planes of n×n, into dst in the order of l, with zeros for the padding and at the end.
func (c *FloatConv) lay(dst, src []float32, n int, l layout) {
	clear(dst)
	s, phases := c.Stride, min(c.Stride, c.Kernel)
	for i := range c.In {
		for y := range n {
			row, at := src[(i*n+y)*n:(i*n+y+1)*n], y+c.Pad
			if at%s >= phases {
				continue
			}
			for p := range phases {
				// The first x of this phase that lies in the row, and its place.
				first := ((p-c.Pad)%s + s) % s
				to := dst[i*l.step+((at%s*phases+p)*l.wide+at/s)*l.wide+(first+c.Pad)/s:]
				if s == 1 {
					copy(to, row)
					continue
				}
				for x, k := first, 0; x < n; x, k = x+s, k+1 {
					to[k] = row[x]
				}
			}
		}
	}
}

// run convolves src, In planes of n×n, into dst. It adds the bias and, unless it is nil, add; then it applies the ReLU if
// relu is set.
func (c *FloatConv) run(dst, src []float32, n int, add []float32, relu bool) {
	side, l := c.OutSize(n), c.layout(n)
	if c.Stride == 1 && c.Pad == 0 && cap(src) >= len(src)+tile {
		src = src[:len(src)+tile] // laid out as it is
	} else {
		laid := getFloats(c.In*l.step + tile)
		defer floats.Put(laid)
		c.lay(*laid, src, n, l)
		src = *laid
	}
	w, b := c.W, c.B
	k := c.In * c.Kernel * c.Kernel
	if c.Out < rows {
		w, b = append(make([]float32, 0, rows*k), w...)[:rows*k], append(make([]float32, 0, rows), b...)[:rows]
	}
	count := ((side-1)*l.wide + side + tile - 1) / tile
	// Two tasks for each core that no other call uses, or more where their panels would not fit into the cache.
	cores := max(1, runtime.GOMAXPROCS(0)/max(1, int(running.Load())))
	tasks := count / max(1, panelBytes/(4*tile*k))
	if cores > 1 {
		tasks = max(tasks, min(count, 2*cores))
	}
	tasks = max(1, tasks)
	each(tasks, cores, func(task int) {
		c.panels(dst, src, w, b, add, relu, side, l, task*count/tasks, (task+1)*count/tasks)
	})
}

// panels computes the panels first to end−1.
func (c *FloatConv) panels(dst, src, w, b, add []float32, relu bool, side int, l layout, first, end int) {
	k, pixels := c.In*c.Kernel*c.Kernel, side*side
	buf, _ := scratches.Get().(*scratch)
	if buf == nil {
		buf = new(scratch)
	}
	defer scratches.Put(buf)
	if cap(buf.panel) < (end-first)*k {
		buf.panel = make([][tile]float32, (end-first)*k)
	}
	for p := first; p < end; p++ {
		gather(buf.panel[(p-first)*k:(p-first+1)*k], src[tile*p:], c.In, l)
	}
	var places [tile]span
	sums := &buf.sums
	for o := 0; o < c.Out; o += rows {
		// The last rows overlap those before them instead of ending past the last output.
		o := max(0, min(o, c.Out-rows))
		for p := first; p < end; p++ {
			spans := l.spans(places[:0], tile*p, side)
			whole := spans[0].end-spans[0].from == tile
			if add != nil {
				for r := range min(rows, c.Out) {
					from, to := add[(o+r)*pixels:(o+r+1)*pixels], &sums[r]
					if whole {
						*to = [tile]float32(from[spans[0].dst:])
						continue
					}
					for _, s := range spans {
						copy(to[s.from:s.end], from[s.dst:])
					}
				}
			} else {
				*sums = [rows][tile]float32{}
			}
			mul8x16(sums, w[o*k:(o+rows)*k], buf.panel[(p-first)*k:(p-first+1)*k], b[o:o+rows], relu)
			for r := range min(rows, c.Out) {
				from, to := &sums[r], dst[(o+r)*pixels:(o+r+1)*pixels]
				if whole {
					*(*[tile]float32)(to[spans[0].dst:]) = *from
					continue
				}
				for _, s := range spans {
					copy(to[s.dst:], from[s.from:s.end])
				}
			}
		}
	}
}

// spans appends where the pixels of the panel that begins at p belong in an output of side×side.
func (l layout) spans(list []span, p, side int) []span {
	for j := 0; j < tile; {
		y, x := (p+j)/l.wide, (p+j)%l.wide
		if y >= side {
			break
		}
		if x < side {
			end := min(tile, j+side-x)
			list = append(list, span{j, end, y*side + x})
		}
		j += l.wide - x
	}
	return list
}

// gather fills panel with the inputs of 16 pixels: src begins with what the first tap of the first channel reads.
func gather(panel [][tile]float32, src []float32, in int, l layout) {
	if len(l.offsets) == 1 {
		for i := range panel {
			panel[i] = [tile]float32(src[i*l.step:])
		}
		return
	}
	k := 0
	for i := range in {
		plane := src[i*l.step:]
		for _, at := range l.offsets {
			panel[k] = [tile]float32(plane[at:])
			k++
		}
	}
}

// each calls f for 0 … n−1 in so many goroutines.
func each(n, workers int, f func(i int)) {
	if workers = min(workers, n); workers <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// mul8x16Go multiplies eight rows of weights, which lie one after the other, with a panel, each sum in the panel's order.
// To each it adds the bias of its row, then what stands in sums, applies the ReLU if relu is set, and leaves it there.
func mul8x16Go(sums *[rows][tile]float32, w []float32, panel [][tile]float32, bias []float32, relu bool) {
	n := len(panel)
	for r := range sums {
		w := w[r*n : (r+1)*n]
		for half := 0; half < tile; half += 8 {
			var a0, a1, a2, a3, a4, a5, a6, a7 float32
			for k, v := range w {
				x := (*[8]float32)(panel[k][half:])
				a0 += float32(v * x[0])
				a1 += float32(v * x[1])
				a2 += float32(v * x[2])
				a3 += float32(v * x[3])
				a4 += float32(v * x[4])
				a5 += float32(v * x[5])
				a6 += float32(v * x[6])
				a7 += float32(v * x[7])
			}
			for j, a := range [8]float32{a0, a1, a2, a3, a4, a5, a6, a7} {
				v := a + bias[r] + sums[r][half+j]
				if relu && !(v > 0) {
					v = 0
				}
				sums[r][half+j] = v
			}
		}
	}
}
