// Package kernels emits the machine: the WebAssembly module that scales pictures and runs programs of convolutions, pooling
// and a linear layer over one memory.
//
// The machine is emitted in two instruction sets and for two kinds of memory. Relaxed uses
// i32x4.relaxed_dot_i8x16_i7x16_add_s: weights signed 8-bit, activations 7-bit, so that every CPU gives the same sums.
// Fixed uses i32x4.dot_i16x8_s on weights widened while loading and activations widened tile by tile. Both end in the
// same float32 requantisation, one instruction per rounding step, and so in the same bytes.
//
// It imports env.memory and exports
//
//	run(program, thread, threads) → 0, or 1 when a barrier timed out
//	op(record, thread, threads)     one record, no barrier
//	serve()                         shared memory only: takes the next thread number, then waits for work and runs it until
//	                                told to stop, or at once if the calls have fewer threads
//
// # Memory
//
// The first [ControlSize] bytes belong to the machine; everything else is laid out by the caller.
package kernels

import (
	. "resnet-web/engine/wasmasm"
)

// Words of the control area.
const (
	CtlCount   = 0  // threads that have reached the barrier
	CtlPhase   = 4  // barriers passed
	CtlEpoch   = 8  // calls begun: workers wait for it to change
	CtlProgram = 12 // address of the program of this call; 0 tells workers to stop
	CtlThreads = 16 // threads of every call, set before the first
	CtlReady   = 20 // workers that have begun to serve; the first is thread 1

	ControlSize = kEnd
)

// BarrierTimeout is how long a thread waits for the others, in nanoseconds, before the call fails.
const BarrierTimeout = 2e9

// spins is how often a barrier looks before it sleeps: some ten microseconds, the time between two ends of a fair split.
const spins = 2000

// Machine says which module to emit.
type Machine struct {
	Relaxed bool   // relaxed SIMD dot product
	Shared  bool   // import a shared memory; atomics, barrier and serve exist
	Pages   uint32 // size of the imported memory in 64 KiB pages; with Shared, minimum and maximum
}

// Emit assembles the machine with the kernels that a program needs, in the order its records number them.
func Emit(mc Machine, list []Kernel) []byte {
	m := new(Module)
	m.ImportMemory("env", "memory", mc.Pages, mc.Pages, mc.Shared)
	var convs []*Func
	for _, k := range list {
		if mc.Relaxed {
			convs = append(convs, relaxedConv(m, k))
		} else {
			convs = append(convs, fixedConv(m, k))
		}
	}
	for _, f := range convs {
		m.Table(f)
	}
	packs := map[int]*Func{}
	var like *Func
	if !mc.Relaxed {
		for _, k := range list {
			if packs[k.Pixels] == nil {
				packs[k.Pixels] = pack(m, k.Pixels)
			}
			like = packs[k.Pixels]
			m.Table(like)
		}
	}
	var kinds []kind
	if len(convs) > 0 {
		kinds = append(kinds, kind{kindConv, conv(m, mc, convs[0], like)})
	}
	kinds = append(kinds, kind{kindMaxPool, maxPool(m)}, kind{kindAvgPool, avgPool(m)}, kind{kindLinear, linear(m)},
		kind{kindFill, fill(m)}, kind{kindMove, move(m)}, kind{kindWhite, white(m)}, kind{kindHorizontal, horizontal(m)}, kind{kindVertical, vertical(m)})
	op := dispatch(m, kinds)
	run := run(m, mc, op)
	if mc.Shared {
		serve(m, run)
	}
	return m.Bytes()
}

// EmitMemory assembles a module that does nothing but export a memory, for hosts that cannot make one otherwise.
func EmitMemory(pages uint32, shared bool) []byte {
	m := new(Module)
	m.ExportMemory("memory", pages, pages, shared)
	return m.Bytes()
}

var i32x3 = []Type{I32, I32, I32}

// word pushes a field of the record in l.
func word(f *Func, l Local, field uint32) { f.Get(l); f.Mem(I32Load, field) }

// load reads a field of the record rec into a new local.
func load(f *Func, rec Local, field uint32) Local {
	l := f.Local(I32)
	word(f, rec, field)
	f.Set(l)
	return l
}

// share sets lo and hi to a thread's part of n: n·thread/threads and n·(thread+1)/threads.
func share(f *Func, n, thread, threads, lo, hi Local) {
	f.Get(n, thread)
	f.Op(I32Mul)
	f.Get(threads)
	f.Op(I32DivU)
	f.Set(lo)
	f.Get(n, thread)
	f.I32(1)
	f.Op(I32Add, I32Mul)
	f.Get(threads)
	f.Op(I32DivU)
	f.Set(hi)
}

// each emits: for l < end { body; l += step }.
func each(f *Func, l, end Local, step int32, body func()) {
	f.Block(func(done Label) {
		f.Loop(func(next Label) {
			f.Get(l, end)
			f.Op(I32GeU)
			f.BrIf(done)
			body()
			f.AddConst(l, step)
			f.Br(next)
		})
	})
}

// kind is a kind of record and the function that runs it.
type kind struct {
	number int32
	run    *Func
}

// dispatch emits op: the function for the record's kind.
func dispatch(m *Module, kinds []kind) *Func {
	f := m.Func("op", i32x3, nil)
	for _, k := range kinds {
		word(f, f.Param(0), fKind)
		f.I32(k.number)
		f.Op(I32Eq)
		f.If(func() {
			f.Get(f.Param(0), f.Param(1), f.Param(2))
			f.Call(k.run)
			f.Return()
		})
	}
	return f
}

func run(m *Module, mc Machine, op *Func) *Func {
	f := m.Func("run", i32x3, []Type{I32})
	rec, thread, threads := f.Param(0), f.Param(1), f.Param(2)
	phase, spin, number := f.Local(I32), f.Local(I32), f.Local(I32)
	word(f, rec, fKind)
	f.Set(number)
	f.Loop(func(next Label) {
		f.Get(number)
		f.Op(I32Eqz)
		f.If(func() { f.I32(0); f.Return() })
		f.Get(rec, thread, threads)
		f.Call(op)
		f.AddConst(rec, RecordSize)
		// Before the barrier: once all are through the last one, the host may write another program here.
		word(f, rec, fKind)
		f.Set(number)
		if mc.Shared {
			f.Get(threads)
			f.I32(1)
			f.Op(I32GtU)
			f.If(func() { barrier(f, threads, phase, spin) })
		}
		f.Br(next)
	})
	f.Op(Unreachable)
	return f
}

// barrier emits a wait for all threads: the last to come resets the count and moves the phase on.
func barrier(f *Func, threads, phase, spin Local) {
	f.I32(0)
	f.Mem(I32AtomicLoad, CtlPhase)
	f.Set(phase)
	f.I32(0)
	f.I32(1)
	f.Mem(I32AtomicRmwAdd, CtlCount)
	f.I32(1)
	f.Op(I32Add)
	f.Get(threads)
	f.Op(I32Eq)
	f.IfElse(func() {
		f.I32(0)
		f.I32(0)
		f.Mem(I32AtomicStore, CtlCount)
		f.I32(0)
		f.I32(1)
		f.Mem(I32AtomicRmwAdd, CtlPhase)
		f.Op(Drop)
		f.I32(0)
		f.I32(-1)
		f.Mem(AtomicNotify, CtlPhase)
		f.Op(Drop)
	}, func() {
		f.I32(spins)
		f.Set(spin)
		f.Block(func(passed Label) {
			f.Loop(func(again Label) {
				f.I32(0)
				f.Mem(I32AtomicLoad, CtlPhase)
				f.Get(phase)
				f.Op(I32Ne)
				f.BrIf(passed)
				f.AddConst(spin, -1)
				f.Get(spin)
				f.BrIf(again)
				f.I32(0)
				f.Get(phase)
				f.I64(BarrierTimeout)
				f.Mem(AtomicWait32, CtlPhase)
				f.I32(2)
				f.Op(I32Eq)
				f.If(func() { f.I32(1); f.Return() })
				f.I32(1)
				f.Set(spin)
				f.Br(again)
			})
		})
	})
}

// serve emits the life of a worker: take a number, wait for the epoch to move on, run, and again. Epochs start at 0, so a
// worker that is slow to wait still finds its first call; one that took its number too late to be counted leaves.
func serve(m *Module, run *Func) {
	f := m.Func("serve", nil, nil)
	thread := f.Local(I32)
	epoch := f.Local(I32)
	f.I32(0)
	f.I32(1)
	f.Mem(I32AtomicRmwAdd, CtlReady)
	f.I32(1)
	f.Op(I32Add)
	f.Set(thread)
	f.Loop(func(next Label) {
		f.Block(func(work Label) {
			f.Loop(func(again Label) {
				f.I32(0)
				f.Mem(I32AtomicLoad, CtlEpoch)
				f.Get(epoch)
				f.Op(I32Ne)
				f.BrIf(work)
				f.I32(0)
				f.Get(epoch)
				f.I64(-1)
				f.Mem(AtomicWait32, CtlEpoch)
				f.Op(Drop)
				f.Br(again)
			})
		})
		f.AddConst(epoch, 1)
		f.I32(0)
		f.Mem(I32AtomicLoad, CtlProgram)
		f.Op(I32Eqz)
		f.If(func() { f.Return() })
		f.Get(thread)
		f.I32(0)
		f.Mem(I32AtomicLoad, CtlThreads)
		f.Op(I32GeU)
		f.If(func() { f.Return() })
		f.I32(0)
		f.Mem(I32AtomicLoad, CtlProgram)
		f.Get(thread)
		f.I32(0)
		f.Mem(I32AtomicLoad, CtlThreads)
		f.Call(run)
		f.Op(Drop)
		f.Br(next)
	})
}
