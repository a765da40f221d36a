package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/calibrate"
)

// try runs the tool and returns what it printed.
func try(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// must runs the tool, which must succeed, and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := try(args...)
	if code != 0 {
		t.Fatalf("resnet %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// draw writes a picture of a gradient that depends on seed.
func draw(t *testing.T, path string, seed int) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 128, 128))
	for y := range 128 {
		for x := range 128 {
			img.SetNRGBA(x, y, color.NRGBA{uint8(x*seed + y), uint8(2*x + 31*seed), uint8(x * y / (seed + 1)), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestClassify(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.png"), filepath.Join(dir, "b.png")
	draw(t, a, 1)
	draw(t, b, 2)
	out := must(t, "classify", "-json", "-k", "3", a, b)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		t.Fatalf("want a line for each of two images, got %q", out)
	}
	m, err := loadModel("")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range lines {
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		var got classified
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if got.File != []string{a, b}[i] || len(got.Predictions) != 3 || got.MS <= 0 {
			t.Errorf("image %d: %+v", i, got)
		}
		for k, p := range got.Predictions {
			if p.ID != m.Classes[p.Index].ID || p.Label != m.Classes[p.Index].Label("en") || p.Probability <= 0 || p.Probability > 1 ||
				k > 0 && p.Probability > got.Predictions[k-1].Probability {
				t.Errorf("image %d, prediction %d: %+v", i, k, p)
			}
		}
		// The keys, in order, are the outside interface.
		if !regexp.MustCompile(`^\{"file":".*","predictions":\[\{"index":\d+,"id":"n\d{8}","label":".*","probability":[0-9.e-]+\},.*\],"sure":(true|false),"ms":[0-9.]+\}$`).MatchString(line) {
			t.Errorf("keys of %s", line)
		}
	}
	if text := must(t, "classify", "-lang", "zh", a); strings.Count(text, "\n") != 6 || !strings.Contains(text, " %  ") {
		t.Errorf("want the file and five classes, got %q", text)
	}
}

// TestClassifyGoesOn gives every kind of bad file between two good ones: each has its line, the good ones their answer.
func TestClassifyGoesOn(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.png")
	draw(t, good, 3)
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	bad := []string{write("empty.png", ""), write("page.jpg", "<!doctype html>"), write("cut.png",
		string(whole[:200])), filepath.Join(dir, "none.png")}
	code, out, errs := try(append(append([]string{"classify", "-json", good}, bad...), good)...)
	if code != 1 || strings.Count(out, "\n") != 2+len(bad) || strings.Count(errs, "\n") != len(bad) {
		t.Errorf("want two answers, %d errors on both outputs and exit code 1, got %d:\n%s%s", len(bad), code, out,
			errs)
	}
	for i, line := range strings.Split(out, "\n")[1 : 1+len(bad)] {
		var got failed
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil || got.File != bad[i] || got.Error == "" {
			t.Errorf("want an error of %s, got %s, %v", bad[i], line, err)
		}
	}
	for _, name := range bad {
		if !strings.Contains(errs, "resnet: "+name+": ") {
			t.Errorf("no line for %s in:\n%s", name, errs)
		}
	}
}

// fixture is a small checkpoint of another package's tests.
const fixture = "../../checkpoint/testdata/basic.pth"

// TestConvert takes a checkpoint all the way: import, info, classify both ways, eval, export.
func TestConvert(t *testing.T) {
	f, err := loadFloat(fixture, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	var list []string
	for i := range 6 {
		// Named by number: the labels of a network that brings none are "class 0" and so on.
		path := filepath.Join(images, fmt.Sprint(i%f.Classes), fmt.Sprintf("%d.png", i))
		draw(t, path, i)
		list = append(list, path)
	}
	model := filepath.Join(dir, "model.msgpack")
	other := model + ".tmp" // of somebody else
	if err := os.WriteFile(other, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	text := must(t, "import", "-resize", "40", "-crop", "32", "-calib", images, "-source", "a fixture", "-licence", "MIT", "-o", model, fixture)
	if !strings.Contains(text, "layer1.0.conv1") || !strings.Contains(text, "6 calibration images") || !strings.Contains(text, model) {
		t.Errorf("import printed\n%s", text)
	}
	if data, err := os.ReadFile(other); err != nil || string(data) != "mine" {
		t.Errorf("%s was changed: %q, %v", other, data, err)
	}
	if !isMadeFrom(model, fixture) || isMadeFrom(model, model) || isMadeFrom(fixture, fixture) {
		t.Error("want the model to be known as made from its checkpoint, and nothing else")
	}
	m, err := loadModel(model)
	if err != nil {
		t.Fatal(err)
	}
	if m.Prep.Resize != 40 || m.Prep.Crop != 32 || !strings.HasPrefix(m.Source, "a fixture, SHA-256 ") || m.Licence != "MIT" || len(m.Classes) != f.Classes {
		t.Errorf("model: %+v %q %q", m.Prep, m.Source, m.Licence)
	}
	if text := must(t, "info", model); !strings.Contains(text, m.Name) || !strings.Contains(text, "a fixture") {
		t.Errorf("info printed\n%s", text)
	}

	line := must(t, "eval", "-json", "-model", model, "-checkpoint", fixture, images)
	if !regexp.MustCompile(`^\{"images":6,"int8":\{"top1":[0-9.]+,"top5":[0-9.]+\},"float":\{"top1":[0-9.]+,"top5":[0-9.]+\},"agreement":[0-9.]+,"images_per_second":[0-9.]+\}\n$`).MatchString(line) {
		t.Errorf("eval -json printed %s", line)
	}
	line = must(t, "eval", "-json", "-n", "4", "-model", model, images)
	if !strings.HasPrefix(line, `{"images":4,`) || !strings.Contains(line, `"float":null,"agreement":null`) {
		t.Errorf("eval without a checkpoint printed %s", line)
	}
	if text := must(t, "eval", "-model", model, images); !strings.HasPrefix(text, "6 images\nint8    top-1 ") || !strings.Contains(text, "\nexpected calibration error ") {
		t.Errorf("eval printed\n%s", text)
	}

	out := filepath.Join(dir, "model.onnx")
	must(t, "export", "-format", "onnx", "-o", out, model)
	back, err := loadFloat(out, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	// The exported network has rounded weights and unrounded activations.
	crop, err := loadImages(&call{stderr: io.Discard}, images, 1, m.Prep, newProgress(io.Discard, ""))
	if err != nil {
		t.Fatal(err)
	}
	want := f.Forward(m.Prep.Normalise(crop[0]), m.Prep.Crop, nil)
	got := back.Forward(m.Prep.Normalise(crop[0]), m.Prep.Crop, nil)
	var signal, noise float64
	for i := range want {
		signal += float64(want[i]) * float64(want[i])
		noise += float64(want[i]-got[i]) * float64(want[i]-got[i])
	}
	if db := 10 * math.Log10(signal/noise); db < 20 {
		t.Errorf("logits of the exported network: want 20 dB against the checkpoint's, got %.1f", db)
	}

	// A graph is for pictures of one size, which -crop may give.
	for crop, want := range map[int]bool{0: m.Prep.Crop != 224, m.Prep.Crop: false} {
		_, _, stderr := try("import", "-calib", "none", "-crop", strconv.Itoa(crop), "-o", filepath.Join(dir, "again.msgpack"), out)
		if note := fmt.Sprintf("the graph is for pictures of %d×%d, taken for 224×224; -crop", m.Prep.Crop, m.Prep.Crop); strings.Contains(stderr, note) != want {
			t.Errorf("import -crop %d: want a note %t of the size, got %s", crop, want, stderr)
		}
	}

	must(t, "export", "-format", "onnx-qdq", "-o", out, model)
	if _, err := loadFloat(out, "", 0); err == nil || !strings.Contains(err.Error(), "quantised") {
		t.Errorf("reading a quantised export: got %v", err)
	}

	// Without images there is a warning, and the file has a default name.
	t.Chdir(dir)
	data, err := os.ReadFile(filepath.Join(cwd, fixture))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("mine.pth", data, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs := try("import", "-crop", "32", "mine.pth")
	if code != 0 || !strings.Contains(errs, "resnet: warning: ") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if m, err := loadModel("mine.msgpack"); err != nil || m.Prep.Crop != 32 || m.Licence != "unknown" {
		t.Errorf("mine.msgpack: %v, %v", m, err)
	}
	must(t, "classify", "-checkpoint", "mine.pth", list[0])
}

var cwd, _ = os.Getwd()

// builtin is the checkpoint of the built-in model.
const builtin = "../../train/resnet18-tiny200.pth"

// TestAccuracy compares the built-in model with its checkpoint, on a few validation images.
func TestAccuracy(t *testing.T) {
	const val = "../../../../shared/data/tiny-imagenet/val.zip"
	if _, err := os.Stat(val); err != nil {
		t.Skipf("%s is not here: %v", val, err)
	}
	var e evaluation
	if err := json.Unmarshal([]byte(must(t, "eval", "-json", "-n", "100", "-checkpoint", builtin, val)), &e); err != nil {
		t.Fatal(err)
	}
	// The whole set is in weights/README.md; 100 images leave room for chance.
	if e.Images != 100 || e.Int8.Top1 < 0.35 || e.Float.Top1 < 0.35 || *e.Agreement < 0.9 {
		t.Errorf("eval: %+v, float %+v, agreement %v", e, *e.Float, *e.Agreement)
	}
}

// TestBuiltin holds the committed file to what the page expects of it.
func TestBuiltin(t *testing.T) {
	m, err := weights.Read(weights.Builtin)
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "resnet18" || len(m.Classes) != 200 || m.Licence == "" || m.Source == "" {
		t.Errorf("built-in model: %s, %d classes, licence %q, source %q", m.Name, len(m.Classes), m.Licence, m.Source)
	}
	for i, c := range m.Classes {
		if c.ID == "" || c.Labels["en"] == "" || c.Labels["zh"] == "" {
			t.Errorf("class %d: want an id and labels in en and zh, got %+v", i, c)
		}
	}
}

func TestSummary(t *testing.T) {
	text := must(t, "summary", "resnet50")
	for _, want := range []string{"25,557,032", "4,089,184,256", "layer3.0.downsample.0", "projection", "identity"} {
		if !strings.Contains(text, want) {
			t.Errorf("summary of resnet50 lacks %s", want)
		}
	}
	var s resnet.Summary
	if err := json.Unmarshal([]byte(must(t, "summary", "-json", "resnet50v1")), &s); err != nil || s.MACs != 3857973248 {
		t.Errorf("summary -json resnet50v1: %d multiply-adds, %v", s.MACs, err)
	}
}

// TestFetch is about what the tool adds; the download itself is tested in package catalogue.
func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	dir := t.TempDir()
	code, _, errs := try("fetch", "-url", server.URL, "-dir", dir, "resnet18")
	if code != 1 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "resnet18-f37072fd.pth") || !strings.Contains(errs, dir) {
		t.Errorf("want one line that names the file and where to put it, got %d: %s", code, errs)
	}
	if text := must(t, "fetch", "-h"); !strings.Contains(text, "resnet50-v2") {
		t.Errorf("fetch -h printed\n%s", text)
	}
	if code, _, errs := try("fetch", "resnet99"); code != 1 || !strings.Contains(errs, "resnet18") {
		t.Errorf("want the names of the catalogue, got %d: %s", code, errs)
	}
}

// TestNeverSure fits to images of which no answer is right.
func TestNeverSure(t *testing.T) {
	dir := t.TempDir()
	picture, model := filepath.Join(dir, "a.png"), filepath.Join(dir, "model.msgpack")
	draw(t, picture, 1)
	must(t, "import", "-crop", "32", "-o", model, fixture)
	var answer classified
	if err := json.Unmarshal([]byte(must(t, "classify", "-json", "-model", model, picture)), &answer); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(dir, "set", fmt.Sprint((answer.Predictions[0].Index+1)%5))
	draw(t, filepath.Join(wrong, "a.png"), 1)
	if text := must(t, "import", "-crop", "32", "-confidence", filepath.Dir(wrong), "-o", model, fixture); !strings.Contains(text, "no answer is given as sure") {
		t.Errorf("import printed\n%s", text)
	}
	if text := must(t, "classify", "-model", model, picture); !strings.Contains(text, "(not sure)") {
		t.Errorf("classify printed\n%s", text)
	}
	if text := must(t, "info", model); !strings.Contains(text, "never sure") {
		t.Errorf("info printed\n%s", text)
	}
}

// TestPlain evaluates a model beside a checkpoint that does not tell that it is a plain net.
func TestPlain(t *testing.T) {
	cfg, err := resnet.Lookup("plain8cifarx0.5")
	if err != nil {
		t.Fatal(err)
	}
	f := resnet.Random(cfg.Network(2), 1)
	header, body := map[string]any{}, []byte{}
	add := func(name string, v []float32, shape ...int) {
		start := len(body)
		for _, x := range v {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(x))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{start, len(body)}}
	}
	for _, c := range f.Convs {
		add(c.Name+".weight", c.W, c.Out, c.In, c.Kernel, c.Kernel)
		add(c.Name+".bias", c.B, c.Out)
	}
	add("fc.weight", f.FC().W, 2, f.Features)
	add("fc.bias", f.FC().B, 2)
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	check, model, images := filepath.Join(dir, "plain.safetensors"), filepath.Join(dir, "plain.msgpack"), filepath.Join(dir, "images")
	if err := os.WriteFile(check, slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body), 0o644); err != nil {
		t.Fatal(err)
	}
	draw(t, filepath.Join(images, "1", "a.png"), 1)
	must(t, "import", "-arch", cfg.Name, "-o", model, check)
	var e evaluation
	if err := json.Unmarshal([]byte(must(t, "eval", "-json", "-model", model, "-checkpoint", check, images)), &e); err != nil || e.Float == nil {
		t.Errorf("eval: %+v, %v", e, err)
	}
}

// TestRecipe gives every checkpoint of 200 classes numbers but the built-in model's own, which has the model's labels and
// pre-processing.
func TestRecipe(t *testing.T) {
	if c := classesFor(200); c[0].Label("en") != "class 0" {
		t.Errorf("200 classes begin with %v", c[0])
	}
	if c := classesFor(1000); c[0].ID != "n01440764" {
		t.Errorf("1000 classes begin with %v", c[0])
	}
	m, err := loadModel("")
	if err != nil {
		t.Fatal(err)
	}
	named := recipe{labels: "../../labels/tiny200.txt"}
	if got, err := named.classes(200); err != nil || !reflect.DeepEqual(got, m.Classes) {
		t.Errorf("%s are not the built-in model's classes: %v", named.labels, err)
	}
	if !isMadeFrom("", builtin) {
		t.Errorf("the built-in model is not made from %s", builtin)
	}
	for _, path := range []string{builtin, "../../../../shared/seed/resnet18-tiny200.pth"} { // the latter of the first model
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s is not here", path)
			continue
		}
		_, prep, classes, err := new(recipe).read(path)
		if err != nil || prep != m.Prep || !reflect.DeepEqual(classes, m.Classes) {
			t.Errorf("%s: pre-processing %+v, want %+v, and the model's classes; %v", path, prep, m.Prep, err)
		}
	}
}

// TestCIFARNote says that the padding of a CIFAR net is a guess, unless it was given.
func TestCIFARNote(t *testing.T) {
	const cifar = "../../checkpoint/testdata/cifar.pth"
	out := filepath.Join(t.TempDir(), "x")
	for _, pad := range []string{"", "append", "split"} {
		code, _, errs := try("import", "-pad", pad, "-o", out, cifar)
		if code != 0 || strings.Contains(errs, "-pad append is all behind") != (pad == "") {
			t.Errorf("-pad %q: exit code %d: %s", pad, code, errs)
		}
	}
}

// TestProgress fits 80 columns and does not count what an earlier download brought as fast.
func TestProgress(t *testing.T) {
	var b bytes.Buffer
	p := &progress{w: &b, what: "wide_resnet101_2-v2", bytes: true}
	p.set(400_000_000, 508_300_000)
	p.start, p.last = time.Now().Add(-100*time.Second), time.Time{}
	b.Reset()
	p.set(401_000_000, 508_300_000)
	line := strings.TrimSuffix(strings.TrimPrefix(b.String(), "\r"), "\x1b[K")
	if !strings.HasSuffix(line, "401.0 MB of 508.3 MB 2h58m50s left") || len(line) > 79 {
		t.Errorf("%d columns: %s", len(line), line)
	}
}

// TestMistakes wants one line and the right exit code for each wrong call.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := write("cut.msgpack", weights.Builtin[:len(weights.Builtin)/2])
	page := write("page.msgpack", []byte("<!DOCTYPE html><title>404</title>"))
	flipped := bytes.Clone(weights.Builtin)
	flipped[len(flipped)/3] ^= 4
	damaged := write("damaged.msgpack", flipped)
	empty := t.TempDir()
	odd := filepath.Join(dir, "set", "no class", "1.png")
	draw(t, odd, 1)
	labels := write("labels.txt", []byte("one\ntwo\n"))
	for _, c := range []struct {
		want string
		code int
		args []string
	}{
		{"no command", 2, []string{"clasify"}},
		{"flag provided but not defined: -x", 2, []string{"classify", "-x", "a.png"}},
		{"want at least 1 argument, got 0", 2, []string{"classify"}},
		{"flags go before", 2, []string{"summary", "resnet18", "-json"}},
		{"want 1 or more", 1, []string{"classify", "-k", "0", "a.png"}},
		{"want -model or -checkpoint", 1, []string{"classify", "-model", "m", "-checkpoint", "c", "a.png"}},
		{"-arch goes with -checkpoint", 1, []string{"classify", "-arch", "resnet18", "a.png"}},
		{"-crop goes with -checkpoint", 1, []string{"classify", "-crop", "64", "a.png"}},
		{"want a model file, this is a folder or a device", 1, []string{"info", os.DevNull}},
		{"this is a device", 1, []string{"import", "-o", os.DevNull, fixture}},
		{"-source: want UTF-8", 1, []string{"import", "-source", "\xff", "-o", filepath.Join(dir, "x"), fixture}},
		{"-confidence: stat ", 1, []string{"import", "-confidence", filepath.Join(dir, "none"), "-o", filepath.Join(dir, "x"), fixture}},
		{`-confidence: ` + filepath.Join(dir, "set") + `: no class/1.png: want a folder named`, 1, []string{"import", "-confidence", filepath.Join(dir, "set"), "-o", filepath.Join(dir, "x"), fixture}},
		{"found a byte 0", 1, []string{"import", "-labels", write("nul.txt", []byte("on\x00e\n")), "-o", filepath.Join(dir, "x"), fixture}},
		{"download the model again", 1, []string{"info", cut}},
		{"web page", 1, []string{"info", page}},
		{"checksum", 1, []string{"classify", "-model", damaged, odd}},
		{"no such file", 1, []string{"info", filepath.Join(dir, "none")}},
		{"unknown architecture", 1, []string{"summary", "resnet19"}},
		{"want 1 to 1000000 classes", 1, []string{"summary", "-size", "16", "resnet18"}},
		{`found "no class"`, 1, []string{"eval", filepath.Join(dir, "set")}},
		{"found none", 1, []string{"eval", t.TempDir()}},
		{"resnet: stat ", 1, []string{"eval", filepath.Join(dir, "none")}},
		{"resnet: " + cut + ": ", 1, []string{"eval", cut}},
		{"resnet: " + empty + ": ", 1, []string{"classify", empty}},
		{"which has one picture; resnet classify takes that", 1, []string{"eval", "-"}},
		{"got an empty name", 1, []string{"eval", ""}},
		{"got an empty name", 1, []string{"classify", ""}},
		{"not standard output; name one", 1, []string{"export", "-o", "-", filepath.Join("..", "..", "resnet18-tiny200.msgpack")}},
		{"not standard output; name one", 1, []string{"import", "-o", "-", fixture}},
		{"h.txt: want a name that ends in .png", 1, []string{"classify", "-heatmap", filepath.Join(dir, "h.txt"), odd}},
		{"make its own model with resnet import", 1, []string{"eval", "-checkpoint", fixture, filepath.Join(dir, "set")}},
		{"labels, one for each output", 1, []string{"import", "-labels", labels, "-o", filepath.Join(dir, "x"), fixture}},
		{"want three numbers", 1, []string{"import", "-mean", "1,2", fixture}},
		{"-crop: want 32 or more", 1, []string{"import", "-crop", "20", fixture}},
		{"-crop: want 32 or more", 1, []string{"import", "-crop", "-5", fixture}},
		{"use a smaller crop", 1, []string{"import", "-crop", "4096", "-o", filepath.Join(dir, "x"), builtin}},
		{"use a smaller crop", 1, []string{"classify", "-checkpoint", builtin, "-crop", "4096", odd}},
		{"crop ≤ resize", 1, []string{"import", "-resize", "-5", fixture}},
		{"positive deviations", 1, []string{"import", "-std", "0,0,0", fixture}},
		{"divide those of bytes by 255", 1, []string{"import", "-mean", "124,116,104", fixture}},
		{"want a file to write, this is a folder", 1, []string{"import", "-o", dir, fixture}},
		{"no such file", 1, []string{"import", "-o", filepath.Join(dir, "none", "x"), fixture}},
		{"want a file to write, this is a folder", 1, []string{"export", "-format", "onnx", "-o", dir, filepath.Join("..", "..", "resnet18-tiny200.msgpack")}},
		{"want a file, this is a folder", 1, []string{"import", dir}},
		{"this is a model file", 1, []string{"import", cut}},
		{"flags go before", 2, []string{"classify", odd, "-k", "3"}},
		{"-pad: want append or split", 1, []string{"import", "-pad", "both", fixture}},
		{"web page", 1, []string{"export", "-format", "onnx", page}},
		{"want -format onnx", 1, []string{"export", "-format", "png", cut}},
		{"-fast goes with", 1, []string{"export", "-fast", cut}},
		{"checkpoint", 1, []string{"import", page}},
	} {
		code, out, errs := try(c.args...)
		if code != c.code || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "resnet: ") || !strings.Contains(errs, c.want) {
			t.Errorf("resnet %s: want exit code %d and one line with %q, got %d\n%s%s", strings.Join(c.args, " "), c.code, c.want, code, out, errs)
		}
	}
}

func TestHelp(t *testing.T) {
	whole := must(t, "help")
	for _, c := range commands {
		if !strings.Contains(whole, "resnet "+c.name+" "+c.args) {
			t.Errorf("help lacks %s", c.name)
		}
		if text := must(t, c.name, "-h"); !strings.HasPrefix(text, "usage: resnet "+c.name+" "+c.args+"\n") {
			t.Errorf("help of %s begins %.60q", c.name, text)
		}
	}
}

func TestTruths(t *testing.T) {
	var images []calibrate.Image
	for _, name := range []string{"n03", "n01", "n02", "n01"} {
		images = append(images, calibrate.Image{Class: name})
	}
	named := []resnet.Class{{ID: "n02"}, {ID: "n03"}, {ID: "n01"}}
	for _, c := range []struct {
		images  []calibrate.Image
		classes []resnet.Class
		want    []int
	}{
		{images, named, []int{1, 2, 0, 2}},
		{images, classesFor(3), []int{2, 0, 1, 0}},
		{images[:2], classesFor(3), []int{2, 0}}, // of all, which tell the order
		{images, classesFor(4), nil},
		{[]calibrate.Image{{Class: "2"}, {Class: "0"}}, classesFor(3), []int{2, 0}},
	} {
		all := images
		if c.images[0].Class == "2" {
			all = c.images
		}
		got, err := truths(c.images, all, c.classes)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, %v, want %v", c.images, got, err, c.want)
		}
	}
}

// TestNoClass wants an error that names the classes of the model where a folder fits none.
func TestNoClass(t *testing.T) {
	images := []calibrate.Image{{Class: "cat", Name: "cat/1.png"}}
	for _, c := range []struct {
		classes []resnet.Class
		want    string
	}{
		{[]resnet.Class{{ID: "n02"}, {Labels: map[string]string{"en": "dog"}}}, `found "cat"; the classes are "n02", "dog"`},
		{classesFor(7), `the classes are "class 0", "class 1", "class 2", "class 3", "class 4" and 2 more`},
	} {
		if _, err := truths(images, images, c.classes); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("want an error that ends in %q, got %v", c.want, err)
		}
	}
}
