package checkpoint

import (
	"archive/zip"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// global2 is the pickle of a name in a module.
func global2(module, name string) string { return "c" + module + "\n" + name + "\n" }

// bystanders are what people save beside a network, each as the pickle of one value.
var bystanders = map[string]string{
	"argparse.Namespace":     global2("argparse", "Namespace") + ")\x81}" + text("lr") + "K\x01sb",
	"NumPy's scalar":         global2("numpy.core.multiarray", "scalar") + global2("numpy", "dtype") + text("f8") + "\x89\x88\x87R(K\x03" + text("<") + "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb" + "C\x0812345678\x86R",
	"NumPy's array":          global2("numpy.core.multiarray", "_reconstruct") + global2("numpy", "ndarray") + "K\x00\x85C\x01b\x87R(K\x01K\x02\x85NC\x0212tb",
	"collections.Counter":    global2("collections", "Counter") + "}K\x1eK\x01s\x85R",
	"defaultdict":            global2("collections", "defaultdict") + global2("builtins", "list") + "\x85R" + text("a") + "]s",
	"deque":                  global2("collections", "deque") + ")R(K\x01K\x02e",
	"a set, protocol 2":      global2("__builtin__", "set") + "](K\x01K\x02e\x85R",
	"a set, protocol 4":      "\x8f(K\x01K\x02\x90",
	"a frozenset":            "(K\x01K\x02\x91",
	"torch.device":           global2("torch", "device") + text("cuda") + "K\x00\x86R",
	"torch.dtype":            global2("torch", "complex64"),
	"pathlib":                global2("pathlib", "PosixPath") + text("/") + text("a") + "\x86R",
	"getattr of OneCycleLR":  global2("builtins", "getattr") + global2("torch.optim.lr_scheduler", "OneCycleLR") + text("_annealing_cos") + "\x86R",
	"Lightning's parameters": global2("pytorch_lightning.utilities.parsing", "AttributeDict") + ")\x81" + text("lr") + "K\x01s}b",
	"keyword arguments":      global2("a.b", "C") + ")}\x92",
	"a seed of 64 bits":      "\x8a\x09\xef\xff\xff\xff\xff\xff\xff\xff\x00",
	"PCG64's state":          "\x8a\x10" + strings.Repeat("\x7f", 16),
	"a number of 300 bytes":  "\x8b\x2c\x01\x00\x00" + strings.Repeat("\x7f", 300),
	"a long text":            text(strings.Repeat("x", 70_000)),
	"a buffer":               "\x97\x98",
	"a registered class":     "\x82\x07",
	"bytes":                  "\x8e\x03\x00\x00\x00\x00\x00\x00\x00abc\x96\x01\x00\x00\x00\x00\x00\x00\x00a0",
	"a mark taken back":      "N(K\x01K\x021",
	"another persistent id":  text("module") + global2("a", "B") + text("source") + "\x87Q",
	"an unknown storage":     tensorOf("Float6Storage", "0", 4, 0, "K\x04\x85", "K\x01\x85"),
	"nine dimensions":        tensorOf("FloatStorage", "0", 4, 0, "("+strings.Repeat("K\x01", 9)+"t", "("+strings.Repeat("K\x01", 9)+"t"),
	"an optimiser": "}(" + text("state") + "}K\x00}" + text("momentum_buffer") + tensorOf("FloatStorage", "0", 4, 0, "K\x02K\x02\x86", "K\x02K\x01\x86") + "ss" +
		text("param_groups") + "]}" + text("lr") + "K\x01sau",
}

// TestBystanders reads a network whatever stands beside it, in front of it or around it.
func TestBystanders(t *testing.T) {
	want := load(t, "testdata/basic.pth", "")
	pickle, storages := stateDict(contents(t, "testdata/basic.pth"))
	inner := pickle[2 : len(pickle)-1]
	try := func(name, program string) {
		t.Helper()
		for format, data := range map[string][]byte{"zip": torchZip(zip.Store, program, storages...), "legacy": nil} {
			if format == "legacy" {
				var each []int
				for _, p := range contents(t, "testdata/basic.pth") {
					each = append(each, len(kinds[p.dtype].put(nil, 0)))
				}
				data = legacy(program, storages, each...)
			}
			got, err := open(data)
			if err == nil {
				err = different(got, want, 0)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, format, err)
			}
		}
	}
	for name, extra := range bystanders {
		try(name, "\x80\x02}("+text("extra")+extra+text("state_dict")+inner+"u.")
		try(name+" behind", "\x80\x02}("+text("state_dict")+inner+text("extra")+extra+"u.")
	}
	for name, program := range map[string]string{
		"a list":             "](" + inner + "}e.",
		"a tuple":            "K\x03" + inner + "\x86.",
		"an integer key":     "}K\x07" + inner + "s.",
		"a subclass of dict": global2("a", "Dict") + ")\x81" + inner[1:] + ".",
		"the same twice":     inner + "q\x00}(" + text("a") + "h\x00" + text("b") + "h\x00u.",
	} {
		try(name, "\x80\x02"+program)
	}
}

// TestRebuilt reads a tensor however it was made, and says of others what they are.
func TestRebuilt(t *testing.T) {
	list := params(t, "resnet18x0.125", 3)
	last := len(list) - 1 // fc.bias
	pickle, storages := stateDict(list[:last])
	plain := tensorOf("FloatStorage", "b", 3, 0, "K\x03\x85", "K\x01\x85")
	flagged := func(flag string) string {
		return strings.TrimSuffix(plain, "tR") + "}" + text(flag) + "\x88stR"
	}
	utils := func(name, args string) string { return global2("torch._utils", name) + args + "R" }
	hooks := global2("collections", "OrderedDict") + ")R"
	args := strings.TrimSuffix(strings.TrimPrefix(plain, global2("torch._utils", "_rebuild_tensor_v2")), "R")
	for _, test := range []struct{ name, tensor, want string }{
		{"a parameter", utils("_rebuild_parameter", plain+"\x88"+hooks+"\x87"), ""},
		{"a parameter with a state", utils("_rebuild_parameter_with_state", "("+plain+"\x88"+hooks+"}t"), ""},
		{"a subclass", global2("torch._tensor", "_rebuild_from_type_v2") + "(" + global2("torch._utils", "_rebuild_tensor_v2") + global2("a", "B") + args + "}tR", ""},
		{"no flags", strings.TrimSuffix(plain, "tR") + "}tR", ""},
		{"expanded", tensorOf("FloatStorage", "b", 3, 1, "K\x03\x85", "K\x00\x85"), ""},
		{"negative bit", flagged("neg"), ".resolve_neg()"},
		{"conjugate bit", flagged("conj"), ".resolve_conj()"},
		{"sparse", utils("_rebuild_sparse_tensor", "K\x00"+hooks+"\x86"), "a sparse tensor; save it after .to_dense()"},
		{"quantised", utils("_rebuild_qtensor", "K\x00"+hooks+"\x86"), "a quantised tensor"},
		{"float8", utils("_rebuild_tensor_v3", "K\x00"+hooks+"\x86"), "float8"},
		{"meta", utils("_rebuild_meta_tensor_no_storage", "K\x00"+hooks+"\x86"), "meta"},
		{"NumPy", bystanders["NumPy's array"], "a NumPy array; save it after torch.from_numpy()"},
	} {
		values := []float32{1, 2, 3}
		storage := string(param{"", []int{3}, func(i int) float32 { return values[i] }, ""}.raw())
		program := pickle[:len(pickle)-2] + text("fc.bias") + strings.ReplaceAll(test.tensor, text("b")+text("cpu"), text(fmt.Sprint(last))+text("cpu")) + "u."
		f, err := open(torchZip(zip.Store, program, append(storages, storage)...))
		if test.want != "" {
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "fc") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: got %v, want ErrFormat with %q", test.name, err, test.want)
			}
			continue
		}
		want := values
		if test.name == "expanded" {
			want = []float32{2, 2, 2}
		}
		if err != nil || fmt.Sprint(f.FC().B) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, %v, want %v", test.name, f, err, want)
		}
	}
}
