package main

import (
	"errors"
	"fmt"
	"image"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

// loadImages prepares n images of a dataset, in parallel.
func loadImages(path string, n int, prep resnet.Prep, bar *progress) ([]*image.RGBA, error) {
	defer bar.clear()
	d, err := calibrate.OpenDataset(path)
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
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return crops, nil
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
			return nil, fmt.Errorf("%s: want a folder named by a class of the model (WordNet id, label or number), found %q", im.Name, im.Class)
		}
		list[k] = i
	}
	return list, nil
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

// overAll runs the images on all cores, each core with what worker makes, and shows see the logits of each.
func overAll(images []calibrate.Image, worker func() (run runner, done func(), err error), bar *progress, see func(i int, logits []float32)) error {
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
					errs[w] = err
					next.Store(int64(len(images))) // the others stop too
					return
				}
				see(i, logits)
				bar.set(int(count.Add(1)), len(images))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
