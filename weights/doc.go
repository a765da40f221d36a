// Package weights reads and writes model files: a quantised ResNet with its classes and its pre-processing in one file.
//
// Importers, calibration and the command-line tool are in sub-packages, so that a browser build that needs the reader
// alone carries nothing else.
//
// # Format
//
// A model file is one msgpack map followed by 32 bytes: the SHA-256 of everything before them. The map has exactly these
// keys, in this order, and each value is of its type: msgpack has types of its own for text (str) and bytes (bin), an
// int is a msgpack integer of any length, a float a msgpack float 32. Nothing may be nil, and only what is said to may
// be empty. Floats in a bin are little-endian IEEE float32 and finite. Layers are in the order of
// [resnet.Network.Convs]; out8 is a layer's output channels rounded up to 8.
//
//	key           type           meaning
//	magic         str            "resnet-web model"
//	format        int            2, the version of this table
//	layout        int            1, the version of the packing of weights
//	architecture  str            a name that resnet.Lookup knows, which gives depth, blocks and stem; what follows a "-"
//	                             is for people only
//	width         int            channels of the stem, 1 to 4096
//	inner         int            channels of a bottleneck's 3×3 in the first stage, 1 to 4096
//	shortcut      str            of the blocks that change their input's size: "projection", or, without parameters,
//	                             "pad-append" or "pad-split"
//	ids           array of str   per class its WordNet id, or ""; at least one class
//	labels        map            language → array of str, one label per class, "" for none; languages in
//	                             ascending order, 256 at most, or none at all
//	resize        int            pixels of the shorter side after scaling, crop to 4096
//	crop          int            side of the square cut out of its centre: the network's input, from 32
//	filter        str            "bilinear" or "bicubic", Pillow's
//	rounding      str            where the crop begins if half of what is over is no whole number: "even" is the
//	                             nearest even one, as torchvision has it, "floor" the next lower, as Hugging Face
//	mean          bin            3 floats, for R, G, B in 0…1
//	std           bin            3 floats above 1e-6, at most 1e6
//	scales        bin            per layer one float of 1e-12 to 1e12: the real value of one step of its 7-bit
//	                             output; a projection's equals that of its block's last convolution
//	temperature   float          logits are divided by it first; above 0, at most 1000
//	unsure        float          a best probability below this is reported as "not sure"; from 0, below 1
//	output        str            what makes probabilities of logits: "softmax", or "sigmoid" where the classes do not
//	                             exclude each other
//	source        str            where the checkpoint came from; may be empty
//	licence       str            licence of the checkpoint; may be empty
//	layers        array of map   one for each convolution
//	head          array of map   the linear layers behind the averages, 1 to 8, with a ReLU between
//
//	of a layer    type           meaning
//	name          str            the layer's name, "layer1.0.conv1"
//	weights       bin            int8 in −127…127, packed by engine.PackConv: out8 × taps × run bytes; a tap is
//	                             a position of the kernel and its run the inputs rounded up to 8; for the first
//	                             layer a tap is a kernel row, its run kernel × 4 bytes
//	m             bin            out8 floats from 0: requantisation in units of the output's scale
//	b             bin            out8 floats; those of m and b that round the channels up to 8 are 0
//
//	of head       type           meaning
//	outputs       int            1 to 1,048,576; of the last layer, the number of classes
//	weights       bin            int8 in −127…127, outputs × inputs
//	scale         bin            one float per output
//	b             bin            one float per output
//
// Files of format 1 have 1 for format; "pad" for shortcut, which only has a meaning in CIFAR nets, and is never
// "projection"; "linear" for bilinear; no rounding, which is even; no output, which is softmax; and in place of head, fc:
// one such map without outputs.
//
// Text is UTF-8 without NUL, of at most 65,536 bytes. A reader also refuses sums of more than 130,000 products, and
// networks that take more than 400 thousand million multiply-adds or 256 MiB of activations for a picture: see
// CheckWork.
package weights
