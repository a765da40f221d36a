// Package weights reads and writes model files: a quantised ResNet with its classes and its pre-processing in one file.
//
// Importers, calibration and the command-line tool are in sub-packages, so that a browser build that needs the reader
// alone carries nothing else.
//
// # Format
//
// A model file is one msgpack map followed by 32 bytes: the SHA-256 of everything before them. The map has exactly these
// keys, in this order. Integers are msgpack integers, numbers msgpack float 32; floats in a bin are little-endian IEEE
// float32. Layers are in the order of [resnet.Network.Convs]; out8 is a layer's output channels rounded up to 8.
//
//	key           type           meaning
//	magic         str            "resnet-web model"
//	format        int            1, the version of this table
//	layout        int            1, the version of the packing of weights
//	architecture  str            a name that resnet.Lookup knows, which gives depth, blocks and stem; what follows a "-"
//	                             is for people only
//	width         int            channels of the stem
//	inner         int            channels of a bottleneck's 3×3 in the first stage
//	pad           str            how a CIFAR net widens its shortcut: "pad-append" or "pad-split"
//	ids           array of str   per class its WordNet id, or ""
//	labels        map            language → array of str, one label per class, "" for none; languages in ascending order
//	resize        int            pixels of the shorter side after scaling
//	crop          int            side of the square cut out of its centre: the network's input
//	filter        str            "linear" (Pillow's bilinear) or "bicubic"
//	mean, std     bin            3 floats each, for R, G, B in 0…1
//	scales        bin            per layer one float: the real value of one step of its 7-bit output; a projection's
//	                             equals that of its block's last convolution
//	temperature   float          logits are divided by it before the softmax
//	unsure        float          a best probability below this is reported as "not sure"
//	source        str            where the checkpoint came from
//	licence       str            licence of the checkpoint
//	layers        array of map   name    str  the layer's name, "layer1.0.conv1"
//	                             weights bin  int8 in −127…127, packed by engine.PackConv: out8 × taps × run bytes;
//	                                          a tap is a position of the kernel and its run the inputs rounded up to 8;
//	                                          for the first layer a tap is a kernel row, its run kernel × 4 bytes
//	                             m, b    bin  out8 floats each: requantisation in units of the output's scale
//	fc            map            weights bin  int8 in −127…127, classes × features
//	                             scale, b bin one float per class
package weights
