package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
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
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := weights.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// loadFloat reads the network of a checkpoint.
func loadFloat(path, arch, pad string) (*resnet.Float, error) {
	c, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	switch pad {
	case "append":
		c.Pad = resnet.PadAppend
	case "split":
		c.Pad = resnet.PadSplit
	default:
		return nil, fmt.Errorf("-pad: want append or split, got %q", pad)
	}
	f, err := c.Float(arch)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// save writes a file, and returns its size. One that is there stays until the new one is whole.
func save(path string, write func(io.Writer) error) (size int64, err error) {
	f, err := os.Create(path + ".tmp")
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
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s: want a file to write, this is a folder", path)
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// classesFor names the outputs of a checkpoint: the built-in table of that many classes, or their numbers.
func classesFor(n int) []resnet.Class {
	if classes, ok := labels.For(n); ok {
		return classes
	}
	classes := make([]resnet.Class, n)
	for i := range classes {
		classes[i].Labels = map[string]string{"en": "class " + strconv.Itoa(i)}
	}
	return classes
}

// open makes an executor: the emitted machine, or plain Go where that does not run.
func open(p *engine.Program) (engine.Executor, error) {
	if e, err := engine.Native(p); err == nil {
		return e, nil
	}
	return engine.Reference(p)
}

// progress draws a bar on w, if w is a terminal, while work that takes long is under way.
type progress struct {
	mu    sync.Mutex
	w     io.Writer // nil if not a terminal
	what  string
	start time.Time
	last  time.Time
}

func newProgress(w io.Writer, what string) *progress {
	p := &progress{what: what, start: time.Now()}
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
	if now.Sub(p.last) < 100*time.Millisecond && done != total {
		return
	}
	p.last = now
	if total <= 0 {
		fmt.Fprintf(p.w, "\r%s %d of an unknown number\x1b[K", p.what, done)
		return
	}
	const width = 30
	fill := done * width / total
	bar := make([]byte, width)
	for i := range bar {
		bar[i] = ' '
		if i < fill {
			bar[i] = '='
		}
	}
	left := ""
	if elapsed := now.Sub(p.start); done > 0 && elapsed > time.Second {
		left = (elapsed * time.Duration(total-done) / time.Duration(done)).Round(time.Second).String() + " left"
	}
	fmt.Fprintf(p.w, "\r%s [%s] %d/%d %s\x1b[K", p.what, bar, done, total, left)
}

// clear takes the bar away.
func (p *progress) clear() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
