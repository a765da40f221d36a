package resnet

// FloatConv is a convolution with its batch normalisation folded in.
type FloatConv struct {
	Conv
	W []float32 // Out × In × Kernel × Kernel, row-major
	B []float32 // Out
}

// Float is a network in float32 with batch normalisation folded into the convolutions: what an importer makes, the
// oracle for accuracy and the source for quantisation.
type Float struct {
	Network
	Convs []FloatConv // in the order of Network.Convs, the 0/1 weights of pad shortcuts included
	FCW   []float32   // Classes × Features
	FCB   []float32   // Classes
}
