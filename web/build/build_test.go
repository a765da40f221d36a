package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestMissingModelSaysHowToMakeOne(t *testing.T) {
	_, err := copyModel(t.TempDir(), filepath.Join(t.TempDir(), "none.msgpack"))
	if err == nil || !strings.Contains(err.Error(), "resnet import -o") || !strings.Contains(err.Error(), "MODEL=") {
		t.Errorf("got %v", err)
	}
}

func TestManifest(t *testing.T) {
	dir, src := t.TempDir(), t.TempDir()
	write(t, filepath.Join(src, "tiny.msgpack"), "abc")
	name, err := copyModel(dir, filepath.Join(src, "tiny.msgpack"))
	if err != nil || name != "tiny.ba7816bf.msgpack" { // SHA-256 of abc, FIPS 180-2
		t.Fatalf("model name %q, %v", name, err)
	}
	write(t, filepath.Join(dir, "sw.js"), "const version = '"+stamp+"'")
	write(t, filepath.Join(dir, "samples", "a.svg"), "<svg/>")
	versions := map[string]bool{}
	for _, page := range []string{"one", "two", "one"} {
		write(t, filepath.Join(dir, "index.html"), page)
		write(t, filepath.Join(dir, "sw.js"), "const version = '"+stamp+"'")
		os.Remove(filepath.Join(dir, manifestFile))
		m := Manifest{Model: name, Files: map[string]File{}}
		if err := m.list(dir); err != nil {
			t.Fatal(err)
		}
		if err := m.write(dir); err != nil {
			t.Fatal(err)
		}
		versions[m.Version] = true
		sw, _ := os.ReadFile(filepath.Join(dir, "sw.js"))
		if string(sw) != "const version = '"+m.Version+"'" || int64(len(sw)) != m.Files["sw.js"].Bytes {
			t.Errorf("service worker %q, version %s", sw, m.Version)
		}
	}
	if len(versions) != 2 {
		t.Errorf("two different pages, the first one twice, have %d versions", len(versions))
	}
	var got struct {
		Model string
		Files map[string]struct {
			Bytes  int
			SHA256 string
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil || json.Unmarshal(data, &got) != nil {
		t.Fatal(err)
	}
	if f := got.Files[got.Model]; f.Bytes != 3 || f.SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("the manifest says %+v of the model", f)
	}
	if got.Files["samples/a.svg"].Bytes != 6 {
		t.Error("files in folders are missing")
	}
}

func TestVariantsHoldTheirFile(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	text := strings.Repeat("ResNet. ", 500)
	write(t, filepath.Join(dir, "a.js"), text)
	write(t, filepath.Join(dir, "m.msgpack"), text)
	write(t, filepath.Join(dir, manifestFile), "{}")
	m := Manifest{Model: "m.msgpack", Files: map[string]File{"a.js": {int64(len(text)), "1"}, "m.msgpack": {int64(len(text)), "2"}}}
	sizes, err := compress(dir, old, m)
	if err != nil {
		t.Fatal(err)
	}
	gz, _ := os.ReadFile(filepath.Join(dir, "a.js.gz"))
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(r); string(got) != text || sizes["a.js"].gzip != int64(len(gz)) {
		t.Error(".gz is not its file")
	}
	br, _ := os.ReadFile(filepath.Join(dir, "a.js.br"))
	if got, _ := io.ReadAll(brotli.NewReader(bytes.NewReader(br))); string(got) != text || sizes["a.js"].brotli != int64(len(br)) {
		t.Error(".br is not its file")
	}
	if _, err := os.Stat(filepath.Join(dir, "m.msgpack.gz")); err == nil {
		t.Error("the model is compressed too")
	}

	// A build over an older one takes its variants over for the same content only.
	next := t.TempDir()
	write(t, filepath.Join(next, "a.js"), text)
	write(t, filepath.Join(next, manifestFile), "{}")
	write(t, filepath.Join(dir, "a.js.br"), "taken over")
	for hash, want := range map[string]bool{"1": true, "3": false} {
		before := Manifest{Files: map[string]File{"a.js": {int64(len(text)), "1"}}}
		if err := before.write(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := compress(next, dir, Manifest{Files: map[string]File{"a.js": {int64(len(text)), hash}}}); err != nil {
			t.Fatal(err)
		}
		br, _ := os.ReadFile(filepath.Join(next, "a.js.br"))
		if got := string(br) == "taken over"; got != want {
			t.Errorf("hash %s: taken over is %v", hash, got)
		}
	}
}

func TestBudget(t *testing.T) {
	m := Manifest{Model: "m.msgpack"}
	sizes := map[string]size{
		"resnet.wasm": {4e6, runtimeBudget - 10, 8e5},
		"resnet.js":   {20, 10, 9},
		"m.msgpack":   {9e6, 9e6, 9e6},
	}
	var b strings.Builder
	if err := report(&b, m, sizes); err != nil {
		t.Errorf("at the budget: %v\n%s", err, &b)
	}
	sizes["worker.js"] = size{1, 1, 1}
	if err := report(&b, m, sizes); err == nil {
		t.Error("over the budget, and no error")
	}
}
