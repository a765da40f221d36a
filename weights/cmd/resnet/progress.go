package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"
)

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
	if o, ok := w.(*output); ok { // which would quote what moves the cursor
		w = o.w
	}
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
