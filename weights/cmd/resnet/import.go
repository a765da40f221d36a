package main

import (
	"fmt"
	"image"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
	"resnet-web/weights/checkpoint"
)

// conversion is what import and fetch share: from a checkpoint to a model file.
type conversion struct {
	recipe
	calib, out      string
	samples         int
	source, licence string
	confidence      string
}

func (v *conversion) calibFlags(c *call) {
	c.StringVar(&v.calib, "calib", "none", "images to calibrate on, a `folder or zip`, or none: ranges from the network's own statistics, less accurate")
	c.IntVar(&v.samples, "samples", 400, "images to take for calibration, of each class as many")
	c.StringVar(&v.out, "o", "", "model `file` to write")
}

func importModel(c *call) error {
	var v conversion
	v.recipe.flags(c)
	v.calibFlags(c)
	c.StringVar(&v.source, "source", "", "where the checkpoint came from (default: its file name); its digest is added")
	c.StringVar(&v.licence, "licence", "unknown", "licence of the checkpoint")
	c.StringVar(&v.confidence, "confidence", "", "`folder or zip` of labelled images, not trained on, to fit the temperature and the \"not sure\" threshold to")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	base := filepath.Base(c.args[0])
	if v.out == "" {
		v.out = strings.TrimSuffix(base, filepath.Ext(base)) + ".msgpack"
	}
	if v.source == "" {
		v.source = strings.ToValidUTF8(base, "?")
	}
	return v.convert(c, c.args[0])
}

// convert makes the model file v.out of the checkpoint at path. What can be wrong with a call is found before the images
// are run, which takes minutes.
func (v *conversion) convert(c *call, path string) error {
	const longest = 60_000 // bytes, of the 65,536 that a model file takes
	for flag, text := range map[string]string{"source": v.source, "licence": v.licence} {
		if !utf8.ValidString(text) || len(text) > longest {
			return fmt.Errorf("-%s: want UTF-8 of at most %d bytes, got %d bytes", flag, longest, len(text))
		}
	}
	files, err := checkpoint.Files(path)
	if err != nil {
		return err
	}
	if err := creatable(v.out, append(files, v.labels, v.calib, v.confidence)...); err != nil {
		return err
	}
	f, prep, classes, err := v.read(path)
	if err != nil {
		return err
	}
	if v.multi && v.confidence != "" {
		return fmt.Errorf("-confidence: want classes that exclude each other, of which each image has one; those of %s do "+
			"not: leave the flag out, or say -output softmax", path)
	}
	id, err := fingerprint(path)
	if err != nil {
		return err
	}
	var labelled []calibrate.Image
	var truth []int
	if v.confidence != "" {
		d, err := openDataset(v.confidence)
		if err != nil {
			return fmt.Errorf("-confidence: %s", oneLine(err.Error()))
		}
		defer d.Close()
		labelled = d.Sample(confidenceImages, 1)
		if truth, err = truths(labelled, d.Images, classes); err != nil {
			return fmt.Errorf("-confidence: %s: %w", v.confidence, err)
		}
	}
	var crops []*image.RGBA
	if v.calib != "none" {
		if v.samples < 1 {
			return fmt.Errorf("-samples: want 1 or more, got %d; -calib none takes no images", v.samples)
		}
		if crops, err = loadImages(c, v.calib, v.samples, prep, newProgress(c.stderr, "reading images")); err != nil {
			return err
		}
	}
	say(c.stderr, path, v.notes)
	bar := newProgress(c.stderr, "calibrating")
	m, report, err := calibrate.Quantise(f, prep, crops, calibrate.Options{Progress: bar.set})
	bar.clear()
	if err != nil {
		return err
	}
	m.Classes = classes
	if m.MultiLabel = v.multi; m.MultiLabel {
		m.Unsure = 0.5 // likelier there than not
	}
	m.Source, m.Licence = v.source+", "+id, v.licence
	if report.Warning != "" {
		fmt.Fprintf(c.stderr, "resnet: warning: %s\n", report.Warning)
	}
	fmt.Fprint(c.stdout, report)
	if len(labelled) > 0 {
		if err := fit(c, m, labelled, truth); err != nil {
			return err
		}
	}
	size, err := save(v.out, func(w io.Writer) error { return weights.Write(w, m) })
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "recipe: %s\n", told(prep))
	fmt.Fprintf(c.stdout, "%s: %s, %d classes, input %d×%d, %d bytes\n", printable(v.out), m.Name, len(m.Classes),
		prep.Crop, prep.Crop, size)
	return nil
}

// confidenceImages are enough to fit two numbers to; sureness is how often a sure answer of a model shall be right.
const (
	confidenceImages = 2000
	sureness         = 0.9
)

// fit sets the model's temperature and threshold.
func fit(c *call, m *resnet.Model, images []calibrate.Image, truth []int) error {
	bar := newProgress(c.stderr, "fitting")
	logits := make([][]float32, len(images))
	failed, err := overAll(images, quantised(m, open), bar, func(i int, l []float32) { logits[i] = slices.Clone(l) })
	bar.clear()
	if err != nil {
		return err
	}
	if err := failed.report(c, images); err != nil {
		return err
	}
	logits, truth, images = without(failed, logits), without(failed, truth), without(failed, images)
	fit := calibrate.FitConfidence(logits, truth, sureness)
	m.Temperature, m.Unsure = fit.Temperature, fit.Unsure
	fmt.Fprintf(c.stdout, "temperature %.3f: calibration error %.1f %% (%.1f %% without); ", fit.Temperature, 100*fit.Error, 100*fit.Before)
	if fit.Kept == 0 {
		fmt.Fprintf(c.stdout, "no answer is given as sure: no threshold makes %.0f %% of those above it right on %d images\n", 100*sureness, len(images))
		return nil
	}
	fmt.Fprintf(c.stdout, "sure from %.2f: %.0f %% of %d images, of which %.0f %% are right\n", fit.Unsure, 100*fit.Kept, len(images), 100*fit.Right)
	return nil
}
