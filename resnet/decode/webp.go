package decode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"

	"resnet-web/resnet"
)

// readWebP reads a WebP (RFC 9649), of an animation the first frame.
func readWebP(data []byte) (image.Image, error) {
	if len(data) < 12 {
		return nil, errCut
	}
	if string(data[8:12]) != "WEBP" {
		return nil, unsupported("it is no WebP but other data in a RIFF file")
	}
	end := 8 + uint64(binary.LittleEndian.Uint32(data[4:]))
	if end > uint64(len(data)) {
		return nil, errCut
	}
	list := chunks(data[12:max(end, 12)])
	canvas := image.Rectangle{}
	if x := list["VP8X"]; len(x) >= 10 {
		canvas.Max = image.Pt(1+uint24(x[4:]), 1+uint24(x[7:]))
		if err := resnet.CheckSize(canvas.Dx(), canvas.Dy()); err != nil {
			return nil, err
		}
	}
	frame := list["ANMF"]
	if frame == nil {
		img, err := readFrame(list)
		if err == nil && !canvas.Empty() && img.Bounds().Size() != canvas.Size() {
			err = errors.New("its picture has another size than its header says")
		}
		return img, err
	}
	if len(frame) < 16 || canvas.Empty() {
		return nil, errors.New("an animation without its frame or its header")
	}
	img, err := readFrame(chunks(frame[16:]))
	if err != nil {
		return nil, err
	}
	at := img.Bounds().Sub(img.Bounds().Min).Add(image.Pt(2*uint24(frame), 2*uint24(frame[3:])))
	if !at.In(canvas) {
		return nil, errors.New("a frame outside its canvas")
	}
	moved := *img
	moved.Rect = at
	return onCanvas(&moved, canvas), nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// chunks lists the chunks of data by name, of several of a name the first.
func chunks(data []byte) map[string][]byte {
	list := map[string][]byte{}
	for len(data) >= 8 {
		name, n := string(data[:4]), uint64(binary.LittleEndian.Uint32(data[4:]))
		data = data[8:]
		if n > uint64(len(data)) {
			break
		}
		if list[name] == nil {
			list[name] = data[:n:n]
		}
		data = data[min(n+n%2, uint64(len(data))):]
	}
	return list
}

// readFrame decodes the bitstream among the chunks, in a file that has nothing else.
func readFrame(list map[string][]byte) (*image.NRGBA, error) {
	kind := "VP8 "
	if list[kind] == nil {
		kind = "VP8L"
	}
	if list[kind] == nil {
		return nil, errors.New("no picture in it")
	}
	file := container(chunk(kind, list[kind]))
	c, err := webp.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if err := resnet.CheckSize(c.Width, c.Height); err != nil {
		return nil, err
	}
	if alpha := list["ALPH"]; alpha != nil && kind == "VP8 " {
		const hasAlpha = 1 << 4
		w, h := c.Width-1, c.Height-1
		head := []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)}
		file = container(chunk("VP8X", head), chunk("ALPH", alpha), chunk(kind, list[kind]))
	}
	img, err := webp.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	switch p := img.(type) {
	case *image.NRGBA:
		return p, nil
	case *image.YCbCr:
		return studio(p, nil, 0), nil
	case *image.NYCbCrA:
		return studio(&p.YCbCr, p.A, p.AStride), nil
	}
	return nil, errors.New("a kind of pixels that its decoder does not promise")
}

func chunk(name string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)%2)...)
}

func container(list ...[]byte) []byte {
	body := append([]byte("WEBP"), bytes.Join(list, nil)...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// studio converts a lossy WebP's pixels as libwebp does, and with it every browser and Pillow: byte for byte.
//
// They are BT.601 (RFC 9649, section 2.5) in studio range, 16…235 and 16…240, where package image takes them for JPEG's
// full range. Chroma is stored at half the width and height, and each pixel's is interpolated from the four samples
// around it, by 9, 3, 3 and 1 sixteenths.
func studio(p *image.YCbCr, alpha []byte, stride int) *image.NRGBA {
	b := p.Bounds()
	w, h := b.Dx(), b.Dy()
	out := image.NewNRGBA(image.Rect(0, 0, w, h))
	i := 0
	for y := range h {
		near, far := neighbours(y, (h+1)/2)
		first := p.COffset(b.Min.X, b.Min.Y)
		near, far = first+near*p.CStride, first+far*p.CStride
		luma := p.Y[p.YOffset(b.Min.X, b.Min.Y+y):]
		for x := range w {
			n, f := neighbours(x, (w+1)/2)
			cb := between(p.Cb[near+n], p.Cb[near+f], p.Cb[far+n], p.Cb[far+f])
			cr := between(p.Cr[near+n], p.Cr[near+f], p.Cr[far+n], p.Cr[far+f])
			out.Pix[i], out.Pix[i+1], out.Pix[i+2] = fromStudio(int32(luma[x]), cb, cr)
			out.Pix[i+3] = 255
			if alpha != nil {
				out.Pix[i+3] = alpha[y*stride+x]
			}
			i += 4
		}
	}
	return out
}

// neighbours are the samples that a pixel lies between, the nearer one first; at the border both are the same.
func neighbours(pixel, samples int) (near, far int) {
	near = pixel / 2
	return near, min(max(near-1+pixel%2*2, 0), samples-1)
}

// between is (9·near + 3·side + 3·above + far)/16, with the rounding of libwebp: to eighths first.
func between(near, side, above, far byte) int32 {
	n, d := int32(near), 3*(int32(side)+int32(above))
	return (n + (n+d+int32(far)+8)>>3) >> 1
}

// fromStudio converts a pixel in 14 fractional bits, of which each product loses 8 before the sum.
func fromStudio(y, cb, cr int32) (r, g, b byte) {
	y = y * 19077 >> 8
	return level(y + cr*26149>>8 - 14234), level(y - cb*6419>>8 - cr*13320>>8 + 8708), level(y + cb*33050>>8 - 17685)
}

func level(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
