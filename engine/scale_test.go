package engine

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func (g goldenCase) scaler(t *testing.T) *Scaler {
	t.Helper()
	f := Bilinear
	if g.filter == Bicubic.String() {
		f = Bicubic
	}
	s, err := NewScaler(Scaling{Filter: f, W: g.width, H: g.height, OutW: g.resizedWidth, OutH: g.resizedHeight, X: g.x, Y: g.y, Size: g.size})
	if err != nil {
		t.Fatalf("%v: %v", g, err)
	}
	return s
}

// TestScaleIsPillows holds the reference against pixels that Pillow made.
func TestScaleIsPillows(t *testing.T) {
	for _, g := range goldenCases(t) {
		if testing.Short() && g.width*g.height > 1_000_000 {
			continue
		}
		s := g.scaler(t)
		scale := NewScale(s)
		part := s.Part()
		row := make([]byte, 0, 4*part.Dx())
		for y := part.Min.Y; y < part.Max.Y; y++ {
			row = row[:0]
			for x := part.Min.X; x < part.Max.X; x++ {
				r, g, b, a := g.pixel(x, y)
				row = append(row, r, g, b, a)
			}
			if err := scale.Write(row, RGBA); err != nil {
				t.Fatalf("%v: %v", g, err)
			}
		}
		square := make([]byte, 4*g.size*g.size)
		if err := scale.Square(square); err != nil {
			t.Fatalf("%v: %v", g, err)
		}
		rgb := make([]byte, 0, 3*g.size*g.size)
		for i := 0; i < len(square); i += 4 {
			rgb = append(rgb, square[i:i+3]...)
		}
		g.check(t, rgb)
	}
}

// scaleCase is a picture of random bytes for the machines.
type scaleCase struct {
	Scaling
	format Format
	strips int // rows of each Write, 0 for all at once
}

func (c scaleCase) String() string {
	return fmt.Sprintf("%v %d×%d to %d×%d, %d at %d,%d, format %d, %d rows a time", c.Filter, c.W, c.H, c.OutW, c.OutH, c.Size, c.X, c.Y, c.format, c.strips)
}

// scaleCases are pictures for an image of size pixels a side: single pixels and lines, odd and even sizes, enlarged and
// reduced, squeezed and stretched, larger than a strip, in all formats, in strips of all kinds.
func scaleCases(size int) (list []scaleCase) {
	sizes := [][2]int{{1, 1}, {1, 500}, {500, 1}, {2, 3}, {7, 300}, {31, 17}, {size, size}, {2 * size, 2 * size}, {101, 67}, {375, 500}, {640, 427}, {997, 1009}}
	i := 0
	for _, filter := range []Filter{Bilinear, Bicubic} {
		for _, wh := range sizes {
			w, h := wh[0], wh[1]
			resize := size + i%3*size/7
			out := [2]int{resize, resize}
			switch {
			case i%4 == 3: // not in proportion
			case w < h:
				out[1] = min(resize*h/w, 40_000)
			default:
				out[0] = min(resize*w/h, 40_000)
			}
			list = append(list, scaleCase{Scaling{filter, w, h, out[0], out[1], (out[0] - size) / 2, (out[1] - size) / 2, size}, Format(i % 4), []int{0, 1, 7, 4, 0}[i%5]})
			i++
		}
		// Strips that end where a window does, and pictures of several.
		list = append(list, scaleCase{Scaling{filter, 3001, 400, size * 3001 / 400, size, 5, 0, size}, RGBA, 0},
			scaleCase{Scaling{filter, 150, MaxSide, size, size, 0, 0, size}, BGRA, 0},
			scaleCase{Scaling{filter, MaxSide, 21, size, size, 0, 0, size}, RGBX, 0},
			scaleCase{Scaling{filter, MaxSide, 9, MaxSide, size, MaxSide - size, 0, size}, BGRX, 2})
	}
	return list
}

// picture is the case's part, of random bytes, all of them or the extremes alone.
func (c scaleCase) picture(s *Scaler, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, 4*s.Part().Dx()*s.Part().Dy())
	for i := 0; i < len(b); i += 4 {
		v := r.Uint32()
		if seed%3 == 0 {
			v = v & 0x01010101 * 255
		}
		b[i], b[i+1], b[i+2], b[i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return b
}

// scaler makes the case's tables.
func (c scaleCase) scaler(t *testing.T) *Scaler {
	t.Helper()
	s, err := NewScaler(c.Scaling)
	if err != nil {
		t.Fatalf("%v: %v", c, err)
	}
	return s
}

// scaleProgram has an image of size pixels inside a border of pad.
func scaleProgram(size, pad int) *Program {
	r := rand.New(rand.NewPCG(uint64(size), 4))
	var b Builder
	x := b.Image(size, pad, [3]byte{62, 58, 51})
	w, m, bias := random(r, 8, 3, 2*pad+1, true)
	x, _ = b.Conv(ConvSpec{Name: "conv", In: x, Channels: 8, Kernel: 2*pad + 1, Stride: 2, Rows: true, W: w, M: m, B: bias, Out: true})
	f := b.AvgPool("avgpool", x, 0.05)
	return b.Program(x, f, fc(&b, r, f, 8, 5))
}

// scaled is what the reference makes of a case.
type scaled struct{ image, logits []byte }

// references holds it by program, as several executors are compared with it.
var references = map[*Program][]scaled{}

// take takes a case's picture through an executor.
func (c scaleCase) take(t *testing.T, p *Program, e Executor, picture []byte) (r scaled) {
	t.Helper()
	s := c.scaler(t)
	rows := c.strips * 4 * s.Part().Dx()
	if rows == 0 {
		rows = len(picture)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%v: %v", c, err)
		}
	}
	must(e.Begin(s))
	for at := 0; at < len(picture); at += rows {
		must(e.Write(picture[at:min(at+rows, len(picture))], c.format))
	}
	r = scaled{make([]byte, p.Input.Bytes()), make([]byte, p.Logits.Bytes())}
	must(e.Read(p.Input, r.image))
	must(e.Run())
	must(e.Read(p.Logits, r.logits))
	return r
}

// scaleBoth compares the image that e makes of each case with the reference's, byte for byte, border included, and what
// the program makes of it.
func scaleBoth(t *testing.T, p *Program, e Executor, cases []scaleCase) {
	t.Helper()
	ref, _ := Reference(p)
	for i, c := range cases {
		picture := c.picture(c.scaler(t), uint64(i))
		if len(references[p]) == i {
			references[p] = append(references[p], c.take(t, p, ref, picture))
		}
		want, got := references[p][i], c.take(t, p, e, picture)
		for i := range want.image {
			if want.image[i] != got.image[i] {
				t.Fatalf("%v: image differs first at byte %d of %d (row %d): want %d, got %d", c, i, len(want.image), i/4/p.Input.W, want.image[i], got.image[i])
			}
		}
		if !bytes.Equal(want.logits, got.logits) {
			t.Fatalf("%v: logits differ", c)
		}
	}
}

// scalePrograms have images that kernels with tiles of four pixels find hard, and real ones.
var scalePrograms = []*Program{scaleProgram(67, 3), scaleProgram(13, 1), scaleProgram(4, 1), scaleProgram(32, 0), scaleProgram(224, 3)}

// refuse tries what an executor must refuse: rows without a picture, too many or half of one, a run without an image or with
// half of one, twice; and after each it goes on.
func refuse(t *testing.T, p *Program, e Executor) {
	t.Helper()
	size := p.ImageSize()
	s, err := NewScaler(Scaling{Bilinear, 2 * size, 2 * size, size, size, 0, 0, size})
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewScaler(Scaling{Bilinear, 9, 9, size + 1, size + 1, 0, 0, size + 1})
	if err != nil {
		t.Fatal(err)
	}
	picture := make([]byte, 16*size*size)
	row := picture[:8*size]
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	must("begin", e.Begin(s))
	must("write", e.Write(row, RGBA))
	must("begin anew", e.Begin(s))
	must("write all", e.Write(picture, RGBA))
	must("run", e.Run())
	for _, c := range []struct {
		what string
		do   func() error
	}{
		{"a second run", e.Run},
		{"rows of no picture", func() error { return e.Write(row, RGBA) }},
		{"a scaler of another size", func() error { return e.Begin(other) }},
		{"half a row", func() error { must("begin", e.Begin(s)); return e.Write(row[:8], RGBA) }},
		{"two formats", func() error { must("begin", e.Begin(s)); must("row", e.Write(row, RGBA)); return e.Write(row, BGRX) }},
		{"half a picture", func() error { must("begin", e.Begin(s)); must("row", e.Write(row, RGBA)); return e.Run() }},
		{"a row too many", func() error {
			must("begin", e.Begin(s))
			must("all", e.Write(picture, RGBX))
			return e.Write(row, RGBX)
		}},
		{"an image of another size", func() error { return e.SetImage(row) }},
	} {
		if c.do() == nil {
			t.Errorf("%s: no error", c.what)
		}
	}
	must("begin", e.Begin(s))
	must("write all", e.Write(picture, RGBA))
	must("run", e.Run())
}

func TestReferenceRefuses(t *testing.T) {
	p := scaleProgram(13, 1)
	e, _ := Reference(p)
	refuse(t, p, e)
}

func TestNewScalerRefuses(t *testing.T) {
	good := Scaling{Bilinear, 10, 10, 20, 20, 4, 4, 16}
	if _, err := NewScaler(good); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*Scaling){
		func(s *Scaling) { s.W = 0 }, func(s *Scaling) { s.H = -1 }, func(s *Scaling) { s.W = MaxSide + 1 }, func(s *Scaling) { s.X = 5 },
		func(s *Scaling) { s.Y = -1 }, func(s *Scaling) { s.Size = 0 }, func(s *Scaling) { s.Size = 21 }, func(s *Scaling) { s.OutW = 0 },
	} {
		s := good
		change(&s)
		if _, err := NewScaler(s); err == nil {
			t.Errorf("%+v: no error", s)
		}
	}
}

// TestAreasHoldEveryTable computes the largest tables and windows that the areas must have room for.
func TestAreasHoldEveryTable(t *testing.T) {
	for _, size := range []int{4, 5, 32, 224, 1023, 4096} {
		at := 0
		a := newAreas(size, func(n int) int { at += n; return at - n })
		for _, in := range []int{1, 2, size - 1, size, size + 1, 2*size + 1, 10_007, MaxSide} {
			for _, out := range []int{size, size + 1, 2 * size, 65_536} {
				axis, _, _ := newAxis(Bicubic, in, out, min(out-size, out/2), size)
				if n := len(encodeAxis(axis, 4, 0)); n > a.rows-a.columns {
					t.Errorf("%d pixels to %d of %d: table of %d bytes, room for %d", in, size, out, n, a.rows-a.columns)
				}
				longest := 0
				for _, w := range axis {
					longest = max(longest, len(w.coeffs))
				}
				if n := (longest+1)*4*size + stripBytes; n > a.program-a.squeezed {
					t.Errorf("%d pixels to %d of %d: windows of %d rows take %d bytes, room for %d", in, size, out, longest, n, a.program-a.squeezed)
				}
			}
		}
	}
}

// TestNormaliseIsExact compares the integer rule with the arithmetic it stands for.
func TestNormaliseIsExact(t *testing.T) {
	for p := range 256 {
		for a := range 256 {
			px := []byte{byte(p), 0, 0, byte(a)}
			normalise(px, RGBA)
			if want := math.Floor((float64(p*a+255*(255-a)) + 127) / 255); px[0] != byte(want) || px[3] != 255 {
				t.Fatalf("%d with alpha %d: want %v, got %d", p, a, want, px[0])
			}
		}
	}
}
