// Package catalogue knows the checkpoints that torchvision publishes, fetches them and compares them with their hashes.
//
// Each file's name holds the first eight digits of its SHA-256, which is enough to find damage and mistakes; https
// protects from forgery. A broken download continues where it stopped.
package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// BaseURL is where torchvision publishes.
const BaseURL = "https://download.pytorch.org/models/"

// Entry is one checkpoint.
type Entry struct {
	Name       string  // "resnet50", or "resnet50-v2" for torchvision's IMAGENET1K_V2
	Arch       string  // for resnet.Lookup
	File       string  // below BaseURL
	SHA256     string  // the first digits, as published in the file's name
	MiB        float64 // size of the file, to a thousandth
	Licence    string  // of the weights: that of the project which publishes them
	Top1, Top5 float64 // per cent on ImageNet-1K's validation images, as published with the weights
	Resize     int     // shorter side in the published evaluation, with a bilinear filter
	Crop       int
}

// URL is where the entry is published.
func (e Entry) URL() string { return BaseURL + e.File }

// Entries lists the catalogue. Figures are those of torchvision's documentation.
func Entries() []Entry {
	const bsd = "BSD-3-Clause"
	return []Entry{
		{"resnet18", "resnet18", "resnet18-f37072fd.pth", "f37072fd", 44.661, bsd, 69.758, 89.078, 256, 224},
		{"resnet34", "resnet34", "resnet34-b627a593.pth", "b627a593", 83.275, bsd, 73.314, 91.420, 256, 224},
		{"resnet50", "resnet50", "resnet50-0676ba61.pth", "0676ba61", 97.781, bsd, 76.130, 92.862, 256, 224},
		{"resnet50-v2", "resnet50", "resnet50-11ad3fa6.pth", "11ad3fa6", 97.790, bsd, 80.858, 95.434, 232, 224},
		{"resnet101", "resnet101", "resnet101-63fe2227.pth", "63fe2227", 170.511, bsd, 77.374, 93.546, 256, 224},
		{"resnet101-v2", "resnet101", "resnet101-cd907fc2.pth", "cd907fc2", 170.530, bsd, 81.886, 95.780, 232, 224},
		{"resnet152", "resnet152", "resnet152-394f9c45.pth", "394f9c45", 230.434, bsd, 78.312, 94.046, 256, 224},
		{"resnet152-v2", "resnet152", "resnet152-f82ba261.pth", "f82ba261", 230.474, bsd, 82.284, 96.002, 232, 224},
		{"wide_resnet50_2", "wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", "95faca4d", 131.820, bsd, 78.468, 94.086, 256, 224},
		{"wide_resnet50_2-v2", "wide_resnet50_2", "wide_resnet50_2-9ba9bcbe.pth", "9ba9bcbe", 263.124, bsd, 81.602, 95.758, 232, 224},
		{"wide_resnet101_2", "wide_resnet101_2", "wide_resnet101_2-32ee1156.pth", "32ee1156", 242.896, bsd, 78.848, 94.284, 256, 224},
		{"wide_resnet101_2-v2", "wide_resnet101_2", "wide_resnet101_2-d733dc28.pth", "d733dc28", 484.747, bsd, 82.510, 96.020, 232, 224},
	}
}

// ErrUnknown is returned, wrapped, for a name that the catalogue lacks.
var ErrUnknown = errors.New("not in the catalogue")

// Find returns the entry called name, which may also be its file name.
func Find(name string) (Entry, error) {
	var names []string
	for _, e := range Entries() {
		if strings.EqualFold(name, e.Name) || name == e.File {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return Entry{}, fmt.Errorf("catalogue: %q is %w; it has %s", name, ErrUnknown, strings.Join(names, ", "))
}

// Options of Fetch. The zero value fetches from BaseURL into the user's cache.
type Options struct {
	BaseURL  string                  // another place with the same file names
	Dir      string                  // default: resnet-web in os.UserCacheDir
	Client   *http.Client            // default: http.DefaultClient
	Progress func(done, total int64) // bytes; total is −1 while unknown
	Retries  int                     // how often a broken download is taken up again; 0 means 3, −1 never
	Stall    time.Duration           // a download without a byte for so long is broken; 0 means 30 s
}

// Fetch returns the path of the checkpoint called name, downloading it first where it is not in the cache.
//
// The download is written to FILE.part. After a break it continues from there, in this call or a later one, and it is
// renamed to FILE only when its SHA-256 begins as published. A cached file is verified again.
//
// # Errors
//
// ErrUnknown; that of ctx; for everything else an error that says which address to fetch by hand and where to put the
// file.
func Fetch(ctx context.Context, name string, o Options) (string, error) {
	e, err := Find(name)
	if err != nil {
		return "", err
	}
	if o.Dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("catalogue: no cache folder: %w; name one", err)
		}
		o.Dir = filepath.Join(cache, "resnet-web")
	}
	return e.fetch(ctx, o)
}

func (e Entry) fetch(ctx context.Context, o Options) (string, error) {
	if o.BaseURL == "" {
		o.BaseURL = BaseURL
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	if o.Progress == nil {
		o.Progress = func(done, total int64) {}
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	if o.Stall == 0 {
		o.Stall = 30 * time.Second
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return "", fmt.Errorf("catalogue: %w", err)
	}
	path := filepath.Join(o.Dir, e.File)
	if sum, size, err := digest(path); err == nil {
		if strings.HasPrefix(sum, e.SHA256) {
			o.Progress(size, size)
			return path, nil
		}
		return "", fmt.Errorf("catalogue: %s has SHA-256 %s…, want %s…; delete it and fetch again", path, sum[:len(e.SHA256)], e.SHA256)
	}
	d := download{url: strings.TrimSuffix(o.BaseURL, "/") + "/" + e.File, part: path + ".part", limit: e.limit(), o: o}
	err := d.run(ctx)
	for try := 0; err != nil && d.broken && try < o.Retries; try++ {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try) * time.Second): // the first retry is immediate
			err = d.run(ctx)
			continue
		}
		break
	}
	if ctx.Err() != nil {
		return "", fmt.Errorf("catalogue: %s: %w", e.File, ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("catalogue: %w; without a network fetch %s elsewhere and put it at %s", err, e.URL(), path)
	}
	sum, size, err := digest(d.part)
	if err != nil {
		return "", fmt.Errorf("catalogue: %w", err)
	}
	if !strings.HasPrefix(sum, e.SHA256) {
		os.Remove(d.part) // so that the next call starts from the beginning
		return "", fmt.Errorf("catalogue: %s gave %d bytes with SHA-256 %s…, want %s…; fetch %s elsewhere and put it at %s", d.url, size, sum[:len(e.SHA256)], e.SHA256, e.URL(), path)
	}
	if err := os.Rename(d.part, path); err != nil {
		return "", fmt.Errorf("catalogue: %w", err)
	}
	return path, nil
}

// limit is the number of bytes that a download may have.
func (e Entry) limit() int64 { return int64((e.MiB + 0.001) * (1 << 20)) }

// digest is the SHA-256 of a file, in hexadecimal, and its length.
func digest(path string) (sum string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}
