package checkpoint

import (
	"regexp"
	"slices"
	"strings"
)

// instead is what to do with a network that is no ResNet of ours.
const instead = "take the plain ResNet of that depth, or run this one with ONNX Runtime"

// relation is a network by a name among its tensors.
type relation struct {
	mark *regexp.Regexp
	name string
}

// relatives are networks near the family. The first that fits counts.
var relatives = []relation{
	{regexp.MustCompile(`layer\d+\.\d+\.(eca|eca_layer|se\.conv)\.`), "a ResNet with efficient channel attention (ECA)"},
	{regexp.MustCompile(`layer\d+\.\d+\.(cbam|ca|sa)\.|ChannelGate|SpatialGate`),
		"a ResNet with attention to channels and places (CBAM)"},
	{regexp.MustCompile(`layer\d+\.\d+\.conv2\.(radix|bn0|fc[12]|conv)\.`), "a split-attention network (ResNeSt)"},
	{regexp.MustCompile(`layer\d+\.\d+\.conv2\.(paths|attn)\.`), "a selective-kernel network (SKNet)"},
	{regexp.MustCompile(`layer\d+\.\d+\.(se|se_module|se_layer|se_block|squeeze|excitation|fc[12])\.`),
		"a ResNet with squeeze-and-excitation (SE)"},
	{regexp.MustCompile(`\.filt$|\.aa\.`), "an anti-aliased ResNet with blurs where it strides"},
	{regexp.MustCompile(`layer\d+\.\d+\.(convs|bns)\.\d`), "a Res2Net"},
	{regexp.MustCompile(`\.bn\d\.(IN|BN)\.|\.IN\.weight$`),
		"a ResNet with instance normalisation in its blocks (IBN-Net)"},
	{regexp.MustCompile(`conv2_offset|\.conv_offset\.|offset_conv`), "a ResNet with deformable convolutions"},
	{regexp.MustCompile(`layer\d+\.\d+\.(context_block|non_local|nonlocal|nl)\b`),
		"a ResNet with non-local or context blocks"},
	{regexp.MustCompile(`(^|\.)layer\d+\.\d+\.(mhsa|attn|self_attn)\.`),
		"a ResNet with attention in its blocks (BoTNet)"},
	{regexp.MustCompile(`\.bias1a$`), "a ResNet without normalisation (Fixup)"},
	{regexp.MustCompile(`(^|\.)attnpool\.`), "a ResNet of CLIP, with a deep stem and attention in place of the average"},
	{regexp.MustCompile(`(^|\.)conv1\.[2-9]\.weight$|(^|\.)stem\.[3-9]\.(weight|conv)|(^|\.)conv1_[123]\.`),
		"a ResNet with a deep stem of three convolutions (ResNet-C, D)"},

	// Those that name their layers otherwise.
	{regexp.MustCompile(`(^|\.)block\d\.unit\d+\.|(^|\.)root\.conv\.`),
		"a ResNet of Big Transfer (BiT): pre-activation, GroupNorm"},
	{regexp.MustCompile(`(^|\.)stages\.\d+\.blocks\.\d+\.norm[123]\.`),
		"a ResNet that normalises before it convolves (pre-activation, ResNet v2, BiT)"},
	{regexp.MustCompile(`(^|\.)block\d\.layer\.\d+\.bn1\.`), "a Wide ResNet with pre-activation (WRN-28-10 and so on)"},
}

// strangers are networks that people bring and that are no ResNets.
var strangers = []relation{
	{regexp.MustCompile(`denselayer\d+\.`), "a DenseNet"},
	{regexp.MustCompile(`(^|\.)cls_token$|\.attn\.qkv\.|self_attention`), "a transformer (ViT, Swin)"},
	{regexp.MustCompile(`\.conv_dw\.|_depthwise_conv|\.conv_pwl\.|^features\.\d+\.conv\.`),
		"a network of depthwise convolutions " +
			"(EfficientNet, MobileNet, ConvNeXt)"},
	{regexp.MustCompile(`(^|\.)trunk_output\.|(^|\.)s\d\.b\d+\.`), "a RegNet"},
	{regexp.MustCompile(`(^|\.)Mixed_\d`), "an Inception network"},
	{regexp.MustCompile(`^(module\.)?features\.\d+\.weight$`), "a VGG or AlexNet"},
}

// among is the first of list that has one of names, and that name; none where none has one.
func among(list []relation, names []string) (k relation, name string) {
	for _, k := range list {
		if i := slices.IndexFunc(names, k.mark.MatchString); i >= 0 {
			return k, names[i]
		}
	}
	return relation{}, ""
}

// nearly is the error for a network near the family, by its names; nil where it is none.
func nearly(names []string) error {
	if k, name := among(relatives, names); k.mark != nil {
		return bad("%s: this is %s, not computed here; %s", name, k.name, instead)
	}
	return nil
}

// relative refuses the relatives of the family, by names and shapes.
func (s *state) relative() error {
	if err := nearly(s.order); err != nil {
		return err
	}
	_, statistics := s.tensors["bn1.running_mean"]
	for _, name := range s.order {
		t := s.tensors[name]
		layer, _ := strings.CutSuffix(name, ".weight")
		block, part, ok := cutLast(layer)
		if layer == name || !ok || !strings.HasPrefix(name, "layer") {
			continue
		}
		kind := ""
		conv := s.tensors[block+".conv1.weight"].shape
		_, normed := s.tensors[block+".bn1.running_mean"]
		switch {
		case part == "conv2" && len(t.shape) == 4 && len(conv) == 4 && t.shape[1] > 0 && t.shape[1] < conv[0] &&
			conv[0]%t.shape[1] == 0:
			kind = "a network of grouped convolutions (ResNeXt)"
		case part == "1" && len(t.shape) == 4:
			kind = "a ResNet that averages in its shortcuts (ResNet-D)"
		case part == "bn1" && len(conv) == 4 && len(t.shape) == 1 && t.shape[0] == conv[1] && t.shape[0] != conv[0]:
			kind = "a ResNet that normalises before it convolves (pre-activation, ResNet v2)"
		case part == "bn1" && !normed && !statistics:
			kind = "a ResNet with GroupNorm, or with batch normalisation without running statistics"
		default:
			continue
		}
		return bad("%s, %s: this is %s, not computed here; %s", s.given[name], t.came(), kind, instead)
	}
	return nil
}

// cutLast cuts the last part of a name of parts with dots between.
func cutLast(name string) (before, last string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at < 0 {
		return "", name, false
	}
	return name[:at], name[at+1:], true
}
