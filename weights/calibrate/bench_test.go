package calibrate

import (
	"fmt"
	"image"
	"testing"

	"resnet-web/resnet"
)

// BenchmarkQuantise calibrates seeded networks: without pictures on their normalisations, whose statistics are made up
// here, and with 8 pictures. GMAC/s count the float network's runs alone, but the time is that of all of it.
func BenchmarkQuantise(b *testing.B) {
	p := resnet.ImageNetPrep
	for _, v := range []struct {
		name     string
		pictures int
	}{{"resnet18", 0}, {"resnet50", 0}, {"resnet18", 8}, {"resnet50", 8}} {
		b.Run(fmt.Sprintf("%s/%d", v.name, v.pictures), func(b *testing.B) {
			c, err := resnet.Lookup(v.name)
			if err != nil {
				b.Fatal(err)
			}
			f := resnet.Random(c.Network(1000), 1)
			runs := syntheticCount
			var crops []*image.RGBA
			if v.pictures > 0 {
				runs, crops = 2*v.pictures, synthetic(p, v.pictures, 1)
			} else {
				for i := range f.Convs {
					c := &f.Convs[i]
					c.Mean, c.Std = make([]float32, c.Out), make([]float32, c.Out)
					for k := range c.Std {
						c.Std[k] = 1
					}
				}
			}
			macs := float64(c.Summary(1000, p.Crop).MACs) * float64(runs)
			for b.Loop() {
				if _, _, err := Quantise(f, p, crops, Options{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
		})
	}
}
