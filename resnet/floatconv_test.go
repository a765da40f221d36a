package resnet

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// kernels are those that this CPU runs, beside the one in Go.
var kernels = map[string]func(*[rows][tile]float32, []float32, [][tile]float32, []float32, bool){"Go": mul8x16Go, "chosen": mul8x16}

// TestKernels holds each kernel against the one in Go, bit for bit, with canaries around the sums.
func TestKernels(t *testing.T) {
	r := rng{3}
	for name, kernel := range kernels {
		for _, n := range []int{0, 1, 2, 3, 4, 27, 147, 576, 4608} {
			for _, relu := range []bool{false, true} {
				w, bias, flat := make([]float32, rows*n), make([]float32, rows), make([]float32, tile*n)
				r.fill(w, 1)
				r.fill(bias, 1)
				r.fill(flat, 10)
				panel := make([][tile]float32, n)
				for k := range panel {
					panel[k] = [tile]float32(flat[tile*k:])
				}
				var got, want struct{ before, sums, after [rows][tile]float32 }
				for i := range got.before {
					for j := range got.before[i] {
						got.before[i][j], got.sums[i][j], got.after[i][j] = 7, float32(i-j), 7
					}
				}
				if n > 2 { // a network that overflows: the ReLU makes NaN zero
					bias[1], bias[6] = float32(math.NaN()), float32(math.Inf(-1))
					panel[1][3] = float32(math.Inf(1))
				}
				want = got
				kernel(&got.sums, w, panel, bias, relu)
				mul8x16Go(&want.sums, w, panel, bias, relu)
				for i := range want.sums {
					for j, v := range want.sums[i] {
						if x := got.sums[i][j]; math.Float32bits(x) != math.Float32bits(v) && (x == x || v == v) {
							t.Fatalf("%s, %d products, relu %v: output %d, pixel %d: want %v, got %v", name, n, relu, i, j, v, x)
						}
					}
				}
				if got.before != want.before || got.after != want.after {
					t.Fatalf("%s, %d products: it wrote beside the sums", name, n)
				}
			}
		}
	}
}

// TestFloatConv holds the convolution against its definition, bit for bit: every window of the family, sides that end
// within a panel, few outputs, and the ways in which the work is split.
func TestFloatConv(t *testing.T) {
	r := rng{5}
	for _, v := range []struct{ in, out, kernel, stride, pad, n int }{
		{3, 64, 7, 2, 3, 37}, {3, 16, 3, 1, 1, 32}, {5, 8, 3, 1, 1, 7}, {5, 9, 3, 2, 1, 14}, {5, 23, 3, 2, 1, 7}, {4, 3, 3, 1, 1, 1},
		{4, 17, 1, 1, 0, 1}, {9, 8, 1, 1, 0, 4}, {9, 12, 1, 1, 0, 15}, {9, 12, 1, 2, 0, 15}, {9, 12, 1, 2, 0, 8}, {2, 1, 3, 1, 1, 2},
		{3, 10, 5, 3, 2, 20}, {3, 10, 3, 3, 0, 20}, {300, 30, 3, 1, 1, 9},
	} {
		c := FloatConv{Conv: Conv{In: v.in, Out: v.out, Kernel: v.kernel, Stride: v.stride, Pad: v.pad}}
		side, taps := c.OutSize(v.n), v.kernel*v.kernel
		c.W, c.B = make([]float32, c.Out*c.In*taps), make([]float32, c.Out)
		src, shortcut := getFloats(c.In*v.n*v.n), make([]float32, c.Out*side*side)
		for _, list := range [][]float32{c.W, c.B, *src, shortcut} {
			r.fill(list, 1)
		}
		for _, mode := range []struct {
			add  []float32
			relu bool
		}{{nil, false}, {nil, true}, {shortcut, true}} {
			want := make([]float32, len(shortcut))
			for i := range want {
				o, y, x := i/(side*side), i/side%side, i%side
				var sum float32
				for k := range c.In * taps {
					iy, ix := y*v.stride-v.pad+k%taps/v.kernel, x*v.stride-v.pad+k%v.kernel
					if iy >= 0 && iy < v.n && ix >= 0 && ix < v.n {
						sum += float32(c.W[o*c.In*taps+k] * (*src)[(k/taps*v.n+iy)*v.n+ix])
					}
				}
				want[i] = sum + c.B[o]
				if mode.add != nil {
					want[i] += mode.add[i]
				}
				if mode.relu {
					want[i] = max(0, want[i])
				}
			}
			for _, calls := range []int32{1, 8} {
				for _, from := range [][]float32{*src, slices.Clip(slices.Clone(*src))} {
					got := make([]float32, len(want)+2)
					got[0], got[len(got)-1] = 7, 7
					running.Add(calls)
					c.run(got[1:len(got)-1], from, v.n, mode.add, mode.relu)
					running.Add(-calls)
					if got[0] != 7 || got[len(got)-1] != 7 || !slices.Equal(got[1:len(got)-1], want) {
						t.Fatalf("%+v, shortcut %v, ReLU %v, %d calls: not the values of the definition", v, mode.add != nil, mode.relu, calls)
					}
				}
			}
		}
	}
}

// BenchmarkFloatConv runs each kind of convolution that ResNet-50 has on one core, and the register tile of each kernel
// with all it reads in the cache.
func BenchmarkFloatConv(b *testing.B) {
	for name, kernel := range kernels {
		b.Run(name, func(b *testing.B) {
			const n = 256
			var sums [rows][tile]float32
			w, panel, bias := make([]float32, rows*n), make([][tile]float32, n), make([]float32, rows)
			for b.Loop() {
				kernel(&sums, w, panel, bias, true)
			}
			b.ReportMetric(float64(rows*tile*n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
	for _, v := range []struct{ in, out, kernel, stride, n int }{
		{3, 64, 7, 2, 224}, {64, 64, 1, 1, 56}, {64, 64, 3, 1, 56}, {64, 256, 1, 1, 56}, {128, 128, 3, 2, 56}, {256, 512, 1, 2, 56},
		{128, 128, 3, 1, 28}, {256, 256, 3, 1, 14}, {1024, 256, 1, 1, 14}, {512, 512, 3, 1, 7}, {512, 2048, 1, 1, 7},
	} {
		c := FloatConv{Conv: Conv{In: v.in, Out: v.out, Kernel: v.kernel, Stride: v.stride, Pad: v.kernel / 2}}
		side := c.OutSize(v.n)
		c.W, c.B = make([]float32, c.Out*c.In*c.Kernel*c.Kernel), make([]float32, c.Out)
		src, dst := getFloats(c.In*v.n*v.n), make([]float32, c.Out*side*side)
		r := rng{1}
		r.fill(*src, 1)
		r.fill(c.W, 1)
		b.Run(fmt.Sprintf("%d→%d,%d×%d,stride%d,%d", v.in, v.out, v.kernel, v.kernel, v.stride, v.n), func(b *testing.B) {
			running.Add(100) // other calls use the other cores
			defer running.Add(-100)
			for b.Loop() {
				c.run(dst, *src, v.n, nil, true)
			}
			b.ReportMetric(float64(len(c.W)*side*side)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
