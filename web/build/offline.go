package main

import (
	"crypto/sha256"
	_ "embed"
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

//go:embed offline.js
var offlineModule string

var (
	stylesheet = regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`)
	icon       = regexp.MustCompile(`<link rel="icon" href="([^"]+)"`)
	otherLink  = regexp.MustCompile(`<link rel="(apple-touch-icon|manifest|modulepreload)"[^>]*>\n`)
	module     = regexp.MustCompile(`<script type="module" src="([^"]+)"></script>`)
	metaPolicy = regexp.MustCompile(`(<meta http-equiv="Content-Security-Policy" content=")[^"]*"`)
	notice     = regexp.MustCompile(`<a href="([A-Z]+\.txt)"`)
	reference  = regexp.MustCompile(`(?:href|src)="([^"#]*)"`)
)

// offline makes offlineFile from the files that are already in dir: the page with all that it loads inside, under a policy
// that lets it load nothing else. On file:// scripts, workers and fetches by address all fail; inline scripts, workers from
// blobs and WebAssembly from bytes do not.
func offline(dir string, m Manifest) error {
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
	page = icon.ReplaceAllStringFunc(page, func(s string) string {
		return `<link rel="icon" href="` + data(icon.FindStringSubmatch(s)[1]) + `"`
	})
	var styles []string
	page = stylesheet.ReplaceAllStringFunc(page, func(s string) string {
		text := read(stylesheet.FindStringSubmatch(s)[1]) + ".notice { display: none; white-space: pre-wrap; }\n.notice:target { display: block; }\n"
		styles = append(styles, text)
		return "<style>" + text + "</style>"
	})
	var scripts []string
	page = module.ReplaceAllStringFunc(page, func(s string) string {
		text, err := bundle(module.FindStringSubmatch(s)[1], read)
		if err != nil && failed == nil {
			failed = err
		}
		scripts = append(scripts, text)
		return "" // to the end, after the data
	})
	if len(styles) != 1 || len(scripts) != 1 {
		return fmt.Errorf("index.html: want one stylesheet and one module script for %s, found %d and %d", offlineFile, len(styles), len(scripts))
	}
	policy := "default-src 'none'; script-src " + hash(scripts[0]) + " 'wasm-unsafe-eval'; worker-src blob:; connect-src data:; " +
		"img-src blob: data:; style-src " + hash(styles[0]) + "; base-uri 'none'; form-action 'none'"
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
	block("worker", "text/plain", read("worker.js")+read("wasm_exec.js"))
	pack("wasm", "resnet.wasm")
	pack("model", m.Model)
	fmt.Fprintf(&end, "<script type=\"module\">%s</script>\n", scripts[0])
	if strings.Contains(scripts[0], "</script") || strings.Contains(scripts[0], "<!--") {
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

var (
	imports  = regexp.MustCompile(`(?m)^import \{ ([^}]+) \} from '\./([a-z-]+\.js)';$`)
	exports  = regexp.MustCompile(`(?m)^export ((?:async )?(?:function|class|const) (\w+))`)
	leftover = regexp.MustCompile(`(?m)^\s*(?:import|export)\b.*`)
	renamed  = regexp.MustCompile(`(\w+) as (\w+)`)
)

// bundle makes one script of an ES module and those it imports: each becomes a function that returns its exports. It knows
// the forms of import and export that web/ uses, and refuses others. offline.js stands in for resnet.js.
func bundle(entry string, read func(name string) string) (string, error) {
	var b strings.Builder
	b.WriteString("const modules = {};\n")
	done := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true
		text := offlineModule
		if name != "offline.js" {
			text = read(name)
		}
		var failed error
		text = imports.ReplaceAllStringFunc(text, func(s string) string {
			parts := imports.FindStringSubmatch(s)
			from := parts[2]
			if from == "resnet.js" && name != "offline.js" {
				from = "offline.js"
			}
			if err := add(from); err != nil {
				failed = err
			}
			return fmt.Sprintf("const { %s } = modules[%q];", renamed.ReplaceAllString(parts[1], "$1: $2"), from)
		})
		if failed != nil {
			return failed
		}
		var names []string
		text = exports.ReplaceAllStringFunc(text, func(s string) string {
			parts := exports.FindStringSubmatch(s)
			names = append(names, parts[2])
			return parts[1]
		})
		if line := leftover.FindString(text); line != "" {
			return fmt.Errorf("%s: want imports like \"import { a, b as c } from './x.js';\" and exports of declarations, got %q", name, strings.TrimSpace(line))
		}
		fmt.Fprintf(&b, "modules[%q] = (() => {\n%sreturn { %s };\n})();\n", name, text, strings.Join(names, ", "))
		return nil
	}
	err := add(entry)
	return b.String(), err
}
