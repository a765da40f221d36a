package main

import (
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/anthonynsimon/bild/blend"
	"github.com/anthonynsimon/bild/transform"

	"resnet-web/resnet"
)

// heatmapFiles names the file for each picture's heat map: out itself for one picture, and for several, or where out is
// a folder, a file in it with the picture's name. It makes the folder.
//
// # Errors
//
// Two pictures of the same name, an output that is one of the pictures, and an out that cannot be written.
func heatmapFiles(out string, pictures []string) ([]string, error) {
	if info, err := os.Stat(out); len(pictures) == 1 && (err != nil || !info.IsDir()) {
		return []string{out}, errors.Join(keeps(out, pictures), creatable(out))
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return nil, err
	}
	files := make([]string, len(pictures))
	for i, picture := range pictures {
		base := filepath.Base(picture)
		files[i] = filepath.Join(out, strings.TrimSuffix(base, filepath.Ext(base))+".png")
		if k := slices.Index(files[:i], files[i]); k >= 0 {
			return nil, fmt.Errorf("-heatmap: %s and %s would both be drawn to %s; give them other names", pictures[k], picture, files[i])
		}
		if err := keeps(files[i], pictures); err != nil {
			return nil, err
		}
	}
	return files, creatable(files[0])
}

// keeps refuses an output that is one of the pictures.
func keeps(file string, pictures []string) error {
	there, err := os.Stat(file)
	if err != nil {
		return nil
	}
	for _, picture := range pictures {
		if info, err := os.Stat(picture); err == nil && os.SameFile(there, info) {
			return fmt.Errorf("-heatmap: %s is one of the pictures; name another file or folder", file)
		}
	}
	return nil
}

// writeHeatmap writes h as PNG, over what the network saw of img.
func writeHeatmap(file string, img image.Image, prep resnet.Prep, h *resnet.Heatmap) error {
	crop, _, err := resnet.Fit(img, prep, resnet.View{})
	if err != nil {
		return err
	}
	_, err = save(file, func(w io.Writer) error { return png.Encode(w, overlay(crop, h)) })
	return err
}

// ramp is the colours from nothing to the most, those of the page.
var ramp = [][3]float64{{30, 12, 60}, {120, 28, 109}, {207, 68, 70}, {251, 155, 30}, {252, 255, 190}}

// overlay blends h, enlarged, half and half with its crop, which is opaque: [resnet.Fit] puts transparent pixels on
// white. Places that speak against the class count as nothing.
func overlay(crop *image.RGBA, h *resnet.Heatmap) *image.RGBA {
	most := max(slices.Max(h.Data), 1e-6)
	levels := image.NewRGBA(image.Rect(0, 0, h.Width, h.Height))
	for i, v := range h.Data {
		level := byte(255*max(v, 0)/most + 0.5)
		copy(levels.Pix[4*i:], []byte{level, level, level, 255})
	}
	heat := transform.Resize(levels, crop.Rect.Dx(), crop.Rect.Dy(), transform.Linear)
	for i := 0; i < len(heat.Pix); i += 4 {
		at := float64(heat.Pix[i]) / 255 * float64(len(ramp)-1)
		k := min(int(at), len(ramp)-2)
		for c := range 3 {
			heat.Pix[i+c] = byte(ramp[k][c] + (ramp[k+1][c]-ramp[k][c])*(at-float64(k)))
		}
	}
	return blend.Opacity(crop, heat, 0.5)
}
