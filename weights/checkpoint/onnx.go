package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// node is one operation.
type node struct {
	name, op        string
	domain          string
	inputs, outputs []string
	attrs           []attr
}

type attr struct {
	name string
	i    int64
	f    float64
	s    string
	ints []int64
	raw  []byte // of a list of float32
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

// int is an integer attribute, or otherwise where the node has none.
func (n *node) int(name string, otherwise int64) int64 {
	if a := n.attr(name); a != nil {
		return a.i
	}
	return otherwise
}

// ints is a list attribute, nil where the node has none.
func (n *node) ints(name string) []int64 {
	if a := n.attr(name); a != nil {
		return a.ints
	}
	return nil
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
	g := newGraph(c)
	found := false
	err := fields(file, func(field int, _ uint64, data []byte) error {
		if field != modelGraph {
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

func newGraph(c *Checkpoint) *graph {
	return &graph{
		inits: map[string]tensor{}, inputs: map[string]value{}, alias: map[string]string{}, users: map[string][]*node{},
		made: map[string]*node{}, outputs: map[string]bool{}, parts: map[string]*part{}, c: c, stride: 1,
	}
}

func (g *graph) read(data []byte) error {
	return fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case graphNode:
			n, err := g.node(data)
			if err != nil {
				return err
			}
			g.nodes = append(g.nodes, n)
		case graphInitializer:
			t, err := g.tensor(data)
			if err != nil {
				return err
			}
			if _, twice := g.inits[t.name]; twice || t.name == "" {
				return bad("ONNX: initialiser %q comes twice or has no name", t.name)
			}
			g.inits[t.name] = *t
		case graphInput:
			name, v, err := readValue(data)
			if err != nil {
				return err
			}
			g.inputs[name] = v
		case graphOutput:
			name, _, err := readValue(data)
			g.outputs[name] = true
			return err
		case graphSparse:
			return bad("ONNX: a sparse initialiser, want dense ones")
		}
		return nil
	})
}

func (g *graph) node(data []byte) (*node, error) {
	n := &node{}
	err := fields(data, func(field int, _ uint64, data []byte) error {
		switch field {
		case nodeInput:
			n.inputs = append(n.inputs, string(data))
		case nodeOutput:
			n.outputs = append(n.outputs, string(data))
		case nodeName:
			n.name = string(data)
		case nodeOp:
			n.op = string(data)
		case nodeAttribute:
			a, err := g.attribute(data)
			if err != nil {
				return err
			}
			n.attrs = append(n.attrs, a)
		case nodeDomain:
			n.domain = string(data)
		}
		return nil
	})
	if err == nil && n.domain != "" && n.domain != "ai.onnx" {
		advice := "export it again without its own operations"
		switch {
		case strings.HasPrefix(n.domain, "com.microsoft"):
			advice = "take the model from before onnxruntime optimised or quantised it"
		case strings.HasPrefix(n.domain, "pkg."):
			advice = "export it again with PyTorch 2.9 or later, or with torch.onnx.export(…, dynamo=False)"
		}
		return n, bad("ONNX: %v is of domain %q, want operations of ONNX itself; %s", n, n.domain, advice)
	}
	if err == nil && (n.op == "" || len(n.outputs) == 0 || n.outputs[0] == "") {
		err = bad("ONNX: node %q without operation or named output", n.name)
	}
	return n, err
}

func (g *graph) attribute(data []byte) (attr, error) {
	a := attr{}
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case attributeName:
			a.name = string(data)
		case attributeFloat:
			a.f = float64(math.Float32frombits(uint32(v)))
		case attributeInt:
			a.i = int64(v)
		case attributeString:
			a.s = string(data)
		case attributeTensor:
			a.t, err = g.tensor(data)
		case attributeFloats:
			if data == nil {
				data = binary.LittleEndian.AppendUint32(nil, uint32(v))
			}
			a.raw = join(a.raw, data)
		case attributeInts:
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
	onnxFloat: float32_, onnxFloat16: float16, onnxDouble: float64_, onnxBfloat16: bfloat16,
	onnxUint8: {"uint8", 1, nil}, onnxInt8: {"int8", 1, nil}, onnxInt32: {"int32", 4, nil}, onnxInt64: {"int64", 8,
		nil}, onnxBool: {"bool", 1, nil},
}

// integerAt reads the elements of those types of onnxTypes that are no real numbers.
var integerAt = map[string]func([]byte) float64{
	"uint8": func(b []byte) float64 { return float64(b[0]) },
	"int8":  func(b []byte) float64 { return float64(int8(b[0])) },
	"int32": func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) },
	"int64": func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) },
}

func (g *graph) tensor(data []byte) (*tensor, error) {
	t := &tensor{shape: []int{}}
	var kind uint64
	var external bool
	var location [3]string // file, offset, length
	var wide []int64
	err := fields(data, func(field int, v uint64, data []byte) (err error) {
		switch field {
		case tensorDims:
			var list []int64
			list, err = numbers(nil, v, data, 8)
			for _, n := range list {
				if n < 0 || n > math.MaxInt32 || len(t.shape) == 8 {
					return bad("ONNX: dimension %d of an initialiser, want up to 8 of up to 2³¹", n)
				}
				t.shape = append(t.shape, int(n))
			}
		case tensorType:
			kind = v
		case tensorFloats:
			if data == nil {
				data = binary.LittleEndian.AppendUint32(nil, uint32(v))
			}
			t.raw = join(t.raw, data)
		case tensorDoubles:
			if data == nil {
				data = binary.LittleEndian.AppendUint64(nil, v)
			}
			t.raw = join(t.raw, data)
		case tensorInt32s, tensorInt64s:
			wide, err = numbers(wide, v, data, math.MaxInt32)
		case tensorName:
			t.name = string(data)
		case tensorRaw:
			t.raw = slices.Clip(data)
		case tensorExternal:
			external = true
			var key, value string
			err = fields(data, func(field int, _ uint64, data []byte) error {
				switch field {
				case entryKey:
					key = string(data)
				case entryValue:
					value = string(data)
				}
				return nil
			})
			if i := slices.Index([]string{"location", "offset", "length"}, key); i >= 0 {
				location[i] = value
			}
		case tensorLocation:
			external = external || v != 0
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var ok bool
	if t.dtype, ok = onnxTypes[kind]; !ok {
		return nil, bad("%s: want floating point, file has ONNX type %d", t.name, kind)
	}
	if external {
		return t, g.external(t, location[0], location[1], location[2])
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
		return nil, bad("%s: %s %s needs %d bytes, file has %d", t.name, t.dtype.name, dims(t.shape),
			count*int64(t.dtype.size), len(t.raw))
	}
	if t.raw == nil {
		t.raw = []byte{}
	}
	t.at, g.bytes = g.bytes, g.bytes+int64(len(t.raw))
	return t, nil
}

// external sets where t's elements lie: from offset, 0 for "", length bytes, or all that follow, of the file location.
func (g *graph) external(t *tensor, location, offset, length string) error {
	p := g.parts[location]
	if p == nil {
		var err error
		if p, err = g.c.part(t.name, location); err != nil {
			return err
		}
		if known := g.parts[p.name]; known != nil { // by another way of writing it
			p = known
		} else {
			p.base, g.bytes = g.bytes, g.bytes+p.size
			g.parts[p.name] = p
			g.c.parts = append(g.c.parts, p)
		}
		g.parts[location] = p
	}
	number := func(s string, otherwise int64) int64 {
		if s == "" {
			return otherwise
		}
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	from := number(offset, 0)
	n := number(length, p.size-from)
	if from < 0 || n < 0 || from > p.size || n > p.size-from {
		return bad("%s: want bytes from %q, %q of them, of the file %q, which has %d; both may not be of one export: "+
			"download or export them again",
			t.name, offset, length, p.name, p.size)
	}
	count, err := t.span(n / int64(t.dtype.size))
	if err != nil {
		return err
	}
	if need := count * int64(t.dtype.size); need != n && length != "" {
		return bad("%s: %s %s needs %d bytes, it has %d in the file %q; export again", t.name, t.dtype.name, dims(t.shape),
			need, n, p.name)
	}
	t.part, t.at, t.raw = p, p.base+from, nil
	return nil
}

// join appends b to a, without a copy when a is empty.
func join(a, b []byte) []byte {
	if a == nil {
		return slices.Clip(b)
	}
	return append(a, b...)
}

// value is what a ValueInfoProto says of an input.
type value struct {
	kind uint64  // as in onnxTypes
	dims []int64 // 0 where free
}

// readValue reads a ValueInfoProto.
func readValue(data []byte) (name string, v value, err error) {
	err = fields(data, func(field int, _ uint64, data []byte) error {
		if field == valueName {
			name = string(data)
		}
		return inside(field, data, []int{valueType, typeTensor}, func(tensor []byte) error {
			return fields(tensor, func(field int, kind uint64, shape []byte) error {
				switch field {
				case typeElement:
					v.kind = kind
				case typeShape:
					v.dims = nil
					return fields(shape, func(_ int, _ uint64, dim []byte) error { // shapeDim is its only field
						if len(v.dims) == maxDims {
							return bad("ONNX: %q: want at most %d dimensions", name, maxDims)
						}
						v.dims = append(v.dims, 0)
						return fields(dim, func(field int, n uint64, _ []byte) error {
							if field == dimValue {
								v.dims[len(v.dims)-1] = int64(n)
							}
							return nil
						})
					})
				}
				return nil
			})
		})
	})
	return name, v, err
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
