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
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
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

// fit goes through a Fitter with strips of so many rows, 0 for Rows.
func (p picture) fit(t testing.TB, f *Fitter, rows int) *image.RGBA {
	t.Helper()
	region := f.Region()
	if rows == 0 {
		rows = f.Rows()
	}
	strip := make([]byte, 4*region.Dx()*min(rows, region.Dy()))
	for y := region.Min.Y; y < region.Max.Y; y += rows {
		i := 0
		for yy := y; yy < min(y+rows, region.Max.Y); yy++ {
			for x := region.Min.X; x < region.Max.X; x++ {
				strip[i], strip[i+1], strip[i+2] = p.rgb(x, yy)
				strip[i+3] = 255
				i += 4
			}
		}
		if err := f.Write(strip[:i]); err != nil {
			t.Fatal(err)
		}
	}
	crop, err := f.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return crop
}

// The crop against torchvision's Resize and CenterCrop on Pillow images.
func TestFitPillow(t *testing.T) {
	files, err := filepath.Glob("testdata/pixels/*.png")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, name := range files {
		var src picture
		p := Prep{Filter: "linear"}
		var step int
		if _, err := fmt.Sscanf(filepath.Base(name), "%dx%d-%d-%d-%d.png", &src.w, &src.h, &p.Resize, &p.Crop, &step); err != nil {
			t.Fatal(err)
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
		f, err := NewFitter(p, src.w, src.h)
		if err != nil {
			t.Fatal(err)
		}
		got := src.fit(t, f, 0)
		var worst [3]int
		var sum [3]float64
		n := (p.Crop + step - 1) / step
		if want.Bounds() != image.Rect(0, 0, n, n) {
			t.Fatalf("%s: want %d×%d pixels, got %v", name, n, n, want.Bounds())
		}
		for y := range n {
			for x := range n {
				a, b := color.RGBAModel.Convert(want.At(x, y)).(color.RGBA), got.RGBAAt(x*step, y*step)
				for i, d := range [3]int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
					worst[i] = max(worst[i], d, -d)
					sum[i] += math.Abs(float64(d)) / float64(n*n)
				}
				if b.A != 255 {
					t.Fatalf("%s: alpha %d at %d,%d", name, b.A, x, y)
				}
			}
		}
		t.Logf("%-26s factor %2d, region %4d×%4d: max %v, mean %.2f", filepath.Base(name), f.factor, f.Region().Dx(), f.Region().Dy(), worst, sum)
		// Without reduction bild and Pillow differ in rounding alone: measured at most 1 level, 0.04 on average. With it
		// (measured: waves 1, 0.30; hard edges 5, 1.95; noise 4, 0.80) a photograph is most like the waves.
		most, mean := [3]int{1, 1, 1}, [3]float64{0.05, 0.05, 0.05}
		if f.factor > 1 {
			most, mean = [3]int{1, 6, 5}, [3]float64{0.35, 2, 1}
		}
		for i := range 3 {
			if worst[i] > most[i] || sum[i] > mean[i] {
				t.Errorf("%s: channel %d differs by at most %d levels, %.2f on average; want %d and %.2f", filepath.Base(name), i, worst[i], sum[i], most[i], mean[i])
			}
		}
	}
}

// A crop of the right size comes out as it went in: the exactness of the whole chain for a PNG of the target size.
func TestFitExact(t *testing.T) {
	p := Prep{Resize: 32, Crop: 32, Filter: "linear"}
	img := image.NewNRGBA(image.Rect(5, 7, 37, 39))
	for i := range img.Pix {
		img.Pix[i] = byte(i * i >> 3)
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	got, box, err := Fit(img, p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Pix, img.Pix) || got.Rect != image.Rect(0, 0, 32, 32) || box != got.Rect {
		t.Errorf("a 32×32 picture changes on its way to 32×32; bounds %v, box %v", got.Rect, box)
	}
}

// The strips do not matter, nor what a Fitter did before.
func TestFitterStrips(t *testing.T) {
	for _, src := range []picture{{61, 47}, {2900, 2000}} {
		p := Prep{Resize: 40, Crop: 32, Filter: "linear"}
		f, err := NewFitter(p, src.w, src.h)
		if err != nil {
			t.Fatal(err)
		}
		want := src.fit(t, f, 0)
		for _, rows := range []int{1, 3, 7, 5000} {
			if got := src.fit(t, f, rows); !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%v in strips of %d rows differs", src, rows)
			}
		}
		if src.w > 1000 && f.factor < 2 {
			t.Errorf("%v is not reduced", src)
		}
		got, box, err := Fit(src, p)
		if err != nil || !bytes.Equal(got.Pix, want.Pix) || box != f.Box() {
			t.Errorf("%v: Fit and Fitter differ; error %v", src, err)
		}
	}
}

// Fit takes every kind of image that decoders make, with and without a quick way.
func TestFitKinds(t *testing.T) {
	p := Prep{Resize: 16, Crop: 16, Filter: "linear"}
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
		got, _, err := Fit(test.img, p)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range src.Pix {
			if d := int(v) - int(got.Pix[i]); d > test.most || -d > test.most {
				t.Fatalf("%T: want %d at byte %d, got %d", test.img, v, i, got.Pix[i])
			}
		}
	}
	got, _, err := Fit(paletted, p)
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
		p := Prep{Resize: 32, Crop: 32, Filter: "linear"}
		for a := 0; a < 256; a += 15 {
			img := image.NewNRGBA(image.Rect(0, 0, size, size))
			for i := 0; i < len(img.Pix); i += 4 {
				img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3] = 0, 100, 255, byte(a)
			}
			got, _, err := Fit(img, p)
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

// Whatever the source, Fitter asks for a region inside it, with the crop inside that, and keeps a small image.
func TestFitterPlans(t *testing.T) {
	preps := []Prep{{Resize: 256, Crop: 224}, {Resize: 32, Crop: 32}, {Resize: 146, Crop: 128}, {Resize: 33, Crop: 32}, {Resize: 500, Crop: 300}}
	sizes := []int{1, 2, 3, 31, 32, 33, 224, 255, 256, 257, 640, 959, 961, 1920, 2999, 4032, 9973, 32767}
	for _, p := range preps {
		p.Filter = "linear"
		for _, w := range sizes {
			for _, h := range sizes {
				f, err := NewFitter(p, w, h)
				if w*h > MaxPixels {
					if !errors.Is(err, ErrTooLarge) {
						t.Errorf("%d×%d: want ErrTooLarge, got %v", w, h, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				r, box := f.Region(), f.Box()
				whole := image.Rect(0, 0, w, h)
				if r.Empty() || !r.In(whole) || !box.In(whole) {
					t.Errorf("%d×%d, %v: region %v, box %v", w, h, p, r, box)
				}
				if r.Dx()%f.factor != 0 || r.Dy()%f.factor != 0 || f.Rows()%f.factor != 0 {
					t.Errorf("%d×%d, %v: region %v is no multiple of %d", w, h, p, r, f.factor)
				}
				for _, s := range []span{f.x, f.y} {
					if s.crop < 0 || s.crop+p.Crop > s.o1-s.o0 || s.o1-s.o0 > 5*p.Resize+150 {
						t.Errorf("%d×%d, %v: span %+v", w, h, p, s)
					}
				}
				// 4 bytes for each pixel of the reduced region, less than 2·reduceTo times the result each way.
				if small := r.Dx() / f.factor * (r.Dy() / f.factor); small > 8*1<<20 {
					t.Errorf("%d×%d, %v: keeps %d pixels", w, h, p, small)
				}
			}
		}
	}
}

func TestPrepErrors(t *testing.T) {
	good := Prep{Resize: 256, Crop: 224, Filter: "linear"}
	for _, bad := range []Prep{{256, 224, "cubic", good.Mean, good.Std}, {223, 224, "linear", good.Mean, good.Std}, {0, 0, "linear", good.Mean, good.Std}, {5000, 224, "linear", good.Mean, good.Std}} {
		if _, err := NewFitter(bad, 10, 10); err == nil {
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
	f, err := NewFitter(good, 300, 300)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(make([]byte, 4*f.Region().Dx()+4)); err == nil {
		t.Error("a row and a pixel: want an error")
	}
	if err := f.Write(make([]byte, 4*f.Region().Dx()*(f.Region().Dy()+1))); err == nil {
		t.Error("too many rows: want an error")
	}
	if err := f.Write(make([]byte, 4*f.Region().Dx())); err != nil {
		t.Error(err)
	}
	if _, err := f.Finish(); err == nil {
		t.Error("Finish after one row: want an error")
	}
	if _, _, err := Fit(nil, good); err == nil {
		t.Error("Fit without an image: want an error")
	}
	if _, _, err := Fit(image.NewGray(image.Rect(0, 0, 0, 9)), good); !errors.Is(err, ErrDecode) {
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
		if _, _, err := Fit(img, ImageNetPrep); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReduce compares the box reduction, odd widths and transparent pixels included, with the definition of an average.
func TestReduce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		factor := 2 + r.IntN(33)
		w, h := factor*(1+r.IntN(5)), factor*(1+r.IntN(3))
		rgba := make([]byte, 4*w*h)
		for i := range rgba {
			if rgba[i] = byte(r.Uint32()); i%4 == 3 && n%3 > 0 {
				rgba[i] = 255
			}
		}
		if n%3 == 2 {
			rgba[4*r.IntN(w*h)+3] = 7
		}
		var want []byte
		for y := 0; y < h; y += factor {
			for x := 0; x < w; x += factor {
				var sum [3]int
				for i := range factor * factor {
					p := rgba[4*((y+i/factor)*w+x+i%factor):][:4]
					r, g, b := onWhite(p)
					sum[0], sum[1], sum[2] = sum[0]+int(r), sum[1]+int(g), sum[2]+int(b)
				}
				area := factor * factor
				want = append(want, byte((sum[0]+area/2)/area), byte((sum[1]+area/2)/area), byte((sum[2]+area/2)/area), 255)
			}
		}
		f := &Fitter{x: span{s1: w}, y: span{s1: h}, factor: factor}
		if err := errors.Join(f.Write(rgba[:4*w]), f.Write(rgba[4*w:])); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(f.small.Pix, want) {
			t.Fatalf("%d×%d by %d: the averages differ", w, h, factor)
		}
	}
}
