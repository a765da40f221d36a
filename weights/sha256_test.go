package weights

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// TestDigest compares with crypto/sha256, for all lengths around the ends of blocks and for what comes in pieces.
func TestDigest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	for n := range 300 {
		d := new(digest)
		d.Write(data[:n/3])
		d.Write(data[n/3 : n])
		if want := sha256.Sum256(data[:n]); !bytes.Equal(d.Sum(nil), want[:]) {
			t.Fatalf("%d bytes: another digest than crypto/sha256", n)
		}
	}
	d := new(digest)
	for p := data; len(p) > 0; {
		k := min(1+r.IntN(1000), len(p))
		d.Write(p[:k])
		p = p[k:]
	}
	if want := sha256.Sum256(data); !bytes.Equal(d.Sum([]byte("x")), append([]byte("x"), want[:]...)) {
		t.Fatal("a megabyte in pieces: another digest than crypto/sha256")
	}
}
