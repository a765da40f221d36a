package checkpoint

import (
	"fmt"
	"slices"
)

// few lists the first of many nodes.
func few(nodes []*node) string { return fmt.Sprint(nodes[:min(len(nodes), 4)]) }

// hint says why users cannot be taken where one that does one of ops is wanted, and what to do.
func hint(users []*node, ops []string) string {
	const relu = "only ReLU is computed here: train the network with it"
	wanted := func(op string) bool { return slices.Contains(ops, op) }
	front, sum, average, head := wanted("Sub"), wanted("Sum"), wanted("GlobalAveragePool"), wanted("Gemm")
	if len(users) == 0 && head {
		return "a backbone alone names no classes: export the network with its linear layer"
	}
	for _, n := range users {
		switch n.op {
		case "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSwish", "Mish", "Clip", "Softplus",
			"ThresholdedRelu", "Swish":
			return relu
		case "Sigmoid":
			return "only ReLU is computed here, no SiLU and no squeeze-and-excitation: train the network without"
		case "InstanceNormalization", "GroupNormalization", "LayerNormalization":
			return "only batch normalisation is computed here"
		case "QLinearConv", "ConvInteger", "DynamicQuantizeLinear":
			return "export the network in floating point, before it is quantised"
		case "If", "Loop":
			return "export the network for a fixed input, so that nothing depends on it"
		case "BatchNormalization":
			if front {
				return "a network that normalises before it convolves (pre-activation, ResNet v2) cannot be taken, " + instead
			}
		case "MaxPool":
			if average {
				return "a max-pool behind blocks or behind a stem of several convolutions (ResNet-C, D) cannot be taken, " + instead
			}
		case "GlobalMaxPool":
			return "an average over the map is wanted, no maximum"
		case "GlobalAveragePool", "ReduceMean":
			if sum {
				return "squeeze-and-excitation cannot be taken, " + instead
			}
		}
	}
	switch {
	case front && len(users) > 1:
		return "several networks on one picture cannot be taken: export one of them"
	case front:
		return "export the network without what it does to the picture first"
	case head:
		return "want a head of linear layers, each behind the one before"
	}
	return ""
}
