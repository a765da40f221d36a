package checkpoint

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// rule rewrites names towards torchvision's. In to, $1 is a group of from, and {$1+1} or {$1-1} the number after or
// before it. A rule with a guard holds only in files where that matches a name or, after "!", matches none.
type rule struct {
	from, to string
	guard    string
}

// rules are applied in this order to each name.
var rules = []rule{
	// torch.compile, the parallel modules and checkpointing, anywhere.
	{from: `(^|\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module|module)\.)+`, to: "$1"},

	// Hugging Face, whose stages and inner layers count from 0.
	{from: `(?:resnet\.)?encoder\.stages\.(\d)\.layers\.(\d+)\.`, to: "layer{$1+1}.$2."},
	{from: `(\blayer\d\.\d+\.)layer\.(\d)\.convolution\.`, to: "${1}conv{$2+1}."},
	{from: `(\blayer\d\.\d+\.)layer\.(\d)\.normalization\.`, to: "${1}bn{$2+1}."},
	{from: `(\blayer\d\.\d+\.)shortcut\.convolution\.`, to: "${1}downsample.0."},
	{from: `(\blayer\d\.\d+\.)shortcut\.normalization\.`, to: "${1}downsample.1."},
	{from: `(?:resnet\.)?embedder\.embedder\.convolution\.`, to: "conv1."},
	{from: `(?:resnet\.)?embedder\.embedder\.normalization\.`, to: "bn1."},
	{from: `(?:resnet\.)?\bclassifier\.1\.`, to: "fc."},

	// pytorch-cifar100 of weiaicunzai.
	{from: `(^|\.)conv([2-5])_x\.`, to: "${1}layer{$2-1}."},
	{from: `(\blayer\d\.\d+\.)residual_function\.0\.`, to: "${1}conv1."},
	{from: `(\blayer\d\.\d+\.)residual_function\.1\.`, to: "${1}bn1."},
	{from: `(\blayer\d\.\d+\.)residual_function\.3\.`, to: "${1}conv2."},
	{from: `(\blayer\d\.\d+\.)residual_function\.4\.`, to: "${1}bn2."},
	{from: `(\blayer\d\.\d+\.)residual_function\.6\.`, to: "${1}conv3."},
	{from: `(\blayer\d\.\d+\.)residual_function\.7\.`, to: "${1}bn3."},

	// A stem in a Sequential, with its normalisation; no deep one.
	{from: `^((?:[A-Za-z_]\w*\.)*)conv1\.0\.`, to: "${1}conv1.", guard: `!(^|\.)conv1\.[2-9]\.`},
	{from: `^((?:[A-Za-z_]\w*\.)*)conv1\.1\.`, to: "${1}bn1.", guard: `!(^|\.)conv1\.[2-9]\.`},
	{from: `(^|\.)layer0\.(?:0|conv1)\.`, to: "${1}conv1."},
	{from: `(^|\.)layer0\.(?:1|bn1)\.`, to: "${1}bn1."},

	// torchvision's networks for quantisation, with fused layers: a convolution and its ReLU.
	{from: `(\blayer\d\.\d+\.conv\d)\.0\.`, to: "$1.", guard: `\blayer1\.0\.conv1\.0\.bias$`},

	// CIFAR's, of kuangliu, akamaster and others.
	{from: `(\blayer\d\.\d+\.)shortcut\.`, to: "${1}downsample."},
}

// compiled are the rules, ready to be used.
var compiled = func() (list []func(names []string)) {
	for _, r := range rules {
		from := regexp.MustCompile(r.from)
		guard, none := strings.CutPrefix(r.guard, "!")
		when := regexp.MustCompile(guard)
		list = append(list, func(names []string) {
			if slices.ContainsFunc(names, when.MatchString) == none {
				return
			}
			for i, name := range names {
				if from.MatchString(name) {
					names[i] = counted(from.ReplaceAllString(name, r.to))
				}
			}
		})
	}
	return list
}()

// counted computes {3+1} and {3-1} in a name.
func counted(name string) string {
	return count.ReplaceAllStringFunc(name, func(s string) string {
		n := int(s[1] - '0')
		if s[2] == '+' {
			return strconv.Itoa(n + 1)
		}
		return strconv.Itoa(n - 1)
	})
}

var count = regexp.MustCompile(`\{\d[+-]1\}`)

// child matches the first block of a network whose layers are numbered, as in nn.Sequential(*resnet.children()): the
// convolution and normalisation of the stem, perhaps a ReLU and a max-pool, then the stages.
var child = regexp.MustCompile(`^(.*\.)?([234])\.0\.conv1\.weight$`)

// torchNames gives names torchvision's form in place.
func torchNames(names []string) {
	for _, rewrite := range compiled {
		rewrite(names)
	}
	has := map[string]bool{}
	for _, name := range names {
		has[name] = true
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
		if err := nearly(names); err != nil {
			return nil, err
		}
		if k, name := among(strangers, names); k.mark != nil {
			return nil, bad("%s: this is %s, want a ResNet; run this one with ONNX Runtime", name, k.name)
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
