package calibrate

import (
	"archive/zip"
	"errors"
	"fmt"
	"image"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"resnet-web/resnet"
	"resnet-web/resnet/decode"
)

// ErrDataset is wrapped by errors about a folder or zip that holds no usable images.
var ErrDataset = errors.New("unusable image collection")

// Image is one picture of a dataset.
type Image struct {
	Class string // the name of its folder, "" at the top
	Name  string // its path inside the dataset
	open  func() (io.ReadCloser, error)
}

// Dataset is a folder or zip of images, by class where they lie in folders.
type Dataset struct {
	Images  []Image  // in ascending order of their names
	Skipped []string // files that are no pictures by their names, hidden ones aside, likewise
	close   io.Closer
}

// extensions of the formats that package decode reads.
var extensions = map[string]bool{".jpg": true, ".jpeg": true, ".png": true, ".gif": true, ".webp": true, ".bmp": true, ".tif": true, ".tiff": true}

// OpenDataset lists the images of the folder or zip at name; an image's class is the folder that holds it. Links to
// folders are followed. Files of other kinds are passed over, hidden ones, those in hidden folders and those of macOS's
// archives without mention. A Dataset is safe for concurrent use until Close.
//
// # Errors
//
// ErrDataset, wrapped, if there is no image or the file is no zip; those of the file system.
func OpenDataset(name string) (*Dataset, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	d := &Dataset{}
	add := func(name string, open func() (io.ReadCloser, error)) {
		if slices.ContainsFunc(strings.Split(name, "/"), hidden) {
			return
		}
		if !extensions[strings.ToLower(path.Ext(name))] {
			d.Skipped = append(d.Skipped, name)
			return
		}
		class := path.Base(path.Dir(name))
		if class == "." {
			class = ""
		}
		d.Images = append(d.Images, Image{class, name, open})
	}
	if info.IsDir() {
		if err := walk(name, "", []os.FileInfo{info}, add); err != nil {
			return nil, fmt.Errorf("calibrate: %w", err)
		}
	} else {
		z, err := zip.OpenReader(name)
		if err != nil {
			return nil, fmt.Errorf("calibrate: %s: %w: want a folder or a zip of images (%w)", name, ErrDataset, err)
		}
		d.close = z
		for _, f := range z.File {
			if !f.FileInfo().IsDir() {
				// Some of Windows' programs separate folders by backslashes.
				add(path.Clean("/" + strings.ReplaceAll(f.Name, `\`, "/"))[1:], f.Open)
			}
		}
	}
	if len(d.Images) == 0 {
		d.Close()
		return nil, fmt.Errorf("calibrate: %s: %w: want images (jpg, png, gif, webp, bmp, tiff), found none", name, ErrDataset)
	}
	slices.Sort(d.Skipped)
	sort.SliceStable(d.Images, func(i, j int) bool { return d.Images[i].Name < d.Images[j].Name })
	return d, nil
}

// hidden reports whether a file or folder of this name holds none of a dataset's images.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || name == "__MACOSX" }

// walk adds the files of folder dir, whose path inside the dataset is at; above are the folders on the way, itself
// included, so that no link leads round in a circle.
func walk(dir, at string, above []os.FileInfo, add func(string, func() (io.ReadCloser, error))) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		full, name := filepath.Join(dir, e.Name()), path.Join(at, e.Name())
		info, err := os.Stat(full)
		switch {
		case err != nil && e.Type()&os.ModeSymlink == 0:
			return err
		case err == nil && info.IsDir():
			if slices.ContainsFunc(above, func(up os.FileInfo) bool { return os.SameFile(up, info) }) {
				continue
			}
			if err := walk(full, name, append(slices.Clip(above), info), add); err != nil {
				return err
			}
		case err != nil || info.Mode().IsRegular(): // of a link to nothing, Load tells
			add(name, func() (io.ReadCloser, error) { return os.Open(full) })
		}
	}
	return nil
}

// Close closes the zip.
func (d *Dataset) Close() error {
	if d.close == nil {
		return nil
	}
	return d.close.Close()
}

// Sample picks n images, or all if there are fewer, the same for the same seed: as many of each class as of any other,
// give or take one, in an order that begins anywhere.
func (d *Dataset) Sample(n int, seed uint64) []Image {
	r := rand.New(rand.NewPCG(seed, 0))
	byClass := map[string][]Image{}
	for _, im := range d.Images {
		byClass[im.Class] = append(byClass[im.Class], im)
	}
	classes := make([]string, 0, len(byClass))
	for c := range byClass {
		classes = append(classes, c)
	}
	sort.Strings(classes)
	for _, c := range classes {
		list := byClass[c]
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	}
	r.Shuffle(len(classes), func(i, j int) { classes[i], classes[j] = classes[j], classes[i] })
	n = min(n, len(d.Images))
	picked := make([]Image, 0, n)
	for round := 0; len(picked) < n; round++ {
		for _, c := range classes {
			if list := byClass[c]; round < len(list) && len(picked) < n {
				picked = append(picked, list[round])
			}
		}
	}
	return picked
}

// Load decodes the image and fits it to p.
//
// # Errors
//
// Those of package decode and of resnet.Fit, with the image's name.
func (im Image) Load(p resnet.Prep) (*image.RGBA, error) {
	r, err := im.open()
	if err != nil {
		return nil, fmt.Errorf("calibrate: %s: %w", im.Name, err)
	}
	defer r.Close()
	img, err := decode.Decode(r) // which bounds what a zip entry may expand to
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.Name, err)
	}
	crop, _, err := resnet.Fit(img, p, resnet.View{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.Name, err)
	}
	return crop, nil
}
