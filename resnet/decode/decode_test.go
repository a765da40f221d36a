package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"resnet-web/resnet"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// check compares with the picture that testdata/images.py draws, in the middle of its four blocks.
func check(t *testing.T, name string, img image.Image, most int) {
	t.Helper()
	if b := img.Bounds(); b.Dx() != 24 || b.Dy() != 16 {
		t.Errorf("%s: want 24×16, got %v", name, b)
		return
	}
	for i, want := range []color.NRGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {80, 80, 80, 255}} {
		x, y := 5+12*(i%2), 4+8*(i/2)
		got := color.NRGBAModel.Convert(img.At(x+img.Bounds().Min.X, y+img.Bounds().Min.Y)).(color.NRGBA)
		if name == "alpha.webp" && i == 0 {
			want.A = 90
		}
		for _, d := range []int{int(got.R) - int(want.R), int(got.G) - int(want.G), int(got.B) - int(want.B), int(got.A) - int(want.A)} {
			if d > most || -d > most {
				t.Errorf("%s: at %d,%d want %v ± %d, got %v", name, x, y, want, most, got)
				break
			}
		}
	}
}

func TestDecode(t *testing.T) {
	for name, most := range map[string]int{ // levels that lossy compression may be off
		"rgb.png": 0, "palette.png": 0, "baseline.jpg": 2, "progressive.jpg": 2, "cmyk.jpg": 8, "lossless.webp": 0, "lossy.webp": 5, "alpha.webp": 5,
		"rgb.bmp": 0, "deflate.tif": 0, "animated.gif": 0, "animated.webp": 0,
		"orient-1.jpg": 2, "orient-2.jpg": 2, "orient-3.jpg": 2, "orient-4.jpg": 2, "orient-5.jpg": 2, "orient-6.jpg": 2, "orient-7.jpg": 2, "orient-8.jpg": 2,
	} {
		img, err := Decode(bytes.NewReader(read(t, name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		check(t, name, img, most)
	}
}

// Turned pictures keep their transparency.
func TestOrientAlpha(t *testing.T) {
	img := image.NewNRGBA(image.Rect(2, 3, 4, 4))
	img.SetNRGBA(2, 3, color.NRGBA{200, 100, 50, 7})
	img.SetNRGBA(3, 3, color.NRGBA{1, 2, 3, 255})
	got, ok := Orient(img, 6).(*image.NRGBA)
	if !ok || got.Rect != image.Rect(0, 0, 1, 2) {
		t.Fatalf("want 1×2 NRGBA, got %T %v", got, got.Bounds())
	}
	if c := got.NRGBAAt(0, 0); c != (color.NRGBA{200, 100, 50, 7}) {
		t.Errorf("want the left pixel above, got %v", c)
	}
	if Orient(img, 1) != image.Image(img) || Orient(img, 0) != image.Image(img) || Orient(img, 9) != image.Image(img) {
		t.Error("orientations 1, 0 and 9: want the image itself")
	}
}

// The high byte counts, as in Pillow and in browsers; transparency goes on white.
func TestSixteenBits(t *testing.T) {
	for c, want := range map[color.NRGBA64]color.RGBA{
		{0x12ff, 0x3400, 0xfffe, 0xffff}: {0x12, 0x34, 0xff, 0xff},
		{0, 0xffff, 0, 0x80ff}:           {0x7f, 0xff, 0x7f, 0xff},
		{0xffff, 0, 0, 0}:                {0xff, 0xff, 0xff, 0xff},
	} {
		src := image.NewNRGBA64(image.Rect(0, 0, 1, 1))
		src.SetNRGBA64(0, 0, c)
		var b bytes.Buffer
		if err := png.Encode(&b, src); err != nil {
			t.Fatal(err)
		}
		img, err := Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		crop, _, err := resnet.Fit(img, resnet.Prep{Resize: 1, Crop: 1, Filter: "bilinear"}, resnet.View{})
		if err != nil {
			t.Fatal(err)
		}
		if got := crop.RGBAAt(0, 0); got != want {
			t.Errorf("%#x: want %v, got %v", c, want, got)
		}
	}
}

// A first frame smaller than the screen stands where it belongs, on transparent ground.
func TestGIFOffset(t *testing.T) {
	frame := image.NewPaletted(image.Rect(3, 2, 5, 4), color.Palette{color.RGBA{9, 8, 7, 255}})
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame}, Delay: []int{0}, Config: image.Config{Width: 10, Height: 6}}); err != nil {
		t.Fatal(err)
	}
	img, err := Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 10, 6) {
		t.Fatalf("want the screen, 10×6, got %v", img.Bounds())
	}
	for at, want := range map[image.Point]color.NRGBA{{3, 2}: {9, 8, 7, 255}, {4, 3}: {9, 8, 7, 255}, {5, 3}: {}, {0, 0}: {}} {
		if got := color.NRGBAModel.Convert(img.At(at.X, at.Y)); got != want {
			t.Errorf("at %v want %v, got %v", at, want, got)
		}
	}
}

// Every prefix of every file is refused with a sentinel and allocates little, unless it lacks no more than the end
// marker.
func TestTruncated(t *testing.T) {
	marker := map[string]int{".png": 12, ".jpg": 2, ".gif": 1}
	files, _ := filepath.Glob("testdata/*.*")
	for _, name := range files {
		if strings.HasSuffix(name, ".py") {
			continue
		}
		data := read(t, filepath.Base(name))
		for n := range data {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Decode(bytes.NewReader(data[:n]))
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
				t.Errorf("%s cut to %d bytes: allocates %d", name, n, got)
			}
			switch base := filepath.Base(name); {
			case base == "animated.gif" && (n == 132 || n == 140):
				continue // between its two frames: nothing tells that there is a second one
			case base == "group4.tif" && n >= len(data)-4: // in the address of a second picture, which is not read
				continue
			}
			if whole := n >= len(data)-marker[filepath.Ext(name)]; whole && err != nil || !whole && !errors.Is(err,
				resnet.ErrDecode) {
				t.Errorf("%s cut to %d of %d bytes: got %v", name, n, len(data), err)
			}
		}
	}
}

// Headers that claim a huge picture are refused before anything is allocated for it.
func TestLyingHeaders(t *testing.T) {
	bigPNG := func(w, h uint32) []byte {
		data := bytes.Clone(read(t, "rgb.png"))
		binary.BigEndian.PutUint32(data[16:], w)
		binary.BigEndian.PutUint32(data[20:], h)
		binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
		return data
	}
	bigJPEG := bytes.Clone(read(t, "baseline.jpg"))
	frame := bytes.Index(bigJPEG, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(bigJPEG[frame+5:], 20000)
	binary.BigEndian.PutUint16(bigJPEG[frame+7:], 20000)
	bigGIF := bytes.Clone(read(t, "animated.gif"))
	binary.LittleEndian.PutUint16(bigGIF[6:], 20000)
	binary.LittleEndian.PutUint16(bigGIF[8:], 20000)
	bigBMP := bytes.Clone(read(t, "rgb.bmp"))
	binary.LittleEndian.PutUint32(bigBMP[18:], 20000)
	binary.LittleEndian.PutUint32(bigBMP[22:], 20000)
	for name, data := range map[string][]byte{"png": bigPNG(20000, 20000), "long png": bigPNG(40000, 1), "jpeg": bigJPEG, "gif": bigGIF, "bmp": bigBMP} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Decode(bytes.NewReader(data))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, resnet.ErrTooLarge) || resnet.Code(err) != "image-too-large" {
			t.Errorf("%s: want ErrTooLarge, got %v", name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: allocates %d bytes", name, got)
		}
	}
}

func TestOtherFiles(t *testing.T) {
	for data, want := range map[string]string{
		"":                             "an empty file",
		"\x00\x00\x00\x18ftypheic\x00": "HEIC",
		"\x00\x00\x00\x18ftypavif\x00": "AVIF",
		"\x00\x00\x00\x18ftypisom\x00": "a video",
		" <!doctype html>":             "text (HTML or SVG)",
		"just words":                   "something else",
	} {
		_, err := Decode(strings.NewReader(data))
		if !errors.Is(err, resnet.ErrDecode) || resnet.Code(err) != "image-decode" || !strings.Contains(fmt.Sprint(err), "got "+want) {
			t.Errorf("%q: want ErrDecode with %q, got %v", data, want, err)
		}
	}
	failed := errors.New("failed")
	if _, err := Decode(broken{failed}); !errors.Is(err, failed) {
		t.Errorf("want the reader's error, got %v", err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// exif wraps a TIFF structure, or what pretends to be one, into a JPEG.
func exif(tiff string) []byte {
	body := "Exif\x00\x00" + tiff
	head := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 'J', 'F', 0xff, 0xff, 0xe1} // a fill byte before the marker
	head = binary.BigEndian.AppendUint16(head, uint16(len(body)+2))
	return append(append(head, body...), 0xff, 0xda, 0, 2)
}

func TestOrientation(t *testing.T) {
	for i, test := range []struct {
		tiff string
		want int
	}{
		{"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00", 6},
		{"II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00", 8},
		{"II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x09\x00\x00\x00", 1}, // no orientation
		{"II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00", 1}, // a long
		{"II\x2a\x00\x08\x00\x00\x00\xff\xff\x12\x01\x03\x00\x01\x00\x00\x00\x03\x00\x00\x00", 3}, // 65535 entries, it says
		{"II\x2a\x00\x08\x00\x00\x00\xff\xff\x13\x01\x03\x00\x01\x00\x00\x00\x03\x00\x00\x00", 1},
		{"II\x2a\x00\xff\xff\xff\xff\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00", 1}, // directory outside
		{"II\x2a\x00\x08\x00\x00\x00\x01\x00\x12\x01", 1},
		{"II", 1},
		{"", 1},
	} {
		if got := scanJPEG(exif(test.tiff)).orientation; got != test.want {
			t.Errorf("case %d: want %d, got %d", i, test.want, got)
		}
	}
	whole := exif("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00")
	for n := 2; n < len(whole); n++ {
		if got := scanJPEG(whole[:n]).orientation; got != 1 && got != 6 {
			t.Errorf("cut to %d bytes: got %d", n, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*")
	for _, name := range files {
		f.Add(read(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width*c.Height > 1<<20 {
			t.Skip("a large picture is not this test's matter")
		}
		if screen, err := checkGIF(data); err == nil && screen.X*screen.Y > 1<<20 {
			t.Skip("a large picture is not this test's matter")
		}
		img, err := Decode(bytes.NewReader(data))
		if err == nil {
			_, _, err = resnet.Fit(img, resnet.Prep{Resize: 8, Crop: 8, Filter: "bilinear"}, resnet.View{})
		}
		if err != nil && resnet.Code(err) == "" {
			t.Errorf("an error without a code: %v", err)
		}
	})
}

func BenchmarkJPEG(b *testing.B) {
	img := image.NewYCbCr(image.Rect(0, 0, 4032, 3024), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i * 7 >> 4)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Decode(bytes.NewReader(file.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}

// Pillow decodes with libjpeg-turbo, as browsers do: only the inverse DCT may round differently.
func TestChromaLikeLibjpeg(t *testing.T) {
	for _, name := range []string{"444", "422", "420", "narrow"} {
		got, err := Decode(bytes.NewReader(read(t, "chroma-"+name+".jpg")))
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(read(t, "chroma-"+name+".png")))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != want.Bounds() {
			t.Fatalf("%s: want %v, got %v", name, want.Bounds(), got.Bounds())
		}
		most, sum, n := 0, 0, 0
		for y := range want.Bounds().Dy() {
			for x := range want.Bounds().Dx() {
				a, b := color.RGBAModel.Convert(got.At(x, y)).(color.RGBA), color.RGBAModel.Convert(want.At(x, y)).(color.RGBA)
				for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B)} {
					most, sum, n = max(most, d, -d), sum+max(d, -d), n+1
				}
			}
		}
		t.Logf("%s: at most %d levels, %.3f on average", name, most, float64(sum)/float64(n))
		if most > 4 || float64(sum)/float64(n) > 0.5 {
			t.Errorf("%s: %d levels, %.3f on average", name, most, float64(sum)/float64(n))
		}
	}
}
