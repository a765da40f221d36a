package resnet

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

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
// it is exact: the mean of Data is the logit less its bias.
type Heatmap struct {
	Index         int // of the class
	Width, Height int
	Data          []float32 // Height × Width
}

// NewHeatmap computes the map of class index from the last feature map. That has h×w pixels of stride 7-bit values in the
// given scale; values beyond the length of a row of fc are padding.
func NewHeatmap(last []byte, h, w, stride int, scale float32, fc QuantLinear, index int) *Heatmap {
	features := len(fc.W) / len(fc.Scale)
	row := fc.W[index*features : (index+1)*features]
	m := &Heatmap{Index: index, Width: w, Height: h, Data: make([]float32, h*w)}
	for i := range m.Data {
		var sum int32 // exact: 127·127·features
		for c, v := range last[i*stride : i*stride+features] {
			sum += int32(v) * int32(row[c])
		}
		m.Data[i] = float32(float64(sum) * float64(scale) * float64(fc.Scale[index]))
	}
	return m
}
