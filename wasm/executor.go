//go:build js

package main

import (
	"syscall/js"

	"resnet-web/engine"
)

// settings are what open is given to choose an executor by.
type settings struct {
	simd           string   // auto, relaxed, fixed, none
	relaxed, fixed bool     // what the browser has
	threads        int      // 0: auto
	spawn          js.Value // see engine.BrowserOptions; undefined without kernel.js
}

func readSettings(v js.Value) settings {
	o := settings{simd: v.Get("simd").String(), relaxed: v.Get("relaxed").Bool(), fixed: v.Get("fixed").Bool(), spawn: v.Get("spawn")}
	if t := v.Get("threads"); t.Type() == js.TypeNumber {
		o.threads = t.Int()
	}
	return o
}

// maxThreads is more than a network of this size can use.
const maxThreads = 32

// open makes the executor and says which SIMD and how many threads it uses.
func (o settings) open(p *engine.Program) (e engine.Executor, simd string, threads int, err error) {
	simd = o.simd
	if simd == "auto" {
		simd = o.fastest()
	}
	if simd == "none" {
		e, err := engine.Reference(p)
		return e, simd, 1, err
	}
	if threads = min(o.threads, maxThreads); threads == 0 {
		// Of many logical cores half are taken to be a second thread of the other half, which does not help here.
		cores := js.Global().Get("navigator").Get("hardwareConcurrency").Int()
		threads = min(cores, max(4, cores/2), 8)
	}
	options := engine.BrowserOptions{SIMD: engine.SIMD(simd), Threads: threads}
	if o.spawn.Truthy() {
		options.Spawn = func(module, memory js.Value) { o.spawn.Invoke(module, memory) }
	}
	b, err := engine.Browser(p, options)
	if err != nil {
		return nil, "", 0, err
	}
	// The machine has its own copy of the weights. Go's memory never shrinks, but what is free in it serves pictures.
	for i := range p.Ops {
		p.Ops[i].W = nil
	}
	return b, simd, b.Threads(), nil
}

// fastest is the SIMD to use. The relaxed dot product is the faster one by far where the CPU has it (AVX-VNNI, ARM's
// dot product), and the slower one where the browser must put it together, so both are timed.
func (o settings) fastest() string {
	switch {
	case !o.fixed:
		return "none"
	case !o.relaxed:
		return "fixed"
	}
	p := probe()
	relaxed, err := engine.Browser(p, engine.BrowserOptions{SIMD: engine.Relaxed, Threads: 1})
	if err != nil {
		return "fixed"
	}
	defer relaxed.Close()
	fixed, err := engine.Browser(p, engine.BrowserOptions{SIMD: engine.Fixed, Threads: 1})
	if err != nil {
		return "relaxed"
	}
	defer fixed.Close()
	// Browsers optimise while the code runs, so the first windows do not count. A busy machine may slow down either one
	// for a while: fixed must be clearly faster every time.
	runsPerMillisecond(relaxed, p)
	runsPerMillisecond(fixed, p)
	for range 3 {
		if runsPerMillisecond(fixed, p) < 1.15*runsPerMillisecond(relaxed, p) {
			return "relaxed"
		}
	}
	return "fixed"
}

// probe is a small network of the convolutions that take most of the time.
func probe() *engine.Program {
	const channels, classes = 64, 8
	var b engine.Builder
	scales := make([]float32, channels)
	x := b.Image(32, 3, [3]byte{})
	x, _ = b.Conv(engine.ConvSpec{Name: "stem", In: x, Channels: channels, Kernel: 7, Stride: 2, Rows: true, Out: true,
		W: make([]int8, channels*7*7*4), M: scales, B: scales})
	for range 2 {
		x, _ = b.Conv(engine.ConvSpec{Name: "conv", In: x, Channels: channels, Kernel: 3, Stride: 1, Pad: 1, Out: true,
			W: make([]int8, channels*9*channels), M: scales, B: scales})
	}
	f := b.AvgPool("avgpool", x, 1)
	return b.Program(x, f, b.Linear("fc", f, make([]int8, classes*channels), classes, channels, scales[:classes], scales[:classes]))
}

// runsPerMillisecond repeats p for a window of time that coarse clocks can tell.
func runsPerMillisecond(e engine.Executor, p *engine.Program) float64 {
	const window = 4
	picture := make([]byte, p.Input.Bytes())
	start := now()
	for n := 1; ; n++ {
		if e.Run(picture) != nil {
			return 0
		}
		if t := now() - start; t >= window {
			return float64(n) / t
		}
	}
}
