package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
)

// save writes a file and returns its size. A file that is already there stays until the new one is whole; a link is
// followed, so that what it leads to is written.
func save(path string, write func(io.Writer) error) (size int64, err error) {
	path, err = target(path)
	if err != nil {
		return 0, err
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
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
		err = f.Chmod(mode)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = settle(f, func() error { return os.Rename(f.Name(), path) })
	}
	if err != nil {
		settle(f, func() error { return os.Remove(f.Name()) })
	}
	return size, err
}

// creatable returns an error if save could not write path, or would overwrite one of inputs, of which those that do not
// exist are left aside. Commands ask before they start work that may take minutes.
func creatable(path string, inputs ...string) error {
	if path == stdin {
		return errors.New("-: want a file to write, not standard output; name one, or ./- for a file of that name")
	}
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		what := "a device"
		if info.IsDir() {
			what = "a folder"
		}
		return fmt.Errorf("%s: want a file to write, this is %s", path, what)
	}
	for _, input := range inputs {
		if in, e := os.Stat(input); err == nil && e == nil && os.SameFile(info, in) {
			return fmt.Errorf("%s: want a file to write, this is what is read (%s); name another file", path, input)
		}
	}
	path, err = target(path)
	if err != nil {
		return err
	}
	f, err := temporary(path)
	if err != nil {
		return err
	}
	f.Close()
	return settle(f, func() error { return os.Remove(f.Name()) })
}

// target follows links to the file that they lead to, which need not exist.
func target(path string) (string, error) {
	at := path
	for range 40 { // as many as Linux follows
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return real, nil
		}
		link, err := os.Readlink(at)
		if err != nil { // no link
			return at, nil
		}
		if !filepath.IsAbs(link) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(at))
			if err != nil {
				return "", err
			}
			link = filepath.Join(dir, link)
		}
		at = link
	}
	return "", fmt.Errorf("%s: want a file to write, this is a link that leads round in a circle", path)
}

// temporaries are the files that a signal has to remove. Whoever makes, renames or removes one holds the lock, so that
// the signal finds it before or after.
var temporaries struct {
	sync.Mutex
	watch sync.Once
	names map[string]bool
}

// temporary creates a file in the folder of path, for settle to rename or remove. From the first on, a signal that ends
// the program removes those that are left.
func temporary(path string) (*os.File, error) {
	t := &temporaries
	t.watch.Do(func() {
		t.names = map[string]bool{}
		signals := make(chan os.Signal, 1)
		for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
			if !signal.Ignored(s) { // as it is under nohup
				signal.Notify(signals, s)
			}
		}
		go func() {
			s := <-signals
			t.Lock() // and never unlock
			for name := range t.names {
				os.Remove(name)
			}
			code := 1
			if n, ok := s.(syscall.Signal); ok {
				code = 128 + int(n) // what shells report
			}
			os.Exit(code)
		}()
	})
	t.Lock()
	defer t.Unlock()
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err == nil {
		t.names[f.Name()] = true
	}
	return f, err
}

// settle renames or removes a temporary file.
func settle(f *os.File, how func() error) error {
	temporaries.Lock()
	defer temporaries.Unlock()
	err := how()
	if err == nil {
		delete(temporaries.names, f.Name())
	}
	return err
}
