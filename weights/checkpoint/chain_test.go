package checkpoint

import (
	"bytes"
	"encoding/json"
	"image"
	"math"
	"os"
	"slices"
	"testing"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
)

// hidden are the outputs of the layers before the last.
func hidden(f *resnet.Float) []int {
	list := []int{}
	for _, l := range f.Head[:len(f.Head)-1] {
		list = append(list, l.Out)
	}
	return list
}

// TestGoldenHeads compares each kind of head with torch. What is read is then written as ONNX and read again, and
// quantised: the machine computes what the reference does.
func TestGoldenHeads(t *testing.T) {
	data, err := os.ReadFile("testdata/heads.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]struct {
		Logits []float64
		Hidden []int
		Multi  bool
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	prep := resnet.ImageNetPrep
	prep.Resize, prep.Crop = 32, 32
	crop := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for i := range crop.Pix {
		crop.Pix[i] = byte(i * i / 7)
	}
	for file, want := range golden {
		t.Run(file, func(t *testing.T) {
			c, err := Open("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			f, err := c.Float("")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(hidden(f), want.Hidden) || f.Classes != len(want.Logits) || c.MultiLabel != want.Multi {
				t.Fatalf("hidden layers of %v, %d classes, multi-label %v, want %+v", hidden(f), f.Classes, c.MultiLabel, want)
			}
			most, worst := 0.0, 0.0
			for i, got := range f.Forward(sine(32), 32, nil) {
				most = max(most, math.Abs(want.Logits[i]))
				worst = max(worst, math.Abs(float64(got)-want.Logits[i]))
			}
			if !(worst <= 1e-5*most) { // float32 sums; up to 1.1e-6 was measured
				t.Errorf("logits differ by %g of %g", worst, most)
			}
			t.Logf("relative difference %.2g; notes %q", worst/most, c.Notes)

			var b bytes.Buffer
			if err := WriteONNX(&b, f, 32); err != nil {
				t.Fatal(err)
			}
			again, err := open(b.Bytes())
			if err == nil {
				err = different(again, f, 0)
			}
			if err != nil {
				t.Errorf("written as ONNX: %v", err)
			}

			m, _, err := calibrate.Quantise(f, prep, nil, calibrate.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, expected := runOn(t, engine.Native, m, crop), run(t, m, crop)
			if !slices.Equal(got, expected) {
				t.Errorf("the machine gives %v, the reference %v", got, expected)
			}
		})
	}
}
