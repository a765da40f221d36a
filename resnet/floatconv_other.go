//go:build !amd64

package resnet

func mul8x16(sums *[rows][tile]float32, w []float32, panel [][tile]float32, bias []float32, relu bool) {
	mul8x16Go(sums, w, panel, bias, relu)
}
