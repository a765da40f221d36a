package main

import (
	"errors"
	"fmt"
	"image"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

// loadImages prepares n images of a dataset, in parallel, and leaves out those that cannot be read.
func loadImages(c *call, path string, n int, prep resnet.Prep, bar *progress) ([]*image.RGBA, error) {
	defer bar.clear()
	d, err := openDataset(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	images := d.Sample(n, 1)
	crops := make([]*image.RGBA, len(images))
	errs := make([]error, len(images))
	var wg sync.WaitGroup
	var count atomic.Int64
	slots := make(chan struct{}, 4) // pictures in full size at a time
	for i, im := range images {
		wg.Go(func() {
			slots <- struct{}{}
			crops[i], errs[i] = im.Load(prep)
			<-slots
			bar.set(int(count.Add(1)), len(images))
		})
	}
	wg.Wait()
	bar.clear()
	failed := failures{}
	for i, err := range errs {
		if err != nil {
			failed[i] = err
		}
	}
	if err := failed.report(c, images); err != nil {
		return nil, err
	}
	return without(failed, crops), nil
}

// failures are the errors of images that could not be read, by their place.
type failures map[int]error

// report names the first of the failures on standard error. It is an error if all images failed.
func (f failures) report(c *call, images []calibrate.Image) error {
	const most = 10
	list := slices.Sorted(maps.Keys(f))
	if len(list) > 0 && len(list) == len(images) {
		return fmt.Errorf("none of %d images can be read: %w", len(images), f[0])
	}
	for _, i := range list[:min(most, len(list))] {
		fmt.Fprintf(c.stderr, "resnet: %s; left out\n", oneLine(f[i].Error()))
	}
	if n := len(list) - most; n > 0 {
		fmt.Fprintf(c.stderr, "resnet: and %d images more; left out\n", n)
	}
	return nil
}

// without is what list has for images that did not fail.
func without[T any](f failures, list []T) []T {
	var kept []T
	for i, v := range list {
		if f[i] == nil {
			kept = append(kept, v)
		}
	}
	return kept
}

// openDataset is calibrate.OpenDataset for an argument.
func openDataset(name string) (*calibrate.Dataset, error) {
	switch name {
	case "":
		return nil, errors.New("want a folder or a zip of images, got an empty name")
	case stdin:
		return nil, errors.New("-: want a folder or a zip of images, not standard input, which has one picture; " +
			"resnet classify takes that")
	}
	return calibrate.OpenDataset(name)
}

// passedOver says which files of a folder or zip are not taken for pictures.
func passedOver(c *call, name string, d *calibrate.Dataset) {
	const most = 3
	n := len(d.Skipped)
	if n == 0 {
		return
	}
	var names []string
	for _, s := range d.Skipped[:min(most, n)] {
		names = append(names, printable(s))
	}
	if n > most {
		names = append(names, "…")
	}
	fmt.Fprintf(c.stderr, "resnet: note: %s: passed over %d files whose names do not end in .jpg, .png, .gif, .webp, .bmp or .tif: %s\n", name, n, strings.Join(names, ", "))
}

// spoken says so if no class has a label in a language that was asked for. English is the default, and not asked for.
func spoken(c *call, classes []resnet.Class, lang string) {
	there := map[string]bool{"en": true}
	for _, class := range classes {
		for l := range class.Labels {
			there[l] = true
		}
	}
	for tag := lang; tag != ""; tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)] {
		if there[tag] {
			return
		}
	}
	fmt.Fprintf(c.stderr, "resnet: note: there are no labels in %q, only in %s\n", lang,
		strings.Join(slices.Sorted(maps.Keys(there)), ", "))
}

// truths finds the class of each of images by the name of its folder; all are the images of the whole data set. Where the
// classes have no names and there is a folder for each, they are taken in the order of the folders' names, as
// torchvision's ImageFolder numbers them.
func truths(images, all []calibrate.Image, classes []resnet.Class) ([]int, error) {
	byName := map[string]int{}
	add := func(name string, i int) {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			if _, taken := byName[name]; !taken {
				byName[name] = i
			}
		}
	}
	for i, c := range classes {
		add(c.ID, i)
	}
	for i, c := range classes {
		for _, l := range c.Labels {
			add(l, i)
		}
	}
	for i := range classes { // a class without a label has its number
		add(strconv.Itoa(i), i)
	}
	if names := folders(all); unnamed(classes) && len(names) == len(classes) {
		if _, known := byName[names[0]]; !known { // not by number
			for i, name := range names {
				byName[name] = i
			}
		}
	}
	list := make([]int, len(images))
	for k, im := range images {
		i, ok := byName[strings.ToLower(im.Class)]
		if !ok {
			return nil, fmt.Errorf("%s: want a folder named by a class of the model (WordNet id, label or number), found %q; "+
				"the classes are %s", im.Name, im.Class, named(classes))
		}
		list[k] = i
	}
	return list, nil
}

// named lists the first classes as their folders may be called.
func named(classes []resnet.Class) string {
	const most = 5
	var names []string
	for i, c := range classes[:min(most, len(classes))] {
		name := c.ID
		if name == "" {
			name = printable(c.Label("en"))
		}
		if name == "" {
			name = strconv.Itoa(i)
		}
		names = append(names, strconv.Quote(name))
	}
	list := strings.Join(names, ", ")
	if n := len(classes) - most; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return list
}

// folders lists the names of the images' folders, in lower case and in the order of the names as they are.
func folders(images []calibrate.Image) []string {
	var names []string
	for _, im := range images {
		names = append(names, im.Class)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, n := range names {
		names[i] = strings.ToLower(n)
	}
	return names
}

func unnamed(classes []resnet.Class) bool {
	for i, c := range classes {
		if c.ID != "" || c.Label("en") != numbered(i) {
			return false
		}
	}
	return true
}

// runner gives the logits of an image, which the next call may overwrite.
type runner func(calibrate.Image) ([]float32, error)

// quantised makes runners of m.
func quantised(m *resnet.Model, open opener) func() (run runner, done func(), err error) {
	return func() (runner, func(), error) {
		cl, err := resnet.NewClassifier(m, open)
		if err != nil {
			return nil, nil, err
		}
		return func(im calibrate.Image) ([]float32, error) {
			crop, err := im.Load(m.Prep)
			if err != nil {
				return nil, err
			}
			err = cl.Run(crop)
			return cl.Logits(), err
		}, func() { cl.Close() }, nil
	}
}

// overAll runs the images on all cores, each core with what worker makes, and shows see the logits of each. An image
// that fails does not end it.
func overAll(images []calibrate.Image, worker func() (run runner, done func(), err error), bar *progress,
	see func(i int, logits []float32)) (failures, error) {
	failed := failures{}
	var mu sync.Mutex // of failed
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(images)))
	var next, count atomic.Int64
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			run, done, err := worker()
			if err != nil {
				errs[w] = err
				return
			}
			defer done()
			for i := int(next.Add(1)) - 1; i < len(images); i = int(next.Add(1)) - 1 {
				logits, err := run(images[i])
				if err != nil {
					mu.Lock()
					failed[i] = err
					mu.Unlock()
				} else {
					see(i, logits)
				}
				bar.set(int(count.Add(1)), len(images))
			}
		})
	}
	wg.Wait()
	return failed, errors.Join(errs...)
}
