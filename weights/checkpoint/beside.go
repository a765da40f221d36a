package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// part is a file beside the checkpoint that holds some of its tensors.
type part struct {
	name string
	size int64
	base int64 // where its bytes begin among those of all files: a tensor's at minus base is its place in this one
}

// part finds the file that a checkpoint names, inside its folder. It opens nothing yet.
func (c *Checkpoint) part(tensor, name string) (*part, error) {
	if name == "" || path.IsAbs(name) || slices.Contains(strings.FieldsFunc(name, func(r rune) bool {
		return r == '/' ||
			r == '\\'
	}), "..") || strings.Contains(name, ":") {
		return nil, bad("%s: its data is said to be in %q; want the name of a file in the folder of the checkpoint, "+
			"neither absolute nor with ..; "+
			"save the model again", tensor, name)
	}
	name = path.Clean(name)
	if c.beside == nil {
		return nil, bad("%s: its data is in another file, %q; open the checkpoint in the folder where that lies, or "+
			"export with all data inside "+
			"(torch.onnx.export(…, external_data=False))", tensor, name)
	}
	info, err := fs.Stat(c.beside, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, bad("%s: its data is in the file %q, which is not beside the checkpoint; put both into one folder, "+
			"under their own names", tensor, name)
	case err != nil:
		return nil, bad("%s: its data is in the file %q, which cannot be read (%v); where it is a link to another "+
			"folder, put a copy in its place", tensor, name, err)
	case !info.Mode().IsRegular() || info.Size() > 1<<40: // larger, the sum of many could not be counted
		return nil, bad("%s: its data is said to be in %q, which is no file of a sensible size; put a copy of the data "+
			"in its place", tensor, name)
	}
	return &part{name: name, size: info.Size()}, nil
}

// readPart fills b from the place at of a part, counted among all files. The part is open only meanwhile, for there may
// be one for each tensor.
func (c *Checkpoint) readPart(p *part, b []byte, at int64) error {
	f, err := c.beside.Open(p.name)
	if err != nil {
		return err
	}
	defer f.Close()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return fmt.Errorf("%s cannot be read from any place", p.name)
	}
	_, err = r.ReadAt(b, at-p.base)
	if err == io.EOF { // at the end of the file, or the file has become shorter
		err = nil
		if info, serr := f.Stat(); serr != nil || info.Size() < at-p.base+int64(len(b)) {
			err = io.ErrUnexpectedEOF
		}
	}
	return err
}
