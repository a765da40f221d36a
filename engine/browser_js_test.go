package engine

import (
	"fmt"
	"syscall/js"
	"testing"
)

// These tests run in a worker of a real browser: web/test/engine.test.mjs compiles and starts them there, with
// spawnKernel defined. Elsewhere (node) there is no relaxed SIMD to judge and there are no such workers.

func browserExecutors(t *testing.T) (list []BrowserOptions) {
	spawn := js.Global().Get("spawnKernel")
	if spawn.IsUndefined() {
		t.Skip("not in a browser's worker")
	}
	for _, simd := range []SIMD{Fixed, Relaxed} {
		if simd == Relaxed && !js.Global().Get("hasRelaxed").Bool() {
			t.Log("this browser has no relaxed SIMD")
			continue
		}
		for _, threads := range []int{1, 2, 3} {
			list = append(list, BrowserOptions{SIMD: simd, Threads: threads, Spawn: func() js.Value { return spawn.Invoke() }})
		}
	}
	return list
}

func TestBrowserEqualsReference(t *testing.T) {
	isolated := js.Global().Get("crossOriginIsolated").Truthy()
	for _, o := range browserExecutors(t) {
		for i, s := range shapes() {
			if o.Threads > 1 && i%4 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("%s/threads=%d/%v", o.SIMD, o.Threads, s), func(t *testing.T) {
				p := s.program(uint64(i))
				e, err := Browser(p, o)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				if want := o.Threads; isolated && e.Threads() != want {
					t.Errorf("want %d threads, have %d", want, e.Threads())
				}
				runBoth(t, p, e)
			})
		}
	}
}

func TestFastest(t *testing.T) {
	if browserExecutors(t); !js.Global().Get("hasRelaxed").Bool() {
		t.Skip("no relaxed SIMD to choose")
	}
	start := js.Global().Get("performance").Call("now").Float()
	s := Fastest()
	t.Logf("%s, after %.0f ms", s, js.Global().Get("performance").Call("now").Float()-start)
	if s != Relaxed && s != Fixed {
		t.Errorf("chose %q", s)
	}
}
