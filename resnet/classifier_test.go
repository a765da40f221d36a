package resnet

import (
	"errors"
	"image"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"resnet-web/engine"
)

// quantised makes a model of f in the plainest way, with the range of each activation on one image.
func quantised(f *Float, p Prep, crop *image.RGBA) *Model {
	size := p.Crop
	rgb := make([]float32, 3*size*size)
	for i := range size * size {
		for c := range 3 {
			rgb[c*size*size+i] = (float32(crop.Pix[4*i+c])/255 - p.Mean[c]) / p.Std[c]
		}
	}
	scale := map[string]float32{}
	f.Forward(rgb, size, func(name string, _, _, _ int, t []float32) {
		var top float32
		for _, v := range t {
			top = max(top, v)
		}
		scale[name] = top / 127
	})
	m := &Model{Config: f.Config, Prep: p, Temperature: 1}
	for i := range f.Classes {
		m.Classes = append(m.Classes, Class{ID: "n" + string(rune('a'+i)), Labels: map[string]string{"en": "label " + string(rune('A'+i))}})
	}
	row := func(w []float32) (q []int8, s float32) {
		for _, v := range w {
			s = max(s, max(v, -v)/127)
		}
		for _, v := range w {
			q = append(q, int8(math.RoundToEven(float64(v/s))))
		}
		return q, s
	}
	m.Convs = make([]QuantConv, len(f.Convs))
	add := func(c FloatConv, in, out float32) {
		n := c.In * c.Kernel * c.Kernel
		pad := make([]float32, engine.PadChannels(c.Out)-c.Out)
		q := QuantConv{Name: c.Name, Scale: out}
		var all []int8
		for o := range c.Out {
			w, b := c.W[o*n:(o+1)*n], c.B[o]
			if c.Index == 0 { // the image's values are q/127
				w = append([]float32(nil), w...)
				for i := range w {
					channel := i / (c.Kernel * c.Kernel)
					b -= w[i] * p.Mean[channel] / p.Std[channel]
					w[i] /= 127 * p.Std[channel]
				}
			}
			ints, s := row(w)
			all = append(all, ints...)
			q.M, q.B = append(q.M, s*in/out), append(q.B, b/out)
		}
		q.M, q.B = append(q.M, pad...), append(q.B, pad...)
		q.W = engine.PackConv(all, c.Out, c.In, c.Kernel, c.Index == 0)
		m.Convs[c.Index] = q
	}
	scale["image"], scale["maxpool"] = 1, scale["conv1"] // as the machine has them
	for _, s := range f.Steps() {
		switch {
		case s.Kind == BlockShortcut && s.Conv != nil:
			add(f.Convs[s.Conv.Index], scale[s.In], scale[s.Block.Name])
		case s.Conv != nil:
			add(f.Convs[s.Conv.Index], scale[s.In], scale[s.Out])
		}
	}
	for _, l := range f.Head {
		layer := QuantLinear{B: l.B}
		for i := range l.Out {
			q, s := row(l.W[i*l.In : (i+1)*l.In])
			layer.W, layer.Scale = append(layer.W, q...), append(layer.Scale, s)
		}
		m.Head = append(m.Head, layer)
	}
	return m
}

// classifyCrop classifies what is the network's input already.
func classifyCrop(c *Classifier, crop *image.RGBA, o Options) (Result, error) {
	return c.Classify(crop, View{Squash: true}, o)
}

// open makes a small classifier, the crop it was quantised with, and the float logits of that crop. Hidden linear layers
// stand behind the network's name: "resnet18+40+12".
func open(t *testing.T, name string) (c *Classifier, crop *image.RGBA, float []float32) {
	t.Helper()
	parts := strings.Split(name, "+")
	var hidden []int
	for _, p := range parts[1:] {
		n, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		hidden = append(hidden, n)
	}
	config, err := Lookup(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	p := ImageNetPrep
	p.Resize, p.Crop = 72, 64
	crop, _, err = Fit(picture{90, 80}, p, View{})
	if err != nil {
		t.Fatal(err)
	}
	f := Random(config.Network(10, hidden...), 7)
	c, err = NewClassifier(quantised(f, p, crop), engine.Reference)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	rgb := make([]float32, 3*64*64)
	for i := range 64 * 64 {
		for k := range 3 {
			rgb[k*64*64+i] = (float32(crop.Pix[4*i+k])/255 - p.Mean[k]) / p.Std[k]
		}
	}
	return c, crop, f.Forward(rgb, 64, nil)
}

// The whole int8 chain stays near the float network, for every kind of block and shortcut. The bound is 5 % of the
// spread of the logits: weights and ranges are quantised in the plainest way here, what this test is after is a wrong
// scale or a wrong wiring, which is far outside.
func TestClassifierFloat(t *testing.T) {
	for _, name := range []string{"resnet18x0.25", "resnet50x0.25", "resnet50v1x0.125", "resnet20cifar", "plain18x0.25", "plain20cifar",
		"resnet10x0.25", "resnet26x0.125", "resnet18sx0.25", "resnet29cifarbottleneck", "resnet18x0.25+40+12"} {
		c, crop, float := open(t, name)
		if err := c.Run(crop); err != nil {
			t.Fatal(err)
		}
		low, high := float[0], float[0]
		for _, v := range float {
			low, high = min(low, v), max(high, v)
		}
		var worst float64
		for i, v := range c.Logits() {
			worst = max(worst, math.Abs(float64(v-float[i])))
		}
		t.Logf("%s: logits differ by at most %.1f %% of their spread", name, 100*worst/float64(high-low))
		if !(worst <= 0.05*float64(high-low)) {
			t.Errorf("%s: want logits near %v, got %v", name, float, c.Logits())
		}
	}
}

// The mean of a heat map is the logit less its bias, for every class; and so it is from the features.
func TestHeatmapExact(t *testing.T) {
	for _, name := range []string{"resnet18x0.25", "resnet20cifar"} {
		c, crop, _ := open(t, name)
		fc := c.Model().FC()
		for i := range c.Model().Classes {
			r, err := classifyCrop(c, crop, Options{Heatmap: i})
			if err != nil {
				t.Fatal(err)
			}
			h := r.Heatmap
			last := c.Program().Last
			if h == nil || h.Index != i || h.Width != last.W || h.Height != last.H || len(h.Data) != h.Width*h.Height || h.Width < 2 {
				t.Fatalf("%s: class %d: got map %+v", name, i, h)
			}
			var mean, size float64
			for _, v := range h.Data {
				mean += float64(v) / float64(len(h.Data))
				size += math.Abs(float64(v)) / float64(len(h.Data))
			}
			if want := float64(c.Logits()[i]) - float64(fc.B[i]); math.Abs(mean-want) > 1e-5*size {
				t.Errorf("%s: class %d: want a mean of %v, got %v", name, i, want, mean)
			}
			var dot float64
			n := len(c.Features())
			for k, v := range c.Features() {
				dot += float64(v) * float64(fc.W[i*n+k]) * float64(fc.Scale[i])
			}
			if math.Abs(mean-dot) > 1e-5*size {
				t.Errorf("%s: class %d: want a mean of %v from the features, got %v", name, i, dot, mean)
			}
		}
	}
}

func TestClassify(t *testing.T) {
	c, crop, _ := open(t, "resnet18x0.25")
	all, err := classifyCrop(c, crop, Options{TopK: 99, Heatmap: HeatmapNone})
	if err != nil {
		t.Fatal(err)
	}
	if len(all.Predictions) != 10 || !all.Sure || all.Heatmap != nil {
		t.Fatalf("want 10 predictions, sure, no map, got %+v", all)
	}
	var sum float64
	for i, p := range all.Predictions {
		sum += p.Probability
		if i > 0 && p.Probability > all.Predictions[i-1].Probability {
			t.Errorf("prediction %d is out of order: %+v", i, all.Predictions)
		}
	}
	if math.Abs(sum-1) > 1e-12 {
		t.Errorf("probabilities sum to %v", sum)
	}
	classify := func(o Options) Result {
		t.Helper()
		r, err := classifyCrop(c, crop, o)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := classify(Options{Heatmap: HeatmapBest}); len(r.Predictions) != 5 || r.Heatmap.Index != all.Predictions[0].Index {
		t.Errorf("want 5 predictions and the map of the best, got %+v", r)
	}
	// Lists filter and leave probabilities alone; the map follows the first prediction.
	best, second := all.Predictions[0], all.Predictions[1]
	r := classify(Options{Deny: []string{strings.ToUpper(c.Model().Classes[best.Index].Labels["en"])}, Heatmap: HeatmapBest})
	if r.Predictions[0] != second || r.Heatmap.Index != second.Index {
		t.Errorf("without the best want %+v, got %+v", second, r)
	}
	if r := classify(Options{Threshold: second.Probability, Heatmap: HeatmapNone}); len(r.Predictions) != 2 {
		t.Errorf("from the second's probability on want 2 predictions, got %+v", r)
	}
	if r := classify(Options{Threshold: 1, Heatmap: HeatmapBest}); len(r.Predictions) != 0 || r.Sure || r.Heatmap.Index != best.Index {
		t.Errorf("with threshold 1 want nothing, not sure, the map of the best of all, got %+v", r)
	}
	c.Model().Unsure = float32(best.Probability) + 1e-6
	if classify(Options{Heatmap: HeatmapNone}).Sure {
		t.Error("below Unsure: want not sure")
	}
	c.Model().Temperature = 1000
	if p := classify(Options{Heatmap: HeatmapNone}).Predictions[0].Probability; math.Abs(p-0.1) > 0.01 {
		t.Errorf("at temperature 1000 want probabilities of about 0.1, got %v", p)
	}
}

func TestClassifyErrors(t *testing.T) {
	c, crop, _ := open(t, "resnet18x0.125")
	for _, o := range []Options{{TopK: -1}, {Threshold: -0.1}, {Threshold: 1.1}, {Threshold: math.NaN()}, {Heatmap: -3}, {Heatmap: 10},
		{Allow: []string{"nobody"}}, {Deny: []string{"10"}}} {
		if _, err := c.Classify(crop, View{}, o); !errors.Is(err, ErrOption) {
			t.Errorf("%+v: want ErrOption, got %v", o, err)
		}
		if _, err := c.Query(o); !errors.Is(err, ErrOption) {
			t.Errorf("Query of %+v: want ErrOption, got %v", o, err)
		}
	}
	for _, bad := range []*image.RGBA{nil, image.NewRGBA(image.Rect(0, 0, 64, 65)), crop.SubImage(image.Rect(0, 0, 32, 64)).(*image.RGBA)} {
		if err := c.Run(bad); !errors.Is(err, ErrDecode) {
			t.Errorf("want ErrDecode, got %v", err)
		}
	}
	if _, err := c.Query(Options{Heatmap: 9, Threshold: 1, Allow: []string{"na"}}); err != nil {
		t.Error(err)
	}
}

// A picture in strips gives what the whole gives; one that is over, or not whole, gives an error, and the next works.
func TestPictures(t *testing.T) {
	c, _, _ := open(t, "resnet18x0.125")
	src := picture{211, 97}
	want, err := c.Classify(src, View{}, Options{Heatmap: 3})
	if err != nil {
		t.Fatal(err)
	}
	logits := append([]float32(nil), c.Logits()...)
	q, err := c.Query(Options{Heatmap: 3})
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *Picture {
		t.Helper()
		p, err := c.Begin(src.w, src.h, View{})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := begin()
	second := begin()
	row := make([]byte, 4*second.Part().Dx())
	if err := first.Write(row, engine.RGBA); err == nil {
		t.Error("rows of a picture that another has replaced: want an error")
	}
	if err := second.Write(row[4:], engine.RGBA); err == nil {
		t.Error("a row that is too short: want an error")
	}
	if err := second.Write(row, engine.RGBA); err != nil {
		t.Error(err)
	}
	if _, err := second.Classify(q); err == nil {
		t.Error("a picture without most of its rows: want an error")
	}
	third := begin()
	if err := feed(src, third.Part(), 3, third.Write); err != nil {
		t.Fatal(err)
	}
	got, err := third.Classify(q)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(logits, c.Logits()) || !slices.Equal(got.Heatmap.Data, want.Heatmap.Data) || got.Box != want.Box {
		t.Error("strips change the answer")
	}
	if _, err := third.Classify(q); err == nil {
		t.Error("a picture classified twice: want an error")
	}
}

// Heat maps of other classes come from results that are not long over, exactly as if asked for at once.
func TestKeptHeatmaps(t *testing.T) {
	c, _, _ := open(t, "resnet18x0.125")
	var numbers []int
	var want []*Heatmap
	for i := range KeptMaps + 3 {
		r, err := c.Classify(picture{90 + i, 80}, View{}, Options{Heatmap: i % 10})
		if err != nil {
			t.Fatal(err)
		}
		numbers, want = append(numbers, r.Number), append(want, r.Heatmap)
	}
	for i, number := range numbers {
		h, err := c.Heatmap(number, i%10)
		if i < 3 {
			if !errors.Is(err, ErrOption) {
				t.Errorf("result %d of %d: want ErrOption, got %v", i, len(numbers), err)
			}
			continue
		}
		if err != nil || !slices.Equal(h.Data, want[i].Data) {
			t.Errorf("result %d: another map than at once; error %v", i, err)
		}
	}
	for _, bad := range [][2]int{{-1, 0}, {len(numbers), 0}, {numbers[len(numbers)-1], 10}, {numbers[len(numbers)-1], -1}} {
		if _, err := c.Heatmap(bad[0], bad[1]); !errors.Is(err, ErrOption) {
			t.Errorf("Heatmap(%d, %d): want ErrOption, got %v", bad[0], bad[1], err)
		}
	}
}
