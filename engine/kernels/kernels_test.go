package kernels

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/tetratelabs/wazero"
)

func TestWiden(t *testing.T) {
	// Two taps of three groups: an odd number, so the second half of each tap's last wide group is zero.
	const taps, groups = 2, 3
	packed := make([]int8, taps*groups*32)
	for i := range packed {
		packed[i] = int8(i%255 - 127)
	}
	wide := make([]byte, taps*2*128)
	Widen(wide, packed, taps, groups)
	for tap := range taps {
		for input := range 16 {
			for ch := range 8 {
				want := int16(0)
				if input < 4*groups {
					want = int16(packed[(tap*groups+input/4)*32+ch*4+input%4])
				}
				at := (tap*2+input/8)*128 + input%8/2*32 + ch*4 + input%2*2
				if got := int16(binary.LittleEndian.Uint16(wide[at:])); got != want {
					t.Fatalf("tap %d, input %d, channel %d: want %d, got %d", tap, input, ch, want, got)
				}
			}
		}
	}
}

func TestLimitRuns(t *testing.T) {
	wasm, memory, macs := Limit(false)
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	env, err := rt.InstantiateWithConfig(ctx, EmitMemory(uint32(len(memory)>>16), false), wazero.NewModuleConfig().WithName("env"))
	if err != nil {
		t.Fatal(err)
	}
	// A bias of 5 must come out as 5 from a tile of zero weights.
	at := ControlSize + RecordSize + 16 + 32
	for i := range 8 {
		binary.LittleEndian.PutUint32(memory[at+4*i:], 0x40a00000)
	}
	env.ExportedMemory("memory").Write(0, memory)
	mod, err := rt.Instantiate(ctx, wasm)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mod.ExportedFunction("limit").Call(ctx, 3); err != nil {
		t.Fatal(err)
	}
	out, _ := env.ExportedMemory("memory").Read(uint32(ControlSize+RecordSize+16+64), 32)
	for i, v := range out {
		if v != 5 {
			t.Fatalf("output %d: want 5, got %d", i, v)
		}
	}
	if macs != 2304*8*4 {
		t.Errorf("macs %d", macs)
	}
}
