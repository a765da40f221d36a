package decode

import (
	"image"
	"image/color"
	"image/draw"
)

// onCanvas puts a frame on transparent ground, unless it fills the canvas.
func onCanvas(img image.Image, canvas image.Rectangle) image.Image {
	if img.Bounds() == canvas {
		return img
	}
	whole := image.NewNRGBA(canvas)
	draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
	return whole
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
