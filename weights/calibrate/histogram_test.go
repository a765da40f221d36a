package calibrate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestAddAll counts values one by one and all at once: zeros of both signs, values that widen the bins, and such as
// overflowed.
func TestAddAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	var values []float32
	for i := range 10000 {
		x := float32(max(0, rng.NormFloat64()) * math.Exp(5*rng.NormFloat64()))
		if i%1000 == 7 {
			x = []float32{math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1)), -3, 0x1p-30, 0x1p-17, 1e29}[rng.IntN(6)]
		}
		values = append(values, x)
	}
	for _, bad := range []float64{0, math.NaN(), math.Inf(1), 1e31, math.Inf(-1)} {
		list := append(values[:len(values):len(values)], float32(bad), 0.5)
		one, all := newHistogram(), newHistogram()
		for _, v := range list {
			one.add(float64(v), 1)
		}
		all.addAll(list)
		if !reflect.DeepEqual(one, all) {
			t.Errorf("with %v: all at once are counted otherwise than one by one", bad)
		}
	}
}
