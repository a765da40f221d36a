//go:build js

package main

import (
	"image"
	"io"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall/js"
	"unsafe"

	"honnef.co/go/js/dom/v2"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights"
)

// session is one model and the picture under way.
type session struct {
	settings   settings
	model      *resnet.Model
	classifier *resnet.Classifier
	executor   engine.Executor // the classifier's
	options    resnet.Options

	fitter *resnet.Fitter
	strip  []byte // rows on their way to the fitter
	crop   *image.RGBA
	box    image.Rectangle
}

func (s *session) prepare(args []js.Value) (any, error) {
	s.settings = readSettings(args[0])
	return nil, nil
}

func (s *session) open(args []js.Value) (any, error) {
	defer debug.SetGCPercent(100)
	file := file{args[0]}
	m, err := file.read(args[1].Bool())
	if err != nil {
		return nil, err
	}
	s.model = m
	threads := 1
	s.classifier, err = resnet.NewClassifier(m, func(p *engine.Program) (engine.Executor, error) {
		s.executor, threads, err = s.settings.open(p, file)
		return s.executor, err
	})
	if err != nil {
		return nil, err
	}
	if s.settings.simd != "none" {
		// The machine has its own copy of the weights; only the last layer is still needed here (for heat maps).
		m.FC.W, m.Convs = slices.Clone(m.FC.W), nil
		if err := s.warm(); err != nil {
			return nil, err
		}
	}
	ids, labels := make([]string, len(m.Classes)), make([]string, len(m.Classes))
	for i, c := range m.Classes {
		ids[i], labels[i] = c.ID, c.Label(args[2].String())
	}
	return map[string]any{
		"architecture": m.Name,
		"inputSize":    m.Prep.Crop,
		"ids":          strings.Join(ids, "\x00"), // one long string passes sooner than thousands of objects
		"labels":       strings.Join(labels, "\x00"),
		"simd":         s.settings.simd,
		"threads":      threads,
	}, nil
}

// file is a model file, a Uint8Array.
type file struct{ js.Value }

func (f file) ReadAt(b []byte, at int64) (int, error) {
	n := js.CopyBytesToGo(b, f.Call("subarray", int(at)))
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// read leaves the weights where they are, unless Go has to compare the checksum.
func (f file) read(verified bool) (*resnet.Model, error) {
	if verified {
		return weights.ReadAt(f, f.Length())
	}
	data := make([]byte, f.Length())
	js.CopyBytesToGo(data, f.Value)
	return weights.Read(data)
}

// Limits of warm.
const (
	warmRuns = 8
	warmTime = 60 // ms
)

// warm runs the machine until it gets no faster, so that the first picture does not wait for the browser to optimise it.
func (s *session) warm() error {
	picture := make([]byte, s.classifier.Program().Input.Bytes())
	last, left := math.Inf(1), float64(warmTime)
	for range warmRuns {
		start := now()
		if err := s.executor.Run(picture); err != nil {
			return err
		}
		t := now() - start
		if left -= t; left < 0 || t > 0.95*last {
			break
		}
		last = t
	}
	return nil
}

func (s *session) check(args []js.Value) (any, error) {
	return nil, resnet.CheckSize(args[0].Int(), args[1].Int())
}

func (s *session) fit(args []js.Value) (any, error) {
	f, err := resnet.NewFitter(s.model.Prep, args[0].Int(), args[1].Int())
	if err != nil {
		return nil, err
	}
	s.fitter = f
	region := rectangle(f.Region())
	region["rows"] = f.Rows()
	return region, nil
}

func (s *session) write(args []js.Value) (any, error) {
	data := args[0]
	if data.InstanceOf(imageData) {
		pixels := dom.ImageData{Value: data}
		data = pixels.Data()
	}
	n := data.Length()
	s.strip = slices.Grow(s.strip[:0], n)[:n]
	js.CopyBytesToGo(s.strip, data)
	return nil, s.fitter.Write(s.strip)
}

func (s *session) finish(args []js.Value) (any, error) {
	crop, err := s.fitter.Finish()
	if err != nil {
		return nil, err
	}
	if args[0].Truthy() { // no step so far told red from blue
		for p := crop.Pix; len(p) >= 4; p = p[4:] {
			p[0], p[2] = p[2], p[0]
		}
	}
	s.crop, s.box, s.fitter = crop, s.fitter.Box(), nil
	return nil, nil
}

func (s *session) choose(args []js.Value) (any, error) {
	s.options = resnet.Options{
		TopK:      args[0].Int(),
		Threshold: args[1].Float(),
		Allow:     entries(args[2]),
		Deny:      entries(args[3]),
		Heatmap:   args[4].Int(),
	}
	return nil, s.classifier.Check(s.options)
}

func (s *session) classify([]js.Value) (any, error) {
	r, err := s.classifier.Classify(s.crop, s.options)
	if err != nil {
		return nil, err
	}
	indices, probabilities := array.New(), array.New()
	for _, p := range r.Predictions {
		indices.Call("push", p.Index)
		probabilities.Call("push", p.Probability)
	}
	value := map[string]any{"indices": indices, "probabilities": probabilities, "sure": r.Sure}
	if h := r.Heatmap; h != nil {
		value["heatmap"] = map[string]any{
			"index": h.Index, "width": h.Width, "height": h.Height, "data": floats(h.Data), "box": rectangle(s.box),
		}
	}
	return value, nil
}

func (s *session) embed([]js.Value) (any, error) {
	if err := s.classifier.Run(s.crop); err != nil {
		return nil, err
	}
	return floats(s.classifier.Features()), nil
}

// entries are the indices, ids and labels of an allow or deny list, null for none.
func entries(list js.Value) []string {
	if list.IsNull() {
		return nil
	}
	out := make([]string, list.Length())
	for i := range out {
		switch v := list.Index(i); v.Type() {
		case js.TypeNumber:
			out[i] = strconv.Itoa(v.Int())
		default:
			out[i] = v.String()
		}
	}
	return out
}

func rectangle(r image.Rectangle) map[string]any {
	return map[string]any{"x": r.Min.X, "y": r.Min.Y, "width": r.Dx(), "height": r.Dy()}
}

// floats copies f to a Float32Array.
func floats(f []float32) js.Value {
	out := float32Array.New(len(f))
	js.CopyBytesToJS(uint8Array.New(out.Get("buffer")), unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(f))), 4*len(f)))
	return out
}
