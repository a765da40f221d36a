package decode

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"sync"
)

// readJPEG reads a JPEG as libjpeg-turbo does, except for the rounding of the inverse DCT.
func readJPEG(data []byte) (image.Image, error) {
	s := scanJPEG(data)
	switch {
	case s.height == 0 && s.width > 0:
		return nil, unsupported("its height stands only at its end, in a DNL segment")
	case !s.ended && !s.complete():
		return nil, errCut
	}
	img, err := sized(s.mended(data), jpeg.DecodeConfig, jpeg.Decode)
	if err != nil {
		if _, is := err.(jpeg.FormatError); is && !s.ended {
			err = errCut
		}
		return nil, err
	}
	if planes, ok := img.(*image.YCbCr); ok {
		img = upsample(planes)
	}
	return Orient(img, s.orientation), nil
}

// jpegScan is what a JPEG's markers tell.
type jpegScan struct {
	orientation   int // EXIF's, 1 where there is none
	width, height int // 0 without a frame header
	ended         bool
	tables        bool // Huffman tables are defined
	// left is for each component how many low bits of each coefficient are still to come; unseen before its first scan.
	left map[byte]*[64]byte
}

const unseen = 0xff

// complete reports whether the scans that there are make up the whole picture (ITU T.81, B.2.3).
func (s *jpegScan) complete() bool {
	for _, coefficients := range s.left {
		for _, bits := range coefficients {
			if bits != 0 {
				return false
			}
		}
	}
	return len(s.left) > 0
}

// scanJPEG walks over the markers of a JPEG up to its end marker or the end of the data.
func scanJPEG(data []byte) *jpegScan {
	s := &jpegScan{orientation: 1, left: map[byte]*[64]byte{}}
	exif := false
	for p := 2; ; {
		// What is no marker is junk between segments or the data of a scan.
		i := bytes.IndexByte(data[p:], 0xff)
		if i < 0 || p+i+2 > len(data) {
			return s
		}
		p += i + 1
		marker := data[p]
		switch {
		case marker == 0xff: // a fill byte
			continue
		case marker < 0xc0 || marker >= 0xd0 && marker <= 0xd8: // no segment: data of a scan, a restart, or damage
			p++
			continue
		case marker == 0xd9:
			s.ended = true
			return s
		}
		// A segment: a length that counts itself, and the body.
		if p+3 > len(data) {
			return s
		}
		size := int(binary.BigEndian.Uint16(data[p+1:]))
		if size < 2 || p+1+size > len(data) {
			return s
		}
		body := data[p+3 : p+1+size]
		p += 1 + size
		switch {
		case marker == 0xe1 && !exif && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			exif = true // the first one counts, as in browsers
			s.orientation = tiffOrientation(body[6:])
		case marker == 0xc4:
			s.tables = true
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc8 && marker != 0xcc && len(body) >= 6:
			s.frame(body)
		case marker == 0xda:
			s.scan(body)
		}
	}
}

// frame reads a frame header.
func (s *jpegScan) frame(body []byte) {
	s.height, s.width = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	for c := body[6:]; len(c) >= 3; c = c[3:] {
		s.left[c[0]] = new([64]byte)
		for i := range s.left[c[0]] {
			s.left[c[0]][i] = unseen
		}
	}
}

// scan reads a scan header.
func (s *jpegScan) scan(body []byte) {
	if len(body) < 4 || len(body) < 4+2*int(body[0]) {
		return
	}
	n := int(body[0])
	first, last, low := body[1+2*n], body[2+2*n], body[3+2*n]&15
	for k := range n {
		if coefficients := s.left[body[1+2*k]]; coefficients != nil {
			for i := first; i <= min(last, 63); i++ {
				coefficients[i] = low
			}
		}
	}
}

// mended is the file with what decoders take for granted: an end marker and, for frames of cameras that leave them out
// (MJPEG), the Huffman tables of ITU T.81, annex K.
func (s *jpegScan) mended(data []byte) []byte {
	if !s.tables {
		data = append(append([]byte{0xff, 0xd8}, standardTables()...), data[2:]...)
	}
	if !s.ended {
		data = append(bytes.Clone(bytes.TrimSuffix(data, []byte{0xff})), 0xff, 0xd9)
	}
	return data
}

// standardTables is a DHT segment with the tables of annex K, which are those that Go writes.
var standardTables = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewYCbCr(image.Rect(0, 0, 8, 8), image.YCbCrSubsampleRatio444), nil); err != nil {
		panic(err) // a bytes.Buffer takes all
	}
	dht := b.Bytes()[bytes.Index(b.Bytes(), []byte{0xff, 0xc4}):]
	return dht[:2+binary.BigEndian.Uint16(dht[2:])]
})
