package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"resnet-web/web/headers"
)

// Handler serves the files below one folder.
type Handler struct {
	dir   string // opened anew for each request: a build puts another folder in its place
	rules headers.Rules

	mu   sync.Mutex
	tags map[string]tag // by file name
}

// tag is the ETag of one state of a file.
type tag struct {
	size int64
	mod  time.Time
	text string
}

// NewHandler serves dir, which must hold an index.html, by the rules of its embed.json; without one, no other site may frame
// embed.html.
func NewHandler(dir string) (*Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("serve: want a built page in %s: %w; run ./build.sh", dir, err)
	}
	defer root.Close()
	if _, err := root.Stat("index.html"); err != nil {
		return nil, fmt.Errorf("serve: %s has no index.html; run ./build.sh", dir)
	}
	var rules headers.Rules
	text, err := root.ReadFile(headers.RulesFile)
	if err == nil {
		rules, err = headers.ParseRules(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("serve: %s: %w", dir, err)
	}
	return &Handler{dir: dir, rules: rules, tags: map[string]tag{}}, nil
}

// copying is the longest time that copying a folder is taken to need.
const copying = time.Minute

// encodings are the precompressed variants, the better one first.
var encodings = []struct{ name, ext string }{{"br", ".br"}, {"gzip", ".gz"}}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, f := range h.rules.Common(r.URL.Path) {
		w.Header().Set(f.Name, f.Value)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served", http.StatusMethodNotAllowed)
		return
	}
	name, ok := fileName(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	file, info, err := h.open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { file.Close() }()
	suffix, compressed := "", false
	for _, e := range encodings {
		packed, packedInfo, err := h.open(name + e.ext)
		if err != nil {
			continue
		}
		compressed = true
		// A .gz that is older than its file would be a wrong answer. But the files of a copied folder may have been written in
		// any order, within the time that copying takes.
		if suffix == "" && r.Header.Get("Range") == "" && accepts(r.Header.Get("Accept-Encoding"), e.name) && !packedInfo.ModTime().Add(copying).Before(info.ModTime()) {
			file.Close()
			file, info, suffix = packed, packedInfo, e.ext
			w.Header().Set("Content-Encoding", e.name)
			// ServeContent leaves out the length of encoded content, which progress bars need.
			w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
			continue
		}
		packed.Close()
	}
	text, err := h.tag(name+suffix, file, info)
	if err != nil {
		w.Header().Del("Content-Encoding")
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	for _, f := range h.rules.For("/" + name) {
		w.Header().Set(f.Name, f.Value)
	}
	if compressed {
		w.Header().Set("Vary", "Accept-Encoding")
	}
	w.Header().Set("ETag", text)
	http.ServeContent(w, r, name, time.Time{}, file)
}

// fileName turns a URL path into a name below the root. It refuses hidden files and unclean paths.
func fileName(urlPath string) (string, bool) {
	if !strings.HasPrefix(urlPath, "/") || strings.ContainsAny(urlPath, "\\\x00") {
		return "", false
	}
	if strings.HasSuffix(urlPath, "/") {
		urlPath += "index.html"
	}
	name := urlPath[1:]
	if path.Clean(urlPath) != urlPath || !fs.ValidPath(name) || strings.HasPrefix(name, ".") || strings.Contains(name, "/.") {
		return "", false
	}
	return name, true
}

func (h *Handler) open(name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(h.dir) // refuses names and symbolic links that lead outside
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// tag hashes a file once per state, and leaves f at its start.
func (h *Handler) tag(name string, f *os.File, info fs.FileInfo) (string, error) {
	h.mu.Lock()
	known, ok := h.tags[name]
	h.mu.Unlock()
	if ok && known.size == info.Size() && known.mod.Equal(info.ModTime()) {
		return known.text, nil
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	t := tag{info.Size(), info.ModTime(), `"` + hex.EncodeToString(sum.Sum(nil)[:16]) + `"`}
	h.mu.Lock()
	h.tags[name] = t
	h.mu.Unlock()
	return t.text, nil
}

// accepts reads an Accept-Encoding header (RFC 9110, 12.5.3).
func accepts(header, encoding string) bool {
	any := false
	for part := range strings.SplitSeq(header, ",") {
		name, param, _ := strings.Cut(part, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		weight, isQ := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q=")
		q, err := strconv.ParseFloat(weight, 64)
		wanted := !isQ || err != nil || q > 0
		switch name {
		case encoding:
			return wanted
		case "*":
			any = wanted
		}
	}
	return any
}
