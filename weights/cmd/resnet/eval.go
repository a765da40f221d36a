package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

// accuracy and evaluation are the JSON of eval.
type accuracy struct {
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
}

type evaluation struct {
	Images    int       `json:"images"`
	Int8      accuracy  `json:"int8"`
	Float     *accuracy `json:"float"`
	Agreement *float64  `json:"agreement"`
	Rate      float64   `json:"images_per_second"`
	Failed    []failed  `json:"failed,omitempty"` // images that could not be read; the rest counts without them
}

func eval(c *call) error {
	model := c.String("model", "", "model `file` (default: the built-in model)")
	check := c.String("checkpoint", "", "measure this checkpoint `file` in float32 beside the model")
	arch := c.String("arch", "", "architecture of the checkpoint (default: the model's)")
	n := c.Int("n", 0, "use only so many images, of each class as many (default: all)")
	simd := simd(c)
	lang := c.String("lang", "en", "language of the labels")
	asJSON := c.Bool("json", false,
		`print {"images","int8":{"top1","top5"},"float":{"top1","top5"},"agreement","images_per_second"}, fractions of 1; images_per_second is from file to int8 answer; "failed":[{"file","error"}] has images that could not be read, if any`)
	if err := c.parse(1, 1); err != nil {
		return err
	}
	if *n < 0 {
		return fmt.Errorf("-n: want a number of images, or 0 for all, got %d", *n)
	}
	m, err := loadModel(*model)
	if err != nil {
		return err
	}
	var f *resnet.Float
	if *check != "" {
		l, err := loadBeside(*check, *arch, m)
		if err != nil {
			return err
		}
		f = l.Float
		say(c.stderr, *check, l.notes)
		if f.Name != m.Name || f.Classes != len(m.Classes) {
			return fmt.Errorf("eval: the checkpoint is a %s with %d classes, the model a %s with %d; make its own model with resnet import, then give it with -model", f.Name, f.Classes, m.Name, len(m.Classes))
		}
		if made, err := madeFrom(m, *check); err != nil {
			return err
		} else if !made {
			fmt.Fprintf(c.stderr, "resnet: note: the model was made from another file (%s): agreement is that of two networks\n", m.Source)
		}
	}

	d, err := openDataset(c.args[0])
	if err != nil {
		return err
	}
	defer d.Close()
	passedOver(c, c.args[0], d)
	spoken(c, m.Classes, *lang)
	images := d.Images
	if *n > 0 {
		images = d.Sample(*n, 1)
	}
	truth, err := truths(images, d.Images, m.Classes)
	if err != nil {
		return err
	}

	bar := newProgress(c.stderr, "int8 ")
	start := time.Now()
	int8s, sure, broken, err := rankings(images, quantised(m, *simd), m, bar)
	bar.clear()
	if err != nil {
		return err
	}
	if err := broken.report(c, images); err != nil {
		return err
	}
	var left []failed
	for _, i := range slices.Sorted(maps.Keys(broken)) {
		left = append(left, failed{images[i].Name, oneLine(broken[i].Error())})
	}
	images, truth, int8s, sure = without(broken, images), without(broken, truth), without(broken, int8s),
		without(broken, sure)
	e := evaluation{Failed: left, Images: len(images), Rate: float64(len(images)) / time.Since(start).Seconds(),
		Int8: score(int8s, truth)}
	if f != nil {
		bar := newProgress(c.stderr, "float")
		floats, _, again, err := rankings(images, func() (runner, func(), error) {
			return func(im calibrate.Image) ([]float32, error) {
				crop, err := im.Load(m.Prep)
				if err != nil {
					return nil, err
				}
				return f.Forward(m.Prep.Normalise(crop), m.Prep.Crop, nil), nil
			}, func() {}, nil
		}, m, bar)
		bar.clear()
		if err != nil {
			return err
		}
		for _, err := range again { // of images that could be read before
			return err
		}
		same := 0
		for i := range floats {
			if floats[i][0] == int8s[i][0] {
				same++
			}
		}
		a, s := score(floats, truth), float64(same)/float64(len(images))
		e.Float, e.Agreement = &a, &s
	}
	if *asJSON {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s\n", line)
		return nil
	}
	fmt.Fprintf(c.stdout, "%d images\n", e.Images)
	if n := len(e.Failed); n > 0 {
		fmt.Fprintf(c.stdout, "%d more could not be read and are left out\n", n)
	}
	fmt.Fprintf(c.stdout, "int8    top-1 %6.2f %%   top-5 %6.2f %%   %.1f images/s\n", 100*e.Int8.Top1, 100*e.Int8.Top5, e.Rate)
	if f != nil {
		fmt.Fprintf(c.stdout, "float   top-1 %6.2f %%   top-5 %6.2f %%\n", 100*e.Float.Top1, 100*e.Float.Top5)
		fmt.Fprintf(c.stdout, "same top-1 label: %.2f %%\n", 100**e.Agreement)
	}
	confidence(c.stdout, int8s, sure, truth, m.Unsure)
	worst(c.stdout, int8s, truth, m.Classes, *lang)
	return nil
}

// loadBeside reads the checkpoint to measure beside m: as arch, or as what m is, or else as recognised.
func loadBeside(path, arch string, m *resnet.Model) (loaded, error) {
	load := func(arch string) (loaded, error) {
		f, err := loadFloat(path, arch, m.Dashed)
		if err != nil {
			return f, err
		}
		return f, f.file.Fits(m.Prep.Crop)
	}
	if arch != "" {
		return load(arch)
	}
	if _, err := resnet.Lookup(m.Name); err == nil { // not so for widths of its own, which shapes tell
		if f, err := load(m.Name); err == nil {
			return f, nil
		}
	}
	return load("")
}

// rankings returns the five best classes of each image, and the probability of the first as m has it.
func rankings(images []calibrate.Image, worker func() (run runner, done func(), err error), m *resnet.Model,
	bar *progress) (best [][5]int, sure []float64, failed failures, err error) {
	best, sure = make([][5]int, len(images)), make([]float64, len(images))
	failed, err = overAll(images, worker, bar, func(i int, logits []float32) {
		p := make([]float64, len(logits))
		m.Probabilities(p, logits)
		best[i] = topFive(logits)
		sure[i] = p[best[i][0]]
	})
	return best, sure, failed, err
}

// confidence prints how far the probabilities can be trusted, and what is given as sure.
func confidence(w io.Writer, best [][5]int, sure []float64, truth []int, unsure float32) {
	right := make([]bool, len(truth))
	var above, hits float64
	for i := range truth {
		right[i] = best[i][0] == truth[i]
		if sure[i] < float64(unsure) {
			continue
		}
		if above++; right[i] {
			hits++
		}
	}
	fmt.Fprintf(w, "expected calibration error %.1f %%; sure (from %.2f) of %.1f %% of the images, right in %.1f %% of those\n",
		100*calibrate.CalibrationError(sure, right), unsure, 100*above/float64(len(truth)), 100*hits/max(1, above))
}

// topFive lists the classes of the five largest logits, of equal ones the lower first; −1 where there are fewer.
func topFive(logits []float32) (top [5]int) {
	value := [5]float32{}
	for k := range top {
		top[k], value[k] = -1, float32(math.Inf(-1))
	}
	for i, v := range logits {
		for k := range top {
			if top[k] < 0 || v > value[k] {
				copy(top[k+1:], top[k:])
				copy(value[k+1:], value[k:])
				top[k], value[k] = i, v
				break
			}
		}
	}
	return top
}

func score(best [][5]int, truth []int) accuracy {
	var top1, top5 int
	for i, b := range best {
		for k, class := range b {
			if class == truth[i] {
				top5++
				if k == 0 {
					top1++
				}
			}
		}
	}
	n := float64(len(truth))
	return accuracy{float64(top1) / n, float64(top5) / n}
}

// worst prints the ten classes that are missed most often and what they are taken for.
func worst(w io.Writer, best [][5]int, truth []int, classes []resnet.Class, lang string) {
	total, hits := map[int]int{}, map[int]int{}
	taken := map[int]map[int]int{}
	for i, class := range truth {
		total[class]++
		if got := best[i][0]; got == class {
			hits[class]++
		} else {
			if taken[class] == nil {
				taken[class] = map[int]int{}
			}
			taken[class][got]++
		}
	}
	var list []int
	for class := range taken {
		list = append(list, class)
	}
	rate := func(class int) float64 { return float64(hits[class]) / float64(total[class]) }
	sort.Slice(list, func(i, j int) bool {
		if rate(list[i]) != rate(list[j]) {
			return rate(list[i]) < rate(list[j])
		}
		return list[i] < list[j]
	})
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\nworst classes             right   taken for\n")
	for _, class := range list[:min(10, len(list))] {
		var wrong []int
		for other := range taken[class] {
			wrong = append(wrong, other)
		}
		sort.Slice(wrong, func(i, j int) bool {
			a, b := taken[class][wrong[i]], taken[class][wrong[j]]
			return a > b || a == b && wrong[i] < wrong[j]
		})
		var text []string
		for _, other := range wrong[:min(3, len(wrong))] {
			text = append(text, fmt.Sprintf("%s %d", printable(classes[other].Label(lang)), taken[class][other]))
		}
		fmt.Fprintf(w, "%-24s %3d/%-3d   %s\n", printable(classes[class].Label(lang)), hits[class], total[class],
			strings.Join(text, ", "))
	}
}
