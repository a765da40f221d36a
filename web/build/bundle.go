package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// script is one file of dist/ that esbuild makes from a source file of web/ and everything that this imports.
type script struct{ name, source string }

var (
	// Classic scripts run in workers of any browser, and offlineFile starts them from a blob.
	classic = []script{
		{"worker.js", "worker/main.ts"},
		{"kernel.js", "worker/kernel.ts"},
		{"boot.js", "page/boot.ts"},
		{"sw.js", "sw/sw.ts"},
	}
	// Modules that other sites and packages load by themselves import nothing.
	modules = []script{
		{"resnet.js", "api/resnet.ts"},
		{embedScript, "embed/embed.ts"},
	}
	// The scripts of our own pages share chunks with each other, and load views when they are opened. They import resnet.js.
	pages = []script{
		{"page.js", "page/page.ts"},
		{"frame.js", "embed/frame.ts"},
	}
	styles = []script{
		{"page.css", "page/styles/page.css"},
		{"embed.css", "embed/embed.css"},
	}
)

const (
	apiSource     = "api/resnet.ts"
	offlineSource = "page/offline.ts" // stands in for apiSource in offlineFile
)

// bundler compiles the TypeScript and CSS of the folder web.
type bundler struct {
	web      string
	dev      bool   // readable output with source maps
	protocol string // see protocolOf
	download int64  // bytes of a first visit
	model    string // what page/boot.ts takes the manifest to say of the model, in JSON; may be empty
}

// protocolOf derives what page, worker and Go program compare before they speak from the types of their messages.
func protocolOf(web string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"api/protocol.ts", "types/resnet.d.ts"} {
		data, err := os.ReadFile(filepath.Join(web, name))
		if err != nil {
			return "", err
		}
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:4]), nil
}

// atStart are the sources that the page loads by itself, one by one, before it can classify a picture: the view Look and
// the texts of one language.
var atStart = []string{"page/views/look.ts", "page/views/look.en.ts", "page/strings/en.ts", "lib/strings/en.ts"}

// bundle writes all scripts and styles into dir. It returns the names of the scripts that the pages load later, when a
// visitor asks for what they do.
func (b bundler) bundle(dir string) (later []string, err error) {
	plain := b.options()
	iife := b.options()
	iife.Format = api.FormatIIFE
	for _, s := range slices.Concat(classic, modules, styles) {
		o := plain
		if slices.Contains(classic, s) {
			o = iife
		}
		if s.name == "worker.js" {
			root, err := goroot()
			if err != nil {
				return nil, err
			}
			o.Inject = []string{filepath.Join(root, "lib", "wasm", "wasm_exec.js")} // Go's own glue, before all else
		}
		if _, err := b.run(o, dir, s); err != nil {
			return nil, err
		}
	}
	o := b.options()
	o.Splitting = true
	o.ChunkNames = "chunk-[hash]" // beside resnet.js, which they import
	o.Plugins = []api.Plugin{b.replace(apiSource, func(string) api.OnResolveResult {
		return api.OnResolveResult{Path: "./resnet.js", External: true}
	})}
	made, err := b.run(o, dir, pages...)
	if err != nil {
		return nil, err
	}
	var meta metafile
	if err := json.Unmarshal([]byte(made.Metafile), &meta); err != nil {
		return nil, err
	}
	return meta.later(), b.copyPages(dir, meta)
}

// metafile is what esbuild tells of the files that it has made.
type metafile struct {
	Outputs map[string]struct {
		EntryPoint string
		Imports    []struct{ Path, Kind string }
	}
}

// follow adds to seen what an output imports at once, and what that imports.
func (m metafile) follow(path string, seen []string) []string {
	for _, i := range m.Outputs[path].Imports {
		if i.Kind == "import-statement" && !slices.Contains(seen, i.Path) {
			seen = m.follow(i.Path, append(seen, i.Path))
		}
	}
	return seen
}

// later lists the scripts that neither the pages nor what is atStart import at once.
func (m metafile) later() []string {
	var first, later []string
	for path, o := range m.Outputs {
		entry := slices.ContainsFunc(pages, func(s script) bool { return s.source == o.EntryPoint })
		if entry || slices.Contains(atStart, o.EntryPoint) {
			first = m.follow(path, append(first, path))
		}
	}
	for path := range m.Outputs {
		if filepath.Ext(path) == ".js" && !slices.Contains(first, path) {
			later = append(later, filepath.Base(path))
		}
	}
	return later
}

// offlineScript is the script of index.html in one piece, with offlineSource in the place of apiSource.
func (b bundler) offlineScript() (string, error) {
	b.dev = false
	o := b.options()
	o.Write = false
	stand := b.path(offlineSource)
	o.Plugins = []api.Plugin{b.replace(apiSource, func(importer string) api.OnResolveResult {
		if importer == stand {
			return api.OnResolveResult{}
		}
		return api.OnResolveResult{Path: stand}
	})}
	r, err := b.run(o, "", pages[0])
	if err != nil {
		return "", err
	}
	if len(r.OutputFiles) != 1 {
		return "", fmt.Errorf("%s: want its script in one piece, got %d", offlineFile, len(r.OutputFiles))
	}
	return string(r.OutputFiles[0].Contents), nil
}

func (b bundler) options() api.BuildOptions {
	o := api.BuildOptions{
		Bundle:            true,
		Write:             true,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		Charset:           api.CharsetUTF8,
		LegalComments:     api.LegalCommentsNone, // NOTICES.txt has them
		MinifyWhitespace:  !b.dev,
		MinifyIdentifiers: !b.dev,
		MinifySyntax:      !b.dev,
		TsconfigRaw:       "{}", // tsc checks types, and its settings shall not change what is shipped
		Metafile:          true,
		LogLevel:          api.LogLevelSilent,
	}
	o.Define = map[string]string{
		"PROTOCOL": strconv.Quote(b.protocol), "DOWNLOAD": fmt.Sprint((b.download + 500_000) / 1_000_000), "MODEL": cmp.Or(b.model, "undefined"),
	}
	if b.dev {
		o.Sourcemap = api.SourceMapLinked
	}
	return o
}

func (b bundler) path(source string) string {
	file, err := filepath.Abs(filepath.Join(b.web, source))
	if err != nil {
		panic(err) // without a working directory nothing else works
	}
	return file
}

// run has esbuild make scripts in dir.
func (b bundler) run(o api.BuildOptions, dir string, scripts ...script) (api.BuildResult, error) {
	o.AbsWorkingDir = b.path(".")
	o.Outdir = b.path(".")
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return api.BuildResult{}, err
		}
		o.Outdir = abs
	}
	for _, s := range scripts {
		o.EntryPointsAdvanced = append(o.EntryPointsAdvanced, api.EntryPoint{
			InputPath:  b.path(s.source),
			OutputPath: strings.TrimSuffix(s.name, filepath.Ext(s.name)),
		})
	}
	r := api.Build(o)
	messages := append(r.Errors, r.Warnings...)
	if len(messages) > 0 {
		return r, errors.New(strings.Join(api.FormatMessages(messages, api.FormatMessagesOptions{}), "\n"))
	}
	return r, nil
}

// replace has imports of a source file lead elsewhere; an empty result leaves one as it is.
func (b bundler) replace(source string, to func(importer string) api.OnResolveResult) api.Plugin {
	return api.Plugin{Name: "replace", Setup: func(build api.PluginBuild) {
		filter := `/` + strings.ReplaceAll(filepath.Base(source), ".", `\.`) + `$`
		build.OnResolve(api.OnResolveOptions{Filter: filter}, func(a api.OnResolveArgs) (api.OnResolveResult, error) {
			if filepath.Join(a.ResolveDir, filepath.FromSlash(a.Path)) != b.path(source) {
				return api.OnResolveResult{}, nil
			}
			return to(a.Importer), nil
		})
	}}
}

// copyPages writes the HTML pages into dir. Each preloads what its script imports, so that the browser asks for all of it
// at once and not for one file after the other.
func (b bundler) copyPages(dir string, meta metafile) error {
	imports := map[string][]string{} // by source
	for path, o := range meta.Outputs {
		if o.EntryPoint != "" {
			for _, i := range meta.follow(path, nil) {
				imports[o.EntryPoint] = append(imports[o.EntryPoint], filepath.Base(i))
			}
		}
	}
	for name, source := range map[string]string{"index.html": "page/index.html", "embed.html": "embed/embed.html"} {
		data, err := os.ReadFile(filepath.Join(b.web, source))
		if err != nil {
			return err
		}
		page := string(data)
		for _, s := range pages {
			tag := fmt.Sprintf("<script type=\"module\" src=%q></script>\n", s.name)
			var links strings.Builder
			for _, i := range slices.Sorted(slices.Values(imports[s.source])) {
				fmt.Fprintf(&links, "<link rel=\"modulepreload\" href=%q>\n", i)
			}
			page = strings.Replace(page, tag, links.String()+tag, 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(page), 0o644); err != nil {
			return err
		}
	}
	return nil
}
