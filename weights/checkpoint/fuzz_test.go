package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"resnet-web/resnet"
)

// read opens data and builds the network: whatever data is, it ends with a network or with ErrFormat, in memory that the
// length of data bounds.
func read(t *testing.T, data []byte) {
	if len(data) > 1<<18 {
		t.Skip("longer than the seeds")
	}
	used := allocated(func() {
		c, err := Read(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			_, err = c.Float("")
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%v is not ErrFormat", err)
		}
	})
	if used > bound(len(data)) {
		t.Errorf("%d bytes allocated for %d", used, len(data))
	}
}

// seeds adds the fixtures of a format.
func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no %s: %v", pattern, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzZip(f *testing.F) {
	seeds(f, "cifar.pth")
	f.Add(torchZip(zip.Store, one(4, 0, "K\x04\x85", "K\x01\x85"), map[string]string{"0": "0123456789abcdef"}))
	f.Fuzz(read)
}

// FuzzPickle puts the pickle into a zip, so that its program is what changes.
func FuzzPickle(f *testing.F) {
	f.Add([]byte(one(4, 0, "K\x04\x85", "K\x01\x85")))
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b]q\x01(K\x02K\x03eu}X\x09\x00\x00\x00_metadatah\x00sb."))
	f.Add([]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94G?\xf0\x00\x00\x00\x00\x00\x00\x8c\x01b\x94\x88u."))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		read(t, torchZip(zip.Store, string(pickle), map[string]string{"0": "0123456789abcdef"}))
	})
}

func FuzzLegacy(f *testing.F) {
	seeds(f, "basic-legacy.pth")
	f.Add([]byte(legacyMagic + "\x80\x02M\xe9\x03.\x80\x02}." + one(1, 0, "K\x01\x85", "K\x01\x85") + "\x80\x02]X\x01\x00\x00\x000a.\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x3f"))
	f.Fuzz(func(t *testing.T, data []byte) {
		read(t, append([]byte(legacyMagic), bytes.TrimPrefix(data, []byte(legacyMagic))...))
	})
}

func FuzzSafetensors(f *testing.F) {
	seeds(f, "basic-hf.safetensors")
	f.Add(safetensors([]param{{"layer1.0.conv1.weight", []int{2, 2}, func(int) float32 { return 1 }}}))
	f.Fuzz(read)
}

func FuzzONNX(f *testing.F) {
	seeds(f, "cifar-*.onnx")
	cfg, err := resnet.Lookup("resnet8cifarx0.5")
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteONNX(&b, resnet.Random(cfg.Network(2), 1), 32); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(read)
}
