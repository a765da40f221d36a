package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// hfBlock matches Hugging Face's names inside a stage; stages and inner layers count from 0 there.
var hfBlock = regexp.MustCompile(`^(.*?)(?:resnet\.)?encoder\.stages\.(\d)\.layers\.(\d+)\.(?:layer\.(\d)|shortcut)\.(convolution|normalization)\.(.*)$`)

// hfOther matches the rest of them.
var hfOther = regexp.MustCompile(`^(.*?)(?:resnet\.)?(embedder\.embedder\.convolution|embedder\.embedder\.normalization|classifier\.1)\.(.*)$`)

// torchName is torchvision's name for one of Hugging Face's; others stay.
func torchName(name string) string {
	if m := hfBlock.FindStringSubmatch(name); m != nil {
		block := fmt.Sprintf("%slayer%c.%s.", m[1], m[2][0]+1, m[3])
		switch normal := m[5] == "normalization"; {
		case m[4] == "" && normal:
			return block + "downsample.1." + m[6]
		case m[4] == "":
			return block + "downsample.0." + m[6]
		case normal:
			return fmt.Sprintf("%sbn%c.%s", block, m[4][0]+1, m[6])
		default:
			return fmt.Sprintf("%sconv%c.%s", block, m[4][0]+1, m[6])
		}
	}
	if m := hfOther.FindStringSubmatch(name); m != nil {
		to := map[string]string{"convolution": "conv1.", "normalization": "bn1.", "classifier.1": "fc."}
		return m[1] + to[strings.TrimPrefix(m[2], "embedder.embedder.")] + m[3]
	}
	return name
}

// wrappers are what torch.compile, the parallel modules and checkpointing put into names, anywhere.
var wrappers = regexp.MustCompile(`(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module|module)\.)+`)

// child matches the first block of a network whose layers are numbered, as in nn.Sequential(*resnet.children()): the
// convolution and normalisation of the stem, perhaps a ReLU and a max-pool, then the stages.
var child = regexp.MustCompile(`^(.*\.)?([234])\.0\.conv1\.weight$`)

// habits are other names of a stem and of a projection.
var habits = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`(^|\.)layer0\.(?:0|conv1)\.`), "${1}conv1."},
	{regexp.MustCompile(`(^|\.)layer0\.(?:1|bn1)\.`), "${1}bn1."},
	{regexp.MustCompile(`(\blayer\d+\.\d+\.)shortcut\.`), "${1}downsample."},
}

// torchNames gives names torchvision's form in place.
func torchNames(names []string) {
	has := map[string]bool{}
	for i, name := range names {
		name = torchName(wrappers.ReplaceAllString(name, "$1"))
		for _, r := range habits {
			name = r.from.ReplaceAllString(name, r.to)
		}
		names[i] = name
		has[names[i]] = true
	}
	var numbered [][2]string
	for _, name := range names {
		m := child.FindStringSubmatch(name)
		if m == nil || !has[m[1]+"0.weight"] && !has[m[1]+"0.0.weight"] || !has[m[1]+"1.weight"] && !has[m[1]+"0.bias"] {
			continue
		}
		numbered = append(numbered, [2]string{m[1] + "0.", m[1] + "conv1."}, [2]string{m[1] + "1.", m[1] + "bn1."})
		for i := range 4 {
			number, stage := fmt.Sprintf("%s%c.", m[1], m[2][0]+byte(i)), fmt.Sprintf("%slayer%d.", m[1], i+1)
			numbered = append(numbered, [2]string{number, stage})
		}
	}
	for i, name := range names {
		for _, r := range numbered {
			rest, ok := strings.CutPrefix(name, r[0])
			if stage := strings.HasPrefix(r[1][len(r[0])-2:], "layer"); ok && stage == blockName.MatchString(rest) {
				names[i] = r[1] + rest
				break
			}
		}
	}
}

// blockName matches what a name has behind its stage.
var blockName = regexp.MustCompile(`^\d+\.(conv|bn|downsample)`)

// unlike are the marks of weights that are not a network's own, by what they are and what to do first.
var unlike = []struct {
	mark     *regexp.Regexp
	kind, do string
}{
	{regexp.MustCompile(`(^|\.)lora_|\.base_layer\.`),
		"low-rank adapters (LoRA)", "call model.merge_and_unload()"},
	{regexp.MustCompile(`\.parametrizations\.`),
		"a parametrised weight", "call torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight') for each layer"},
	{regexp.MustCompile(`\.weight_mask$`),
		"a pruned weight and its mask", "call torch.nn.utils.prune.remove(layer, 'weight') for each layer"},
	{regexp.MustCompile(`\.weight_u$`),
		"a weight under spectral_norm", "call torch.nn.utils.remove_spectral_norm(layer) for each layer"},
	{regexp.MustCompile(`\.weight_[gv]$`),
		"a weight under weight_norm", "call torch.nn.utils.remove_weight_norm(layer) for each layer"},
	{regexp.MustCompile(`\.weight_fake_quant\.|activation_post_process`),
		"a network prepared for quantisation", "take the network in floating point, as it was before prepare(),"},
	{regexp.MustCompile(`_packed_params|\.zero_point$|\.weight_scale$|\.SCB$|\.absmax$`),
		"a quantised network", "take it in floating point, as it was before the quantisation,"},
}

// odd refuses a network that has marks of unlike among its names.
func odd(names []string) error {
	for _, u := range unlike {
		if i := slices.IndexFunc(names, u.mark.MatchString); i >= 0 {
			return bad("%s is of %s; %s and save the state_dict again", names[i], u.kind, u.do)
		}
	}
	return nil
}

// average reports whether a prefix has the word ema.
func average(prefix string) bool {
	words := strings.FieldsFunc(strings.ToLower(prefix), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.Contains(words, "ema")
}

// state picks the network among the tensors of the file. Its names may have a prefix ("state_dict.", "backbone.").
// Where the file also has a moving average of the network, that is taken, because it is the better of the two.
func (c *Checkpoint) state() (*state, error) {
	const probe = "layer1.0.conv1.weight"
	names := make([]string, len(c.tensors))
	for i, t := range c.tensors {
		names[i] = t.name
	}
	torchNames(names)
	at := make(map[string]int, len(names))
	var prefixes []string
	for i, name := range names {
		if _, twice := at[name]; twice {
			continue
		}
		at[name] = i
		if p, ok := strings.CutSuffix(name, probe); ok && (p == "" || p[len(p)-1] == '.') {
			prefixes = append(prefixes, p)
		}
	}
	if len(prefixes) == 0 {
		if err := odd(names); err != nil {
			return nil, err
		}
		return nil, bad("layer1.0.conv1: want its weight, file has none among %d tensors, the first is %q; this is no "+
			"ResNet, or one of other names: export it to ONNX", len(names), c.tensors[0].name)
	}
	prefix, err := c.choose(prefixes, names, at)
	if err != nil {
		return nil, err
	}
	s := &state{c: c, tensors: map[string]tensor{}, given: map[string]string{}}
	home := c.tensors[at[prefix+probe]].home
	var near []string // names of the same dictionary
	for i, t := range c.tensors {
		name, inside := strings.CutPrefix(names[i], prefix)
		copied := slices.ContainsFunc(prefixes, func(p string) bool { // of another network
			return p != "" && (!inside || len(p) > len(prefix)) && strings.HasPrefix(names[i], p)
		})
		switch {
		case inside && !copied:
			if _, twice := s.tensors[name]; twice {
				return nil, bad("%s comes twice", name)
			}
			near = append(near, t.name)
			s.order, s.given[name] = append(s.order, name), t.name
			t.name = name
			s.tensors[name] = t
		case t.home == home && !copied:
			s.beside = append(s.beside, t)
			near = append(near, t.name)
		default:
			s.far = append(s.far, t.name)
			if !copied {
				s.other = append(s.other, t)
			}
		}
	}
	return s, odd(near)
}

// choose is the one of several networks, given by their prefixes, that is wanted.
func (c *Checkpoint) choose(prefixes, names []string, at map[string]int) (string, error) {
	keep := func(f func(p string) bool) {
		if list := slices.DeleteFunc(slices.Clone(prefixes), func(p string) bool { return !f(p) }); len(list) > 0 {
			prefixes = list
		}
	}
	keep(func(p string) bool { // an average of the parameters alone lacks the statistics
		_, statistics := at[p+"bn1.running_mean"]
		_, folded := at[p+"conv1.bias"]
		return statistics || folded
	})
	keep(average)
	first := prefixes[0]
	same := func(p string) bool { // as a wrapper has it that also keeps its network under another name
		for name, i := range at {
			if rest, ok := strings.CutPrefix(name, p); ok {
				k, ok := at[first+rest]
				if !ok {
					return false
				}
				a, b := c.tensors[i], c.tensors[k]
				form := slices.Equal(a.shape, b.shape) && slices.Equal(a.stride, b.stride)
				if a.at != b.at || a.file != b.file || a.odd != "" || !form {
					return false
				}
			}
		}
		return true
	}
	for _, p := range prefixes[1:] {
		if !same(p) {
			return "", bad("want one network, file has several, under %q; save the state_dict of one", prefixes)
		}
	}
	return first, nil
}
