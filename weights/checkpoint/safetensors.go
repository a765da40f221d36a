package checkpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
	"strconv"
)

var safeTypes = map[string]dtype{
	"F16": float16, "BF16": bfloat16, "F32": float32_, "F64": float64_,
	"I64": {"int64", 8, nil}, "I32": {"int32", 4, nil}, "I16": {"int16", 2, nil}, "I8": {"int8", 1, nil}, "U8": {"uint8", 1, nil}, "BOOL": {"bool", 1, nil},
	"U64": {"uint64", 8, nil}, "U32": {"uint32", 4, nil}, "U16": {"uint16", 2, nil}, "C64": {"complex64", 8, nil},
}

// readSafetensors reads a 64-bit length, a JSON header of that length, and the tensors behind it.
func (c *Checkpoint) readSafetensors(size int64) error {
	c.Format = "safetensors"
	var b [8]byte
	if _, err := c.r.ReadAt(b[:], 0); err != nil {
		return bad("%v", err)
	}
	n := binary.LittleEndian.Uint64(b[:])
	if n > uint64(min(size-8, 32<<20)) {
		return bad("header of %d bytes, file has %d; download it again", n, size)
	}
	header := json.NewDecoder(io.NewSectionReader(c.r, 8, int64(n)))
	damaged := func(err error) error { return bad("header: %v; download the file again", err) }
	if _, err := header.Token(); err != nil {
		return damaged(err)
	}
	seen := map[string]bool{}
	for base := 8 + int64(n); header.More(); {
		key, err := header.Token()
		if err != nil {
			return damaged(err)
		}
		name, _ := key.(string)
		if seen[name] {
			return bad("%s comes twice in the header", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			var text map[string]string
			if err := header.Decode(&text); err != nil {
				return damaged(err)
			}
			continue
		}
		var h struct {
			Dtype   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := header.Decode(&h); err != nil {
			return damaged(err)
		}
		t := tensor{name: name, shape: h.Shape, at: base + h.Offsets[0]}
		length := h.Offsets[1] - h.Offsets[0]
		if h.Offsets[0] < 0 || length < 0 || h.Offsets[1] > size-base {
			return bad("%s: bytes %d to %d, file has %d behind its header; download it again", name, h.Offsets[0], h.Offsets[1], size-base)
		}
		var ok bool
		if t.dtype, ok = safeTypes[h.Dtype]; !ok {
			t.odd = strconv.Quote(h.Dtype) + "; save it in float16 or float32"
			c.tensors = append(c.tensors, t)
			continue
		}
		count, err := t.span(length / int64(t.dtype.size))
		if err != nil {
			return err
		}
		if count*int64(t.dtype.size) != length {
			return bad("%s: %s %s needs %d bytes, file has %d", name, t.dtype.name, dims(t.shape), count*int64(t.dtype.size), length)
		}
		c.tensors = append(c.tensors, t)
	}
	if _, err := header.Token(); err != nil {
		return damaged(err)
	}
	if len(c.tensors) == 0 {
		return bad("want tensors, the header names none")
	}
	sorted := slices.Clone(c.tensors)
	slices.SortFunc(sorted, func(a, b tensor) int { return cmp.Compare(a.at, b.at) })
	var last tensor
	for _, t := range sorted {
		if t.odd != "" || t.count() == 0 {
			continue
		}
		if last.name != "" && last.at+int64(last.count()*last.dtype.size) > t.at {
			return bad("%s and %s overlap", last.name, t.name)
		}
		last = t
	}
	return nil
}
