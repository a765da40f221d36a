package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
	"resnet-web/weights/labels"
)

// conversion is what import and fetch share: from a checkpoint to a model file.
type conversion struct {
	arch, pad, calib, labels, out string
	samples                       int
	resize, crop                  int
	mean, std                     string
	source, licence               string
	confidence                    string
}

func (v *conversion) calibFlags(c *call) {
	c.StringVar(&v.calib, "calib", "none", "images to calibrate on, a `folder or zip`, or none: ranges from the network's own statistics, less accurate")
	c.IntVar(&v.samples, "samples", 400, "images to take for calibration, of each class as many")
	c.StringVar(&v.out, "o", "", "model `file` to write")
}

func importModel(c *call) error {
	var v conversion
	v.calibFlags(c)
	c.StringVar(&v.arch, "arch", "", "architecture, where names and shapes do not tell: resnet50v1 for the paper's strides, plain18 … (default: as recognised, v1.5)")
	c.StringVar(&v.pad, "pad", "append", "where a CIFAR net's shortcut has its zero channels: append, or split")
	c.StringVar(&v.labels, "labels", "", "`file` with a class a line: label, or id TAB label (default: ImageNet's for 1000 classes, Tiny-ImageNet's for 200)")
	c.IntVar(&v.resize, "resize", 0, "pixels of the shorter side after scaling (default 256; CIFAR nets 32)")
	c.IntVar(&v.crop, "crop", 0, "side of the centre crop (default 224; CIFAR nets 32)")
	c.StringVar(&v.mean, "mean", "", "R,G,B `means` of the training images in 0…1 (default: ImageNet's; CIFAR nets CIFAR-10's)")
	c.StringVar(&v.std, "std", "", "R,G,B standard `deviations` (default: likewise)")
	c.StringVar(&v.source, "source", "", "where the checkpoint came from (default: its file name); its digest is added")
	c.StringVar(&v.licence, "licence", "unknown", "licence of the checkpoint")
	c.StringVar(&v.confidence, "confidence", "", "`folder or zip` of labelled images, not trained on, to fit the temperature and the \"not sure\" threshold to")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	if v.out == "" {
		base := filepath.Base(c.args[0])
		v.out = strings.TrimSuffix(base, filepath.Ext(base)) + ".msgpack"
	}
	return v.convert(c, c.args[0])
}

// triple reads "0.485,0.456,0.406".
func triple(flag, s string, otherwise [3]float32) ([3]float32, error) {
	if s == "" {
		return otherwise, nil
	}
	parts := strings.Split(s, ",")
	var t [3]float32
	for i := range t {
		if len(parts) != 3 {
			return t, fmt.Errorf("-%s: want three numbers with commas between, got %q", flag, s)
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(parts[i]), 32)
		if err != nil {
			return t, fmt.Errorf("-%s: want three numbers with commas between, got %q", flag, s)
		}
		t[i] = float32(f)
	}
	return t, nil
}

// prep is the family's recipe with what the flags change.
func (v *conversion) prep(f *resnet.Float) (resnet.Prep, error) {
	p := defaultPrep(f)
	if v.crop != 0 {
		p.Crop = v.crop
		p.Resize = max(p.Resize, p.Crop)
	}
	if v.resize != 0 {
		p.Resize = v.resize
	}
	if p.Crop < 32 {
		return p, fmt.Errorf("-crop: want 32 or more, got %d", p.Crop)
	}
	var err error
	if p.Mean, err = triple("mean", v.mean, p.Mean); err != nil {
		return p, err
	}
	if p.Std, err = triple("std", v.std, p.Std); err != nil {
		return p, err
	}
	for i := range p.Mean {
		if !(p.Mean[i] >= 0 && p.Mean[i] <= 1 && p.Std[i] > 1e-6 && p.Std[i] <= 1e6) {
			return p, fmt.Errorf("-mean, -std: want means in 0…1 and positive deviations, got %v and %v; divide those of bytes by 255", p.Mean, p.Std)
		}
	}
	return p, p.Check()
}

// classes names the outputs of f.
func (v *conversion) classes(f *resnet.Float) ([]resnet.Class, error) {
	if v.labels == "" {
		return classesFor(f.Classes), nil
	}
	file, err := os.Open(v.labels)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	classes, err := labels.Load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.labels, err)
	}
	if len(classes) != f.Classes {
		return nil, fmt.Errorf("%s: want %d labels, one for each output of the checkpoint, got %d", v.labels, f.Classes, len(classes))
	}
	return classes, nil
}

// fingerprint is the digest by which a model's source names its checkpoint.
func fingerprint(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "SHA-256 " + hex.EncodeToString(h.Sum(nil))[:16], nil
}

func (v *conversion) convert(c *call, path string) error {
	if err := creatable(v.out); err != nil {
		return err
	}
	f, err := loadFloat(path, v.arch, v.pad)
	if err != nil {
		return err
	}
	prep, err := v.prep(f)
	if err != nil {
		return err
	}
	classes, err := v.classes(f)
	if err != nil {
		return err
	}
	id, err := fingerprint(path)
	if err != nil {
		return err
	}
	var crops []*image.RGBA
	if v.calib != "none" {
		if v.samples < 1 {
			return fmt.Errorf("-samples: want 1 or more, got %d; -calib none takes no images", v.samples)
		}
		if crops, _, err = loadImages(v.calib, v.samples, prep, nil); err != nil {
			return err
		}
	}
	bar := newProgress(c.stderr, "calibrating")
	m, report, err := calibrate.Quantise(f, prep, crops, calibrate.Options{Progress: bar.set})
	bar.clear()
	if err != nil {
		return err
	}
	m.Classes = classes
	if v.source == "" {
		v.source = filepath.Base(path)
	}
	m.Source, m.Licence = v.source+", "+id, v.licence
	if report.Warning != "" {
		fmt.Fprintf(c.stderr, "resnet: warning: %s\n", report.Warning)
	}
	fmt.Fprint(c.stdout, report)
	if v.confidence != "" {
		if err := v.fit(c, m); err != nil {
			return err
		}
	}
	size, err := save(v.out, func(w io.Writer) error { return weights.Write(w, m) })
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %s, %d classes, input %d×%d, %d bytes\n", v.out, m.Name, len(m.Classes), prep.Crop, prep.Crop, size)
	return nil
}

// loadImages prepares n images of a dataset, in parallel, and their classes, if classes are given to look them up in.
func loadImages(path string, n int, prep resnet.Prep, classes []resnet.Class) ([]*image.RGBA, []int, error) {
	d, err := calibrate.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	images := d.Sample(n, 1)
	var truth []int
	if classes != nil {
		if truth, err = truths(images, classes); err != nil {
			return nil, nil, err
		}
	}
	crops := make([]*image.RGBA, len(images))
	errs := make([]error, len(images))
	var wg sync.WaitGroup
	slots := make(chan struct{}, 4) // pictures in full size at a time
	for i, im := range images {
		wg.Go(func() {
			slots <- struct{}{}
			crops[i], errs[i] = im.Load(prep)
			<-slots
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, nil, err
		}
	}
	return crops, truth, nil
}

// confidenceImages are enough to fit two numbers to; sureness is how often a sure answer of a model shall be right.
const (
	confidenceImages = 2000
	sureness         = 0.75
)

// fit sets the model's temperature and threshold.
func (v *conversion) fit(c *call, m *resnet.Model) error {
	crops, truth, err := loadImages(v.confidence, confidenceImages, m.Prep, m.Classes)
	if err != nil {
		return err
	}
	logits, err := calibrate.Logits(m, crops)
	if err != nil {
		return err
	}
	fit := calibrate.FitConfidence(logits, truth, sureness)
	m.Temperature, m.Unsure = fit.Temperature, fit.Unsure
	fmt.Fprintf(c.stdout, "temperature %.3f: calibration error %.1f %% (%.1f %% without); sure from %.2f: %.0f %% of %d images, of which %.0f %% are right\n",
		fit.Temperature, 100*fit.Error, 100*fit.Before, fit.Unsure, 100*fit.Kept, len(crops), 100*fit.Right)
	return nil
}
