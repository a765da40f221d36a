package engine

import "syscall/js"

// Fastest times the dot products of both machines on a small convolution and returns the one to use where the browser
// supports both. Relaxed wins by far on CPUs that have the instruction (VNNI, Arm's SDOT); elsewhere browsers put it
// together from several, and fixed may be faster. Fixed is chosen only where it is at least 1.2 times as fast: its
// weights take twice the memory.
//
// # Notes
//
// It takes at most about 30 ms. Engines start a function unoptimised and replace it between calls, so both machines take
// turns until both have become much faster than they began, or time is up; both in the end or neither, or else relaxed
// is taken. Fixed must win three rounds in a row, because a busy machine may slow down either for a while. Clocks may be
// as coarse as 1 ms (Firefox), so a turn is several.
func Fastest() SIMD {
	const advantage, optimised, turn, limit = 1.2, 2.0, 3.0, 27.0
	p := probe()
	var first, best [2]float64 // calls per millisecond
	var machines [2]*BrowserExecutor
	for i, s := range []SIMD{Relaxed, Fixed} {
		e, err := Browser(p, BrowserOptions{SIMD: s, Threads: 1})
		if err != nil {
			return []SIMD{Fixed, Relaxed}[i]
		}
		defer e.Close()
		machines[i] = e
	}
	grown := func(i int) bool { return best[i] > optimised*first[i] }
	settled, won := 0, 0
	for begin := now(); now()-begin < limit && settled < 3; {
		var speed [2]float64
		for i, e := range machines {
			start, n := now(), 0
			for now()-start < turn {
				if e.RunOp(1) != nil {
					return Relaxed
				}
				n++
			}
			speed[i] = float64(n) / (now() - start)
			if first[i] == 0 {
				first[i] = speed[i]
			}
			best[i] = max(best[i], speed[i])
		}
		if won++; speed[1] < advantage*speed[0] {
			won = 0
		}
		if grown(0) && grown(1) {
			settled++
		}
	}
	if won >= 3 && grown(0) == grown(1) {
		return Fixed
	}
	return Relaxed
}

func now() float64 { return js.Global().Get("performance").Call("now").Float() }

// probe is a program whose op 1 is a 3×3 convolution of 64 channels on 7×7 pixels, the inner loop of every ResNet:
// 1.8 million multiply-adds, long enough to drown the call and short enough to be called a hundred times.
func probe() *Program {
	var b Builder
	conv := func(in Tensor, channels, kernel int) Tensor {
		c, image := in.C, in.C == 4
		out, _ := b.Conv(ConvSpec{Name: "probe", In: in, Channels: channels, Kernel: kernel, Stride: 1, Pad: kernel / 2, Rows: image,
			W: make([]int8, PackedSize(channels, c, kernel, image)), M: make([]float32, channels), B: make([]float32, channels), Out: true})
		return out
	}
	x := conv(conv(b.Image(7, 0, [3]byte{}), 64, 1), 64, 3)
	f := b.AvgPool("avgpool", x, 1)
	return b.Program(x, f, b.Linear(LinearSpec{Name: "fc", In: f, Rows: 1, Columns: 64, W: make([]int8, 64),
		Scale: make([]float32, 1), B: make([]float32, 1)}))
}
