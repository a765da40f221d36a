package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"resnet-web/weights/checkpoint"
)

func export(c *call) error {
	format := c.String("format", "onnx", "`format` to write: onnx, in float32, or onnx-qdq, in int8 with QuantizeLinear and DequantizeLinear")
	fast := c.Bool("fast", false, "with onnx-qdq: 8 bits for what blocks add up too, where the model has 16; onnxruntime computes only that in integers throughout")
	out := c.String("o", "", "`file` to write (default: the model's name with .onnx or -qdq.onnx)")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	suffix, is := strings.CutPrefix(*format, "onnx")
	if !is || suffix != "" && suffix != "-qdq" {
		return fmt.Errorf("export: want -format onnx or onnx-qdq, got %q", *format)
	}
	if *fast && suffix == "" {
		return fmt.Errorf("export: -fast goes with -format onnx-qdq")
	}
	m, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	write, numbers := func(w io.Writer) error { return checkpoint.WriteQDQ(w, m, *fast) }, "int8"
	if suffix == "" {
		f, err := checkpoint.Dequantise(m)
		if err != nil {
			return err
		}
		write, numbers = func(w io.Writer) error { return checkpoint.WriteONNX(w, f, m.Prep.Crop) }, "float32"
	}
	if *out == "" {
		base := filepath.Base(c.args[0])
		*out = strings.TrimSuffix(base, filepath.Ext(base)) + suffix + ".onnx"
	}
	if err := creatable(*out, c.args[0]); err != nil {
		return err
	}
	if _, err := save(*out, write); err != nil {
		return err
	}
	sigmoid := ""
	if m.MultiLabel {
		sigmoid = "; their sigmoids are the probabilities, which the file does not tell"
	}
	fmt.Fprintf(c.stdout, "%s: %s in %s, input 3×%d×%d normalised by mean %v and std %v, output logits of %d classes%s\n", printable(*out), printable(m.Name), numbers, m.Prep.Crop, m.Prep.Crop, m.Prep.Mean, m.Prep.Std, len(m.Classes), sigmoid)
	return nil
}
