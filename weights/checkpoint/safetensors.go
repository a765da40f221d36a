package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"sort"
)

var safeTypes = map[string]dtype{
	"F16": float16, "BF16": bfloat16, "F32": float32_, "F64": float64_,
	"I64": {"int64", 8, nil}, "I32": {"int32", 4, nil}, "I16": {"int16", 2, nil}, "I8": {"int8", 1, nil}, "U8": {"uint8", 1, nil}, "BOOL": {"bool", 1, nil},
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
	var header map[string]json.RawMessage
	if err := json.NewDecoder(io.NewSectionReader(c.r, 8, int64(n))).Decode(&header); err != nil {
		return bad("header: %v; download it again", err)
	}
	base := 8 + int64(n)
	for name, raw := range header {
		if name == "__metadata__" {
			continue
		}
		var h struct {
			Dtype   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			return bad("%s: header: %v", name, err)
		}
		t := tensor{name: name, shape: h.Shape, at: base + h.Offsets[0]}
		var ok bool
		if t.dtype, ok = safeTypes[h.Dtype]; !ok {
			return bad("%s: want floating point, file has %q", name, h.Dtype)
		}
		length := h.Offsets[1] - h.Offsets[0]
		if h.Offsets[0] < 0 || length < 0 || h.Offsets[1] > size-base {
			return bad("%s: bytes %d to %d, file has %d behind its header; download it again", name, h.Offsets[0], h.Offsets[1], size-base)
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
	if len(c.tensors) == 0 {
		return bad("want tensors, the header names none")
	}
	sort.Slice(c.tensors, func(i, j int) bool {
		return c.tensors[i].at < c.tensors[j].at || c.tensors[i].at == c.tensors[j].at && c.tensors[i].name < c.tensors[j].name
	})
	for i := 1; i < len(c.tensors); i++ {
		if a, b := c.tensors[i-1], c.tensors[i]; a.count() > 0 && a.at+int64(a.count()*a.dtype.size) > b.at && b.count() > 0 {
			return bad("%s and %s overlap", a.name, b.name)
		}
	}
	return nil
}
