package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// zipOf is a zip with entries of these names.
func zipOf(names ...string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name) // compressed
		if err != nil {
			panic(err)
		}
		w.Write([]byte("text text text text"))
	}
	z.Close()
	return b.String()
}

// TestForeign names files of other kinds and says what to do.
func TestForeign(t *testing.T) {
	nul := strings.Repeat("\x00", 300)
	for _, test := range []struct{ name, data, kind, do string }{
		{"Git LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 46830571\n", "Git LFS pointer", "git lfs pull"},
		{"Keras", "\x89HDF\r\n\x1a\n" + nul, "HDF5", "tf2onnx"},
		{"Keras 3", zipOf("metadata.json", "config.json", "model.weights.h5"), "Keras", "tf2onnx"},
		{"TensorFlow Lite", "\x1c\x00\x00\x00TFL3" + nul, "TensorFlow Lite", "tf2onnx --tflite"},
		{"gzip", "\x1f\x8b\x08\x00" + nul, "gzip", "unpack it"},
		{"bzip2", "BZh91AY&SY" + nul, "bzip2", "unpack it"},
		{"xz", "\xfd7zXZ\x00" + nul, "xz", "unpack it"},
		{"tar", "weights.pth" + nul[:246] + "ustar\x0000" + nul, "a tar", "unpack it"},
		{"torch 0.1", "sys_info" + nul[:249] + "ustar\x0000" + nul, "before version 0.2", "torch.load"},
		{"MXNet", "\x12\x01\x00\x00\x00\x00\x00\x00" + nul, "MXNet", "ONNX"},
		{"Lua Torch", "\x04\x00\x00\x00\x01\x00\x00\x00\x03\x00\x00\x00V 1\x0d\x00\x00\x00nn.Sequential", "Lua Torch", "state_dict"},
		{"Paddle", "\x80\x04\x95\xd4\x09\x00\x00\x00\x00\x00\x00}\x8c\x1aStructuredToParameterName@@", "PaddlePaddle", "state_dict"},
		{"detectron2", "\x80\x03}(X\x05\x00\x00\x00modelX\x0a\x00\x00\x00__author__X\x07\x00\x00\x00numpy.", "detectron2", "state_dict"},
		{"NumPy pickled", "\x80\x03}X\x01\x00\x00\x00wcnumpy.core.multiarray\n_reconstruct\n", "NumPy arrays", "torch.save"},
		{"protocol 4", "\x80\x04\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + nul, "pickle_protocol", "torch.save"},
		{"another pickle", "\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.", "not one of torch.save", "state_dict"},
		{"Flax", "\x82\xa6params\x81\xa6resnet\x81\xa8embedder\x80" + nul, "Flax", "from_flax"},
		{"a model file", "\x86\xa5magic\xaaresnet-web\x00", "model file", "-model"},
		{"an answer of Hugging Face", "Entry not found", "text: Entry not found", "check the address"},
		{"an answer of Google Drive", `{"error": {"code": 403, "message": "quota"}}`, `"message": "quota"`, "check the address"},
		{"an answer of S3", `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "AccessDenied", "check the address"},
		{"a page", "\n<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page", "login"},
		{"config.json", "{\n  \"architectures\": [\"ResNetForImageClassification\"]}", "JSON", "weights"},
		{"TorchScript", zipOf("net/data.pkl", "net/constants.pkl", "net/code/__torch__/net.py"), "TorchScript", "torch.jit.load"},
		{"torch.export", zipOf("m/archive_format", "m/models/model.json"), ".pt2", "torch.export.load"},
		{"npz", zipOf("w.npy"), "npz", "torch.save"},
		{"a zip around it", zipOf("resnet18.pth"), "with a checkpoint in it", "unpack it"},
		{"NumPy", "\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", "NumPy array", "state_dict"},
		{"a picture", "\xff\xd8\xff\xe0\x00\x10JFIF" + nul, "a picture", "before the pictures"},
		{"Caffe", "\x0a\x09ResNet-50\xa2\x06\x00\x00" + nul, "Caffe", "ONNX"},
		{"nothing came", nul, "300 zeros", "download it again"},
		{"seven bytes", "\x00\x01\x02\x03\x04\x05\x06", "7 bytes", "download it again"},
	} {
		_, err := open([]byte(test.data))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.kind) || !strings.Contains(err.Error(), test.do) {
			t.Errorf("%s: got %v, want ErrFormat with %q and %q", test.name, err, test.kind, test.do)
		}
	}
}

// TestShards reads a network from several files by their index.
func TestShards(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	list := rename(contents(t, "testdata/basic.pth"), huggingFace)
	write := func(dir, name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	write2 := func(dir, second string, change func(map[string]string)) string {
		files := map[string]string{}
		for i, p := range list {
			files[p.name] = first
			if i >= len(list)/2 {
				files[p.name] = second
			}
		}
		change(files)
		text, err := json.MarshalIndent(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": files}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		return write(dir, "model.safetensors.index.json", text)
	}
	dir := t.TempDir()
	none := func(map[string]string) {}
	x := write2(dir, second, none)
	if _, err := Open(x); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), "beside it") {
		t.Errorf("without shards: %v", err)
	}
	half := write(dir, first, safetensors(list[:len(list)/2]))
	write(dir, second, safetensors(list[len(list)/2:]))
	if err := different(load(t, x, ""), want, 0); err != nil {
		t.Error(err)
	}
	if files, err := Files(x); err != nil || len(files) != 3 || filepath.Base(files[2]) != second {
		t.Errorf("files %q, %v", files, err)
	}
	c, err := Open(half)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Float(""); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), ".index.json") {
		t.Errorf("one shard: %v", err)
	}

	// A pickle's shards.
	var types []int
	for _, p := range list[len(list)/2:] {
		types = append(types, len(kinds[p.dtype].put(nil, 0)))
	}
	pickle, storages := stateDict(list[len(list)/2:])
	write(dir, "pytorch_model-00002-of-00002.bin", legacy(pickle, storages, types...))
	if err := different(load(t, write2(dir, "pytorch_model-00002-of-00002.bin", none), ""), want, 0); err != nil {
		t.Error(err)
	}

	for _, other := range []string{"../" + second, "/" + second, "sub/" + second, ".."} {
		if _, err := Open(write2(dir, other, none)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "its own folder") {
			t.Errorf("%s: %v", other, err)
		}
	}
	lost := write2(dir, second, func(m map[string]string) { m["more"] = first })
	if _, err := Open(lost); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "more: want it in "+first) {
		t.Errorf("a tensor that is not there: %v", err)
	}
}
