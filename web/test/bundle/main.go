// Command bundle writes modules of the page as one script, for browser tests of what the page loads by itself: an
// expression whose value has all that they export.
//
//	go run ./web/test/bundle OUT FILE...
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: go run ./web/test/bundle OUT FILE...")
	}
	var entry strings.Builder
	for _, file := range os.Args[2:] {
		fmt.Fprintf(&entry, "export * from %q;\n", "./"+filepath.ToSlash(file))
	}
	r := api.Build(api.BuildOptions{
		Stdin:       &api.StdinOptions{Contents: entry.String(), ResolveDir: "."},
		Bundle:      true,
		Format:      api.FormatIIFE,
		GlobalName:  "made",
		Target:      api.ES2022,
		Charset:     api.CharsetUTF8,
		TsconfigRaw: "{}", // as in the build
		LogLevel:    api.LogLevelError,
	})
	if len(r.Errors) > 0 {
		os.Exit(1)
	}
	script := fmt.Sprintf("(() => {\n%s\nreturn made;\n})()\n", r.OutputFiles[0].Contents)
	if err := os.WriteFile(os.Args[1], []byte(script), 0o644); err != nil {
		log.Fatal(err)
	}
}
