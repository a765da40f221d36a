//go:build js

package main

import (
	"fmt"
	"image"
	"io"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall/js"
	"unsafe"

	"honnef.co/go/js/dom/v2"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights"
)

// session is one model and the pictures under way.
type session struct {
	settings   settings
	classifier *resnet.Classifier
	executor   engine.Executor // the classifier's
	pictures   map[int]*picture
	newest     int
	warmup
}

// picture is what one call asks and, once its size is known, where it stands.
type picture struct {
	view     resnet.View
	query    *resnet.Query
	features bool
	strip    js.Value // a Uint8Array that takes rows
	*resnet.Picture
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
	if s.executor != nil { // of a file whose checksum was wrong; its threads have ended with it
		if err := s.executor.Close(); err != nil {
			return nil, err
		}
		s.settings.startThreads()
	}
	threads := 1
	s.classifier, err = resnet.NewClassifier(m, func(p *engine.Program) (engine.Executor, error) {
		s.executor, threads, err = s.settings.open(p, file)
		return s.executor, err
	})
	if err != nil {
		return nil, err
	}
	s.warmup = warmup{runs: warmRuns, left: warmTime, last: math.Inf(1)}
	// One long string passes sooner than thousands of objects.
	ids, labels := make([]string, len(m.Classes)), map[string]any{}
	for i, c := range m.Classes {
		ids[i] = c.ID
		for lang := range c.Labels {
			labels[lang] = nil
		}
	}
	labels["en"] = nil
	for lang := range labels {
		list := make([]string, len(m.Classes))
		for i, c := range m.Classes {
			list[i] = c.Label(lang)
		}
		labels[lang] = strings.Join(list, "\x00")
	}
	return map[string]any{
		"architecture": m.Name,
		"inputSize":    m.Prep.Crop,
		"multiLabel":   m.MultiLabel,
		"ids":          strings.Join(ids, "\x00"),
		"labels":       labels,
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

// warmup is how far warm is.
type warmup struct {
	picture *resnet.Picture // the one that is under way, if not nil
	y       int             // how many of its rows are written
	runs    int             // how many pictures there may still be
	spent   float64         // ms, on this picture
	last    float64         // ms that the picture before it took
	left    float64         // ms that are left for all of them
}

// warm takes pictures of the commonest kind of size through the machine until it gets no faster, so that the first one of the
// page does not wait for the browser to optimise it. Whatever lies in the strip serves as their pixels. Each call does a
// part of that which takes a few ms once the code is warm; between two calls the machine may be used for something else,
// after which warm is not called any more. It says whether there is more to do.
func (s *session) warm([]js.Value) (any, error) {
	machine, ok := s.executor.(*engine.BrowserExecutor)
	if !ok || s.runs == 0 {
		return false, nil
	}
	start := now()
	isOver, err := s.step(machine)
	if err != nil {
		return nil, err
	}
	s.spent += now() - start
	if !isOver {
		return true, nil
	}
	if s.left -= s.spent; s.left < 0 || s.spent > 0.95*s.last {
		s.runs = 1
	}
	s.warmup = warmup{runs: s.runs - 1, left: s.left, last: s.spent}
	return s.runs > 0, nil
}

// step does the next part of a picture of warm, and says whether it was the last one.
func (s *session) step(machine *engine.BrowserExecutor) (bool, error) {
	p := s.warmup.picture
	if p == nil {
		p, err := s.classifier.Begin(500, 375, resnet.View{})
		s.warmup.picture = p
		return false, err
	}
	if n := min(p.Rows(), p.Part().Dy()-s.y); n > 0 {
		s.y += n
		return false, p.WriteWith(func() error { return machine.WriteStrip(n, engine.BGRA) })
	}
	return true, p.Embed()
}

func (s *session) check(args []js.Value) (any, error) {
	return nil, resnet.CheckSize(args[0].Int(), args[1].Int())
}

// request reads what a call asks about a picture: { topK, threshold, allow, deny, heatmap, features, region, squash }.
func (s *session) request(args []js.Value) (any, error) {
	o := args[0]
	q, err := s.classifier.Query(resnet.Options{
		TopK:      o.Get("topK").Int(),
		Threshold: o.Get("threshold").Float(),
		Allow:     entries(o.Get("allow")),
		Deny:      entries(o.Get("deny")),
		Heatmap:   o.Get("heatmap").Int(),
	})
	if err != nil {
		return nil, err
	}
	p := &picture{query: q, features: o.Get("features").Bool(), view: resnet.View{Squash: o.Get("squash").Bool()}}
	if r := o.Get("region"); !r.IsNull() {
		x, y := r.Get("x").Int(), r.Get("y").Int()
		p.view.Region = image.Rectangle{image.Pt(x, y), image.Pt(x+r.Get("width").Int(), y+r.Get("height").Int())}
	}
	s.newest++
	s.pictures[s.newest] = p
	return s.newest, nil
}

// of is the picture whose number is the first argument.
func (s *session) of(args []js.Value) (*picture, error) {
	p := s.pictures[args[0].Int()]
	if p == nil {
		return nil, fmt.Errorf("wasm: no picture %d is under way", args[0].Int())
	}
	return p, nil
}

// begun is the same for a call that needs the picture's begin before it; what says what the call is, for the error.
func (s *session) begun(args []js.Value, what string) (*picture, error) {
	p, err := s.of(args)
	if err == nil && p.Picture == nil {
		err = fmt.Errorf("wasm: %s before begin", what)
	}
	return p, err
}

func (s *session) begin(args []js.Value) (any, error) {
	p, err := s.of(args)
	if err != nil {
		return nil, err
	}
	if p.Picture, err = s.classifier.Begin(args[1].Int(), args[2].Int(), p.view); err != nil {
		return nil, err
	}
	part := rectangle(p.Part())
	part["rows"] = p.Rows()
	p.strip = s.strip(p)
	part["strip"] = p.strip
	return part, nil
}

// strip is memory for as many rows of a picture as one write takes.
func (s *session) strip(p *picture) js.Value {
	if b, ok := s.executor.(*engine.BrowserExecutor); ok {
		return b.Strip(p.Rows())
	}
	return uint8Array.New(4 * p.Part().Dx() * p.Rows())
}

// formats are the orders of a pixel's bytes, by the names of VideoFrame.
var formats = map[string]engine.Format{"RGBA": engine.RGBA, "BGRA": engine.BGRA, "RGBX": engine.RGBX, "BGRX": engine.BGRX}

func (s *session) write(args []js.Value) (any, error) {
	p, err := s.begun(args, "rows")
	if err != nil {
		return nil, err
	}
	n, format := args[1].Int(), formats[args[2].String()]
	if args[3].Truthy() {
		pixels := dom.ImageData{Value: args[3]}
		p.strip.Call("set", pixels.Data())
	}
	if b, ok := s.executor.(*engine.BrowserExecutor); ok {
		return nil, p.WriteWith(func() error { return b.WriteStrip(n, format) })
	}
	rows := make([]byte, 4*p.Part().Dx()*n)
	js.CopyBytesToGo(rows, p.strip)
	return nil, p.Write(rows, format)
}

// input is the network's input as the picture's rows have made it, without its border: size × size × (red, green, blue, 0),
// 7 bits each.
func (s *session) input(args []js.Value) (any, error) {
	if _, err := s.begun(args, "input"); err != nil {
		return nil, err
	}
	program := s.classifier.Program()
	t, size := program.Input, program.ImageSize()
	b := make([]byte, t.Bytes())
	if err := s.executor.Read(t, b); err != nil {
		return nil, err
	}
	pad := (t.W - size) / 2
	for y := range size {
		copy(b[4*size*y:], b[4*((y+pad)*t.W+pad):][:4*size])
	}
	b = b[:4*size*size]
	out := uint8Array.New(len(b))
	js.CopyBytesToJS(out, b)
	return out, nil
}

func (s *session) run(args []js.Value) (any, error) {
	p, err := s.begun(args, "run")
	if err != nil {
		return nil, err
	}
	r, err := p.Classify(p.query)
	if err != nil {
		return nil, err
	}
	indices, probabilities := array.New(), array.New()
	for _, p := range r.Predictions {
		indices.Call("push", p.Index)
		probabilities.Call("push", p.Probability)
	}
	value := map[string]any{"indices": indices, "probabilities": probabilities, "sure": r.Sure, "number": r.Number, "box": rectangle(r.Box)}
	if r.Heatmap != nil {
		value["heatmap"] = heatmap(r.Heatmap)
	}
	if p.features {
		value["features"] = floats(s.classifier.Features())
	}
	return value, nil
}

// embed runs the network for its features alone.
func (s *session) embed(args []js.Value) (any, error) {
	p, err := s.begun(args, "embed")
	if err != nil {
		return nil, err
	}
	if err := p.Embed(); err != nil {
		return nil, err
	}
	return floats(s.classifier.Features()), nil
}

// drop ends a picture, run or not.
func (s *session) drop(args []js.Value) (any, error) {
	delete(s.pictures, args[0].Int())
	return nil, nil
}

// heatmap is the map of another class: of the result with a number, the class with an index.
func (s *session) heatmap(args []js.Value) (any, error) {
	h, err := s.classifier.Heatmap(args[0].Int(), args[1].Int())
	if err != nil {
		return nil, err
	}
	return heatmap(h), nil
}

func heatmap(h *resnet.Heatmap) map[string]any {
	return map[string]any{"index": h.Index, "width": h.Width, "height": h.Height, "data": floats(h.Data)}
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
