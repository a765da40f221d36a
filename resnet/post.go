package resnet

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Probabilities writes the probabilities of logits to dst, which has their length: by Softmax, or by Sigmoid where the
// classes do not exclude each other.
func (m *Model) Probabilities(dst []float64, logits []float32) {
	if m.MultiLabel {
		Sigmoid(dst, logits, m.Temperature)
	} else {
		Softmax(dst, logits, m.Temperature)
	}
}

// Sigmoid writes 1/(1+exp(−logit/temperature)) of each logit to dst, which has their length. A temperature that is not
// positive counts as 1, a logit that is not a number as −Inf.
func Sigmoid(dst []float64, logits []float32, temperature float32) {
	if !(temperature > 0) {
		temperature = 1
	}
	for i, l := range logits {
		if dst[i] = 1 / (1 + math.Exp(-float64(l)/float64(temperature))); math.IsNaN(dst[i]) {
			dst[i] = 0
		}
	}
}

// Softmax writes the probabilities of logits divided by temperature to dst, which has their length. They sum to 1.
//
// A temperature that is not positive counts as 1. A logit that is not a number counts as −Inf; infinite ones share the
// whole; if nothing is left, all classes are equally likely.
func Softmax(dst []float64, logits []float32, temperature float32) {
	if !(temperature > 0) {
		temperature = 1
	}
	best := math.Inf(-1)
	for _, l := range logits {
		if v := float64(l); v > best {
			best = v
		}
	}
	var sum float64
	for i, l := range logits {
		v := float64(l)
		switch {
		case v == best || math.IsInf(best, -1): // at infinity the difference is not a number
			dst[i] = 1
		case math.IsNaN(v):
			dst[i] = 0
		default:
			dst[i] = math.Exp((v - best) / float64(temperature))
		}
		sum += dst[i]
	}
	for i := range logits {
		dst[i] /= sum
	}
}

// Keep tells which classes allow and deny leave: every class, or those of allow if it is not empty, without those of
// deny. An entry is an index, a WordNet id, a label in any language, or one of a label's names where it has several
// between commas; letter case and surrounding space do not matter. A label of several classes means all of them.
//
// # Errors
//
// ErrOption for an entry that names no class.
func Keep(classes []Class, allow, deny []string) ([]bool, error) {
	keep := make([]bool, len(classes))
	set := func(list string, entries []string, value bool) error {
		for _, e := range entries {
			found := find(classes, e)
			if len(found) == 0 {
				return fmt.Errorf("resnet: %w: %s: no class is %q; want an index from 0 to %d, a label or a WordNet id", ErrOption, list, e, len(classes)-1)
			}
			for _, i := range found {
				keep[i] = value
			}
		}
		return nil
	}
	if len(allow) == 0 {
		for i := range keep {
			keep[i] = true
		}
	}
	if err := set("allow", allow, true); err != nil {
		return nil, err
	}
	if err := set("deny", deny, false); err != nil {
		return nil, err
	}
	return keep, nil
}

// find lists the classes that entry names.
func find(classes []Class, entry string) []int {
	entry = strings.TrimSpace(entry)
	if i, err := strconv.Atoi(entry); err == nil && i >= 0 && i < len(classes) {
		return []int{i}
	}
	var found []int
	for i, c := range classes {
		if c.named(entry) {
			found = append(found, i)
		}
	}
	return found
}

func (c Class) named(entry string) bool {
	if entry == "" {
		return false
	}
	if strings.EqualFold(c.ID, entry) {
		return true
	}
	for _, label := range c.Labels {
		if strings.EqualFold(label, entry) {
			return true
		}
		for name := range strings.SplitSeq(label, ",") {
			if strings.EqualFold(strings.TrimSpace(name), entry) {
				return true
			}
		}
	}
	return false
}

// TopK lists up to k classes that are kept and have at least the probability threshold, best first. Logits decide, so
// that probabilities which round to the same number keep their order; of equal logits the lower index comes first, and a
// logit that is not a number comes last.
func TopK(logits []float32, probabilities []float64, keep []bool, k int, threshold float64) []int {
	var list []int
	for i, p := range probabilities {
		if keep[i] && p >= threshold {
			list = append(list, i)
		}
	}
	sort.Slice(list, func(a, b int) bool {
		la, lb := logits[list[a]], logits[list[b]]
		switch {
		case la > lb:
			return true
		case la < lb:
			return false
		case la != lb && (la == la) != (lb == lb): // one of them is not a number
			return la == la
		}
		return list[a] < list[b]
	})
	return list[:min(k, len(list))]
}

// Heatmap is a class activation map: how much each place of the last feature map adds to a class's logit (Zhou et al.,
// "Learning Deep Features for Discriminative Localization", 2015). A ResNet ends in an average and a linear layer, so
// it is exact: the mean of Data is the logit less its bias. With hidden layers between, each place is weighted by the
// gradient of the logit for this picture (Selvaraju et al., "Grad-CAM", 2017), of which the same holds with another
// constant in place of the bias: as long as no unit changes its sign, the logit is linear in the features.
type Heatmap struct {
	Index         int // of the class
	Width, Height int
	Data          []float32 // Height × Width
}

// NewHeatmap computes the map of class index from the last feature map. That has h×w pixels of stride 7-bit values in the
// given scale; values beyond the length of a row of the head's first layer are padding.
func NewHeatmap(last []byte, h, w, stride int, scale float32, head []QuantLinear, index int) *Heatmap {
	m := &Heatmap{Index: index, Width: w, Height: h, Data: make([]float32, h*w)}
	if len(head) > 1 {
		m.fill(last, stride, gradient(mean(last, stride, float64(scale)), head, index), float64(scale))
		return m
	}
	fc := head[0]
	features := len(fc.W) / len(fc.Scale)
	row := fc.W[index*features : (index+1)*features]
	for i := range m.Data {
		var sum int32 // exact: 127·127·features
		for c, v := range last[i*stride : i*stride+features] {
			sum += int32(v) * int32(row[c])
		}
		m.Data[i] = float32(float64(sum) * float64(scale) * float64(fc.Scale[index]))
	}
	return m
}

// fill computes the map for a weight of each feature.
func (m *Heatmap) fill(last []byte, stride int, row []float64, scale float64) {
	for i := range m.Data {
		var sum float64
		for c, v := range last[i*stride : i*stride+len(row)] {
			sum += float64(v) * row[c]
		}
		m.Data[i] = float32(sum * scale)
	}
}

// mean averages each channel of a feature map.
func mean(last []byte, stride int, scale float64) []float64 {
	features := make([]float64, stride)
	for i, v := range last {
		features[i%stride] += float64(v)
	}
	for i := range features {
		features[i] *= scale * float64(stride) / float64(len(last))
	}
	return features
}

// gradient is how much the logit of class index changes with each feature, at these features.
func gradient(features []float64, head []QuantLinear, index int) []float64 {
	fc := head[0]
	in := len(fc.W) / len(fc.Scale)
	if len(head) == 1 {
		row := make([]float64, in)
		for i, v := range fc.W[index*in : (index+1)*in] {
			row[i] = float64(v) * float64(fc.Scale[index])
		}
		return row
	}
	units := make([]float64, len(fc.Scale))
	for o := range units {
		sum := 0.0
		for i, v := range fc.W[o*in : (o+1)*in] {
			sum += float64(v) * features[i]
		}
		units[o] = max(0, sum*float64(fc.Scale[o])+float64(fc.B[o]))
	}
	row := make([]float64, in)
	for o, g := range gradient(units, head[1:], index) {
		if units[o] == 0 {
			continue
		}
		for i, v := range fc.W[o*in : (o+1)*in] {
			row[i] += g * float64(fc.Scale[o]) * float64(v)
		}
	}
	return row
}
