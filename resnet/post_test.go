package resnet

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestSoftmax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, test := range []struct {
		logits      []float32
		temperature float32
		want        []float64
	}{
		{[]float32{0, 0}, 1, []float64{0.5, 0.5}},
		{[]float32{0, float32(math.Log(3))}, 1, []float64{0.25, 0.75}},
		{[]float32{0, 2 * float32(math.Log(3))}, 2, []float64{0.25, 0.75}},
		{[]float32{0, float32(math.Log(3))}, 0, []float64{0.25, 0.75}},
		{[]float32{0, float32(math.Log(3))}, nan, []float64{0.25, 0.75}},
		{[]float32{10000, 0, 10000}, 1, []float64{0.5, 0, 0.5}},
		{[]float32{-3e38, 3e38}, 1, []float64{0, 1}},
		{[]float32{0, nan, 0}, 1, []float64{0.5, 0, 0.5}},
		{[]float32{0, -inf}, 1, []float64{1, 0}},
		{[]float32{inf, 0, nan, inf}, 1, []float64{0.5, 0, 0, 0.5}},
		{[]float32{nan, -inf}, 1, []float64{0.5, 0.5}},
		{[]float32{7}, 1, []float64{1}},
	} {
		got := make([]float64, len(test.logits))
		Softmax(got, test.logits, test.temperature)
		for i, p := range test.want {
			if !(math.Abs(got[i]-p) <= 1e-6) {
				t.Errorf("%v at temperature %v: want %v, got %v", test.logits, test.temperature, test.want, got)
				break
			}
		}
	}
	logits := RandomImage(32, 5)
	got := make([]float64, len(logits))
	Softmax(got, logits, 0.01)
	var sum float64
	for _, p := range got {
		sum += p
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("probabilities sum to %v", sum)
	}
}

var animals = []Class{
	{ID: "n01", Labels: map[string]string{"en": "tabby, Tabby cat", "zh": "虎斑猫"}},
	{ID: "n02", Labels: map[string]string{"en": "crane"}},
	{ID: "n03", Labels: map[string]string{"en": "Crane"}},
	{ID: "", Labels: map[string]string{"en": "Ölvogel"}},
	{ID: "n05", Labels: map[string]string{"en": "1984"}},
}

func TestKeep(t *testing.T) {
	for _, test := range []struct {
		allow, deny []string
		want        string // of kept classes; or the entry that an error names
	}{
		{nil, nil, "0 1 2 3 4"},
		{[]string{}, []string{}, "0 1 2 3 4"},
		{[]string{"0"}, nil, "0"},
		{[]string{" TABBY CAT ", "n05"}, nil, "0 4"},
		{[]string{"tabby, tabby cat"}, nil, "0"},
		{[]string{"虎斑猫"}, nil, "0"},
		{[]string{"crane"}, nil, "1 2"},
		{[]string{"N03", "öLVOGEL"}, nil, "2 3"},
		{nil, []string{"crane", "4"}, "0 3"},
		{[]string{"0", "1"}, []string{"1"}, "0"},
		{[]string{"0"}, []string{"0"}, ""},
		{[]string{"tab"}, nil, `allow: no class is "tab"`},
		{[]string{""}, nil, `allow: no class is ""`},
		{[]string{"5"}, nil, `allow: no class is "5"`},
		{[]string{"1984"}, nil, "4"},
		{nil, []string{"-1"}, `deny: no class is "-1"`},
		{[]string{"0"}, []string{"dog"}, `deny: no class is "dog"`},
	} {
		keep, err := Keep(animals, test.allow, test.deny)
		if err != nil {
			if !errors.Is(err, ErrOption) || Code(err) != "bad-option" || test.want == "" || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q, %q: want %s, got error %v", test.allow, test.deny, test.want, err)
			}
			continue
		}
		var got []string
		for i, k := range keep {
			if k {
				got = append(got, fmt.Sprint(i))
			}
		}
		if g := strings.Join(got, " "); g != test.want {
			t.Errorf("%q, %q: want %s, got %s", test.allow, test.deny, test.want, g)
		}
	}
}

func TestTopK(t *testing.T) {
	nan := float32(math.NaN())
	all := []bool{true, true, true, true, true, true}
	for _, test := range []struct {
		logits    []float32
		keep      []bool
		k         int
		threshold float64
		want      []int
	}{
		{[]float32{1, 3, 2, 3, 1, 3}, all, 6, 0, []int{1, 3, 5, 2, 0, 4}},
		{[]float32{1, 3, 2, 3, 1, 3}, all, 2, 0, []int{1, 3}},
		{[]float32{1, 3, 2, 3, 1, 3}, all, 99, 0.06, []int{1, 3, 5, 2}},
		{[]float32{1, 3, 2, 3, 1, 3}, all, 99, 1, nil},
		{[]float32{1, 3, 2, 3, 1, 3}, []bool{true, false, true, false, false, false}, 6, 0, []int{2, 0}},
		{[]float32{-900, -800, 0, -1000, -900, -700}, all, 6, 0, []int{2, 5, 1, 0, 4, 3}}, // probabilities are 0 alike
		{[]float32{nan, 1, nan, 2, -9, nan}, all, 6, 0, []int{3, 1, 4, 0, 2, 5}},
		{[]float32{nan, nan, nan, nan, nan, nan}, all, 6, 0, []int{0, 1, 2, 3, 4, 5}},
	} {
		p := make([]float64, len(test.logits))
		Softmax(p, test.logits, 1)
		if got := TopK(test.logits, p, test.keep, test.k, test.threshold); !slices.Equal(got, test.want) {
			t.Errorf("%v, %d, %v: want %v, got %v", test.logits, test.k, test.threshold, test.want, got)
		}
	}
}

func TestHeatmap(t *testing.T) {
	fc := QuantLinear{W: []int8{1, 2, 3, -127, 0, 127}, Scale: []float32{0.5, 0.25}, B: []float32{9, 9}}
	last := []byte{1, 0, 0, 99, 0, 0, 127, 99} // two places of 3 features in 4 bytes
	for index, want := range [][]float32{{0.5 * 2 * 1, 0.5 * 2 * 381}, {0.25 * 2 * -127, 0.25 * 2 * 127 * 127}} {
		got := NewHeatmap(last, 1, 2, 4, 2, []QuantLinear{fc}, index)
		if got.Index != index || got.Width != 2 || got.Height != 1 || !slices.Equal(got.Data, want) {
			t.Errorf("class %d: want %v, got %+v", index, want, got)
		}
	}
}

// With a hidden layer between, the map has the weights of the units that the picture makes positive: here the first and
// the third of three.
func TestHeatmapHidden(t *testing.T) {
	head := []QuantLinear{
		{W: []int8{1, 2, 3, -1, 0, 0, 0, 0, 2}, Scale: []float32{1, 1, 0.5}, B: []float32{1, 0, -20}},
		{W: []int8{2, 100, 4, -1, 100, 0}, Scale: []float32{1, 0.25}, B: []float32{7, 7}},
	}
	last := []byte{1, 0, 0, 99, 3, 0, 126, 99} // two places of 3 features in 4 bytes, features 4, 0, 126
	for index, row := range [][]float32{{2 * 1, 2 * 2, 2*3 + 4*0.5*2}, {-0.25, -0.5, -0.75}} {
		want := []float32{2 * row[0], 2 * (3*row[0] + 126*row[2])}
		got := NewHeatmap(last, 1, 2, 4, 2, head, index)
		if !slices.Equal(got.Data, want) {
			t.Errorf("class %d: want %v, got %v", index, want, got.Data)
		}
	}
}

func TestSigmoid(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	p := make([]float64, 5)
	Sigmoid(p, []float32{0, 2, -inf, inf, nan}, 2)
	if want := []float64{0.5, 1 / (1 + math.Exp(-1)), 0, 1, 0}; !slices.Equal(p, want) {
		t.Errorf("want %v, got %v", want, p)
	}
	m := &Model{MultiLabel: true, Temperature: 1}
	if m.Probabilities(p[:2], []float32{0, 0}); p[0] != 0.5 || p[1] != 0.5 {
		t.Errorf("multi-label: got %v", p[:2])
	}
}

func TestLabel(t *testing.T) {
	c := Class{ID: "n01", Labels: map[string]string{"en": "cat", "zh": "猫", "zh-Hant": "貓"}}
	for lang, want := range map[string]string{"zh": "猫", "zh-CN": "猫", "zh-Hant-HK": "貓", "en-GB": "cat", "de-AT": "cat", "": "cat", "-": "cat", "zh-": "猫"} {
		if got := c.Label(lang); got != want {
			t.Errorf("%q: got %s, want %s", lang, got, want)
		}
	}
	if got := (Class{ID: "n02"}).Label("zh"); got != "n02" {
		t.Errorf("got %s, want the id", got)
	}
}
