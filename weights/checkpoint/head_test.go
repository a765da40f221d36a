package checkpoint

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"resnet-web/resnet"
)

// numbered is a name in nn.Sequential(*resnet.children(), nn.Flatten(), resnet.fc).
func numbered(name string) string {
	for i, layer := range []string{"conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "flatten", "fc"} {
		if rest, ok := strings.CutPrefix(name, layer+"."); ok {
			return fmt.Sprint(i, ".", rest)
		}
	}
	return name
}

// weiaicunzai is a name in his pytorch-cifar100, whose blocks and stem are Sequentials.
func weiaicunzai(name string) string {
	name = strings.NewReplacer("conv1.", "residual_function.0.", "bn1.", "residual_function.1.", "conv2.", "residual_function.3.",
		"bn2.", "residual_function.4.", "conv3.", "residual_function.6.", "bn3.", "residual_function.7.", "downsample", "shortcut",
	).Replace(name)
	if r, ok := strings.CutPrefix(name, "layer"); ok {
		return fmt.Sprintf("conv%c_x%s", r[0]+1, r[1:])
	}
	return strings.Replace(name, "residual_function.", "conv1.", 1)
}

// TestFused reads the layers that torchvision's networks for quantisation fuse, in floating point: a convolution with its
// normalisation, and with the ReLU where one follows.
func TestFused(t *testing.T) {
	var list, fused []param
	for _, p := range params(t, "resnet50x0.125", 3) {
		layer, part, _ := cutLast(p.name)
		_, name, _ := cutLast(layer)
		switch {
		case len(p.shape) == 4:
			bias := param{layer + ".bias", p.shape[:1], func(i int) float32 { return float32(i) }, ""}
			list = append(list, p, bias)
			if name == "conv1" || name == "conv2" {
				p.name, bias.name = layer+".0.weight", layer+".0.bias"
			}
			fused = append(fused, p, bias)
		case strings.HasPrefix(p.name, "fc."):
			list, fused = append(list, p), append(fused, p)
		case part == "":
			t.Fatal(p.name)
		}
	}
	want, err := open(safetensors(list))
	if err != nil {
		t.Fatal(err)
	}
	got, err := open(safetensors(fused))
	if err == nil {
		err = different(got, want, 0)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestNames reads one network under the names that wrappers and habits give it.
func TestNames(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	list := contents(t, "testdata/basic.pth")
	prefix := func(p string) func(string) string { return func(s string) string { return p + s } }
	head := func(to string) func(string) string {
		return func(s string) string { return strings.Replace(s, "fc.", to, 1) }
	}
	for name, to := range map[string]func(string) string{
		"compiled":              prefix("_orig_mod."),
		"compiled and parallel": prefix("module._orig_mod."),
		"stages compiled":       func(s string) string { return strings.Replace(s, "layer2.", "layer2._orig_mod.", 1) },
		"FSDP": func(s string) string {
			return "_fsdp_wrapped_module." + strings.ReplaceAll(s, "layer1.", "layer1._fsdp_wrapped_module.")
		},
		"checkpointed": func(s string) string {
			return strings.Replace(s, "layer3.0.", "layer3.0._checkpoint_wrapped_module.", 1)
		},
		"children":              numbered,
		"children in a wrapper": func(s string) string { return "model." + numbered(s) },
		"children, head outside": func(s string) string {
			if strings.HasPrefix(s, "fc.") {
				return "head." + s
			}
			return "backbone." + numbered(s)
		},
		"a backbone, classifier outside": func(s string) string {
			if r, ok := strings.CutPrefix(s, "fc."); ok {
				return "classifier." + r
			}
			return "backbone." + s
		},
		"layer0": func(s string) string {
			return strings.NewReplacer("conv1.w", "layer0.0.w", "bn1.", "layer0.1.").Replace(s)
		},
		"Dropout before": head("fc.1."),
		"Cadene":         head("last_linear."),
		"timm's":         head("head.fc."),
		"Lightning":      prefix("model.net."),
		"mmpretrain": func(s string) string {
			if strings.HasPrefix(s, "fc.") {
				return "head." + s
			}
			return "backbone." + s
		},
		"fastai": func(s string) string {
			if r, ok := strings.CutPrefix(s, "fc."); ok {
				return "1.1." + r
			}
			return "0." + numbered(s)
		},
		"kuangliu": func(s string) string {
			return "module." + strings.NewReplacer("downsample", "shortcut", "fc.", "linear.").Replace(s)
		},
		"weiaicunzai":              weiaicunzai,
		"weiaicunzai in a wrapper": func(s string) string { return "net." + weiaicunzai(s) },
		"Hugging Face, compiled":   func(s string) string { return "_orig_mod." + huggingFace(s) },
	} {
		data := safetensors(rename(list, to))
		got, err := open(data)
		if err == nil {
			err = different(got, want, 0)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHeads takes the linear layer, and what is beside the network, for what they are, or refuses by name what would
// change the answers.
func TestHeads(t *testing.T) {
	ramp := func(i int) float32 { return float32(i + 1) }
	weight, bias := param{"fc.weight", []int{3, 64}, ramp, ""}, param{"fc.bias", []int{3}, ramp, ""}
	named := func(p param, name string, shape ...int) param {
		p.name = name
		if shape != nil {
			p.shape = shape
		}
		return p
	}
	vector := func(name string, v ...float32) param {
		return param{name, []int{len(v)}, func(i int) float32 { return v[i] }, ""}
	}
	body := params(t, "resnet18x0.125", 3)
	body = body[:len(body)-2]
	fc := []param{weight, bias}
	for _, test := range []struct {
		name  string
		extra []param
		note  string
		want  []string // of the error; nil for a network
	}{
		{"plain", fc, "", nil},
		{"1×1 convolution", []param{named(weight, "fc.weight", 3, 64, 1, 1), bias}, "", nil},
		{"1×1 convolution of another name", []param{named(weight, "head.weight", 3, 64, 1, 1), named(bias, "head.bias")}, "head is taken as the linear layer", nil},
		{"no bias", []param{weight}, "fc has no bias: taken as 0", nil},
		{"operations counted", append([]param{vector("layer1.0.conv1.total_ops", 5), vector("total_params", 6)}, fc...), "not used: total_params", nil},
		{"weights of the loss", append([]param{vector("criterion.weight", 1, 2, 3)}, fc...), "not used: criterion.weight", nil},
		{"a counter of an average", append([]param{named(vector("n", 3), "n_averaged")}, fc...), "not used: n_averaged", nil},
		{"a confusion matrix", append([]param{{"metric.confmat", []int{3, 3}, ramp, "int64"}}, fc...), "not used: metric.confmat", nil},
		{"two heads behind fc", append([]param{named(weight, "head.weight", 2, 3), named(weight, "other.weight", 4, 3)}, fc...), "", []string{"more than that", "head.weight float32 2×3"}},
		{"in front", append([]param{named(weight, "loc.weight", 6, 192)}, fc...), "", []string{"loc.weight"}},
		{"layers that do not chain", []param{named(weight, "fc.0.weight", 16, 64), named(weight, "fc.2.weight", 3, 17)}, "", []string{"fc:", "fc.0.weight float32 16×64, fc.2.weight float32 3×17"}},
		{"normalisation before", []param{vector("fc.0.running_var", 1, 2, 3), named(weight, "fc.1.weight")}, "", []string{"fc.0.running_var"}},
		{"LayerNorm before", []param{{"norm.weight", []int{64}, ramp, ""}, named(weight, "head.weight")}, "", []string{"norm.weight"}},
		{"two tasks", []param{named(weight, "age.weight"), named(weight, "sex.weight")}, "", []string{"age.weight", "sex.weight"}},
		{"fastai", []param{named(weight, "1.4.weight", 8, 128), named(weight, "1.8.weight", 3, 8)}, "", []string{"1.4.weight", "maximum", "fastai"}},
		{"another size", []param{named(weight, "fc.weight", 3, 32), bias}, "", []string{"fc:", "classes × 64", "3×32"}},
		{"another bias", []param{weight, named(bias, "fc.bias", 2)}, "", []string{"fc: want bias of 3", "float32 2"}},
		{"a mean without deviation", append([]param{vector("mean", .5, .5, .5)}, fc...), "", []string{"mean: want a deviation"}},
		{"blue first", append([]param{vector("mean", .406, .456, .485), vector("std", .2, .2, .2)}, fc...), "", []string{"blue first"}},
		{"two normalisations", append([]param{vector("a.mean", .5, .5, .5), vector("a.std", 1, 1, 1), vector("b.mean", .4, .5, .5), vector("b.std", 1, 1, 1)}, fc...), "", []string{"two"}},
	} {
		f, c, err := openAll(safetensors(append(slices.Clone(body), test.extra...)))
		if test.want != nil {
			for _, want := range test.want {
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got %v, want ErrFormat with %q", test.name, err, want)
				}
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if test.note != "" && !strings.Contains(strings.Join(c.Notes, "\n"), test.note) || test.note == "" && c.Notes != nil {
			t.Errorf("%s: notes %q, want %q", test.name, c.Notes, test.note)
		}
		for i := range f.FC().W {
			if f.FC().W[i] != float32(i+1) {
				t.Fatalf("%s: weight %d is %v", test.name, i, f.FC().W[i])
			}
		}
		if b := fmt.Sprint(f.FC().B); b != "[1 2 3]" && test.name != "no bias" || b != "[0 0 0]" && test.name == "no bias" {
			t.Errorf("%s: bias %v", test.name, b)
		}
	}
}

// TestChains reads linear layers and normalisations behind the ResNet: what is taken to stand between them follows from
// their names and sizes, and what does not chain is refused.
func TestChains(t *testing.T) {
	matrix := func(name string, rows, columns int) []param {
		value := func(i int) float32 { return float32(i%7-3) / 8 }
		return []param{{name + ".weight", []int{rows, columns}, value, ""}, {name + ".bias", []int{rows}, value, ""}}
	}
	norm := func(name string, n int) (list []param) {
		for i, part := range []string{"weight", "bias", "running_mean", "running_var"} {
			list = append(list, param{name + "." + part, []int{n}, func(k int) float32 { return float32(k%(i+2)) + 0.5 }, ""})
		}
		return append(list, param{name + ".num_batches_tracked", nil, func(int) float32 { return 7 }, "int64"})
	}
	one := func(name string, shape ...int) []param {
		return []param{{name, shape, func(int) float32 { return 1 }, ""}}
	}
	join := func(list ...[]param) []param { return slices.Concat(list...) }
	many := func(n int) (list []param) {
		for i := range n {
			list = append(list, matrix(fmt.Sprintf("fc.%d", 2*i), 64, 64)...)
		}
		return list
	}
	sorted := func(list []param) []param {
		list = slices.Clone(list)
		slices.SortFunc(list, func(a, b param) int { return strings.Compare(a.name, b.name) })
		return list
	}
	body := params(t, "resnet18x0.125", 3)
	body = body[:len(body)-2]
	inside := rename(body, func(s string) string { return "net." + s })
	for _, test := range []struct {
		name string
		list []param
		want string // the head that is taken, or a part of the error where it begins with "!"
	}{
		{"a layer", matrix("fc", 3, 64), ""},
		{"a gap", join(matrix("fc.0", 16, 64), matrix("fc.2", 3, 16)), "fc.0, ReLU, fc.2"},
		{"two gaps", join(matrix("head.1", 16, 64), matrix("head.4", 16, 16), matrix("head.7", 3, 16)), "head.1, ReLU, head.4, ReLU, head.7"},
		{"no gap", join(matrix("fc.0", 16, 64), matrix("fc.1", 3, 16)), "fc.0, fc.1"},
		{"no gap in a ModuleList", join(matrix("fc.layers.0", 16, 64), matrix("fc.layers.1", 3, 16)), "fc.layers.0, ReLU, fc.layers.1"},
		{"a gap behind a normalisation", join(matrix("fc.0", 16, 64), norm("fc.1", 16), matrix("fc.3", 3, 16)), "fc.0, fc.1 (BatchNorm), ReLU, fc.3"},
		{"a gap before it", join(matrix("fc.0", 16, 64), norm("fc.2", 16), matrix("fc.3", 3, 16)), "fc.0, ReLU, fc.2 (BatchNorm), fc.3"},
		{"gaps on both sides", join(matrix("fc.4", 16, 64), norm("fc.6", 16), matrix("fc.8", 3, 16)), "fc.4, ReLU, fc.6 (BatchNorm), fc.8"},
		{"no gap on either side", join(matrix("fc.0", 16, 64), norm("fc.1", 16), matrix("fc.2", 3, 16)), "fc.0, fc.1 (BatchNorm), fc.2"},
		{"two normalisations", join(matrix("fc.0", 16, 64), norm("fc.1", 16), norm("fc.3", 16), matrix("fc.4", 3, 16)), "fc.0, fc.1 (BatchNorm), ReLU, fc.3 (BatchNorm), fc.4"},
		{"in front", join(norm("neck", 64), matrix("classifier", 3, 64)), "neck (BatchNorm), classifier"},
		{"at the end", join(matrix("fc.0", 3, 64), norm("fc.1", 3)), "fc.0, fc.1 (BatchNorm)"},
		{"without scale and shift", join(norm("neck", 64)[2:], matrix("classifier", 3, 64)), "neck (BatchNorm), classifier"},
		{"names", join(matrix("fc1", 16, 64), matrix("fc2", 3, 16)), "fc1, ReLU, fc2"},
		{"names, normalised", join(matrix("fc1", 64, 64), norm("norm", 64), matrix("fc2", 3, 64)), "fc1, norm (BatchNorm), ReLU, fc2"},
		{"in a box each", join(matrix("head.0.0", 16, 64), matrix("head.1.0", 3, 16)), "head.0.0, ReLU, head.1.0"},
		{"in a box each, after an activation", join(matrix("head.0.0", 16, 64), matrix("head.1.1", 3, 16)), "head.0.0, ReLU, head.1.1"},
		{"fc and another", join(matrix("fc", 16, 64), matrix("head", 3, 16)), "fc, ReLU, head"},
		{"Hugging Face's name among others", join(matrix("classifier.1", 16, 64), norm("classifier.2", 16), matrix("classifier.5", 3, 16)), "classifier.1, classifier.2 (BatchNorm), ReLU, classifier.5"},
		{"that name for a normalisation", join(matrix("classifier.0", 16, 64), norm("classifier.1", 16), matrix("classifier.3", 3, 16)), "classifier.0, classifier.1 (BatchNorm), ReLU, classifier.3"},
		{"sorted by sizes", sorted(join(matrix("hidden", 16, 64), norm("bn", 16), matrix("answer", 3, 16))), "hidden, bn (BatchNorm), ReLU, answer"},
		{"sorted by numbers", sorted(join(matrix("fc.8", 64, 64), norm("fc.9", 64), matrix("fc.11", 64, 64))), "fc.8, fc.9 (BatchNorm), ReLU, fc.11"},
		{"sorted by numbers in names", sorted(join(matrix("fc1", 64, 64), norm("norm1", 64), matrix("fc2", 64, 64), norm("norm2", 64), matrix("fc3", 3, 64))), "fc1, norm1 (BatchNorm), ReLU, fc2, norm2 (BatchNorm), ReLU, fc3"},
		{"sorted by numbers of boxes", sorted(join(matrix("fc.0.0", 64, 64), norm("fc.0.1", 64), matrix("fc.10.0", 64, 64), norm("fc.10.1", 64), matrix("fc.12", 3, 64))), "fc.0.0, fc.0.1 (BatchNorm), ReLU, fc.10.0, fc.10.1 (BatchNorm), ReLU, fc.12"},
		{"sorted by the only order", sorted(join(matrix("b", 64, 64), matrix("a", 3, 64))), "b, ReLU, a"},
		{"eight", many(8), "fc.0, ReLU, fc.2, ReLU, fc.4, ReLU, fc.6, ReLU, fc.8, ReLU, fc.10, ReLU, fc.12, ReLU, fc.14"},
		{"around a ResNet", join(matrix("net.fc", 10, 64), matrix("fc", 3, 10)), "net.fc, fc"},
		{"around, with a box", join(matrix("net.fc", 10, 64), matrix("head.1", 3, 10)), "net.fc, head.1"},
		{"around, three layers", join(matrix("net.fc", 10, 64), matrix("a", 6, 10), matrix("b", 3, 6)), "net.fc, a, ReLU, b"},
		{"weights of a loss", join(matrix("fc.0", 16, 64), matrix("fc.2", 3, 16), one("loss.weight", 3)), "fc.0, ReLU, fc.2"},

		{"nine", many(9), "!want at most 8 linear layers"},
		{"another size", join(matrix("fc.0", 16, 64), matrix("fc.2", 3, 15)), "!fc.2.weight float32 3×15"},
		{"another size of a normalisation", join(matrix("fc.0", 16, 64), norm("fc.1", 15), matrix("fc.3", 3, 16)), "!fc.1.running_var float32 15"},
		{"a normalisation of Hugging Face's name", join(matrix("classifier.0", 16, 64), norm("classifier.1", 15), matrix("classifier.3", 3, 16)), "!classifier.0.weight float32 16×64, classifier.3.weight float32 3×16, classifier.1.running_var float32 15"},
		{"two ends", join(matrix("fc.0", 16, 64), matrix("a", 3, 16), matrix("b", 4, 16)), "!a.weight float32 3×16, b.weight float32 4×16"},
		{"two orders", sorted(join(matrix("one", 64, 64), matrix("two", 3, 64), norm("bn", 64))), "!bn.running_var"},
		{"no mean", join(matrix("fc.0", 16, 64), norm("fc.1", 16)[3:], matrix("fc.3", 3, 16)), "!fc.1.running_var"},
		{"LayerNorm", join(matrix("fc.0", 16, 64), one("fc.1.weight", 16), one("fc.1.bias", 16), matrix("fc.3", 3, 16)), "!fc.1.weight float32 16"},
		{"LayerNorm of another name", join(matrix("fc1", 16, 64), one("ln.weight", 16), matrix("fc2", 3, 16)), "!ln.weight float32 16"},
		{"PReLU", join(matrix("fc.0", 16, 64), one("fc.1.weight", 1), matrix("fc.2", 3, 16)), "!fc.1.weight float32 1"},
		{"embedding", join(matrix("projection_head.0", 16, 64), matrix("projection_head.2", 8, 16), matrix("prototypes", 30, 8)), "!by its name prototypes.weight makes an embedding"},
		{"a bias of another size", join(matrix("fc.0", 16, 64), matrix("fc.2", 3, 16)[:1], one("fc.2.bias", 4)), "!fc.2: want bias of 3, file has float32 4"},
		{"no classes", join(matrix("fc.0", 16, 64), matrix("fc.2", 0, 16)), "!outputs × 16, file has float32 0×16"},
		{"a queue", join(matrix("fc.0", 16, 64), matrix("fc.2", 3, 16), one("queue", 16, 100)), "!queue float32 16×100"},
		{"a negative variance", join(matrix("fc.0", 1, 64), []param{{"fc.1.running_mean", []int{1}, func(int) float32 { return 0 }, ""},
			{"fc.1.running_var", []int{1}, func(int) float32 { return -1 }, ""}}), "!fc.1.running_var: element 0 is -1"},
	} {
		start := body
		if strings.HasPrefix(test.name, "around") {
			start = inside
		}
		if !strings.HasPrefix(test.name, "sorted") && test.name != "two orders" {
			test.list = slices.Concat(start, test.list)
		} else {
			test.list = slices.Concat(test.list, start)
		}
		pickle, storages := stateDict(test.list)
		for format, data := range map[string][]byte{"safetensors": safetensors(test.list), "pth": torchZip(0, pickle, storages...)} {
			if test.name == "names, normalised" && format == "safetensors" || test.name == "two orders" && format == "pth" {
				continue // the file sorts names, and these do not tell; or it does not
			}
			_, c, err := openAll(data)
			if message, refused := strings.CutPrefix(test.want, "!"); refused {
				if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), message) {
					t.Errorf("%s, %s: got %v, want %q", test.name, format, err, message)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", test.name, format, err)
				continue
			}
			note := "the head is taken as " + test.want + ";"
			if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, note) && test.want != "" || strings.Contains(notes, "has no bias") {
				t.Errorf("%s, %s: notes %q, want %q", test.name, format, notes, note)
			}
		}
	}
}

// TestHeadElsewhere takes a head of another dictionary, and refuses one behind fc.
func TestHeadElsewhere(t *testing.T) {
	list := params(t, "resnet18x0.125", 3)
	n := len(list)
	ramp := func(i int) float32 { return float32(i + 1) }
	write := func(body []param, head ...param) []byte {
		all, storages := stateDict(append(slices.Clone(body), head...))
		inner, _ := stateDict(body)
		start := strings.Index(all, text(head[0].name))
		return torchZip(0, "\x80\x02}("+text("backbone")+inner[2:len(inner)-1]+text("head")+"}("+all[start:len(all)-1]+"u.", storages...)
	}
	weight, bias := list[n-2], list[n-1]
	weight.name, bias.name, weight.value, bias.value = "weight", "bias", ramp, ramp
	f, c, err := openAll(write(list[:n-2], weight, bias))
	if err != nil || fmt.Sprint(f.FC().B) != "[1 2 3]" || f.FC().W[63] != 64 || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], "head is taken") {
		t.Errorf("%v, %v", c, err)
	}
	weight.shape, bias.shape = []int{2, 3}, []int{2}
	if _, err := open(write(list, weight, bias)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "head.weight float32 2×3") {
		t.Errorf("behind fc: %v", err)
	}
}

// openAll is open with the checkpoint.
func openAll(data []byte) (*resnet.Float, *Checkpoint, error) {
	c, err := Read(strings.NewReader(string(data)), int64(len(data)))
	if err != nil {
		return nil, nil, err
	}
	f, err := c.Float("")
	return f, c, err
}

// TestNormalisation takes the pictures' means and deviations from a network that subtracts them itself.
func TestNormalisation(t *testing.T) {
	for _, test := range []struct {
		mean, std string
		factor    float32
	}{{"0.mean", "0.std", 1}, {"norm.mu", "norm.sigma", 1}, {"mean", "std", 255}, {"pixel_mean", "pixel_std", 255}, {"normalize.new_mean", "normalize.new_std", 1}} {
		list := append(params(t, "resnet18x0.125", 3),
			param{test.mean, []int{3, 1, 1}, func(i int) float32 { return []float32{.5, .25, .125}[i] * test.factor }, ""},
			param{test.std, []int{1, 3, 1, 1}, func(i int) float32 { return []float32{.5, .25, .75}[i] * test.factor }, ""})
		_, c, err := openAll(safetensors(list))
		if err != nil || c.Normalisation == nil ||
			*c.Normalisation != (Normalisation{[3]float32{.5, .25, .125}, [3]float32{.5, .25, .75}}) ||
			!strings.HasSuffix(fmt.Sprint(c.Notes), ": "+test.mean+", "+test.std+"]") {
			t.Errorf("%s: %+v, %v", test.mean, c, err)
		}
	}
}

// TestOneMean takes one mean and one deviation for all channels, and a single number without a deviation for another.
func TestOneMean(t *testing.T) {
	number := func(name string, shape []int, v float32) param {
		return param{name, shape, func(int) float32 { return v }, ""}
	}
	for _, test := range []struct {
		mean, std []int // their shapes; nil for none
		factor    float32
		want      *Normalisation
	}{
		{[]int{1}, []int{1}, 1, &Normalisation{[3]float32{.5, .5, .5}, [3]float32{.25, .25, .25}}},
		{[]int{}, []int{}, 255, &Normalisation{[3]float32{.5, .5, .5}, [3]float32{.25, .25, .25}}},
		{[]int{3, 1, 1}, []int{1}, 1, &Normalisation{[3]float32{.5, .5, .5}, [3]float32{.25, .25, .25}}},
		{[]int{1}, nil, 1, nil},
	} {
		list := append(params(t, "resnet18x0.125", 3), number("net.mean", test.mean, .5*test.factor))
		if test.std != nil {
			list = append(list, number("net.std", test.std, .25*test.factor))
		}
		_, c, err := openAll(safetensors(list))
		switch {
		case err != nil:
			t.Errorf("%v, %v: %v", test.mean, test.std, err)
		case test.want == nil && (c.Normalisation != nil || !strings.Contains(fmt.Sprint(c.Notes), "not used: net.mean")),
			test.want != nil && (c.Normalisation == nil || *c.Normalisation != *test.want):
			t.Errorf("%v, %v: got %v, notes %q", test.mean, test.std, c.Normalisation, c.Notes)
		}
	}
}

// TestOneOutput makes two classes of one logit.
func TestOneOutput(t *testing.T) {
	list := params(t, "resnet18x0.125", 1)
	list[len(list)-1].value = func(int) float32 { return 5 }
	f, c, err := openAll(safetensors(list))
	if err != nil {
		t.Fatal(err)
	}
	if f.Classes != 2 || fmt.Sprint(f.FC().B) != "[0 5]" || slices.Max(f.FC().W[:64]) != 0 || slices.Min(f.FC().W[64:]) != 1 || len(c.Notes) != 1 {
		t.Errorf("%d classes, bias %v, notes %q", f.Classes, f.FC().B, c.Notes)
	}
}

// TestUnlike says what to call where the weights are not the network's own.
func TestUnlike(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{".conv1.weight", ".conv1.weight_mask", "prune.remove"},
		{"conv1.weight", "conv1.weight_g", "remove_weight_norm"},
		{"fc.weight", "fc.weight_u", "remove_spectral_norm"},
		{"fc.weight", "fc.parametrizations.weight.original0", "remove_parametrizations"},
		{"fc.weight", "fc.lora_A.default.weight", "merge_and_unload"},
		{"fc.weight", "fc._packed_params._packed_params", "before the quantisation"},
		{"bn1.weight", "conv1.zero_point", "before the quantisation"},
		{"bn1.weight", "conv1.weight_fake_quant.scale", "before prepare"},
	} {
		list := rename(params(t, "resnet18x0.125", 3), func(s string) string { return strings.Replace(s, test.from, test.to, 1) })
		if _, err := open(safetensors(list)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.to) {
			t.Errorf("%s: got %v, want %q", test.to, err, test.want)
		}
	}
}

// TestChoose takes the average of a network, the whole of two, and one that comes twice; it refuses two strangers.
func TestChoose(t *testing.T) {
	a := networkParams(tiny(t))
	b := slices.Clone(a)
	b[0].value = func(int) float32 { return 2 }
	prefix := func(list []param, p string) []param { return rename(list, func(s string) string { return p + s }) }
	statistics := func(p param) bool { return strings.Contains(p.name, "running") }
	for _, test := range []struct {
		name  string
		list  []param
		value float32 // of the first weight, of conv1; 0 for an error
	}{
		{"average", append(prefix(a, "model."), prefix(b, "model_ema.")...), 2},
		{"ema first", append(prefix(b, "ema.module."), prefix(a, "network.")...), 2},
		{"part of a word", append(prefix(a, "detail."), prefix(b, "semantic.")...), 0},
		{"schema", append(prefix(a, "x."), prefix(b, "schema.")...), 0},
		{"average of parameters alone", append(prefix(a, "model."), prefix(slices.DeleteFunc(slices.Clone(b), statistics), "ema.")...), 1},
		{"two", append(prefix(a, "model."), prefix(b, "best.")...), 0},
	} {
		f, err := open(safetensors(test.list))
		switch {
		case test.value == 0 && (!errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "several")):
			t.Errorf("%s: got %v, want ErrFormat", test.name, err)
		case test.value != 0 && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.value != 0 && (f.Convs[0].W[0] > 1.5) != (test.value == 2):
			t.Errorf("%s: first weight %v, want about %v", test.name, f.Convs[0].W[0], test.value)
		}
	}

	pickle, storages := stateDict(a)
	inner := pickle[2 : len(pickle)-1]
	twice := "\x80\x02}(" + text("model") + inner + text("attacker") + "}" + text("model") + inner + "su."
	if _, err := open(torchZip(0, twice, storages...)); err != nil {
		t.Errorf("the same network twice: %v", err)
	}
}
