// Package decode reads picture files for package resnet where there is no browser that does: on the command line.
//
// It reads what browsers read, and sees in it what they see. Where files are damaged there is one rule, here and in the
// page: a picture that lacks only its end marker is read, one that lacks more is refused. Go's decoders are stricter in
// some places and trusting in others, so each format has a file here that looks at a picture's structure first and
// hands its decoder what that reads rightly, or refuses it with the reason.
package decode

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"github.com/jsummers/gobmp"
	"golang.org/x/image/tiff"

	"resnet-web/resnet"
)

// MaxBytes is the longest file that Decode reads.
const MaxBytes = 256 << 20

// Decode reads a PNG, JPEG, GIF, WebP, BMP or TIFF and returns it upright: the EXIF orientation of a JPEG or PNG and
// the orientation of a TIFF are applied. That of a WebP is not, because browsers do not apply it either. Of animations
// it reads the first frame, of an animated PNG the picture that stands for it where nothing moves. The size in the
// header is checked before anything is decoded.
//
// # Errors
//
// resnet.ErrTooLarge beyond resnet.CheckSize or MaxBytes; resnet.ErrDecode for a file that is unknown, broken, cut off
// or of a kind that is not read here, with what it is and what to do; those of r.
func Decode(r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("decode: %w: want a file of at most %d MB", resnet.ErrTooLarge, MaxBytes>>20)
	}
	for _, f := range formats {
		if !bytes.HasPrefix(data, []byte(f.begins)) {
			continue
		}
		img, err := f.read(data)
		if err != nil {
			return nil, explain(f.name, err)
		}
		return img, nil
	}
	return nil, fmt.Errorf("decode: %w: want PNG, JPEG, GIF, WebP, BMP or TIFF, got %s; convert it first",
		resnet.ErrDecode, sniff(data))
}

var formats = []struct {
	name, begins string
	read         func(data []byte) (image.Image, error)
}{
	{"PNG", "\x89PNG\r\n\x1a\n", readPNG},
	{"JPEG", "\xff\xd8", readJPEG},
	{"GIF", "GIF87a", readGIF},
	{"GIF", "GIF89a", readGIF},
	{"WebP", "RIFF", readWebP},
	{"BMP", "BM", readBMP},
	{"TIFF", "II*\x00", readTIFF},
	{"TIFF", "MM\x00*", readTIFF},
}

// errCut is returned by the readers for files that lack more than their end marker. Their unsupported is for files that
// are whole, but of a kind that no decoder here reads.
var errCut = errors.New("cut off")

type unsupported string

func (u unsupported) Error() string { return string(u) }

// explain says of a picture that was refused whether that is the file's fault.
func explain(format string, err error) error {
	var (
		ours    unsupported
		ofJPEG  jpeg.UnsupportedError
		ofPNG   png.UnsupportedError
		ofTIFF  tiff.UnsupportedError
		ofBMP   gobmp.UnsupportedError
		because string
	)
	switch {
	case errors.Is(err, resnet.ErrTooLarge), errors.Is(err, resnet.ErrDecode):
		return err
	case errors.Is(err, errCut), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("decode: %w: the %s is cut off; get the whole file again", resnet.ErrDecode, format)
	case errors.As(err, &ours):
		because = string(ours)
	case errors.As(err, &ofJPEG):
		because = string(ofJPEG)
	case errors.As(err, &ofPNG):
		because = string(ofPNG)
	case errors.As(err, &ofTIFF):
		because = string(ofTIFF)
	case errors.As(err, &ofBMP):
		because = string(ofBMP)
	default:
		return fmt.Errorf("decode: %w: the %s is broken: %w; get the file again, or save the picture anew in another program", resnet.ErrDecode, format, err)
	}
	return fmt.Errorf("decode: %w: this kind of %s is not read here (%s); convert it to PNG or JPEG", resnet.ErrDecode,
		format, because)
}

// sized decodes data after a look at the size in its header.
func sized(data []byte, config func(io.Reader) (image.Config, error),
	decode func(io.Reader) (image.Image, error)) (image.Image, error) {
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if err := resnet.CheckSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	return decode(bytes.NewReader(data))
}

// readGIF reads the first frame. The screen grows to hold it, as in Pillow and in Chromium; what of the screen the
// frame does not cover is transparent.
func readGIF(data []byte) (image.Image, error) {
	screen, err := checkGIF(data)
	if err != nil {
		return nil, err
	}
	if err := resnet.CheckSize(screen.X, screen.Y); err != nil {
		return nil, err
	}
	data = bytes.Clone(data)
	copy(data[6:], []byte{byte(screen.X), byte(screen.X >> 8), byte(screen.Y), byte(screen.Y >> 8)})
	img, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return onCanvas(img, image.Rectangle{Max: screen}), nil
}

// checkGIF walks over the blocks of a GIF (GIF89a, appendix A), all of which but the trailer must be there, and returns
// the size of a screen that holds the first frame.
func checkGIF(data []byte) (screen image.Point, err error) {
	at := 13
	table := func(flags byte) { // a colour table, if the flags say so
		if flags&0x80 != 0 {
			at += 3 << (flags&7 + 1)
		}
	}
	blocks := func() { // sub-blocks, each with its length before it, until an empty one
		for at < len(data) {
			n := int(data[at])
			if at += 1 + n; n == 0 {
				return
			}
		}
		at = len(data) + 1
	}
	if len(data) < at {
		return screen, errCut
	}
	word := func(i int) int { return int(data[i]) | int(data[i+1])<<8 }
	screen = image.Pt(word(6), word(8))
	table(data[10])
	frames := 0
	for at < len(data) {
		switch kind := data[at]; {
		case kind == '!' && at+2 <= len(data):
			at += 2
			blocks()
		case kind == ',' && at+11 <= len(data):
			if frames++; frames == 1 {
				screen.X = max(screen.X, word(at+1)+word(at+5))
				screen.Y = max(screen.Y, word(at+3)+word(at+7))
			}
			flags := data[at+9]
			at += 10
			table(flags)
			at++ // the width of LZW codes
			blocks()
		case kind == '!' || kind == ',':
			return screen, errCut
		case frames == 0:
			return screen, errors.New("no picture before the end")
		default: // the trailer, or what follows a last picture
			return screen, nil
		}
	}
	if at > len(data) || frames == 0 {
		return screen, errCut
	}
	return screen, nil
}

// readBMP reads a BMP of Windows or OS/2, compressed or not.
func readBMP(data []byte) (image.Image, error) {
	r := &hungry{Reader: bytes.NewReader(data)}
	img, err := sized(data, gobmp.DecodeConfig, func(io.Reader) (image.Image, error) { return gobmp.Decode(r) })
	if err == nil && r.empty { // which the decoder of run lengths forgives
		err = errCut
	}
	if p, ok := img.(*image.NRGBA); ok && err == nil {
		opaque(p)
	}
	return img, err
}

// hungry notes that more was wanted than there is.
type hungry struct {
	*bytes.Reader
	empty bool
}

func (h *hungry) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	h.empty = h.empty || n == 0 && err == io.EOF
	return n, err
}

// opaque makes a picture opaque that is transparent everywhere: many programs leave the fourth byte of a BMP's pixels
// 0, and browsers know it.
func opaque(p *image.NRGBA) {
	for i := 3; i < len(p.Pix); i += 4 {
		if p.Pix[i] != 0 {
			return
		}
	}
	for i := 3; i < len(p.Pix); i += 4 {
		p.Pix[i] = 255
	}
}

// sniff names the kind of a file that no decoder knows.
func sniff(data []byte) string {
	if len(data) == 0 {
		return "an empty file"
	}
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		switch brand := string(data[8:12]); brand {
		case "heic", "heix", "mif1", "msf1", "hevc":
			return "HEIC"
		case "avif", "avis":
			return "AVIF"
		}
		return "a video"
	}
	for _, k := range []struct{ begins, name string }{
		{"%PDF", "PDF"}, {"8BPS", "a Photoshop file"}, {"PK\x03\x04", "a zip archive"},
		{"\x00\x00\x01\x00", "an icon (ICO)"},
		{"\xff\x0a", "JPEG XL"}, {"\x00\x00\x00\x0cJXL ", "JPEG XL"}, {"\x00\x00\x00\x0cjP  ", "JPEG 2000"},
		{"\xff\x4f\xff\x51", "JPEG 2000"},
		{"II+\x00", "BigTIFF"}, {"MM\x00+", "BigTIFF"}, {"\x1a\x45\xdf\xa3", "a video"},
	} {
		if bytes.HasPrefix(data, []byte(k.begins)) {
			return k.name
		}
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		return "text (HTML or SVG)"
	}
	return "something else"
}
