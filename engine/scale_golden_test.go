package engine

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"testing"
)

// goldenCase is a line of testdata/scale.txt: what Pillow makes of a picture drawn by formula.
type goldenCase struct {
	kind          string // of source, see pixel
	width, height int
	alpha         bool   // the source is not opaque; it goes on white before it is resized
	filter        string // bilinear or bicubic
	resizedWidth  int    // the whole picture is resized to this width and height,
	resizedHeight int
	x, y, size    int    // and of that this square is cut out
	digest        string // of the square's RGB bytes
	rgb           []byte // these bytes if the square is small
}

func (g goldenCase) String() string {
	on := ""
	if g.alpha {
		on = " with alpha"
	}
	return fmt.Sprintf("%s %d×%d%s to %d×%d %s, %d×%d at %d,%d", g.kind, g.width, g.height, on, g.resizedWidth, g.resizedHeight, g.filter, g.size, g.size, g.x, g.y)
}

// pixel is a pixel of the source, with straight alpha. testdata/scale.py draws the same and says what the kinds are for.
func (g goldenCase) pixel(x, y int) (red, green, blue, alpha byte) {
	scramble := func(x, y int) uint32 {
		z := uint32(x)*374761393 + uint32(y)*668265263
		z = (z ^ z>>13) * 1274126177
		return z ^ z>>16
	}
	side := max(g.width, g.height)
	noise := scramble(x, y)
	switch g.kind {
	case "waves":
		wave := func(t int) int {
			t = t%512 - 256
			return max(t, -t)
		}
		cell := max(1, side/23)
		red = byte((wave(1777*x/side) + wave((901*x+1303*y)/side)) * 255 / 512)
		green = byte((x/cell + y/cell) % 2 * 255)
		blue = byte(noise)
	case "noise":
		red, green, blue = byte(noise), byte(noise>>8), byte(noise>>16)
	case "extremes":
		cell := 1 + side/40
		bits := scramble(x/cell, y/cell)
		red, green, blue = byte(bits&1*255), byte(bits>>1&1*255), byte(bits>>2&1*255)
	case "black":
	case "white":
		red, green, blue = 255, 255, 255
	default:
		panic("engine: no kind of picture is called " + g.kind)
	}
	alpha = 255
	if g.alpha {
		alpha = byte(min(max(int(noise>>24)*3-255, 0), 255))
	}
	return red, green, blue, alpha
}

// check fails the test if the square's RGB bytes are not Pillow's.
func (g goldenCase) check(t *testing.T, rgb []byte) {
	t.Helper()
	if len(rgb) != 3*g.size*g.size {
		t.Errorf("%v: want %d bytes, got %d", g, 3*g.size*g.size, len(rgb))
		return
	}
	sum := sha256.Sum256(rgb)
	if hex.EncodeToString(sum[:8]) == g.digest {
		return
	}
	if len(g.rgb) == 0 {
		t.Errorf("%v: the bytes are not Pillow's", g)
		return
	}
	t.Errorf("%v:\nwant %x\ngot  %x", g, g.rgb, rgb)
}

// goldenCases reads testdata/scale.txt.
func goldenCases(t testing.TB) []goldenCase {
	t.Helper()
	file, err := os.Open("testdata/scale.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var cases []goldenCase
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var g goldenCase
		var alpha int
		var pixels string
		line := lines.Text()
		n, err := fmt.Sscan(line, &g.kind, &g.width, &g.height, &alpha, &g.filter, &g.resizedWidth, &g.resizedHeight, &g.x, &g.y, &g.size, &g.digest, &pixels)
		if n < 11 {
			t.Fatalf("testdata/scale.txt: %q: %v; make it anew with scale.py", line, err)
		}
		g.alpha = alpha == 1
		if g.rgb, err = hex.DecodeString(pixels); err != nil {
			t.Fatalf("testdata/scale.txt: %q: %v; make it anew with scale.py", line, err)
		}
		cases = append(cases, g)
	}
	if err := lines.Err(); err != nil || len(cases) == 0 {
		t.Fatalf("testdata/scale.txt: want cases, got %d; error %v", len(cases), err)
	}
	return cases
}
