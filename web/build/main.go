// Command build makes dist/: the page, its files, the Go program as WebAssembly and a model, ready for any static host.
//
//	go run ./web/build [-out dist] [-parents ORIGINS] [-dev] -model FILE
//
// It runs in the repository root and needs nothing but Go. Beside compressible files it puts .br and .gz; it writes
// manifest.json (see [Manifest]), _headers and nginx.conf for hosts other than web/serve, and NOTICES.txt with the
// licences of what is bundled, the model included. It fails when the runtime outgrows its budget.
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"html"
	"io/fs"
	"log"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"resnet-web/web/headers"
	"resnet-web/weights"
)

// Manifest is what dist/manifest.json says: which model the page starts with, and the size and hash of every file, for
// progress (Content-Length counts compressed bytes) and for verification.
type Manifest struct {
	Version string          `json:"version"` // changes when any file does
	Model   string          `json:"model"`   // a key of Files
	Files   map[string]File `json:"files"`   // by path relative to the manifest
}

// File is one uncompressed file.
type File struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// runtimeBudget is the most that the JavaScript and WebAssembly of the first classification may weigh, gzip -9, laterBudget
// each script that is loaded when it is asked for, and embedBudget what an embedding page loads before anybody presses its
// button.
const (
	runtimeBudget = 1_220_000
	laterBudget   = 30_000
	embedBudget   = 5_500
	embedScript   = "embed.js"
)

// The service worker has stamp in place of the hash of the manifest: a new build is a new service worker, and what it
// keeps can be verified. It is no file of the manifest.
const (
	stamp         = "__MANIFEST__"
	serviceWorker = "sw.js"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("build: ")
	out := flag.String("out", "dist", "folder to make")
	model := flag.String("model", "", "model file that the page starts with")
	parents := flag.String("parents", "*", "origins that may frame embed.html, with spaces between: https://a.example https://b.example; * for any")
	address := flag.String("address", "", "where the page will be, https://example.org/path/, for the picture that other sites show beside links to it")
	dev := flag.Bool("dev", false, "readable scripts with source maps, whatever they weigh")
	flag.Parse()
	if flag.NArg() != 0 || *model == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := build(*out, *model, headers.Rules{Parents: strings.Fields(*parents)}, *address, *dev); err != nil {
		log.Fatal(err)
	}
}

// build makes the new folder beside the old one and then swaps them, so that a failure leaves the old one whole.
func build(out, model string, rules headers.Rules, address string, dev bool) error {
	say := func(what string) { fmt.Fprintln(os.Stderr, "build:", what) }
	next := out + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.MkdirAll(next, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(next)

	m := Manifest{Files: map[string]File{}}
	var err error
	if m.Model, err = copyModel(next, model); err != nil {
		return err
	}
	const web = "web"
	protocol, err := protocolOf(web)
	if err != nil {
		return err
	}
	if err := m.add(next, m.Model); err != nil {
		return err
	}
	guess, err := json.Marshal(map[string]any{"model": m.Model, "entry": m.Files[m.Model]})
	if err != nil {
		return err
	}
	b := bundler{web: web, dev: dev, protocol: protocol, model: string(guess)}
	say("compiling the Go program to WebAssembly, which takes longest the first time")
	if err := compile(next, b); err != nil {
		return err
	}
	if b.download, err = download(next, m.Model); err != nil {
		return err
	}
	say("bundling scripts and styles")
	later, err := b.bundle(next)
	if err != nil {
		return err
	}
	if err := copyWeb(next, b.web); err != nil {
		return err
	}
	if err := tellSize(next, b.download); err != nil {
		return err
	}
	if err := tellAddress(next, address); err != nil {
		return err
	}
	if err := notices(filepath.Join(next, "NOTICES.txt"), model); err != nil {
		return err
	}
	if err := writeRules(next, rules); err != nil {
		return err
	}
	if err := npmPackage(next, m.Model); err != nil {
		return err
	}
	if err := m.list(next); err != nil {
		return err
	}
	script, err := b.offlineScript()
	if err != nil {
		return err
	}
	if err := offline(next, m, script); err != nil {
		return err
	}
	if err := m.add(next, offlineFile); err != nil {
		return err
	}
	if err := m.write(next); err != nil {
		return err
	}
	if err := hostFiles(next, m, rules); err != nil {
		return err
	}
	say("compressing what has changed since the last build")
	sizes, err := compress(next, out, m)
	if err != nil {
		return err
	}
	if err := swap(next, out); err != nil {
		return err
	}
	err = report(os.Stdout, m, sizes, later)
	if dev {
		return nil
	}
	return err
}

// travels is where index.html is told what its first visit downloads.
var travels = regexp.MustCompile(`data-bytes="\d+"`)

// tellSize writes into index.html how many bytes a first visit downloads.
func tellSize(dir string, bytes int64) error {
	name := filepath.Join(dir, "index.html")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, travels.ReplaceAll(page, fmt.Appendf(nil, "data-bytes=\"%d\"", bytes)), 0o644)
}

// tellAddress writes into index.html the address of the picture that sites show beside a link to the page. It has to be
// absolute (https://ogp.me), so that it is left out where nobody knows the address of the page.
func tellAddress(dir, address string) error {
	const line = `<meta property="og:image" content="icons/card.png">` + "\n"
	name := filepath.Join(dir, "index.html")
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Contains(page, []byte(line)) {
		return fmt.Errorf("index.html: want %s in it, to be completed or left out", line)
	}
	with := ""
	if address != "" {
		base, err := url.Parse(address)
		if err != nil || (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" {
			return fmt.Errorf("address: want one such as https://example.org/path/, got %q", address)
		}
		with = strings.Replace(line, "icons/card.png", html.EscapeString(base.JoinPath("icons/card.png").String()), 1)
	}
	return os.WriteFile(name, bytes.Replace(page, []byte(line), []byte(with), 1), 0o644)
}

// swap puts the folder next in the place of out, which may be missing.
func swap(next, out string) error {
	old := out + ".old"
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(out, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(next, out); err != nil {
		return errors.Join(err, os.Rename(old, out))
	}
	return os.RemoveAll(old)
}

// copyModel puts the model into dir under a name with a hash of its content, so that it can be cached for ever.
func copyModel(dir, model string) (string, error) {
	data, err := os.ReadFile(model)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("want a model file, but %s does not exist; make one with\n"+
			"    go run ./weights/cmd/resnet import -o %s CHECKPOINT\nor name another: MODEL=FILE ./build.sh", model, model)
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	base := strings.TrimSuffix(filepath.Base(model), filepath.Ext(model))
	name := fmt.Sprintf("%s.%x.msgpack", base, sum[:4])
	return name, os.WriteFile(filepath.Join(dir, name), data, 0o644)
}

// shipped are the files and folders of web/ that go into dist/ as they are.
var shipped = map[string]string{
	"types":                     ".",
	"page/manifest.webmanifest": "manifest.webmanifest",
	"icons":                     "icons",
	"samples":                   "samples",
}

// copyWeb copies what is shipped, and the licence.
func copyWeb(dir, web string) error {
	for from, to := range shipped {
		from, to = filepath.Join(web, from), filepath.Join(dir, to)
		info, err := os.Stat(from)
		switch {
		case err == nil && info.IsDir():
			err = os.CopyFS(to, os.DirFS(from))
		case err == nil:
			err = copyFile(to, from)
		}
		if err != nil {
			return err
		}
	}
	return copyFile(filepath.Join(dir, "LICENSE.txt"), "LICENSE")
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

// inlined are the packages that loop over pixels and activations, and those that such loops call. Elsewhere in resnet.wasm
// calls are not inlined: that takes 6 % off what is downloaded, and nothing of note is spent there.
var inlined = []string{
	"resnet-web/engine", "resnet-web/resnet",
	"encoding/binary", "image/...", "math/...",
}

// compile makes resnet.wasm.
func compile(dir string, b bundler) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -X main.protocol="+b.protocol, "-gcflags=all=-l")
	for _, p := range inlined {
		cmd.Args = append(cmd.Args, "-gcflags="+p+"=")
	}
	cmd.Args = append(cmd.Args, "-o", filepath.Join(dir, "resnet.wasm"), "./wasm")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w", cmd, err)
	}
	return nil
}

// download is how many bytes of model and program a first visit downloads, the latter compressed; scripts are little
// beside them.
func download(dir, model string) (int64, error) {
	program, err := os.ReadFile(filepath.Join(dir, "resnet.wasm"))
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(filepath.Join(dir, model))
	if err != nil {
		return 0, err
	}
	return info.Size() + int64(len(gzipped(program))), nil
}

func goroot() (string, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(root)), err
}

// notices collects the licences of Go, of the modules that resnet.wasm is linked from, and of the model, which has its own
// inside.
func notices(to, model string) error {
	m, err := weights.ReadFile(model)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}|{{.Dir}}{{end}}{{end}}`, "./wasm")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%v: %w", cmd, err)
	}
	root, err := goroot()
	if err != nil {
		return err
	}
	modules := strings.Split(strings.TrimSpace(string(list)), "\n")
	slices.Sort(modules)
	modules = append([]string{"The Go runtime and standard library|" + root}, slices.Compact(modules)...)
	var b strings.Builder
	b.WriteString("resnet-web is under the MIT licence, see LICENSE.txt. resnet.wasm and worker.js contain the following.\n")
	for _, m := range modules {
		name, dir, _ := strings.Cut(m, "|")
		text, err := licence(dir)
		if err != nil && dir == root {
			text, err = licence(filepath.Dir(root)) // where Homebrew keeps it
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n\n%s\n\n%s\n", name, strings.TrimSpace(text))
	}
	const unknown = "not recorded in the file"
	fmt.Fprintf(&b, "\n\nThe model %s\n\nSource: %s\nLicence: %s\n", filepath.Base(model), cmp.Or(m.Source, unknown), cmp.Or(m.Licence, unknown))
	return os.WriteFile(to, []byte(b.String()), 0o644)
}

// licence is the text of the licence of what is in dir.
func licence(dir string) (string, error) {
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			return string(text), nil
		}
	}
	return "", fmt.Errorf("no licence file in %s", dir)
}

// list hashes the files of dir, and derives the version from them.
func (m *Manifest) list(dir string) error {
	all := sha256.New()
	paths, err := walk(dir)
	if err != nil {
		return err
	}
	for _, p := range paths {
		data, err := os.ReadFile(filepath.Join(dir, p))
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(all, "%s %x\n", p, sum)
		m.Files[p] = File{int64(len(data)), hex.EncodeToString(sum[:])}
	}
	m.Version = hex.EncodeToString(all.Sum(nil)[:6])
	delete(m.Files, serviceWorker)
	return nil
}

// add hashes a file that follows from the others, and so has no part in the version.
func (m *Manifest) add(dir, name string) error {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	m.Files[name] = File{int64(len(data)), hex.EncodeToString(sum[:])}
	return nil
}

// walk lists the files below dir with slashes, sorted; but no source maps, which are for developers alone.
func walk(dir string) ([]string, error) {
	var paths []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path.Ext(p) != ".map" {
			paths = append(paths, p)
		}
		return err
	})
	return paths, err
}

// write writes the manifest, and its hash into the service worker.
func (m *Manifest) write(dir string) error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if err := os.WriteFile(filepath.Join(dir, manifestFile), data, 0o644); err != nil {
		return err
	}
	file := filepath.Join(dir, serviceWorker)
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(script, []byte(stamp)) {
		return fmt.Errorf("%s: want %s in it, to be replaced by the hash of %s", serviceWorker, stamp, manifestFile)
	}
	script = bytes.ReplaceAll(script, []byte(stamp), fmt.Appendf(nil, "%x", sha256.Sum256(data)))
	return os.WriteFile(file, script, 0o644)
}

const manifestFile = "manifest.json"

// writeRules writes what embed.html and web/serve read.
func writeRules(dir string, rules headers.Rules) error {
	data, err := json.Marshal(rules)
	if err != nil {
		return err
	}
	if _, err := headers.ParseRules(data); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, headers.RulesFile), append(data, '\n'), 0o644)
}

// hostFiles writes the headers for hosts other than web/serve.
func hostFiles(dir string, m Manifest, rules headers.Rules) error {
	paths := []string{"/" + manifestFile, "/" + serviceWorker}
	for p := range m.Files {
		paths = append(paths, "/"+p)
	}
	slices.Sort(paths)
	var hosted, nginx strings.Builder
	if err := errors.Join(rules.Hosted(&hosted, paths), rules.Nginx(&nginx)); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "_headers"), []byte(hosted.String()), 0o644),
		os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(nginx.String()), 0o644))
}
