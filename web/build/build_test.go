package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"resnet-web/web/headers"
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
	write(t, filepath.Join(dir, "sw.js"), "const build = '"+stamp+"'")
	write(t, filepath.Join(dir, "samples", "a.svg"), "<svg/>")
	versions := map[string]bool{}
	for _, page := range []string{"one", "two", "one"} {
		write(t, filepath.Join(dir, "index.html"), page)
		write(t, filepath.Join(dir, "sw.js"), "const build = '"+stamp+"'")
		os.Remove(filepath.Join(dir, manifestFile))
		m := Manifest{Model: name, Files: map[string]File{}}
		if err := m.list(dir); err != nil {
			t.Fatal(err)
		}
		if err := m.write(dir); err != nil {
			t.Fatal(err)
		}
		versions[m.Version] = true
		manifest, _ := os.ReadFile(filepath.Join(dir, manifestFile))
		sw, _ := os.ReadFile(filepath.Join(dir, serviceWorker))
		if want := fmt.Sprintf("const build = '%x'", sha256.Sum256(manifest)); string(sw) != want {
			t.Errorf("service worker %q, want %q", sw, want)
		}
		if _, ok := m.Files[serviceWorker]; ok {
			t.Error("the manifest has the hash of what has the hash of the manifest")
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
	write(t, filepath.Join(dir, serviceWorker), stamp)
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
	write(t, filepath.Join(next, serviceWorker), "{}")
	write(t, filepath.Join(dir, "a.js.br"), "taken over")
	for hash, want := range map[string]bool{"1": true, "3": false} {
		before := Manifest{Files: map[string]File{"a.js": {int64(len(text)), "1"}}}
		write(t, filepath.Join(dir, serviceWorker), stamp)
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
	if err := report(&b, m, sizes, nil); err != nil {
		t.Errorf("at the budget: %v\n%s", err, &b)
	}
	sizes["resnet.wasm"] = size{4e6, runtimeBudget - 10 - embedBudget - 1, 8e5}
	sizes[embedScript] = size{9000, embedBudget + 1, 1}
	if err := report(&b, m, sizes, nil); err == nil || !strings.Contains(err.Error(), embedScript) {
		t.Errorf("an embed.js over its budget: %v", err)
	}
	sizes[embedScript] = size{10, embedBudget, 9}
	sizes["late.js"] = size{9, laterBudget, 9}
	if err := report(&b, m, sizes, []string{"late.js"}); err != nil {
		t.Errorf("a script that is loaded later: %v", err)
	}
	sizes["late.js"] = size{9, laterBudget + 1, 9}
	if err := report(&b, m, sizes, []string{"late.js"}); err == nil || !strings.Contains(err.Error(), "late.js") {
		t.Errorf("a script that is loaded later, over its budget: %v", err)
	}
	delete(sizes, "late.js")
	sizes["worker.js"] = size{2, 2, 2}
	if err := report(&b, m, sizes, nil); err == nil {
		t.Error("over the budget, and no error")
	}
}

// shipment is a folder with a small page and all that offline asks for.
func shipment(t *testing.T) (string, Manifest) {
	t.Helper()
	dir := t.TempDir()
	m := Manifest{Version: "0123", Model: "m.msgpack", Files: map[string]File{"samples/a.svg": {}}}
	for name, text := range map[string]string{
		"index.html": `<head><meta http-equiv="Content-Security-Policy" content="default-src 'self'">
<script src="boot.js"></script>
<link rel="icon" href="icons/icon.svg"><link rel="manifest" href="manifest.webmanifest">
<link rel="stylesheet" href="page.css"><script type="module" src="page.js"></script></head>
<body><a href="LICENSE.txt">licence</a></body>`,
		"page.css":       "p { color: red }",
		"worker.js":      "let go;\n",
		"resnet.wasm":    "\x00asm",
		"m.msgpack":      "model",
		"icons/icon.svg": "<svg/>",
		"samples/a.svg":  "<svg/>",
		"LICENSE.txt":    "Do <what> you want",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	return dir, m
}

func TestOfflinePageHoldsEverything(t *testing.T) {
	dir, m := shipment(t)
	if err := offline(dir, m, "start();\n"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, offlineFile))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	find := func(pattern string) string {
		t.Helper()
		parts := regexp.MustCompile(pattern).FindStringSubmatch(page)
		if parts == nil {
			t.Fatalf("%s is not in %s", pattern, page)
		}
		return parts[1]
	}
	policy := find(`Content-Security-Policy" content="([^"]*)"`)
	for _, block := range []string{find(`(?s)<script type="module">(.*?)</script>`), find(`(?s)<style>(.*?)</style>`)} {
		if !strings.Contains(policy, hash(block)) {
			t.Errorf("the policy %q does not allow %q", policy, block)
		}
	}
	for id, want := range map[string]string{"wasm": "\x00asm", "model": "model"} {
		packed, err := base64.StdEncoding.DecodeString(find(`class="` + id + `">([^<]*)<`))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r); string(got) != want {
			t.Errorf("%s holds %q, want %q", id, got, want)
		}
	}
	for _, want := range []string{"let go;\n</script>", `"samples/a.svg":"data:image/svg+xml;base64,`, "Do &lt;what&gt; you want</pre>", `<a href="#LICENSE.txt"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not in %s", want, page)
		}
	}
}

func TestOfflinePageRefusesWhatItCannotHold(t *testing.T) {
	const end = "'</script>'"
	for name, c := range map[string]struct{ file, text, script, want string }{
		"another reference": {"index.html", `<link rel="stylesheet" href="page.css"><script type="module" src="page.js"></script><body><img src="a.png"></body>`, "", "a.png"},
		"no script":         {"index.html", `<link rel="stylesheet" href="page.css"><body></body>`, "", "module script"},
		"a script's end":    {"worker.js", end, "", "would end early"},
		"an end in a page":  {"page.css", "", end, "would end early"},
	} {
		dir, m := shipment(t)
		write(t, filepath.Join(dir, c.file), c.text)
		if err := offline(dir, m, c.script); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, c.want)
		}
	}
}

// bundled is web/ as it is, bundled.
func bundled(t *testing.T, dev bool) (string, bundler) {
	t.Helper()
	dir, b := t.TempDir(), bundler{web: "..", dev: dev}
	if _, err := b.bundle(dir); err != nil {
		t.Fatal(err)
	}
	return dir, b
}

func TestScriptsOfOthersImportNothing(t *testing.T) {
	dir, _ := bundled(t, false)
	imports := regexp.MustCompile(`\b(import|export)\b[^'"();]*\bfrom\b|\bimport\s*["'(]`)
	for _, s := range slices.Concat(classic, modules) {
		text, err := os.ReadFile(filepath.Join(dir, s.name))
		if err != nil {
			t.Fatal(err)
		}
		if found := imports.Find(text); found != nil {
			t.Errorf("%s imports: %s", s.name, found)
		}
	}
	// Bundlers of users look for these words.
	text, _ := os.ReadFile(filepath.Join(dir, "resnet.js"))
	for _, file := range []string{"worker.js", "kernel.js", "resnet.wasm", "manifest.json"} {
		if !regexp.MustCompile(`new URL\(["']\./` + regexp.QuoteMeta(file) + `["'],\s*import\.meta\.url\)`).Match(text) {
			t.Errorf("resnet.js does not name %s where bundlers see it", file)
		}
	}
}

func TestPagesPreloadWhatTheirScriptsImport(t *testing.T) {
	dir, _ := bundled(t, false)
	imports := regexp.MustCompile(`(?:from|import)\s*"\./([\w-]+\.js)"`)
	for name, script := range map[string]string{"index.html": "page.js", "embed.html": "frame.js"} {
		page, _ := os.ReadFile(filepath.Join(dir, name))
		text, _ := os.ReadFile(filepath.Join(dir, script))
		found := imports.FindAllStringSubmatch(string(text), -1)
		if len(found) < 2 {
			t.Errorf("%s: want imports of resnet.js and a chunk that page and frame share, found %q", script, found)
		}
		for _, i := range found {
			if !strings.Contains(string(page), `<link rel="modulepreload" href="`+i[1]+`">`) {
				t.Errorf("%s does not preload %s", name, i[1])
			}
		}
	}
}

func TestOfflineScriptIsWhole(t *testing.T) {
	script, err := bundler{web: ".."}.offlineScript()
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{"./resnet.js", "import.meta", "new URL(\"./worker.js\""} {
		if strings.Contains(script, no) {
			t.Errorf("it would load %s", no)
		}
	}
}

func TestSourceMapsAreForDevelopersAlone(t *testing.T) {
	for _, dev := range []bool{false, true} {
		dir, _ := bundled(t, dev)
		maps, _ := filepath.Glob(filepath.Join(dir, "*.map"))
		if (len(maps) > 0) != dev {
			t.Errorf("dev %v: %d source maps", dev, len(maps))
		}
		m := Manifest{Files: map[string]File{}}
		if err := m.list(dir); err != nil {
			t.Fatal(err)
		}
		for name := range m.Files {
			if filepath.Ext(name) == ".map" {
				t.Errorf("%s is in the manifest", name)
			}
		}
	}
}

func TestErrorsOfTheBundlerNameTheFile(t *testing.T) {
	dir := t.TempDir()
	for _, s := range slices.Concat(classic, modules, pages, styles) {
		write(t, filepath.Join(dir, s.source), "")
	}
	write(t, filepath.Join(dir, "api/resnet.ts"), "import './none.ts'")
	_, err := bundler{web: dir}.bundle(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "none.ts") || !strings.Contains(err.Error(), "resnet.ts:1") {
		t.Errorf("got %v", err)
	}
}

func TestPackageNamesFilesThatExist(t *testing.T) {
	dir, m := shipment(t)
	if err := npmPackage(dir, m.Model); err != nil {
		t.Fatal(err)
	}
	var p struct {
		Name, Version, Type string
		Files               []string
		Exports             map[string]json.RawMessage
	}
	data, _ := os.ReadFile(filepath.Join(dir, "package.json"))
	if err := json.Unmarshal(data, &p); err != nil {
		t.Fatal(err)
	}
	if p.Name != "resnet-web" || p.Type != "module" || p.Exports["."] == nil {
		t.Errorf("package.json says %s", data)
	}
	for _, f := range []string{entryFile, m.Model, "resnet.wasm", "LICENSE.txt"} {
		if !slices.Contains(p.Files, f) {
			t.Errorf("%s is not published", f)
		}
	}
	entry, _ := os.ReadFile(filepath.Join(dir, entryFile))
	if !strings.Contains(string(entry), "new URL('./"+m.Model+"', import.meta.url)") {
		t.Errorf("bundlers do not find the model by %s", entry)
	}
}

func TestPictureOfLinksIsAbsoluteOrMissing(t *testing.T) {
	for _, c := range []struct{ address, want string }{
		{"", ""},
		{"https://example.org/some/where", `content="https://example.org/some/where/icons/card.png"`},
		{"https://example.org/", `content="https://example.org/icons/card.png"`},
	} {
		dir := t.TempDir()
		if err := copyFile(filepath.Join(dir, "index.html"), "../page/index.html"); err != nil {
			t.Fatal(err)
		}
		if err := tellAddress(dir, c.address); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, "index.html"))
		if err != nil {
			t.Fatal(err)
		}
		if has := strings.Contains(string(page), "og:image"); has != (c.want != "") || !strings.Contains(string(page), c.want) {
			t.Errorf("%q: want %q", c.address, c.want)
		}
		for _, wrong := range []string{"example.org", "/path/", "javascript:1"} {
			if tellAddress(dir, wrong) == nil {
				t.Errorf("%q is taken", wrong)
			}
		}
	}
}

func TestRulesAreCheckedBeforeTheyAreShipped(t *testing.T) {
	dir := t.TempDir()
	if err := writeRules(dir, headers.Rules{Parents: []string{"https://a.example/path"}}); err == nil {
		t.Error("a path is taken for an origin")
	}
	if err := writeRules(dir, headers.Rules{Parents: []string{"https://a.example"}}); err != nil {
		t.Error(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, headers.RulesFile)); string(text) != `{"parents":["https://a.example"]}`+"\n" {
		t.Errorf("%s holds %q", headers.RulesFile, text)
	}
}
