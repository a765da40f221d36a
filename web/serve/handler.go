package main

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/andybalholm/brotli"

	"resnet-web/web/headers"
)

// Handler serves the files below one folder.
type Handler struct {
	dir   string // opened anew for each request: a build puts another folder in its place
	rules headers.Rules

	mu       sync.Mutex
	hashes   map[string]hashed   // by file name
	variants map[string]unpacked // by file name
}

// hashed is the SHA-256 of one state of a file.
type hashed struct {
	info  fs.FileInfo
	named string // the hash that the manifest gave at that time
	sum   string // hexadecimal
}

// unpacked is what one state of a .br or .gz has inside.
type unpacked struct {
	info fs.FileInfo
	of   string // the hash of the file that it was compared with
	same bool
}

// NewHandler serves dir, which must hold an index.html, by the rules of its embed.json; without one, no other site may frame
// embed.html.
func NewHandler(dir string) (*Handler, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("serve: want a built page in %s: %w; run ./build.sh", dir, err)
	}
	defer root.Close()
	h := &Handler{dir: dir, hashes: map[string]hashed{}, variants: map[string]unpacked{}}
	index, _, err := h.open("index.html")
	if err != nil {
		return nil, fmt.Errorf("serve: %s has no index.html; run ./build.sh", dir)
	}
	index.Close()
	text, err := h.read(headers.RulesFile)
	if err == nil {
		h.rules, err = headers.ParseRules(text)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("serve: %s: %w", dir, err)
	}
	return h, nil
}

// encodings are the precompressed variants, the better one first.
var encodings = []struct {
	name, ext string
	unpack    func(io.Reader) (io.Reader, error)
}{
	{"br", ".br", func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{"gzip", ".gz", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// shared is the query of the address to which apps post what they share with the installed page, see
// web/page/manifest.webmanifest.
const shared = "shared"

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, f := range h.rules.Common(r.URL.Path) {
		w.Header().Set(f.Name, f.Value)
	}
	if r.Method == http.MethodPost && r.URL.Path == "/" && r.URL.RawQuery == shared {
		// The service worker of the page answers this, unless the browser has lost it. The page then tells the visitor.
		http.Redirect(w, r, "/?"+shared, http.StatusSeeOther)
		return
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
	sum, err := h.hash(name, file, info)
	if err != nil {
		http.Error(w, "the file cannot be read", http.StatusInternalServerError)
		return
	}
	accepted := r.Header.Values("Accept-Encoding")
	tag, compressed, best, plain := sum[:32], false, 0.0, quality(accepted, "identity")
	for _, e := range encodings {
		packed, packedInfo, err := h.open(name + e.ext)
		if err != nil {
			continue
		}
		compressed = true
		q := quality(accepted, e.name)
		if q <= best || q < plain || r.Header.Get("Range") != "" || !h.isOf(name+e.ext, packed, packedInfo, e.unpack,
			sum, info.Size()) {
			packed.Close()
			continue
		}
		file.Close()
		file, best, tag = packed, q, sum[:32]+"-"+e.name
		w.Header().Set("Content-Encoding", e.name)
		// ServeContent leaves out the length of encoded content, which progress bars need. It would also stay in a 412,
		// which has no body and answers If-Match alone.
		if r.Header.Get("If-Match") == "" {
			w.Header().Set("Content-Length", strconv.FormatInt(packedInfo.Size(), 10))
		}
	}
	for _, f := range h.rules.For("/" + name) {
		w.Header().Set(f.Name, f.Value)
	}
	if compressed {
		w.Header().Set("Vary", "Accept-Encoding")
	}
	w.Header().Set("ETag", `"`+tag+`"`)
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

// open opens a regular file. A pipe would wait for its other end, and a device may do anything when it is opened.
func (h *Handler) open(name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(h.dir) // refuses names and symbolic links that lead outside
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // if it has become a pipe since
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func (h *Handler) read(name string) ([]byte, error) {
	f, _, err := h.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// small files are hashed for every request, which takes less time than sending them.
const small = 256 << 10

// hash is the SHA-256 of a file's content, and leaves f at its start. Of a large file it is remembered until the file
// becomes another, or has another size, time, or hash in the manifest.
func (h *Handler) hash(name string, f *os.File, info fs.FileInfo) (string, error) {
	named := ""
	if info.Size() > small {
		named = h.manifest()[name].SHA256
		h.mu.Lock()
		known, ok := h.hashes[name]
		h.mu.Unlock()
		if ok && known.named == named && sameState(known.info, info) {
			return known.sum, nil
		}
	}
	sum, err := hashOf(f)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil && info.Size() > small {
		h.mu.Lock()
		h.hashes[name] = hashed{info, named, sum}
		h.mu.Unlock()
	}
	return sum, err
}

// sameState reports whether a file has not changed, as far as its name, size and time tell.
func sameState(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func hashOf(r io.Reader) (string, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, r)
	return hex.EncodeToString(sum.Sum(nil)), err
}

// manifest has the hashes of files that the build knew, none if there is no manifest.
func (h *Handler) manifest() map[string]struct{ SHA256 string } {
	var m struct {
		Files map[string]struct{ SHA256 string }
	}
	if text, err := h.read("manifest.json"); err == nil {
		_ = json.Unmarshal(text, &m) // of a broken one nothing is known
	}
	return m.Files
}

// isOf reports whether the compressed file has inside what the file with a hash and size is. It is compared once for
// each state of either: times say little, because a folder may be copied in any order or be made with equal times.
func (h *Handler) isOf(name string, packed *os.File, info fs.FileInfo, unpack func(io.Reader) (io.Reader, error),
	sum string, size int64) bool {
	h.mu.Lock()
	known, ok := h.variants[name]
	h.mu.Unlock()
	if ok && known.of == sum && sameState(known.info, info) {
		return known.same
	}
	inside := ""
	r, err := unpack(packed)
	if err == nil {
		inside, err = hashOf(io.LimitReader(r, size+1))
	}
	same := err == nil && inside == sum
	if _, err := packed.Seek(0, io.SeekStart); err != nil {
		return false
	}
	h.mu.Lock()
	h.variants[name] = unpacked{info, sum, same}
	h.mu.Unlock()
	return same
}

// warm looks at the files of the manifest, so that no visitor waits for it.
func (h *Handler) warm() {
	for name := range h.manifest() {
		file, info, err := h.open(name)
		if err != nil {
			continue
		}
		sum, err := h.hash(name, file, info)
		file.Close()
		for _, e := range encodings {
			packed, packedInfo, missing := h.open(name + e.ext)
			if missing != nil {
				continue
			}
			if err == nil {
				h.isOf(name+e.ext, packed, packedInfo, e.unpack, sum, info.Size())
			}
			packed.Close()
		}
	}
}

// weight is what may follow q= (RFC 9110, 12.4.2).
var weight = regexp.MustCompile(`^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$`)

// quality is the weight that the lines of an Accept-Encoding header give to an encoding, 0 for not wanted (RFC 9110,
// 12.5.3). One that is no weight is taken as 0: what is served plain is right for everybody.
func quality(lines []string, encoding string) float64 {
	any := 0.0
	for part := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		q := 1.0
		for param := range strings.SplitSeq(params, ";") {
			if text, is := strings.CutPrefix(strings.ToLower(strings.TrimSpace(param)), "q="); is {
				q = 0
				if weight.MatchString(text) {
					q, _ = strconv.ParseFloat(text, 64)
				}
				break
			}
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case encoding:
			return q
		case "*":
			any = q
		}
	}
	return any
}
