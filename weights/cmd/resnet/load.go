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

// loadFloat reads the network of a checkpoint. pad is 0 where the caller does not know how a CIFAR net pads its shortcuts;
// what had to be guessed is written to notes.
func loadFloat(path, arch string, pad resnet.Shortcut, notes io.Writer) (*resnet.Float, error) {
	f, _, err := loadCheckpoint(path, arch, pad, notes)
	return f, err
}

// loadCheckpoint is loadFloat for those who also ask the checkpoint, which is closed, for what it tells of its input.
func loadCheckpoint(path, arch string, pad resnet.Shortcut, notes io.Writer) (*resnet.Float, *checkpoint.Checkpoint, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	c.Pad = pad
	f, err := c.Float(arch)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(notes, "resnet: note: %s: %s\n", path, note)
	}
	if f.CIFAR && !f.Plain && pad == 0 && c.Format != "onnx" {
		fmt.Fprintf(notes, "resnet: note: %s does not tell where its shortcuts have their zero channels: taken as all behind, as in the paper; -pad split is half before\n", path)
	}
	return f, c, nil
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
