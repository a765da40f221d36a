//go:build js

package main

import (
	"slices"
	"syscall/js"
)

var performance = js.Global().Get("performance")

func now() float64 { return performance.Call("now").Float() }

// benchmark times the network on a fixed picture of coloured noise: { median, min, max } in ms of the whole, and perOp,
// each op alone on one thread.
func (s *session) benchmark(args []js.Value) (any, error) {
	p := s.classifier.Program()
	rgba := make([]byte, 4*p.ImageSize()*p.ImageSize())
	for i, x := 0, uint32(1); i < len(rgba); i++ {
		x = x*1664525 + 1013904223
		rgba[i] = byte(x >> 24)
	}
	picture := make([]byte, p.Input.Bytes())
	p.Quantise(picture, rgba)
	if err := s.executor.Run(picture); err != nil { // not counted: caches are cold
		return nil, err
	}
	times := make([]float64, args[0].Int())
	for i := range times {
		start := now()
		if err := s.executor.Run(picture); err != nil {
			return nil, err
		}
		times[i] = now() - start
	}
	slices.Sort(times)
	n := len(times)

	perOp := make([]any, len(p.Ops))
	for i, o := range p.Ops {
		ms, err := s.timeOp(i)
		if err != nil {
			return nil, err
		}
		perOp[i] = map[string]any{"name": o.Name, "ms": ms, "macs": float64(o.MACs)}
	}
	return map[string]any{"median": (times[(n-1)/2] + times[n/2]) / 2, "min": times[0], "max": times[n-1], "perOp": perOp}, nil
}

// timeOp is the mean time of op i over a few milliseconds, since clocks are coarse.
func (s *session) timeOp(i int) (float64, error) {
	e := s.executor.(interface{ RunOp(i int) error })
	start := now()
	for n := 1; ; n++ {
		if err := e.RunOp(i); err != nil {
			return 0, err
		}
		if t := now() - start; t >= 4 {
			return t / float64(n), nil
		}
	}
}
