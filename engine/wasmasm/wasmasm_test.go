package wasmasm

import (
	"bytes"
	"context"
	"encoding/hex"
	"math"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// TestEncodings compares single instructions with the bytes of the specification's binary format chapter.
func TestEncodings(t *testing.T) {
	for want, emit := range map[string]func(*Func){
		"6a":                        func(f *Func) { f.Op(I32Add) },
		"20 81 01":                  func(f *Func) { f.Get(129) },
		"41 7f":                     func(f *Func) { f.I32(-1) },
		"41 c0 00":                  func(f *Func) { f.I32(64) },
		"41 40":                     func(f *Func) { f.I32(-64) },
		"41 80 80 80 80 78":         func(f *Func) { f.I32(math.MinInt32) },
		"42 80 a8 d6 b9 07":         func(f *Func) { f.I64(2e9) },
		"43 00 00 80 3f":            func(f *Func) { f.F32(1) },
		"28 00 80 01":               func(f *Func) { f.Mem(I32Load, 128) },
		"fd 00 00 10":               func(f *Func) { f.Mem(V128Load, 16) },
		"fd 09 00 04":               func(f *Func) { f.Mem(V128Load32Splat, 4) },
		"fd 5b 00 00 01":            func(f *Func) { f.MemLane(V128Store64Lane, 0, 1) },
		"fd 1f 03":                  func(f *Func) { f.Lane(F32x4ExtractLane, 3) },
		"fd ae 01":                  func(f *Func) { f.Op(I32x4Add) },
		"fd ba 01":                  func(f *Func) { f.Op(I32x4DotI16x8S) },
		"fd e6 01":                  func(f *Func) { f.Op(F32x4Mul) },
		"fd 93 02":                  func(f *Func) { f.Op(I32x4RelaxedDotI8I7AddS) },
		"fe 00 02 04":               func(f *Func) { f.Mem(AtomicNotify, 4) },
		"fe 01 02 04":               func(f *Func) { f.Mem(AtomicWait32, 4) },
		"fe 10 02 00":               func(f *Func) { f.Mem(I32AtomicLoad, 0) },
		"fe 1e 02 00":               func(f *Func) { f.Mem(I32AtomicRmwAdd, 0) },
		"fe 03 00":                  func(f *Func) { f.Fence() },
		"02 40 03 40 0c 01 0b 0b":   func(f *Func) { f.Block(func(out Label) { f.Loop(func(Label) { f.Br(out) }) }) },
		"04 40 01 05 01 0b":         func(f *Func) { nop := func() { f.Op(0x01) }; f.IfElse(nop, nop) },
		"fd 0c" + repeat(" 07", 16): func(f *Func) { f.V128I32(0x07070707) },
	} {
		f := new(Module).Func("", nil, nil)
		emit(f)
		if got := f.code; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("want %s, got % x", want, got)
		}
	}
}

func repeat(s string, n int) string { return string(bytes.Repeat([]byte(s), n)) }

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(string(bytes.ReplaceAll([]byte(s), []byte(" "), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRun instantiates a module with every structure the package has, and runs it: a loop that sums a table of functions'
// results into memory, by SIMD.
func TestRun(t *testing.T) {
	for _, shared := range []bool{false, true} {
		m := new(Module)
		m.ImportMemory("env", "memory", 1, 1, shared)
		var add []*Func
		for i := range 3 {
			f := m.Func("", []Type{I32}, []Type{I32})
			f.Get(f.Param(0))
			f.I32(int32(10 * (i + 1)))
			f.Op(I32Add)
			m.Table(f)
			add = append(add, f)
		}
		f := m.Func("sum", []Type{I32}, []Type{I32})
		i, sum := f.Local(I32), f.Local(V128)
		f.Block(func(done Label) {
			f.Loop(func(next Label) {
				f.Get(i, f.Param(0))
				f.Op(I32GeU)
				f.BrIf(done)
				f.Get(i)
				f.Get(i)
				f.CallIndirect(add[0])
				f.Op(I32x4Splat)
				f.Get(sum)
				f.Op(I32x4Add)
				f.Set(sum)
				f.AddConst(i, 1)
				f.Br(next)
			})
		})
		f.I32(0)
		f.Get(sum)
		f.Mem(V128Store, 64)
		f.I32(0)
		f.Mem(I32Load, 76)

		ctx := context.Background()
		rt := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2|experimental.CoreFeaturesThreads))
		defer rt.Close(ctx)
		env := new(Module)
		env.ExportMemory("memory", 1, 1, shared)
		if _, err := rt.InstantiateWithConfig(ctx, env.Bytes(), wazero.NewModuleConfig().WithName("env")); err != nil {
			t.Fatal(err)
		}
		mod, err := rt.Instantiate(ctx, m.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		got, err := mod.ExportedFunction("sum").Call(ctx, 3)
		if err != nil || got[0] != 10+21+32 {
			t.Errorf("shared %v: want 63, got %v, %v", shared, got, err)
		}
	}
}

func TestUnbalancedBlockPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	m := new(Module)
	f := m.Func("f", nil, nil)
	f.Block(func(Label) { m.Bytes() })
}
