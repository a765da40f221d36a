package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/andybalholm/brotli"
)

// size is what one file weighs; compressed sizes are the plain one where compression is not worth it.
type size struct{ raw, gzip, brotli int64 }

// packed are the kinds of file that compress well. Models are weights: a few per cent, not worth the time.
var packed = []string{".html", ".css", ".js", ".ts", ".svg", ".webmanifest", ".json", ".txt", ".wasm"}

// compress writes .gz and .br beside the files of dir. Brotli at its best takes seconds per megabyte, so what the
// previous build in old holds for the same content is taken over.
func compress(dir, old string, m Manifest) (map[string]size, error) {
	var before Manifest
	if data, err := os.ReadFile(filepath.Join(old, manifestFile)); err == nil {
		_ = json.Unmarshal(data, &before) // a broken old manifest only means compressing again
	}
	sizes := map[string]size{}
	for _, name := range append(slices.Sorted(maps.Keys(m.Files)), manifestFile, serviceWorker) {
		file := filepath.Join(dir, name)
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s := size{int64(len(data)), int64(len(data)), int64(len(data))}
		if slices.Contains(packed, path.Ext(name)) {
			level := brotli.BestCompression
			if name == offlineFile { // in base64, of what is compressed already: the best level gains 1 % and takes half a minute
				level = brotli.DefaultCompression
			}
			same := before.Files[name].SHA256 != "" && before.Files[name] == m.Files[name]
			for _, variant := range []struct {
				ext  string
				pack func([]byte) []byte
				size *int64
			}{{".gz", gzipped, &s.gzip}, {".br", brotlied(level), &s.brotli}} {
				var small []byte
				if same {
					small, _ = os.ReadFile(filepath.Join(old, name) + variant.ext)
				}
				if len(small) == 0 {
					small = variant.pack(data)
				}
				if len(small) >= len(data) {
					continue
				}
				*variant.size = int64(len(small))
				if err := os.WriteFile(file+variant.ext, small, 0o644); err != nil {
					return nil, err
				}
			}
		}
		sizes[name] = s
	}
	return sizes, nil
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // only an unknown level is an error
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func brotlied(level int) func([]byte) []byte {
	return func(data []byte) []byte {
		var b bytes.Buffer
		w := brotli.NewWriterLevel(&b, level)
		w.Write(data)
		w.Close()
		return b.Bytes()
	}
}

// report prints what a visitor downloads, and fails where a budget is passed. later names the scripts that are loaded when
// they are asked for.
func report(out io.Writer, m Manifest, sizes map[string]size, later []string) error {
	var runtime, rest, samples size
	heavy := "" // a script that is over laterBudget
	add := func(to *size, s size) {
		to.raw += s.raw
		to.gzip += s.gzip
		to.brotli += s.brotli
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, s size, note string) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t  %s\n", name, kB(s.raw), kB(s.gzip), kB(s.brotli), note)
	}
	fmt.Fprint(w, "kB\traw\tgzip\tbrotli\t\n")
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		switch s := sizes[name]; {
		case name == m.Model || name == offlineFile:
		case slices.Contains(later, name):
			row(name, s, "when it is asked for")
			if s.gzip > laterBudget {
				heavy = name
			}
		case path.Ext(name) == ".js" || path.Ext(name) == ".wasm":
			note := ""
			if name == embedScript {
				note = fmt.Sprintf("budget: gzip %s", kB(embedBudget))
			}
			row(name, s, note)
			add(&runtime, s)
		case path.Dir(name) == "samples":
			add(&samples, s)
		default:
			add(&rest, s)
		}
	}
	row("runtime: js and wasm at the start", runtime, fmt.Sprintf("budget: gzip %s", kB(runtimeBudget)))
	row("page: html, css, icons, notices", rest, "")
	row("sample pictures", samples, "")
	row(m.Model, sizes[m.Model], "model")
	if s, ok := sizes[offlineFile]; ok {
		row(offlineFile, s, "everything in one file")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if runtime.gzip > runtimeBudget {
		return fmt.Errorf("the runtime is %s kB gzipped, over its budget of %s kB by %s kB", kB(runtime.gzip), kB(runtimeBudget), kB(runtime.gzip-runtimeBudget))
	}
	if heavy != "" {
		return fmt.Errorf("%s is %s kB gzipped, over the budget of %s kB for a script that is loaded later", heavy, kB(sizes[heavy].gzip), kB(laterBudget))
	}
	if s := sizes[embedScript]; s.gzip > embedBudget {
		return fmt.Errorf("%s is %s kB gzipped, over its budget of %s kB", embedScript, kB(s.gzip), kB(embedBudget))
	}
	return nil
}

func kB(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1000) }
