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
// a folder, a file in it with the picture's name, in the same folders as below the one that was named. It makes the
// folder.
//
// # Errors
//
// Two pictures of the same name, an output that is one of the pictures or, alone, of the inputs, and an out that cannot
// be written.
func heatmapFiles(out string, pictures []picture, inputs ...string) error {
	if len(pictures) == 0 {
		return nil
	}
	infos := make([]os.FileInfo, len(pictures))
	for i, p := range pictures {
		infos[i], _ = os.Stat(p.name) // of one that is not there, reading tells
	}
	if info, err := os.Stat(out); len(pictures) == 1 && !pictures[0].folder && (err != nil || !info.IsDir()) {
		pictures[0].heatmap = out
		if err := errors.Join(keeps(out, infos), creatable(out, inputs...)); err != nil {
			return err
		}
		if !strings.EqualFold(filepath.Ext(out), ".png") {
			return fmt.Errorf("-heatmap: %s: want a name that ends in .png, or a folder that is there", out)
		}
		return nil
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return err
	}
	stems := map[string]int{}
	for _, p := range pictures {
		stems[strings.TrimSuffix(p.inside, filepath.Ext(p.inside))]++
	}
	owners := map[string]string{}
	for i := range pictures {
		p := &pictures[i]
		name := strings.TrimSuffix(p.inside, filepath.Ext(p.inside))
		if stems[name] > 1 { // photo.jpg and photo.png
			name = p.inside
		}
		p.heatmap = filepath.Join(out, name+".png")
		if other, taken := owners[p.heatmap]; taken {
			return fmt.Errorf("-heatmap: %s and %s would both be drawn to %s; give them other names", other, p.name,
				p.heatmap)
		}
		owners[p.heatmap] = p.name
		if err := keeps(p.heatmap, infos); err != nil {
			return err
		}
	}
	return creatable(filepath.Join(out, filepath.Base(pictures[0].heatmap)))
}

// keeps refuses an output that is one of the pictures.
func keeps(file string, pictures []os.FileInfo) error {
	there, err := os.Stat(file)
	is := func(p os.FileInfo) bool { return p != nil && os.SameFile(there, p) }
	if err == nil && slices.ContainsFunc(pictures, is) {
		return fmt.Errorf("-heatmap: %s is one of the pictures; name another file or folder", file)
	}
	return nil
}

// writeHeatmap writes h as PNG, over what the network saw of img.
func writeHeatmap(file string, img image.Image, prep resnet.Prep, h *resnet.Heatmap) error {
	crop, _, err := resnet.Fit(img, prep, resnet.View{})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
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
