package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"path"
	"sort"
	"strings"
)

// stretch is where a storage lies in the file.
type stretch struct{ at, size int64 }

// readZip reads the format of torch.save since 1.6: a zip of stored entries, NAME/data.pkl and one NAME/data/KEY for
// each storage.
func (c *Checkpoint) readZip(size int64) error {
	c.Format = "pth"
	z, err := zip.NewReader(c.r, size)
	if err != nil {
		return bad("want a zip, as torch.save writes: %v; download it again", err)
	}
	type entry struct {
		name string
		stretch
	}
	names := make([]string, len(z.File))
	for i, f := range z.File {
		names[i] = f.Name
	}
	if err := otherZip(names); err != nil {
		return err
	}
	entries := make([]entry, 0, len(z.File))
	for _, f := range z.File {
		if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
			return bad("zip entry %q is compressed, torch.save stores; unpack it and pack it again with zip -0", f.Name)
		}
		at, err := f.DataOffset()
		if err != nil {
			return bad("zip entry %q: %v", f.Name, err)
		}
		if n := f.UncompressedSize64; at > size || n > uint64(size-at) {
			return bad("zip entry %q ends behind the file of %d bytes; download it again", f.Name, size)
		}
		entries = append(entries, entry{f.Name, stretch{at, int64(f.UncompressedSize64)}})
	}
	sort.SliceStable(entries, func(i, j int) bool { return entries[i].at < entries[j].at })
	end, before, root := int64(0), "", ""
	places := map[string]stretch{}
	for _, e := range entries {
		if e.size > 0 && e.at < end {
			return bad("zip entries %q and %q overlap", before, e.name)
		}
		if _, twice := places[e.name]; twice {
			return bad("zip entry %q comes twice", e.name)
		}
		if e.size > 0 {
			end, before = e.at+e.size, e.name
		}
		places[e.name] = e.stretch
		if path.Base(e.name) == "data.pkl" && (root == "" || len(e.name) < len(root)) {
			root = e.name
		}
	}
	dir := strings.TrimSuffix(root, "data.pkl")
	if b, ok := places[dir+"byteorder"]; ok && b.size <= 16 {
		order := make([]byte, b.size)
		if _, err := c.r.ReadAt(order, b.at); err != nil || !bytes.Equal(bytes.TrimSpace(order), []byte("little")) {
			return bad("byte order %q, want little", order)
		}
	}
	pkl := places[root]
	u := newUnpickler(io.NewSectionReader(c.r, pkl.at, pkl.size), pkl.size)
	v, err := u.load()
	if err != nil {
		return err
	}
	return c.place(v, u.n, func(key string) (stretch, bool) {
		s, ok := places[dir+"data/"+key]
		return s, ok
	})
}

// legacyMagic is the first pickle of the older format: protocol 2, torch's 80-bit magic number, stop.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

// readLegacy reads the format of torch.save before 1.6: pickles of a magic number, a version, the writer's sizes, the
// object and the order of storages; then each storage as a 64-bit count and its elements.
func (c *Checkpoint) readLegacy(size int64) error {
	c.Format = "legacy pth"
	skip := int64(len(legacyMagic))
	u := newUnpickler(io.NewSectionReader(c.r, skip, size-skip), size-skip)
	var parts [4]any
	for i := range parts {
		var err error
		if parts[i], err = u.load(); err != nil {
			return err
		}
	}
	if parts[0] != int64(1001) {
		return bad("legacy protocol %v, want 1001", parts[0])
	}
	if sys, ok := parts[1].(*dict); ok {
		for i, k := range sys.keys {
			if k == "little_endian" && sys.values[i] != true {
				return bad("byte order big, want little")
			}
		}
	}
	keys, ok := parts[3].(*list)
	if !ok {
		return bad("want the list of storages, file has %s", kind(parts[3]))
	}
	places := map[string]stretch{}
	at := skip + u.n
	for _, k := range *keys {
		key, _ := k.(string)
		var b [8]byte
		if _, err := c.r.ReadAt(b[:], at); err != nil {
			return bad("storage %q lies behind the file of %d bytes; download it again", key, size)
		}
		at += 8
		n, each := binary.LittleEndian.Uint64(b[:]), int64(u.sizes[key])
		if each == 0 {
			return bad("storage %q is of an unknown type; save model.state_dict() alone", key)
		}
		if n > uint64(size-at)/uint64(each) {
			return bad("storage %q of %d elements ends behind the file of %d bytes; download it again", key, n, size)
		}
		places[key] = stretch{at, int64(n) * each}
		at += int64(n) * each
	}
	return c.place(parts[2], u.n, func(key string) (stretch, bool) {
		s, ok := places[key]
		return s, ok
	})
}

// place gives each tensor in v, which a pickle of size bytes holds, its bytes in the file.
func (c *Checkpoint) place(v any, size int64, find func(key string) (stretch, bool)) error {
	views, makers, err := flatten(v, size)
	if err != nil {
		return err
	}
	if len(views) == 0 {
		if len(makers) > 0 {
			return bad("want a dictionary of tensors, file has none, but objects of %q; save model.state_dict()", makers)
		}
		return bad("want a dictionary of tensors, file has none; save model.state_dict()")
	}
	for _, v := range views {
		if v.odd != "" {
			c.tensors = append(c.tensors, v.tensor)
			continue
		}
		s, ok := find(v.storage.key)
		if !ok {
			return bad("%s: its storage %q is not in the file; download it again", v.name, v.storage.key)
		}
		n := s.size / int64(v.dtype.size) // elements there
		first, limit := v.storage.root, v.storage.numel
		if limit > n || first > n-limit {
			return bad("%s: want %d elements in storage %q, file has %d; download it again", v.name, limit, v.storage.key, n)
		}
		if v.offset < 0 || v.offset > limit {
			return bad("%s: starts at element %d of %d", v.name, v.offset, limit)
		}
		if _, err := v.span(limit - v.offset); err != nil {
			return err
		}
		v.at = s.at + (first+v.offset)*int64(v.dtype.size)
		c.tensors = append(c.tensors, v.tensor)
	}
	return nil
}
