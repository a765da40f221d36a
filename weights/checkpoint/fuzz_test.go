package checkpoint

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
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

// tiny is the smallest network that the readers know, a CIFAR ResNet-8 of width 1: files of it are a few KB.
func tiny(t testing.TB) resnet.Network {
	cfg, err := resnet.Lookup("resnet8cifar")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Name, cfg.Width, cfg.Inner = "resnet8cifar-1-1", 1, 1
	return cfg.Network(2)
}

func FuzzZip(f *testing.F) {
	pickle, storages := stateDict(networkParams(tiny(f)))
	f.Add(torchZip(zip.Store, pickle, storages...))
	f.Add(torchZip(zip.Store, one(4, 0, "K\x04\x85", "K\x01\x85"), "0123456789abcdef"))
	f.Fuzz(read)
}

// FuzzPickle puts the pickle into a zip, so that its program is what changes.
func FuzzPickle(f *testing.F) {
	pickle, storages := stateDict(networkParams(tiny(f)))
	f.Add([]byte(pickle))
	f.Add([]byte(one(4, 0, "K\x04\x85", "K\x01\x85")))
	f.Add([]byte("\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b]q\x01(K\x02K\x03eu}X\x09\x00\x00\x00_metadatah\x00sb."))
	f.Add([]byte("\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94G?\xf0\x00\x00\x00\x00\x00\x00\x8c\x01b\x94\x88u."))
	for name, extra := range bystanders {
		if name == "a long text" { // which takes the fuzzer a minute to shorten
			continue
		}
		f.Add([]byte("\x80\x02}(" + text("extra") + extra + text("model") + pickle[2:len(pickle)-1] + "u."))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) { read(t, torchZip(zip.Store, string(pickle), storages...)) })
}

func FuzzLegacy(f *testing.F) {
	f.Add(legacy(stateDict(networkParams(tiny(f))))[len(legacyMagic):])
	f.Add(legacy(one(1, 0, "K\x01\x85", "K\x01\x85"), []string{"abcd"})[len(legacyMagic):])
	f.Fuzz(func(t *testing.T, data []byte) { read(t, append([]byte(legacyMagic), data...)) })
}

func FuzzSafetensors(f *testing.F) {
	f.Add(safetensors(networkParams(tiny(f))))
	one := func(int) float32 { return 1 }
	net := networkParams(tiny(f))
	beside := []param{{"mean", []int{3}, one, ""}, {"std", []int{1, 3, 1, 1}, one, ""}, {"n", []int{1}, one, ""}}
	f.Add(safetensors(append(rename(net, func(s string) string { return "module." + strings.Replace(s, "fc.", "head.1.", 1) }), beside...)))
	f.Add(safetensors(rename(net, func(s string) string {
		return strings.NewReplacer("conv1.w", "0.w", "bn1.", "1.", "layer1.", "2.", "layer2.", "3.", "layer3.", "4.", "fc.", "5.").Replace(s)
	})))
	f.Add(safetensors(append(rename(net, func(s string) string { return "model." + s }), rename(net, func(s string) string { return "ema." + s })...)))
	f.Add(safetensors([]param{{"layer1.0.conv1.weight", []int{2, 2}, func(int) float32 { return 1 }, ""}}))
	f.Fuzz(read)
}

func FuzzONNX(f *testing.F) {
	cfg := tiny(f).Config
	for _, c := range []resnet.Config{cfg, {Name: "plain", Stages: cfg.Stages, CIFAR: true, Plain: true, Width: 1, Inner: 1, Pad: cfg.Pad}} {
		var b bytes.Buffer
		if err := WriteONNX(&b, resnet.Random(c.Network(2), 1), 32); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(read)
}

// TestSeeds makes sure that the seeds are networks, so that fuzzing starts behind the first check.
func TestSeeds(t *testing.T) {
	list := networkParams(tiny(t))
	pickle, storages := stateDict(list)
	for name, data := range map[string][]byte{"zip": torchZip(zip.Store, pickle, storages...), "legacy": legacy(pickle, storages), "safetensors": safetensors(list)} {
		if f, err := open(data); err != nil || f.Name != "resnet8cifar-1-1" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
