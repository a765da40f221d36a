// Package engine runs int8 convolutional networks; it knows no model and no page.
//
// A network is a [Program]: a list of ops over tensors in one flat arena, put together by a [Builder], which plans the
// arena by lifetime. Three executors run it and leave the same bytes: [Reference] in plain Go is the truth, [Native]
// runs the emitted machine (package kernels) on wazero, [Browser] runs it in the page's own WebAssembly engine.
//
// Executors also scale pictures to the network's input, in the same memory, as [Scaling] says: a picture's rows go from
// its decoder into the machine, strip by strip, and nothing of it passes through Go's memory.
//
// # Arithmetic
//
// f32 is IEEE 754 binary32, every operation rounded on its own, to nearest, ties to even; rne is the same rounding to an
// integer; clamp(x, lo, hi) comes before any conversion to an integer. Activations are unsigned 7-bit, 0…127, zero point
// 0, one scale per tensor, channels last. Weights are signed 8-bit, −127…127, one scale per output channel.
//
// Image, per channel of RGB, p in 0…255; the fourth channel is 0; the border of the first convolution is
// q(round(255·mean)) of each channel:
//
//	q(p) = (127·p + 127) / 255                      integer division
//
// Convolution, with m, b per output channel and rs per op, t in units of the output's scale:
//
//	acc = Σ w·q                                     exact, int32
//	t   = f32(f32(f32(acc)·m) + b)
//	t   = f32(t + f32(f32(r)·rs))                   if there is a residual r
//	q   = clamp(rne(t), 0, 127), NaN → 0            output after a ReLU
//	s   = clamp(rne(f32(64·t)), 0, 32767), NaN → 0  the same output, kept for the skip path in 16 bits
//	s   = clamp(rne(f32(64·t)), −32768, 32767)      a projection shortcut: no ReLU, no residual, no q
//
// The residual is the 16-bit s of the block before or of the projection, or the 7-bit output of the max-pool.
//
// Max-pool is 3×3, stride 2, padding 1, over values that are never negative. The global average pool makes float32
// features, with scale = f32(s/n) for a tensor of n pixels and scale s:
//
//	feature = f32(f32(Σ q)·scale)                   the sum exact, int32
//
// Linear, with int8 weights, a float32 scale and a bias per row:
//
//	s_j = Σ f32(feature_k·f32(w_k))                 k ≡ j (mod 4), ascending, each sum rounded; j = 0…3
//	y   = f32(f32(f32(f32(s_0+s_1) + f32(s_2+s_3))·scale) + bias)
//	y   = y > 0 ? y : 0                             where another linear layer follows
package engine
