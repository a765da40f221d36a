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

// open makes the executor, after auto has become one of the others, and says how many threads it uses.
func (o settings) open(p *engine.Program) (e engine.Executor, threads int, err error) {
	if o.simd == "none" {
		e, err := engine.Reference(p)
		return e, 1, err
	}
	if threads = min(o.threads, maxThreads); threads == 0 {
		// Of many logical cores half are taken to be a second thread of the other half, which does not help here.
		cores := js.Global().Get("navigator").Get("hardwareConcurrency").Int()
		threads = min(cores, max(4, cores/2), 8)
	}
	options := engine.BrowserOptions{SIMD: engine.SIMD(o.simd), Threads: threads}
	if o.spawn.Truthy() {
		options.Spawn = func(module, memory js.Value) { o.spawn.Invoke(module, memory) }
	}
	b, err := engine.Browser(p, options)
	if err != nil {
		return nil, 0, err
	}
	// The machine has its own copy of the weights. Go's memory never shrinks, but what is free in it serves pictures.
	for i := range p.Ops {
		p.Ops[i].W = nil
	}
	return b, b.Threads(), nil
}

// fastest is the SIMD to use of those the browser has.
func (o settings) fastest() string {
	switch {
	case !o.fixed:
		return "none"
	case !o.relaxed:
		return "fixed"
	}
	return string(engine.Fastest())
}
