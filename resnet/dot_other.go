//go:build !amd64

package resnet

func dot4x8(sums *[rows][tile]float32, w0, w1, w2, w3 []float32, panel [][tile]float32) {
	dot4x8Go(sums, w0, w1, w2, w3, panel)
}
