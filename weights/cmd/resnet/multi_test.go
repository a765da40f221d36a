package main

import (
	"encoding/json"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"resnet-web/resnet"
	"resnet-web/weights/checkpoint"
)

// TestMultiLabel takes a network whose classes do not exclude each other from its ONNX to answers.
func TestMultiLabel(t *testing.T) {
	dir := t.TempDir()
	picture, model := filepath.Join(dir, "a.png"), filepath.Join(dir, "m.msgpack")
	draw(t, picture, 3)
	const onnx = "../../checkpoint/testdata/head-multi.onnx"
	must(t, "import", "-o", model, onnx)
	text := must(t, "info", model)
	for _, want := range []string{`(?m)^output +sigmoid: classes do not exclude each other$`, `(?m)^temperature +1\.000, sure from 0\.50$`, `(?m)^head +8, 7, 6, 5, `} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("info lacks %s:\n%s", want, text)
		}
	}

	read := func(args ...string) (r classified) {
		t.Helper()
		if err := json.Unmarshal([]byte(must(t, append(append([]string{"classify", "-json"}, args...), picture)...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	sum := func(r classified) (s float64) {
		for _, p := range r.Predictions {
			s += p.Probability
		}
		return s
	}
	got, float, exclusive := read("-model", model), read("-checkpoint", onnx), read("-checkpoint", onnx, "-output", "softmax")
	above := 0
	for i, p := range got.Predictions {
		for _, q := range float.Predictions {
			if q.Index == p.Index && math.Abs(p.Probability-q.Probability) > 0.05 {
				t.Errorf("class %d: %.3f, in float32 %.3f", p.Index, p.Probability, q.Probability)
			}
		}
		if p.Probability >= 0.5 && above == i {
			above++
		}
	}
	if len(got.Predictions) != 5 || math.Abs(sum(got)-1) < 0.1 || math.Abs(sum(exclusive)-1) > 1e-6 || got.Sure != (above > 0) || got.Sure != float.Sure {
		t.Errorf("%+v\n%+v\n%+v", got, float, exclusive)
	}
	// All that reach the half, and no others.
	out := must(t, "classify", "-model", model, picture)
	if strings.Count(out, "\n") != 1+above || strings.Contains(out, "(") || above == 0 {
		t.Errorf("%d of %+v reach the half, printed are\n%s", above, got.Predictions, out)
	}
	if out := must(t, "classify", "-model", model, "-k", "1", picture); strings.Count(out, "\n") != 2 {
		t.Errorf("-k 1 prints\n%s", out)
	}
	for _, args := range [][]string{{"-model", model}, {"-checkpoint", onnx}} {
		csv := must(t, append(append([]string{"classify", "-csv"}, args...), picture)...)
		if strings.Count(csv, "\n") != 6 {
			t.Errorf("-csv prints\n%s", csv)
		}
	}
	if out := must(t, "export", "-format", "onnx", "-o", filepath.Join(dir, "back.onnx"), model); !strings.Contains(out, "their sigmoids are the probabilities") {
		t.Errorf("export says %s", out)
	}
	draw(t, filepath.Join(dir, "set", "class 1", "b.png"), 4)
	if out := must(t, "eval", "-model", model, filepath.Join(dir, "set")); !strings.Contains(out, "sure (from 0.50)") {
		t.Errorf("eval says %s", out)
	}

	cfg, err := resnet.Lookup("resnet8cifarx0.5")
	if err != nil {
		t.Fatal(err)
	}
	single := filepath.Join(dir, "one.onnx")
	one := resnet.Random(cfg.Network(1), 1)
	if _, err := save(single, func(w io.Writer) error { return checkpoint.WriteONNX(w, one, 32) }); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"-confidence: want classes that exclude each other", []string{"import", "-confidence", filepath.Join(dir, "set"), "-o", model, onnx}},
		{"-output: want softmax or sigmoid", []string{"import", "-output", "both", "-o", model, onnx}},
		{"one output, whose sigmoid is the probability of the second of two classes already", []string{"classify", "-output", "sigmoid", "-checkpoint", single, picture}},
		{"-output goes with -checkpoint", []string{"classify", "-output", "sigmoid", "-model", model, picture}},
	} {
		if code, _, errs := try(test.args...); code == 0 || !strings.Contains(errs, test.want) {
			t.Errorf("%v: got %q, want %q", test.args, errs, test.want)
		}
	}
	must(t, "import", "-output", "softmax", "-o", model, onnx)
	if text := must(t, "info", model); !strings.Contains(text, "softmax") || !strings.Contains(text, "sure from 0.00") {
		t.Errorf("info says\n%s", text)
	}
}

// TestNothingReaches prints the best class where none is likely.
func TestNothingReaches(t *testing.T) {
	var b strings.Builder
	r := classified{File: "a.png", Predictions: []prediction{{0, "", "cat", 0.4}, {1, "", "dog", 0.3}}}
	if err := asTextOfMany(&b, r, 0.5); err != nil || b.String() != "a.png (nothing reaches 50 %)\n   40.0 %  cat\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
