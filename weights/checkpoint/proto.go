package checkpoint

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// An ONNX file is a protobuf message. Here is what the reader and the writer need of protobuf, and the numbers that
// both use (onnx/onnx.proto of the ONNX project; protobuf.dev, "Encoding").

// Wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// Fields, by message.
const (
	modelIR       = 1
	modelProducer = 2
	modelGraph    = 7
	modelOpset    = 8

	opsetVersion = 2

	graphNode        = 1
	graphName        = 2
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12
	graphSparse      = 15 // sparse_initializer

	nodeInput     = 1
	nodeOutput    = 2
	nodeName      = 3
	nodeOp        = 4
	nodeAttribute = 5
	nodeDomain    = 7

	attributeName   = 1
	attributeFloat  = 2
	attributeInt    = 3
	attributeString = 4
	attributeTensor = 5
	attributeFloats = 7
	attributeInts   = 8
	attributeType   = 20

	tensorDims     = 1
	tensorType     = 2
	tensorFloats   = 4
	tensorInt32s   = 5 // also 8 and 16-bit numbers and bools
	tensorInt64s   = 7
	tensorName     = 8
	tensorRaw      = 9
	tensorDoubles  = 10
	tensorExternal = 13 // external_data
	tensorLocation = 14 // data_location

	entryKey   = 1 // StringStringEntryProto
	entryValue = 2

	valueName = 1 // ValueInfoProto
	valueType = 2

	typeTensor   = 1 // TypeProto
	typeElement  = 1 // TypeProto.Tensor
	typeShape    = 2
	shapeDim     = 1
	dimValue     = 1
	dimParameter = 2
)

// Values of attributeType.
const (
	attributeIsInt  = 2
	attributeIsInts = 7
)

// Values of tensorType and typeElement.
const (
	onnxFloat    = 1
	onnxUint8    = 2
	onnxInt8     = 3
	onnxInt32    = 6
	onnxInt64    = 7
	onnxBool     = 9
	onnxFloat16  = 10
	onnxDouble   = 11
	onnxBfloat16 = 16
)

// fields walks the fields of a protobuf message: data holds a field of bytes, v one of a number.
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
		case wireVarint:
			if v, n = binary.Uvarint(b); n <= 0 {
				return bad("ONNX: a number is cut short; download the file again")
			}
		case wireFixed64, wireFixed32:
			n = 8
			if key&7 == wireFixed32 {
				n = 4
			}
			if len(b) < n {
				return bad("ONNX: a number is cut short; download the file again")
			}
			for i, x := range b[:n] {
				v |= uint64(x) << (8 * i)
			}
		case wireBytes:
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

// message is a protobuf message in pieces, so that weights are not copied to learn its length.
type message struct {
	pieces []piece
	size   int
}

type piece struct {
	bytes  []byte
	floats []float32
}

func (m *message) put(b []byte) {
	m.pieces, m.size = append(m.pieces, piece{bytes: b}), m.size+len(b)
}

func (m *message) int(field int, v int64) {
	m.put(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|wireVarint), uint64(v)))
}

func (m *message) head(field, size int) {
	m.put(binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3|wireBytes), uint64(size)))
}

func (m *message) text(field int, s string) {
	m.head(field, len(s))
	m.put([]byte(s))
}

func (m *message) floats(field int, v []float32) {
	m.head(field, 4*len(v))
	m.pieces, m.size = append(m.pieces, piece{floats: v}), m.size+4*len(v)
}

func (m *message) add(field int, sub *message) {
	m.head(field, sub.size)
	m.pieces, m.size = append(m.pieces, sub.pieces...), m.size+sub.size
}

func (m *message) write(w io.Writer) error {
	b := bufio.NewWriterSize(w, 1<<16)
	var four [4]byte
	for _, p := range m.pieces {
		b.Write(p.bytes) // a bufio.Writer keeps its first error for Flush
		for _, v := range p.floats {
			binary.LittleEndian.PutUint32(four[:], math.Float32bits(v))
			b.Write(four[:])
		}
	}
	return b.Flush()
}
