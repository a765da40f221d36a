package weights

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// digest computes SHA-256 (FIPS 180-4) in plain Go. It is for the page, which needs it where a site without encryption has
// no crypto.subtle: crypto/sha256 brings the self-tests of a certified module along, 47 kB of what a visitor downloads.
// Everywhere else newDigest gives the standard library's.
type digest struct {
	h     [8]uint32
	block [64]byte
	n     int // bytes so far
}

const digestSize = 32

// roots has the first 32 bits of the fractional parts of the square roots of the first 8 primes, and of the cube roots of
// the first 64.
var roots = func() (r struct {
	square [8]uint32
	cube   [64]uint32
}) {
	for n, prime := 0, 2; n < 64; prime++ {
		isPrime := true
		for d := 2; d*d <= prime; d++ {
			isPrime = isPrime && prime%d != 0
		}
		if !isPrime {
			continue
		}
		if n < len(r.square) {
			r.square[n] = fraction(math.Sqrt(float64(prime)))
		}
		r.cube[n] = fraction(math.Cbrt(float64(prime)))
		n++
	}
	return r
}()

// fraction is exact: 52 bits hold a whole part below 8 and 32 bits behind it with room for the rounding of a root.
func fraction(x float64) uint32 { return uint32((x - math.Floor(x)) * (1 << 32)) }

// Write never fails.
func (d *digest) Write(p []byte) (int, error) {
	if d.n == 0 {
		d.h = roots.square // of nothing yet
	}
	written := len(p)
	for len(p) > 0 {
		k := copy(d.block[d.n%64:], p)
		if d.n, p = d.n+k, p[k:]; d.n%64 == 0 {
			d.mix()
		}
	}
	return written, nil
}

// Sum appends the digest of all that was written to b, and ends d.
func (d *digest) Sum(b []byte) []byte {
	length := uint64(d.n) * 8
	padding := make([]byte, 1+(119-d.n%64)%64)
	padding[0] = 0x80
	d.Write(binary.BigEndian.AppendUint64(padding, length))
	for _, h := range d.h {
		b = binary.BigEndian.AppendUint32(b, h)
	}
	return b
}

// mix takes the block in.
func (d *digest) mix() {
	var w [64]uint32
	for i := range w {
		if i < 16 {
			w[i] = binary.BigEndian.Uint32(d.block[4*i:])
			continue
		}
		x, y := w[i-15], w[i-2]
		w[i] = w[i-16] + w[i-7] + (bits.RotateLeft32(x, -7) ^ bits.RotateLeft32(x, -18) ^ x>>3) +
			(bits.RotateLeft32(y, -17) ^ bits.RotateLeft32(y, -19) ^ y>>10)
	}
	s := d.h // a to h of the standard
	for i := range w {
		a, e := s[0], s[4]
		t := s[7] + (bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)) + (e&s[5] ^ ^e&s[6]) + roots.cube[i] + w[i]
		u := (bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)) + (a&s[1] ^ a&s[2] ^ s[1]&s[2])
		s = [8]uint32{t + u, a, s[1], s[2], s[3] + t, e, s[5], s[6]}
	}
	for i, v := range s {
		d.h[i] += v
	}
}
