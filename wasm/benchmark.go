//go:build js

package main

import (
	"errors"
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
	run := func() error { return errors.Join(s.executor.SetImage(picture), s.executor.Run()) }
	if err := run(); err != nil { // not counted: caches are cold
		return nil, err
	}
	var err error
	times := make([]float64, args[0].Int())
	for i := range times {
		if times[i], err = mean(10, run); err != nil {
			return nil, err
		}
	}
	slices.Sort(times)
	n := len(times)

	single := s.executor.(interface{ RunOp(i int) error })
	perOp := make([]any, len(p.Ops))
	for i, o := range p.Ops {
		ms, err := mean(4, func() error { return single.RunOp(i) })
		if err != nil {
			return nil, err
		}
		perOp[i] = map[string]any{"name": o.Name, "ms": ms, "macs": float64(o.MACs)}
	}
	return map[string]any{"median": (times[(n-1)/2] + times[n/2]) / 2, "min": times[0], "max": times[n-1], "perOp": perOp}, nil
}

// mean is how many ms f takes, repeated over a window of at least so many: some browsers' clocks tick once in a ms.
func mean(window float64, f func() error) (float64, error) {
	start := now()
	for n := 1; ; n++ {
		if err := f(); err != nil {
			return 0, err
		}
		if t := now() - start; t >= window {
			return t / float64(n), nil
		}
	}
}
