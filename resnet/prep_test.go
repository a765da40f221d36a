package resnet

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"resnet-web/engine"
)

// picture draws a source by formula, as testdata/pixels.py does: red in slow waves, green a chequerboard with about 23
// cells across, blue noise. The noise is the hardest for a resizer and least like a photograph.
type picture struct{ w, h int }

func (p picture) rgb(x, y int) (r, g, b byte) {
	side := max(p.w, p.h)
	wave := func(t int) int {
		t = t%512 - 256
		return max(t, -t)
	}
	cell := max(1, side/23)
	z := uint32(x)*374761393 + uint32(y)*668265263
	z = (z ^ z>>13) * 1274126177
	return byte((wave(1777*x/side) + wave((901*x+1303*y)/side)) * 255 / 512), byte((x/cell + y/cell) % 2 * 255), byte(z ^ z>>16)
}

func (p picture) ColorModel() color.Model { return color.NRGBAModel }
func (p picture) Bounds() image.Rectangle { return image.Rect(0, 0, p.w, p.h) }
func (p picture) At(x, y int) color.Color {
	r, g, b := p.rgb(x, y)
	return color.NRGBA{r, g, b, 255}
}

// The input is torchvision's Resize and CenterCrop on Pillow images, byte for byte.
func TestFitPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/pixels/*.png")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range files {
		var src picture
		p := Prep{Filter: "bilinear"}
		var step int
		if _, err := fmt.Sscanf(filepath.Base(name), "%dx%d-%d-%d-%d.png", &src.w, &src.h, &p.Resize, &p.Crop, &step); err != nil {
			t.Fatal(err)
		}
		if testing.Short() && src.w*src.h > 5_000_000 {
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		got, box, err := Fit(src, p, View{})
		if err != nil {
			t.Fatal(err)
		}
		if !box.In(src.Bounds()) || box.Empty() {
			t.Errorf("%s: box %v", name, box)
		}
		n := (p.Crop + step - 1) / step
		if want.Bounds() != image.Rect(0, 0, n, n) {
			t.Fatalf("%s: want %d×%d pixels, got %v", name, n, n, want.Bounds())
		}
		for y := range n {
			for x := range n {
				if a, b := color.RGBAModel.Convert(want.At(x, y)).(color.RGBA), got.RGBAAt(x*step, y*step); a != b {
					t.Fatalf("%s: at %d, %d want %v, got %v", name, x, y, a, b)
				}
			}
		}
	}
}

// A region is cut out first: the same as of a picture that is no more than the region.
func TestFitRegion(t *testing.T) {
	whole := picture{301, 199}
	region := image.Rect(17, 40, 17+120, 40+90)
	cut := image.NewNRGBA(image.Rect(0, 0, region.Dx(), region.Dy()))
	draw.Draw(cut, cut.Rect, whole, region.Min, draw.Src)
	for _, squash := range []bool{false, true} {
		for _, filter := range []string{"bilinear", "bicubic"} {
			p := Prep{Resize: 40, Crop: 32, Filter: filter}
			want, box, err := Fit(cut, p, View{Squash: squash})
			if err != nil {
				t.Fatal(err)
			}
			got, moved, err := Fit(whole, p, View{Region: region, Squash: squash})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want.Pix, got.Pix) {
				t.Errorf("%s, squash %v: another input than of the region alone", filter, squash)
			}
			if moved != box.Add(region.Min) || squash && moved != region {
				t.Errorf("%s, squash %v: box %v of the whole, %v of the region", filter, squash, moved, box)
			}
		}
	}
	p := Prep{Resize: 40, Crop: 32, Filter: "bilinear"}
	for _, bad := range []image.Rectangle{image.Rect(0, 0, 302, 10), image.Rect(-1, 0, 9, 9), {image.Pt(5, 5), image.Pt(5, 9)}, {image.Pt(9, 9), image.Pt(5, 5)}, image.Rect(400, 400, 500, 500)} {
		if _, _, err := Fit(whole, p, View{Region: bad}); !errors.Is(err, ErrOption) {
			t.Errorf("region %v: want ErrOption, got %v", bad, err)
		}
	}
}

// A crop of the right size comes out as it went in: the exactness of the whole chain for a PNG of the target size.
func TestFitExact(t *testing.T) {
	p := Prep{Resize: 32, Crop: 32, Filter: "bilinear"}
	img := image.NewNRGBA(image.Rect(5, 7, 37, 39))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 3)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	got, box, err := Fit(img, p, View{})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix, img.Pix) || got.Rect != image.Rect(0, 0, 32, 32) || box != got.Rect {
		t.Errorf("a 32×32 picture changes on its way to 32×32; bounds %v, box %v", got.Rect, box)
	}
}

// Fit takes every kind of image that decoders make, with and without a quick way.
func TestFitKinds(t *testing.T) {
	p := Prep{Resize: 16, Crop: 16, Filter: "bilinear"}
	rect := image.Rect(3, 4, 19, 20)
	src := image.NewNRGBA(rect)
	for y := rect.Min.Y; y < rect.Max.Y; y++ {
		for x := rect.Min.X; x < rect.Max.X; x++ {
			src.SetNRGBA(x, y, color.NRGBA{byte(16 * x), byte(12 * y), byte(x * y), 255})
		}
	}
	paletted := image.NewPaletted(rect, color.Palette{color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 0}})
	paletted.SetColorIndex(3, 4, 1)
	for _, test := range []struct {
		img  draw.Image
		most int // levels between it and src
	}{{image.NewRGBA(rect), 0}, {image.NewNRGBA64(rect), 0}, {image.NewRGBA64(rect), 0}, {image.NewCMYK(rect), 1}} {
		draw.Draw(test.img, rect, src, rect.Min, draw.Src)
		got, _, err := Fit(test.img, p, View{})
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range src.Pix {
			if d := int(v) - int(got.Pix[i]); d > test.most || -d > test.most {
				t.Fatalf("%T: want %d at byte %d, got %d", test.img, v, i, got.Pix[i])
			}
		}
	}
	got, _, err := Fit(paletted, p, View{})
	if err != nil {
		t.Fatal(err)
	}
	if c := got.RGBAAt(0, 0); c != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("a transparent palette entry: want white, got %v", c)
	}
	if c := got.RGBAAt(1, 0); c != (color.RGBA{255, 0, 0, 255}) {
		t.Errorf("an opaque palette entry: want red, got %v", c)
	}
}

// Straight alpha goes over white, to the nearest level, with and without reduction.
func TestFitAlpha(t *testing.T) {
	for _, size := range []int{32, 2100} {
		p := Prep{Resize: 32, Crop: 32, Filter: "bilinear"}
		for a := 0; a < 256; a += 15 {
			img := image.NewNRGBA(image.Rect(0, 0, size, size))
			for i := 0; i < len(img.Pix); i += 4 {
				img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = 0, 100, 255, byte(a)
			}
			got, _, err := Fit(img, p, View{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				c := [3]float64{0, 100, 255}[i]
				want := byte(math.Round((c*float64(a) + 255*float64(255-a)) / 255))
				if got.Pix[4*555+i] != want {
					t.Errorf("%d×%d, %v with alpha %d: want %d, got %d", size, size, c, a, want, got.Pix[4*555+i])
				}
			}
			if size > 100 {
				a += 60
			}
		}
	}
}

// Whatever the source, the part wanted and the box lie inside it.
func TestScalingPlans(t *testing.T) {
	preps := []Prep{{Resize: 256, Crop: 224}, {Resize: 32, Crop: 32}, {Resize: 146, Crop: 128}, {Resize: 33, Crop: 32}, {Resize: 500, Crop: 300}}
	sizes := []int{1, 2, 3, 31, 32, 33, 224, 255, 256, 257, 640, 959, 961, 1920, 2999, 4032, 9973, 32767}
	for i, p := range preps {
		p.Filter = []string{"bilinear", "bicubic"}[i%2]
		for _, w := range sizes {
			for _, h := range sizes {
				s, origin, err := p.scaling(w, h, View{})
				if w*h > MaxPixels {
					if !errors.Is(err, ErrTooLarge) {
						t.Errorf("%d×%d: want ErrTooLarge, got %v", w, h, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				scaler, err := engine.NewScaler(s)
				if err != nil {
					t.Fatal(err)
				}
				whole := image.Rect(0, 0, w, h)
				if part, box := scaler.Part(), box(s, origin); part.Empty() || !part.In(whole) || !box.In(whole) || scaler.Rows() < 1 {
					t.Errorf("%d×%d, %v: part %v, box %v, %d rows", w, h, p, part, box, scaler.Rows())
				}
			}
		}
	}
}

func TestPrepErrors(t *testing.T) {
	good := Prep{Resize: 256, Crop: 224, Filter: "bilinear"}
	for _, bad := range []Prep{{Resize: 256, Crop: 224, Filter: "cubic"}, {Resize: 223, Crop: 224, Filter: "bilinear"}, {Filter: "bilinear"},
		{Resize: 5000, Crop: 224, Filter: "bilinear"}, {Filter: "bicubic"}} {
		if _, _, err := Fit(picture{10, 10}, bad, View{}); err == nil {
			t.Errorf("%+v: want an error", bad)
		}
	}
	for _, test := range []struct {
		w, h int
		want error
	}{{0, 5, ErrDecode}, {5, -1, ErrDecode}, {20000, 20000, ErrTooLarge}, {40000, 1, ErrTooLarge}, {10001, 10000, ErrTooLarge}, {10000, 10000, nil}, {1, 20000, nil}} {
		if err := CheckSize(test.w, test.h); !errors.Is(err, test.want) {
			t.Errorf("%d×%d: want %v, got %v", test.w, test.h, test.want, err)
		}
	}
	if _, _, err := Fit(nil, good, View{}); err == nil {
		t.Error("Fit without an image: want an error")
	}
	if _, _, err := Fit(image.NewGray(image.Rect(0, 0, 0, 9)), good, View{}); !errors.Is(err, ErrDecode) {
		t.Errorf("an empty image: want ErrDecode, got %v", err)
	}
}

// A 12-megapixel photograph as Go's JPEG decoder leaves it.
func BenchmarkFit(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 4032, 3024), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i * 7 >> 4)
	}
	for b.Loop() {
		if _, _, err := Fit(img, ImageNetPrep, View{}); err != nil {
			b.Fatal(err)
		}
	}
}
