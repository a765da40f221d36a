package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"resnet-web/resnet"
	"resnet-web/weights/calibrate"
	"resnet-web/weights/catalogue"
	"resnet-web/weights/checkpoint"
)

func info(c *call) error {
	if err := c.parse(1, 1); err != nil {
		return err
	}
	m, err := loadModel(c.args[0])
	if err != nil {
		return err
	}
	file, err := os.Stat(c.args[0])
	if err != nil {
		return err
	}
	p, err := resnet.Compile(m)
	if err != nil {
		return err
	}
	s := m.Config.Summary(len(m.Classes), m.Prep.Crop)
	var langs []string
	for _, class := range m.Classes {
		for l := range class.Labels {
			if !slices.Contains(langs, l) {
				langs = append(langs, l)
			}
		}
	}
	slices.Sort(langs)
	row := func(name, format string, a ...any) {
		fmt.Fprintf(c.stdout, "%-14s %s\n", name, fmt.Sprintf(format, a...))
	}
	row("file", "%s, %d bytes", c.args[0], file.Size())
	row("architecture", "%s, %d convolutions, %d parameters, %d multiply-adds", m.Name, len(m.Convs), s.Params, s.MACs)
	row("classes", "%d, labels in %s", len(m.Classes), strings.Join(langs, ", "))
	row("input", "shorter side to %d, centre %d×%d, %s filter", m.Prep.Resize, m.Prep.Crop, m.Prep.Crop, m.Prep.Filter)
	row("mean, std", "%v, %v", m.Prep.Mean, m.Prep.Std)
	sure := fmt.Sprintf("sure from %.2f", m.Unsure)
	if m.Unsure >= calibrate.NeverSure {
		sure = "never sure"
	}
	row("temperature", "%.3f, %s", m.Temperature, sure)
	row("activations", "%d bytes", p.Arena)
	row("source", "%s", m.Source)
	row("licence", "%s", m.Licence)
	return nil
}

func summary(c *call) error {
	asJSON := c.Bool("json", false, "print the table as JSON")
	classes := c.Int("classes", 0, "number of classes (default 1000; CIFAR nets 10)")
	size := c.Int("size", 0, "side of the input (default 224; CIFAR nets 32)")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	config, err := resnet.Lookup(c.args[0])
	if err != nil {
		return err
	}
	n, side := 1000, 224
	if config.CIFAR {
		n, side = 10, 32
	}
	if *classes != 0 {
		n = *classes
	}
	if *size != 0 {
		side = *size
	}
	if n < 1 || n > 1_000_000 || side < 32 || side > 4096 {
		return fmt.Errorf("summary: want 1 to 1000000 classes and a size of 32 to 4096, got %d and %d", n, side)
	}
	s := config.Summary(n, side)
	if *asJSON {
		line, err := json.Marshal(s)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s\n", line)
		return nil
	}
	fmt.Fprint(c.stdout, s)
	return nil
}

func fetch(c *call) error {
	var v conversion
	v.calibFlags(c)
	url := c.String("url", catalogue.BaseURL, "another `address` with the same files")
	dir := c.String("dir", "", "`folder` for downloads (default: resnet-web in the user's cache folder)")
	c.notes = entries()
	if err := c.parse(1, 1); err != nil {
		return err
	}
	e, err := catalogue.Find(c.args[0])
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	bar := newProgress(c.stderr, e.Name)
	bar.bytes = true
	path, err := catalogue.Fetch(ctx, c.args[0], catalogue.Options{BaseURL: *url, Dir: *dir, Progress: func(done, total int64) { bar.set(int(done), int(total)) }})
	bar.clear()
	stop() // from here on an interrupt ends the program
	if err != nil {
		return err
	}
	asked := false
	c.Visit(func(f *flag.Flag) { asked = asked || f.Name == "calib" || f.Name == "o" })
	if v.out == "" {
		v.out = filepath.Join(filepath.Dir(path), e.Name+".msgpack")
	}
	if !asked && isMadeFrom(v.out, path) {
		fmt.Fprintf(c.stdout, "%s: made of this checkpoint before; -calib or -o makes another\n", v.out)
		return nil
	}
	v.arch, v.resize, v.crop = e.Arch, e.Resize, e.Crop
	v.source, v.licence = "torchvision "+e.Name+", "+e.URL(), e.Licence
	return v.convert(c, path)
}

// isMadeFrom reports whether model is a model file, made from the checkpoint at path.
func isMadeFrom(model, path string) bool {
	m, err := loadModel(model)
	if err != nil {
		return false
	}
	made, err := madeFrom(m, path)
	return err == nil && made
}

// entries is the catalogue as a table.
func entries() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-20s %9s %9s %9s   %s\n", "NAME", "size", "top-1", "top-5", "licence")
	for _, e := range catalogue.Entries() {
		fmt.Fprintf(&b, "%-20s %6.1f MB %7.2f %% %7.2f %%   %s\n", e.Name, e.MiB*(1<<20)/1e6, e.Top1, e.Top5, e.Licence)
	}
	return b.String()
}

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
	if err := creatable(*out); err != nil {
		return err
	}
	if _, err := save(*out, write); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%s: %s in %s, input 3×%d×%d normalised by mean %v and std %v, output logits of %d classes\n", *out, m.Name, numbers, m.Prep.Crop, m.Prep.Crop, m.Prep.Mean, m.Prep.Std, len(m.Classes))
	return nil
}
