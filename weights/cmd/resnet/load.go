package main

import (
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
	case "", "append":
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

// set shows that done of total are done; several goroutines may call it.
func (p *progress) set(done, total int) {
	if p.w == nil || total <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.last) < 100*time.Millisecond && done < total {
		return
	}
	p.last = now
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
