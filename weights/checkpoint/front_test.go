package checkpoint

import (
	"math"
	"strings"
	"testing"
)

// normalise puts operations before the first convolution: "Sub", "Div" … by a number or by one for each channel.
func (m *model) normalise(shape []int, ops ...any) {
	for i := 0; i < len(ops); i += 2 {
		v := ops[i+1].([]float32)
		s := shape
		if len(v) == 1 {
			s = []int{}
		}
		op := ops[i].(string)
		m.before(m.node("conv1"), 0, op, []string{m.constant(op+string(rune('0'+i)), "", s, v...)})
	}
}

// channelsLast makes the input of the model one with the channels last, as TensorFlow has them.
func (m *model) channelsLast(side int64) {
	m.inputs["input"] = value{onnxFloat, []int64{0, side, side, 3}}
	m.before(m.node("conv1"), 0, "Transpose", nil, many("perm", 0, 3, 1, 2))
}

// TestFront reads graphs that do something to the picture first.
func TestFront(t *testing.T) {
	mean, std := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	times := func(v [3]float32, by float64) []float32 {
		var list []float32
		for _, x := range v {
			list = append(list, float32(float64(x)*by))
		}
		return list
	}
	inverse := func(v [3]float32, by float64) []float32 {
		var list []float32
		for _, x := range v {
			list = append(list, float32(1/(float64(x)*by)))
		}
		return list
	}
	half := [3]float32{0.5, 0.5, 0.5}
	for _, test := range []struct {
		name      string
		change    func(m *model)
		mean, std *[3]float32
	}{
		{"channels last", func(m *model) { m.channelsLast(64) }, nil, nil},
		{"channels last, padded before", func(m *model) {
			m.node("conv1").drop("pads")
			m.before(m.node("conv1"), 0, "Pad", nil, many("pads", 0, 3, 3, 0, 0, 3, 3, 0))
			m.channelsLast(64)
		}, nil, nil},
		{"channels last, padded behind", func(m *model) {
			m.node("conv1").drop("pads")
			m.channelsLast(64)
			m.before(m.node("conv1"), 0, "Pad", nil, many("pads", 0, 0, 3, 3, 0, 0, 2, 2))
		}, nil, nil},
		{"Sub, Div", func(m *model) { m.normalise([]int{1, 3, 1, 1}, "Sub", mean[:], "Div", std[:]) }, &mean, &std},
		{"Mul, Add", func(m *model) { m.normalise([]int{3, 1, 1}, "Mul", []float32{2}, "Add", []float32{-1}) }, &half, &half},
		{"Div by 255, Sub, Mul", func(m *model) {
			m.normalise([]int{3, 1, 1}, "Div", []float32{255}, "Sub", mean[:], "Mul", inverse(std, 1))
		}, &mean, &std},
		{"bytes in floating point", func(m *model) {
			m.normalise([]int{1, 3, 1, 1}, "Sub", times(mean, 255), "Div", times(std, 255))
		}, &mean, &std},
		{"only a mean, of bytes", func(m *model) { m.normalise([]int{1, 3, 1, 1}, "Sub", times(mean, 255)) },
			&mean, &[3]float32{1 / 255., 1 / 255., 1 / 255.}},
		{"127.5", func(m *model) { m.normalise(nil, "Div", []float32{127.5}, "Sub", []float32{1}) }, &half, &half},
		{"channels last, normalised before", func(m *model) {
			m.normalise([]int{3}, "Sub", mean[:], "Div", std[:])
			m.channelsLast(64)
		}, &mean, &std},
		{"constant first, then padded", func(m *model) {
			m.normalise([]int{1, 3, 1, 1}, "Sub", mean[:], "Mul", inverse(std, 1))
			n := m.node("Mul before conv1")
			n.inputs[0], n.inputs[1] = n.inputs[1], n.inputs[0]
			m.node("conv1").drop("pads")
			m.before(m.node("conv1"), 0, "Pad", nil, many("pads", 0, 0, 3, 3, 0, 0, 3, 3))
		}, &mean, &std},
		{"a second input and a node that lead nowhere", func(m *model) {
			m.inputs["phase"] = value{onnxFloat, []int64{0}}
			m.nodes = append(m.nodes, &node{name: "dead", op: "Softplus", inputs: []string{"input"}, outputs: []string{"dead"}},
				&node{name: "dead2", op: "Add", inputs: []string{"conv1", "phase"}, outputs: []string{"dead2"}})
		}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := small(t, "resnet18", 64)
			test.change(m)
			c := m.reads(t, 64)
			if c == nil {
				return
			}
			if test.mean == nil {
				if c.Normalisation != nil || len(c.Notes) > 0 {
					t.Errorf("got %v and %q, want no normalisation", c.Normalisation, c.Notes)
				}
				return
			}
			if c.Normalisation == nil || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "itself: mean ") {
				t.Fatalf("got %v and %q, want a normalisation and a note", c.Normalisation, c.Notes)
			}
			for i := range 3 {
				if math.Abs(float64(c.Normalisation.Mean[i]-test.mean[i])) > 1e-6 ||
					math.Abs(float64(c.Normalisation.Std[i]-test.std[i])) > 1e-6 {
					t.Errorf("got %v, want mean %v, std %v", c.Normalisation, test.mean, test.std)
				}
			}
		})
	}
}

func TestFrontRefused(t *testing.T) {
	for _, test := range []struct {
		change func(m *model)
		want   string
	}{
		{func(m *model) { m.before(m.node("conv1"), 0, "Transpose", nil, many("perm", 0, 2, 3, 1)) },
			"perm [0 2 3 1] before the first convolution"},
		{func(m *model) {
			m.channelsLast(64)
			m.before(m.node("conv1"), 0, "Transpose", nil, many("perm", 0, 3, 1, 2))
		}, "want one Transpose"},
		{func(m *model) { m.normalise([]int{3}, "Sub", []float32{1, 2, 3}) },
			`Sub "Sub before conv1" before the first convolution: want one number`},
		{func(m *model) { m.channelsLast(64); m.normalise([]int{3}, "Sub", []float32{1, 2, 3}) }, "want one number"},
		{func(m *model) { m.normalise([]int{3, 1, 1}, "Sub", []float32{1, 2, 3}); m.channelsLast(64) }, "want one number"},
		{func(m *model) { m.normalise([]int{1, 2, 1, 1}, "Sub", []float32{1, 2}) }, "want one number"},
		{func(m *model) { m.normalise(nil, "Mul", []float32{-1}) }, "want positive"},
		{func(m *model) { m.normalise(nil, "Div", []float32{0}) }, "want positive"},
		{func(m *model) {
			m.before(m.node("conv1"), 0, "Pad", nil, many("pads", 0, 0, 3, 3, 0, 0, 3, 3))
			m.normalise(nil, "Sub", []float32{0.5})
		}, "shifts the picture when it has been padded"},
		{func(m *model) {
			m.normalise(nil, "Sub", []float32{0.5})
			n := m.node("Sub before conv1")
			n.inputs[0], n.inputs[1] = n.inputs[1], n.inputs[0]
		}, `Sub "Sub before conv1", which reads it as another input than the first`},
		{func(m *model) {
			m.inputs["phase"] = value{onnxFloat, []int64{0}}
			m.node("layer1.0.conv1").inputs[0] = "phase"
		}, "want one input that leads to an output, file has 2"},
	} {
		m := small(t, "resnet18", 64)
		test.change(m)
		m.refuses(t, test.want)
	}
}
