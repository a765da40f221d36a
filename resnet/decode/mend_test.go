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
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/tiff"

	"resnet-web/resnet"
)

// must decodes data.
func must(t *testing.T, name string, data []byte) image.Image {
	t.Helper()
	img, err := Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img
}

// refused wants an error with a code, and the words in it.
func refused(t *testing.T, name string, data []byte, words ...string) {
	t.Helper()
	_, err := Decode(bytes.NewReader(data))
	if resnet.Code(err) == "" {
		t.Errorf("%s: want an error with a code, got %v", name, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: want %q in %v", name, w, err)
		}
	}
}

// differ is the largest difference of two pictures, in levels of 8 bits.
func differ(t *testing.T, name string, got, want image.Image) (most int) {
	t.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Errorf("%s: want %v, got %v", name, want.Bounds(), got.Bounds())
		return 255
	}
	for y := range want.Bounds().Dy() {
		for x := range want.Bounds().Dx() {
			a := color.NRGBAModel.Convert(got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y)).(color.NRGBA)
			b := color.NRGBAModel.Convert(want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y)).(color.NRGBA)
			for _, d := range []int{int(a.R) - int(b.R), int(a.G) - int(b.G), int(a.B) - int(b.B),
				int(a.A) - int(b.A)} {
				most = max(most, d, -d)
			}
		}
	}
	return most
}

// same wants two pictures to be equal.
func same(t *testing.T, name string, got, want image.Image) {
	t.Helper()
	if d := differ(t, name, got, want); d != 0 {
		t.Errorf("%s: a difference of %d levels", name, d)
	}
}

// insert puts more behind the first at bytes of data.
func insert(data []byte, at int, more ...byte) []byte {
	return append(append(bytes.Clone(data[:at]), more...), data[at:]...)
}

func pngChunk(kind, body string, wrong uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])^wrong)
}

const turned = "II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"

func TestPNG(t *testing.T) {
	data := read(t, "rgb.png")
	plain := must(t, "rgb.png", data)
	const head = 33 // bytes of the signature and IHDR
	same(t, "a text whose checksum is wrong", must(t, "text", insert(data, head, pngChunk("tEXt", "Comment\x00hello",
		1)...)), plain)
	same(t, "no end marker", must(t, "end", data[:len(data)-12]), plain)
	same(t, "bytes behind the end", must(t, "behind", append(bytes.Clone(data), "more"...)), plain)
	same(t, "an orientation", must(t, "eXIf", insert(data, head, pngChunk("eXIf", turned, 0)...)), Orient(plain, 6))
	same(t, "an orientation whose checksum is wrong", must(t, "eXIf", insert(data, head, pngChunk("eXIf", turned,
		1)...)), plain)
	refused(t, "another critical chunk", insert(data, head, pngChunk("CgBI", "\x50\x00\x20\x02", 0)...), "CgBI",
		"not read here", "convert it")
	refused(t, "cut", data[:len(data)/2], "cut off", "get the whole file")
	wrong := bytes.Clone(data)
	wrong[len(wrong)-13] ^= 1 // the checksum of the pixels
	refused(t, "pixels whose checksum is wrong", wrong, "broken", "checksum")
}

func TestJPEG(t *testing.T) {
	for _, name := range []string{"baseline.jpg", "progressive.jpg"} {
		data := read(t, name)
		plain := must(t, name, data)
		same(t, "no end marker", must(t, name, data[:len(data)-2]), plain)
		same(t, "half an end marker", must(t, name, data[:len(data)-1]), plain)
		same(t, "bytes behind the end", must(t, name, append(bytes.Clone(data), "more\xff\xda"...)), plain)
		same(t, "junk between segments", must(t, name, insert(data, 20, 0, 0, 0)), plain)
		scan := bytes.Index(data, []byte{0xff, 0xda})
		refused(t, "header only", data[:scan+14], "cut off")
	}
	data := read(t, "baseline.jpg")
	plain := must(t, "baseline.jpg", data)

	// Without Huffman tables, as cameras leave them out that make films of such pictures. Those of this file are not
	// the standard ones, so it comes from Go's encoder.
	var b bytes.Buffer
	if err := jpeg.Encode(&b, plain, nil); err != nil {
		t.Fatal(err)
	}
	frame := b.Bytes()
	var without []byte
	for at := 2; ; {
		n := 2 + int(binary.BigEndian.Uint16(frame[at+2:]))
		if frame[at+1] == 0xda {
			without = append(append([]byte{0xff, 0xd8}, without...), frame[at:]...)
			break
		}
		if frame[at+1] != 0xc4 {
			without = append(without, frame[at:at+n]...)
		}
		at += n
	}
	if len(without) > len(frame)-400 {
		t.Fatal("the tables are still there")
	}
	same(t, "without Huffman tables", must(t, "without tables", without), must(t, "with tables", frame))

	sof := bytes.Index(data, []byte{0xff, 0xc0})
	dnl := bytes.Clone(data)
	copy(dnl[sof+5:], []byte{0, 0})
	refused(t, "height at the end", insert(dnl, len(dnl)-2, 0xff, 0xdc, 0, 4, 0, 16), "DNL", "convert it")
	arithmetic := bytes.Clone(data)
	arithmetic[sof+1] = 0xc9
	refused(t, "arithmetic coding", arithmetic, "not read here", "convert it")

	// A progressive picture that ends between two scans is not whole.
	data = read(t, "progressive.jpg")
	scans := 0
	for at := 0; ; {
		i := bytes.Index(data[at:], []byte{0xff, 0xda})
		if i < 0 {
			break
		}
		at += i + 2
		if scans++; scans > 1 {
			refused(t, "ends before a scan", data[:bytes.LastIndex(data[:at-2], []byte{0xff, 0xc4})], "cut off")
		}
	}
	if scans < 3 {
		t.Errorf("want several scans, got %d", scans)
	}
}

func TestGIF(t *testing.T) {
	palette := color.Palette{color.RGBA{9, 8, 7, 255}, color.RGBA{200, 100, 50, 255}}
	frame := image.NewPaletted(image.Rect(0, 0, 20, 10), palette)
	frame.SetColorIndex(3, 4, 1)
	var b bytes.Buffer
	if err := gif.Encode(&b, frame, nil); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	same(t, "a GIF", must(t, "gif", data), frame)
	same(t, "no trailer", must(t, "gif", data[:len(data)-1]), frame)
	refused(t, "cut", data[:len(data)-2], "cut off")

	small := bytes.Clone(data)
	copy(small[6:], []byte{5, 0, 5, 0})
	same(t, "a screen smaller than its frame", must(t, "gif", small), frame)

	outside := bytes.Clone(data)
	at := bytes.IndexByte(outside, ',')
	copy(outside[at+1:], []byte{4, 0, 2, 0})
	got := must(t, "gif", outside)
	if got.Bounds().Size() != image.Pt(24, 12) {
		t.Errorf("a frame that reaches over the screen: want it to grow to 24×12, got %v", got.Bounds())
	}
	if c := color.NRGBAModel.Convert(got.At(7, 6)); c != (color.NRGBA{200, 100, 50, 255}) {
		t.Errorf("want the frame at its place, got %v", c)
	}
	huge := bytes.Clone(data)
	copy(huge[at+5:], []byte{0x30, 0x75, 0x30, 0x75})
	refused(t, "a frame of 900 megapixels", huge, "30000×30000")
}

func TestWebPLikeLibwebp(t *testing.T) {
	for _, name := range []string{"odd", "even", "narrow"} {
		want, err := png.Decode(bytes.NewReader(read(t, "webp-"+name+".png")))
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, must(t, name, read(t, "webp-"+name+".webp")), want)
	}
}

func TestWebP(t *testing.T) {
	data := read(t, "lossless.webp")
	plain := must(t, "lossless.webp", data)
	body := data[12:]
	// As an extended file: the picture turns with no orientation, and must have the size that its header says.
	extended := func(w, h byte) []byte {
		return container(chunk("VP8X", []byte{8, 0, 0, 0, w - 1, 0, 0, h - 1, 0, 0}), body, chunk("EXIF",
			[]byte(turned)))
	}
	same(t, "an orientation", must(t, "extended", extended(24, 16)), plain)
	refused(t, "another size in the header", extended(1, 1), "broken", "size")
	refused(t, "cut", data[:len(data)-2], "cut off")
	refused(t, "sound", container(chunk("fmt ", nil))[:8], "cut off")
	wave := container(chunk("fmt ", make([]byte, 20)))
	copy(wave[8:], "WAVE")
	refused(t, "sound", wave, "no WebP")

	// An animation whose first frame covers a part of the canvas.
	frame := append([]byte{3, 0, 0, 2, 0, 0, 23, 0, 0, 15, 0, 0, 100, 0, 0, 0}, body...)
	animated := container(chunk("VP8X", []byte{2, 0, 0, 0, 39, 0, 0, 29, 0, 0}), chunk("ANIM", make([]byte, 6)),
		chunk("ANMF", frame), chunk("ANMF", frame[:16]))
	got := must(t, "animated", animated)
	if got.Bounds() != image.Rect(0, 0, 40, 30) {
		t.Fatalf("want the canvas, got %v", got.Bounds())
	}
	same(t, "a frame", got.(*image.NRGBA).SubImage(image.Rect(6, 4, 30, 20)), plain)
	if _, _, _, a := got.At(5, 4).RGBA(); a != 0 {
		t.Error("want the rest of the canvas transparent")
	}
}

// bmp makes a BMP of 4×2 pixels.
func bmp(head int, bits, compression uint32, more, pixels []byte) []byte {
	le := binary.LittleEndian
	b := []byte("BM")
	b = le.AppendUint32(b, uint32(14+head+len(more)+len(pixels)))
	b = le.AppendUint32(b, 0)
	b = le.AppendUint32(b, uint32(14+head+len(more)))
	b = le.AppendUint32(b, uint32(head))
	if head == 12 {
		b = le.AppendUint16(le.AppendUint16(b, 4), 2)
		b = le.AppendUint32(b, 1|bits<<16)
	} else {
		for _, v := range []uint32{4, 2, 1 | bits<<16, compression, uint32(len(pixels)), 0, 0, 0, 0} {
			b = le.AppendUint32(b, v)
		}
		b = append(b, make([]byte, head-40)...)
	}
	return append(append(b, more...), pixels...)
}

func TestBMP(t *testing.T) {
	want := image.NewNRGBA(image.Rect(0, 0, 4, 2))
	colours := []color.NRGBA{{0, 0, 0, 255}, {255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}}
	rows := [2][4]byte{{1, 1, 2, 3}, {0, 3, 3, 3}} // from the top
	palette := make([]byte, 4*256)
	for i, c := range colours {
		copy(palette[4*i:], []byte{c.B, c.G, c.R, 0})
	}
	var rgb, rgb565, rgba []byte // from the bottom
	for y := range 2 {
		for x, i := range rows[1-y] {
			c := colours[i]
			want.SetNRGBA(x, 1-y, c)
			rgb = append(rgb, c.B, c.G, c.R)
			rgb565 = binary.LittleEndian.AppendUint16(rgb565, uint16(c.R)>>3<<11|uint16(c.G)>>2<<5|uint16(c.B)>>3)
			rgba = append(rgba, c.B, c.G, c.R, 0)
		}
	}
	masks := func(list ...uint32) (b []byte) {
		for _, m := range list {
			b = binary.LittleEndian.AppendUint32(b, m)
		}
		return b
	}
	rle8 := []byte{1, 0, 3, 3, 0, 0, 0, 4, 1, 1, 2, 3, 0, 0, 0, 1}
	v4 := bmp(108, 32, 3, nil, rgba) // with an alpha mask, and alpha 0 everywhere
	copy(v4[54:], masks(0xff0000, 0xff00, 0xff, 0xff000000))
	for name, data := range map[string][]byte{
		"24 bits":      bmp(40, 24, 0, nil, rgb),
		"OS/2":         bmp(12, 24, 0, nil, rgb),
		"565":          bmp(40, 16, 3, masks(0xf800, 0x7e0, 0x1f), rgb565),
		"run lengths":  bmp(40, 8, 1, palette, rle8),
		"no end of it": bmp(40, 8, 1, palette, rle8[:len(rle8)-2]),
		"32 bits":      bmp(40, 32, 0, nil, rgba),
		"alpha of 0":   v4,
		"4 bits":       bmp(40, 4, 0, palette[:64], []byte{0x03, 0x33, 0, 0, 0x11, 0x23, 0, 0}),
		"4 bits, runs": bmp(40, 4, 2, palette[:64], []byte{1, 0, 3, 0x33, 0, 0, 2, 0x11, 2, 0x23, 0, 1}),
	} {
		same(t, name, must(t, name, data), want)
	}
	refused(t, "cut", bmp(40, 24, 0, nil, rgb[:20]), "cut off")
	refused(t, "runs cut", bmp(40, 8, 1, palette, rle8[:9]), "cut off")
	refused(t, "a JPEG in it", bmp(40, 0, 4, nil, rgb), "not read here", "convert it")
	refused(t, "no such compression", bmp(40, 24, 9, nil, rgb), "not read here", "convert it")
}

func TestTIFF(t *testing.T) {
	want, err := png.Decode(bytes.NewReader(read(t, "group4.png")))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Group 4, 0 is black", must(t, "group4", read(t, "group4.tif")), want)

	picture := image.NewNRGBA(image.Rect(0, 0, 5, 3))
	for i := range picture.Pix {
		picture.Pix[i] = byte(37 * i)
	}
	var b bytes.Buffer
	if err := tiff.Encode(&b, picture, nil); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	same(t, "a TIFF", must(t, "tiff", data), picture)
	// set gives the file a directory with one number more, or another.
	le := binary.LittleEndian
	set := func(data []byte, key, value uint16) []byte {
		at := int(le.Uint32(data[4:]))
		entry := le.AppendUint16(le.AppendUint16(nil, key), 3)
		entry = le.AppendUint32(le.AppendUint32(entry, 1), uint32(value))
		list := []string{string(entry)}
		for i := range int(le.Uint16(data[at:])) {
			if e := data[at+2+12*i:][:12]; le.Uint16(e) != key {
				list = append(list, string(e))
			}
		}
		slices.SortFunc(list, func(a, b string) int { return int(le.Uint16([]byte(a))) - int(le.Uint16([]byte(b))) })
		out := bytes.Clone(data)
		le.PutUint32(out[4:], uint32(len(out)))
		out = le.AppendUint16(out, uint16(len(list)))
		return append(append(out, strings.Join(list, "")...), 0, 0, 0, 0)
	}
	for o := range uint16(10) {
		same(t, fmt.Sprint("orientation ", o), must(t, "tiff", set(data, tagOrientation, o)), Orient(picture, int(o)))
	}
	refused(t, "planes", set(data, tagPlanar, 2), "planar", "convert it")
	same(t, "one plane", must(t, "group4", set(read(t, "group4.tif"), tagPlanar, 2)), want)
	refused(t, "reversed bits", set(data, tagFillOrder, 2), "fill order", "convert it")
	refused(t, "a predictor without compression", set(data, tagPredictor, 2), "predictor", "convert it")
	refused(t, "two-dimensional Group 3", set(set(read(t, "group4.tif"), tagCompression, 3), tagT4, 1), "Group 3",
		"convert it")
	refused(t, "JPEG in it", set(data, tagCompression, 7), "compression value 7", "convert it")
	refused(t, "CMYK", set(data, tagPhotometric, 5), "not read here", "convert it")
	refused(t, "cut", data[:len(data)/3], "cut off")
}

// The pictures that were found to be read wrongly, or refused without the reason.
func TestFound(t *testing.T) {
	const dir = "../../../shared/cases/pictures"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not here", dir)
	}
	const cut, kind = "is cut off; get the whole file again", "is not read here"
	for name, want := range map[string]string{ // a picture that it equals, or what its refusal says
		"base.png": "", "jpeg-plain.jpg": "", "tiff-plain.tif": "base.png", "bmp-1bit.bmp": "tiff-g4-ref.png",
		"apng-default-image-not-in-animation.png": "base.png",
		"png-exif6.png": "base.png", "tiff-orient6.tif": "base.png", "webp-exif6.webp": "turned",
		"jpeg-exif6.jpg": "", "jpeg-exif6-long.jpg": "", "jpeg-two-exif.jpg": "jpeg-exif6-long.jpg",
		"png-bad-crc-text.png": "base.png", "png-no-iend.png": "base.png", "png-trailing.png": "base.png",
		"png-bad-crc-idat.png": "the PNG is broken", "png-cut-60.png": cut,
		"jpeg-cut-50.jpg": cut, "jpeg-cut-90.jpg": cut, "jpeg-progressive-cut-50.jpg": cut, "jpeg-header-only.jpg": cut,
		"jpeg-cut-last-2-bytes.jpg": "jpeg-plain.jpg", "jpeg-junk-between-segments.jpg": "jpeg-plain.jpg",
		"jpeg-trailing-data.jpg":        "jpeg-plain.jpg",
		"jpeg-without-dht-as-mjpeg.jpg": "jpeg-plain.jpg", "jpeg-one-bad-byte.jpg": "the JPEG is broken",
		"jpeg-dnl.jpg":    kind,
		"webp-lossy.webp": "webp-lossy-as-libwebp.png", "webp-lossy-checks.webp": "webp-lossy-checks-as-libwebp.png",
		"webp-lossy-as-libwebp.png": "", "webp-lossy-checks-as-libwebp.png": "",
		"webp-animated.webp": "base.png", "webp-cut-60.webp": cut, "webp-cut-95.webp": cut,
		"gif-frame-larger.gif": "", "gif-frame-outside.gif": "", "gif-cut-60.gif": cut,
		"bmp-4bit.bmp": "bmp-4bit-ref.png", "bmp-4bit-ref.png": "", "bmp-rle8.bmp": "bmp-4bit-ref.png",
		"bmp-os2.bmp": "base.png", "bmp-565.bmp": "", "bmp-cut-60.bmp": cut,
		"tiff-g4-blackiszero.tif": "tiff-g4-ref.png", "tiff-g4-ref.png": "", "tiff-planar-8bit.tif": kind,
		"tiff-planar-8bit-deflate.tif": kind,
		"avif-16000.avif":              "got AVIF; convert it first",
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if strings.Contains(want, " ") {
			refused(t, name, data, want)
			continue
		}
		got := must(t, name, data)
		if want == "turned" {
			got, want = Orient(got, 6), "base.png"
		}
		if want == "" {
			continue
		}
		other, err := os.ReadFile(filepath.Join(dir, want))
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, got, must(t, want, other))
	}
	listed, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(listed) < 48 {
		t.Errorf("want all the pictures to be there, got %d, %v", len(listed), err)
	}
	if _, err := Decode(bytes.NewReader(nil)); !errors.Is(err, resnet.ErrDecode) {
		t.Error(err)
	}
}
