package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/checkpoint"
	"resnet-web/weights/labels"
)

// recipe is what a checkpoint does not tell of itself: flags of classify and import, the catalogue's for fetch.
type recipe struct {
	arch, pad, labels string
	resize, crop      int
	filter            string
	mean, std         string
	output            string
	known             bool     // the catalogue gave it
	notes             []string // after read
	multi             bool     // after read: classes do not exclude each other
}

// recipeFlags are the names of the flags that flags defines.
var recipeFlags = []string{"arch", "pad", "labels", "resize", "crop", "filter", "mean", "std", "output"}

func (r *recipe) flags(c *call) {
	c.StringVar(&r.arch, "arch", "", "architecture of the checkpoint, where names and shapes do not tell: resnet50v1 for the paper's strides, resnet18s for a 3×3 stem of stride 1, plain18 … (default: as recognised, v1.5)")
	c.StringVar(&r.pad, "pad", "", "where a CIFAR net's shortcut has its zero channels: append, or split (default: split)")
	c.StringVar(&r.labels, "labels", "", "`file` with one class per line: label, or id TAB label, or the id of one of ImageNet's classes (default: ImageNet's for 1000 classes, or numbers)")
	c.IntVar(&r.resize, "resize", 0, "pixels of the shorter side after scaling (default 256; CIFAR nets 32)")
	c.IntVar(&r.crop, "crop", 0, "side of the centre crop (default 224; CIFAR nets 32)")
	c.StringVar(&r.filter, "filter", "", "bilinear or bicubic, by which pictures are scaled, as Pillow does it (default bilinear)")
	c.StringVar(&r.mean, "mean", "", "R,G,B `means` of the training images in 0…1, or one for all (default: ImageNet's; CIFAR nets CIFAR-10's; nets of grey pictures 0.5)")
	c.StringVar(&r.std, "std", "", "R,G,B standard `deviations` (default: likewise)")
	c.StringVar(&r.output, "output", "", "what makes probabilities of the network's outputs: softmax, or sigmoid where classes do not exclude each other (default: as the file or the config.json beside it says, else softmax)")
}

// first is the checkpoint of the first built-in model, which is for the same pictures and classes as the present one.
const first = "SHA-256 c411debb1dd094cd"

// read reads the checkpoint at path: its network, pre-processing and classes, and notes on what it took for granted.
// The checkpoints of the built-in models have by default those of the model.
func (r *recipe) read(path string) (*resnet.Float, resnet.Prep, []resnet.Class, error) {
	fail := func(err error) (*resnet.Float, resnet.Prep, []resnet.Class, error) {
		return nil, resnet.Prep{}, nil, err
	}
	pad, ok := map[string]resnet.Shortcut{"": 0, "append": resnet.PadAppend, "split": resnet.PadSplit}[r.pad]
	if !ok {
		return fail(fmt.Errorf("-pad: want append or split, got %q", r.pad))
	}
	if !slices.Contains([]string{"", "softmax", "sigmoid"}, r.output) {
		return fail(fmt.Errorf("-output: want softmax or sigmoid, got %q", r.output))
	}
	f, err := loadFloat(path, r.arch, pad)
	if err != nil {
		return fail(err)
	}
	r.multi = f.file.MultiLabel
	prep, classes := defaultPrep(f.Float), classesFor(f.Classes)
	if f.file.Grey {
		prep.Mean, prep.Std = equal(0.5), equal(0.5) // as common as any
	}
	known := r.known
	if !known {
		b := readBeside(path, f.Float)
		if b.err != nil {
			return fail(fmt.Errorf("%s: %w", path, b.err))
		}
		if b.v1 && f.strides != "" {
			if f, err = loadFloat(path, paper(f.Config), pad); err != nil {
				return fail(err)
			}
			f.notes = append(f.notes, "the strides are those of config.json beside it: v1")
		} else if b.strides {
			f.notes = slices.DeleteFunc(f.notes, func(n string) bool { return n == f.strides })
		}
		if b.prep != nil {
			prep, known = *b.prep, true
		}
		if b.classes != nil {
			classes = b.classes
		}
		r.multi = r.multi || b.multi
		f.notes = append(f.notes, b.notes...)
	}
	if r.output != "" {
		r.multi = r.output == "sigmoid"
	}
	if r.multi && f.file.One {
		if r.output != "" {
			return fail(fmt.Errorf("-output sigmoid: %s has one output, whose sigmoid is the probability of the second of two "+
				"classes already; leave the flag out", path))
		}
		r.multi = false
	}
	norm := f.file.Normalisation
	if norm != nil {
		prep.Mean, prep.Std = norm.Mean, norm.Std
	}
	m, err := loadModel("")
	if err != nil {
		return fail(err)
	}
	if m.Name == f.Name && len(m.Classes) == f.Classes {
		id, err := fingerprint(path)
		if err != nil {
			return fail(err)
		}
		if id == first || strings.Contains(m.Source, id) {
			prep, classes, known = m.Prep, m.Classes, true
		}
	}
	if prep, err = r.prep(prep); err != nil {
		return fail(err)
	}
	if f.file.Grey && (prep.Mean != equal(prep.Mean[0]) || prep.Std != equal(prep.Std[0])) {
		return fail(fmt.Errorf("%s: want one mean and one deviation for a network of grey pictures, got %s and %s; give those "+
			"of its training as -mean 0.5 -std 0.5", path, commas(prep.Mean), commas(prep.Std)))
	}
	if n := f.file.Side; r.crop == 0 && n != 0 && n != prep.Crop {
		f.notes = append(f.notes, fmt.Sprintf("the graph is for pictures of %d×%d, taken for %d×%d; -crop %d gives it its "+
			"own size", n, n, prep.Crop, prep.Crop, n))
	}
	if err := f.file.Fits(prep.Crop); err != nil {
		return fail(fmt.Errorf("%s: %w; -crop gives another size", path, err))
	}
	if err := weights.CheckWork(&f.Network, prep.Crop); err != nil {
		return fail(err)
	}
	if r.labels != "" {
		if classes, err = r.classes(f.Classes); err != nil {
			return fail(err)
		}
	}
	if guess := r.guessed(prep, norm != nil); guess != "" && !known {
		f.notes = append(f.notes, guess)
	}
	r.notes = f.notes
	return f.Float, prep, classes, nil
}

// guessed says what of the pre-processing p neither a flag nor, normed, the network gave.
func (r *recipe) guessed(p resnet.Prep, normed bool) string {
	var parts, flags []string
	add := func(given bool, flag, format string, args ...any) {
		if !given {
			parts, flags = append(parts, fmt.Sprintf(format, args...)), append(flags, "-"+flag)
		}
	}
	add(r.resize != 0, "resize", "shorter side scaled to %d", p.Resize)
	add(r.crop != 0, "crop", "centre of %d", p.Crop)
	add(r.filter != "", "filter", "%s", p.Filter)
	add(r.mean != "" || normed, "mean", "mean %s", commas(p.Mean))
	add(r.std != "" || normed, "std", "std %s", commas(p.Std))
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("the file does not tell how pictures are prepared: taken as usual, %s; change it with %s",
		strings.Join(parts, ", "), strings.Join(flags, " "))
}

// commas writes a triple as a flag takes it.
func commas(v [3]float32) string {
	return fmt.Sprintf("%v,%v,%v", v[0], v[1], v[2])
}

// defaultPrep is the pre-processing that checkpoints of the network's family are published with.
func defaultPrep(f *resnet.Float) resnet.Prep {
	if f.Small {
		// Means and deviations of CIFAR-10's training images.
		return resnet.Prep{Resize: 32, Crop: 32, Filter: "bilinear", Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.2470, 0.2435, 0.2616}}
	}
	return resnet.ImageNetPrep
}

// triple reads "0.485,0.456,0.406", or one number for all three.
func triple(flag, s string, otherwise [3]float32) ([3]float32, error) {
	if s == "" {
		return otherwise, nil
	}
	parts := strings.Split(s, ",")
	if len(parts) == 1 {
		parts = []string{s, s, s}
	}
	var t [3]float32
	for i := range t {
		if len(parts) != 3 {
			return t, fmt.Errorf("-%s: want three numbers with commas between, or one, got %q", flag, s)
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(parts[i]), 32)
		if err != nil {
			return t, fmt.Errorf("-%s: want three numbers with commas between, or one, got %q", flag, s)
		}
		t[i] = float32(f)
	}
	return t, nil
}

// equal is x for each channel.
func equal(x float32) [3]float32 { return [3]float32{x, x, x} }

// prep is p with what the flags change.
func (r *recipe) prep(p resnet.Prep) (resnet.Prep, error) {
	if r.crop != 0 {
		p.Crop = r.crop
		p.Resize = max(p.Resize, p.Crop)
	}
	if r.resize != 0 {
		p.Resize = r.resize
	}
	if r.filter != "" {
		p.Filter = r.filter
	}
	if p.Crop < 32 {
		return p, fmt.Errorf("-crop: want 32 or more, got %d", p.Crop)
	}
	var err error
	if p.Mean, err = triple("mean", r.mean, p.Mean); err != nil {
		return p, err
	}
	if p.Std, err = triple("std", r.std, p.Std); err != nil {
		return p, err
	}
	for i := range p.Mean {
		if !(p.Mean[i] >= 0 && p.Mean[i] <= 1 && p.Std[i] > 1e-6 && p.Std[i] <= 1e6) {
			return p, fmt.Errorf("-mean, -std: want means in 0…1 and positive deviations, got %v and %v; divide those of bytes by 255", p.Mean, p.Std)
		}
	}
	return p, p.Check()
}

// classes reads the labels of n classes.
func (r *recipe) classes(n int) ([]resnet.Class, error) {
	file, err := os.Open(r.labels)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	classes, err := labels.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.labels, err)
	}
	if len(classes) != n {
		return nil, fmt.Errorf("%s: want %d labels, one for each output of the checkpoint, got %d", r.labels, n, len(classes))
	}
	return classes, nil
}

// fingerprint is the digest by which a model's source names its checkpoint, with the files beside it that hold its
// weights.
func fingerprint(path string) (string, error) {
	files, err := checkpoint.Files(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return "", err
		}
	}
	return "SHA-256 " + hex.EncodeToString(h.Sum(nil))[:16], nil
}

// madeFrom reports whether m was made from the checkpoint at path.
func madeFrom(m *resnet.Model, path string) (bool, error) {
	id, err := fingerprint(path)
	return err == nil && strings.Contains(m.Source, id), err
}
