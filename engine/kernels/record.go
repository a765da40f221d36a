package kernels

import (
	"encoding/binary"
	"math"
)

// RecordSize is the length of one instruction of the bytecode: 24 little-endian 32-bit words.
const RecordSize = 24 * 4

// Kinds of records, the first word.
const (
	kindEnd = iota
	kindConv
	kindMaxPool
	kindAvgPool
	kindLinear
	kindFill
	kindMove
	kindWhite
	kindHorizontal
	kindVertical
)

// Word offsets shared by all records, then those of convolutions. All addresses are bytes of the machine's memory.
const (
	fKind   = 4 * iota
	fKernel // place of the kernel in the function table
	fPack   // place of its packing function (fixed)
	fByBlocks
	fTiles
	fBlocks
	fTable
	fTaps
	fGroups
	fWeights
	fParams
	fOut
	fSkip
	fRes
	fStride
	fPixels
	fRS
	fChunk
	fScratch
	fScratchSize
)

// Word offsets of all other records.
const (
	fIn = 4 * (iota + 1)
	fTo
	fH
	fW
	fC
	fOH
	fOW
	fScale
	fBias
	fRows
	fData
	fFrom
	fPitch
	fOutPitch
	fOrder
	fSigned
)

// Conv is one convolution with everything fused that follows it.
type Conv struct {
	Kernel   int     // index into the kernels given to Emit
	ByBlocks bool    // threads share out blocks of output channels, not tiles of pixels
	Tiles    int     // ceil(Pixels / tile)
	Blocks   int     // output channels / 8
	Table    int     // input row addresses, uint32 [Tiles][Taps][tile]; the last tile overlaps the one before it
	Taps     int     // kernel positions, or kernel rows for the stem
	Groups   int     // a tap's run in groups: of 4 bytes (relaxed), of 8 bytes (fixed)
	Weights  int     // per block: Taps·Groups × 32 bytes (relaxed, as packed in the file), × 128 bytes (fixed, see Widen)
	Params   int     // float32 m[8], b[8] per block
	Out      int     // 7-bit output, if the kernel has one
	Skip     int     // 16-bit output, if the kernel has one
	Residual int     // 7-bit or 16-bit, if the kernel has one
	Stride   int     // channels of output and residual
	Pixels   int     // output pixels, at least the tile
	RS       float32 // residual scale

	Chunk       int // tiles that all blocks run over before the next tiles
	Scratch     int // fixed: packed activations, Chunk·Taps·Groups·tile × 16 bytes, per thread
	ScratchSize int // bytes from one thread's scratch to the next
}

// MaxPool is the 3×3 pooling with stride 2 and padding 1.
type MaxPool struct{ In, Out, H, W, C, OH, OW int }

// AvgPool averages Pixels × C 7-bit values per channel into float32: sum × Scale.
type AvgPool struct {
	In, Out, Pixels, C int
	Scale              float32
}

// Linear multiplies float32 features by int8 rows. Rows is a multiple of 4, K of 4.
type Linear struct {
	In, Out, Weights, Scale, Bias, Rows, K int
	ReLU                                   bool
}

type record [RecordSize]byte

// set takes pairs of a field and its value.
func (r *record) set(pairs ...int) {
	for i := 0; i < len(pairs); i += 2 {
		binary.LittleEndian.PutUint32(r[pairs[i]:], uint32(pairs[i+1]))
	}
}

func (r *record) float(field int, v float32) { r.set(field, int(math.Float32bits(v))) }

// Append encodes the record behind b. kernels is the number of kernels given to Emit: packing functions follow them.
func (c Conv) Append(b []byte, kernels int) []byte {
	var r record
	by := 0
	if c.ByBlocks {
		by = 1
	}
	r.set(fKind, kindConv, fKernel, c.Kernel, fPack, kernels+c.Kernel, fByBlocks, by, fTiles, c.Tiles, fBlocks, c.Blocks,
		fTable, c.Table, fTaps, c.Taps, fGroups, c.Groups, fWeights, c.Weights, fParams, c.Params, fOut, c.Out, fSkip, c.Skip, fRes, c.Residual,
		fStride, c.Stride, fPixels, c.Pixels, fChunk, c.Chunk, fScratch, c.Scratch, fScratchSize, c.ScratchSize)
	r.float(fRS, c.RS)
	return append(b, r[:]...)
}

// Append encodes the record behind b.
func (p MaxPool) Append(b []byte) []byte {
	var r record
	r.set(fKind, kindMaxPool, fIn, p.In, fTo, p.Out, fH, p.H, fW, p.W, fC, p.C, fOH, p.OH, fOW, p.OW)
	return append(b, r[:]...)
}

// Append encodes the record behind b.
func (p AvgPool) Append(b []byte) []byte {
	var r record
	r.set(fKind, kindAvgPool, fIn, p.In, fTo, p.Out, fRows, p.Pixels, fC, p.C)
	r.float(fScale, p.Scale)
	return append(b, r[:]...)
}

// Append encodes the record behind b.
func (l Linear) Append(b []byte) []byte {
	var r record
	signed := 1
	if l.ReLU {
		signed = 0
	}
	r.set(fKind, kindLinear, fIn, l.In, fTo, l.Out, fData, l.Weights, fScale, l.Scale, fBias, l.Bias, fRows, l.Rows, fC, l.K,
		fSigned, signed)
	return append(b, r[:]...)
}

// AppendEnd encodes the end of a program.
func AppendEnd(b []byte) []byte { return append(b, make([]byte, RecordSize)...) }

// Widen turns the packed weights of one block of 8 channels, [taps][groups of 4][8][4] int8, into what the fixed kernels
// read: [taps][ceil(groups/2)][4 pairs of inputs][8][2] int16, little-endian, zero-padded.
func Widen(dst []byte, packed []int8, taps, groups int) {
	wide := (groups + 1) / 2
	clear(dst[:taps*wide*128])
	for tap := range taps {
		for g := range groups {
			src := packed[(tap*groups+g)*32:][:32]
			out := dst[(tap*wide+g/2)*128+g%2*64:][:64]
			for ch := range 8 {
				for i := range 4 {
					binary.LittleEndian.PutUint16(out[i/2*32+ch*4+i%2*2:], uint16(int16(src[ch*4+i])))
				}
			}
		}
	}
}
