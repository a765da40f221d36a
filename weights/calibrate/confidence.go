package calibrate

import (
	"math"
	"sort"

	"resnet-web/resnet"
)

// Confidence is what FitConfidence finds on labelled images.
type Confidence struct {
	Temperature float32 // to divide logits by
	Unsure      float32 // least probability of an answer that is given as sure
	Error       float64 // expected calibration error with Temperature, 15 bins (Guo et al., 2017)
	Before      float64 // the same at temperature 1
	Kept        float64 // fraction of images at or above Unsure, 0 with NeverSure
	Right       float64 // fraction of those that are right
}

// NeverSure is the threshold of a model none of whose answers is to be given as sure: the largest that a model file takes,
// which hardly any probability at a fitted temperature reaches.
var NeverSure = math.Nextafter32(1, 0)

// FitConfidence fits a temperature and a threshold to logits, one row per image, with their classes. The temperature
// minimises the negative log-likelihood (Guo et al., "On Calibration of Modern Neural Networks", 2017); the threshold is
// the lowest at which at least the fraction precision of the answers at or above it are right, or NeverSure where there is
// none. The images must not be ones that the network was trained on: of those it is too sure. With no images the result
// is temperature 1, threshold 0.
func FitConfidence(logits [][]float32, classes []int, precision float64) Confidence {
	if len(logits) == 0 {
		return Confidence{Temperature: 1}
	}
	// The loss is convex in 1/T: golden-section search over T from 0.1 to 10, on a logarithmic axis.
	const ratio = 0.6180339887498949
	lo, hi := math.Log(0.1), math.Log(10)
	a, b := hi-ratio*(hi-lo), lo+ratio*(hi-lo)
	la, lb := loss(logits, classes, math.Exp(a)), loss(logits, classes, math.Exp(b))
	for hi-lo > 1e-3 {
		if la < lb {
			hi, b, lb = b, a, la
			a = hi - ratio*(hi-lo)
			la = loss(logits, classes, math.Exp(a))
		} else {
			lo, a, la = a, b, lb
			b = lo + ratio*(hi-lo)
			lb = loss(logits, classes, math.Exp(b))
		}
	}
	c := Confidence{Temperature: float32(math.Exp((lo + hi) / 2))}
	sure, right := answers(logits, classes, c.Temperature)
	c.Error = CalibrationError(sure, right)
	plain, _ := answers(logits, classes, 1)
	c.Before = CalibrationError(plain, right)

	order := make([]int, len(sure))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return sure[order[i]] > sure[order[j]] })
	hits := 0
	for i, k := range order {
		if right[k] {
			hits++
		}
		if float64(hits) >= precision*float64(i+1) {
			c.Unsure, c.Kept, c.Right = float32(sure[k]), float64(i+1)/float64(len(order)), float64(hits)/float64(i+1)
		}
	}
	if c.Kept == 0 {
		c.Unsure = NeverSure
		return c
	}
	// A threshold of two digits says what is known; it must stay below 1.
	c.Unsure = min(0.99, float32(math.Floor(float64(c.Unsure)*100)/100))
	return c
}

// loss is the mean negative log-likelihood of the right classes.
func loss(logits [][]float32, classes []int, t float64) float64 {
	var sum float64
	for i, row := range logits {
		top := math.Inf(-1)
		for _, l := range row {
			top = max(top, float64(l))
		}
		var z float64
		for _, l := range row {
			z += math.Exp((float64(l) - top) / t)
		}
		sum += math.Log(z) - (float64(row[classes[i]])-top)/t
	}
	return sum / float64(len(logits))
}

// answers are the probability of each image's best class and whether it is the right one.
func answers(logits [][]float32, classes []int, t float32) (sure []float64, right []bool) {
	sure, right = make([]float64, len(logits)), make([]bool, len(logits))
	for i, row := range logits {
		p := make([]float64, len(row))
		resnet.Softmax(p, row, t)
		at := best(row)
		sure[i], right[i] = p[at], at == classes[i]
	}
	return sure, right
}

// CalibrationError is the expected calibration error over 15 bins (Guo et al., 2017): the mean distance between the
// probabilities sure, of the best classes, and the fractions of them that are right.
func CalibrationError(sure []float64, right []bool) float64 {
	const n = 15
	var promised, kept [n]float64
	for i, p := range sure {
		k := min(n-1, int(p*n))
		promised[k] += p
		if right[i] {
			kept[k]++
		}
	}
	var sum float64
	for k := range promised {
		sum += math.Abs(promised[k] - kept[k])
	}
	return sum / float64(len(sure))
}
