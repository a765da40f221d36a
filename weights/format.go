package weights

import (
	"errors"
	"fmt"
	"unsafe"

	"resnet-web/engine"
	"resnet-web/resnet"
)

const (
	magic         = "resnet-web model"
	formatVersion = 1
	layoutVersion = 1

	// Keys of the file, of a layer and of the linear layer.
	fileKeys, layerKeys, linearKeys = 21, 4, 3

	maxText      = 1 << 16 // bytes of a string; a licence fits
	maxLanguages = 256
	maxSide      = 4096 // pixels of resize and crop
	maxChannels  = 4096 // of width and inner: keeps every product of sizes far inside int64

	// Scales outside this range come from no calibration, and inside it no ratio of two overflows float32.
	minScale, maxScale = 1e-12, 1e12
)

var (
	// ErrFormat marks data that is no model file, or one that this version cannot read. Errors wrap it.
	ErrFormat = errors.New("not a model file this version reads")
	// ErrIntegrity marks a model file that was cut short or altered: its checksum does not match. Errors wrap it.
	ErrIntegrity = errors.New("model file is damaged")
)

// fileError says what is wrong with a file. Its message does not repeat the sentinel, which errors.Is finds.
type fileError struct {
	kind error
	text string
}

func (e *fileError) Error() string { return "weights: " + e.text }
func (e *fileError) Unwrap() error { return e.kind }

func formatError(format string, a ...any) error {
	return &fileError{ErrFormat, fmt.Sprintf(format, a...)}
}

func integrityError(format string, a ...any) error {
	return &fileError{ErrIntegrity, fmt.Sprintf(format, a...) + "; download the model again"}
}

// pads are the shortcuts that architecture names do not tell apart.
var pads = []resnet.Shortcut{resnet.PadAppend, resnet.PadSplit}

// packedSize is the number of bytes of a convolution's weights. The first convolution reads the image by rows.
func packedSize(c resnet.Conv) int { return engine.PackedSize(c.Out, c.In, c.Kernel, c.Index == 0) }

// asInts and asBytes view the same memory as the other type: both have size 1 and no alignment.
func asInts(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func asBytes(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}
