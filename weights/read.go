package weights

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"resnet-web/engine"
	"resnet-web/resnet"
)

// Read reads a model file. The weights of the model alias data, which must not change afterwards; everything else is
// copied. It allocates in proportion to data, whatever the lengths in it claim.
//
// # Errors
//
// ErrFormat, wrapped, for data that is no model file (a web page, say) or one of another version or another
// architecture than this package knows; ErrIntegrity, wrapped, for a file that is cut short or altered.
func Read(data []byte) (*resnet.Model, error) {
	if err := sniff(data, len(data)); err != nil {
		return nil, err
	}
	end := len(data) - digestSize
	if end < 0 || !checks(data[:end], data[end:]) {
		// The layer at which a short file ends says more than the checksum does.
		if _, err := parse(whole(data[:max(end, 0)])); errors.Is(err, ErrIntegrity) {
			return nil, err
		}
		return nil, integrityError("the checksum does not match: the file of %d bytes was cut short or altered", len(data))
	}
	return parse(whole(data[:end]))
}

// checks reports whether sum is the SHA-256 of data.
func checks(data, sum []byte) bool {
	d := newDigest()
	d.Write(data)
	return bytes.Equal(d.Sum(nil), sum)
}

func whole(data []byte) *window { return &window{size: len(data), buf: data} }

// ReadAt reads a model file of size bytes and leaves the packed weights of the convolutions in it: their W is nil and At
// says where they are. The caller compares the checksum, the SHA-256 of all but the last 32 bytes. All else is checked as
// in Read, except for weights of −128 (which no writer makes, and which the engine computes as any other).
func ReadAt(file io.ReaderAt, size int) (*resnet.Model, error) {
	w := &window{file: file, size: size}
	head, err := w.take(min(size, 512))
	if err != nil {
		return nil, err
	}
	if err := sniff(head, size); err != nil {
		return nil, err
	}
	*w = window{file: file, size: max(size-digestSize, 0)}
	return parse(w)
}

// sniff returns an error unless data, the beginning of a file of size bytes, is that of a model file.
func sniff(data []byte, size int) error {
	for _, keys := range []byte{fileKeys, fileKeys1} {
		head := "\xde\x00" + string(keys) + "\xa5magic\xb0" + magic // a map of so many keys
		if n := min(len(data), len(head)); n > 0 && string(data[:n]) == head[:n] {
			return nil
		}
	}
	text := strings.ToLower(string(data[:min(len(data), 512)]))
	for _, tag := range []string{"<!doctype", "<html", "<head", "<?xml"} {
		if strings.Contains(text, tag) {
			return formatError("want a model file, got a web page: the address is wrong or needs a login; check it, then download the model again")
		}
	}
	if len(data) == 0 {
		return integrityError("want a model file, got no bytes")
	}
	return formatError("want a model file, got %d bytes that begin %q; checkpoints are converted by resnet import", size, data[:min(len(data), 8)])
}

// parse reads the map that fills w.
func parse(w *window) (*resnet.Model, error) {
	r := newReader(w)
	keys := r.mapLen(fileKeys1, fileKeys)
	m := &resnet.Model{}
	if err := r.config(&m.Config, keys); err != nil {
		return nil, err
	}
	r.field("ids")
	// Each class needs an id here and a row of the last layer further on, of a byte at least and two floats, so no class is
	// allocated that the file has no room for.
	m.Classes = make([]resnet.Class, r.fits(r.count(), 10))
	for i := range m.Classes {
		m.Classes[i].ID = r.text()
	}
	r.labels(m.Classes)
	r.prep(&m.Prep)

	net := m.Config.Network(len(m.Classes))
	convs := net.Convs()
	r.field("scales")
	scales := r.floats(len(convs))
	r.field("temperature")
	m.Temperature = r.float()
	r.field("unsure")
	m.Unsure = r.float()
	if r.format > 1 {
		r.field("output")
		m.MultiLabel = r.word(outputs)
	}
	r.field("source")
	m.Source = r.text()
	r.field("licence")
	m.Licence = r.text()
	m.Convs = r.layers(convs, scales)
	r.head(m, net.Features)
	if r.err == nil && r.left() != 0 {
		r.fail(formatError("want the checksum after the head, file has %d bytes more", r.left()))
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := check(m); err != nil {
		return nil, err
	}
	return m, nil
}

// config reads the keys from magic to shortcut: the versions and the network. keys is how many the file has.
func (r *reader) config(c *resnet.Config, keys int) error {
	r.field("magic")
	if s := r.text(); r.err == nil && s != magic {
		r.fail(formatError("want a model file, got magic %.20q", s))
	}
	r.format = formatVersion
	if keys == fileKeys1 {
		r.format = 1
	}
	r.version("format", r.format)
	r.version("layout", layoutVersion)
	r.field("architecture")
	name := r.text()
	if r.err != nil {
		return r.err
	}
	known, err := lookup(name)
	if err != nil {
		return err
	}
	*c = known
	r.field("width")
	c.Width = r.num(1, maxChannels)
	r.field("inner")
	c.Inner = r.num(1, maxChannels)
	kinds, key := dashed, "shortcut"
	if r.format == 1 {
		kinds, key = dashed[1:], "pad"
	}
	r.field(key)
	kind := r.text()
	i := slices.IndexFunc(kinds, func(s resnet.Shortcut) bool { return s.String() == kind })
	switch {
	case r.err != nil:
	case i < 0:
		r.fail(formatError("%s: want one of %v, file has %.20q", key, kinds, kind))
	case r.format > 1 || c.Dashed != resnet.Projection: // where format 1 has projections, the key says nothing
		c.Dashed = kinds[i]
	}
	return r.err
}

// word reads one of two words, and reports whether it is the second.
func (r *reader) word(words [2]string) bool {
	got := r.text()
	if r.err == nil && got != words[0] && got != words[1] {
		r.fail(formatError("%s: want %q or %q, file has %.20q", r.at, words[0], words[1], got))
	}
	return got == words[1]
}

// version reads the version k, of which this package knows one.
func (r *reader) version(k string, want int) {
	r.field(k)
	if v := r.num(0, math.MaxInt32); r.err == nil && v != want {
		r.fail(formatError("%s: want version %d, file has %d; use the version of this program that goes with the model", k, want, v))
	}
}

// labels reads the label arrays into classes.
func (r *reader) labels(classes []resnet.Class) {
	r.field("labels")
	if !r.next("a map", isMap) {
		return
	}
	langs, err := r.d.DecodeMapLen()
	if r.failed("a map", err) {
		return
	}
	if langs < 0 || langs > maxLanguages {
		r.fail(formatError("labels: want at most %d languages, file has %d", maxLanguages, langs))
		return
	}
	last := ""
	for range langs {
		lang := r.text()
		if r.err == nil && lang <= last {
			r.fail(formatError("labels: want languages in ascending order, file has %.20q after %.20q", lang, last))
		}
		last = lang
		if n := r.count(); r.err == nil && n != len(classes) {
			r.fail(formatError("labels: want %d labels in %.20q, file has %d", len(classes), lang, n))
		}
		if r.err != nil {
			return
		}
		for i := range classes {
			if s := r.text(); s != "" {
				if classes[i].Labels == nil {
					classes[i].Labels = map[string]string{}
				}
				classes[i].Labels[lang] = s
			}
		}
	}
}

// prep reads the keys from resize to std.
func (r *reader) prep(p *resnet.Prep) {
	r.field("resize")
	p.Resize = r.num(1, maxSide)
	r.field("crop")
	p.Crop = r.num(1, maxSide)
	r.field("filter")
	filters := [2]string{engine.Bilinear.String(), engine.Bicubic.String()}
	known := filters
	if r.format == 1 {
		known[0] = "linear"
	}
	p.Filter = word(filters, r.word(known))
	if r.format > 1 {
		r.field("rounding")
		p.Floor = r.word(roundings)
	}
	r.field("mean")
	copy(p.Mean[:], r.floats(3))
	r.field("std")
	copy(p.Std[:], r.floats(3))
}

// layers reads the parameters of convs, or where their weights are. Each layer's size is held against the file before
// the next is read.
func (r *reader) layers(convs []resnet.Conv, scales []float32) []resnet.QuantConv {
	r.field("layers")
	if n := r.count(); r.err == nil && n != len(convs) {
		r.fail(formatError("layers: want %d, file has %d", len(convs), n))
	}
	if r.err != nil {
		return nil
	}
	list := make([]resnet.QuantConv, len(convs))
	for i, c := range convs {
		q, out8 := &list[i], engine.PadChannels(c.Out)
		r.at = c.Name
		r.mapLen(layerKeys)
		r.key("name")
		q.Name, q.Scale = r.text(), scales[i]
		r.key("weights")
		q.W, q.At = r.weights(packedSize(c))
		r.key("m")
		q.M = r.floats(out8)
		r.key("b")
		q.B = r.floats(out8)
		if r.err != nil {
			return nil
		}
	}
	return list
}

// head reads the linear layers behind the features: format 1 has one, and it is no array.
func (r *reader) head(m *resnet.Model, features int) {
	if r.format == 1 {
		r.field("fc")
		r.mapLen(linearKeys1)
		m.Head = append(m.Head, r.linear(len(m.Classes), features))
		return
	}
	r.field("head")
	n := r.count()
	if r.err == nil && (n < 1 || n > maxHead) {
		r.fail(formatError("head: want 1 to %d linear layers, file has %d", maxHead, n))
	}
	for range n {
		if r.err != nil {
			return
		}
		r.mapLen(linearKeys)
		r.key("outputs")
		outputs := r.num(1, maxOutputs)
		m.Head = append(m.Head, r.linear(outputs, features))
		features = outputs
	}
}

// linear reads a linear layer, whose size is held against the file before anything is allocated.
func (r *reader) linear(outputs, inputs int) (l resnet.QuantLinear) {
	r.key("weights")
	l.W = asInts(r.bin(outputs * inputs))
	r.key("scale")
	l.Scale = r.floats(outputs)
	r.key("b")
	l.B = r.floats(outputs)
	return l
}
