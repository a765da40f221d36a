package calibrate

import (
	"image"
	"math"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// unit is the image as the quantised network sees it, planar: q/127, with pad pixels of the mean around it.
func unit(crop *image.RGBA, p resnet.Prep, pad int) []float32 {
	n := p.Crop + 2*pad
	t := make([]float32, 3*n*n)
	for c := range 3 {
		plane := t[c*n*n : (c+1)*n*n]
		border := engine.Quantise7(byte(math.Round(255 * float64(p.Mean[c]))))
		for i := range plane {
			plane[i] = float32(border) / 127
		}
		for y := range p.Crop {
			row := crop.Pix[y*crop.Stride+c:]
			for x := range p.Crop {
				plane[(y+pad)*n+pad+x] = float32(engine.Quantise7(row[4*x])) / 127
			}
		}
	}
	return t
}
