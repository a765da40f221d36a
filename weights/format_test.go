package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// small is the smallest network of the table, narrowed so that its file has a few thousand bytes.
func small() *resnet.Model {
	c, err := resnet.Lookup("resnet8cifar")
	if err != nil {
		panic(err)
	}
	c.Width, c.Inner, c.Dashed = 3, 3, resnet.PadSplit
	m := &resnet.Model{
		Config: c,
		Classes: []resnet.Class{
			{ID: "n01443537", Labels: map[string]string{"en": "goldfish", "zh": "金鱼"}},
			{ID: "", Labels: map[string]string{"en": "a class without an id"}},
			{ID: "n02099712"},
		},
		Prep:        resnet.Prep{Resize: 40, Crop: 32, Filter: "bilinear", Mean: [3]float32{.5, .4, .3}, Std: [3]float32{.2, .3, .4}},
		Temperature: 1.25, Unsure: 0.2, Source: "seeded numbers", Licence: "MIT",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	ints := func(n int) []int8 {
		v := make([]int8, n)
		for i := range v {
			v[i] = int8(rng.IntN(255) - 127)
		}
		return v
	}
	floats := func(n, padded int) []float32 {
		v := make([]float32, padded)
		for i := range n {
			v[i] = rng.Float32() + 0.001
		}
		return v
	}
	net := m.Network()
	for _, cv := range net.Convs() {
		n, out8 := packedSize(cv), engine.PadChannels(cv.Out)
		m.Convs = append(m.Convs, resnet.QuantConv{Name: cv.Name, W: ints(n), M: floats(cv.Out, out8), B: floats(cv.Out, out8), Scale: 0.5})
	}
	m.Head = []resnet.QuantLinear{{W: ints(net.Classes * net.Features), Scale: floats(3, 3), B: floats(3, 3)}}
	return m
}

func file(t testing.TB, m *resnet.Model) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	want := small()
	data := file(t, want)
	for name, read := range map[string]func([]byte) (*resnet.Model, error){"Read": Read, "ReadAt": readAt} {
		got, err := read(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the model differs from the one written", name)
		}
		if again := file(t, got); !bytes.Equal(again, data) {
			t.Errorf("%s: written again, the file differs", name)
		}
	}
}

// wide has what format 2 added: a head of three layers, sigmoids, projections in a CIFAR net, and a crop rounded down.
func wide() *resnet.Model {
	m := small()
	m.Dashed, m.MultiLabel, m.Prep.Floor = resnet.Projection, true, true
	head, fc := m.Head[0], resnet.QuantLinear{W: make([]int8, 3*2), Scale: make([]float32, 3), B: make([]float32, 3)}
	between := resnet.QuantLinear{W: make([]int8, 2*3), Scale: make([]float32, 2), B: make([]float32, 2)}
	m.Head = []resnet.QuantLinear{head, between, fc}
	for _, c := range m.Network().Convs() {
		m.Convs[c.Index].Name = c.Name
	}
	return m
}

func TestRoundTripWide(t *testing.T) {
	want := wide()
	data := file(t, want)
	for name, read := range map[string]func([]byte) (*resnet.Model, error){"Read": Read, "ReadAt": readAt} {
		if got, err := read(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the model differs from the one written, %v", name, err)
		}
	}
	for _, test := range []struct {
		want   string
		change func(m *resnet.Model)
	}{
		{"fc2: want 6 weights", func(m *resnet.Model) { m.Head[1].W = m.Head[1].W[1:] }},
		{"fc1: output 2", func(m *resnet.Model) { m.Head[0].B[2] = float32(math.Inf(1)) }},
		{"fc1: want 0 weights, 0 scales", func(m *resnet.Model) { m.Head[0].B = nil }},
		{"head: want 1 to 8 linear layers, got 9", func(m *resnet.Model) { m.Head = make([]resnet.QuantLinear, 9) }},
		{"head: want 1 to 8 linear layers, got 0", func(m *resnet.Model) { m.Head = nil }},
	} {
		m := wide()
		test.change(m)
		if err := Write(io.Discard, m); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want ErrFormat with %q, got %v", test.want, err)
		}
	}
}

// format1 is m as a file of format 1.
func format1(t *testing.T, m *resnet.Model) []byte {
	data := file(t, m)
	var list []pair
	for _, p := range pairs(t, data[:len(data)-32]) {
		switch p.key {
		case "format":
			p.value = []byte{1}
		case "shortcut":
			p.key = "pad"
		case "filter":
			if m.Prep.Filter == "bilinear" {
				p.value = encoded(t, "linear")
			}
		case "rounding", "output":
			continue
		case "head":
			p = pair{"fc", mapOf(t, pairs(t, elements(t, p.value)[0])[1:])}
			p.value = append([]byte{0x83}, p.value[3:]...)
		}
		list = append(list, p)
	}
	body := mapOf(t, list)
	sum := sha256.Sum256(body)
	return append(body, sum[:]...)
}

// TestFormat1 reads files as the first version wrote them.
func TestFormat1(t *testing.T) {
	want := small()
	data := format1(t, want)
	if !bytes.HasPrefix(data, []byte("\xde\x00\x15\xa5magic")) {
		t.Fatalf("begins %q", data[:12])
	}
	for name, read := range map[string]func([]byte) (*resnet.Model, error){"Read": Read, "ReadAt": readAt} {
		if got, err := read(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the model differs from the one written, %v", name, err)
		}
	}
	// A network with projections has them whatever its pad says, as the first version wrote one for all.
	builtin, err := os.ReadFile("resnet18-tiny200.msgpack")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(builtin)
	if err != nil || m.Dashed != resnet.Projection || m.MultiLabel || m.Prep.Floor || m.Prep.Filter != "bilinear" {
		t.Errorf("the built-in model: %+v, %v", m.Config, err)
	}
	for n := range data {
		if _, err := Read(data[:n:n]); !errors.Is(err, ErrIntegrity) {
			t.Fatalf("%d of %d bytes: want ErrIntegrity, got %v", n, len(data), err)
		}
	}
	for _, c := range []struct{ old, new, want string }{
		{"\xa3pad\xa9pad-split", "\xa3pad\xaaprojection", "pad: want one of [pad-append pad-split]"},
		{"\xa6linear", "\xa8bilinear", `filter: want "linear" or "bicubic"`},
		{"\xa6format\x01", "\xa6format\x02", "format: want version 1, file has 2"},
	} {
		if _, err := Read(sealed(t, data, c.old, c.new)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want an error with %q, got %v", c.want, err)
		}
	}
}

// readAt reads through ReadAt and fetches the weights that it leaves in the file.
func readAt(data []byte) (*resnet.Model, error) {
	m, err := ReadAt(bytes.NewReader(data), len(data))
	if err != nil {
		return nil, err
	}
	convs := m.Network().Convs()
	for i := range m.Convs {
		q := &m.Convs[i]
		n := packedSize(convs[i])
		if q.W != nil || q.At+n > len(data) {
			return nil, fmt.Errorf("%s: %d weights read, want none, and %d at %d of %d bytes", q.Name, len(q.W), n, q.At, len(data))
		}
		q.W, q.At = asInts(data[q.At:][:n:n]), 0
	}
	return m, nil
}

// allocated is the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestTruncated(t *testing.T) {
	data := file(t, small())
	for n := range data {
		short := data[:n:n]
		var err error
		read := func() { _, err = Read(short) }
		if n%16 == 0 { // reading the statistics stops the world
			if got := allocated(read); got > 1<<20 {
				t.Fatalf("%d of %d bytes: allocated %d bytes", n, len(data), got)
			}
		} else {
			read()
		}
		if !errors.Is(err, ErrIntegrity) {
			t.Fatalf("%d of %d bytes: want ErrIntegrity, got %v", n, len(data), err)
		}
		if _, err := readAt(short); !errors.Is(err, ErrIntegrity) {
			t.Fatalf("%d of %d bytes: want ErrIntegrity from ReadAt too, got %v", n, len(data), err)
		}
	}
	_, err := Read(data[:len(data)*3/4])
	if s := err.Error(); !strings.HasPrefix(s, "weights: layer3.0.conv") || !strings.HasSuffix(s, "download the model again") {
		t.Errorf("a truncated file: want the layer at which it ends, got %q", s)
	}
}

func TestFlipped(t *testing.T) {
	data := file(t, small())
	for i := range data {
		flipped := bytes.Clone(data)
		flipped[i] ^= 1 << (i % 8)
		_, err := Read(flipped)
		if !errors.Is(err, ErrIntegrity) && !errors.Is(err, ErrFormat) {
			t.Fatalf("byte %d flipped: want an error, got %v", i, err)
		}
	}
	if _, err := Read(append(bytes.Clone(data), 0)); !errors.Is(err, ErrIntegrity) {
		t.Errorf("a byte appended: want ErrIntegrity, got %v", err)
	}
}

func TestOtherFiles(t *testing.T) {
	for _, c := range []struct {
		name, data, want string
		kind             error
	}{
		{"empty", "", "no bytes", ErrIntegrity},
		{"web page", "<!DOCTYPE html>\n<title>404</title>", "web page", ErrFormat},
		{"login page", "\n\n<html lang=en>", "web page", ErrFormat},
		{"zip", "PK\x03\x04 and more", "resnet import", ErrFormat},
		{"other msgpack", "\x81\xa1a\x01", "4 bytes", ErrFormat},
	} {
		_, err := Read([]byte(c.data))
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: want %q, got %v", c.name, c.want, err)
		}
	}
}

// sealed replaces old by new, once, and puts the right checksum under the lie.
func sealed(t *testing.T, data []byte, old, new string) []byte {
	t.Helper()
	if bytes.Count(data, []byte(old)) != 1 {
		t.Fatalf("%q occurs %d times in the file", old, bytes.Count(data, []byte(old)))
	}
	lie := bytes.Replace(data[:len(data)-32], []byte(old), []byte(new), 1)
	sum := sha256.Sum256(lie)
	return append(lie, sum[:]...)
}

// TestLies gives the reader files whose checksum is right and whose content is not.
func TestLies(t *testing.T) {
	data := file(t, small())
	const big = "\x7f\xff\xff\xff" // a length of 2 GiB
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"newer format", "\xa6format\x02", "\xa6format\x03", "format: want version 2, file has 3"},
		{"newer layout", "\xa6layout\x01", "\xa6layout\x07", "layout: want version 1, file has 7"},
		{"other key", "\xa6resize", "\xa6risize", `want the key "resize" next, file has "risize"`},
		{"other network", "\xacresnet8cifar", "\xacresnet9cifar", "no network this version knows"},
		{"text of 2 GiB", "\xacresnet8cifar", "\xdb" + big + "resnet8cifar", "want text of at most 65536 bytes"},
		{"no width", "\xa5width\x03", "\xa5width\x00", "width: want 1 to 4096, file has 0"},
		{"width is text", "\xa5width\x03", "\xa5width\xa0", "width: want an integer, found something else"},
		{"wider", "\xa5width\x03", "\xa5width\x04", "head: want 48 bytes, file has 36"},
		{"width of another size class", "\xa5width\x03", "\xa5width\x09", "conv1: want 576 bytes, file has 288"},
		{"shortcut", "\xa9pad-split", "\xa8identity", "shortcut: want one of [projection pad-append pad-split]"},
		{"projection", "\xa9pad-split", "\xaaprojection", "layer2.0.downsample.0: want this layer here"},
		{"2 Gi classes", "\xa3ids\x93", "\xa3ids\xdd" + big, "want 2147483647 × 1 bytes"},
		{"fewer classes", "\xa3ids\x93", "\xa3ids\x92", "want the key"},
		{"2 Gi languages", "\xa6labels\x82", "\xa6labels\xdf" + big, "want at most 256 languages"},
		{"languages in disorder", "\xa2zh", "\xa2aa", "ascending order"},
		{"2 Gi labels", "\xa2zh\x93", "\xa2zh\xdd" + big, "want 2147483647 × 1 bytes"},
		{"label is not UTF-8", "goldfish", "gold\xffish", "want UTF-8"},
		{"small crop", "\xa4crop\x20", "\xa4crop\x1f", "want 32 ≤ crop"},
		{"crop above resize", "\xa4crop\x20", "\xa4crop\x29", "want 32 ≤ crop"},
		{"filter", "\xa8bilinear", "\xa7lanczos", "filter: want \"bilinear\" or \"bicubic\""},
		{"rounding", "\xa4even", "\xa2up", "rounding: want \"even\" or \"floor\""},
		{"output", "\xa7softmax", "\xa4none", "output: want \"softmax\" or \"sigmoid\""},
		{"mean of 2 GiB", "\xa4mean\xc4\x0c", "\xa4mean\xc6" + big, "mean: want 12 bytes, file has 2147483647"},
		{"mean NaN", "\xa4mean\xc4\x0c\x00\x00\x00\x3f", "\xa4mean\xc4\x0c\x00\x00\xc0\x7f", "mean, std"},
		{"temperature 0", "\xabtemperature\xca\x3f\xa0", "\xabtemperature\xca\x00\x00", "temperature: want above 0"},
		{"2 Gi layers", "\xa6layers\x99", "\xa6layers\xdd" + big, "layers: want 2147483647 × 1 bytes"},
		{"fewer layers", "\xa6layers\x99", "\xa6layers\x98", "layers: want 9, file has 8"},
		{"layer map", "\xa6layers\x99\x84", "\xa6layers\x99\x85", "conv1: want a map of 4 keys, file has 5"},
		{"layer name", "\xaelayer2.0.conv1", "\xaelayer2.0.conv2", "layer2.0.conv1: want this layer here"},
		{"weights of 2 GiB", "\xa5conv1\xa7weights\xc5\x01\x20", "\xa5conv1\xa7weights\xc6" + big, "conv1: want 288 bytes, file has 2147483647"},
		{"head", "\xa4head\x91", "\xa4head\xc0", "head: want an array, found something else"},
		{"no head", "\xa4head\x91", "\xa4head\x90", "head: want 1 to 8 linear layers, file has 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lie := sealed(t, data, c.old, c.new)
			var m *resnet.Model
			var err error
			n := allocated(func() { m, err = Read(lie) })
			if err == nil || m != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want an error with %q, got %v", c.want, err)
			}
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrIntegrity) {
				t.Errorf("want a sentinel behind %v", err)
			}
			if n > 1<<20 {
				t.Errorf("allocated %d bytes for a file of %d", n, len(lie))
			}
		})
	}
}

// TestValues changes a valid model in memory: neither direction may let it pass.
func TestValues(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name, want string
		change     func(*resnet.Model)
	}{
		{"-128", "layer1.0.conv1: weight 5: want −127 to 127", func(m *resnet.Model) { m.Convs[1].W[5] = -128 }},
		{"-128 in fc", "fc: weight 0", func(m *resnet.Model) { m.FC().W[0] = -128 }},
		{"m NaN", "conv1: channel 1", func(m *resnet.Model) { m.Convs[0].M[1] = nan }},
		{"m negative", "conv1: channel 1", func(m *resnet.Model) { m.Convs[0].M[1] = -1 }},
		{"b infinite", "conv1: channel 2", func(m *resnet.Model) { m.Convs[0].B[2] = -inf }},
		{"padding", "conv1: channel 7 is padding", func(m *resnet.Model) { m.Convs[0].B[7] = 1 }},
		{"scale 0", "layer1.0.conv2: scale", func(m *resnet.Model) { m.Convs[2].Scale = 0 }},
		{"scale NaN", "layer1.0.conv2: scale", func(m *resnet.Model) { m.Convs[2].Scale = nan }},
		{"projection scale", "layer2.0.shortcut: scale: want its block's", func(m *resnet.Model) { m.Convs[5].Scale = 1 }},
		{"fc scale", "fc: output 1", func(m *resnet.Model) { m.FC().Scale[1] = inf }},
		{"fc short", "fc: want 36 weights", func(m *resnet.Model) { m.FC().W = m.FC().W[1:] }},
		{"layer missing", "layers: want 9, got 8", func(m *resnet.Model) { m.Convs = m.Convs[1:] }},
		{"weights missing", "conv1: want 288 weights", func(m *resnet.Model) { m.Convs[0].W = nil }},
		{"weights in a file", "conv1: want its weights in memory", func(m *resnet.Model) { m.Convs[0].W, m.Convs[0].At = nil, 100 }},
		{"languages", "at most 256 languages, got 257", func(m *resnet.Model) {
			for i := range m.Classes {
				m.Classes[i].Labels = map[string]string{}
			}
			for i := range 257 {
				m.Classes[i%3].Labels[fmt.Sprint(i)] = "name"
			}
		}},
		{"no classes", "at least one class", func(m *resnet.Model) { m.Classes = nil }},
		{"std 0", "mean, std", func(m *resnet.Model) { m.Prep.Std[2] = 0 }},
		{"unsure", "unsure", func(m *resnet.Model) { m.Unsure = 1 }},
		{"temperature", "temperature", func(m *resnet.Model) { m.Temperature = nan }},
		{"table", "architecture", func(m *resnet.Model) { m.Stages = []int{1, 1} }},
		{"name", "no network this version knows", func(m *resnet.Model) { m.Name = "resnet" }},
		{"shortcut", "pad-append", func(m *resnet.Model) { m.Dashed = resnet.NoShortcut }},
		{"licence", "licence", func(m *resnet.Model) { m.Licence = "\xff" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := small()
			c.change(m)
			if err := Write(io.Discard, m); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want ErrFormat with %q, got %v", c.want, err)
			}
		})
	}
}

// TestLongSum refuses a layer whose sums could overflow an int32.
func TestLongSum(t *testing.T) {
	m := small()
	m.Width, m.Inner = 4096, 4096 // stage 3: 16384 channels × 9 taps
	if err := Write(io.Discard, m); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "layer3.0.conv2: want sums of at most 130000 products, the layer has 147456") {
		t.Errorf("want ErrFormat for a sum of 147456 products, got %v", err)
	}
}

func TestOtherWidths(t *testing.T) {
	m := small()
	m.Name = "resnet8cifar-3-3"
	got, err := Read(file(t, m))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("want %+v, got %+v", m.Config, got.Config)
	}
}

func TestWriteReportsWriter(t *testing.T) {
	if err := Write(failing{}, small()); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("want the writer's error, got %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzRead seals every input with its checksum, so that the fuzzer reaches the parser, and holds what is accepted to
// the round trip.
func FuzzRead(f *testing.F) {
	data := file(f, small())
	body := data[:len(data)-32]
	f.Add(body)
	for _, n := range []int{0, 1, 40, 100, 200, 400, len(body) / 2, len(body) - 1} {
		f.Add(body[:n])
	}
	other := file(f, wide())
	f.Add(other[:len(other)-32])
	if data, err := os.ReadFile("resnet18-tiny200.msgpack"); err == nil { // of format 1
		f.Add(data[:1000])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		data := append(body[:len(body):len(body)], sum[:]...)
		m, err := Read(data)
		if left, e := readAt(data); (err == nil || !strings.Contains(err.Error(), "got −128")) && fmt.Sprint(err) != fmt.Sprint(e) {
			t.Fatalf("Read says %v, ReadAt %v", err, e)
		} else if err == nil && !reflect.DeepEqual(left, m) {
			t.Fatal("Read and ReadAt disagree")
		}
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrIntegrity) {
				t.Fatalf("no sentinel behind %v", err)
			}
			return
		}
		var b bytes.Buffer
		if err := Write(&b, m); err != nil {
			t.Fatalf("read, but not written: %v", err)
		}
		again, err := Read(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, m) {
			t.Fatal("the model changed on its way through a file")
		}
	})
}

func TestLittleEndian(t *testing.T) {
	m := small()
	m.Convs[0].M[0] = 1.5
	data := file(t, m)
	at := bytes.Index(data, []byte("\xa1m\xc4\x20"))
	if at < 0 || binary.LittleEndian.Uint32(data[at+4:]) != math.Float32bits(1.5) {
		t.Errorf("m of conv1 is not stored as little-endian float32")
	}
}
