package resnet

import "golang.org/x/sys/cpu"

func init() {
	if cpu.X86.HasAVX512F {
		kernels["AVX-512"] = mul8x16AVX512
	}
	if cpu.X86.HasAVX2 {
		kernels["AVX2"] = mul8x16AVX2
	}
}
