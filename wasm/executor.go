//go:build js

package main

import (
	"syscall/js"

	"resnet-web/engine"
)

// settings are what an executor is opened with.
type settings struct {
	simd    string // relaxed, fixed, none
	threads int
	start   js.Value // has so many Workers started
	spawn   js.Value // see engine.BrowserOptions
	lost    js.Value
}

// maxThreads is more than a network of this size can use.
const maxThreads = 32

// readSettings reads { simd, relaxed, fixed, threads, start, spawn, lost } and decides what is left to auto: relaxed and
// fixed are what the browser has; start(n) has n Workers started, of which spawn(module, memory) takes one each and lost()
// counts those that could not be loaded. Without kernel.js these are undefined.
func readSettings(v js.Value) settings {
	o := settings{simd: v.Get("simd").String(), threads: 1, start: v.Get("start"), spawn: v.Get("spawn"), lost: v.Get("lost")}
	if o.simd != "none" && o.start.Truthy() && engine.CanShare() {
		if t := v.Get("threads"); t.Type() == js.TypeNumber {
			o.threads = min(t.Int(), maxThreads)
		} else {
			// Of many logical cores half are taken to be a second thread of the other half, which does not help here.
			cores := js.Global().Get("navigator").Get("hardwareConcurrency").Int()
			o.threads = min(cores, max(4, cores/2), 8)
		}
		o.startThreads() // they load while this thread does other things
	}
	if o.simd == "auto" {
		o.simd = fastest(v.Get("relaxed").Bool(), v.Get("fixed").Bool())
	}
	return o
}

func (o settings) startThreads() {
	if o.threads > 1 {
		o.start.Invoke(o.threads - 1)
	}
}

// fastest is the SIMD to use of those the browser has.
func fastest(relaxed, fixed bool) string {
	switch {
	case !fixed:
		return "none"
	case !relaxed:
		return "fixed"
	}
	return string(engine.Fastest())
}

// open makes the executor and says how many threads it uses.
func (o settings) open(p *engine.Program, f file) (e engine.Executor, threads int, err error) {
	if o.simd == "none" {
		engine.Load(p, f.Value)
		e, err := engine.Reference(p)
		return e, 1, err
	}
	options := engine.BrowserOptions{SIMD: engine.SIMD(o.simd), Threads: o.threads, File: f.Value}
	if o.threads > 1 {
		options.Spawn = func(module, memory js.Value) { o.spawn.Invoke(module, memory) }
		options.Lost = func() int { return o.lost.Invoke().Int() }
	}
	b, err := engine.Browser(p, options)
	if err != nil {
		return nil, 0, err
	}
	return b, b.Threads(), nil
}
