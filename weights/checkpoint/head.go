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

// head finds the linear layers, of any names, and the normalisations among them. Everything of the state_dict must be
// used, or known not to change the answers: what is not used is noted.
func (s *state) head(features int, used map[string]bool, model string) (list []module, err error) {
	var rest []tensor
	for _, name := range s.order {
		t := s.tensors[name]
		switch {
		case used[name], strings.HasSuffix(name, "num_batches_tracked"):
		case inner.MatchString(name):
			counter := strings.HasSuffix(name, ".total_ops") || strings.HasSuffix(name, ".total_params") // THOP's
			if !counter || t.count() != 1 {
				return nil, bad("%s: want no such tensor in %s, file has %s", name, model, t.came())
			}
		default:
			t.name = s.given[name]
			rest = append(rest, t)
		}
	}
	if s.c.wiring != nil {
		return s.c.wiring.head, nil
	}
	rest = append(rest, s.beside...)
	if rest, err = s.elsewhere(rest, features); err != nil {
		return nil, err
	}
	if list = s.chain(rest, features); list == nil {
		return nil, s.refuse(rest, features)
	}
	var bare []string
	read := map[string]bool{}
	classes := 0
	for _, m := range list {
		switch m.kind {
		case linear:
			read[m.w.name] = true
			classes = m.w.shape[0]
			if m.b != nil {
				read[m.b.name] = true
			} else {
				bare = append(bare, m.name)
			}
		case normalisation:
			for _, t := range m.norm {
				if t != nil {
					read[t.name] = true
				}
			}
		}
	}
	switch len(bare) {
	case 0:
	case 1:
		s.note("%s has no bias: taken as 0", bare[0])
	default:
		s.note("%s have no biases: taken as 0", strings.Join(bare, ", "))
	}
	rest = slices.DeleteFunc(rest, func(t tensor) bool { return read[t.name] })
	if rest, err = s.normalisation(rest); err != nil {
		return nil, err
	}
	for _, t := range rest {
		if _, last, _ := cutLast(t.name); t.count() == 1 && t.dtype.at != nil && factor[last] {
			return nil, bad("%s: one number by whose name logits are multiplied or divided, which changes its probabilities and "+
				"is not read; multiply it into the last layer and delete it, or export the network to ONNX", t.name)
		}
	}
	s.unused(rest)
	s.several(classes)
	return list, nil
}

// factor is what people call a learned number for all logits.
var factor = map[string]bool{"temperature": true, "logit_scale": true, "logits_scale": true, "scale": true}

// several notes what tells that the classes do not exclude each other.
func (s *state) several(classes int) {
	list := slices.Concat(s.beside, s.other)
	for _, name := range s.order {
		t := s.tensors[name]
		t.name = s.given[name]
		list = append(list, t)
	}
	for _, t := range list {
		named := t.name == "pos_weight" || strings.HasSuffix(t.name, ".pos_weight")
		if named && classes > 1 && (t.count() == 1 || t.count() == classes) {
			s.c.MultiLabel = true
			s.note("the classes are taken not to exclude each other: %s is of a BCEWithLogitsLoss", t.name)
			return
		}
	}
}

// fits tells whether t is of a linear layer that reads the features.
func (t tensor) fits(features int) bool {
	w, ok := plain(t)
	return ok && strings.HasSuffix(t.name, "weight") && w.shape[1] == features
}

// elsewhere adds the head to rest where it is in a dictionary of its own.
func (s *state) elsewhere(rest []tensor, features int) ([]tensor, error) {
	fc := slices.IndexFunc(rest, func(t tensor) bool { return t.name == s.given["fc.weight"] })
	if fc < 0 && slices.ContainsFunc(rest, func(t tensor) bool { return t.matrix() }) {
		return rest, nil
	}
	list := slices.DeleteFunc(slices.Clone(s.other), func(t tensor) bool {
		behind := fc >= 0 && rest[fc].fits(features) && len(t.shape) == 2 && t.shape[1] == rest[fc].shape[0] &&
			t.shape[1] != features
		return !strings.HasSuffix(t.name, "weight") || !behind && (fc >= 0 || !t.fits(features))
	})
	switch {
	case len(list) > 0 && fc >= 0:
		return nil, bad("want a ResNet alone, behind its fc the file has %s, which changes its answers", s.named(list))
	case len(list) > 1:
		return nil, bad("fc: want one linear layer of classes × %d, file has %s", features, s.named(list))
	case len(list) == 1:
		taken := map[string]bool{}
		for _, t := range s.other {
			if t.home == list[0].home {
				rest = append(rest, t)
				taken[t.name] = true
			}
		}
		s.far = slices.DeleteFunc(s.far, func(name string) bool { return taken[name] })
	}
	return rest, nil
}

// refuse says why the matrices of rest are no head.
func (s *state) refuse(rest []tensor, features int) error {
	_, list := modules(rest)
	extra := map[string]bool{}
	for _, t := range list {
		extra[t.name] = true
	}
	var matrices, norms []tensor
	given := s.given["fc.weight"]
	fc, other := -1, tensor{}
	for _, t := range rest {
		switch {
		case t.matrix():
			if t.name == given {
				fc = len(matrices)
			}
			matrices = append(matrices, t)
		case strings.HasSuffix(t.name, "running_var"), extra[t.name]:
			norms = append(norms, t)
		case t.name == given && !extra[t.name] && s.tensors["fc.running_var"].name == "":
			other = t
		}
	}
	switch {
	case fc >= 0 && (!matrices[fc].fits(features) || matrices[fc].shape[0] < 1):
		other = matrices[fc]
		fallthrough
	case other.name != "":
		return bad("fc: want a linear layer of classes × %d, file has %s%s", features, other.came(),
			pooled([]tensor{other}, features))
	case len(matrices) == 0:
		return bad("fc: want a linear layer of classes × %d, file has none; a backbone alone names no classes, save "+
			"the whole classifier", features)
	case fc >= 0 && len(matrices)+len(norms) > 1:
		list := slices.DeleteFunc(append(matrices, norms...), func(t tensor) bool { return t.name == given })
		return bad("want a ResNet alone, this network has more than that, which changes its answers: %s; save the "+
			"ResNet that ends with fc, if that was trained alone", s.named(list))
	case len(matrices)+len(norms) > 1:
		return bad("fc: want linear layers from %d features to the classes behind the ResNet, file has %s%s; no other head "+
			"is read", features, s.named(append(matrices, norms...)), cmp.Or(pooled(matrices, features), embedded(matrices)))
	}
	return bad("fc: want a linear layer of classes × %d, file has %s%s",
		features, s.named(matrices), pooled(matrices, features))
}

// pooled explains a linear layer of twice the features in list.
func pooled(list []tensor, features int) string {
	if slices.ContainsFunc(list, func(t tensor) bool { return len(t.shape) == 2 && t.shape[1] == 2*features }) {
		return "; it takes the average and the maximum of each channel, as fastai's does, and only the average is read"
	}
	return ""
}

// embedded explains a last layer of list that no classes come out of.
func embedded(list []tensor) string {
	if name := list[len(list)-1].name; embeddings.MatchString(strings.TrimSuffix(name, ".weight")) {
		return "; by its name " + name + " makes an embedding, as training without labels has it, and no classes"
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
	three := func(t tensor) bool { // or one for all
		return (t.count() == 3 || t.count() == 1) && t.dtype.at != nil && t.odd == ""
	}
	var taken [][2]tensor
	for _, m := range rest {
		start := ending(m.name, "mean", "mu")
		if start == "-" || !three(m) {
			continue
		}
		d := slices.IndexFunc(rest, func(t tensor) bool { return ending(t.name, "std", "sigma") == start && three(t) })
		if d < 0 && m.count() == 1 && !s.c.Grey {
			continue // some other number
		} else if d < 0 {
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
