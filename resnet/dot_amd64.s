#include "textflag.h"

// Register tile: 4 outputs × 8 pixels. X0 to X7 hold the sums, two to an output; X8 and X9 a row of the panel; X10 and X11
// a weight in every lane, then its products. Multiply and add stay apart, so that each is rounded.

// MAC adds the products of weight CX of w to the sums lo and hi.
#define MAC(w, lo, hi) \
	MOVSS  (w)(CX*4), X10; \
	SHUFPS $0, X10, X10; \
	MOVAPS X10, X11; \
	MULPS  X8, X10; \
	MULPS  X9, X11; \
	ADDPS  X10, lo; \
	ADDPS  X11, hi

// func dot4x8(sums *[4][8]float32, w0, w1, w2, w3 []float32, panel [][8]float32)
TEXT ·dot4x8(SB), NOSPLIT, $0-128
	MOVQ  sums+0(FP), DI
	MOVQ  w0_base+8(FP), R8
	MOVQ  w1_base+32(FP), R9
	MOVQ  w2_base+56(FP), R10
	MOVQ  w3_base+80(FP), R11
	MOVQ  panel_base+104(FP), SI
	MOVQ  panel_len+112(FP), DX
	XORQ  CX, CX
	XORPS X0, X0
	XORPS X1, X1
	XORPS X2, X2
	XORPS X3, X3
	XORPS X4, X4
	XORPS X5, X5
	XORPS X6, X6
	XORPS X7, X7
	JMP   test

loop:
	MOVUPS (SI), X8
	MOVUPS 16(SI), X9
	MAC(R8, X0, X1)
	MAC(R9, X2, X3)
	MAC(R10, X4, X5)
	MAC(R11, X6, X7)
	ADDQ   $32, SI
	INCQ   CX

test:
	CMPQ   CX, DX
	JLT    loop
	MOVUPS X0, (DI)
	MOVUPS X1, 16(DI)
	MOVUPS X2, 32(DI)
	MOVUPS X3, 48(DI)
	MOVUPS X4, 64(DI)
	MOVUPS X5, 80(DI)
	MOVUPS X6, 96(DI)
	MOVUPS X7, 112(DI)
	RET
