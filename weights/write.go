package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/vmihailenco/msgpack/v5"

	"resnet-web/resnet"
)

// Write writes m as a model file.
//
// # Errors
//
// ErrFormat, wrapped, if m is not what Read would accept or if its weights are still in the file that ReadAt read;
// otherwise those of w.
func Write(w io.Writer, m *resnet.Model) error {
	if err := check(m); err != nil {
		return err
	}
	for _, c := range m.Convs {
		if c.W == nil {
			return formatError("%s: want its weights in memory, they are at byte %d of the file that the model was read from", c.Name, c.At)
		}
	}
	langs := languages(m.Classes)
	if len(langs) > maxLanguages {
		return formatError("labels: want at most %d languages, got %d", maxLanguages, len(langs))
	}
	sum := newDigest()
	e := &encoder{Encoder: msgpack.NewEncoder(io.MultiWriter(w, sum))}
	e.UseCompactInts(true)
	e.do(e.EncodeMapLen(fileKeys))
	e.header(m.Config)
	e.classes(m.Classes, langs)
	e.prep(m.Prep)
	scales := make([]float32, len(m.Convs))
	for i, c := range m.Convs {
		scales[i] = c.Scale
	}
	e.floats("scales", scales)
	e.float("temperature", m.Temperature)
	e.float("unsure", m.Unsure)
	e.text("output", word(outputs, m.MultiLabel))
	e.text("source", m.Source)
	e.text("licence", m.Licence)
	e.layers(m.Convs)
	e.head(m.Head)
	if e.err == nil {
		_, e.err = w.Write(sum.Sum(nil))
	}
	if e.err != nil {
		return fmt.Errorf("weights: cannot write the model: %w", e.err)
	}
	return nil
}

// encoder writes keys with their values and keeps the first error.
type encoder struct {
	*msgpack.Encoder
	err error
}

func (e *encoder) do(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) key(k string) { e.do(e.EncodeString(k)) }

func (e *encoder) text(k, v string) { e.key(k); e.do(e.EncodeString(v)) }

func (e *encoder) num(k string, v int) { e.key(k); e.do(e.EncodeInt(int64(v))) }

func (e *encoder) float(k string, v float32) { e.key(k); e.do(e.EncodeFloat32(v)) }

func (e *encoder) floats(k string, v []float32) {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	e.key(k)
	e.do(e.EncodeBytes(b))
}

func (e *encoder) ints(k string, v []int8) { e.key(k); e.do(e.EncodeBytes(asBytes(v))) }

// header writes the keys from magic to shortcut.
func (e *encoder) header(c resnet.Config) {
	e.text("magic", magic)
	e.num("format", formatVersion)
	e.num("layout", layoutVersion)
	e.text("architecture", c.Name)
	e.num("width", c.Width)
	e.num("inner", c.Inner)
	e.text("shortcut", c.Dashed.String())
}

// classes writes ids and labels.
func (e *encoder) classes(list []resnet.Class, langs []string) {
	e.key("ids")
	e.do(e.EncodeArrayLen(len(list)))
	for _, c := range list {
		e.do(e.EncodeString(c.ID))
	}
	e.key("labels")
	e.do(e.EncodeMapLen(len(langs)))
	for _, l := range langs {
		e.key(l)
		e.do(e.EncodeArrayLen(len(list)))
		for _, c := range list {
			e.do(e.EncodeString(c.Labels[l]))
		}
	}
}

// prep writes the keys from resize to std.
func (e *encoder) prep(p resnet.Prep) {
	e.num("resize", p.Resize)
	e.num("crop", p.Crop)
	e.text("filter", p.Filter)
	e.text("rounding", word(roundings, p.Floor))
	e.floats("mean", p.Mean[:])
	e.floats("std", p.Std[:])
}

func (e *encoder) layers(list []resnet.QuantConv) {
	e.key("layers")
	e.do(e.EncodeArrayLen(len(list)))
	for _, c := range list {
		e.do(e.EncodeMapLen(layerKeys))
		e.text("name", c.Name)
		e.ints("weights", c.W)
		e.floats("m", c.M)
		e.floats("b", c.B)
	}
}

func (e *encoder) head(list []resnet.QuantLinear) {
	e.key("head")
	e.do(e.EncodeArrayLen(len(list)))
	for _, l := range list {
		e.do(e.EncodeMapLen(linearKeys))
		e.num("outputs", len(l.B))
		e.ints("weights", l.W)
		e.floats("scale", l.Scale)
		e.floats("b", l.B)
	}
}

// languages lists those in which any class has a label, in ascending order.
func languages(classes []resnet.Class) []string {
	seen := map[string]bool{}
	var list []string
	for _, c := range classes {
		for l, s := range c.Labels {
			if s != "" && !seen[l] {
				seen[l] = true
				list = append(list, l)
			}
		}
	}
	sort.Strings(list)
	return list
}
