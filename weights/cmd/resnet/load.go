package main

import (
	"fmt"
	"io"
	"strconv"

	"resnet-web/engine"
	"resnet-web/resnet"
	"resnet-web/weights"
	"resnet-web/weights/checkpoint"
	"resnet-web/weights/labels"
)

// loadModel reads the model file at path, the built-in one for "".
func loadModel(path string) (*resnet.Model, error) {
	if path == "" {
		return weights.Read(weights.Builtin)
	}
	return weights.ReadFile(path)
}

// loaded is the network of a checkpoint, and what is to be said of it.
type loaded struct {
	*resnet.Float
	file    *checkpoint.Checkpoint // closed, for what it tells of the pictures
	notes   []string
	strides string // the note on them, if there is one
}

// loadFloat reads the network of a checkpoint. pad is 0 where the caller does not know how a CIFAR net pads its
// shortcuts. What had to be guessed is among the notes, with the flag that changes it.
func loadFloat(path, arch string, pad resnet.Shortcut) (loaded, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return loaded{}, err
	}
	defer c.Close()
	c.Pad = pad
	f, err := c.Float(arch)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", path, err)
	}
	notes, strides := c.Notes, ""
	if c.Format != "onnx" {
		if f.Dashed != resnet.Projection && !f.Plain && pad == 0 {
			notes = append(notes, "the file does not tell where the shortcuts have their zero channels: taken as half before "+
				"and half behind, as most have it; -pad append is all behind, as in the paper")
		}
		if f.Bottleneck && arch == "" {
			strides = fmt.Sprintf("the file does not tell which convolution of a block has its stride: taken as the second "+
				"(v1.5), as torchvision, timm and Hugging Face have it; -arch %s is the first, as in the paper", paper(f.Config))
			notes = append(notes, strides)
		}
	}
	return loaded{f, c, notes, strides}, nil
}

// paper is the name of a network of bottlenecks with its strides where the paper has them, without widths, which shapes
// tell.
func paper(c resnet.Config) string {
	kind := ""
	switch {
	case len(c.Stages) == 3:
		kind = "cifarbottleneck"
	case c.Small:
		kind = "s"
	}
	return fmt.Sprintf("resnet%d%sv1", c.Depth, kind)
}

// say prints the notes on the checkpoint at path.
func say(w io.Writer, path string, notes []string) {
	for _, n := range notes {
		fmt.Fprintf(w, "resnet: note: %s: %s\n", printable(path), oneLine(n))
	}
}

// classesFor names the outputs of a checkpoint that brings no labels: ImageNet's classes, or their numbers.
func classesFor(n int) []resnet.Class {
	if n == 1000 {
		return labels.ImageNet1000()
	}
	classes := make([]resnet.Class, n)
	for i := range classes {
		classes[i].Labels = map[string]string{"en": numbered(i)}
	}
	return classes
}

// numbered is the label of a class of which nothing is known.
func numbered(i int) string { return "class " + strconv.Itoa(i) }

// open makes an executor: the emitted machine, or plain Go where that does not run.
func open(p *engine.Program) (engine.Executor, error) {
	if e, err := engine.Native(p); err == nil {
		return e, nil
	}
	return engine.Reference(p)
}

// opener makes executors as a flag -simd asks for.
type opener func(*engine.Program) (engine.Executor, error)

// simd defines the flag. What it returns is there after parse.
func simd(c *call) *opener {
	o := opener(open)
	c.Func("simd", "auto, or `none` for plain Go instead of SIMD, many times slower (the same bytes)", func(s string) error {
		switch s {
		case "auto":
			o = open
		case "none":
			o = engine.Reference
		default:
			return fmt.Errorf("want auto or none, got %q", s)
		}
		return nil
	})
	return &o
}
