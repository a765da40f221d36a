package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is a folder with a secret beside it and a link to the secret inside.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dist")
	for name, text := range map[string]string{
		"secret.txt":                  "secret",
		"dist/index.html":             "<!doctype html>",
		"dist/resnet.wasm":            "\x00asm and some more",
		"dist/resnet.wasm.br":         "br!",
		"dist/resnet.wasm.gz":         "gz!!",
		"dist/model.0123abcd.msgpack": "model",
		"dist/samples/a.svg":          "<svg/>",
		"dist/.hidden":                "hidden",
	} {
		p := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		// One time for all: a variant older than its file is not served.
		if err := os.Chtimes(p, time.Time{}, time.Unix(1_800_000_000, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.txt", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func handler(t *testing.T) *Handler {
	t.Helper()
	h, err := NewHandler(site(t))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func get(h http.Handler, method, path string, head map[string]string) *http.Response {
	r := httptest.NewRequest(method, "http://x/", nil)
	r.URL.Path = path
	for k, v := range head {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(r *http.Response) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func TestFiles(t *testing.T) {
	h := handler(t)
	for _, c := range []struct{ path, kind, cache, body string }{
		{"/", "text/html; charset=utf-8", "no-cache", "<!doctype html>"},
		{"/index.html", "text/html; charset=utf-8", "no-cache", "<!doctype html>"},
		{"/resnet.wasm", "application/wasm", "no-cache", "\x00asm and some more"},
		{"/samples/a.svg", "image/svg+xml", "no-cache", "<svg/>"},
		{"/model.0123abcd.msgpack", "application/vnd.msgpack", "public, max-age=31536000, immutable", "model"},
	} {
		r := get(h, "GET", c.path, nil)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != c.kind || r.Header.Get("Cache-Control") != c.cache || body(r) != c.body {
			t.Errorf("%s: %d, %q, %q", c.path, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Cache-Control"))
		}
		if r := get(h, "HEAD", c.path, nil); r.StatusCode != 200 || body(r) != "" || r.ContentLength != int64(len(c.body)) {
			t.Errorf("HEAD %s: %d, length %d, want an empty body and length %d", c.path, r.StatusCode, r.ContentLength, len(c.body))
		}
	}
}

func TestNothingEscapes(t *testing.T) {
	h := handler(t)
	for _, p := range []string{"/../secret.txt", "/samples/../../secret.txt", "/link.txt", "/.hidden", "/samples/..", "//index.html", "/samples", "/samples/", "/a\\b", "/\x00", "secret.txt", ""} {
		if r := get(h, "GET", p, nil); r.StatusCode != 404 {
			t.Errorf("%q: %d, want 404", p, r.StatusCode)
		}
	}
	r := get(h, "GET", "/none", nil)
	for name, want := range map[string]string{
		"Permissions-Policy":           "camera=(self)",
		"Referrer-Policy":              "no-referrer",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Embedder-Policy": "require-corp",
	} {
		if got := r.Header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s: want %s, got %q", name, want, got)
		}
	}
	if r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Content-Security-Policy") == "" {
		t.Error("an error lacks the security headers")
	}
	for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if r := get(h, m, "/", nil); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, want 405", m, r.StatusCode)
		}
	}
}

func TestPrecompressed(t *testing.T) {
	h := handler(t)
	for _, c := range []struct{ accept, encoding, body string }{
		{"gzip, deflate, br, zstd", "br", "br!"},
		{"gzip", "gzip", "gz!!"},
		{"br;q=0, gzip;q=0.5", "gzip", "gz!!"},
		{"*", "br", "br!"},
		{"*;q=0", "", "\x00asm and some more"},
		{"", "", "\x00asm and some more"},
	} {
		r := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": c.accept})
		if r.Header.Get("Content-Encoding") != c.encoding || body(r) != c.body {
			t.Errorf("%q: encoding %q, want %q", c.accept, r.Header.Get("Content-Encoding"), c.encoding)
		}
		if r.ContentLength != int64(len(c.body)) || r.Header.Get("Content-Type") != "application/wasm" || r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: length %d, type %q, vary %q", c.accept, r.ContentLength, r.Header.Get("Content-Type"), r.Header.Get("Vary"))
		}
	}
	if r := get(h, "GET", "/", map[string]string{"Accept-Encoding": "br"}); r.Header.Get("Vary") != "" {
		t.Error("a file without variants varies")
	}
	r := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br", "Range": "bytes=1-3"})
	if r.StatusCode != 206 || r.Header.Get("Content-Encoding") != "" || body(r) != "asm" {
		t.Errorf("a range: %d, encoding %q", r.StatusCode, r.Header.Get("Content-Encoding"))
	}
}

func TestStaleVariantIsNotServed(t *testing.T) {
	h := handler(t)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(h.dir, "resnet.wasm.br"), old, old); err != nil {
		t.Fatal(err)
	}
	if r := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br"}); r.Header.Get("Content-Encoding") != "" {
		t.Error("a .br older than its file was served")
	}
}

func TestANewBuildIsServed(t *testing.T) {
	h := handler(t)
	if err := os.Rename(h.dir, h.dir+".old"); err != nil {
		t.Fatal(err)
	}
	if r := get(h, "GET", "/", nil); r.StatusCode != 404 {
		t.Errorf("between two builds: %d, want 404", r.StatusCode)
	}
	if err := os.Mkdir(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "index.html"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := get(h, "GET", "/", nil); body(r) != "new" {
		t.Errorf("after a new build: %d, want its page", r.StatusCode)
	}
}

func TestETag(t *testing.T) {
	h := handler(t)
	plain := get(h, "GET", "/resnet.wasm", nil).Header.Get("ETag")
	packed := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br"}).Header.Get("ETag")
	if plain == "" || plain == packed {
		t.Fatalf("tags %q and %q, want two different ones", plain, packed)
	}
	r := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br", "If-None-Match": packed})
	if r.StatusCode != 304 || body(r) != "" {
		t.Errorf("unchanged file: %d, want 304", r.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "resnet.wasm"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if r := get(h, "GET", "/resnet.wasm", map[string]string{"If-None-Match": plain}); r.StatusCode != 200 || body(r) != "new" {
		t.Errorf("changed file: %d, want 200", r.StatusCode)
	}
}

func TestRunServesAndStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	urls, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- run(ctx, site(t), "localhost:0", func(u string) { urls <- u }) }()
	u := <-urls
	r, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 || !strings.HasPrefix(u, "http://localhost:") {
		t.Errorf("%s: %d", u, r.StatusCode)
	}
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("does not stop")
	}
}

func TestPortTakenAndNothingBuilt(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = run(context.Background(), site(t), l.Addr().String(), func(string) { t.Error("it says it is ready") })
	if err == nil || !strings.Contains(err.Error(), "another program does") {
		t.Errorf("port taken: %v", err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if err := run(context.Background(), dir, "localhost:0", nil); err == nil || !strings.Contains(err.Error(), "./build.sh") {
			t.Errorf("nothing built: %v", err)
		}
	}
}

func TestParentsComeFromTheFolder(t *testing.T) {
	dir := site(t)
	framed := func(text string) string {
		if err := os.WriteFile(filepath.Join(dir, "embed.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		h, err := NewHandler(dir)
		if err != nil {
			return err.Error()
		}
		_, after, _ := strings.Cut(get(h, "GET", "/embed.html", nil).Header.Get("Content-Security-Policy"), "frame-ancestors ")
		return after
	}
	for text, want := range map[string]string{
		`{"parents": ["*"]}`:                 "",
		`{"parents": ["https://a.example"]}`: "'self' https://a.example",
		`{"parents": []}`:                    "'self'",
	} {
		if got := framed(text); got != want {
			t.Errorf("%s: frame-ancestors %q, want %q", text, got, want)
		}
	}
	if got := framed(`{"parents": ["a.example"]}`); !strings.Contains(got, "want origins such as") {
		t.Errorf("a name without a scheme: %s", got)
	}
	if _, after, _ := strings.Cut(get(handler(t), "GET", "/embed.html", nil).Header.Get("Content-Security-Policy"), "frame-ancestors "); after != "'self'" {
		t.Errorf("without the file: frame-ancestors %q, want 'self'", after)
	}
}
