package calibrate

import (
	"math"
)

// bins is the number of bins of a histogram. It doubles its range when a value lies beyond, so at least half of them
// are in use: 32 for each of the 127 steps between 0 and the largest value.
const bins = 8192

// histogram counts values of 0 and above. The width of a bin is a power of two.
type histogram struct {
	width float64
	count []uint64
	zeros uint64
	top   float64 // the largest value
	bad   bool    // a value was NaN or beyond 1e30
}

func newHistogram() *histogram {
	return &histogram{width: math.Ldexp(1, -30), count: make([]uint64, bins)}
}

func (h *histogram) widen() {
	h.width *= 2
	for i := range bins / 2 {
		h.count[i] = h.count[2*i] + h.count[2*i+1]
	}
	clear(h.count[bins/2:])
}

// add counts x, weight times.
func (h *histogram) add(x float64, weight uint64) {
	if !(x > 0) {
		h.zeros += weight
		h.bad = h.bad || x != x
		return
	}
	if x > 1e30 {
		h.bad = true
		return
	}
	h.top = max(h.top, x)
	for x >= h.width*bins {
		h.widen()
	}
	h.count[int(x/h.width)] += weight
}

// addAll counts each of values once.
func (h *histogram) addAll(values []float32) {
	count := (*[bins]uint64)(h.count)
	inverse, limit := float32(1/h.width), math.Float32bits(float32(h.width*bins))
	var zeros uint64
	var top uint32
	for _, v := range values {
		bits := math.Float32bits(v) // in the order of the values, and those below 0 and NaN above all others
		if bits >= limit {
			h.add(float64(v), 1)
			inverse, limit = float32(1/h.width), math.Float32bits(float32(h.width*bins))
			continue
		}
		// Half of the values are 0, in no order: a branch would be guessed wrong too often.
		positive := uint64(-bits >> 31)
		zeros += 1 - positive
		count[int(v*inverse)&(bins-1)] += positive
		top = max(top, bits)
	}
	h.zeros += zeros
	h.top = max(h.top, float64(math.Float32frombits(top)))
}

func (h *histogram) merge(o *histogram) {
	for h.width < o.width {
		h.widen()
	}
	ratio := o.width / h.width
	for i, n := range o.count {
		if n > 0 {
			h.count[int((float64(i)+0.5)*ratio)] += n
		}
	}
	h.zeros += o.zeros
	h.top = max(h.top, o.top)
	h.bad = h.bad || o.bad
}

// values yields the middle of each bin in use and its count.
func (h *histogram) values(yield func(x, n float64)) {
	for i, n := range h.count {
		if n > 0 {
			yield((float64(i)+0.5)*h.width, float64(n))
		}
	}
}

// noise is the squared error that steps of size s, from 0 to 127, make in all.
func (h *histogram) noise(s float64) float64 {
	var sum float64
	h.values(func(x, n float64) {
		d := x - s*min(math.RoundToEven(x/s), 127)
		sum += n * d * d
	})
	return sum
}

// scale is the step size of least squared error; 1 if every value is 0.
func (h *histogram) scale() float64 {
	if h.top == 0 {
		return 1
	}
	best, least := h.top/127, math.Inf(1)
	for s := h.top / 127; s >= h.top/127/64 && s >= 2*h.width; s *= 0.985 {
		if e := h.noise(s); e < least {
			best, least = s, e
		}
	}
	return best
}
