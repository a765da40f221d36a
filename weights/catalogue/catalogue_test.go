package catalogue

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"resnet-web/resnet"
)

func TestEntries(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Entries() {
		cfg, err := resnet.Lookup(e.Arch)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
			continue
		}
		// Parameters in float32, or float16, and a little more.
		each := e.MiB * (1 << 20) / float64(cfg.Summary(1000, 224).Params)
		if each /= math.Round(each/2) * 2; each < 1 || each > 1.02 {
			t.Errorf("%s: %v MiB are %.3f times its parameters", e.Name, e.MiB, each)
		}
		if want := e.Arch + "-" + e.SHA256 + ".pth"; e.File != want || len(e.SHA256) != 8 {
			t.Errorf("%s: file %s, want %s", e.Name, e.File, want)
		}
		if seen[e.Name] || seen[e.File] || !(e.Top1 > 69 && e.Top1 < e.Top5 && e.Top5 < 97) || e.Crop != 224 || e.Licence == "" {
			t.Errorf("%s: doubtful entry %+v", e.Name, e)
		}
		seen[e.Name], seen[e.File] = true, true
		if found, err := Find(e.File); err != nil || found != e {
			t.Errorf("Find(%q) is %v, %v", e.File, found, err)
		}
	}
	if _, err := Fetch(context.Background(), "resnet51", Options{}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "resnet152-v2") {
		t.Errorf("resnet51 gave %v", err)
	}
}

// content is a file of the catalogue for tests.
var content = bytes.Repeat([]byte("PK\x03\x04 weights "), 20000)

func entry() Entry {
	sum := sha256.Sum256(content)
	return Entry{Name: "test", File: "test.pth", SHA256: hex.EncodeToString(sum[:4]), MiB: float64(len(content)) / (1 << 20)}
}

// fetch runs against handler and counts its requests.
func fetch(t *testing.T, dir string, handler http.HandlerFunc, change func(*Options)) (path string, requests int32, err error) {
	t.Helper()
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		handler(w, r)
	}))
	defer server.Close()
	o := Options{BaseURL: server.URL, Dir: dir, Retries: 1}
	if change != nil {
		change(&o)
	}
	path, err = entry().fetch(context.Background(), o)
	return path, n.Load(), err
}

func serve(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "test.pth", time.Time{}, bytes.NewReader(content))
}

// half sends the first half of what is asked for, and hangs up.
func half(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content[:len(content)/2])
	panic(http.ErrAbortHandler)
}

// whole fails unless path holds content and no part is left.
func whole(t *testing.T, path string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%d bytes, want %d; %v", len(got), len(content), err)
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("a part is left")
	}
}

func TestFetch(t *testing.T) {
	dir := t.TempDir()
	var last, total int64
	progress := func(o *Options) {
		o.Progress = func(done, of int64) {
			if done < last {
				t.Errorf("progress went from %d to %d", last, done)
			}
			last, total = done, of
		}
	}
	path, _, err := fetch(t, dir, serve, progress)
	whole(t, path, err)
	if last != int64(len(content)) || total != last {
		t.Errorf("progress ended at %d of %d, want %d", last, total, len(content))
	}
	// The second time the cache answers.
	path, requests, err := fetch(t, dir, serve, nil)
	whole(t, path, err)
	if requests != 0 {
		t.Errorf("%d requests for a cached file", requests)
	}
	// A cached file that rotted is named, not replaced.
	if err := os.WriteFile(path, content[1:], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err = fetch(t, dir, serve, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a wrong cached file gave %v", err)
	}
}

func TestResume(t *testing.T) {
	var asked []string
	broken := func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header.Get("Range"))
		if len(asked) == 1 {
			half(w, r)
		}
		serve(w, r)
	}
	path, _, err := fetch(t, t.TempDir(), broken, nil)
	whole(t, path, err)
	if want := fmt.Sprintf("bytes=%d-", len(content)/2); len(asked) != 2 || asked[1] != want {
		t.Errorf("asked for %q, want a second request for %s", asked, want)
	}

	// In a later call.
	dir := t.TempDir()
	if _, _, err := fetch(t, dir, half, func(o *Options) { o.Retries = -1 }); err == nil || !strings.Contains(err.Error(), "broke off") {
		t.Fatalf("half a file gave %v", err)
	}
	asked = []string{"before"}
	path, _, err = fetch(t, dir, broken, nil)
	whole(t, path, err)
	if len(asked) != 2 || asked[1] == "" {
		t.Errorf("asked for %q", asked)
	}

	// A part that is whole already, and one that is longer than the file.
	for _, extra := range []string{"", "more"} {
		dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "test.pth.part"), append(content[:len(content):len(content)], extra...), 0o644); err != nil {
			t.Fatal(err)
		}
		path, _, err = fetch(t, dir, serve, nil)
		whole(t, path, err)
	}
}

// TestUnknownSize fetches what the server does not give the size of.
func TestUnknownSize(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(content); i += 1 << 16 {
			w.Write(content[i:min(len(content), i+1<<16)])
			w.(http.Flusher).Flush()
		}
	}))
	defer server.Close()
	e := entry()
	var last int64
	path, err := e.fetch(context.Background(), Options{BaseURL: server.URL, Dir: t.TempDir(), Progress: func(done, total int64) {
		if last = done; total != -1 && total != int64(len(content)) {
			t.Errorf("total %d while it is not known", total)
		}
	}})
	whole(t, path, err)
	if last != int64(len(content)) {
		t.Errorf("progress ended at %d, want %d", last, len(content))
	}
}

// TestNoRange begins again where the server cannot go on.
func TestNoRange(t *testing.T) {
	n := 0
	path, requests, err := fetch(t, t.TempDir(), func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			half(w, r)
		}
		w.Write(content)
	}, nil)
	whole(t, path, err)
	if requests != 2 {
		t.Errorf("%d requests, want 2", requests)
	}
}

func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name, want string
		requests   int32
		handler    http.HandlerFunc
	}{
		{"404", "404", 1, http.NotFound},
		{"503", "503", 2, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }},
		{"HTML by its type", "HTML page", 1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Write(content)
		}},
		{"HTML by its look", "HTML page", 1, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Write([]byte("\n<!DOCTYPE html><title>log in</title>"))
		}},
		{"wrong bytes", "SHA-256", 1, func(w http.ResponseWriter, r *http.Request) { w.Write(content[:1000]) }},
		{"too many bytes", "at most", 1, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "999999999") }},
		{"endless bytes", "more than", 1, func(w http.ResponseWriter, r *http.Request) {
			for range 3 {
				w.Write(content)
			}
		}},
		{"another range", "want from byte", 2, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				half(w, r)
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 7-%d/%d", len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
		}},
		{"stall", "no byte", 2, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		dir := t.TempDir()
		_, requests, err := fetch(t, dir, test.handler, func(o *Options) { o.Stall = 200 * time.Millisecond })
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), filepath.Join(dir, "test.pth")) {
			t.Errorf("%s: got %v, want an error with %q and the place for the file", test.name, err, test.want)
		}
		if requests != test.requests {
			t.Errorf("%s: %d requests, want %d", test.name, requests, test.requests)
		}
		if _, err := os.Stat(filepath.Join(dir, "test.pth")); err == nil {
			t.Errorf("%s: left a file under the final name", test.name)
		}
	}
}

func TestNoNetwork(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(serve))
	server.Close()
	dir := t.TempDir()
	_, err := entry().fetch(context.Background(), Options{BaseURL: server.URL, Dir: dir, Retries: -1})
	if err == nil || !strings.Contains(err.Error(), BaseURL+"test.pth") || !strings.Contains(err.Error(), filepath.Join(dir, "test.pth")) {
		t.Errorf("got %v, want the address to fetch by hand and the place to put it", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := entry().fetch(ctx, Options{BaseURL: server.URL, Dir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled fetch gave %v", err)
	}
}
