package engine

import (
	"errors"
	"fmt"
	"image"
	"math"
)

// Filter is a resampling filter, named as Pillow and PyTorch name it.
type Filter uint8

const (
	Bilinear Filter = iota
	Bicubic         // with a = −0.5
)

// String is the filter's name in recipes: "bilinear" or "bicubic".
func (f Filter) String() string { return [...]string{"bilinear", "bicubic"}[f] }

// support is how far from its centre the filter reaches, in pixels of the larger of source and result.
func (f Filter) support() float64 { return float64(f) + 1 }

// weight is the filter's value at a distance of x. Each product is rounded on its own, on every CPU.
func (f Filter) weight(x float64) float64 {
	x = math.Abs(x)
	switch {
	case f == Bilinear:
		return max(1-x, 0)
	case x < 1:
		return float64(float64(float64(float64(1.5*x)-2.5)*x)*x) + 1
	case x < 2:
		return float64((float64((float64((x-5)*x)+8)*x) - 4) * -0.5)
	}
	return 0
}

// MaxSide is the longest side, in pixels, of a picture that is scaled: what a browser's canvas takes.
const MaxSide = 32767

// Scaling says how a picture becomes a network's image: all W×H pixels of it are scaled to OutW×OutH, and the square of
// Size pixels whose upper left corner is at (X, Y) there is the image. Only what the square needs is computed.
//
// # Arithmetic
//
// It is Pillow's for 8-bit RGB, byte for byte (src/libImaging/Resample.c): first rows, then columns. Each result is
//
//	byte = clamp((2²¹ + Σ coefficient·byte) >> 22, 0, 255)
//
// over the window int(centre − support + ½) … int(centre + support + ½) of the source, clipped to the picture, where
// centre and support are in source pixels, and the support grows with the reduction. The coefficients are the filter's
// values in float64, divided by their sum, times 2²², rounded half away from zero.
//
// Transparent pixels are first put on white, straight alpha a: (p·a + 255·(255 − a) + 127) / 255 in integers.
type Scaling struct {
	Filter     Filter
	W, H       int
	OutW, OutH int
	X, Y, Size int
}

// Scaler holds the tables of one Scaling. It serves any number of pictures, and any number of executors at a time.
type Scaler struct {
	Scaling
	columns, rows axis
	part          image.Rectangle
}

// axis has the window of each pixel of the result along one direction.
type axis []window

// window is a run of source pixels, counted from the beginning of the part that the image needs, with their coefficients.
type window struct {
	first  int
	coeffs []int32
}

const (
	scaleBits = 22             // fractional bits of a coefficient
	scaleUnit = 1 << scaleBits // one
	scaleHalf = scaleUnit / 2  // where sums begin
)

// NewScaler computes the tables of s.
//
// # Errors
//
// A picture without pixels or with a side longer than MaxSide, a result that does not hold the square.
func NewScaler(s Scaling) (*Scaler, error) {
	switch {
	case s.W < 1 || s.H < 1 || s.W > MaxSide || s.H > MaxSide:
		return nil, fmt.Errorf("engine: want a picture of 1 to %d pixels a side, got %d×%d", MaxSide, s.W, s.H)
	case s.Size < 1 || s.X < 0 || s.Y < 0 || s.X+s.Size > s.OutW || s.Y+s.Size > s.OutH:
		return nil, fmt.Errorf("engine: want a square inside %d×%d, got %d×%d at %d, %d", s.OutW, s.OutH, s.Size, s.Size, s.X, s.Y)
	}
	r := &Scaler{Scaling: s}
	r.columns, r.part.Min.X, r.part.Max.X = newAxis(s.Filter, s.W, s.OutW, s.X, s.Size)
	r.rows, r.part.Min.Y, r.part.Max.Y = newAxis(s.Filter, s.H, s.OutH, s.Y, s.Size)
	return r, nil
}

// newAxis computes pixels from … from+n of in source pixels scaled to out, and the part of the source that they need.
func newAxis(f Filter, in, out, from, n int) (a axis, lo, hi int) {
	scale := float64(in) / float64(out)
	grow := max(scale, 1)
	support := f.support() * grow
	a = make(axis, n)
	lo = in
	weights := make([]float64, 2*int(math.Ceil(support))+1)
	for i := range a {
		centre := float64((float64(from+i) + 0.5) * scale)
		first := max(int(centre-support+0.5), 0)
		k := weights[:min(int(centre+support+0.5), in)-first]
		sum := 0.0
		for j := range k {
			k[j] = f.weight(float64((float64(first+j) - centre + 0.5) * (1 / grow)))
			sum += k[j]
		}
		c := make([]int32, len(k))
		for j, w := range k {
			c[j] = int32(float64(w/sum*scaleUnit) + math.Copysign(0.5, w))
		}
		a[i] = window{first, c}
		lo, hi = min(lo, first), max(hi, first+len(c))
	}
	for i := range a {
		a[i].first -= lo
	}
	return a, lo, hi
}

// Part is the part of the picture that the image depends on, the only one to be written.
func (s *Scaler) Part() image.Rectangle { return s.part }

// stripBytes is how much of a picture a machine takes at a time: it stays in the second-level cache, and a photograph of
// 500×375 pixels is one piece.
const stripBytes = 1 << 20

// Rows is how many rows of the part an executor takes at a time.
func (s *Scaler) Rows() int {
	return min(stripBytes/(4*max(s.part.Dx(), s.Size)), s.part.Dy())
}

// Format is the order of the bytes of a pixel.
type Format uint8

const (
	RGBA Format = iota // straight alpha
	BGRA
	RGBX // opaque: the fourth byte has no meaning
	BGRX
)

// opaque reports whether there is no alpha.
func (f Format) opaque() bool { return f >= RGBX }

// blueFirst reports whether blue comes first.
func (f Format) blueFirst() bool { return f&1 != 0 }

// progress is what all executors know of the picture they are taking.
type progress struct {
	*Scaler      // nil before Begin and after Run
	taken   int  // rows of the part
	ready   bool // the image is complete
	format  Format
}

// take checks that n more rows are due.
func (p *progress) take(n int, format Format) error {
	switch {
	case p.Scaler == nil:
		return errors.New("engine: rows of no picture; call Begin first")
	case n < 1 || p.taken+n > p.part.Dy():
		return fmt.Errorf("engine: want %d rows of %d pixels in all, got %d after %d", p.part.Dy(), p.part.Dx(), n, p.taken)
	case p.taken > 0 && format != p.format:
		return errors.New("engine: want one format for all rows of a picture, got two")
	}
	p.taken, p.format = p.taken+n, format
	p.ready = p.taken == p.part.Dy()
	return nil
}

// use checks that there is an image, and uses it up: what runs writes over it.
func (p *progress) use() error {
	switch {
	case p.Scaler != nil && !p.ready:
		return fmt.Errorf("engine: want %d rows of the picture before Run, got %d", p.part.Dy(), p.taken)
	case !p.ready:
		return errors.New("engine: no image to run on; each serves one Run")
	}
	*p = progress{}
	return nil
}

// rowsOf is the number of whole rows of the part in n bytes.
func (p *progress) rowsOf(n int) (int, error) {
	if p.Scaler == nil || n%(4*p.part.Dx()) != 0 {
		return 0, fmt.Errorf("engine: want whole rows of the picture that Begin announced, got %d bytes", n)
	}
	return n / (4 * p.part.Dx()), nil
}

// Scale is the reference of all resampling: it scales one picture in plain Go. Write takes rows of the scaler's part until
// all are there, then Square has the image.
type Scale struct {
	progress
	squeezed []byte // rows of the part after the horizontal pass, Size pixels of 4 bytes each
}

// NewScale begins a picture.
func NewScale(s *Scaler) *Scale {
	return &Scale{progress: progress{Scaler: s}, squeezed: make([]byte, 0, 4*s.Size*s.part.Dy())}
}

// Write takes the next rows of the part, whole.
func (s *Scale) Write(rows []byte, format Format) error {
	n, err := s.rowsOf(len(rows))
	if err != nil {
		return err
	}
	if err := s.take(n, format); err != nil {
		return err
	}
	row := make([]byte, 4*s.part.Dx())
	for ; len(rows) > 0; rows = rows[len(row):] {
		copy(row, rows)
		normalise(row, format)
		for _, w := range s.columns {
			s.squeezed = append(s.squeezed, w.sum(row[4*w.first:], 4), w.sum(row[4*w.first+1:], 4), w.sum(row[4*w.first+2:], 4), 255)
		}
	}
	return nil
}

// Square writes the image to dst, Size×Size opaque RGBA pixels.
func (s *Scale) Square(dst []byte) error {
	if !s.ready {
		return fmt.Errorf("engine: want %d rows of the picture, got %d", s.part.Dy(), s.taken)
	}
	pitch := 4 * s.Size
	for y, w := range s.rows {
		for x := range pitch {
			dst[y*pitch+x] = w.sum(s.squeezed[w.first*pitch+x:], pitch)
		}
	}
	return nil
}

// sum is the window's byte; its pixels are step bytes apart.
func (w window) sum(src []byte, step int) byte {
	sum := int32(scaleHalf)
	for i, c := range w.coeffs {
		sum += c * int32(src[i*step])
	}
	return byte(min(max(sum>>scaleBits, 0), 255))
}

// normalise makes opaque RGBA of pixels in place.
func normalise(pixels []byte, format Format) {
	for ; len(pixels) > 0; pixels = pixels[4:] {
		p := pixels[:4:4]
		if format.blueFirst() {
			p[0], p[2] = p[2], p[0]
		}
		if a := uint32(p[3]); !format.opaque() && a != 255 {
			for i := range 3 {
				p[i] = byte((uint32(p[i])*a + 255*(255-a) + 127) / 255)
			}
		}
		p[3] = 255
	}
}
