package resnet

// dot4x8 is dot4x8Go in SSE, which every amd64 has: a lane is a pixel, so sums round alike.
//
//go:noescape
func dot4x8(sums *[rows][tile]float32, w0, w1, w2, w3 []float32, panel [][tile]float32)
