package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// index is a model.safetensors.index.json or pytorch_model.bin.index.json: the file of each tensor.
type index struct {
	WeightMap map[string]string `json:"weight_map"`
}

// maxIndex is more bytes than the index of any ResNet has.
const maxIndex = 32 << 20

// readIndex reads f, of size bytes, as an index; nil where it is something else.
func readIndex(f io.ReaderAt, size int64) *index {
	head := make([]byte, min(size, 64))
	_, err := f.ReadAt(head, 0)
	if err != nil || size > maxIndex || !strings.HasPrefix(strings.TrimSpace(string(head)), "{") {
		return nil
	}
	var x index
	if err := json.NewDecoder(io.NewSectionReader(f, 0, size)).Decode(&x); err != nil || len(x.WeightMap) == 0 {
		return nil
	}
	return &x
}

// files are the names of the shards, in order.
func (x *index) files() []string {
	return slices.Compact(slices.Sorted(maps.Values(x.WeightMap)))
}

// open reads the shards, which lie in dir beside the index, as one checkpoint.
func (x *index) open(dir string) (_ *Checkpoint, err error) {
	c := &Checkpoint{}
	var open []*os.File
	c.close = func() error {
		var errs []error
		for _, f := range open {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	found := map[string]bool{}
	names := x.files()
	if len(names) > 256 {
		return nil, bad("the index names %d files, want at most 256", len(names))
	}
	for i, name := range names {
		if filepath.Base(name) != name || !filepath.IsLocal(name) {
			return nil, bad("the index names %q, want a file in its own folder", name)
		}
		f, err := os.Open(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, bad("%s: this file, one of %d that the index names, is not beside it; download it into the same "+
				"folder", name, len(names))
		} else if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		open = append(open, f)
		info, err := f.Stat()
		if err != nil {
			return nil, fmt.Errorf("checkpoint: %w", err)
		}
		if !info.Mode().IsRegular() {
			return nil, bad("%s: want a file", name)
		}
		part, err := Read(f, info.Size())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if part.wiring != nil {
			return nil, bad("%s: want .safetensors or .pth, this is ONNX", name)
		}
		c.Format, c.files = part.Format, append(c.files, f)
		for _, t := range part.tensors {
			if x.WeightMap[t.name] == name {
				t.file, t.home = i, 1
				c.tensors = append(c.tensors, t)
				found[t.name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.WeightMap)) {
		if !found[name] {
			return nil, bad("%s: want it in %s, as the index says, file has none; download all files again",
				name, x.WeightMap[name])
		}
	}
	return c, nil
}

// shard matches the name of one file of several.
var shard = regexp.MustCompile(`-\d{5}-of-\d{5}\.`)

// Files are the files that Open reads for path: path itself, and those beside it that hold its tensors, which are the
// shards of an index or the data of an ONNX graph. What cannot be opened as a checkpoint has path alone.
func Files(path string) ([]string, error) {
	list := []string{path}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if x := readIndex(f, info.Size()); x != nil {
		for _, name := range x.files() {
			list = append(list, filepath.Join(filepath.Dir(path), filepath.Base(name)))
		}
	} else if c, err := Open(path); err == nil {
		defer c.Close()
		for _, p := range c.parts {
			list = append(list, filepath.Join(filepath.Dir(path), filepath.FromSlash(p.name)))
		}
	}
	return list, nil
}
