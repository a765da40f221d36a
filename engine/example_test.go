package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math"

	"resnet-web/engine"
)

// A network of three ops, which tells bright pictures from dark ones: a 1×1 convolution adds up a quarter of red, green
// and blue, the average over the picture is the one feature, and each of two classes has a weight and a bias for it.
func Example() {
	var b engine.Builder
	image := b.Image(2, 0, [3]byte{})
	m := make([]float32, engine.PadChannels(1))
	m[0] = 0.25
	grey, _ := b.Conv(engine.ConvSpec{
		Name: "grey", In: image, Channels: 1, Kernel: 1, Stride: 1, Rows: true,
		W: engine.PackConv([]int8{1, 1, 1}, 1, 3, 1, true), M: m, B: make([]float32, len(m)), Out: true,
	})
	mean := b.AvgPool("mean", grey, 1)
	logits := b.Linear(engine.LinearSpec{Name: "fc", In: mean, Rows: 2, Columns: 1, W: []int8{1, -1},
		Scale: []float32{1, 1}, B: []float32{0, 95}})
	program := b.Program(grey, mean, logits)

	executor, err := engine.Reference(program)
	if err != nil {
		log.Fatal(err)
	}
	defer executor.Close()
	input, output := make([]byte, program.Input.Bytes()), make([]byte, program.Logits.Bytes())
	for _, level := range []byte{255, 40} {
		rgba := make([]byte, 2*2*4)
		for i := range rgba {
			rgba[i] = level
		}
		program.Quantise(input, rgba)
		if err := errors.Join(executor.SetImage(input), executor.Run()); err != nil {
			log.Fatal(err)
		}
		if err := executor.Read(program.Logits, output); err != nil {
			log.Fatal(err)
		}
		logit := func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(output[4*i:])) }
		fmt.Printf("%3d: bright %v, dark %v\n", level, logit(0), logit(1))
	}
	// Output:
	// 255: bright 95, dark 0
	//  40: bright 15, dark 80
}
