package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"resnet-web/weights"
)

// asTool makes the test binary the tool.
const asTool = "RESNET_TEST_AS_TOOL"

func TestMain(m *testing.M) {
	if os.Getenv(asTool) != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// imported makes a model file of the fixture.
func imported(t *testing.T, path string) string {
	t.Helper()
	must(t, "import", "-crop", "32", "-o", path, fixture)
	return path
}

func copyTo(t *testing.T, to, from string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// full is a device without room after so many bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return 0, syscall.ENOSPC
	}
	f.room -= len(p)
	return len(p), nil
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	picture := filepath.Join(dir, "set", "0", "a.png")
	draw(t, picture, 1)
	model := imported(t, filepath.Join(dir, "model.msgpack"))
	for _, args := range [][]string{
		{"classify", "-model", model, picture},
		{"classify", "-model", model, "-json", picture, picture},
		{"classify", "-model", model, "-json", filepath.Join(dir, "none.png")},
		{"classify", "-model", model, "-csv", picture},
		{"eval", "-model", model, filepath.Join(dir, "set")},
		{"eval", "-model", model, "-json", filepath.Join(dir, "set")},
		{"import", "-crop", "32", "-o", filepath.Join(dir, "x.msgpack"), fixture},
		{"export", "-o", filepath.Join(dir, "x.onnx"), model},
		{"info", model},
		{"summary", "resnet18"},
		{"summary", "-json", "resnet18"},
		{"fetch", "-h"},
		{"help"},
	} {
		whole := must2(t, args)
		for _, room := range []int{0, whole / 2} {
			var errs bytes.Buffer
			code := run(args, strings.NewReader(""), &full{room}, &errs)
			if code != 1 || !strings.Contains(errs.String(), "no space left") {
				t.Errorf("%v with room for %d bytes: want exit code 1 and the reason, got %d, %q", args, room, code,
					errs.String())
			}
		}
	}
}

// must2 is how many bytes a run prints, whatever its exit code.
func must2(t *testing.T, args []string) int {
	_, out, _ := try(args...)
	if out == "" {
		t.Fatalf("%v prints nothing", args)
	}
	return len(out)
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"plain, 金鱼, é, a\u200dz": "plain, 金鱼, é, a\u200dz",
		"全\u3000角":               "全\u3000角",
		"\x1b]0;title\a":         `\u001b]0;title\u0007`,
		"\u009b2J":               `\u009b2J`,
		"\x7f":                   `\u007f`,
		"a\u202egnp.exe":         `a\u202egnp.exe`,
		"\xff\xfe":               `\xff\xfe`,
		"\ufffd":                 "\ufffd",
		"\U000e0001":             `\udb40\udc01`,
		"a\nb":                   `a\u000ab`,
	} {
		if got := printable(s); got != want {
			t.Errorf("%q: want %s, got %s", s, want, got)
		}
	}
}

// Whatever a model file or a file name contains, no command of the terminal comes out, and JSON says what it said.
func TestNothingCommandsTheTerminal(t *testing.T) {
	const bad = "\x1b]0;owned\a\u009b2J\u202e\r\n\x7f"
	dir := t.TempDir()
	m, err := loadModel(imported(t, filepath.Join(dir, "plain.msgpack")))
	if err != nil {
		t.Fatal(err)
	}
	m.Source, m.Licence = bad, bad
	for i := range m.Classes {
		m.Classes[i].ID, m.Classes[i].Labels = bad+fmt.Sprint(i), map[string]string{"en": bad + fmt.Sprint(i)}
	}
	model := filepath.Join(dir, "model"+bad+".msgpack")
	f, err := os.Create(model)
	if err != nil {
		t.Skipf("no such file name here: %v", err)
	}
	if err := errors.Join(weights.Write(f, m), f.Close()); err != nil {
		t.Fatal(err)
	}
	picture, broken := filepath.Join(dir, "a"+bad+".png"), filepath.Join(dir, "b"+bad+".png")
	draw(t, picture, 1)
	if err := os.WriteFile(broken, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	draw(t, filepath.Join(dir, "set", strings.ReplaceAll(bad, "/", "")+"0", "a.png"), 1)
	for _, args := range [][]string{
		{"classify", "-model", model, picture, broken},
		{"classify", "-model", model, "-json", picture, broken},
		{"classify", "-model", model, "-csv", picture, broken},
		{"classify", "-model", model, "-lang", bad, picture},
		{"classify", "-model", picture, picture},
		{"eval", "-model", model, filepath.Join(dir, "set")},
		{"info", model},
		{"info", picture},
		{"export", "-o", filepath.Join(dir, bad+".onnx"), model},
		{"import", "-o", filepath.Join(dir, bad+".msgpack"), fixture},
		{"fetch", bad},
		{"summary", bad},
		{bad},
	} {
		_, out, errs := try(args...)
		csv := slices.Contains(args, "-csv")
		for _, r := range out + errs {
			if r != '\n' && !(csv && r == '\r') && !strings.ContainsRune(printable(string(r)), r) {
				t.Errorf("%q: %q comes through in %q", args, r, out+errs)
				break
			}
		}
		if strings.HasPrefix(errs, "resnet:") && strings.Contains(errs, "\n\u007f") {
			t.Errorf("%q: a line of its own: %q", args, errs)
		}
		if slices.Contains(args, "-json") {
			var got classified
			line, _, _ := strings.Cut(out, "\n")
			if err := json.Unmarshal([]byte(line), &got); err != nil || got.File != picture ||
				got.Predictions[0].Label != bad+fmt.Sprint(got.Predictions[0].Index) {
				t.Errorf("JSON: %+v, %v", got, err)
			}
		}
	}
}

func TestStandardInput(t *testing.T) {
	dir := t.TempDir()
	picture := filepath.Join(dir, "a.png")
	draw(t, picture, 1)
	data, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	maps := filepath.Join(dir, "maps")
	if code := run([]string{"classify", "-json", "-heatmap", maps, "-", picture}, bytes.NewReader(data), &out,
		&errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	var got [2]classified
	for i, line := range strings.SplitN(out.String(), "\n", 2) {
		if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got[0].File != "-" || got[1].File != picture || !slices.Equal(got[0].Predictions, got[1].Predictions) {
		t.Errorf("want the same of - and of the file, got %+v", got)
	}
	for _, name := range []string{"stdin.png", "a.png"} {
		f, err := os.Open(filepath.Join(maps, name))
		if err == nil {
			_, err = png.Decode(f)
			f.Close()
		}
		if err != nil {
			t.Errorf("heat map: %v", err)
		}
	}
	if code, _, errs := try("classify", "-"); code != 1 || !strings.Contains(errs, "-: ") || !strings.Contains(errs,
		"an empty file") {
		t.Errorf("empty standard input: %d, %s", code, errs)
	}
	if code, _, errs := try("classify", "-", "-"); code != 1 || !strings.Contains(errs, "once") {
		t.Errorf("twice: %d, %s", code, errs)
	}
}

func TestFolders(t *testing.T) {
	dir := t.TempDir()
	set := filepath.Join(dir, "photos")
	var want []string
	for i, name := range []string{"B.PNG", "a.png", "sub/deep/x, \"y\".png", "sub/z.png"} {
		path := filepath.Join(set, filepath.FromSlash(name))
		draw(t, path, i+1)
		want = append(want, path)
	}
	copyTo(t, filepath.Join(set, "a.jpg"), want[1]) // of the same stem
	want = slices.Insert(want, 1, filepath.Join(set, "a.jpg"))
	for _, name := range []string{"notes.txt", "sub/list.csv", ".hidden.png"} {
		if err := os.WriteFile(filepath.Join(set, name), []byte("text"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	maps := filepath.Join(dir, "maps")
	code, out, errs := try("classify", "-csv", "-k", "2", "-heatmap", maps, set)
	if code != 0 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs,
		"passed over 2 files whose names do not end in .jpg, .png, .gif, .webp, .bmp or .tif: notes.txt, sub/list.csv") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if !strings.HasPrefix(out, "file,rank,index,id,label,probability,sure\r\n") || strings.Count(out,
		"\r\n") != strings.Count(out, "\n") {
		t.Errorf("want the names of the columns and CRLF, got %q", out)
	}
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil || len(rows) != 1+2*len(want) {
		t.Fatalf("want two rows for each of %d pictures, got %d, %v", len(want), len(rows), err)
	}
	m, err := loadModel("")
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows[1:] {
		index, _ := strconv.Atoi(row[2])
		p, err := strconv.ParseFloat(row[5], 64)
		if row[0] != want[i/2] || row[1] != strconv.Itoa(i%2+1) || row[3] != m.Classes[index].ID ||
			row[4] != m.Classes[index].Label("en") || err != nil ||
			i%2 == 0 && row[6] != strconv.FormatBool(p >= float64(m.Unsure)) {
			t.Errorf("row %d: %q", i, row)
		}
	}
	for _, name := range []string{"B.png", "a.jpg.png", "a.png.png", "sub/deep/x, \"y\".png", "sub/z.png"} {
		if _, err := os.Stat(filepath.Join(maps, filepath.FromSlash(name))); err != nil {
			t.Errorf("heat map: %v", err)
		}
	}

	// A folder without pictures, and one that is not there, do not end it.
	empty := t.TempDir()
	code, out, errs = try("classify", "-json", empty, filepath.Join(dir, "none"), set)
	if code != 1 || strings.Count(out, `"predictions"`) != len(want) || !strings.Contains(errs, "found none") ||
		!strings.Contains(errs, "no such file") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	if code, _, errs := try("classify", "-csv", "-json", set); code != 1 || !strings.Contains(errs, "got both") {
		t.Errorf("both: %d, %s", code, errs)
	}
}

func TestLanguages(t *testing.T) {
	dir := t.TempDir()
	m, err := loadModel("")
	if err != nil {
		t.Fatal(err)
	}
	draw(t, filepath.Join(dir, m.Classes[0].ID, "a.png"), 1)
	draw(t, filepath.Join(dir, m.Classes[1].ID, "b.png"), 2)
	for _, command := range []string{"classify", "eval"} {
		en, zh := must(t, command, dir), must(t, command, "-lang", "zh-Hans", dir)
		if en == zh || !strings.ContainsFunc(zh, func(r rune) bool { return r >= 0x4e00 && r <= 0x9fff }) {
			t.Errorf("%s -lang zh-Hans printed %s", command, zh)
		}
		if _, out, errs := try(command, "-lang", "tlh", dir); !strings.Contains(errs,
			`no labels in "tlh", only in en, zh`) || !strings.Contains(out, m.Classes[1].Label("en")) &&
			command == "eval" {
			t.Errorf("%s -lang tlh: %s%s", command, out, errs)
		}
	}
}

func TestEvalGoesOn(t *testing.T) {
	dir := t.TempDir()
	model := imported(t, filepath.Join(dir, "model.msgpack"))
	set := filepath.Join(dir, "set")
	for i := range 4 {
		draw(t, filepath.Join(set, fmt.Sprint(i%2), fmt.Sprintf("%d.png", i)), i)
	}
	good := must(t, "eval", "-json", "-model", model, "-checkpoint", fixture, set)
	for _, name := range []string{"0/broken.png", "1/cut.jpg"} {
		if err := os.WriteFile(filepath.Join(set, name), []byte("\xff\xd8\xff"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var want, got evaluation
	code, out, errs := try("eval", "-json", "-model", model, "-checkpoint", fixture, set)
	if err := errors.Join(json.Unmarshal([]byte(good), &want), json.Unmarshal([]byte(out), &got)); err != nil ||
		code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	if strings.Contains(good, "failed") || got.Images != 4 || got.Int8 != want.Int8 || *got.Float != *want.Float ||
		*got.Agreement != *want.Agreement {
		t.Errorf("want %s, got %s", good, out)
	}
	if len(got.Failed) != 2 || got.Failed[0].File != "0/broken.png" || got.Failed[1].File != "1/cut.jpg" ||
		!strings.Contains(got.Failed[1].Error, "cut off") {
		t.Errorf("failed: %+v", got.Failed)
	}
	if strings.Count(errs, "left out\n") != 2 {
		t.Errorf("want both named, got %s", errs)
	}
	if text := must(t, "eval", "-model", model, set); !strings.HasPrefix(text, "4 images\n2 more could not be read") {
		t.Errorf("eval printed %s", text)
	}
	must(t, "import", "-crop", "32", "-calib", set, "-confidence", set, "-o", model, fixture)
	for i := range 4 {
		os.Remove(filepath.Join(set, fmt.Sprint(i%2), fmt.Sprintf("%d.png", i)))
	}
	if code, out, errs := try("eval", "-model", model, set); code != 1 || out != "" || !strings.Contains(errs,
		"none of 2 images can be read") {
		t.Errorf("all broken: %d, %s%s", code, out, errs)
	}
}

func TestInputsAreKept(t *testing.T) {
	dir := t.TempDir()
	check := copyTo(t, filepath.Join(dir, "in.pth"), fixture)
	model := imported(t, filepath.Join(dir, "model.msgpack"))
	list := filepath.Join(dir, "labels.txt")
	if err := os.WriteFile(list, []byte("a\nb\nc\nd\ne\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "in.index.json") // of one shard
	if err := os.WriteFile(index, []byte(`{"weight_map":{"fc.weight":"in.pth"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	picture := filepath.Join(dir, "a.png")
	draw(t, picture, 1)
	hard, soft := filepath.Join(dir, "hard"), filepath.Join(dir, "soft")
	if err := errors.Join(os.Link(check, hard), os.Symlink("in.pth", soft)); err != nil {
		t.Skip(err)
	}
	before := map[string][]byte{}
	for _, name := range []string{check, model, list, picture} {
		before[name], _ = os.ReadFile(name)
	}
	for _, args := range [][]string{
		{"import", "-o", check, check},
		{"import", "-o", hard, check},
		{"import", "-o", soft, check},
		{"import", "-o", check, soft},
		{"import", "-o", check, index},
		{"import", "-labels", list, "-o", list, check},
		{"export", "-o", model, model},
		{"classify", "-heatmap", picture, picture},
		{"classify", "-model", model, "-heatmap", model, picture},
	} {
		code, _, errs := try(args...)
		if code != 1 || !strings.Contains(errs, "name another file") {
			t.Errorf("%v: %d, %s", args, code, errs)
		}
	}
	for name, want := range before {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
}

func TestLinksAreWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "there"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := func(to, name string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(to, path); err != nil {
			t.Skip(err)
		}
		return path
	}
	there := filepath.Join(dir, "there", "model")
	if err := os.WriteFile(there, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, real := range map[string]string{
		link("there/model", "a"): there,
		link("a", "b"):           there,
		link("there/new", "c"):   filepath.Join(dir, "there", "new"),
	} {
		imported(t, path)
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v", path, err)
		}
		if _, err := loadModel(real); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(there); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("want the file's permissions kept, got %v, %v", info.Mode(), err)
	}
	if code, _, errs := try("import", "-o", link("d", "d"), fixture); code != 1 || strings.Count(errs, "\n") != 1 {
		t.Errorf("a link to itself: %d, %s", code, errs)
	}
}

// TestSignal ends the tool in the moment in which a temporary file is there.
func TestSignal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hit := 0
	for trial := range 12 {
		dir := t.TempDir()
		tool := exec.Command(self, "import", "-crop", "32", "-o", filepath.Join(dir, "model.msgpack"), fixture)
		tool.Env = append(os.Environ(), asTool+"=1")
		if err := tool.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- tool.Wait() }()
		signal := []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}[trial%3]
		for watching := true; watching; {
			select {
			case <-ended:
				watching = false
			default:
				if found, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(found) > 0 {
					hit++
					tool.Process.Signal(signal)
					<-ended
					watching = false
				}
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
			t.Errorf("%v left %v", signal, left)
		}
		time.Sleep(time.Duration(trial) * time.Millisecond)
	}
	t.Logf("%d of 12 runs were met in the moment of a temporary file", hit)
	if hit == 0 {
		t.Skip("no run was met in that moment")
	}
}
