package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// fields walks the fields of a protobuf message: data holds a field of wire type 2, v any other.
func fields(b []byte, visit func(field int, v uint64, data []byte) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return bad("ONNX: a field without number; the file is damaged")
		}
		b = b[n:]
		var v uint64
		var data []byte
		switch key & 7 {
		case 0:
			if v, n = binary.Uvarint(b); n <= 0 {
				return bad("ONNX: a number is cut short; download the file again")
			}
		case 1, 5:
			n = 8
			if key&7 == 5 {
				n = 4
			}
			if len(b) < n {
				return bad("ONNX: a number is cut short; download the file again")
			}
			for i, x := range b[:n] {
				v |= uint64(x) << (8 * i)
			}
		case 2:
			length, m := binary.Uvarint(b)
			if m <= 0 || length > uint64(len(b)-m) {
				return bad("ONNX: field %d wants %d bytes, file has %d; download it again", key>>3, length, len(b))
			}
			data, n = b[m:m+int(length)], m+int(length)
		default:
			return bad("ONNX: wire type %d; the file is damaged", key&7)
		}
		b = b[n:]
		if err := visit(int(key>>3), v, data); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends the varints of a repeated field, packed or not.
func numbers(to []int64, v uint64, data []byte, limit int) ([]int64, error) {
	if data == nil {
		to = append(to, int64(v))
	}
	for len(data) > 0 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, bad("ONNX: a number is cut short; download the file again")
		}
		to, data = append(to, int64(v)), data[n:]
	}
	if len(to) > limit {
		return nil, bad("ONNX: more than %d numbers in one place", limit)
	}
	return to, nil
}

// node is one operation.
type node struct {
	name, op        string
	inputs, outputs []string
	attrs           []attr
}

type attr struct {
	name string
	i    int64
	f    float64
	s    string
	ints []int64
	t    *tensor
}

func (n *node) attr(name string) *attr {
	for i := range n.attrs {
		if n.attrs[i].name == name {
			return &n.attrs[i]
		}
	}
	return nil
}

// int is an integer attribute, or what ONNX says where there is none.
func (n *node) int(name string, otherwise int64) int64 {
	if a := n.attr(name); a != nil {
		return a.i
	}
	return otherwise
}

// same is the value that all of a list attribute's numbers have, −1 when they differ.
func (n *node) same(name string, otherwise int64) int64 {
	a := n.attr(name)
	if a == nil || len(a.ints) == 0 {
		return otherwise
	}
	for _, x := range a.ints {
		if x != a.ints[0] {
			return -1
		}
	}
	return a.ints[0]
}

func (n *node) String() string { return fmt.Sprintf("%s %q", n.op, n.name) }

// readONNX reads a ModelProto, which is at most 2 GB, into memory.
func (c *Checkpoint) readONNX(size int64) error {
	c.Format = "onnx"
	if size > math.MaxInt32 {
		return bad("ONNX of %d bytes, want at most 2 GiB", size)
	}
	file := make([]byte, size)
	if _, err := c.r.ReadAt(file, 0); err != nil && err != io.EOF {
		return fmt.Errorf("checkpoint: %w", err)
	}
	g := &graph{inputs: map[string]int64{}, inits: map[string]tensor{}, alias: map[string]string{}, users: map[string][]*node{}, made: map[string]*node{}, outputs: map[string]bool{}, c: c, stride: 1}
	found := false
	err := fields(file, func(field int, _ uint64, data []byte) error {
		if field != 7 {
			return nil
		}
		if found {
			return bad("ONNX: two graphs in one model")
		}
		found = true
		return g.read(data)
	})
	if err != nil {
		return err
	}
	if !found {
		return bad("want .pth, .safetensors or .onnx; the file starts as ONNX, but has no graph")
	}
	c.wiring = &wiring{strides: map[string]int{}, epsilons: map[string]float64{}}
	if err := g.link(); err != nil {
		return err
	}
	return g.follow()
}

func (g *graph) read(data []byte) error {
	return fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case 1:
			n, err := readNode(data)
			if err != nil {
				return err
			}
			g.nodes = append(g.nodes, n)
		case 5:
			t, err := readTensor(data)
			if err != nil {
				return err
			}
			if _, twice := g.inits[t.name]; twice || t.name == "" {
				return bad("ONNX: initialiser %q comes twice or has no name", t.name)
			}
			t.at, g.bytes = g.bytes, g.bytes+int64(len(t.raw))
			g.inits[t.name] = *t
		case 11:
			name, side, err := readInput(data)
			if err != nil {
				return err
			}
			g.inputs[name] = side
		case 12:
			name, _, err := readInput(data)
			g.outputs[name] = true
			return err
		case 15:
			return bad("ONNX: a sparse initialiser, want dense ones")
		}
		return nil
	})
}

func readNode(data []byte) (*node, error) {
	n := &node{}
	err := fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case 1:
			n.inputs = append(n.inputs, string(data))
		case 2:
			n.outputs = append(n.outputs, string(data))
		case 3:
			n.name = string(data)
		case 4:
			n.op = string(data)
		case 5:
			a, err := readAttr(data)
			if err != nil {
				return err
			}
			n.attrs = append(n.attrs, a)
		case 7:
			if len(data) > 0 && string(data) != "ai.onnx" {
				return bad("ONNX: an operation of domain %q, want only those of ONNX itself", data)
			}
		}
		return nil
	})
	if err == nil && (n.op == "" || len(n.outputs) == 0 || n.outputs[0] == "") {
		err = bad("ONNX: node %q without operation or named output", n.name)
	}
	return n, err
}

func readAttr(data []byte) (attr, error) {
	a := attr{}
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case 1:
			a.name = string(data)
		case 2:
			a.f = float64(math.Float32frombits(uint32(v)))
		case 3:
			a.i = int64(v)
		case 4:
			a.s = string(data)
		case 5:
			a.t, err = readTensor(data)
		case 8:
			a.ints, err = numbers(a.ints, v, data, 64)
		}
		return err
	})
	if err == nil && a.name == "" {
		err = bad("ONNX: an attribute without name")
	}
	return a, err
}

var onnxTypes = map[uint64]dtype{
	1: float32_, 10: float16, 11: float64_, 16: bfloat16, 2: {"uint8", 1, nil}, 3: {"int8", 1, nil}, 6: {"int32", 4, nil}, 7: {"int64", 8, nil}, 9: {"bool", 1, nil},
}

func readTensor(data []byte) (*tensor, error) {
	t := &tensor{shape: []int{}}
	var kind uint64
	var external bool
	var wide []int64 // int32_data or int64_data
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case 1:
			var list []int64
			list, err = numbers(nil, v, data, 8)
			for _, n := range list {
				if n < 0 || n > math.MaxInt32 || len(t.shape) == 8 {
					return bad("ONNX: dimension %d of an initialiser, want up to 8 of up to 2³¹", n)
				}
				t.shape = append(t.shape, int(n))
			}
		case 2:
			kind = v
		case 4:
			if data == nil {
				data = binary.LittleEndian.AppendUint32(nil, uint32(v))
			}
			t.raw = join(t.raw, data)
		case 10:
			if data == nil {
				data = binary.LittleEndian.AppendUint64(nil, v)
			}
			t.raw = join(t.raw, data)
		case 5, 7:
			wide, err = numbers(wide, v, data, math.MaxInt32)
		case 8:
			t.name = string(data)
		case 9:
			t.raw = slices.Clip(data)
		case 13:
			external = true
		case 14:
			external = external || v != 0
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if external {
		return nil, bad("%s: its data is in another file; export with all data inside (torch.onnx.export(…, external_data=False))", t.name)
	}
	var ok bool
	if t.dtype, ok = onnxTypes[kind]; !ok {
		return nil, bad("%s: want floating point, file has ONNX type %d", t.name, kind)
	}
	if len(wide) > 0 {
		for _, v := range wide {
			t.raw = append(t.raw, binary.LittleEndian.AppendUint64(nil, uint64(v))[:t.dtype.size]...)
		}
	}
	count, err := t.span(int64(len(t.raw) / t.dtype.size))
	if err != nil {
		return nil, err
	}
	if count*int64(t.dtype.size) != int64(len(t.raw)) {
		return nil, bad("%s: %s %s needs %d bytes, file has %d", t.name, t.dtype.name, dims(t.shape), count*int64(t.dtype.size), len(t.raw))
	}
	if t.raw == nil {
		t.raw = []byte{}
	}
	return t, nil
}

// join appends b to a, without a copy when a is empty.
func join(a, b []byte) []byte {
	if a == nil {
		return slices.Clip(b)
	}
	return append(a, b...)
}

// readInput reads a ValueInfoProto: its name and the last of its dimensions.
func readInput(data []byte) (name string, side int64, err error) {
	err = fields(data, func(field int, _ uint64, data []byte) error {
		if field == 1 {
			name = string(data)
		}
		return inside(field, data, []int{2, 1, 2}, func(shape []byte) error {
			return fields(shape, func(field int, _ uint64, dim []byte) error {
				side = 0
				return fields(dim, func(field int, v uint64, _ []byte) error {
					if field == 1 {
						side = int64(v)
					}
					return nil
				})
			})
		})
	})
	return name, side, err
}

// inside descends the path of nested messages.
func inside(field int, data []byte, path []int, visit func([]byte) error) error {
	if field != path[0] {
		return nil
	}
	if len(path) == 1 {
		return visit(data)
	}
	return fields(data, func(field int, _ uint64, data []byte) error { return inside(field, data, path[1:], visit) })
}
