package engine

import (
	"flag"
	"fmt"
	"math"
	"strings"
	"testing"

	"resnet-web/engine/kernels"
)

var (
	sweep     = flag.Bool("sweep", false, "time every tile and unrolling on the shapes of ResNet-50 and print GMAC/s")
	sweepOnly = flag.String("sweeponly", "", "only the shapes whose name contains this")
	sweepTime = flag.Float64("sweeptime", 60, "ms per configuration")
)

// sweepShapes are the distinct convolutions of ResNet-50 at 224×224.
var sweepShapes = []shape{
	{224, 3, 64, 7, 2, true, 0, 0},
	{56, 64, 64, 1, 1, false, 0, 0}, {56, 64, 64, 3, 1, false, 0, 0}, {56, 64, 256, 1, 1, false, 1, 1}, {56, 64, 256, 1, 1, false, 0, 2}, {56, 256, 64, 1, 1, false, 0, 0},
	{56, 256, 128, 1, 1, false, 0, 0}, {56, 128, 128, 3, 2, false, 0, 0}, {28, 128, 512, 1, 1, false, 1, 1}, {56, 256, 512, 1, 2, false, 0, 2}, {28, 512, 128, 1, 1, false, 0, 0}, {28, 128, 128, 3, 1, false, 0, 0},
	{28, 256, 256, 3, 2, false, 0, 0}, {14, 256, 1024, 1, 1, false, 1, 1}, {14, 1024, 256, 1, 1, false, 0, 0}, {14, 256, 256, 3, 1, false, 0, 0},
	{14, 512, 512, 3, 2, false, 0, 0}, {7, 512, 2048, 1, 1, false, 1, 1}, {7, 2048, 512, 1, 1, false, 0, 0}, {7, 512, 512, 3, 1, false, 0, 0},
}

// TestSweep prints; it fails only if something cannot run. The best of many short runs counts, so that a busy machine
// disturbs little.
func TestSweep(t *testing.T) {
	if !*sweep {
		t.Skip("needs -sweep")
	}
	for _, simd := range []SIMD{Relaxed, Fixed} {
		for _, s := range sweepShapes {
			if !strings.Contains(s.String(), *sweepOnly) {
				continue
			}
			p := s.program(2)
			op := -1
			for i := range p.Ops {
				if p.Ops[i].Name == "conv" {
					op = i
				}
			}
			g := p.Ops[op].output()
			macs := float64(g.H*g.W*g.C) * float64(s.in*s.kernel*s.kernel)
			line := fmt.Sprintf("%-8s %-45v", simd, s)
			for tile := 3; tile <= 6; tile++ {
				for _, chunk := range []int{4, 8, 16, 32, 64, 1 << 20} {
					unroll := 4
					if simd == Fixed && (chunk > 64) || p.Ops[op].Run()/4%unroll != 0 {
						continue
					}
					e, err := Browser(p, BrowserOptions{SIMD: simd, Threads: 1, choose: func(o *Op, relaxed bool, threads int) choice {
						c := choose(o, relaxed, threads)
						if g := o.output(); o.Name == "conv" && g.H*g.W >= tile {
							c.Kernel = kernels.Kernel{Pixels: tile, Unroll: unroll, Residual: c.Residual, Output: c.Output, Bounded: true}
							c.chunk = chunk
						}
						return c
					}})
					if err != nil {
						t.Fatal(err)
					}
					best := math.Inf(1)
					for start := now(); now()-start < *sweepTime; {
						t := now()
						e.RunOp(op)
						best = min(best, now()-t)
					}
					line += fmt.Sprintf("  %d/%d:%3.0f", tile, chunk, macs/best/1e6)
					e.Close()
				}
			}
			t.Log(line)
		}
	}
}
