package engine

import (
	"fmt"
	"slices"
	"syscall/js"
	"testing"
	"time"

	"resnet-web/engine/kernels"
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
			list = append(list, BrowserOptions{SIMD: simd, Threads: threads, Spawn: func(module, memory js.Value) { spawn.Invoke(module, memory) }})
		}
	}
	return list
}

// The kernels do not know whether a page is isolated: with -short, fewer shapes where it is not.
func TestBrowserEqualsReference(t *testing.T) {
	isolated := js.Global().Get("crossOriginIsolated").Truthy()
	few := !isolated && testing.Short()
	executors := browserExecutors(t)
	for i, s := range shapes() {
		p := s.program(uint64(i))
		for _, o := range executors {
			if i%4 != 0 && (o.Threads > 1 || few) || o.Threads > 2 && few {
				continue
			}
			t.Run(fmt.Sprintf("%s/threads=%d/%v", o.SIMD, o.Threads, s), func(t *testing.T) {
				e, err := Browser(p, o)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				want := o.Threads
				if !isolated {
					want = 1
				}
				if e.Threads() != want {
					t.Errorf("want %d threads, have %d", want, e.Threads())
				}
				runBoth(t, p, e)
			})
		}
	}
}

// Kernel workers that come too late to be counted must leave the others alone.
func TestBrowserLateWorkers(t *testing.T) {
	list := browserExecutors(t)
	if !js.Global().Get("crossOriginIsolated").Truthy() {
		t.Skip("no threads without isolation")
	}
	o := list[1]
	start, spawned := o.Spawn, 0
	var module, memory js.Value
	o.Threads, o.Spawn = 3, func(mod, mem js.Value) {
		if module, memory = mod, mem; spawned == 0 {
			start(mod, mem)
		}
		spawned++
	}
	s := shapes()[0]
	p := s.program(0)
	e, err := Browser(p, o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.Threads() != 2 || spawned != 2 {
		t.Fatalf("want 2 threads of 3, have %d; %d spawned", e.Threads(), spawned)
	}
	start(module, memory)
	for e.words.Index(kernels.CtlReady/4).Int() < 2 {
		time.Sleep(time.Millisecond)
	}
	runBoth(t, p, e)
}

func TestFastest(t *testing.T) {
	if browserExecutors(t); !js.Global().Get("hasRelaxed").Bool() {
		t.Skip("no relaxed SIMD to choose")
	}
	start := now()
	s := Fastest()
	t.Logf("%s, after %.0f ms", s, now()-start)
	if s != Relaxed && s != Fixed {
		t.Errorf("chose %q", s)
	}
}

// Scaling is the same code in both instruction sets, isolated or not: with -short, one size of image shows that.
func TestBrowserScales(t *testing.T) {
	isolated := js.Global().Get("crossOriginIsolated").Truthy()
	for _, o := range browserExecutors(t) {
		for i, p := range scalePrograms[:3] { // the others natively
			few := testing.Short() && (o.SIMD == Relaxed || !isolated)
			if i > 0 && (o.Threads > 1 || few) || o.Threads > 1 && few {
				continue
			}
			cases := scaleCases(p.ImageSize())
			if testing.Short() && i > 0 { // how large pictures are cut into strips does not depend on the image's size
				cases = slices.DeleteFunc(cases, func(c scaleCase) bool { return c.W*c.H > 500_000 })
			}
			t.Run(fmt.Sprintf("%s/threads=%d/%d", o.SIMD, o.Threads, p.ImageSize()), func(t *testing.T) {
				e, err := Browser(p, o)
				if err != nil {
					t.Fatal(err)
				}
				defer e.Close()
				scaleBoth(t, p, e, cases)
				refuse(t, p, e)
			})
		}
	}
}
