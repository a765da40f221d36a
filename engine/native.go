//go:build !js

package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"resnet-web/engine/kernels"
)

// NativeOptions are the choices of NativeWith.
type NativeOptions struct {
	Threads int  // goroutines that share every op; at least 1
	Shared  bool // use shared memory even with one thread
}

// Native returns an executor that runs the emitted machine (fixed SIMD) on wazero, on one thread. Many executors may run
// side by side, each with its own memory.
func Native(p *Program) (Executor, error) { return NativeWith(p, NativeOptions{Threads: 1}) }

type native struct {
	feed
	runtime wazero.Runtime
	memory  api.Memory
	threads []api.Function // run, one instance per thread
	op      api.Function   // of thread 0
}

// cache keeps compiled machines: executors of one program compile once.
var cache = wazero.NewCompilationCache()

// NativeWith is Native with choices. With more than one thread the memory is shared and every op is split among them.
func NativeWith(p *Program, o NativeOptions) (Executor, error) {
	if o.Threads < 1 {
		return nil, fmt.Errorf("engine: want at least 1 thread, have %d", o.Threads)
	}
	o.Shared = o.Shared || o.Threads > 1
	m, err := lower(p, false, o.Threads, choose)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	pages := uint32(m.pages())
	rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(cache).
		WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesThreads).WithMemoryLimitPages(max(pages, 1)))
	e := &native{feed: feed{p: p.Weightless(), m: m}, runtime: rt}
	fail := func(err error) (Executor, error) {
		rt.Close(ctx)
		return nil, fmt.Errorf("engine: wazero: %w", err)
	}
	env, err := rt.InstantiateWithConfig(ctx, kernels.EmitMemory(pages, o.Shared), wazero.NewModuleConfig().WithName("env"))
	if err != nil {
		return fail(err)
	}
	e.memory = env.ExportedMemory("memory")
	code, err := rt.CompileModule(ctx, kernels.Emit(kernels.Machine{Shared: o.Shared, Pages: pages}, m.kernels))
	if err != nil {
		return fail(err)
	}
	for i := range o.Threads {
		mod, err := rt.InstantiateModule(ctx, code, wazero.NewModuleConfig().WithName(fmt.Sprintf("machine%d", i)))
		if err != nil {
			return fail(err)
		}
		e.threads = append(e.threads, mod.ExportedFunction("run"))
		if i == 0 {
			e.op = mod.ExportedFunction("op")
		}
	}
	for _, part := range m.parts {
		if !e.memory.Write(uint32(part.at), part.data) {
			return fail(errors.New("layout exceeds the memory"))
		}
	}
	m.parts = nil
	return e, nil
}

func (e *native) Begin(s *Scaler) error {
	if err := e.p.checkScaler(s); err != nil {
		return err
	}
	e.begin(s, func(at int, data []byte) { e.memory.Write(uint32(at), data) })
	return nil
}

func (e *native) Write(rows []byte, format Format) error {
	n, err := e.rowsOf(len(rows))
	if err != nil {
		return err
	}
	for n > 0 {
		strip := min(n, e.Rows())
		bytes := strip * 4 * e.part.Dx()
		e.memory.Write(uint32(e.m.feed.strip), rows[:bytes])
		code, err := e.next(strip, format)
		if err != nil {
			return err
		}
		e.memory.Write(uint32(e.m.feed.program), code)
		if err := e.call(e.m.feed.program); err != nil {
			return err
		}
		n, rows = n-strip, rows[bytes:]
	}
	return nil
}

func (e *native) SetImage(image []byte) error {
	if err := e.p.checkImage(image); err != nil {
		return err
	}
	e.memory.Write(uint32(e.m.arena+e.p.Input.Offset), image)
	e.progress = progress{ready: true}
	return nil
}

func (e *native) Run() error {
	if err := e.use(); err != nil {
		return err
	}
	return e.call(e.m.program)
}

// call runs a program on all threads.
func (e *native) call(program int) error {
	n := uint64(len(e.threads))
	results := make(chan error, n)
	call := func(i uint64) {
		status, err := e.threads[i].Call(context.Background(), uint64(program), i, n)
		if err != nil {
			err = fmt.Errorf("engine: wazero: %w", err)
		} else if status[0] != 0 {
			err = ErrBroken
		}
		results <- err
	}
	for i := uint64(1); i < n; i++ {
		go call(i)
	}
	call(0)
	var first error
	for range n {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// RunOp runs one op alone, on one thread, over whatever the arena holds: for timing.
func (e *native) RunOp(i int) error {
	_, err := e.op.Call(context.Background(), uint64(e.m.records[i]), 0, 1)
	return err
}

func (e *native) Read(t Tensor, dst []byte) error {
	b, ok := e.memory.Read(uint32(e.m.arena+t.Offset), uint32(t.Bytes()))
	if !ok {
		return fmt.Errorf("engine: tensor at %d outside the arena", t.Offset)
	}
	copy(dst, b)
	return nil
}

func (e *native) Close() error { return e.runtime.Close(context.Background()) }
