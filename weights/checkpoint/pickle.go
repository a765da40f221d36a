package checkpoint

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Python's pickle is a program for a stack machine that may call anything. This one knows how torch.save writes
// tensors: the constructors in reduce. Nothing is looked up, imported or called by a name in the file. Whatever else the
// program would make (the arguments of a training, a scheduler, NumPy's numbers) becomes an object of which only the
// name of its maker is known. If it gets items, as a subclass of dict does, it is a dictionary as well.

// Values of the machine: nil, bool, int64, float64, string, tuple, *list, *dict, global, storage, *view, *object and
// inert.
type (
	tuple  []any
	list   []any // always by pointer, as Python's may grow after they were stored
	global string
	dict   struct{ keys, values []any }
	object struct {
		maker string
		dict
	}
	inert struct{} // a value of which nothing is known, not even a name
)

// storage is a stretch of elements that a persistent id names.
type storage struct {
	key   string
	dtype dtype
	numel int64
	root  int64 // first element, in the storage called key; a view of the legacy format starts behind 0
}

// view is a tensor whose storage has no place in the file yet.
type view struct {
	tensor
	storage storage
	offset  int64 // in elements from the start of the storage
}

var storages = map[global]dtype{
	"torch.HalfStorage": float16, "torch.BFloat16Storage": bfloat16, "torch.FloatStorage": float32_, "torch.DoubleStorage": float64_,
	"torch.LongStorage": {"int64", 8, nil}, "torch.IntStorage": {"int32", 4, nil}, "torch.ShortStorage": {"int16", 2, nil},
	"torch.CharStorage": {"int8", 1, nil}, "torch.ByteStorage": {"uint8", 1, nil}, "torch.BoolStorage": {"bool", 1, nil},
	"torch.ComplexFloatStorage": {"complex64", 8, nil}, "torch.ComplexDoubleStorage": {"complex128", 16, nil},
	"torch.QInt8Storage": {"quantised int8", 1, nil}, "torch.QUInt8Storage": {"quantised uint8", 1, nil},
	"torch.QInt32Storage":  {"quantised int32", 4, nil},
	"torch.UntypedStorage": {"bytes", 1, nil}, "torch.storage.UntypedStorage": {"bytes", 1, nil},
}

const (
	maxPickle = 64 << 20 // bytes of a pickle without its tensors and long texts; resnet1202's has 2 MB
	maxString = 64 << 10 // bytes of a name; of longer texts nothing is kept
	maxMemo   = 1 << 20  // entries; resnet1202's has 150,000
	maxStack  = 1 << 16  // values; SETITEMS comes every 1000 items
)

// unpickler runs one pickle after another from a stream.
type unpickler struct {
	r     *bufio.Reader
	n     int64 // bytes read
	left  int64 // bytes that are still there
	kept  int64 // bytes read but for long texts, at most maxPickle
	stack []any
	marks []int
	memo  map[int]any
	pairs int64          // copied from lists into dictionaries
	sizes map[string]int // bytes of an element, by storage
	err   error
}

func newUnpickler(r io.Reader, size int64) *unpickler {
	return &unpickler{r: bufio.NewReaderSize(r, 4096), left: size, sizes: map[string]int{}}
}

func (u *unpickler) fail(format string, args ...any) {
	if u.err == nil {
		u.err = bad("pickle, byte "+strconv.FormatInt(u.n, 10)+": "+format, args...)
	}
}

// bytes reads n bytes; after an error it returns zeros, at most 16.
func (u *unpickler) bytes(n int64) []byte {
	switch {
	case u.err != nil:
	case n < 0 || n > u.left:
		u.fail("want %d more bytes, there are %d; download it again", n, u.left)
	case n > maxString || u.kept+n > maxPickle:
		u.fail("more than %d bytes besides the tensors; save model.state_dict() alone", maxPickle)
	default:
		b := make([]byte, n)
		if _, err := io.ReadFull(u.r, b); err != nil {
			u.fail("%v", err)
			break
		}
		u.n, u.left, u.kept = u.n+n, u.left-n, u.kept+n
		return b
	}
	return make([]byte, min(max(n, 0), 16))
}

// text reads a text of n bytes. One too long for a name is passed over.
func (u *unpickler) text(n uint64) any {
	if n <= maxString || u.err != nil {
		return string(u.bytes(int64(n)))
	}
	if n > uint64(max(u.left, 0)) {
		u.fail("want %d more bytes, there are %d; download it again", n, u.left)
		return nil
	}
	if _, err := io.CopyN(io.Discard, u.r, int64(n)); err != nil {
		u.fail("%v", err)
	}
	u.n, u.left = u.n+int64(n), u.left-int64(n)
	return inert{}
}

func (u *unpickler) byte() byte     { return u.bytes(1)[0] }
func (u *unpickler) uint32() uint32 { return binary.LittleEndian.Uint32(u.bytes(4)) }
func (u *unpickler) uint64() uint64 { return binary.LittleEndian.Uint64(u.bytes(8)) }

// line reads to the next newline.
func (u *unpickler) line() string {
	var s []byte
	for u.err == nil {
		b := u.byte()
		if b == '\n' {
			break
		}
		if s = append(s, b); len(s) > 256 {
			u.fail("a name longer than 256 bytes")
		}
	}
	return string(s)
}

func (u *unpickler) push(v any) {
	if len(u.stack) >= maxStack {
		u.fail("more than %d values on the stack", maxStack)
		return
	}
	u.stack = append(u.stack, v)
}

func (u *unpickler) pop() any {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack) <= floor {
		u.fail("an operation lacks its operand")
		return nil
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v
}

func (u *unpickler) top() any {
	v := u.pop()
	u.push(v)
	return v
}

// popMark takes all values above the last mark.
func (u *unpickler) popMark() []any {
	if len(u.marks) == 0 {
		u.fail("an operation lacks its mark")
		return nil
	}
	at := u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	v := append([]any(nil), u.stack[at:]...)
	u.stack = u.stack[:at]
	return v
}

func (u *unpickler) put(i int) {
	if i < 0 || i >= maxMemo {
		u.fail("memo %d, want less than %d", i, maxMemo)
		return
	}
	u.memo[i] = u.top()
}

func (u *unpickler) get(i int) {
	v, ok := u.memo[i]
	if !ok {
		u.fail("memo %d is empty", i)
	}
	u.push(v)
}

func (u *unpickler) set(d any, pairs []any) {
	var to *dict
	switch d := d.(type) {
	case *dict:
		to = d
	case *object:
		to = &d.dict
	case inert:
		return
	}
	if to == nil || len(pairs)%2 != 0 {
		u.fail("want pairs for a dictionary, file has %d values for %s", len(pairs), kind(d))
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		to.keys, to.values = append(to.keys, pairs[i]), append(to.values, pairs[i+1])
	}
}

func (u *unpickler) extend(l any, items []any) {
	switch to := l.(type) {
	case *list:
		*to = append(*to, items...)
	case *object, inert: // a deque, a set
	default:
		u.fail("want a list to append to, file has %s", kind(l))
	}
}

// load runs the program up to its STOP and returns its result.
func (u *unpickler) load() (any, error) {
	u.stack, u.marks, u.memo = u.stack[:0], u.marks[:0], map[int]any{}
	for u.err == nil {
		switch op := u.byte(); op {
		case 0x80: // PROTO
			if v := u.byte(); v < 2 || v > 5 {
				u.fail("protocol %d, want 2 to 5", v)
			}
		case 0x95: // FRAME
			u.bytes(8)
		case '.': // STOP
			return u.pop(), u.err
		case '(':
			if len(u.marks) >= 256 {
				u.fail("nested deeper than 256")
			}
			u.marks = append(u.marks, len(u.stack))
		case '0':
			u.pop()
		case 'N':
			u.push(nil)
		case 0x88, 0x89: // NEWTRUE, NEWFALSE
			u.push(op == 0x88)
		case 'J':
			u.push(int64(int32(u.uint32())))
		case 'K':
			u.push(int64(u.byte()))
		case 'M':
			u.push(int64(binary.LittleEndian.Uint16(u.bytes(2))))
		case 0x8a: // LONG1
			u.push(u.long(uint64(u.byte())))
		case 0x8b: // LONG4
			u.push(u.long(uint64(u.uint32())))
		case 'G':
			u.push(math.Float64frombits(binary.BigEndian.Uint64(u.bytes(8))))
		case 'X', 'T', 'B': // BINUNICODE, BINSTRING, BINBYTES
			u.push(u.text(uint64(u.uint32())))
		case 0x8c, 'U', 'C': // the same with one byte of length
			u.push(u.text(uint64(u.byte())))
		case 0x8d, 0x8e, 0x96: // the same with eight, BYTEARRAY8
			u.push(u.text(u.uint64()))
		case 0x97: // NEXT_BUFFER
			u.push(inert{})
		case 0x98: // READONLY_BUFFER
		case 0x82, 0x83, 0x84: // EXT1, EXT2, EXT4: a registered class
			u.bytes(1 << (op - 0x82))
			u.push(inert{})
		case 0x8f: // EMPTY_SET
			u.push(inert{})
		case 0x90: // ADDITEMS
			v := u.popMark()
			u.extend(u.top(), v)
		case 0x91: // FROZENSET
			u.popMark()
			u.push(inert{})
		case '1': // POP_MARK
			u.popMark()
		case ')':
			u.push(tuple{})
		case 0x85, 0x86, 0x87: // TUPLE1 to TUPLE3
			t := make(tuple, op-0x84)
			for i := len(t) - 1; i >= 0; i-- {
				t[i] = u.pop()
			}
			u.push(t)
		case 't':
			u.push(tuple(u.popMark()))
		case ']':
			u.push(&list{})
		case 'l':
			l := list(u.popMark())
			u.push(&l)
		case 'a':
			v := u.pop()
			u.extend(u.top(), []any{v})
		case 'e':
			v := u.popMark()
			u.extend(u.top(), v)
		case '}':
			u.push(&dict{})
		case 'd':
			v, d := u.popMark(), &dict{}
			u.set(d, v)
			u.push(d)
		case 's':
			v, k := u.pop(), u.pop()
			u.set(u.top(), []any{k, v})
		case 'u':
			v := u.popMark()
			u.set(u.top(), v)
		case 'q':
			u.put(int(u.byte()))
		case 'r':
			u.put(int(u.uint32()))
		case 0x94: // MEMOIZE
			u.put(len(u.memo))
		case 'h':
			u.get(int(u.byte()))
		case 'j':
			u.get(int(u.uint32()))
		case 'c':
			module := u.line()
			u.push(global(module + "." + u.line()))
		case 0x93: // STACK_GLOBAL
			name, _ := u.pop().(string)
			module, _ := u.pop().(string)
			u.push(global(module + "." + name))
		case 'Q':
			u.push(u.persistent(u.pop()))
		case 'R':
			args, f := u.pop(), u.pop()
			u.push(u.reduce(f, args))
		case 0x81: // NEWOBJ
			u.pop()
			u.push(made(u.pop()))
		case 0x92: // NEWOBJ_EX
			u.pop()
			u.pop()
			u.push(made(u.pop()))
		case 'b': // BUILD: attributes, which nothing here reads
			u.pop()
			u.top()
		default:
			if u.err == nil {
				u.fail("opcode 0x%02x, which Python does not write; download it again", op)
			}
		}
	}
	return nil, u.err
}

// long is a number of n bytes, inert where it has more than 64 bits.
func (u *unpickler) long(n uint64) any {
	v := u.text(n)
	digits, ok := v.(string)
	if !ok || len(digits) > 8 {
		return inert{}
	}
	var b [8]byte
	copy(b[:], digits)
	x := int64(binary.LittleEndian.Uint64(b[:]))
	if n > 0 && n < 8 { // extend the sign
		shift := 64 - 8*n
		x = x << shift >> shift
	}
	return x
}

// made is what f returns, of which no more than its maker is known.
func made(f any) any {
	if name, ok := f.(global); ok {
		return &object{maker: string(name)}
	}
	return &object{}
}

// persistent is the storage that an id names: ("storage", class, key, device, elements), in the legacy format with a
// sixth item, nil or a view (key, first element, elements). Other ids have things that are no tensors.
func (u *unpickler) persistent(id any) any {
	t, _ := id.(tuple)
	if len(t) != 5 && len(t) != 6 || t[0] != "storage" {
		return inert{}
	}
	class, _ := t[1].(global)
	s := storage{}
	var ok [3]bool
	s.dtype, ok[0] = storages[class]
	s.key, ok[1] = t[2].(string)
	s.numel, ok[2] = t[4].(int64)
	if !ok[0] && ok[1] && ok[2] {
		return made(class)
	}
	if !ok[1] || !ok[2] || s.numel < 0 {
		u.fail("want the id of a storage, file has one of %q", class)
		return nil
	}
	if each, seen := u.sizes[s.key]; seen && each != s.dtype.size {
		u.fail("storage %q has elements of %d and of %d bytes", s.key, each, s.dtype.size)
	}
	u.sizes[s.key] = s.dtype.size
	if len(t) == 6 && t[5] != nil {
		v, _ := t[5].(tuple)
		if len(v) != 3 {
			u.fail("want the view of storage %q, file has %s", s.key, kind(t[5]))
			return nil
		}
		first, ok1 := v[1].(int64)
		n, ok2 := v[2].(int64)
		if !ok1 || !ok2 || first < 0 || n < 0 || first > s.numel || n > s.numel-first {
			u.fail("a view outside storage %q of %d elements", s.key, s.numel)
			return nil
		}
		s.root, s.numel = first, n
	}
	return s
}

// reduce is the call f(*args), as far as it makes a tensor or a dictionary.
func (u *unpickler) reduce(f, args any) any {
	name, _ := f.(global)
	a, _ := args.(tuple)
	switch name {
	case "collections.OrderedDict":
		d := &dict{}
		if len(a) == 1 { // a list of pairs
			items, _ := a[0].(*list)
			if items == nil {
				return d
			}
			// A few bytes name a list again, each time to be copied. A pair that is there takes five.
			if u.pairs += int64(len(*items)); u.pairs > u.n/5 {
				u.fail("%d pairs for dictionaries in %d bytes; a list is copied many times", u.pairs, u.n)
				return nil
			}
			for _, item := range *items {
				pair := pairOf(item)
				if len(pair) != 2 {
					u.fail("want pairs in an OrderedDict, file has %s", kind(item))
					return nil
				}
				u.set(d, pair)
			}
		}
		return d
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		if len(a) >= 1 {
			return a[0]
		}
	case "torch._tensor._rebuild_from_type", "torch._tensor._rebuild_from_type_v2":
		// of a subclass: function, type, arguments
		if len(a) < 3 {
			break
		}
		if inner, _ := a[0].(global); strings.HasPrefix(string(inner), "torch._utils.") {
			return u.reduce(inner, a[2])
		}
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		if v := rebuilt(a); v != nil {
			return v
		}
	}
	return made(f)
}

// rebuilt is the tensor of storage, offset, shape and stride, and three more items that are read for their last, flags
// that change the numbers. It is nil where the storage is of an unknown kind.
func rebuilt(a tuple) *view {
	if len(a) < 4 {
		return nil
	}
	v := &view{}
	var ok [4]bool
	v.storage, ok[0] = a[0].(storage)
	v.offset, ok[1] = a[1].(int64)
	for _, x := range a[2:4] {
		if t, _ := x.(tuple); len(t) > maxDims {
			return nil
		}
	}
	v.shape, ok[2] = intTuple(a[2])
	v.stride, ok[3] = intTuple(a[3])
	if ok != [4]bool{true, true, true, true} {
		return nil
	}
	v.dtype = v.storage.dtype
	if len(a) > 6 {
		flags, _ := a[6].(*dict)
		for i := 0; flags != nil && i < len(flags.keys); i++ {
			if k := flags.keys[i]; (k == "neg" || k == "conj") && flags.values[i] != false {
				v.odd = fmt.Sprintf("a tensor with the %s bit set; save it after .resolve_%s()", k, k)
			}
		}
	}
	return v
}

// oddity is what a maker's object is if it stands for a tensor, and what to do; "" if it does not.
func oddity(maker string) string {
	switch {
	case strings.Contains(maker, "_rebuild_qtensor"):
		return "a quantised tensor; save the network as it was before the quantisation"
	case strings.Contains(maker, "_rebuild_sparse"):
		return "a sparse tensor; save it after .to_dense()"
	case strings.Contains(maker, "_rebuild_meta"):
		return "a tensor on the device meta, without numbers; load the weights before you save"
	case strings.Contains(maker, "_rebuild_tensor_v3"):
		return "a tensor of a type without a storage of its own (float8, or unsigned integers); save it after .float()"
	case strings.HasPrefix(maker, "torch._utils._rebuild_"), strings.HasPrefix(maker, "torch._tensor._rebuild_"):
		return "a tensor made by " + maker + "; save it as a plain one, x.detach().clone()"
	case strings.HasPrefix(maker, "numpy.") && strings.HasSuffix(maker, "._reconstruct"):
		return "a NumPy array; save it after torch.from_numpy()"
	}
	return ""
}

func pairOf(v any) []any {
	switch v := v.(type) {
	case tuple:
		return v
	case *list:
		return *v
	}
	return nil
}

// intTuple is a tuple of numbers, never nil.
func intTuple(v any) ([]int, bool) {
	t, ok := v.(tuple)
	n := make([]int, len(t))
	for i, x := range t {
		k, isInt := x.(int64)
		n[i], ok = int(k), ok && isInt
	}
	return n, ok
}

// kind says what a value is, for messages.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a truth value"
	case int64, float64:
		return "a number"
	case string:
		return "a text"
	case tuple:
		return "a tuple of " + strconv.Itoa(len(v))
	case *list:
		return "a list"
	case *dict:
		return "a dictionary"
	case global:
		return strconv.Quote(string(v))
	case storage:
		return "a storage"
	case *object:
		return "an object of " + strconv.Quote(v.maker)
	case inert:
		return "an object"
	}
	return "a tensor"
}

// flatten lists the tensors in v, dictionaries and lists of tensors and of one another, by dotted names, and the makers
// of the objects among them. Each dictionary is visited once. As a short pickle may name a tuple many times over, its
// size bounds the work.
func flatten(v any, size int64) (out []*view, makers []string, err error) {
	budget := 16*size + 4096 // bytes of names and tensors
	spend := func(n int) error {
		if budget -= int64(n); budget < 0 {
			return bad("pickle: more names than %d bytes hold; save model.state_dict() alone", size)
		}
		return nil
	}
	visited := map[any]bool{}
	var walk func(name string, v any, home, depth int) error
	each := func(name, key string, v any, home, depth int) error {
		if depth == 8 {
			return nil // no state_dict is wrapped so deep
		}
		switch v.(type) {
		case *view, *dict, *list, tuple, *object:
		default:
			return spend(1)
		}
		if name != "" {
			key = name + "." + key
		}
		if err := spend(len(key) + 32); err != nil {
			return err
		}
		return walk(key, v, home, depth+1)
	}
	items := func(name string, list []any, home, depth int) error {
		for i, x := range list {
			if err := each(name, strconv.Itoa(i), x, home, depth); err != nil {
				return err
			}
		}
		return nil
	}
	pairs := func(name string, d *dict, home, depth int) error {
		for i, k := range d.keys {
			var key string
			switch k := k.(type) {
			case string:
				key = k
			case int64:
				key = strconv.FormatInt(k, 10)
			default:
				continue
			}
			if err := each(name, key, d.values[i], home, depth); err != nil {
				return err
			}
		}
		return nil
	}
	walk = func(name string, v any, home, depth int) error {
		switch v := v.(type) {
		case *view:
			t := *v
			t.name, t.home = name, home
			out = append(out, &t)
			return spend(256)
		case tuple:
			return items(name, v, home, depth)
		}
		switch v := v.(type) {
		case *dict, *list, *object:
			if visited[v] {
				return nil
			}
			visited[v] = true
		}
		switch v := v.(type) {
		case *dict:
			return pairs(name, v, len(visited), depth)
		case *list:
			return items(name, *v, home, depth)
		case *object:
			if odd := oddity(v.maker); odd != "" {
				out = append(out, &view{tensor: tensor{name: name, odd: odd, home: home}})
			} else if v.maker != "" && len(makers) < 8 && !slices.Contains(makers, v.maker) {
				makers = append(makers, v.maker)
			}
			return pairs(name, &v.dict, len(visited), depth)
		}
		return nil
	}
	return out, makers, walk("", v, 0, 0)
}
