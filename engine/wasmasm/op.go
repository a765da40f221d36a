package wasmasm

// Op is an instruction's opcode: the prefix byte above bit 16, if there is one, then the number after it.
type Op uint32

const (
	simdPrefix   = 0xfd
	atomicPrefix = 0xfe
	simd         = simdPrefix << 16
	atomic       = atomicPrefix << 16
)

// Instructions that a Func writes with their immediates.
const (
	opBlock        = 0x02
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opEnd          = 0x0b
	opBr           = 0x0c
	opBrIf         = 0x0d
	opReturn       = 0x0f
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
)

// Scalar instructions.
const (
	Unreachable Op = 0x00
	Drop        Op = 0x1a
	Select      Op = 0x1b

	I32Load    Op = 0x28
	F32Load    Op = 0x2a
	I32Load8S  Op = 0x2c
	I32Load8U  Op = 0x2d
	I32Load16S Op = 0x2e
	I32Load16U Op = 0x2f
	I32Store   Op = 0x36
	F32Store   Op = 0x38
	I32Store8  Op = 0x3a
	I32Store16 Op = 0x3b

	I32Eqz  Op = 0x45
	I32Eq   Op = 0x46
	I32Ne   Op = 0x47
	I32LtS  Op = 0x48
	I32LtU  Op = 0x49
	I32GtS  Op = 0x4a
	I32GtU  Op = 0x4b
	I32LeS  Op = 0x4c
	I32LeU  Op = 0x4d
	I32GeS  Op = 0x4e
	I32GeU  Op = 0x4f
	F32Gt   Op = 0x5e
	I32Add  Op = 0x6a
	I32Sub  Op = 0x6b
	I32Mul  Op = 0x6c
	I32DivU Op = 0x6e
	I32RemU Op = 0x70
	I32And  Op = 0x71
	I32Or   Op = 0x72
	I32Shl  Op = 0x74
	I32ShrS Op = 0x75
	I32ShrU Op = 0x76
	F32Add  Op = 0x92
	F32Mul  Op = 0x94
)

// SIMD instructions (128-bit, fixed width).
const (
	V128Load        Op = simd
	V128Load8x8S    Op = simd | 1
	V128Load8x8U    Op = simd | 2
	V128Load16x4S   Op = simd | 3
	V128Load32Splat Op = simd | 9
	V128Store       Op = simd | 11
	v128Const       Op = simd | 12
	I8x16Shuffle    Op = simd | 13
	I8x16Swizzle    Op = simd | 14
	I8x16Splat      Op = simd | 15
	I32x4Splat      Op = simd | 17
	F32x4Splat      Op = simd | 19

	I32x4ExtractLane Op = simd | 27
	F32x4ExtractLane Op = simd | 31

	V128And         Op = simd | 78
	V128Or          Op = simd | 80
	V128Xor         Op = simd | 81
	V128Store32Lane Op = simd | 90
	V128Store64Lane Op = simd | 91
	V128Load32Zero  Op = simd | 92
	V128Load64Zero  Op = simd | 93

	I8x16NarrowI16x8S Op = simd | 101
	I8x16NarrowI16x8U Op = simd | 102
	F32x4Nearest      Op = simd | 106
	I8x16Add          Op = simd | 110
	I8x16MinU         Op = simd | 119
	I8x16MaxU         Op = simd | 121

	I16x8NarrowI32x4S     Op = simd | 133
	I16x8NarrowI32x4U     Op = simd | 134
	I16x8ExtendLowI8x16S  Op = simd | 135
	I16x8ExtendHighI8x16S Op = simd | 136
	I16x8ExtendLowI8x16U  Op = simd | 137
	I16x8ExtendHighI8x16U Op = simd | 138
	I16x8ShrU             Op = simd | 141
	I16x8Add              Op = simd | 142
	I16x8Sub              Op = simd | 145
	I16x8Mul              Op = simd | 149
	I16x8MaxS             Op = simd | 152

	I32x4ExtendLowI16x8S  Op = simd | 167
	I32x4ExtendHighI16x8S Op = simd | 168
	I32x4ExtendLowI16x8U  Op = simd | 169
	I32x4ExtendHighI16x8U Op = simd | 170
	I32x4Shl              Op = simd | 171
	I32x4ShrS             Op = simd | 172
	I32x4Add              Op = simd | 174
	I32x4Sub              Op = simd | 177
	I32x4Mul              Op = simd | 181
	I32x4DotI16x8S        Op = simd | 186
	I64x2ShrU             Op = simd | 205

	F32x4Add                Op = simd | 228
	F32x4Sub                Op = simd | 229
	F32x4Mul                Op = simd | 230
	F32x4PMin               Op = simd | 234
	F32x4PMax               Op = simd | 235
	I32x4TruncSatF32x4S     Op = simd | 248
	F32x4ConvertI32x4S      Op = simd | 250
	I32x4RelaxedDotI8I7AddS Op = simd | 0x113 // i32x4.relaxed_dot_i8x16_i7x16_add_s
)

// Atomic instructions (Threads proposal).
const (
	AtomicNotify    Op = atomic
	AtomicWait32    Op = atomic | 0x01
	AtomicFence     Op = atomic | 0x03
	I32AtomicLoad   Op = atomic | 0x10
	I32AtomicStore  Op = atomic | 0x17
	I32AtomicRmwAdd Op = atomic | 0x1e
)
