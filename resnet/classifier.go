package resnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"resnet-web/engine"
)

// Values of Options.Heatmap that are no class index.
const (
	HeatmapNone = -2
	HeatmapBest = -1 // the class of the first prediction
)

// Options say what Classify reports. Only the ranking is affected: probabilities are those of all classes, whatever the
// lists leave out.
type Options struct {
	TopK      int      // at most so many predictions; 0 means 5
	Threshold float64  // least probability of a prediction, 0…1
	Allow     []string // if not empty, only these classes: index, label or WordNet id
	Deny      []string // not these classes
	Heatmap   int      // HeatmapNone, HeatmapBest, or a class index
}

// Prediction is one class with its probability.
type Prediction struct {
	Index       int // in Model.Classes
	Probability float64
}

// Result is what Classify finds.
type Result struct {
	Predictions []Prediction    // best first
	Sure        bool            // there is a prediction and the first is not below the model's Unsure
	Heatmap     *Heatmap        // nil unless asked for
	Box         image.Rectangle // what the network looked at, in pixels of the upright picture
	Number      int             // for Classifier.Heatmap
}

// Classifier runs a model on one picture at a time. It is not safe for concurrent use.
//
//	q, err := c.Query(options)
//	p, err := c.Begin(width, height, View{})
//	for each strip of p.Part(), p.Rows() rows, from the top {
//		err = p.Write(rows, engine.RGBA)
//	}
//	result, err := p.Classify(q)
type Classifier struct {
	model   *Model
	program *engine.Program
	run     engine.Executor
	scale   float32 // of program.Last

	picture *Picture       // under way
	scaler  *engine.Scaler // of the last picture, for the next of its size

	results          int              // classified so far
	maps             [KeptMaps][]byte // the last feature maps of the latest, by number
	scratch          []byte           // features or logits
	features, logits []float32
	probabilities    []float64
}

// KeptMaps is of how many of the latest results Heatmap can still show another class.
const KeptMaps = 8

// NewClassifier compiles m and opens an executor for it, engine.Reference for one. The executor has the weights; the
// classifier keeps those of the head, for heat maps.
func NewClassifier(m *Model, open func(*engine.Program) (engine.Executor, error)) (*Classifier, error) {
	p, err := Compile(m)
	if err != nil {
		return nil, err
	}
	run, err := open(p)
	if err != nil {
		return nil, err
	}
	head := *m
	head.Convs, head.Head = nil, slices.Clone(m.Head)
	for i := range head.Head {
		head.Head[i].W = slices.Clone(head.Head[i].W)
	}
	n := m.Network()
	end := n.Blocks[len(n.Blocks)-1].End() // whose output is the last feature map
	return &Classifier{
		model: &head, program: p.Weightless(), run: run, scale: m.Convs[end.Index].Scale,
		scratch:  make([]byte, max(p.Features.Bytes(), p.Logits.Bytes())),
		features: make([]float32, n.Features), logits: make([]float32, n.Classes), probabilities: make([]float64, n.Classes),
	}, nil
}

// Model is what the classifier was made from, without its convolutions.
func (c *Classifier) Model() *Model { return c.model }

// Program is what the executor runs.
func (c *Classifier) Program() *engine.Program { return c.program }

// Features are the averages before the head, of the last picture classified; valid until the next.
func (c *Classifier) Features() []float32 { return c.features }

// Logits are the outputs of the head, of the last picture classified; valid until the next.
func (c *Classifier) Logits() []float32 { return c.logits }

// Close frees the executor.
func (c *Classifier) Close() error { return c.run.Close() }

// Query is what is asked about a picture, checked: Options with the lists looked up. It serves any number of pictures.
type Query struct {
	o    Options
	keep []bool
}

// Query checks o.
//
// # Errors
//
// ErrOption, for a negative TopK, a threshold outside 0…1, an entry of a list that names no class, or a heat map of a
// class that does not exist.
func (c *Classifier) Query(o Options) (*Query, error) {
	if o.TopK < 0 {
		return nil, fmt.Errorf("resnet: %w: topK: want 1 or more, or 0 for 5, got %d", ErrOption, o.TopK)
	}
	if o.TopK == 0 {
		o.TopK = 5
	}
	if !(o.Threshold >= 0 && o.Threshold <= 1) {
		return nil, fmt.Errorf("resnet: %w: threshold: want a probability from 0 to 1, got %v", ErrOption, o.Threshold)
	}
	if o.Heatmap < HeatmapNone || o.Heatmap >= len(c.model.Classes) {
		return nil, fmt.Errorf("resnet: %w: heatmap: want a class index from 0 to %d, got %d", ErrOption, len(c.model.Classes)-1, o.Heatmap)
	}
	keep, err := Keep(c.model.Classes, o.Allow, o.Deny)
	if err != nil {
		return nil, err
	}
	return &Query{o, keep}, nil
}

// Picture is one picture on its way through a classifier, from Begin to Classify or Embed, which end it.
type Picture struct {
	c      *Classifier
	part   image.Rectangle
	box    image.Rectangle
	scaler *engine.Scaler
}

// Begin announces a picture of w×h pixels, counted upright, in the place of the one under way.
//
// # Errors
//
// Those of CheckSize; ErrOption for a region that is not inside the picture; those of the executor.
func (c *Classifier) Begin(w, h int, v View) (*Picture, error) {
	c.picture = nil
	s, origin, err := c.model.Prep.scaling(w, h, v)
	if err != nil {
		return nil, err
	}
	if c.scaler == nil || c.scaler.Scaling != s {
		if c.scaler, err = engine.NewScaler(s); err != nil {
			return nil, err
		}
	}
	if err := c.run.Begin(c.scaler); err != nil {
		return nil, err
	}
	c.picture = &Picture{c: c, part: c.scaler.Part().Add(origin), box: box(s, origin), scaler: c.scaler}
	return c.picture, nil
}

// Part is the part of the picture to be written, the only one that the result depends on.
func (p *Picture) Part() image.Rectangle { return p.part }

// Rows is how many rows of the part a Write takes best.
func (p *Picture) Rows() int { return p.scaler.Rows() }

// Write takes the next rows of the part, whole.
func (p *Picture) Write(rows []byte, format engine.Format) error {
	return p.WriteWith(func() error { return p.c.run.Write(rows, format) })
}

// WriteWith is Write for those who know a shorter way into the executor: write takes the next rows there.
func (p *Picture) WriteWith(write func() error) error {
	if p.c.picture != p {
		return errOver
	}
	return write()
}

var errOver = errors.New("resnet: this picture is over; another has begun, or it was classified")

// Embed runs the network; Features and Logits have what it finds.
//
// # Errors
//
// Those of the executor; an error if rows are missing.
func (p *Picture) Embed() error {
	if p.c.picture != p {
		return errOver
	}
	p.c.picture = nil
	return p.c.compute()
}

// Classify runs the network and ranks what it finds.
//
// # Errors
//
// Those of Embed.
func (p *Picture) Classify(q *Query) (Result, error) {
	if err := p.Embed(); err != nil {
		return Result{}, err
	}
	c := p.c
	c.model.Probabilities(c.probabilities, c.logits)
	r := Result{Box: p.box, Number: c.results}
	for _, i := range TopK(c.logits, c.probabilities, q.keep, q.o.TopK, q.o.Threshold) {
		r.Predictions = append(r.Predictions, Prediction{i, c.probabilities[i]})
	}
	r.Sure = len(r.Predictions) > 0 && r.Predictions[0].Probability >= float64(c.model.Unsure)

	kept := &c.maps[c.results%KeptMaps]
	if *kept == nil {
		*kept = make([]byte, c.program.Last.Bytes())
	}
	c.results++
	if err := c.run.Read(c.program.Last, *kept); err != nil {
		return Result{}, err
	}
	index := q.o.Heatmap
	if index == HeatmapNone {
		return r, nil
	}
	if index == HeatmapBest {
		if len(r.Predictions) > 0 {
			index = r.Predictions[0].Index
		} else { // the lists or the threshold left none
			all, _ := Keep(c.model.Classes, nil, nil)
			index = TopK(c.logits, c.probabilities, all, 1, 0)[0]
		}
	}
	var err error
	r.Heatmap, err = c.Heatmap(r.Number, index)
	return r, err
}

// Heatmap is the map of a class for one of the latest KeptMaps results, by its number; the network does not run again.
//
// # Errors
//
// ErrOption for a result that is too long ago, or a class that does not exist.
func (c *Classifier) Heatmap(number, index int) (*Heatmap, error) {
	if number < 0 || number >= c.results || number < c.results-KeptMaps {
		return nil, fmt.Errorf("resnet: %w: heatmap: want one of the latest %d results; classify the picture again", ErrOption, KeptMaps)
	}
	if index < 0 || index >= len(c.model.Classes) {
		return nil, fmt.Errorf("resnet: %w: heatmap: want a class index from 0 to %d, got %d", ErrOption, len(c.model.Classes)-1, index)
	}
	t := c.program.Last
	return NewHeatmap(c.maps[number%KeptMaps], t.H, t.W, t.C, c.scale, c.model.Head, index), nil
}

// Classify decides about a decoded, upright image.
//
// # Errors
//
// Those of Query, Begin and Picture.Classify.
func (c *Classifier) Classify(img image.Image, v View, o Options) (Result, error) {
	q, err := c.Query(o)
	if err != nil {
		return Result{}, err
	}
	p, err := c.Begin(img.Bounds().Dx(), img.Bounds().Dy(), v)
	if err != nil {
		return Result{}, err
	}
	if err := feed(img, p.Part(), p.Rows(), p.Write); err != nil {
		return Result{}, err
	}
	return p.Classify(q)
}

// Run computes Features and Logits for an input that Fit has made, and nothing else.
func (c *Classifier) Run(crop *image.RGBA) error {
	size := c.model.Prep.Crop
	if crop == nil || crop.Rect.Dx() != size || crop.Rect.Dy() != size || crop.Stride != 4*size {
		return fmt.Errorf("resnet: %w: want a crop of %d×%d pixels in one piece, as Fit makes it", ErrDecode, size, size)
	}
	c.picture = nil
	input := make([]byte, c.program.Input.Bytes())
	c.program.Quantise(input, crop.Pix[:4*size*size])
	if err := c.run.SetImage(input); err != nil {
		return err
	}
	return c.compute()
}

// compute runs the network on the executor's image.
func (c *Classifier) compute() error {
	if err := c.run.Run(); err != nil {
		return err
	}
	if err := c.read(c.program.Features, c.features); err != nil {
		return err
	}
	return c.read(c.program.Logits, c.logits)
}

// read copies the first values of a float32 tensor.
func (c *Classifier) read(t engine.Tensor, dst []float32) error {
	b := c.scratch[:t.Bytes()]
	if err := c.run.Read(t, b); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}
