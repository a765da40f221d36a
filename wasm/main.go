//go:build js

// Command wasm is the classifier of web/worker: it sets the global object resnet, whose functions the worker calls.
//
//	prepare(settings)                                    chooses SIMD and threads; takes some 30 ms where both SIMDs are there
//	open(bytes, verified, lang)                          loads a model; a Promise. Verified: the caller compares its checksum
//	check(width, height)                                 may a picture be this large?
//	fit(width, height)                                   begins a picture: { x, y, width, height, rows } of the part wanted
//	write(rgba)                                          takes the next rows of that part, ImageData or bytes
//	finish(swapped)                                      scales it to the network's input; swapped: the rows were BGRA
//	choose(topK, threshold, allow, deny, heatmap)        says what classify shall report
//	classify()                                           runs the network on that input
//	embed()                                              the same, for the features
//	benchmark(runs)                                      times the network on a fixed picture
//
// Each returns { value } or { error: { code, message } }. A panic ends the program; the worker reports it as a crash. The types
// of all this are Program in web/api/protocol.ts.
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
	imageData    = js.Global().Get("ImageData")
)

func main() {
	// What is made until a model is open is small, and its garbage smaller still: no collection until then.
	debug.SetGCPercent(-1)
	var s session
	api := object.New()
	for name, f := range map[string]func(args []js.Value) (any, error){
		"prepare":   s.prepare,
		"check":     s.check,
		"fit":       s.fit,
		"write":     s.write,
		"finish":    s.finish,
		"choose":    s.choose,
		"classify":  s.classify,
		"embed":     s.embed,
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
