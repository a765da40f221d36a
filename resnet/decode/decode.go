// Package decode reads picture files for package resnet where there is no browser that does: on the command line.
package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // formats that Decode knows
	_ "image/jpeg"
	_ "image/png"
	"io"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"resnet-web/resnet"
)

// MaxBytes is the longest file that Decode reads.
const MaxBytes = 256 << 20

// Decode reads a PNG, JPEG, GIF (its first frame), WebP, BMP or TIFF and returns it upright: the EXIF orientation of a
// JPEG is applied. The size in the header is checked before anything is decoded.
//
// # Errors
//
// resnet.ErrTooLarge beyond resnet.CheckSize or MaxBytes; resnet.ErrDecode for an unknown, broken or cut-off file; those
// of r.
func Decode(r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("decode: %w: want a file of at most %d MB", resnet.ErrTooLarge, MaxBytes>>20)
	}
	c, format, err := image.DecodeConfig(newFile(data))
	if errors.Is(err, image.ErrFormat) {
		return nil, fmt.Errorf("decode: %w: want PNG, JPEG, GIF, WebP, BMP or TIFF, got %s; convert it first", resnet.ErrDecode, sniff(data))
	}
	if err != nil {
		return nil, fmt.Errorf("decode: %w: header: %w", resnet.ErrDecode, err)
	}
	if err := resnet.CheckSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(newFile(data))
	if err != nil {
		return nil, fmt.Errorf("decode: %w: the %s is broken or cut off: %w", resnet.ErrDecode, format, err)
	}
	if screen := image.Rect(0, 0, c.Width, c.Height); format == "gif" && img.Bounds() != screen {
		// The first frame covers a part of the screen; the rest of it is transparent.
		whole := image.NewNRGBA(screen)
		draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
		img = whole
	}
	switch format {
	case "jpeg":
		if planes, ok := img.(*image.YCbCr); ok {
			img = upsample(planes)
		}
		img = Orient(img, Orientation(data))
	case "webp":
		img = studio(img)
	}
	return img, nil
}

// studio converts a lossy WebP's pixels. They are BT.601 (RFC 9649, section 2.5) in studio range, 16…235 and 16…240, as
// libwebp writes and browsers read them; x/image/webp hands them out as JPEG's full range, in which black becomes
// (16, 16, 16). Other images stay as they are.
func studio(img image.Image) image.Image {
	var p *image.YCbCr
	alpha, stride := []byte(nil), 0
	switch i := img.(type) {
	case *image.YCbCr:
		p = i
	case *image.NYCbCrA:
		p, alpha, stride = &i.YCbCr, i.A, i.AStride
	default:
		return img
	}
	out := image.NewNRGBA(p.Rect)
	i := 0
	for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
		for x := p.Rect.Min.X; x < p.Rect.Max.X; x++ {
			c := p.COffset(x, y)
			// In units of 1/65536, with the half that rounds.
			luma := (int32(p.Y[p.YOffset(x, y)])-16)*76309 + 32768
			cb, cr := int32(p.Cb[c])-128, int32(p.Cr[c])-128
			out.Pix[i] = level(luma + 104597*cr)
			out.Pix[i+1] = level(luma - 25675*cb - 53279*cr)
			out.Pix[i+2] = level(luma + 132201*cb)
			out.Pix[i+3] = 255
			if alpha != nil {
				out.Pix[i+3] = alpha[(y-p.Rect.Min.Y)*stride+x-p.Rect.Min.X]
			}
			i += 4
		}
	}
	return out
}

func level(v int32) byte { return byte(max(0, min(255, v>>16))) }

// file has a Peek, so that package image does not wrap it in a bufio.Reader. Behind one the TIFF decoder would no longer
// see an io.ReaderAt, and would set 10 MB aside for whatever a broken header asks for.
type file struct {
	*bytes.Reader
	data []byte
}

func newFile(data []byte) file { return file{bytes.NewReader(data), data} }

// Peek does what bufio.Reader.Peek does.
func (f file) Peek(n int) ([]byte, error) {
	rest := f.data[len(f.data)-f.Len():]
	if n > len(rest) {
		return rest, io.EOF
	}
	return rest[:n], nil
}

// sniff names the kind of a file that no decoder knows.
func sniff(data []byte) string {
	switch {
	case len(data) == 0:
		return "an empty file"
	case len(data) >= 12 && string(data[4:8]) == "ftyp":
		switch brand := string(data[8:12]); brand {
		case "heic", "heix", "mif1", "msf1", "hevc":
			return "HEIC"
		case "avif", "avis":
			return "AVIF"
		}
		return "a video"
	case bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")):
		return "text (HTML or SVG)"
	}
	return "something else"
}

// Orientation is the EXIF orientation of a JPEG, 1 to 8 (Exif 2.3, tag 0x0112), or 1 where there is none.
func Orientation(jpeg []byte) int {
	// Segments: 0xff, a marker, and for all before the scan a length that counts itself.
	for p := 2; p+4 <= len(jpeg) && jpeg[p] == 0xff; {
		marker, size := jpeg[p+1], int(binary.BigEndian.Uint16(jpeg[p+2:]))
		if marker == 0xff { // fill byte
			p++
			continue
		}
		if marker == 0xda || size < 2 || p+2+size > len(jpeg) {
			break
		}
		if body := jpeg[p+4 : p+2+size]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return tiffOrientation(body[6:])
		}
		p += 2 + size
	}
	return 1
}

// tiffOrientation looks for the tag in the first directory of a TIFF structure.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(b[:2]) == "MM" {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	entries := int(order.Uint16(b[at:]))
	for b = b[at+2:]; entries > 0 && len(b) >= 12; b, entries = b[12:], entries-1 {
		const short = 3
		if order.Uint16(b) == 0x0112 && order.Uint16(b[2:]) == short {
			if o := int(order.Uint16(b[8:])); o >= 1 && o <= 8 {
				return o
			}
		}
	}
	return 1
}

// Orient turns and mirrors img as EXIF orientation o asks for. It returns img itself for 1 and for anything that is no
// orientation.
func Orient(img image.Image, o int) image.Image {
	if o < 2 || o > 8 {
		return img
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	src := make([]byte, 4*w*h)
	at := image.Rect(0, 0, w, h)
	var from draw.Image = &image.NRGBA{Pix: src, Stride: 4 * w, Rect: at}
	if p, ok := img.(interface{ Opaque() bool }); ok && p.Opaque() {
		from = &image.RGBA{Pix: src, Stride: 4 * w, Rect: at} // the same bytes, and a fast path of Draw
	}
	draw.Draw(from, at, img, b.Min, draw.Src)

	dw, dh := w, h
	if o >= 5 {
		dw, dh = h, w
	}
	// Where the upright picture's first pixel is stored, and the steps to its right and lower neighbours.
	first, right, down := 0, 4, 4*w
	switch o {
	case 2:
		first, right = 4*(w-1), -4
	case 3:
		first, right, down = len(src)-4, -4, -4*w
	case 4:
		first, down = 4*w*(h-1), -4*w
	case 5:
		right, down = 4*w, 4
	case 6:
		first, right, down = 4*w*(h-1), -4*w, 4
	case 7:
		first, right, down = len(src)-4, -4*w, -4
	case 8:
		first, right, down = 4*(w-1), 4*w, -4
	}
	dst := make([]byte, len(src))
	for y, i := 0, 0; y < dh; y++ {
		for x, p := 0, first+y*down; x < dw; x, p, i = x+1, p+right, i+4 {
			copy(dst[i:i+4], src[p:p+4])
		}
	}
	if from.ColorModel() == color.RGBAModel {
		return &image.RGBA{Pix: dst, Stride: 4 * dw, Rect: image.Rect(0, 0, dw, dh)}
	}
	return &image.NRGBA{Pix: dst, Stride: 4 * dw, Rect: image.Rect(0, 0, dw, dh)}
}
