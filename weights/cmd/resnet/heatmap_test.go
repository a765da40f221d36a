package main

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"resnet-web/resnet"
)

// TestOverlay looks at the colours where the map is highest, where it is negative, and over white.
func TestOverlay(t *testing.T) {
	crop := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range crop.Pix {
		crop.Pix[i] = 255
	}
	h := &resnet.Heatmap{Width: 2, Height: 2, Data: []float32{4, -1, 0, 2}}
	got := overlay(crop, h)
	if got.Rect != crop.Rect {
		t.Fatalf("want the size of the crop, got %v", got.Rect)
	}
	for _, c := range []struct {
		x, y int
		want color.RGBA
	}{
		{0, 0, color.RGBA{253, 255, 222, 255}},  // the most
		{31, 0, color.RGBA{142, 133, 157, 255}}, // less than nothing
		{0, 31, color.RGBA{142, 133, 157, 255}}, // nothing
		{31, 31, color.RGBA{231, 161, 162, 255}},
	} {
		p := got.RGBAAt(c.x, c.y)
		for _, d := range []int{int(p.R) - int(c.want.R), int(p.G) - int(c.want.G), int(p.B) - int(c.want.B), int(p.A) - int(c.want.A)} {
			if d < -2 || d > 2 { // levels are rounded on the way
				t.Errorf("at %d, %d: want %v, got %v", c.x, c.y, c.want, p)
				break
			}
		}
	}
}

func TestHeatmap(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.png"), filepath.Join(dir, "b.png")
	draw(t, a, 1)
	// Transparent pixels, black below: they are seen on white.
	clear := image.NewNRGBA(image.Rect(0, 0, 200, 150))
	f, err := os.Create(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, clear); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	read := func(name string) image.Image {
		t.Helper()
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if img.Bounds() != image.Rect(0, 0, 128, 128) {
			t.Errorf("%s: want the crop's size, got %v", name, img.Bounds())
		}
		return img
	}

	one := filepath.Join(dir, "one.png")
	plain := must(t, "classify", a)
	if text := must(t, "classify", "-heatmap", one, a); text != plain {
		t.Errorf("want the same answer with a heat map, got %q and %q", text, plain)
	}
	read(one)

	maps := filepath.Join(dir, "maps")
	must(t, "classify", "-heatmap", maps, a, b)
	read(filepath.Join(maps, "a.png"))
	white := read(filepath.Join(maps, "b.png"))
	for _, p := range []image.Point{{0, 0}, {64, 64}, {127, 127}} {
		if r, _, _, alpha := white.At(p.X, p.Y).RGBA(); r>>8 < 127 || alpha != 0xffff {
			t.Errorf("at %v: want a colour over white, got %v", p, white.At(p.X, p.Y))
		}
	}

	other := filepath.Join(dir, "other")
	if err := os.Mkdir(other, 0o777); err != nil {
		t.Fatal(err)
	}
	draw(t, filepath.Join(other, "a.png"), 2)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"would both be drawn to", []string{"-heatmap", maps, a, filepath.Join(other, "a.png")}},
		{"no such file", []string{"-heatmap", filepath.Join(dir, "none", "x.png"), a}},
		{"not a directory", []string{"-heatmap", one, a, b}},
		{"is one of the pictures", []string{"-heatmap", a, a}},
		{"is one of the pictures", []string{"-heatmap", dir, b, a}},
		{"-heatmap goes with a model", []string{"-heatmap", one, "-checkpoint", fixture, a}},
	} {
		if code, _, errs := try(append([]string{"classify"}, c.args...)...); code == 0 || !strings.Contains(errs, c.want) {
			t.Errorf("classify %v: want %q, got code %d and %q", c.args, c.want, code, errs)
		}
	}
}
