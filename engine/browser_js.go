package engine

import (
	"fmt"
	"syscall/js"
	"time"

	"resnet-web/engine/kernels"
)

// SIMD is an instruction set of the machine.
type SIMD string

const (
	Relaxed SIMD = "relaxed" // i32x4.relaxed_dot_i8x16_i7x16_add_s
	Fixed   SIMD = "fixed"   // i32x4.dot_i16x8_s
)

// BrowserOptions are the choices of Browser.
type BrowserOptions struct {
	SIMD    SIMD
	Threads int // wanted; 1 without cross-origin isolation

	// Spawn sends { module, memory } to a Worker that runs web/worker/kernel.ts, another one each time. It is called Threads−1
	// times and may return before the Worker runs. Lost, if not nil, counts those that never will.
	Spawn func(module, memory js.Value)
	Lost  func() int

	// File is a Uint8Array with the weights of the convolutions that have none in the program: copied from there into the
	// machine, they never enter Go's memory (for Fixed they do, to be widened).
	File js.Value

	choose func(o *Op, relaxed bool, threads int) choice // nil: choose
}

// BrowserExecutor runs the emitted machine in the page's own engine.
type BrowserExecutor struct {
	feed
	view    js.Value // Uint8Array over the whole memory
	run, op js.Value
	words   js.Value // Int32Array, for the control area
	epoch   int
	threads int
	shared  bool
	broken  bool
}

// startTimeout is how long kernel workers may take to begin to serve; the others work without those that do not.
const startTimeout = 3 * time.Second

// Browser returns an executor on the machine for o.SIMD. It must run in a worker: it compiles synchronously, and with
// threads it blocks.
//
// # Notes
//
// Only workers that begin to serve in time are counted: see Threads.
//
// # Errors
//
// An engine that refuses the module or the memory.
func Browser(p *Program, o BrowserOptions) (e *BrowserExecutor, err error) {
	defer catch(&err)
	shared := o.Threads > 1 && CanShare() && o.Spawn != nil
	if !shared {
		o.Threads = 1
	}
	if o.choose == nil {
		o.choose = choose
	}
	if o.SIMD == Fixed {
		Load(p, o.File)
	}
	m, err := lower(p, o.SIMD == Relaxed, o.Threads, o.choose)
	if err != nil {
		return nil, err
	}
	pages := m.pages()
	wasm := js.Global().Get("WebAssembly")
	limits := map[string]any{"initial": pages, "maximum": pages}
	if shared {
		limits["shared"] = true
	}
	memory := wasm.Get("Memory").New(limits)
	code := kernels.Emit(kernels.Machine{Relaxed: o.SIMD == Relaxed, Shared: shared, Pages: uint32(pages)}, m.kernels)
	source := js.Global().Get("Uint8Array").New(len(code))
	js.CopyBytesToJS(source, code)
	module := wasm.Get("Module").New(source)
	exports := wasm.Get("Instance").New(module, map[string]any{"env": map[string]any{"memory": memory}}).Get("exports")
	e = &BrowserExecutor{feed: feed{p: p.Weightless(), m: m}, threads: 1, shared: shared, run: exports.Get("run"), op: exports.Get("op"),
		view: js.Global().Get("Uint8Array").New(memory.Get("buffer")), words: js.Global().Get("Int32Array").New(memory.Get("buffer"))}
	for i, part := range m.parts {
		if part.data != nil {
			js.CopyBytesToJS(e.bytes(part.at, part.n), part.data)
		} else {
			e.view.Call("set", o.File.Call("subarray", part.from, part.from+part.n), part.at)
		}
		if i == 0 && shared { // workers may write to the control area once it is there; they start while this thread copies
			for range o.Threads - 1 {
				o.Spawn(module, memory)
			}
		}
	}
	m.parts = nil
	if shared {
		e.await(o.Threads, o.Lost)
	}
	return e, nil
}

// CanShare reports whether workers can share a memory: there are threads. WebKitGTK says it is isolated and yet has no
// SharedArrayBuffer; its shared memories go to no worker.
func CanShare() bool {
	for _, name := range []string{"crossOriginIsolated", "SharedArrayBuffer", "Atomics"} {
		if !js.Global().Get(name).Truthy() {
			return false
		}
	}
	return true
}

// Load copies the weights of the convolutions that have none in the program out of the file that has them, see
// BrowserOptions. Only Relaxed takes them from there itself.
func Load(p *Program, file js.Value) {
	for i := range p.Ops {
		if o := &p.Ops[i]; o.Kind == Conv && o.W == nil {
			o.W = make([]int8, o.packedSize())
			js.CopyBytesToGo(bytesOf(o.W), file.Call("subarray", o.At, o.At+len(o.W)))
		}
	}
}

// Threads is the number of threads that share every op.
func (e *BrowserExecutor) Threads() int { return e.threads }

// Bytes is the size of the machine's memory.
func (e *BrowserExecutor) Bytes() int { return e.m.pages() * wasmPage }

// await waits until all kernel workers serve or the time is up. They say so in the memory, not by messages, which
// another thread would have to pass on while this one may block.
func (e *BrowserExecutor) await(threads int, lost func() int) {
	if lost == nil {
		lost = func() int { return 0 }
	}
	load := func() int { return js.Global().Get("Atomics").Call("load", e.words, kernels.CtlReady/4).Int() }
	ready := load()
	for end := time.Now().Add(startTimeout); ready+lost() < threads-1 && time.Now().Before(end); ready = load() {
		time.Sleep(time.Millisecond)
	}
	e.threads = 1 + ready
	e.words.SetIndex(kernels.CtlThreads/4, e.threads)
}

// wake starts the workers on the program at an address; 0 ends them.
func (e *BrowserExecutor) wake(program int) {
	if !e.shared {
		return
	}
	e.words.SetIndex(kernels.CtlProgram/4, program)
	e.epoch++
	atomics := js.Global().Get("Atomics")
	atomics.Call("store", e.words, kernels.CtlEpoch/4, e.epoch)
	atomics.Call("notify", e.words, kernels.CtlEpoch/4)
}

func (e *BrowserExecutor) Begin(s *Scaler) (err error) {
	defer catch(&err)
	if err := e.p.checkScaler(s); err != nil {
		return err
	}
	e.begin(s, func(at int, data []byte) { js.CopyBytesToJS(e.bytes(at, len(data)), data) })
	return nil
}

// Strip is a Uint8Array over the machine's memory, for n rows of the picture that Begin announced, at most Rows: decoders
// write them there, and WriteStrip takes them.
func (e *BrowserExecutor) Strip(n int) js.Value { return e.bytes(e.m.feed.strip, n*4*e.part.Dx()) }

// WriteStrip is Write for n rows that are in Strip.
func (e *BrowserExecutor) WriteStrip(n int, format Format) (err error) {
	defer catch(&err)
	code, err := e.next(n, format)
	if err != nil {
		return err
	}
	js.CopyBytesToJS(e.bytes(e.m.feed.program, len(code)), code)
	threads := e.Threads()
	if n*e.part.Dx() < alonePixels {
		threads = 1
	}
	return e.call(e.m.feed.program, threads)
}

// alonePixels is the size of a strip that one thread scales sooner than several are woken.
const alonePixels = 1 << 15

func (e *BrowserExecutor) Write(rows []byte, format Format) (err error) {
	defer catch(&err)
	n, err := e.rowsOf(len(rows))
	if err != nil {
		return err
	}
	for n > 0 {
		strip := min(n, e.Rows())
		bytes := strip * 4 * e.part.Dx()
		js.CopyBytesToJS(e.Strip(strip), rows[:bytes])
		if err := e.WriteStrip(strip, format); err != nil {
			return err
		}
		n, rows = n-strip, rows[bytes:]
	}
	return nil
}

func (e *BrowserExecutor) SetImage(image []byte) (err error) {
	defer catch(&err)
	if err := e.p.checkImage(image); err != nil {
		return err
	}
	js.CopyBytesToJS(e.bytes(e.m.arena+e.p.Input.Offset, len(image)), image)
	e.progress = progress{ready: true}
	return nil
}

func (e *BrowserExecutor) Run() (err error) {
	defer catch(&err)
	if err := e.use(); err != nil {
		return err
	}
	return e.call(e.m.program, e.Threads())
}

// call runs the program at an address.
func (e *BrowserExecutor) call(program, threads int) error {
	if e.broken {
		return ErrBroken
	}
	if threads > 1 {
		e.wake(program)
	}
	if e.run.Invoke(program, 0, threads).Int() != 0 {
		e.broken = true
		return ErrBroken
	}
	return nil
}

// RunOp runs one op alone, on this thread, over whatever the arena holds: for timing.
func (e *BrowserExecutor) RunOp(i int) (err error) {
	defer catch(&err)
	e.op.Invoke(e.m.records[i], 0, 1)
	return nil
}

func (e *BrowserExecutor) Read(t Tensor, dst []byte) (err error) {
	defer catch(&err)
	js.CopyBytesToGo(dst, e.bytes(e.m.arena+t.Offset, t.Bytes()))
	return nil
}

// Close tells the kernel workers to end and lets go of the memory.
func (e *BrowserExecutor) Close() (err error) {
	defer catch(&err)
	e.wake(0)
	*e = BrowserExecutor{feed: feed{p: e.p, m: e.m}, broken: true}
	return nil
}

func (e *BrowserExecutor) bytes(at, n int) js.Value { return e.view.Call("subarray", at, at+n) }

// catch turns a JavaScript exception (a trap, memory that cannot be had) into an error.
func catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case js.Error:
		*err = fmt.Errorf("engine: %w", r)
	default:
		panic(r)
	}
}
