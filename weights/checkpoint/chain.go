package checkpoint

import (
	"cmp"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
)

// maxHead is the number of linear layers that a model file may have behind the average.
const maxHead = 8

// moduleKind is what a module of a head computes.
type moduleKind int

const (
	linear        moduleKind = iota // y = w·x + b
	normalisation                   // a batch normalisation
	relu
)

// module is one of a head. Dropout and what else changes no answer is left out.
type module struct {
	kind    moduleKind
	name    string     // in the file; "" for a ReLU
	w       tensor     // outputs × inputs
	b       *tensor    // outputs; nil where it is 0
	norm    [4]*tensor // as in normParts; the first two are nil where they are 1 and 0
	epsilon float64
}

func (m module) String() string {
	switch m.kind {
	case relu:
		return "ReLU"
	case normalisation:
		return m.name + " (BatchNorm)"
	}
	return m.name
}

// checkHead checks the sizes of a head whose first layer reads the features.
func checkHead(list []module, features int) error {
	width, linears := features, 0
	for _, m := range list {
		switch m.kind {
		case linear:
			if len(m.w.shape) != 2 || m.w.shape[1] != width || m.w.shape[0] < 1 {
				wanted := "outputs"
				if len(list) == 1 {
					wanted = "classes"
				}
				return bad("%s: want a linear layer of %s × %d, file has %s", m.name, wanted, width, m.w.came())
			}
			if width = m.w.shape[0]; m.b != nil && !slices.Equal(m.b.shape, m.w.shape[:1]) {
				return bad("%s: want bias of %d, file has %s", m.name, width, m.b.came())
			}
			linears++
		case normalisation:
			for i, t := range m.norm {
				if t != nil && !slices.Equal(t.shape, []int{width}) {
					return bad("%s: want %s of %d, file has %s", m.name, normParts[i][1:], width, t.came())
				}
			}
		}
	}
	if linears > maxHead {
		return bad("want at most %d linear layers behind the average, file has %d", maxHead, linears)
	}
	return nil
}

// head makes the layers of a list that checkHead has passed: a normalisation is folded into the linear layer before it,
// or where there is a ReLU between into the one behind it, and two linear layers without a ReLU between become one. The
// sums are in float64.
func (c *Checkpoint) head(list []module) (layers []matrix, err error) {
	var last *matrix   // the linear layer since the last ReLU
	var before *affine // the normalisations since then, where there is no linear layer
	for _, m := range list {
		switch m.kind {
		case relu:
			if last != nil {
				layers, last = append(layers, *last), nil
			} else if before != nil {
				return nil, bad("%s: want a linear layer between the normalisation before it and this ReLU; train the network "+
					"without one of them", m.name)
			} // what comes from an average or a ReLU is not negative
		case normalisation:
			n, err := c.affine(m)
			switch {
			case err != nil:
				return nil, err
			case last != nil:
				last.after(n)
			case before != nil:
				for i := range n.scale {
					before.scale[i], before.shift[i] = before.scale[i]*n.scale[i], before.shift[i]*n.scale[i]+n.shift[i]
				}
			default:
				before = n
			}
		case linear:
			next := &matrix{rows: m.w.shape[0], columns: m.w.shape[1], b: make([]float64, m.w.shape[0])}
			if next.w, err = c.values(m.w); err != nil {
				return nil, err
			}
			if m.b != nil {
				if next.b, err = c.values(*m.b); err != nil {
					return nil, err
				}
			}
			switch {
			case before != nil:
				next.before(*before)
				before = nil
			case last != nil && next.rows*last.columns <= 2*(len(next.w)+len(last.w)):
				next = next.of(last)
			case last != nil:
				// One matrix would be far larger than the two. A ReLU between them changes nothing if the sums also come with
				// the other sign: x = ReLU(x) − ReLU(−x).
				layers, next = append(layers, last.twice()), next.difference()
			}
			last = next
		}
	}
	if last == nil {
		return nil, bad("want a linear layer at the end of the head, file has %v", list)
	}
	if layers = append(layers, *last); len(layers) > maxHead {
		return nil, bad("want at most %d linear layers behind the average, file has %d", maxHead, len(layers))
	}
	return layers, nil
}

// matrix is y = w·x + b, w row-major.
type matrix struct {
	rows, columns int
	w, b          []float64
}

// affine is scale·x + shift for each of some channels.
type affine struct{ scale, shift []float64 }

// affine is what the normalisation m computes.
func (c *Checkpoint) affine(m module) (*affine, error) {
	var p [4][]float64
	for i, t := range m.norm {
		if t == nil { // without scale and shift
			p[i] = slices.Repeat([]float64{float64(1 - i)}, m.norm[3].count())
			continue
		}
		var err error
		if p[i], err = c.values(*t); err != nil {
			return nil, err
		}
	}
	a := &affine{p[0], p[1]}
	for i, v := range p[3] {
		if v < 0 || v+m.epsilon <= 0 {
			return nil, bad("%s%s: element %d is %v, want a variance of at least 0", m.name, normParts[3], i, v)
		}
		a.scale[i] /= math.Sqrt(v + m.epsilon)
		a.shift[i] -= p[2][i] * a.scale[i]
	}
	return a, nil
}

// before makes m what it is behind a.
func (m *matrix) before(a affine) {
	for r := range m.rows {
		row := m.w[r*m.columns : (r+1)*m.columns]
		for i := range row {
			m.b[r] += row[i] * a.shift[i]
			row[i] *= a.scale[i]
		}
	}
}

// after makes m what it is before a.
func (m *matrix) after(a *affine) {
	for r := range m.rows {
		m.b[r] = m.b[r]*a.scale[r] + a.shift[r]
		for i := range m.columns {
			m.w[r*m.columns+i] *= a.scale[r]
		}
	}
}

// of is m of what n computes.
func (m *matrix) of(n *matrix) *matrix {
	p := &matrix{rows: m.rows, columns: n.columns, w: make([]float64, m.rows*n.columns), b: m.b}
	for r := range m.rows {
		row := p.w[r*p.columns : (r+1)*p.columns]
		for k, v := range m.w[r*m.columns : (r+1)*m.columns] {
			p.b[r] += v * n.b[k]
			for i, x := range n.w[k*n.columns : (k+1)*n.columns] {
				row[i] += v * x
			}
		}
	}
	return p
}

// twice is m and below it −m.
func (m *matrix) twice() matrix {
	t := matrix{rows: 2 * m.rows, columns: m.columns, w: slices.Repeat(m.w, 2), b: slices.Repeat(m.b, 2)}
	for i := range m.w {
		t.w[len(m.w)+i] *= -1
	}
	for i := range m.b {
		t.b[len(m.b)+i] *= -1
	}
	return t
}

// difference is m and beside it −m.
func (m *matrix) difference() *matrix {
	d := &matrix{rows: m.rows, columns: 2 * m.columns, b: m.b}
	for r := range m.rows {
		row := m.w[r*m.columns : (r+1)*m.columns]
		d.w = append(d.w, row...)
		for _, v := range row {
			d.w = append(d.w, -v)
		}
	}
	return d
}

// setHead gives f the layers as its head. A single output becomes the second of two, of which the first is 0.
func setHead(f *resnet.Float, layers []matrix) error {
	last := len(layers) - 1
	var hidden []int
	for _, m := range layers[:last] {
		hidden = append(hidden, m.rows)
	}
	f.Network, f.Head = f.Config.Network(max(2, layers[last].rows), hidden...), nil
	for i, m := range layers {
		l := resnet.FloatLinear{Linear: f.Network.Head[i]}
		l.W, l.B = make([]float32, l.Out*l.In), make([]float32, l.Out)
		f.Head = append(f.Head, l)
		skip := l.Out - m.rows
		if err := round(l.Name+".weight", m.w, l.W[skip*l.In:]); err != nil {
			return err
		}
		if err := round(l.Name+".bias", m.b, l.B[skip:]); err != nil {
			return err
		}
	}
	return nil
}

// plain takes the bytes of a matrix where it is one, as a linear layer has it or a 1×1 convolution.
func plain(t tensor) (tensor, bool) {
	if len(t.shape) == 4 && t.shape[2] == 1 && t.shape[3] == 1 {
		t.shape = t.shape[:2]
		if t.stride != nil {
			t.stride = t.stride[:2]
		}
	}
	return t, len(t.shape) == 2 && t.odd == ""
}

// modules are the linear layers and batch normalisations of a list of tensors, in its order; extra are those tensors of
// others that can change an answer.
func modules(rest []tensor) (list []module, extra []tensor) {
	var order []string
	parts := map[string]map[string]tensor{}
	for _, t := range rest {
		at := strings.LastIndexByte(t.name, '.')
		layer := t.name[:max(at, 0)]
		if parts[layer] == nil {
			parts[layer] = map[string]tensor{}
			order = append(order, layer)
		}
		parts[layer][t.name[at+1:]] = t
	}
	var vectors []tensor // of weights
	for _, layer := range order {
		p := parts[layer]
		m := module{name: layer, epsilon: epsilon}
		part := func(name string) *tensor {
			if t, ok := p[name]; ok {
				return &t
			}
			return nil
		}
		weight, isWeight := p["weight"]
		if m.b = part("bias"); part("running_var") != nil || part("running_mean") != nil {
			m.kind = normalisation
			ok := part("running_var") != nil && part("running_mean") != nil && isWeight == (m.b != nil)
			for i, name := range normParts {
				m.norm[i] = part(name[1:])
				ok = ok && (m.norm[i] == nil || m.norm[i].odd == "" && len(m.norm[i].shape) == 1)
			}
			if !ok {
				extra = append(extra, weight)
				continue
			}
		} else if w, ok := plain(weight); ok {
			m.w = w
		} else {
			if isWeight && len(weight.shape) == 1 {
				vectors = append(vectors, weight)
			}
			for _, t := range p {
				if t.matrix() {
					extra = append(extra, t)
				}
			}
			continue
		}
		list = append(list, m)
		for part, t := range p {
			if part != "weight" && t.matrix() {
				extra = append(extra, t)
			}
		}
	}
	// Other vectors of weights are of a loss, or of a layer that is not read: a LayerNorm, a PReLU.
	inputs, boxes := map[int]bool{}, map[string]bool{}
	for _, m := range list {
		if m.kind == linear {
			inputs[m.w.shape[1]] = true
			if box, _, ok := boxed(m.name); ok {
				boxes[box] = true
			}
		}
	}
	for _, t := range vectors {
		box, _, ok := boxed(strings.TrimSuffix(t.name, ".weight"))
		if inputs[t.count()] || ok && boxes[box] {
			extra = append(extra, t)
		}
	}
	return list, extra
}

// boxed takes the number of a module in its Sequential, or whatever numbers its modules, off its name.
func boxed(name string) (box string, n int, ok bool) {
	at := strings.LastIndexByte(name, '.')
	n, err := strconv.Atoi(name[at+1:])
	return name[:at+1], n, err == nil && n >= 0
}

// reads is the number of m's inputs, and what it makes that of its outputs.
func (m module) reads() int {
	if m.kind == normalisation {
		return m.norm[3].count()
	}
	return m.w.shape[1]
}

func (m module) makes() int {
	if m.kind == normalisation {
		return m.norm[3].count()
	}
	return m.w.shape[0]
}

// chains tells whether each module of list reads what the one before makes, and the first the features.
func chains(list []module, features int) bool {
	for _, m := range list {
		if m.reads() != features {
			return false
		}
		features = m.makes()
	}
	return true
}

// arrange puts modules into the order in which they chain, from the features on: the only one that their sizes leave, or
// that of their numbers, or else that of list, unless the file sorts names. It returns nil where none of them chains.
func arrange(list []module, features int, sorted bool) []module {
	const enough = 10_000 // steps
	var first, path []module
	steps, found := 0, 0
	used := make([]bool, len(list))
	var search func(width int)
	search = func(width int) {
		if len(path) == len(list) {
			if found++; found == 1 {
				first = slices.Clone(path)
			}
		}
		for i, m := range list {
			if steps++; found > 1 || steps > enough {
				return
			}
			if !used[i] && m.reads() == width {
				used[i], path = true, append(path, m)
				search(m.makes())
				used[i], path = false, path[:len(path)-1]
			}
		}
	}
	if search(features); found == 1 && steps <= enough {
		return first
	}
	orders := [][]module{byNumbers(list, false), list, byNumbers(list, true)}
	if sorted {
		orders[1] = nil
	}
	for _, order := range orders {
		if order != nil && chains(order, features) {
			return order
		}
	}
	return nil
}

// byNumbers is list in the order of byNumber, nil where that does not tell.
func byNumbers(list []module, loose bool) []module {
	for i := range list {
		for k := range i {
			if _, told := byNumber(list[k], list[i], loose); !told {
				return nil
			}
		}
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b module) int {
		order, _ := byNumber(a, b, loose)
		return order
	})
	return list
}

// byNumber compares modules by the first part of their names that differs: 3 comes before 10, and fc1 before fc2. With
// loose, fc1 comes before norm2, and before norm1, too. It reports whether the names tell.
func byNumber(a, b module, loose bool) (order int, told bool) {
	x, y := strings.Split(a.name, "."), strings.Split(b.name, ".")
	for i := range min(len(x), len(y)) {
		if x[i] == y[i] {
			continue
		}
		n, k := ending.FindString(x[i]), ending.FindString(y[i])
		if n == "" || k == "" || !loose && x[i][:len(x[i])-len(n)] != y[i][:len(y[i])-len(k)] {
			return 0, false
		}
		p, _ := strconv.Atoi(n)
		q, _ := strconv.Atoi(k)
		order = cmp.Or(cmp.Compare(p, q), cmp.Compare(a.kind, b.kind))
		return order, order != 0
	}
	return 0, false
}

// ending is the number at the end of a name.
var ending = regexp.MustCompile(`\d{1,9}$`)

// room says whether something that has no tensors can stand between two modules.
type room int

const (
	noRoom room = iota
	mayHaveRoom
	hasRoom
)

// lists matches a name of a ModuleList, whose numbers leave no room for the activations that are between.
var lists = regexp.MustCompile(`(^|[._])(layers|linears|fcs|hidden)\.$`)

// room looks for free numbers between a and b in a Sequential. names has every tensor of the file, sorted.
func (s *state) room(names []string, a, b string) room {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	d := 0
	for d < min(len(x), len(y)) && x[d] == y[d] {
		d++
	}
	box := func(parts []string) string {
		if len(parts) == 0 {
			return ""
		}
		return strings.Join(parts, ".") + "."
	}
	free := func(box string, from, to int) bool {
		for i := from; i < to; i++ {
			module := box + strconv.Itoa(i) + "."
			if at, _ := slices.BinarySearch(names, module); at == len(names) || !strings.HasPrefix(names[at], module) {
				return true
			}
		}
		return false
	}
	if d == len(x) || d == len(y) {
		return mayHaveRoom
	}
	i, err := strconv.Atoi(x[d])
	k, err2 := strconv.Atoi(y[d])
	if err != nil || err2 != nil || i < 0 || i >= k {
		return mayHaveRoom
	}
	between := noRoom
	if len(x) > d+1 && a != s.own() { // nothing stands behind a ResNet's own layer
		between = mayHaveRoom
	}
	if len(y) > d+1 {
		n, err := strconv.Atoi(y[d+1])
		switch {
		case err != nil || len(y) > d+2:
			between = mayHaveRoom
		case free(box(y[:d+1]), 0, n):
			return hasRoom
		}
	}
	switch {
	case free(box(x[:d]), i+1, k):
		return hasRoom
	case lists.MatchString(box(x[:d])):
		return mayHaveRoom
	}
	return between
}

// own is the name of the linear layer that the ResNet ends with itself, "" where it has another than fc.
func (s *state) own() string {
	name := strings.TrimSuffix(s.given["fc.weight"], ".weight")
	if name == "fc" || strings.HasSuffix(name, ".fc") {
		return name
	}
	return ""
}

// activate puts a ReLU between linear layers of a chain where there is room for it: directly behind the layer or its
// normalisation. Where names do not tell, a ReLU is taken to be behind the normalisation; but a layer behind a whole
// ResNet, which has its own, usually follows that directly.
func (s *state) activate(chain []module) []module {
	names := slices.AppendSeq(slices.Clone(s.far), maps.Values(s.given))
	for _, t := range slices.Concat(s.beside, s.other) {
		names = append(names, t.name)
	}
	slices.Sort(names)
	var list []module
	first := slices.IndexFunc(chain, func(m module) bool { return m.kind == linear })
	for i := 0; i < len(chain); {
		end := i + 1 // the next linear layer
		for end < len(chain) && chain[end].kind != linear {
			end++
		}
		at := -1 // behind which module the ReLU is
		if i >= first && end < len(chain) {
			guess := -1
			for k := i; k < end && at < 0; k++ {
				switch s.room(names, chain[k].name, chain[k+1].name) {
				case hasRoom:
					at = k
				case mayHaveRoom:
					guess = k
				}
			}
			own := s.own()
			prefix := strings.TrimSuffix(own, "fc")
			outside := prefix != "" && chain[i].name == own && !strings.HasPrefix(chain[end].name, prefix)
			if at < 0 && !outside {
				at = guess
			}
		}
		for k := i; k < end; k++ {
			if list = append(list, chain[k]); k == at {
				list = append(list, module{kind: relu})
			}
		}
		i = end
	}
	return list
}

// embeddings are words in the name of a last layer whose outputs are no classes.
var embeddings = regexp.MustCompile(`(^|[._])(proj|projection|projector|predictor|prototypes)([._]|$)`)

// chain finds a head among the tensors of rest, and notes what it takes for granted; nil where there is none.
func (s *state) chain(rest []tensor, features int) []module {
	const most = 4 * maxHead // of linear layers and normalisations, more than a head has
	list, extra := modules(rest)
	if len(extra) > 0 || len(list) > most {
		return nil
	}
	list = arrange(list, features, s.c.Format == "safetensors")
	linears := 0
	lastName := ""
	for _, m := range list {
		if m.kind == linear {
			linears, lastName = linears+1, m.name
		}
	}
	if linears == 0 || linears > 1 && embeddings.MatchString(lastName) {
		return nil
	}
	if linears == 1 && len(list) == 1 {
		known := []string{s.given["fc.weight"], "linear.weight", "classifier.weight"}
		if !slices.Contains(known, list[0].w.name) {
			s.note("%s is taken as the linear layer behind the ResNet", list[0].name)
		}
		return list
	}
	list = s.activate(list)
	var text []string
	for _, m := range list {
		text = append(text, m.String())
	}
	s.note("the head is taken as %s; the file does not tell what is computed between layers: if that is something else, "+
		"as another activation, export the network to ONNX, which tells", strings.Join(text, ", "))
	return list
}
