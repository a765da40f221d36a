// Package calibrate turns a float32 network into a quantised model: it measures activations over sample images, or takes
// them from the network's own statistics, chooses scales by least error, and corrects the mean error that rounding
// leaves.
//
// The arithmetic is that of package engine; its constants are chosen here. Each activation has one scale, the real value
// of a step, which minimises the squared error of 0…127 steps over a histogram. Each output channel of a convolution has
// one scale s_w, which minimises the squared error of its products: a weight's error counts with the mean square of its
// input. Then m = s_in·s_w/s_out, and b is the bias less the mean error of the sum, in units of s_out. With x̂ and ŵ for
// what is quantised, b·s_out = bias + Σ w·E[x] − Σ ŵ·E[x̂]. The means are taken for each tap, so that borders count as
// often as they occur. A block's last convolution and its projection share the block's scale.
//
// conv1 reads image bytes as q/127 without a mean or deviation: its weights are divided by the deviation, and since
// E[x̂] is then the mean of q/127, the rule above moves the image's mean into b.
package calibrate
