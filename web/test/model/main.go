// Command model writes the small model of the browser tests: a ResNet-18 of an eighth of the width with seeded random
// weights and ten classes. Its input is 64×64 unless flags say otherwise. With -multi its classes do not exclude each other,
// and its head has two layers. With -unsure it is not sure below that probability.
//
//	go run ./web/test/model [-resize N] [-crop N] [-filter F] [-multi] [-unsure P] FILE
package main

import (
	"flag"
	"fmt"
	"image"
	"log"
	"math/rand/v2"
	"os"

	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
)

func main() {
	log.SetFlags(0)
	p := resnet.ImageNetPrep
	flag.IntVar(&p.Resize, "resize", 73, "the shorter side becomes `N` pixels")
	flag.IntVar(&p.Crop, "crop", 64, "of which the middle `N`×N are the input")
	flag.StringVar(&p.Filter, "filter", p.Filter, "`filter` that resizes")
	multi := flag.Bool("multi", false, "classes do not exclude each other")
	unsure := flag.Float64("unsure", 0, "least `probability` of a class that it is sure of")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: go run ./web/test/model [-resize N] [-crop N] [-filter F] [-multi] [-unsure P] FILE")
	}
	if err := write(flag.Arg(0), p, *multi, *unsure); err != nil {
		log.Fatal(err)
	}
}

func write(name string, p resnet.Prep, multi bool, unsure float64) error {
	c, err := resnet.Lookup("resnet18x0.125")
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	samples := make([]*image.RGBA, 8)
	for i := range samples {
		samples[i] = image.NewRGBA(image.Rect(0, 0, p.Crop, p.Crop))
		for j := range samples[i].Pix {
			samples[i].Pix[j] = byte(rng.Uint32()) | byte(j%4/3*255) // opaque
		}
	}
	var hidden []int
	if multi {
		hidden = []int{20}
	}
	m, _, err := calibrate.Quantise(resnet.Random(c.Network(10, hidden...), 1), p, samples, calibrate.Options{})
	if err != nil {
		return err
	}
	for i := range m.Classes {
		m.Classes[i] = resnet.Class{ID: fmt.Sprintf("n%08d", i), Labels: map[string]string{
			"en": fmt.Sprintf("class %c", 'A'+i),
			"zh": fmt.Sprintf("第%d类", i),
		}}
	}
	if m.MultiLabel = multi; multi {
		m.Unsure = 0.5
	}
	if unsure > 0 {
		m.Unsure = float32(unsure)
	}
	m.Source, m.Licence = "seeded random numbers", "MIT"
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := weights.Write(f, m); err != nil {
		return err
	}
	return f.Close()
}
