package calibrate

import (
	"image"
	"math"
	"math/rand/v2"

	"resnet-web/resnet"
)

// syntheticCount pictures are enough: more of them change the ranges by less than a tenth.
const syntheticCount = 32

// synthetic makes pictures with the statistics of natural ones, the same for the same seed: dead leaves, discs that cover
// each other, of radii with density r⁻³, which gives edges and flat parts at every scale (Lee, Mumford, Huang, 2001,
// "Occlusion models for natural images"). Each is lit from one side.
func synthetic(p resnet.Prep, count int, seed uint64) []*image.RGBA {
	rng := rand.New(rand.NewPCG(seed, 0))
	n := p.Crop
	const smallest, largest = 0.02, 1.0 // radius in sides
	list := make([]*image.RGBA, count)
	for k := range list {
		img := image.NewRGBA(image.Rect(0, 0, n, n))
		for i := range img.Pix {
			img.Pix[i] = 255
		}
		light := rng.Float64() * 2 * math.Pi
		lx, ly := math.Cos(light), math.Sin(light)
		for range 2000 {
			u := rng.Float64()
			r := float64(n) * math.Sqrt(1/((1-u)/(smallest*smallest)+u/(largest*largest)))
			cx, cy := rng.Float64()*float64(n), rng.Float64()*float64(n)
			grey, tint := rng.Float64(), 0.25*rng.Float64()
			var colour [3]float64
			for c := range colour {
				colour[c] = 255 * (grey + tint*rng.NormFloat64())
			}
			for y := max(0, int(cy-r)); y < min(n, int(cy+r)+1); y++ {
				for x := max(0, int(cx-r)); x < min(n, int(cx+r)+1); x++ {
					dx, dy := (float64(x)-cx)/r, (float64(y)-cy)/r
					if dx*dx+dy*dy > 1 {
						continue
					}
					shade := 1 + 0.3*(dx*lx+dy*ly)
					for c, v := range colour {
						img.Pix[img.PixOffset(x, y)+c] = byte(max(0, min(255, v*shade)))
					}
				}
			}
		}
		list[k] = img
	}
	return list
}
