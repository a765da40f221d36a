package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vmihailenco/msgpack/v5"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// row is one of the package comment's table.
type row struct{ key, kind string }

// tables are those of the package comment: of the file, of a layer and of the linear layer.
func tables(t *testing.T) (list [3][]row) {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, line := range regexp.MustCompile(`(?m)^//\t(\S.*?)  +(\S.*?)  +\S.*$`).FindAllStringSubmatch(string(text),
		-1) {
		if line[2] == "type" {
			at++
			continue
		}
		list[at] = append(list[at], row{line[1], line[2]})
	}
	return list
}

// pair is a key with its value, encoded.
type pair struct {
	key   string
	value []byte
}

func pairs(t *testing.T, raw []byte) (list []pair) {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(raw))
	n, err := d.DecodeMapLen()
	for i := 0; i < n && err == nil; i++ {
		var p pair
		if p.key, err = d.DecodeString(); err == nil {
			p.value, err = d.DecodeRaw()
		}
		list = append(list, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	e := msgpack.NewEncoder(&b)
	e.UseCompactInts(true)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mapOf(t *testing.T, list []pair) []byte {
	b := []byte{0xde, byte(len(list) >> 8), byte(len(list))}
	for _, p := range list {
		b = append(append(b, encoded(t, p.key)...), p.value...)
	}
	return b
}

func arrayOf(list [][]byte) []byte {
	return append([]byte{0xdd, 0, 0, byte(len(list) >> 8), byte(len(list))}, bytes.Join(list, nil)...)
}

func elements(t *testing.T, raw []byte) (list [][]byte) {
	t.Helper()
	d := msgpack.NewDecoder(bytes.NewReader(raw))
	n, err := d.DecodeArrayLen()
	for i := 0; i < n && err == nil; i++ {
		var v msgpack.RawMessage
		v, err = d.DecodeRaw()
		list = append(list, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// kinds are values of each type, none of them empty.
var kinds = map[string][]byte{
	"nil":    {0xc0},
	"bool":   {0xc3},
	"int":    {0x01},
	"float":  {0xca, 0x3f, 0, 0, 0},
	"double": {0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0},
	"str":    {0xa1, 'a'},
	"bin":    {0xc4, 1, 'a'},
	"array":  {0x91, 0xa1, 'a'},
	"map":    {0x81, 0xa1, 'a', 0x91, 0xa1, 'a'},
	"ext":    {0xd4, 1, 1},
}

// empties are the values of each type that has nothing in it.
var empties = map[string][]byte{"str": {0xa0}, "bin": {0xc4, 0}, "array": {0x90}, "map": {0x80}}

func floatBin(v ...float32) []byte {
	b := []byte{0xc5, byte(4 * len(v) >> 8), byte(4 * len(v))}
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// TestTable holds the reader against the table of the package comment: each value absent, nil, empty, of every other
// type, and outside its range. Only what the table says is read.
func TestTable(t *testing.T) {
	data := file(t, small())
	whole := pairs(t, data[:len(data)-32])
	list := tables(t)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	encode := func(values ...any) (list [][]byte) {
		for _, v := range values {
			list = append(list, encoded(t, v))
		}
		return list
	}
	without := func(list [][]byte, i int) [][]byte { return slices.Delete(slices.Clone(list), i, i+1) }
	value := func(key string) []byte {
		return whole[slices.IndexFunc(whole, func(p pair) bool { return p.key == key })].value
	}
	scales := len(small().Convs)
	withScale := func(f float32) []byte {
		v := slices.Repeat([]float32{0.5}, scales)
		v[1] = f
		return floatBin(v...)
	}
	outside := [3]map[string][][]byte{
		{
			"magic": encode("resnet-web", "resnet-web model "), "format": encode(0, 1, 3, -1, 257), "layout": encode(0, 2,
				-1),
			"architecture": encode("resnet9cifar", "ResNet8cifar", " resnet8cifar", "resnet8cifar\x00",
				"resnet8cifar-\xff", "resnet18", "plain8cifar"),
			"width": encode(0, -1, 4097, 2, 9, uint64(1)<<63), "inner": encode(0, -1, 4097),
			"shortcut": encode("identity", "projection", "none", "pad-append ", "Pad-append"),
			"ids": {arrayOf(without(elements(t, value("ids")), 0)), arrayOf(append(elements(t, value("ids")),
				empties["str"])), arrayOf([][]byte{{0xc0}, {0xa0}, {0xa0}}), arrayOf([][]byte{{1}, {0xa0}, {0xa0}}),
				arrayOf([][]byte{{0xc4, 0}, {0xa0}, {0xa0}})},
			"labels": {{0x81, 0xa2, 'e', 'n', 0x90}, {0x81, 0xa2, 'e', 'n', 0xc0}, {0x81, 0xa2, 'e', 'n', 0x92,
				0xa0, 0xa0}, {0x81, 0xa2, 'e', 'n', 0x93, 0xa0, 0xa0, 0xc0}, {0x81, 0xa0, 0x93, 0xa0, 0xa0, 0xa0},
				{0x82, 0xa1, 'b', 0x93, 0xa0, 0xa0, 0xa0, 0xa1, 'a', 0x93, 0xa0, 0xa0, 0xa0}},
			"resize": encode(31, 4097, -1),
			"crop":   encode(31, 0, -1, 41, 4096),
			"filter": encode("linear", "nearest", "Bilinear", "bicubic "), "rounding": encode("ceil", "", "even "),
			"mean": {floatBin(0.5, 0.5), floatBin(0.5, 0.5, 0.5, 0.5), floatBin(-0.1, 0, 0), floatBin(0, 1.1,
				0), floatBin(0, 0, nan)},
			"std": {floatBin(0.5, 0.5), floatBin(0, 1, 1), floatBin(1, -1, 1), floatBin(1, 1, nan), floatBin(1,
				1, inf), floatBin(1e-7, 1, 1), floatBin(2e6, 1, 1)},
			"scales": {withScale(0), withScale(-1), withScale(nan), withScale(inf), withScale(1e-13),
				withScale(1e13), floatBin(slices.Repeat([]float32{0.5}, scales-1)...)},
			"temperature": encode(float32(0), float32(-1), float32(1001), nan, inf),
			"unsure":      encode(float32(-0.1), float32(1), nan, -inf),
			"output":      encode("none", "Softmax"),
			"source":      encode("\xff", "a\x00b", strings.Repeat("a", maxText+1)), "licence": encode("\xff",
				"a\x00b", strings.Repeat("a", maxText+1)),
			"layers": {arrayOf(without(elements(t, value("layers")), 1)), arrayOf(append(elements(t, value("layers")),
				elements(t, value("layers"))[0])), arrayOf(append(without(elements(t, value("layers")), 0),
				kinds["nil"]))},
			"head": {arrayOf(nil), arrayOf(slices.Repeat(elements(t, value("head")), 2)),
				arrayOf(slices.Repeat(elements(t, value("head")), 9)), arrayOf([][]byte{kinds["nil"]})},
		},
		{
			"name": encode("conv2", "Conv1"), "m": {floatBin(-1, 0, 0, 0, 0, 0, 0, 0), floatBin(nan, 0, 0, 0, 0, 0, 0,
				0), floatBin(1, 1, 1, 1, 0, 0, 0, 0), floatBin(1, 1, 1)},
			"b": {floatBin(inf, 0, 0, 0, 0, 0, 0, 0), floatBin(0, 0, 0, 1, 0, 0, 0, 0), floatBin(1, 1, 1)},
			// −128
			"weights": {append([]byte{0xc5, 1, 0x20}, bytes.Repeat([]byte{0x80}, 288)...), append([]byte{0xc5, 1,
				0x1f}, make([]byte, 287)...)},
		},
		{
			"outputs": encode(0, 2, 4, -1, 1<<21),
			"weights": {append([]byte{0xc4, 36}, bytes.Repeat([]byte{0x80}, 36)...), append([]byte{0xc4, 35},
				make([]byte, 35)...)},
			"scale": {floatBin(nan, 0, 0), floatBin(1, 1)}, "b": {floatBin(inf, 0, 0), floatBin(1, 1)},
		},
	}
	mayBeEmpty := [3][]string{{"labels", "source", "licence"}}

	first := pairs(t, elements(t, value("layers"))[0])
	last := pairs(t, elements(t, value("head"))[0])
	set := func(list []pair, key string, v []byte) []pair {
		list = slices.Clone(list)
		list[slices.IndexFunc(list, func(p pair) bool { return p.key == key })].value = v
		return list
	}
	// sealed puts the pairs of a table into the file.
	seal := func(of int, list []pair) []byte {
		switch of {
		case 1:
			layers := elements(t, value("layers"))
			layers[0] = mapOf(t, list)
			list = set(whole, "layers", arrayOf(layers))
		case 2:
			list = set(whole, "head", arrayOf([][]byte{mapOf(t, list)}))
		}
		body := mapOf(t, list)
		sum := sha256.Sum256(body)
		return append(body, sum[:]...)
	}
	tried := 0
	want := func(of int, what string, list []pair, read bool) {
		t.Helper()
		tried++
		lie := seal(of, list)
		for name, f := range map[string]func([]byte) (*resnet.Model, error){"Read": Read, "ReadAt": readAt} {
			_, err := f(lie)
			switch {
			case read && err != nil:
				t.Errorf("%s of %s: want it to be read, got %v", name, what, err)
			case !read && strings.Contains(what, "weights outside 0") &&
				name == "ReadAt": // which does not look at weights
			case !read && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrIntegrity):
				t.Errorf("%s of %s: want ErrFormat or ErrIntegrity, got %v", name, what, err)
			}
		}
	}
	for of, fields := range [][]pair{whole, first, last} {
		var keys, there []string
		for _, r := range list[of] {
			keys = append(keys, r.key)
		}
		for _, p := range fields {
			there = append(there, p.key)
		}
		if !slices.Equal(keys, there) {
			t.Fatalf("the table has the keys %q, the file %q", keys, there)
		}
		want(of, "the file as it is", fields, true)
		for i, r := range list[of] {
			kind, _, _ := strings.Cut(r.kind, " ")
			if kinds[kind] == nil {
				t.Fatalf("%s: no type %q", r.key, r.kind)
			}
			what := fmt.Sprint(of, " ", r.key, " ")
			want(of, what+"absent", slices.Delete(slices.Clone(fields), i, i+1), false)
			want(of, what+"twice", slices.Insert(slices.Clone(fields), i, fields[i]), false)
			renamed := slices.Clone(fields)
			renamed[i].key += "x"
			want(of, what+"with another key", renamed, false)
			if i > 0 {
				swapped := slices.Clone(fields)
				swapped[i], swapped[i-1] = swapped[i-1], swapped[i]
				want(of, what+"before the key before it", swapped, false)
			}
			for other, v := range kinds {
				if other != kind {
					want(of, what+"as "+other, set(fields, r.key, v), false)
				}
			}
			for other, v := range empties {
				want(of, what+"as empty "+other, set(fields, r.key, v), other == kind &&
					slices.Contains(mayBeEmpty[of], r.key))
			}
			// The bytes of a text or bin under the head of the other.
			if v := fields[i].value; kind == "bin" && v[0] == 0xc4 {
				want(of, what+"as str", set(fields, r.key, append([]byte{0xd9}, v[1:]...)), false)
			} else if kind == "str" && v[0]&0xe0 == 0xa0 {
				want(of, what+"as bin", set(fields, r.key, append([]byte{0xc4, v[0] & 0x1f}, v[1:]...)), false)
			}
			for k, v := range outside[of][r.key] {
				want(of, fmt.Sprint(what, "outside ", k), set(fields, r.key, v), false)
			}
			if len(outside[of][r.key]) == 0 {
				t.Errorf("%s has no values outside its range here", what)
			}
		}
	}
	t.Logf("%d files", tried)
}

// TestWork lets the largest networks pass that people have, with room, and refuses what would take minutes.
func TestWork(t *testing.T) {
	for _, c := range []struct {
		name string
		size int
		read bool
	}{
		{"resnet152", 448, true}, {"resnet152", 1024, true}, {"wide_resnet101_2", 448, true}, {"wide_resnet101_2", 800,
			true},
		{"resnet152x4", 224, true}, {"resnet1202cifar", 32, true}, {"resnet1202cifar", 224, true}, {"resnet18", 2048,
			true},
		{"resnet18", 4096, false}, {"resnet8cifar", 4096, false}, {"wide_resnet101_2", 1024, false}, {"resnet152x4",
			448, false},
	} {
		config, err := resnet.Lookup(c.name)
		if err != nil {
			t.Fatal(err)
		}
		net := config.Network(10)
		err = CheckWork(&net, c.size)
		if c.read != (err == nil) || err != nil && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(),
			"use a smaller crop")) {
			t.Errorf("%s at %d: %v", c.name, c.size, err)
		}
		// What is counted is what is run, and needed.
		if c.size > 500 {
			continue
		}
		m := &resnet.Model{Config: config, Classes: make([]resnet.Class, 10), Prep: resnet.Prep{Crop: c.size}}
		for _, conv := range net.Convs() {
			out8 := engine.PadChannels(conv.Out)
			m.Convs = append(m.Convs, resnet.QuantConv{Name: conv.Name, At: 1, M: make([]float32, out8),
				B: make([]float32, out8), Scale: 1})
		}
		m.Head = []resnet.QuantLinear{{W: make([]int8, 10*net.Features), Scale: make([]float32, 10), B: make([]float32, 10)}}
		macs, activations := work(&net, c.size)
		if p, err := resnet.Compile(m); err != nil || activations < 0.9*float64(p.Arena) ||
			activations > 1.6*float64(p.Arena) {
			t.Errorf("%s at %d: counted %.0f bytes of activations, the program has %d, %v", c.name, c.size,
				activations, p.Arena, err)
		}
		if paper := float64(config.Summary(10, c.size).MACs); macs < paper*0.99 || macs > paper*1.1 {
			t.Errorf("%s at %d: counted %.0f multiply-adds, the paper counts %.0f", c.name, c.size, macs, paper)
		}
	}
	m := small()
	m.Prep.Resize, m.Prep.Crop = 4096, 4096
	if err := Write(new(bytes.Buffer), m); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(),
		"MiB of activations") {
		t.Errorf("writing: %v", err)
	}
}
