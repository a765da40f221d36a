#include "textflag.h"

// Both kernels take 8 outputs × 16 pixels. Multiply and add stay apart, so that each is rounded as in Go: no fused
// multiply-add. R9 to R12 hold 1, 3, 5 and 7 times the distance of two rows of weights.

#define LOAD \
	MOVQ sums+0(FP), DI; \
	MOVQ w_base+8(FP), R8; \
	MOVQ panel_base+32(FP), SI; \
	MOVQ panel_len+40(FP), CX; \
	MOVQ bias_base+56(FP), BX; \
	MOVBLZX relu+80(FP), AX; \
	LEAQ (CX*4), R9; \
	LEAQ (R9)(R9*2), R10; \
	LEAQ (R9)(R9*4), R11; \
	LEAQ (R10)(R9*4), R12

// func mul8x16AVX512(sums *[8][16]float32, w []float32, panel [][16]float32, bias []float32, relu bool)
//
// Z0 to Z7 hold the sums, one to an output; Z8 a row of the panel, Z9 to Z16 its products. K1 has the lanes that the ReLU
// applies to: all or none.
TEXT ·mul8x16AVX512(SB), NOSPLIT, $0-81
	LOAD
	NEGL    AX
	KMOVW   AX, K1
	VPXORD  Z0, Z0, Z0
	VPXORD  Z1, Z1, Z1
	VPXORD  Z2, Z2, Z2
	VPXORD  Z3, Z3, Z3
	VPXORD  Z4, Z4, Z4
	VPXORD  Z5, Z5, Z5
	VPXORD  Z6, Z6, Z6
	VPXORD  Z7, Z7, Z7
	VPXORD  Z17, Z17, Z17
	TESTQ   CX, CX
	JZ      finish

loop:
	VMOVUPS     (SI), Z8
	VMULPS.BCST (R8), Z8, Z9
	VMULPS.BCST (R8)(R9*1), Z8, Z10
	VMULPS.BCST (R8)(R9*2), Z8, Z11
	VMULPS.BCST (R8)(R10*1), Z8, Z12
	VMULPS.BCST (R8)(R9*4), Z8, Z13
	VMULPS.BCST (R8)(R11*1), Z8, Z14
	VMULPS.BCST (R8)(R10*2), Z8, Z15
	VMULPS.BCST (R8)(R12*1), Z8, Z16
	VADDPS      Z9, Z0, Z0
	VADDPS      Z10, Z1, Z1
	VADDPS      Z11, Z2, Z2
	VADDPS      Z12, Z3, Z3
	VADDPS      Z13, Z4, Z4
	VADDPS      Z14, Z5, Z5
	VADDPS      Z15, Z6, Z6
	VADDPS      Z16, Z7, Z7
	ADDQ        $64, SI
	ADDQ        $4, R8
	DECQ        CX
	JNZ         loop

finish:
// FINISH adds the bias and what stands in sums. The maximum with zero as its second operand is zero for NaN, too.
#define FINISH(r, acc) \
	VADDPS.BCST (4*r)(BX), acc, acc; \
	VADDPS      (64*r)(DI), acc, acc; \
	VMAXPS      Z17, acc, K1, acc; \
	VMOVUPS     acc, (64*r)(DI)

	FINISH(0, Z0)
	FINISH(1, Z1)
	FINISH(2, Z2)
	FINISH(3, Z3)
	FINISH(4, Z4)
	FINISH(5, Z5)
	FINISH(6, Z6)
	FINISH(7, Z7)
	VZEROUPPER
	RET

// MAC adds the products of the weight at w to the sums lo and hi.
#define MAC(w, lo, hi) \
	VBROADCASTSS w, Y10; \
	VMULPS       Y10, Y8, Y11; \
	VMULPS       Y10, Y9, Y12; \
	VADDPS       Y11, lo, lo; \
	VADDPS       Y12, hi, hi

// ADD adds the bias and what stands in sums, RELU takes the maximum with zero, and STORE stores.
#define ADD(r, lo, hi) \
	VBROADCASTSS (4*r)(BX), Y10; \
	VADDPS       Y10, lo, lo; \
	VADDPS       Y10, hi, hi; \
	VADDPS       (64*r)(DI), lo, lo; \
	VADDPS       (64*r+32)(DI), hi, hi

#define RELU(lo, hi) \
	VMAXPS Y13, lo, lo; \
	VMAXPS Y13, hi, hi

#define STORE(r, lo, hi) \
	VMOVUPS lo, (64*r)(DI); \
	VMOVUPS hi, (64*r+32)(DI)

// func mul8x16AVX2(sums *[8][16]float32, w []float32, panel [][16]float32, bias []float32, relu bool)
//
// Four outputs at a time. Y0 to Y7 hold the sums, two to an output; Y8 and Y9 a row of the panel; Y10 a weight in every
// lane, Y11 and Y12 its products.
TEXT ·mul8x16AVX2(SB), NOSPLIT, $0-81
	LOAD
	LEAQ   512(DI), R13
	VXORPS Y13, Y13, Y13

outputs:
	MOVQ   panel_base+32(FP), SI
	MOVQ   panel_len+40(FP), CX
	MOVQ   R8, DX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	TESTQ  CX, CX
	JZ     add

loop:
	VMOVUPS (SI), Y8
	VMOVUPS 32(SI), Y9
	MAC((DX), Y0, Y1)
	MAC((DX)(R9*1), Y2, Y3)
	MAC((DX)(R9*2), Y4, Y5)
	MAC((DX)(R10*1), Y6, Y7)
	ADDQ    $64, SI
	ADDQ    $4, DX
	DECQ    CX
	JNZ     loop

add:
	ADD(0, Y0, Y1)
	ADD(1, Y2, Y3)
	ADD(2, Y4, Y5)
	ADD(3, Y6, Y7)
	TESTL AX, AX
	JZ    store
	RELU(Y0, Y1)
	RELU(Y2, Y3)
	RELU(Y4, Y5)
	RELU(Y6, Y7)

store:
	STORE(0, Y0, Y1)
	STORE(1, Y2, Y3)
	STORE(2, Y4, Y5)
	STORE(3, Y6, Y7)
	LEAQ (R8)(R9*4), R8
	ADDQ $16, BX
	ADDQ $256, DI
	CMPQ DI, R13
	JLT  outputs
	VZEROUPPER
	RET
