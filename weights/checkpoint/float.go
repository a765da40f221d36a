package checkpoint

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"resnet-web/resnet"
)

// state is the tensors of one network under torchvision's names.
type state struct {
	c       *Checkpoint
	tensors map[string]tensor
	order   []string          // as in the file
	given   map[string]string // the names in the file
	beside  []tensor          // of the same dictionary, outside the network's prefix
	other   []tensor          // of other dictionaries
	far     []string          // names of other dictionaries, and of other copies of the network
}

// epsilon is that of torchvision, timm and Hugging Face.
const epsilon = 1e-5

// maxChannels is the width that a model file may have.
const maxChannels = 4096

// Float returns the network with its batch normalisations folded in, in float64, rounded once to float32.
//
// With arch "" the network is recognised by names and shapes; where those cannot tell v1 from v1.5 it is v1.5 (an ONNX
// graph tells). Otherwise arch is a name as resnet.Lookup takes it.
//
// # Errors
//
// ErrFormat, wrapped, where the file holds another network: the message names the first layer that differs, what was
// wanted and what came. resnet.ErrArch for an arch that is none.
func (c *Checkpoint) Float(arch string) (*resnet.Float, error) {
	f, err := c.float(arch)
	if err != nil && c.shard {
		return nil, fmt.Errorf("%w; by its name this is one of several files, give the .index.json beside it", err)
	}
	return f, err
}

func (c *Checkpoint) float(arch string) (*resnet.Float, error) {
	s, err := c.state()
	if err != nil {
		return nil, err
	}
	if err := s.relative(); err != nil {
		return nil, err
	}
	var cfg resnet.Config
	if arch == "" {
		cfg, err = s.recognise()
	} else {
		cfg, err = resnet.Lookup(arch)
	}
	if err != nil {
		return nil, err
	}
	if !strings.ContainsAny(cfg.Name, "x_") { // shapes tell the widths that the name leaves open
		width, inner := s.widths(cfg.Bottleneck)
		cfg = widen(cfg, width, inner)
	}
	cfg.Dashed = s.dashed(cfg)
	if cfg.Width < 1 || cfg.Width > maxChannels || cfg.Inner < 1 || cfg.Inner > maxChannels {
		return nil, bad("conv1: want widths of 1 to %d, file has %d and, in a bottleneck, %d", maxChannels, cfg.Width, cfg.Inner)
	}
	if t := s.tensors["conv1.weight"]; len(t.shape) == 4 && t.shape[1] == 1 {
		c.Grey = true
		s.note("the network takes grey pictures: its first weights are spread over red, green and blue as Pillow makes " +
			"grey of them (0.299, 0.587, 0.114)")
	}
	net := cfg.Network(1)
	used, err := s.check(net)
	if err != nil {
		return nil, err
	}
	list, err := s.head(net.Features, used, net.Name)
	if err != nil {
		return nil, err
	}
	if err := s.apart(used, list); err != nil {
		return nil, err
	}
	if err := checkHead(list, net.Features); err != nil {
		return nil, err
	}
	f := resnet.NewFloat(net)
	for i := range f.Convs {
		if f.Convs[i].Fixed() {
			continue
		}
		if err := s.fold(&f.Convs[i]); err != nil {
			return nil, err
		}
	}
	layers, err := c.head(list)
	if err != nil {
		return nil, err
	}
	if c.One = layers[len(layers)-1].rows == 1; c.One {
		s.note("the one output z is taken as the logit of the second of two classes, 0 and z")
	}
	if err := setHead(f, layers); err != nil {
		return nil, err
	}
	return f, nil
}

// fold fills in one convolution, with the normalisation after it.
func (s *state) fold(conv *resnet.FloatConv) error {
	w, err := s.values(conv.Name + ".weight")
	if err != nil {
		return err
	}
	if conv.Index == 0 && s.c.Grey {
		w = spread(w, conv.Kernel*conv.Kernel)
	}
	hasBias, hasNorm := s.parts(conv.Conv)
	bias := make([]float64, conv.Out)
	if hasBias {
		if bias, err = s.values(conv.Name + ".bias"); err != nil {
			return err
		}
	}
	if hasNorm {
		if err := s.normalise(conv, w, bias); err != nil {
			return err
		}
	}
	if err := round(conv.Name, w, conv.W); err != nil {
		return err
	}
	return round(conv.Name, bias, conv.B)
}

// grey is what Pillow makes a grey value of, of red, green and blue: 0.299, 0.587 and 0.114 in 1/65536, which add up
// to 1.
var grey = [3]float64{19595. / 65536, 38470. / 65536, 7471. / 65536}

// spread makes weights for red, green and blue of those for one channel, rows of the given number of taps.
func spread(w []float64, taps int) []float64 {
	all := make([]float64, 0, len(grey)*len(w))
	for row := range slices.Chunk(w, taps) {
		for _, share := range grey {
			for _, x := range row {
				all = append(all, share*x)
			}
		}
	}
	return all
}

// normalise folds the normalisation after conv into its weights and bias, and keeps what it says of the outputs.
func (s *state) normalise(conv *resnet.FloatConv, w, bias []float64) (err error) {
	var p [4][]float64 // scale, shift, mean, variance
	for i, part := range normParts {
		if p[i], err = s.values(conv.Norm + part); err != nil {
			return err
		}
	}
	eps := epsilon
	if s.c.wiring != nil {
		eps = s.c.wiring.epsilons[conv.Norm]
	}
	conv.Mean, conv.Std = make([]float32, conv.Out), make([]float32, conv.Out)
	row := len(w) / conv.Out
	for o := range conv.Out {
		if p[3][o] < 0 || p[3][o]+eps <= 0 {
			return bad("%s%s: element %d is %v, want a variance of at least 0", conv.Norm, normParts[3], o, p[3][o])
		}
		scale := p[0][o] / math.Sqrt(p[3][o]+eps)
		bias[o] = p[1][o] + (bias[o]-p[2][o])*scale
		conv.Mean[o], conv.Std[o] = float32(p[1][o]), float32(math.Abs(scale)*math.Sqrt(p[3][o]))
		for i := range w[o*row : (o+1)*row] {
			w[o*row+i] *= scale
		}
	}
	return nil
}

var normParts = [4]string{".weight", ".bias", ".running_mean", ".running_var"}

// parts reports what the file has for conv beside its weights: a bias, and a normalisation. Usually there is a bias only
// where the normalisation has been folded in. Where there is neither, a normalisation is wanted.
func (s *state) parts(conv resnet.Conv) (bias, norm bool) {
	_, bias = s.tensors[conv.Name+".bias"]
	_, norm = s.tensors[conv.Norm+".weight"]
	return bias, norm || !bias
}

func (s *state) values(name string) ([]float64, error) { return s.c.values(s.tensors[name]) }

// round rounds v to float32.
func round(name string, v []float64, to []float32) error {
	for i, x := range v {
		if to[i] = float32(x); math.IsInf(float64(to[i]), 0) || math.IsNaN(x) {
			return bad("%s: element %d is %g, want a float32", name, i, x)
		}
	}
	return nil
}

// check compares every tensor of the network but the linear layer with the file, in the order of the network, and
// returns their names.
func (s *state) check(net resnet.Network) (map[string]bool, error) {
	used := map[string]bool{}
	want := func(name string, shape ...int) error {
		t, ok := s.tensors[name]
		if !ok || !slices.Equal(t.shape, shape) {
			layer := name[:strings.LastIndexByte(name, '.')]
			return bad("%s: want %s of %s for %s, file has %s%s", layer, name[len(layer)+1:], dims(shape), net.Name, s.came(name), s.hint(name, t.shape))
		}
		used[name] = true
		return nil
	}
	for _, conv := range net.Convs() {
		if conv.Fixed() {
			continue
		}
		in := conv.In
		if conv.Index == 0 && s.c.Grey {
			in = 1
		}
		if err := want(conv.Name+".weight", conv.Out, in, conv.Kernel, conv.Kernel); err != nil {
			return nil, err
		}
		bias, norm := s.parts(conv)
		if bias {
			if err := want(conv.Name+".bias", conv.Out); err != nil {
				return nil, err
			}
		}
		if !norm {
			continue
		}
		for _, part := range normParts {
			if err := want(conv.Norm+part, conv.Out); err != nil {
				return nil, err
			}
		}
	}
	if w := s.c.wiring; w != nil {
		for _, conv := range net.Convs() {
			if stride := w.strides[conv.Name]; !conv.Fixed() && stride != conv.Stride {
				return nil, bad("%s: want stride %d for %s, file has %d", conv.Name, conv.Stride, net.Name, stride)
			}
		}
		if w.plain != net.Plain || w.pool != net.MaxPool {
			return nil, bad("want shortcuts %t and a max-pool %t for %s, file has %t and %t",
				!net.Plain, net.MaxPool, net.Name, !w.plain, w.pool)
		}
	}
	return used, nil
}

// apart makes sure that no two matrices lie in the same bytes, so that a network is never larger than its file.
// (Exporters do share equal vectors.)
func (s *state) apart(used map[string]bool, head []module) error {
	var list []tensor
	for _, m := range head {
		if m.kind == linear {
			list = append(list, m.w)
		}
	}
	for name := range used {
		if t := s.tensors[name]; len(t.shape) > 1 {
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b tensor) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.at, b.at), strings.Compare(a.name, b.name))
	})
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		span, err := a.span(math.MaxInt64 / 8)
		if err != nil {
			return err
		}
		if a.file == b.file && a.at+min(span, int64(a.count()))*int64(a.dtype.size) > b.at {
			return bad("%s and %s lie in the same bytes, want each layer to have its own", a.name, b.name)
		}
	}
	return nil
}

// came says what the file has under a name, for messages.
func (s *state) came(name string) string {
	if t, ok := s.tensors[name]; ok {
		return t.came()
	}
	return "none"
}

func (t *tensor) came() string {
	if t.odd != "" {
		return t.odd
	}
	return t.dtype.name + " " + dims(t.shape)
}

// hint guesses what else a network is where the tensor called name has this shape, or none.
func (s *state) hint(name string, shape []int) string {
	switch {
	case len(shape) == 0 && strings.HasSuffix(name, "bn1.weight"):
		return "; a ResNet without normalisation, or one without scale and shift (affine=False), is not read"
	case len(shape) == 0 && strings.Contains(name, "downsample"):
		return "; a net without shortcuts must be named, as plain18"
	case name == "conv1.weight" && len(shape) == 4:
		return "; want pictures of 3 channels or 1, and a stem of 7×7 or, in networks for small pictures, of 3×3"
	}
	return ""
}

func dims(shape []int) string {
	if len(shape) == 0 {
		return "one number"
	}
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, "×")
}

// depths of the networks of four stages. Their blocks tell them apart.
var depths = []int{10, 14, 18, 26, 34, 50, 101, 152, 200}

// recognise finds the member of the family by the stem, the blocks and the widths that the file has.
func (s *state) recognise() (resnet.Config, error) {
	var none resnet.Config
	stem, ok := s.tensors["conv1.weight"]
	if !ok || len(stem.shape) != 4 {
		return none, bad("conv1: want weight of channels×3×7×7 or channels×3×3×3, file has %s", s.came("conv1.weight"))
	}
	var stages []int
	for {
		n := 0
		for ; ; n++ {
			if _, ok := s.tensors[fmt.Sprintf("layer%d.%d.conv1.weight", len(stages)+1, n)]; !ok {
				break
			}
		}
		if n == 0 {
			break
		}
		stages = append(stages, n)
	}
	_, bottleneck := s.tensors["layer1.0.conv3.weight"]
	kind, small, v1 := "resnet", "", ""
	if stem.shape[2] == 3 {
		small = "s"
	}
	if w := s.c.wiring; w != nil {
		if err := w.stem(stem.shape[2]); err != nil {
			return none, err
		}
		if w.plain {
			kind = "plain"
		}
		if bottleneck && w.strides["layer2.0.conv1"] == 2 {
			v1 = "v1"
		}
	}
	for _, depth := range depths {
		cfg, err := resnet.Lookup(fmt.Sprintf("%s%d%s%s", kind, depth, small, v1))
		if err == nil && cfg.Bottleneck == bottleneck && slices.Equal(cfg.Stages, stages) {
			if small != "" && s.c.wiring == nil {
				s.note("the stem's 3×3 convolution is taken for one of stride 1 without a max-pool behind it, as nets for small "+
					"pictures have it, which the file does not tell; -arch %s says so. A network that has either is no such "+
					"net and would be answered wrongly: exported to ONNX it is told apart", cfg.Name)
			}
			return cfg, nil
		}
	}
	if len(stages) == 3 && stages[0] == stages[1] && stages[0] == stages[2] {
		name := fmt.Sprintf("%s%dcifar", kind, 6*stages[0]+2)
		if bottleneck {
			name = fmt.Sprintf("%s%dcifarbottleneck%s", kind, 9*stages[0]+2, v1)
		}
		if cfg, err := resnet.Lookup(name); err == nil {
			return cfg, nil
		}
	}
	kind = "basic"
	if bottleneck {
		kind = "bottleneck"
	}
	return none, bad("layer1: want the blocks of a ResNet-10, 14, 18, 26, 34, 50, 101, 152, 200 or of the CIFAR family, "+
		"file has %v %s blocks", stages, kind)
}

// stem checks that a stem of a square kernel is of one of the two kinds.
func (w *wiring) stem(kernel int) error {
	stride := w.strides["conv1"]
	if kernel == 7 && stride == 2 && w.pool || kernel == 3 && stride == 1 && !w.pool {
		return nil
	}
	pool := "no max-pool"
	if w.pool {
		pool = "a max-pool"
	}
	return bad("conv1: want a stem of 7×7 with stride 2 and a max-pool behind it, or of 3×3 with stride 1 and none, "+
		"file has %d×%d with stride %d and %s", kernel, kernel, stride, pool)
}

// dashed is how the blocks of cfg that change their input's size reach their sum. A graph tells it; otherwise networks
// of three stages, as CIFAR's, have projections where the file has them.
func (s *state) dashed(cfg resnet.Config) resnet.Shortcut {
	_, projects := s.tensors["layer2.0.downsample.0.weight"]
	w := s.c.wiring
	switch {
	case w != nil && w.pad != 0:
		return w.pad
	case cfg.Plain:
		return cfg.Dashed
	case w != nil || projects || len(cfg.Stages) != 3:
		return resnet.Projection
	}
	return cmp.Or(s.c.Pad, resnet.PadSplit)
}

// widths are the channels of the stem and, in a bottleneck, of its 3×3 convolution.
func (s *state) widths(bottleneck bool) (width, inner int) {
	if t := s.tensors["conv1.weight"]; len(t.shape) == 4 {
		width, inner = t.shape[0], t.shape[0]
	}
	if t := s.tensors["layer1.0.conv1.weight"]; bottleneck && len(t.shape) == 4 {
		inner = t.shape[0]
	}
	return width, inner
}

// widen gives cfg the widths of the file, under a name of resnet.Lookup where there is one.
func widen(cfg resnet.Config, width, inner int) resnet.Config {
	if cfg.Width == width && cfg.Inner == inner {
		return cfg
	}
	factor := strconv.FormatFloat(float64(width)/float64(cfg.Width), 'g', -1, 64)
	for _, name := range []string{"wide_" + cfg.Name + "_2", cfg.Name + "x" + factor} {
		if c, err := resnet.Lookup(name); err == nil && c.Width == width && c.Inner == inner {
			return c
		}
	}
	cfg.Name = fmt.Sprintf("%s-%d-%d", cfg.Name, width, inner)
	cfg.Width, cfg.Inner = width, inner
	return cfg
}
