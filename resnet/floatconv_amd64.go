package resnet

import "golang.org/x/sys/cpu"

// mul8x16 is mul8x16Go in the widest registers that the CPU has. Each lane is a pixel, so every sum is rounded as in Go.
func mul8x16(sums *[rows][tile]float32, w []float32, panel [][tile]float32, bias []float32, relu bool) {
	switch {
	case cpu.X86.HasAVX512F:
		mul8x16AVX512(sums, w, panel, bias, relu)
	case cpu.X86.HasAVX2:
		mul8x16AVX2(sums, w, panel, bias, relu)
	default:
		mul8x16Go(sums, w, panel, bias, relu)
	}
}

//go:noescape
func mul8x16AVX512(sums *[rows][tile]float32, w []float32, panel [][tile]float32, bias []float32, relu bool)

//go:noescape
func mul8x16AVX2(sums *[rows][tile]float32, w []float32, panel [][tile]float32, bias []float32, relu bool)
