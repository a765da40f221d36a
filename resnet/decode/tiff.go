package decode

import (
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/tiff"
)

// Tags of a TIFF's directory (TIFF 6.0; Exif 2.3 has the orientation from there).
const (
	tagCompression = 259
	tagPhotometric = 262
	tagFillOrder   = 266
	tagOrientation = 274
	tagSamples     = 277
	tagPlanar      = 284
	tagT4          = 292
	tagPredictor   = 317
)

// readTIFF reads the first picture of a TIFF, except for kinds that its decoder would read wrongly.
func readTIFF(data []byte) (image.Image, error) {
	t := tiffTags(data)
	compression := t.value(tagCompression, 1)
	fax := compression == 3 || compression == 4
	switch {
	case t.value(tagPlanar, 1) == 2 && t.value(tagSamples, 1) > 1:
		return nil, unsupported("its colours lie in planes of their own, planar configuration 2")
	case compression == 3 && t.value(tagT4, 0)&1 != 0:
		return nil, unsupported("two-dimensional Group 3 fax compression")
	case t.value(tagFillOrder, 1) == 2 && !fax:
		return nil, unsupported("bits in reversed order, fill order 2")
	case t.value(tagPredictor, 1) != 1 && compression != 5 && compression != 8 && compression != 32946:
		return nil, unsupported(fmt.Sprintf("a predictor with compression %d", compression))
	}
	img, err := sized(data, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return nil, err
	}
	// Fax codes name runs of white and black, and white is the bit 0. The decoder reads them as the colours that they
	// are called after, which is right only where 0 is white.
	if g, ok := img.(*image.Gray); ok && fax && t.value(tagPhotometric, 0) == 1 {
		for i := range g.Pix {
			g.Pix[i] ^= 0xff
		}
	}
	return Orient(img, t.orientation()), nil
}

// tags are single numbers of a directory, by tag.
type tags map[uint16]tag

type tag struct {
	short bool // 16 bits, else 32
	value uint32
}

func (t tags) value(k uint16, otherwise uint32) uint32 {
	if v, ok := t[k]; ok {
		return v.value
	}
	return otherwise
}

// orientation is 1 to 8, where anything else, and a number of another type, counts as 1.
func (t tags) orientation() int {
	if v := t[tagOrientation]; v.short && v.value >= 1 && v.value <= 8 {
		return int(v.value)
	}
	return 1
}

// tiffTags reads the first directory of a TIFF structure. Of several entries with the same tag the first counts.
func tiffTags(b []byte) tags {
	t := tags{}
	if len(b) < 8 {
		return t
	}
	var order binary.ByteOrder = binary.LittleEndian
	if string(b[:2]) == "MM" {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return t
	}
	entries := int(order.Uint16(b[at:]))
	for b = b[at+2:]; entries > 0 && len(b) >= 12; b, entries = b[12:], entries-1 {
		const short, long = 3, 4
		key := order.Uint16(b)
		if _, seen := t[key]; seen || order.Uint32(b[4:]) != 1 {
			continue
		}
		switch order.Uint16(b[2:]) {
		case short:
			t[key] = tag{true, uint32(order.Uint16(b[8:]))}
		case long:
			t[key] = tag{false, order.Uint32(b[8:])}
		}
	}
	return t
}

func tiffOrientation(b []byte) int { return tiffTags(b).orientation() }
