package checkpoint

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"resnet-web/resnet"
	"resnet-web/weights"
)

// export writes each member of the family to a folder, and the built-in model as resnet export does.
func export(t *testing.T) map[string]*resnet.Float {
	m, err := weights.Read(weights.Builtin)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Dequantise(m)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]*resnet.Float{"built-in": back}
	for i, cfg := range family(t) {
		list[cfg.Name+cfg.Dashed.String()] = resnet.Random(cfg.Network(7), uint64(i))
	}
	nets, dir := map[string]*resnet.Float{}, t.TempDir()
	for name, f := range list {
		name := filepath.Join(dir, name+".onnx")
		w, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := WriteONNX(w, f, 64); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		nets[name] = f
	}
	return nets
}

// TestONNXVariants changes one operation of a graph for another: each is missed where it should be.
func TestONNXVariants(t *testing.T) {
	cfg, err := resnet.Lookup("resnet18x0.125")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteONNX(&b, resnet.Random(cfg.Network(3), 1), 64); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, want string }{
		{"Relu", "Silu", "want Relu after \"conv1\""},
		{"MaxPool", "AvgPool", "AvgPool"},
		{"Add", "Mul", "Mul"},
		{"GlobalAveragePool", "GlobalLargestPool", "GlobalLargestPool"},
		{"Flatten", "Scatter", "Scatter"},
		{"Gemm", "Gemv", "Gemv"},
		{"transB", "transA", "transA"},
		{"pads", "qads", "conv1: Conv \"conv1\": want it padded by half its kernel, 3 on each side, file has pads [0 0 0 0]"},
		{"strides", "ztrides", "want 3×3, stride 2, padding 1"},
		{"logits", "digits", ""}, // in all places: nothing is wrong
	} {
		_, err := open(bytes.ReplaceAll(b.Bytes(), []byte(test.from), []byte(test.to)))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s for %s: got %v, want %q in it", test.to, test.from, err, test.want)
		}
	}
}

// TestONNXFree takes the size of the input from a graph that averages over a fixed window.
func TestONNXFree(t *testing.T) {
	data, err := os.ReadFile("testdata/cifar-pool.onnx")
	if err != nil {
		t.Fatal(err)
	}
	const fixed, free = "\x0a\x02\x08\x20", "\x0a\x02\x10\x20" // a dimension of 32, and one whose field means nothing
	if bytes.Count(data, []byte(fixed)) < 2 {
		t.Fatal("want the sides of the input")
	}
	if _, err := open(bytes.ReplaceAll(data, []byte(fixed), []byte(free))); err == nil || !strings.Contains(err.Error(), "the input has no fixed size") {
		t.Errorf("got %v", err)
	}
}

// TestONNXRuntime compares onnxruntime-web with Forward, and what it makes of quantised networks with the definitions of
// ONNX's operations. It needs node and the npm package onnxruntime-web, which ./build.sh bench installs in web/bench;
// ONNXRUNTIME_WEB names another folder.
func TestONNXRuntime(t *testing.T) {
	nets := export(t)
	names := slices.Sorted(maps.Keys(nets))
	for i, got := range onnxruntime(t, 64, names) {
		want := nets[names[i]].Forward(sine(64), 64, nil)
		worst := 0.0
		for i, x := range got {
			worst = max(worst, math.Abs(float64(x-want[i%len(want)])))
		}
		t.Logf("%s: logits differ by at most %.1e", filepath.Base(names[i]), worst)
		if !(worst <= 1e-3) || len(got) != 2*len(want) {
			t.Errorf("%s: %d logits differ by at most %v, want %d and 1e-3", filepath.Base(names[i]), len(got), worst, 2*len(want))
		}
	}

	quantised := exportQDQ(t)
	names = slices.Sorted(maps.Keys(quantised))
	for i, got := range onnxruntime(t, 32, names) {
		e := quantised[names[i]]
		e.eval(t, sine(32))
		want := e.floats("logits")
		d := distance(got[:len(want)], want)
		t.Logf("%s: logits differ by %.1e", filepath.Base(names[i]), d)
		if !(d <= 0.05) {
			t.Errorf("%s: logits %v, want %v: an error of %.3f", filepath.Base(names[i]), got, want, d)
		}
	}
}

// onnxruntime runs ONNX files on two pictures of ort.mjs and returns the logits.
func onnxruntime(t *testing.T, size int, files []string) [][]float32 {
	t.Helper()
	script, err := filepath.Abs("testdata/ort.mjs")
	if err != nil {
		t.Fatal(err)
	}
	top := os.Getenv("ONNXRUNTIME_WEB")
	if top == "" {
		top = filepath.Join(filepath.Dir(script), "../../../web/bench")
	}
	if _, err := os.Stat(filepath.Join(top, "node_modules/onnxruntime-web")); err != nil {
		t.Skipf("needs node and npm ci in %s (or another folder in ONNXRUNTIME_WEB)", top)
	}
	cmd := exec.Command("node", append([]string{script, strconv.Itoa(size)}, files...)...)
	cmd.Dir = top
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lines := json.NewDecoder(bytes.NewReader(out))
	logits := make([][]float32, len(files))
	for i, name := range files {
		var got struct {
			Dims []int
			Data []float32
		}
		if err := lines.Decode(&got); err != nil {
			t.Fatalf("%s: %v\n%s", filepath.Base(name), err, out)
		}
		if len(got.Dims) != 2 || got.Dims[0] != 2 || got.Dims[1]*2 != len(got.Data) {
			t.Fatalf("%s: logits are %v, want those of two pictures", filepath.Base(name), got.Dims)
		}
		logits[i] = got.Data
	}
	return logits
}

// TestONNXChecker asks ONNX's own checker, where python3-onnx is installed.
func TestONNXChecker(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import onnx").Run() != nil {
		t.Skip("needs the package python3-onnx")
	}
	args := []string{"-c", "import sys, onnx\nfor f in sys.argv[1:]: onnx.checker.check_model(onnx.shape_inference.infer_shapes(onnx.load(f), strict_mode=True), full_check=True)"}
	args = slices.AppendSeq(args, maps.Keys(export(t)))
	args = slices.AppendSeq(args, maps.Keys(exportQDQ(t)))
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
