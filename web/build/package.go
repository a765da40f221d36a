package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"resnet-web/web/headers"
)

// packageVersion is that of the npm package, by semantic versioning of the interface in web/types/resnet.d.ts.
const packageVersion = "0.1.0"

// entryFile is what an importer of the npm package gets.
const entryFile = "npm.js"

// npmPackage makes dir publishable: package.json, and an entry that names the model by a URL which bundlers follow (through
// the manifest they could not find it).
func npmPackage(dir, model string) error {
	entry := fmt.Sprintf(`// The entry of the npm package: resnet.js, with the model where bundlers find it.
import { createClassifier as create } from './resnet.js';

export * from './resnet.js';

export function createClassifier(options = {}) {
  return create({ ...options, model: options?.model ?? new URL('./%s', import.meta.url).href });
}
`, model)
	type target struct {
		Types   string `json:"types"`
		Default string `json:"default"`
	}
	data, err := json.MarshalIndent(struct {
		Name        string         `json:"name"`
		Version     string         `json:"version"`
		Description string         `json:"description"`
		License     string         `json:"license"`
		Type        string         `json:"type"`
		Exports     map[string]any `json:"exports"`
		Types       string         `json:"types"`
		Files       []string       `json:"files"`
		SideEffects []string       `json:"sideEffects"`
	}{
		"resnet-web", packageVersion, "A ResNet image classifier for the browser: private, exact and fast", "MIT", "module",
		map[string]any{
			".":               target{"./resnet.d.ts", "./" + entryFile},
			"./resnet.js":     target{"./resnet.d.ts", "./resnet.js"},
			"./embed.js":      target{"./embed.d.ts", "./embed.js"},
			"./model.msgpack": "./" + model,
			"./package.json":  "./package.json",
		},
		"./resnet.d.ts",
		[]string{
			entryFile, "resnet.js", "resnet.d.ts", "worker.js", "kernel.js", "resnet.wasm", manifestFile, model,
			embedScript, "embed.d.ts", "embed.html", "frame.js", "chunk-*.js", "page.css", "embed.css", headers.RulesFile,
			"LICENSE.txt", "NOTICES.txt",
		},
		[]string{"./" + embedScript}, // it defines the element
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, entryFile), []byte(entry), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "package.json"), append(data, '\n'), 0o644)
}
