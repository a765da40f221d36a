package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"resnet-web/weights/checkpoint"
)

func export(c *call) error {
	format := c.String("format", "onnx", "`format` to write: onnx")
	out := c.String("o", "", "`file` to write (default: the model's name with .onnx)")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	if *format != "onnx" {
		return fmt.Errorf("export: want -format onnx, got %q", *format)
	}
	m, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	f, err := checkpoint.Dequantise(m)
	if err != nil {
		return err
	}
	if *out == "" {
		base := filepath.Base(c.args[0])
		*out = strings.TrimSuffix(base, filepath.Ext(base)) + ".onnx"
	}
	if err := creatable(*out); err != nil {
		return err
	}
	if _, err := save(*out, func(w io.Writer) error { return checkpoint.WriteONNX(w, f, m.Prep.Crop) }); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %s in float32, input 3×%d×%d normalised by mean %v and std %v, output logits of %d classes\n", *out, m.Name, m.Prep.Crop, m.Prep.Crop, m.Prep.Mean, m.Prep.Std, len(m.Classes))
	return nil
}
