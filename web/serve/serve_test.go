package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
)

const wasm = "\x00asm and some more and some more and some more"

func br(s string) string {
	var b strings.Builder
	w := brotli.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

func gz(s string) string {
	var b strings.Builder
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// rewrite writes a file in its place and keeps its time.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err == nil {
		err = os.Chtimes(path, time.Time{}, info.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// site is a folder with a secret beside it and a link to the secret inside.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dist")
	for name, text := range map[string]string{
		"secret.txt":                  "secret",
		"dist/index.html":             "<!doctype html>",
		"dist/resnet.wasm":            wasm,
		"dist/resnet.wasm.br":         br(wasm),
		"dist/resnet.wasm.gz":         gz(wasm),
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
		// One time for all, as in images that are made reproducibly.
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
		r.Header[k] = strings.Split(v, "\n")
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
		{"/resnet.wasm", "application/wasm", "no-cache", wasm},
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
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("POST", "http://x/?shared", nil))
	if to := w.Header().Get("Location"); w.Code != 303 || to != "/?shared" {
		t.Errorf("a share: %d to %q, want 303 to /?shared", w.Code, to)
	}
}

func TestPrecompressed(t *testing.T) {
	h := handler(t)
	for _, c := range []struct{ accept, encoding, body string }{
		{"gzip, deflate, br, zstd", "br", br(wasm)},
		{"gzip", "gzip", gz(wasm)},
		{"br;q=0, gzip;q=0.5", "gzip", gz(wasm)},
		{"*", "br", br(wasm)},
		{"*;q=0", "", wasm},
		{"", "", wasm},
		{"br;q=0;x=1, gzip", "gzip", gz(wasm)},
		{"br; x=1; q=0", "", wasm},
		{"BR;Q=0.2, GZIP;Q=0.9", "gzip", gz(wasm)},
		{"br;q=0.000, *", "gzip", gz(wasm)},
		{"deflate\ngzip\nbr", "br", br(wasm)}, // on lines of their own
		{"gzip\nbr;q=0", "gzip", gz(wasm)},
		{"br;q=nan", "", wasm},
		{"br;q=0x1p-1, gzip;q=0.1", "gzip", gz(wasm)},
		{"br;q=+1, gzip;q=1e-1", "", wasm},
		{"br;q=0.1, identity;q=1", "", wasm},
		{"br;q=0.5, gzip;q=0.2, *", "", wasm},
		{"br;q=0.5, identity;q=0.5", "br", br(wasm)},
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

// A compressed file is served where it has its file inside, whatever their times say.
func TestStaleVariantIsNotServed(t *testing.T) {
	h := handler(t)
	encoding := func() string {
		r := get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br"})
		if e := r.Header.Get("Content-Encoding"); e != "" {
			return e
		}
		if text, err := os.ReadFile(filepath.Join(h.dir, "resnet.wasm")); err != nil || body(r) != string(text) {
			t.Errorf("the file itself is not what is served: %v", err)
		}
		return ""
	}
	plain, packed := filepath.Join(h.dir, "resnet.wasm"), filepath.Join(h.dir, "resnet.wasm.br")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(packed, old, old); err != nil {
		t.Fatal(err)
	}
	if encoding() != "br" {
		t.Error("a .br with the right content is not served because it is older")
	}
	next := strings.Replace(wasm, "some", "none", 1)
	rewrite(t, plain, next)
	if e := encoding(); e != "" {
		t.Errorf("of another build, with the same size and time: served as %s", e)
	}
	for _, text := range []string{br(next + "more"), br(next)[:8], "no brotli", "", gz(next)} {
		rewrite(t, packed, text)
		if e := encoding(); e != "" {
			t.Errorf("%.20q: served as %s", text, e)
		}
	}
	rewrite(t, packed, br(next))
	if encoding() != "br" {
		t.Error("the right .br is not served")
	}
}

func TestSpecialFilesAreRefused(t *testing.T) {
	h := handler(t)
	pipe := filepath.Join(h.dir, "pipe.js")
	if err := exec.Command("mkfifo", pipe, filepath.Join(h.dir, "index.html.br")).Run(); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink("pipe.js", filepath.Join(h.dir, "link.js")); err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		for path, want := range map[string]int{"/pipe.js": 404, "/link.js": 404, "/": 200} {
			if r := get(h, "GET", path, map[string]string{"Accept-Encoding": "br"}); r.StatusCode != want {
				t.Errorf("%s: %d, want %d", path, r.StatusCode, want)
			}
		}
		done <- true
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("a pipe is waited for")
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
	r = get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br", "If-Match": `"other"`})
	if r.StatusCode != 412 || r.Header.Get("Content-Length") != "" || body(r) != "" {
		t.Errorf("another file: %d with length %q, want 412 without", r.StatusCode, r.Header.Get("Content-Length"))
	}
	r = get(h, "GET", "/resnet.wasm", map[string]string{"Accept-Encoding": "br", "If-Match": packed})
	if r.StatusCode != 200 || body(r) != br(wasm) {
		t.Errorf("the same file: %d, want 200", r.StatusCode)
	}
	next := strings.ToUpper(wasm)
	rewrite(t, filepath.Join(h.dir, "resnet.wasm"), next) // of the same size, with the same time
	if r := get(h, "GET", "/resnet.wasm", map[string]string{"If-None-Match": plain}); r.StatusCode != 200 ||
		body(r) != next {
		t.Errorf("changed file: %d, want 200", r.StatusCode)
	}
}

// Of a large file the hash is remembered, until the manifest names another.
func TestETagFollowsTheManifest(t *testing.T) {
	h := handler(t)
	large := strings.Repeat("x", small+1)
	path := filepath.Join(h.dir, "resnet.wasm")
	manifest := func(text string) string {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		if err := os.WriteFile(filepath.Join(h.dir, "manifest.json"),
			[]byte(`{"files": {"resnet.wasm": {"bytes": 1, "sha256": "`+sum+`"}}}`), 0o644); err != nil {
			t.Fatal(err)
		}
		return `"` + sum[:32] + `"`
	}
	tag := func() string { return get(h, "GET", "/resnet.wasm", nil).Header.Get("ETag") }
	for _, text := range []string{large, strings.ToUpper(large)} {
		rewrite(t, path, text)
		want := manifest(text)
		for range 2 {
			if got := tag(); got != want {
				t.Errorf("want the tag %s, got %s", want, got)
			}
		}
	}
}

func TestRunServesAndStops(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	urls, done := make(chan string, 1), make(chan error, 1)
	go func() { done <- run(ctx, site(t), "localhost:0", nil, func(u string) { urls <- u }) }()
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

// TestSecondInterrupt stops the server while an answer is under way, which the first signal waits for.
func TestSecondInterrupt(t *testing.T) {
	if os.Getenv("SERVE_TEST_DIR") != "" {
		os.Args = []string{"serve", "-dir", os.Getenv("SERVE_TEST_DIR"), "localhost:0"}
		main()
		return
	}
	dir := site(t)
	large := make([]byte, 64<<20) // more than sockets hold
	if err := os.WriteFile(filepath.Join(dir, "large.bin"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command(os.Args[0], "-test.run=^TestSecondInterrupt$")
	server.Env = append(os.Environ(), "SERVE_TEST_DIR="+dir)
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	_, after, _ := strings.Cut(lines.Text(), "http://")
	host, _, _ := strings.Cut(after, "/")
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
	if _, err := c.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	server.Process.Signal(os.Interrupt)
	if lines.Scan(); !strings.Contains(lines.Text(), "again ends at once") {
		t.Errorf("after the first signal: %q", lines.Text())
	}
	server.Process.Signal(os.Interrupt)
	for lines.Scan() {
	}
	server.Wait()
	if took := time.Since(start); took > 3*time.Second { // the first alone takes 5
		t.Errorf("the second signal ended it after %v", took)
	}
}

func TestPortTakenAndNothingBuilt(t *testing.T) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	never := filepath.Join(t.TempDir(), "never")
	err = run(context.Background(), site(t), l.Addr().String(), []string{"touch", never}, func(string) { t.Error("it says it is ready") })
	if _, missing := os.Stat(never); missing == nil {
		t.Error("it builds for an address that is taken")
	}
	if err == nil || !strings.Contains(err.Error(), "another program does") {
		t.Errorf("port taken: %v", err)
	}
	for _, dir := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		if err := run(context.Background(), dir, "localhost:0", nil, nil); err == nil || !strings.Contains(err.Error(), "./build.sh") {
			t.Errorf("nothing built: %v", err)
		}
	}
}

// A command makes the folder. Until it has ended there is a 503, which browsers load again.
func TestAnswersWhileTheFolderIsMade(t *testing.T) {
	dir := site(t)
	next, gate := dir+".next", filepath.Join(t.TempDir(), "gate")
	if err := os.Rename(dir, next); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("mkfifo", gate).Run(); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "localhost:0") // for an address that is free
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	addr := l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	urls, done := make(chan string, 1), make(chan error, 1)
	command := []string{"sh", "-c", `cat "$0" && mv "$1" "$2"`, gate, next, dir}
	go func() { done <- run(ctx, dir, addr, command, func(u string) { urls <- u }) }()
	w, err := os.OpenFile(gate, os.O_WRONLY, 0) // returns when the command reads it
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "HEAD", "POST"} {
		request, _ := http.NewRequest(method, "http://"+addr+"/resnet.js", nil)
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != 503 || r.Header.Get("Refresh") == "" || r.Header.Get("Retry-After") == "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s while it is made: %d, %v", method, r.StatusCode, r.Header)
		}
	}
	w.Close()
	r, err := http.Get(<-urls)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Errorf("once it is made: %d, want 200", r.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestACommandThatFails(t *testing.T) {
	err := run(context.Background(), site(t), "localhost:0", []string{"sh", "-c", "exit 3"}, nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a failed build: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, stop)
	err = run(ctx, site(t), "localhost:0", []string{"sleep", "60"}, nil)
	if err == nil || !strings.Contains(err.Error(), "stopped before") {
		t.Errorf("stopped while it is built: %v", err)
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
