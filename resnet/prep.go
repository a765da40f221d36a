package resnet

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"

	"resnet-web/engine"
)

// Limits of a source picture, checked before anything is allocated for it.
const (
	MaxSide   = engine.MaxSide
	MaxPixels = 100_000_000 // a decoder holds at least 4 bytes for each
)

// CheckSize reports whether a picture of w×h pixels can be taken.
//
// # Errors
//
// ErrTooLarge beyond MaxSide or MaxPixels, ErrDecode for a picture without pixels.
func CheckSize(w, h int) error {
	if w < 1 || h < 1 {
		return fmt.Errorf("resnet: %w: want at least 1×1 pixels, got %d×%d", ErrDecode, w, h)
	}
	if w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("resnet: %w: want at most %d pixels a side and %d million in all, got %d×%d; scale it down first", ErrTooLarge, MaxSide, MaxPixels/1_000_000, w, h)
	}
	return nil
}

// Check reports whether pictures can be made to follow p.
func (p Prep) Check() error {
	if _, err := p.filter(); err != nil {
		return err
	}
	if p.Crop < 1 || p.Resize < p.Crop || p.Resize > 4096 {
		return fmt.Errorf("resnet: want 1 ≤ crop ≤ resize ≤ 4096, got crop %d, resize %d", p.Crop, p.Resize)
	}
	return nil
}

func (p Prep) filter() (engine.Filter, error) {
	for _, f := range []engine.Filter{engine.Bilinear, engine.Bicubic} {
		if p.Filter == f.String() {
			return f, nil
		}
	}
	return 0, fmt.Errorf("resnet: want filter %q or %q, got %q", engine.Bilinear, engine.Bicubic, p.Filter)
}

// View says what of a picture the network looks at. The zero View is PyTorch's: the centre of the whole picture.
type View struct {
	// Region is cut out first and then treated as if it were the picture; image.Rectangle{} is all of it.
	Region image.Rectangle
	// Squash scales the whole region to the input, each side on its own, instead of cutting out the centre.
	Squash bool
}

// scaling is how a picture of w×h pixels, counted upright, becomes the input; the picture's part in it begins at origin.
// The rounding is torchvision's: Resize makes the longer side int(resize·long/short), CenterCrop begins at
// int(round((side − crop)/2)), where Python rounds halves to even; with Floor it is Hugging Face's, (side − crop)//2.
//
// # Errors
//
// Those of CheckSize and Check; ErrOption for a region that is not inside the picture.
func (p Prep) scaling(w, h int, v View) (s engine.Scaling, origin image.Point, err error) {
	if err := p.Check(); err != nil {
		return s, origin, err
	}
	if err := CheckSize(w, h); err != nil {
		return s, origin, err
	}
	r := image.Rect(0, 0, w, h)
	if v.Region != (image.Rectangle{}) {
		if v.Region.Empty() || !v.Region.In(r) {
			return s, origin, fmt.Errorf("resnet: %w: region: want a part of the picture, whose size is %d×%d, got %d×%d at %d, %d",
				ErrOption, w, h, v.Region.Dx(), v.Region.Dy(), v.Region.Min.X, v.Region.Min.Y)
		}
		r = v.Region
	}
	s = engine.Scaling{W: r.Dx(), H: r.Dy(), OutW: p.Crop, OutH: p.Crop, Size: p.Crop}
	s.Filter, _ = p.filter() // checked above
	if !v.Squash {
		s.OutW, s.OutH = p.Resize, p.Resize
		if s.W < s.H {
			s.OutH = p.Resize * s.H / s.W
		} else {
			s.OutW = p.Resize * s.W / s.H
		}
		centre := func(side int) int {
			if p.Floor {
				return (side - p.Crop) / 2
			}
			return int(math.RoundToEven(float64(side-p.Crop) / 2))
		}
		s.X, s.Y = centre(s.OutW), centre(s.OutH)
	}
	return s, r.Min, nil
}

// box is the part of the picture that the square of s shows, rounded to whole pixels, of which there is at least one.
func box(s engine.Scaling, origin image.Point) image.Rectangle {
	side := func(from, in, out int) (lo, hi int) {
		at := func(i int) int { return int(math.Round(float64(i*in) / float64(out))) }
		lo = min(at(from), in-1)
		return lo, max(at(from+s.Size), lo+1)
	}
	x0, x1 := side(s.X, s.W, s.OutW)
	y0, y1 := side(s.Y, s.H, s.OutH)
	return image.Rect(x0, y0, x1, y1).Add(origin)
}

// Fit scales a decoded, upright image in plain Go. It returns the network's input, Prep.Crop × Prep.Crop and opaque, and
// which part of the image it shows, counted from the image's upper left corner.
func Fit(img image.Image, p Prep, v View) (*image.RGBA, image.Rectangle, error) {
	if img == nil {
		return nil, image.Rectangle{}, errors.New("resnet: Fit: no image")
	}
	s, origin, err := p.scaling(img.Bounds().Dx(), img.Bounds().Dy(), v)
	if err != nil {
		return nil, image.Rectangle{}, err
	}
	scaler, err := engine.NewScaler(s)
	if err != nil {
		return nil, image.Rectangle{}, err
	}
	scale := engine.NewScale(scaler)
	if err := feed(img, scaler.Part().Add(origin), scaler.Rows(), scale.Write); err != nil {
		return nil, image.Rectangle{}, err
	}
	crop := image.NewRGBA(image.Rect(0, 0, p.Crop, p.Crop))
	return crop, box(s, origin), scale.Square(crop.Pix)
}

// feed writes a part of img, counted from its upper left corner, so many rows at a time.
func feed(img image.Image, part image.Rectangle, rows int, write func([]byte, engine.Format) error) error {
	strip := make([]byte, 4*part.Dx()*rows)
	// Asked once: some kinds of image look at every pixel for the answer.
	o, ok := img.(interface{ Opaque() bool })
	opaque := ok && o.Opaque()
	for y := part.Min.Y; y < part.Max.Y; y += rows {
		n := min(rows, part.Max.Y-y)
		here := image.Rect(part.Min.X, y, part.Max.X, y+n).Add(img.Bounds().Min)
		if err := write(straight(strip[:4*part.Dx()*n], img, opaque, here), engine.RGBA); err != nil {
			return err
		}
	}
	return nil
}

// straight copies part of img to dst as RGBA with straight alpha.
func straight(dst []byte, img image.Image, opaque bool, part image.Rectangle) []byte {
	if src, ok := img.(*image.NRGBA); ok {
		for y := range part.Dy() {
			copy(dst[4*part.Dx()*y:][:4*part.Dx()], src.Pix[src.PixOffset(part.Min.X, part.Min.Y+y):])
		}
		return dst
	}
	if opaque {
		draw.Draw(&image.RGBA{Pix: dst, Stride: 4 * part.Dx(), Rect: part.Sub(part.Min)}, part.Sub(part.Min), img, part.Min, draw.Src)
		return dst
	}
	i := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			dst[i], dst[i+1], dst[i+2], dst[i+3] = c.R, c.G, c.B, c.A
			i += 4
		}
	}
	return dst
}

// Normalise is the float network's input for what Fit gives: planar RGB, (p/255 − mean) / std.
func (p Prep) Normalise(crop *image.RGBA) []float32 {
	n := p.Crop
	t := make([]float32, 3*n*n)
	for c := range 3 {
		mean, std := float64(p.Mean[c]), float64(p.Std[c])
		var lut [256]float32
		for v := range lut {
			lut[v] = float32((float64(v)/255 - mean) / std)
		}
		plane := t[c*n*n : (c+1)*n*n]
		for y := range n {
			row := crop.Pix[y*crop.Stride+c:]
			for x := range n {
				plane[y*n+x] = lut[row[4*x]]
			}
		}
	}
	return t
}
