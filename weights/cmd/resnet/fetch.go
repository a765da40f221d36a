package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"resnet-web/weights/catalogue"
)

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
		fmt.Fprintf(c.stdout, "%s: made of this checkpoint before; -calib or -o makes another\n", printable(v.out))
		return nil
	}
	v.arch, v.resize, v.crop, v.known = e.Arch, e.Resize, e.Crop, true
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
