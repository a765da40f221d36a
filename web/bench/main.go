// Command bench makes what web/bench/bench.mjs measures, and measures natively.
//
//	go run ./web/bench models DIR ARCH...   per network: ARCH.msgpack and ARCH.onnx of the same seeded random weights, 224×224,
//	                                        1000 classes; the yardstick: limit-relaxed and limit-fixed, .wasm and .bin;
//	                                        and two pictures: 500x375.jpg and 4000x3000.jpg
//	go run ./web/bench native RUNS FILE...  one JSON line per model file: the emitted machine on wazero, one thread
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"resnet-web/engine"
	"resnet-web/engine/kernels"
	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
	"resnet-web/weights/checkpoint"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if len(os.Args) < 4 {
		log.Fatal("usage: bench models DIR ARCH... | bench native RUNS FILE...")
	}
	var err error
	switch arg, rest := os.Args[2], os.Args[3:]; os.Args[1] {
	case "models":
		err = models(arg, rest)
	case "native":
		err = native(arg, rest)
	default:
		err = fmt.Errorf("no command %q", os.Args[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}

func models(dir string, names []string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	macs := map[string]int{}
	for name, relaxed := range map[string]bool{"relaxed": true, "fixed": false} {
		wasm, memory, n := kernels.Limit(relaxed)
		macs[name] = n
		if err := os.WriteFile(filepath.Join(dir, "limit-"+name+".wasm"), wasm, 0o666); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "limit-"+name+".bin"), memory, 0o666); err != nil {
			return err
		}
	}
	b, err := json.Marshal(macs)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "limit.json"), b, 0o666); err != nil {
		return err
	}
	for _, size := range []image.Point{{500, 375}, {4000, 3000}} {
		if err := picture(filepath.Join(dir, fmt.Sprintf("%dx%d.jpg", size.X, size.Y)), size); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := model(dir, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// picture writes a JPEG file with about as much in it as a photograph, unless it is there: waves of all lengths and
// a little noise.
func picture(path string, size image.Point) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	r := rand.New(rand.NewPCG(2, 2))
	img := image.NewRGBA(image.Rectangle{Max: size})
	for c := range 3 {
		// A wave of angle and length at random for each octave, along rows and columns as products of tables.
		var across, down [8][]float64
		for k := range across {
			turn := 2 * math.Pi * r.Float64()
			f := 2 * math.Pi * float64(int(2)<<k) / float64(size.X)
			across[k], down[k] = wave(size.X, f*math.Cos(turn), turn), wave(size.Y, f*math.Sin(turn), turn)
		}
		for y := range size.Y {
			for x := range size.X {
				v := 128 + 40*(r.Float64()-0.5)
				for k := range across {
					v += 40 / float64(k+1) * across[k][x] * down[k][y]
				}
				img.Pix[img.PixOffset(x, y)+c] = byte(max(0, min(255, v)))
			}
		}
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := jpeg.Encode(f, img, &jpeg.Options{Quality: 90}); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// wave is a sine.
func wave(n int, frequency, phase float64) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = math.Sin(frequency*float64(i) + phase)
	}
	return w
}

// model writes one network in both formats, unless it is there.
func model(dir, name string) error {
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path + ".msgpack"); err == nil {
		return nil
	}
	c, err := resnet.Lookup(name)
	if err != nil {
		return err
	}
	f := resnet.Random(c.Network(1000), 1)
	onnx, err := os.Create(path + ".onnx")
	if err != nil {
		return err
	}
	defer onnx.Close()
	if err := checkpoint.WriteONNX(onnx, f, resnet.ImageNetPrep.Crop); err != nil {
		return err
	}
	// Ranges from one picture of noise: times do not depend on values.
	r := rand.New(rand.NewPCG(1, 1))
	noise := image.NewRGBA(image.Rect(0, 0, resnet.ImageNetPrep.Crop, resnet.ImageNetPrep.Crop))
	for i := range noise.Pix {
		noise.Pix[i] = byte(r.Uint32())
	}
	m, _, err := calibrate.Quantise(f, resnet.ImageNetPrep, []*image.RGBA{noise}, calibrate.Options{})
	if err != nil {
		return err
	}
	for i := range m.Classes {
		m.Classes[i].Labels = map[string]string{"en": fmt.Sprintf("class %d", i)}
	}
	m.Source, m.Licence = "seeded random numbers", "MIT"
	out, err := os.Create(path + ".msgpack.new")
	if err != nil {
		return err
	}
	defer out.Close()
	if err := weights.Write(out, m); err != nil {
		return err
	}
	return os.Rename(path+".msgpack.new", path+".msgpack")
}

func native(runs string, files []string) error {
	n, err := strconv.Atoi(runs)
	if err != nil || n < 1 {
		return fmt.Errorf("want a number of runs, have %q", runs)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		m, err := weights.Read(data)
		if err != nil {
			return err
		}
		p, err := resnet.Compile(m)
		if err != nil {
			return err
		}
		e, err := engine.Native(p)
		if err != nil {
			return err
		}
		picture := make([]byte, p.Input.Bytes())
		var times []float64
		for i := range n + 1 {
			start := time.Now()
			if err := errors.Join(e.SetImage(picture), e.Run()); err != nil {
				return err
			}
			if i > 0 {
				times = append(times, float64(time.Since(start).Microseconds())/1000)
			}
		}
		slices.Sort(times)
		b, err := json.Marshal(map[string]any{"model": m.Name, "median": (times[(n-1)/2] + times[n/2]) / 2, "min": times[0], "max": times[n-1]})
		if err != nil {
			return err
		}
		fmt.Println(string(b))
		if err := e.Close(); err != nil {
			return err
		}
	}
	return nil
}
