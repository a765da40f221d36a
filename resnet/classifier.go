package resnet

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"

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
	Lang      string   // of the labels; English where a class has none in it
	Heatmap   int      // HeatmapNone, HeatmapBest, or a class index
}

// Prediction is one class with its probability.
type Prediction struct {
	Index       int
	ID, Label   string
	Probability float64
}

// Result is what Classify finds.
type Result struct {
	Predictions []Prediction // best first
	Sure        bool         // there is a prediction and the first is not below the model's Unsure
	Heatmap     *Heatmap     // nil unless asked for
}

// Classifier runs a model on one picture at a time. It is not safe for concurrent use.
type Classifier struct {
	model   *Model
	program *engine.Program
	run     engine.Executor
	scale   float32 // of program.Last

	input, last   []byte
	scratch       []byte // features or logits
	features      []float32
	logits        []float32
	probabilities []float64
}

// NewClassifier compiles m and opens an executor for it, engine.Reference for one.
func NewClassifier(m *Model, open func(*engine.Program) (engine.Executor, error)) (*Classifier, error) {
	p, err := Compile(m)
	if err != nil {
		return nil, err
	}
	run, err := open(p)
	if err != nil {
		return nil, err
	}
	n := m.Network()
	end := n.Blocks[len(n.Blocks)-1].End() // whose output is the last feature map
	return &Classifier{
		model: m, program: p, run: run, scale: m.Convs[end.Index].Scale,
		input: make([]byte, p.Input.Bytes()), last: make([]byte, p.Last.Bytes()),
		scratch:  make([]byte, max(p.Features.Bytes(), p.Logits.Bytes())),
		features: make([]float32, n.Features), logits: make([]float32, n.Classes), probabilities: make([]float64, n.Classes),
	}, nil
}

// Model is what the classifier was made from.
func (c *Classifier) Model() *Model { return c.model }

// Program is what the executor runs.
func (c *Classifier) Program() *engine.Program { return c.program }

// Features are the averages before the linear layer, of the last picture classified; valid until the next.
func (c *Classifier) Features() []float32 { return c.features }

// Logits are the outputs of the linear layer, of the last picture classified; valid until the next.
func (c *Classifier) Logits() []float32 { return c.logits }

// Close frees the executor.
func (c *Classifier) Close() error { return c.run.Close() }

// Check reports whether Classify takes o, for a message before any work is done.
//
// # Errors
//
// ErrOption, for a negative TopK, a threshold outside 0…1, an entry of a list that names no class, or a heat map of a
// class that does not exist.
func (c *Classifier) Check(o Options) error {
	_, err := c.keep(o)
	return err
}

func (c *Classifier) keep(o Options) ([]bool, error) {
	if o.TopK < 0 {
		return nil, fmt.Errorf("resnet: %w: topK: want 1 or more, or 0 for 5, got %d", ErrOption, o.TopK)
	}
	if !(o.Threshold >= 0 && o.Threshold <= 1) {
		return nil, fmt.Errorf("resnet: %w: threshold: want a probability from 0 to 1, got %v", ErrOption, o.Threshold)
	}
	if o.Heatmap < HeatmapNone || o.Heatmap >= len(c.model.Classes) {
		return nil, fmt.Errorf("resnet: %w: heatmap: want a class index from 0 to %d, got %d", ErrOption, len(c.model.Classes)-1, o.Heatmap)
	}
	return Keep(c.model.Classes, o.Allow, o.Deny)
}

// Classify runs the network on a crop as Fitter makes it, Prep.Crop × Prep.Crop and opaque (alpha is ignored).
//
// # Errors
//
// Those of Check; ErrDecode for a crop of another size; those of the executor.
func (c *Classifier) Classify(crop *image.RGBA, o Options) (Result, error) {
	keep, err := c.keep(o)
	if err != nil {
		return Result{}, err
	}
	if err := c.Run(crop); err != nil {
		return Result{}, err
	}
	Softmax(c.probabilities, c.logits, c.model.Temperature)
	k := o.TopK
	if k == 0 {
		k = 5
	}
	var r Result
	for _, i := range TopK(c.logits, c.probabilities, keep, k, o.Threshold) {
		class := c.model.Classes[i]
		r.Predictions = append(r.Predictions, Prediction{i, class.ID, class.Label(o.Lang), c.probabilities[i]})
	}
	r.Sure = len(r.Predictions) > 0 && r.Predictions[0].Probability >= float64(c.model.Unsure)
	if o.Heatmap == HeatmapNone {
		return r, nil
	}
	index := o.Heatmap
	if index == HeatmapBest {
		if len(r.Predictions) > 0 {
			index = r.Predictions[0].Index
		} else { // the lists or the threshold left none
			all, _ := Keep(c.model.Classes, nil, nil)
			index = TopK(c.logits, c.probabilities, all, 1, 0)[0]
		}
	}
	if err := c.run.Read(c.program.Last, c.last); err != nil {
		return Result{}, err
	}
	t := c.program.Last
	r.Heatmap = NewHeatmap(c.last, t.H, t.W, t.C, c.scale, c.model.FC, index)
	return r, nil
}

// Run computes Features and Logits for a crop, and nothing else.
func (c *Classifier) Run(crop *image.RGBA) error {
	size := c.model.Prep.Crop
	if crop == nil || crop.Rect.Dx() != size || crop.Rect.Dy() != size || crop.Stride != 4*size {
		return fmt.Errorf("resnet: %w: want a crop of %d×%d pixels in one piece, as Fit makes it", ErrDecode, size, size)
	}
	c.program.Quantise(c.input, crop.Pix[:4*size*size])
	if err := c.run.Run(c.input); err != nil {
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
