package resnet

// dot4x8 is dot4x8Go in SSE, which every amd64 has. Each lane is a pixel, so every sum is rounded as in Go.
//
//go:noescape
func dot4x8(sums *[rows][tile]float32, w0, w1, w2, w3 []float32, panel [][tile]float32)
