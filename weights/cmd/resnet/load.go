package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

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

// loadFloat reads the network of a checkpoint. It notes on notes where it had to guess: pad is 0 where nobody says how a
// CIFAR net pads its shortcuts.
func loadFloat(path, arch string, pad resnet.Shortcut, notes io.Writer) (*resnet.Float, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.Pad = pad
	f, err := c.Float(arch)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.CIFAR && !f.Plain && pad == 0 && c.Format != "onnx" {
		fmt.Fprintf(notes, "resnet: note: %s does not tell where its shortcuts have their zero channels: taken as all behind, as in the paper; -pad split is half before\n", path)
	}
	return f, nil
}

// temporary creates a file beside path, to be renamed to it.
func temporary(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
}

// save writes a file, and returns its size. One that is there stays until the new one is whole.
func save(path string, write func(io.Writer) error) (size int64, err error) {
	f, err := temporary(path)
	if err != nil {
		return 0, err
	}
	b := bufio.NewWriter(f)
	if err = write(b); err == nil {
		err = b.Flush()
	}
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return size, err
}

// creatable says before the work, which may take minutes, that save could not write path.
func creatable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		what := "a device"
		if info.IsDir() {
			what = "a folder"
		}
		return fmt.Errorf("%s: want a file to write, this is %s", path, what)
	}
	f, err := temporary(path)
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
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

// progress draws a bar on w, if w is a terminal, while work that takes long is under way.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil if not a terminal
	what  string
	bytes bool // what is counted
	start time.Time
	first int // done at start
	last  time.Time
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = w
		}
	}
	return p
}

// set shows that done of total are done, 0 or less where that is not known; several goroutines may call it.
func (p *progress) set(done, total int) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.start.IsZero() { // what was done before took no time of ours
		p.start, p.first = now, done
	}
	if now.Sub(p.last) < 100*time.Millisecond && done != total {
		return
	}
	p.last = now
	if total <= 0 {
		fmt.Fprintf(p.w, "\r%s %s\x1b[K", p.what, p.count(done))
		return
	}
	const width = 20 // with the longest name of the catalogue the line fits 80 columns
	fill := done * width / total
	bar := make([]byte, width)
	for i := range bar {
		bar[i] = ' '
		if i < fill {
			bar[i] = '='
		}
	}
	left := ""
	if elapsed := now.Sub(p.start); done > p.first && elapsed > time.Second {
		left = time.Duration(float64(elapsed)*float64(total-done)/float64(done-p.first)).Round(time.Second).String() + " left"
	}
	fmt.Fprintf(p.w, "\r%s [%s] %s of %s %s\x1b[K", p.what, bar, p.count(done), p.count(total), left)
}

// count is n of what is counted.
func (p *progress) count(n int) string {
	if p.bytes {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return strconv.Itoa(n)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
