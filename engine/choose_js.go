package engine

import (
	"math"
	"syscall/js"
)

// Limits of Fastest: both machines together are timed for at most chooseTime milliseconds, and fixed must be worth its
// twice as large weights.
const (
	chooseTime = 30.0
	advantage  = 1.2
)

// Fastest times the dot products of both machines on a small convolution and returns the one to use where both are
// supported. Relaxed wins on CPUs with a dot product of bytes (VNNI, Arm's SDOT); elsewhere browsers put it together
// from several instructions, and fixed may be faster: it is chosen where it is at least 1.2 times as fast.
//
// # Notes
//
// It takes at most about 30 ms. Engines start a function unoptimised and replace it between calls, so each machine runs
// many short calls and its best one counts.
func Fastest() SIMD {
	machines := map[SIMD]*BrowserExecutor{}
	best := map[SIMD]float64{}
	p := probe()
	image := make([]byte, p.Input.Bytes())
	for _, s := range []SIMD{Relaxed, Fixed} {
		e, err := Browser(p, BrowserOptions{SIMD: s, Threads: 1})
		if err != nil {
			return map[SIMD]SIMD{Relaxed: Fixed, Fixed: Relaxed}[s]
		}
		defer e.Close()
		if err := e.Run(image); err != nil {
			return map[SIMD]SIMD{Relaxed: Fixed, Fixed: Relaxed}[s]
		}
		machines[s], best[s] = e, math.Inf(1)
	}
	now := func() float64 { return js.Global().Get("performance").Call("now").Float() }
	for start, rounds := now(), 0; now()-start < chooseTime; rounds++ {
		for s, e := range machines {
			// Clocks may be as coarse as 1 ms (Firefox) or 0.1 ms: time a run of calls, not one.
			t, n := now(), 0
			for now()-t < 2 {
				e.RunOp(1)
				n++
			}
			best[s] = min(best[s], (now()-t)/float64(n))
		}
	}
	if best[Relaxed] >= advantage*best[Fixed] {
		return Fixed
	}
	return Relaxed
}

// probe is a program with one 3×3 convolution of 64 channels on 7×7 pixels, the inner loop of every ResNet: 1.8 million
// multiply-adds, long enough to drown the call and short enough to be called hundreds of times.
func probe() *Program {
	var b Builder
	conv := func(in Tensor, channels, kernel int) Tensor {
		c := in.C
		out, _ := b.Conv(ConvSpec{Name: "probe", In: in, Channels: channels, Kernel: kernel, Stride: 1, Pad: kernel / 2,
			Rows: c == 4, W: make([]int8, PackedSize(channels, c, kernel, c == 4)), M: make([]float32, channels), B: make([]float32, channels), Out: true})
		return out
	}
	x := conv(conv(b.Image(7, 0, [3]byte{}), 64, 1), 64, 3)
	f := b.AvgPool("avgpool", x, 1)
	return b.Program(x, f, b.Linear("fc", f, make([]int8, 64), 1, 64, make([]float32, 1), make([]float32, 1)))
}
