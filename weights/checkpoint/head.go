package checkpoint

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// inner matches the names of a ResNet's layers but the last.
var inner = regexp.MustCompile(`^(conv1|bn1|layer\d+)\.`)

// layerName matches where the names of a ResNet's layers begin in longer ones.
var layerName = regexp.MustCompile(`(conv1|bn1|layer\d+|fc)\.`)

// matrix reports whether t is, or may be, the weight of a layer that connects channels.
func (t *tensor) matrix() bool {
	wide := 0
	for _, n := range t.shape {
		if n != 1 {
			wide++
		}
	}
	weight := strings.HasSuffix(t.name, "weight")
	return len(t.shape) > 1 && (weight || wide > 1 && t.dtype.at != nil) || t.odd != "" && weight
}

// named says what tensors are, for messages.
func (s *state) named(list []tensor) string {
	var text []string
	for i, t := range list {
		if i == 4 && len(list) > 5 {
			text = append(text, fmt.Sprintf("%d more", len(list)-i))
			break
		}
		text = append(text, t.name+" "+t.came())
	}
	return strings.Join(text, ", ")
}

// head finds the linear layer, of any name, and gives it the name fc. Everything of the state_dict must be used, or
// known not to change the answers: what is not used is noted.
func (s *state) head(features int, used map[string]bool, model string) (classes int, err error) {
	var rest []tensor
	for _, name := range s.order {
		t := s.tensors[name]
		switch {
		case used[name], strings.HasSuffix(name, "num_batches_tracked"):
		case inner.MatchString(name):
			counter := strings.HasSuffix(name, ".total_ops") || strings.HasSuffix(name, ".total_params") // THOP's
			if !counter || t.count() != 1 {
				return 0, bad("%s: want no such tensor in %s, file has %s", name, model, t.came())
			}
		default:
			t.name = s.given[name]
			rest = append(rest, t)
		}
	}
	rest = append(rest, s.beside...)
	given := s.given["fc.weight"]
	index := func(name string) int { return slices.IndexFunc(rest, func(t tensor) bool { return t.name == name }) }
	fits := func(t tensor) bool {
		n := len(t.shape)
		linear := n == 2 || n == 4 && t.shape[2] == 1 && t.shape[3] == 1
		return strings.HasSuffix(t.name, "weight") && linear && t.shape[1] == features && t.odd == ""
	}
	var matrices, norms []tensor
	at := -1
	for i, t := range rest {
		switch {
		case t.matrix():
			matrices = append(matrices, t)
			if fits(t) && (at < 0 || t.name == given) {
				at = i
			}
		case strings.HasSuffix(t.name, "running_var"), strings.HasSuffix(t.name, ".weight") && t.count() == features:
			norms = append(norms, t)
		}
	}
	fc := index(given)
	elsewhere := slices.DeleteFunc(slices.Clone(s.other), func(t tensor) bool {
		behind := fc >= 0 && at == fc && len(t.shape) == 2 && t.shape[1] == rest[fc].shape[0] && t.shape[1] != features
		return !strings.HasSuffix(t.name, "weight") || !behind && (fc >= 0 || len(matrices) > 0 || !fits(t))
	})
	switch {
	case len(elsewhere) > 0 && fc >= 0:
		return 0, bad("want a ResNet alone, behind its fc the file has %s, which changes its answers", s.named(elsewhere))
	case len(elsewhere) > 1:
		return 0, bad("fc: want one linear layer of classes × %d, file has %s", features, s.named(elsewhere))
	case len(elsewhere) == 1:
		layer := strings.TrimSuffix(elsewhere[0].name, "weight")
		for _, t := range s.other {
			if strings.HasPrefix(t.name, layer) {
				rest = append(rest, t)
				s.far = slices.DeleteFunc(s.far, func(name string) bool { return name == t.name })
			}
		}
		at = index(elsewhere[0].name)
		matrices = append(matrices, rest[at])
	}
	switch {
	case fc >= 0 && (at != fc || rest[fc].shape[0] < 1):
		t := rest[fc]
		return 0, bad("fc: want a linear layer of classes × %d, file has %s%s",
			features, t.came(), pooled(rest[fc:fc+1], features))
	case len(matrices) == 0:
		return 0, bad("fc: want a linear layer of classes × %d, file has none; a backbone alone names no classes, save "+
			"the whole classifier", features)
	case fc >= 0 && len(matrices)+len(norms) > 1:
		list := slices.DeleteFunc(append(matrices, norms...), func(t tensor) bool { return t.name == given })
		return 0, bad("want a ResNet alone, this network has more than that, which changes its answers: %s; save the "+
			"ResNet that ends with fc, if that was trained alone", s.named(list))
	case len(matrices)+len(norms) > 1:
		return 0, bad("fc: want one linear layer of classes × %d behind the ResNet, file has %s%s; no other head is read",
			features, s.named(append(matrices, norms...)), pooled(matrices, features))
	case at < 0 || rest[at].shape[0] < 1:
		return 0, bad("fc: want a linear layer of classes × %d, file has %s%s",
			features, s.named(matrices), pooled(matrices, features))
	}
	w := rest[at]
	if len(w.shape) == 4 { // a 1×1 convolution
		w.shape = w.shape[:2]
		if w.stride != nil {
			w.stride = w.stride[:2]
		}
	}
	layer := strings.TrimSuffix(w.name, "weight")
	if known := []string{given, "linear.weight", "classifier.weight"}; !slices.Contains(known, w.name) {
		s.note("%s is taken as the linear layer behind the ResNet", strings.TrimSuffix(layer, "."))
	}
	drop := []string{w.name}
	if b := index(layer + "bias"); b < 0 {
		s.note("%s has no bias: taken as 0", strings.TrimSuffix(layer, "."))
		delete(s.tensors, "fc.bias")
	} else if t := rest[b]; !slices.Equal(t.shape, w.shape[:1]) {
		return 0, bad("fc: want bias of %d, file has %s", w.shape[0], t.came())
	} else {
		drop = append(drop, t.name)
		s.tensors["fc.bias"] = t
	}
	s.tensors["fc.weight"] = w
	used["fc.weight"] = true
	rest = slices.DeleteFunc(rest, func(t tensor) bool { return slices.Contains(drop, t.name) })
	if rest, err = s.normalisation(rest); err != nil {
		return 0, err
	}
	s.unused(rest)
	return w.shape[0], nil
}

// pooled explains a linear layer of twice the features in list.
func pooled(list []tensor, features int) string {
	if slices.ContainsFunc(list, func(t tensor) bool { return len(t.shape) == 2 && t.shape[1] == 2*features }) {
		return "; it takes the average and the maximum of each channel, as fastai's does, and only the average is read"
	}
	return ""
}

// normalisation takes the buffers by which a network normalises its pictures itself out of rest.
func (s *state) normalisation(rest []tensor) ([]tensor, error) {
	ending := func(name string, ends ...string) string {
		last := name[strings.LastIndexByte(name, '.')+1:]
		for _, end := range ends {
			start, ok := strings.CutSuffix(last, end)
			if ok && (start == "" || start[len(start)-1] == '_' && start != "running_") {
				return name[:len(name)-len(end)]
			}
		}
		return "-"
	}
	three := func(t tensor) bool { // or one, of grey pictures
		return (t.count() == 3 || t.count() == 1 && s.c.Grey) && t.dtype.at != nil && t.odd == ""
	}
	var taken [][2]tensor
	for _, m := range rest {
		start := ending(m.name, "mean", "mu")
		if start == "-" || !three(m) {
			continue
		}
		d := slices.IndexFunc(rest, func(t tensor) bool { return ending(t.name, "std", "sigma") == start && three(t) })
		if d < 0 {
			return nil, bad("%s: want a deviation (std) beside it, to normalise pictures by, file has none", m.name)
		}
		taken = append(taken, [2]tensor{m, rest[d]})
	}
	for i, pair := range taken {
		var v [2][]float64
		for k, t := range pair {
			var err error
			if v[k], err = s.c.values(t); err != nil {
				return nil, err
			}
		}
		norm, names := Normalisation{}, pair[0].name+", "+pair[1].name
		scale := 1.0
		if slices.Max(v[0]) > 1 || slices.Max(v[1]) > 2 { // of bytes
			scale = 1.0 / 255
		}
		for k := range 3 {
			norm.Mean[k] = float32(v[0][min(k, len(v[0])-1)] * scale)
			norm.Std[k] = float32(v[1][min(k, len(v[1])-1)] * scale)
			if !(norm.Mean[k] >= 0 && norm.Mean[k] <= 1 && norm.Std[k] > 1e-6) {
				return nil, bad("%s: want means of 0 to 1 or 0 to 255 and positive deviations, file has %v and %v",
					names, v[0], v[1])
			}
		}
		if m := norm.Mean; m[0] < m[1] && m[1] < m[2] && math.Abs(float64(m[2])-0.485) < 0.01 {
			return nil, bad("%s: these are ImageNet's means with blue first, want red first; turn them and the input "+
				"channels of conv1 around", names)
		}
		if i > 0 && norm != *s.c.Normalisation {
			return nil, bad("want one normalisation of the pictures, file has two: %s, %s and %s",
				taken[0][0].name, taken[0][1].name, names)
		}
		if i == 0 {
			s.c.Normalisation = &norm
			s.note("mean and std are those that the network has inside, unless -mean and -std give others: %s", names)
		}
		rest = slices.DeleteFunc(rest, func(t tensor) bool { return t.name == pair[0].name || t.name == pair[1].name })
	}
	return rest, nil
}

// unused notes what is not read: rest of the state_dict, and what else the file has.
func (s *state) unused(rest []tensor) {
	var names []string
	for _, t := range rest {
		if !strings.HasSuffix(t.name, "num_batches_tracked") {
			names = append(names, t.name)
		}
	}
	for _, list := range [][]string{names, s.far} {
		var order []string
		groups := map[string][]string{}
		for _, name := range list {
			top := name[:strings.LastIndexByte(name, '.')+1] // a network's name, or at least its layer's
			if at := layerName.FindStringIndex(name); at != nil {
				top = name[:at[0]]
			}
			if groups[top] == nil {
				order = append(order, top)
			}
			groups[top] = append(groups[top], name)
		}
		var text []string
		for i, top := range order {
			switch g := groups[top]; {
			case i == 8:
				text = append(text, fmt.Sprintf("and %d more", len(order)-i))
			case i > 8:
			case len(g) > 2:
				text = append(text, fmt.Sprintf("%s (%d tensors)", cmp.Or(strings.TrimSuffix(top, "."), g[0]+" …"), len(g)))
			default:
				text = append(text, g...)
			}
		}
		if len(text) > 0 {
			s.note("not used: %s", strings.Join(text, ", "))
		}
	}
}

func (s *state) note(format string, args ...any) {
	s.c.note(format, args...)
}
