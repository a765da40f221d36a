package resnet

import "strings"

// Class is one output of a network.
type Class struct {
	ID     string            // WordNet id, "n02099712", or "" where there is none
	Labels map[string]string // by language: "en", "zh"
}

// Label is the class's name in lang, or in English, or its id. lang is a BCP 47 tag; where there is nothing in
// "zh-Hans-CN", what is in "zh-Hans" or "zh" will do (RFC 4647, 3.4).
func (c Class) Label(lang string) string {
	for tag := lang; tag != ""; tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)] {
		if s := c.Labels[tag]; s != "" {
			return s
		}
	}
	if s := c.Labels["en"]; s != "" {
		return s
	}
	return c.ID
}

// Prep says how a picture becomes the network's input: the shorter side is scaled to Resize, then the centre
// Crop × Crop is cut out and normalised by Mean and Std (of values in 0…1, RGB).
type Prep struct {
	Resize, Crop int
	Filter       string // "bilinear" or "bicubic", Pillow's, see engine.Scaling
	Mean, Std    [3]float32

	// Floor is where the crop begins if an odd number of rows or columns is over: half of it, rounded down, as Hugging
	// Face's processors have it. Otherwise it is rounded to an even number, as torchvision has it.
	Floor bool
}

// ImageNetPrep is torchvision's evaluation recipe for the ImageNet checkpoints.
var ImageNetPrep = Prep{Resize: 256, Crop: 224, Filter: "bilinear",
	Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}

// Model is a quantised network: what a model file holds.
type Model struct {
	Config
	Classes     []Class
	Prep        Prep
	MultiLabel  bool    // classes do not exclude each other: a probability is the sigmoid of its logit, they need not sum to 1
	Temperature float32 // logits are divided by it before softmax or sigmoid; 1 when not calibrated
	Unsure      float32 // a best probability below this is reported as not sure; 0 when not calibrated
	Source      string  // where the checkpoint came from
	Licence     string

	Convs []QuantConv   // in the order of Network.Convs
	Head  []QuantLinear // in the order of Network.Head
}

// QuantConv holds a convolution as the engine reads it.
type QuantConv struct {
	Name  string
	W     []int8    // packed by engine.PackConv: output blocks of 8, taps, groups of 4 inputs, 8 outputs × 4 inputs
	At    int       // where W begins in the model file, if it was left there (W is nil)
	M, B  []float32 // requantisation per output channel, padded with zeros to a multiple of 8, in units of the output's scale
	Scale float32   // real value of one step of the 7-bit output; a projection has its block's
}

// QuantLinear holds a linear layer: int8 rows with a float32 scale each.
type QuantLinear struct {
	W        []int8    // Out × In, row-major
	Scale, B []float32 // per output
}

// FC is the last layer, which gives the logits.
func (m *Model) FC() *QuantLinear { return &m.Head[len(m.Head)-1] }

// Network is the wiring of the model. The outputs of the layers before the last are as many as they have biases.
func (m *Model) Network() Network {
	var hidden []int
	for _, l := range m.Head[:max(len(m.Head)-1, 0)] {
		hidden = append(hidden, len(l.B))
	}
	return m.Config.Network(len(m.Classes), hidden...)
}
