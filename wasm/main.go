//go:build js

// Command wasm is the classifier of web/worker: it sets the global object resnet, whose functions the worker calls.
//
//	prepare(settings)                     chooses SIMD and threads; takes some 30 ms where both SIMDs are there
//	open(bytes, verified)                 loads a model; a Promise. Verified: the caller compares its checksum, and
//	                                      may open another file if it was wrong
//	warm()                                has the browser optimise the machine, a few ms at a time: is there more to do?
//	check(width, height)                  may a picture be this large?
//	picture(request)                      what a call asks about a picture: its number
//	begin(picture, width, height)         { x, y, width, height, rows, strip }: the part that is wanted, and
//	                                      memory that takes so many rows of it
//	write(picture, rows, format, pixels)  takes the next rows: those in strip, or those of ImageData
//	run(picture)                          runs the network: what it finds
//	embed(picture)                        runs the network: its features
//	input(picture)                        the network's input, before run
//	drop(picture)                         ends a picture
//	heatmap(result, index)                the heat map of another class, of one of the latest results
//	benchmark(runs)                       times the network on a fixed picture
//
// Any number of pictures may wait between picture and begin, but the executor holds one at a time: begin discards what
// was written of the picture before it.
//
// Each returns { value } or { error: { code, message } }. A panic ends the program; the worker reports it as a crash.
// The types of all this are Program in web/api/protocol.ts.
package main

import (
	"errors"
	"runtime/debug"
	"syscall/js"

	"resnet-web/resnet"
	"resnet-web/weights"
)

var (
	object       = js.Global().Get("Object")
	array        = js.Global().Get("Array")
	promise      = js.Global().Get("Promise")
	float32Array = js.Global().Get("Float32Array")
	uint8Array   = js.Global().Get("Uint8Array")
)

// protocol is set by the build, see web/api/protocol.ts.
var protocol string

func main() {
	// Little memory is allocated before a model is open, so the garbage collector is off until then.
	debug.SetGCPercent(-1)
	s := session{pictures: map[int]*picture{}}
	api := object.New()
	api.Set("protocol", protocol)
	for name, f := range map[string]func(args []js.Value) (any, error){
		"prepare":   s.prepare,
		"warm":      s.warm,
		"check":     s.check,
		"picture":   s.request,
		"begin":     s.begin,
		"write":     s.write,
		"run":       s.run,
		"embed":     s.embed,
		"input":     s.input,
		"drop":      s.drop,
		"heatmap":   s.heatmap,
		"benchmark": s.benchmark,
	} {
		api.Set(name, js.FuncOf(func(_ js.Value, args []js.Value) any { return reply(f(args)) }))
	}
	api.Set("open", js.FuncOf(func(_ js.Value, args []js.Value) any {
		// Opening waits for workers, so it runs beside the event loop.
		return promise.New(js.FuncOf(func(_ js.Value, settle []js.Value) any {
			go func() { settle[0].Invoke(reply(s.open(args))) }()
			return nil
		}))
	}))
	js.Global().Set("resnet", api)
	select {}
}

func reply(value any, err error) any {
	if err != nil {
		return map[string]any{"error": map[string]any{"code": code(err), "message": err.Error()}}
	}
	return map[string]any{"value": value}
}

// code is the stable code of an error in the outside interface. Other errors have none, which ends the worker.
func code(err error) string {
	var thrown js.Error
	switch {
	case errors.Is(err, weights.ErrFormat):
		return "model-format"
	case errors.Is(err, weights.ErrIntegrity):
		return "model-integrity"
	case errors.As(err, &thrown) && thrown.Get("name").String() == "RangeError":
		return "out-of-memory" // of WebAssembly.Memory
	}
	return resnet.Code(err)
}
