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
	formatVersion = 2 // what is written; format 1 is read, too
	layoutVersion = 1

	// Keys of the file, of a layer and of a linear layer, and those of format 1 that differ.
	fileKeys, layerKeys, linearKeys = 23, 4, 4
	fileKeys1, linearKeys1          = 21, 3

	maxText      = 1 << 16 // bytes of a string; a licence fits
	maxLanguages = 256
	maxSide      = 4096 // pixels of resize and crop
	maxChannels  = 4096 // of width and inner: keeps every product of sizes far inside int64
	maxHead      = 8    // linear layers
	maxOutputs   = 1 << 20

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

// dashed are the shortcuts of blocks that change their input's size, which architecture names do not tell apart.
var dashed = []resnet.Shortcut{resnet.Projection, resnet.PadAppend, resnet.PadSplit}

// The words of a file for what is true or false of a model, false first.
var (
	roundings = [2]string{"even", "floor"}
	outputs   = [2]string{"softmax", "sigmoid"}
)

// word is the one of two for v.
func word(words [2]string, v bool) string {
	if v {
		return words[1]
	}
	return words[0]
}

// packedSize is the number of bytes of a convolution's weights. The first convolution reads the image by rows.
func packedSize(c resnet.Conv) int { return engine.PackedSize(c.Out, c.In, c.Kernel, c.Index == 0) }

// asInts and asBytes view the same memory as the other type: both have size 1 and no alignment.
func asInts(b []byte) []int8 {
	return unsafe.Slice((*int8)(unsafe.Pointer(unsafe.SliceData(b))), len(b))
}

func asBytes(v []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}
