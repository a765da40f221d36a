package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// save writes a file and returns its size. A file that is already there stays until the new one is whole.
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

// creatable returns an error if save could not write path. Commands ask before they start work that may take minutes.
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

// temporary creates a file in the folder of path, which save renames to path when it is whole.
func temporary(path string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
}
