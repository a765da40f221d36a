package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"resnet-web/web/headers"
)

// offlineFile is the page in one file, to be kept and opened from disk.
const offlineFile = "offline.html"

// pieceBytes is how much of a compressed file one data block holds. WebKit copies what a block already has with each chunk
// that it appends: one block of 11 MB took it 70 s, blocks of this size take 1.5 s. Chromium and Firefox do not mind.
const pieceBytes = 96 << 10

var (
	stylesheet = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)
	icon       = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	otherLink  = regexp.MustCompile(`<link rel="(apple-touch-icon|manifest|modulepreload)"[^>]*>\n`)
	bootScript = regexp.MustCompile(`<script src="[^"]+"></script>\n`)
	late       = regexp.MustCompile(`(?s)  <p class="nojs late".*?</p>\n`) // leads to offlineFile
	module     = regexp.MustCompile(`<script type="module" src="([^"]+)"></script>`)
	metaPolicy = regexp.MustCompile(`(<meta http-equiv="Content-Security-Policy" content=")[^"]*"`)
	notice     = regexp.MustCompile(`<a href="([A-Z]+\.txt)"`)
	reference  = regexp.MustCompile(`(?:href|src)="([^"#]*)"`)
)

// offline makes offlineFile from the files that are already in dir and the script of [bundler.offlineScript]: the page with
// all that it loads inside, under a policy that lets it load nothing else. On file:// scripts, workers and fetches by
// address all fail; inline scripts, workers from blobs and WebAssembly from bytes do not.
func offline(dir string, m Manifest, script string) error {
	var failed error
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && failed == nil {
			failed = err
		}
		return string(data)
	}
	data := func(name string) string {
		return "data:" + headers.Type(name) + ";base64," + base64.StdEncoding.EncodeToString([]byte(read(name)))
	}

	inlined := map[string]string{manifestFile: "data:application/json," + url.PathEscape(fmt.Sprintf(`{"version":%q}`, m.Version))}
	for name := range m.Files {
		if path.Dir(name) == "samples" {
			inlined[name] = data(name)
		}
	}
	addresses, err := json.Marshal(inlined)
	if err != nil {
		return err
	}

	page := read("index.html")
	page = otherLink.ReplaceAllString(page, "")
	page = bootScript.ReplaceAllString(page, "") // what it would fetch is in the page
	page = late.ReplaceAllString(page, "")
	page = travels.ReplaceAllString(page, `data-bytes="0"`)
	page = icon.ReplaceAllStringFunc(page, func(s string) string {
		return `<link rel="icon" href="` + data(icon.FindStringSubmatch(s)[1]) + `"`
	})
	var styles []string
	page = stylesheet.ReplaceAllStringFunc(page, func(s string) string {
		text := read(stylesheet.FindStringSubmatch(s)[1]) + ".notice { display: none; white-space: pre-wrap; }\n.notice:target { display: block; }\n"
		styles = append(styles, text)
		return "<style>" + text + "</style>"
	})
	scripts := len(module.FindAllString(page, -1))
	page = module.ReplaceAllString(page, "") // to the end, after the data
	if len(styles) != 1 || scripts != 1 {
		return fmt.Errorf("index.html: want one stylesheet and one module script for %s, found %d and %d", offlineFile, len(styles), scripts)
	}
	policy := "default-src 'none'; script-src " + hash(script) + " 'wasm-unsafe-eval'; worker-src blob:; connect-src data:; " +
		"img-src blob: data:; media-src blob:; style-src " + hash(styles[0]) + "; base-uri 'none'; form-action 'none'"
	page = metaPolicy.ReplaceAllString(page, "${1}"+strings.ReplaceAll(policy, "$", "$$")+`"`)

	var end strings.Builder
	page = notice.ReplaceAllStringFunc(page, func(s string) string {
		name := notice.FindStringSubmatch(s)[1]
		fmt.Fprintf(&end, "<pre class=\"notice\" id=%q>%s</pre>\n", name, html.EscapeString(read(name)))
		return `<a href="#` + name + `"`
	})
	block := func(id, kind, text string) {
		fmt.Fprintf(&end, "<script type=%q id=%q>%s</script>\n", kind, id, text)
		if strings.Contains(text, "</script") || strings.Contains(text, "<!--") {
			failed = fmt.Errorf("%s: the block %s would end early", offlineFile, id)
		}
	}
	pack := func(class, name string) {
		for piece := range slices.Chunk(gzipped([]byte(read(name))), pieceBytes) {
			fmt.Fprintf(&end, "<script type=\"application/gzip\" class=%q>%s</script>\n", class, base64.StdEncoding.EncodeToString(piece))
		}
	}
	block("inlined", "application/json", string(addresses))
	block("worker", "text/plain", read("worker.js"))
	pack("wasm", "resnet.wasm")
	pack("model", m.Model)
	fmt.Fprintf(&end, "<script type=\"module\">%s</script>\n", script)
	if strings.Contains(script, "</script") || strings.Contains(script, "<!--") {
		return fmt.Errorf("%s: a script would end early", offlineFile)
	}
	if failed != nil {
		return failed
	}
	head, tail, ok := strings.Cut(page, "</body>")
	if !ok {
		return fmt.Errorf("index.html: want </body> in it, for %s", offlineFile)
	}
	for _, r := range reference.FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(r[1], "data:") {
			return fmt.Errorf("%s: %s would have to be loaded; inline it", offlineFile, r[0])
		}
	}
	return os.WriteFile(filepath.Join(dir, offlineFile), []byte(head+end.String()+"</body>"+tail), 0o644)
}

// hash is a source expression of a Content-Security-Policy that allows one inline script or style.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
