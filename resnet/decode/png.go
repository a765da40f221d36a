package decode

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"slices"
	"strings"
)

const iend = "\x00\x00\x00\x00IEND\xae\x42\x60\x82"

// readPNG reads a PNG without what a picture can do without: chunks that are not needed, whatever their checksums, and
// the end marker.
func readPNG(data []byte) (image.Image, error) {
	whole, orientation, err := checkPNG(data)
	if err != nil {
		return nil, err
	}
	img, err := sized(append(whole, iend...), png.DecodeConfig, png.Decode)
	if err != nil {
		if strings.Contains(err.Error(), "not enough pixel data") && !bytes.Contains(data, []byte("IEND")) {
			err = errCut
		}
		return nil, err
	}
	return Orient(img, orientation), nil
}

// checkPNG returns the chunks that the decoder needs, up to the end marker, and the EXIF orientation.
func checkPNG(data []byte) (whole []byte, orientation int, err error) {
	orientation = 1
	whole = append(whole, data[:8]...)
	for rest := data[8:]; ; {
		if strings.HasPrefix(iend, string(rest[:min(len(rest), len(iend))])) {
			return whole, orientation, nil
		}
		if len(rest) < 12 || uint64(binary.BigEndian.Uint32(rest))+12 > uint64(len(rest)) {
			return nil, 0, errCut
		}
		n := 12 + int(binary.BigEndian.Uint32(rest))
		chunk, kind, body := rest[:n], string(rest[4:8]), rest[8:n-4]
		rest = rest[n:]
		right := crc32.ChecksumIEEE(chunk[4:n-4]) == binary.BigEndian.Uint32(chunk[n-4:])
		switch {
		case kind == "IEND":
			return whole, orientation, nil
		case slices.Contains([]string{"IHDR", "PLTE", "IDAT"}, kind) || kind == "tRNS" && right:
			whole = append(whole, chunk...)
		case kind == "eXIf" && right:
			orientation = tiffOrientation(body)
		case kind[0]&0x20 == 0:
			return nil, 0, unsupported("its chunk " + strings.ToValidUTF8(kind, "?") + " is none of the standard's")
		}
	}
}
