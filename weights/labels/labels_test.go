package labels

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"resnet-web/resnet"
)

var tables = []struct {
	name    string
	count   int
	classes func() []resnet.Class
	shared  string // the authority for the order
	column  int    // of the WordNet id in shared
}{
	{"tiny200", 200, Tiny200, "../../../shared/data/tiny-imagenet/classes.tsv", 0},
	{"imagenet1000", 1000, ImageNet1000, "../../../shared/data/imagenet-1000.tsv", 1},
}

func TestTables(t *testing.T) {
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			classes := table.classes()
			if len(classes) != table.count {
				t.Fatalf("%d classes, want %d", len(classes), table.count)
			}
			ids := make(map[string]bool)
			seen := make(map[string]string) // language + folded label → id
			for i, c := range classes {
				if !wordNetID.MatchString(c.ID) || ids[c.ID] {
					t.Errorf("class %d: id %q is malformed or repeated", i, c.ID)
				}
				ids[c.ID] = true
				if len(c.Labels) != 2 {
					t.Errorf("%s: languages %v, want en and zh", c.ID, c.Labels)
				}
				for _, lang := range []string{"en", "zh"} {
					s := c.Labels[lang]
					if s == "" || s != strings.TrimSpace(s) || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
						t.Errorf("%s: %s label %q is empty, padded or not plain text", c.ID, lang, s)
					}
					// A list of labels on the command line is separated by commas, and a folder may bear a label.
					if strings.ContainsAny(s, ",/\\") {
						t.Errorf("%s: %s label %q has a comma or slash", c.ID, lang, s)
					}
					key := lang + strings.ToLower(s)
					if other, ok := seen[key]; ok {
						t.Errorf("%s and %s share the %s label %q", other, c.ID, lang, s)
					}
					seen[key] = c.ID
				}
				if strings.ContainsFunc(c.Labels["en"], func(r rune) bool { return r > unicode.MaxASCII }) {
					t.Errorf("%s: English label %q is not ASCII", c.ID, c.Labels["en"])
				}
				if !strings.ContainsFunc(c.Labels["zh"], func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
					t.Errorf("%s: Chinese label %q has no Han character", c.ID, c.Labels["zh"])
				}
			}
		})
	}
}

func TestOrder(t *testing.T) {
	for _, table := range tables {
		t.Run(table.name, func(t *testing.T) {
			data, err := os.ReadFile(table.shared)
			if err != nil {
				t.Skipf("no list to compare with: %v", err)
			}
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			classes := table.classes()
			if len(lines) != len(classes) {
				t.Fatalf("%d classes, %s has %d", len(classes), table.shared, len(lines))
			}
			for i, line := range lines {
				if want := strings.Split(line, "\t")[table.column]; classes[i].ID != want {
					t.Errorf("class %d is %s, want %s", i, classes[i].ID, want)
				}
			}
		})
	}
}

// Words with two meanings, where the wrong one is easily taken.
func TestMeaning(t *testing.T) {
	want := map[string][2]string{
		"n02012849": {"crane (bird)", "鹤"},
		"n03126707": {"construction crane", "起重机"},
		"n02892201": {"memorial plaque", "纪念铜牌"},
		"n03250847": {"drumstick", "鼓槌"},
		"n03804744": {"metal nail", "钉子"},
		"n03838899": {"oboe", "双簧管"},
		"n03854065": {"pipe organ", "管风琴"},
		"n03954731": {"carpenter's plane", "刨子"},
		"n03970156": {"toilet plunger", "马桶搋"},
		"n04067472": {"fishing reel", "渔线轮"},
		"n04456115": {"flaming torch", "火炬"},
		"n07579787": {"plate of food", "一盘菜"},
		"n02509815": {"red panda", "小熊猫"},
	}
	for _, c := range ImageNet1000() {
		if w, ok := want[c.ID]; ok {
			if got := [2]string{c.Label("en"), c.Label("zh")}; got != w {
				t.Errorf("%s is %q, want %q", c.ID, got, w)
			}
			delete(want, c.ID)
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the table: %v", want)
	}
}

func TestTinyAgrees(t *testing.T) {
	byID := make(map[string]resnet.Class)
	for _, c := range ImageNet1000() {
		byID[c.ID] = c
	}
	for _, c := range Tiny200() {
		if !reflect.DeepEqual(c, byID[c.ID]) {
			t.Errorf("%s: %v in tiny200, %v in imagenet1000", c.ID, c.Labels, byID[c.ID].Labels)
		}
	}
}

func TestOwn(t *testing.T) {
	for _, table := range tables {
		table.classes()[0].Labels["en"] = "changed"
		if table.classes()[0].Labels["en"] == "changed" {
			t.Errorf("%s: a caller's change shows in the next result", table.name)
		}
	}
}

func TestLoad(t *testing.T) {
	plain := func(labels ...string) (classes []resnet.Class) {
		for _, s := range labels {
			classes = append(classes, resnet.Class{Labels: map[string]string{"en": s}})
		}
		return classes
	}
	tabby := ImageNet1000()[281] // n02123045
	cat := resnet.Class{ID: "n02123045", Labels: map[string]string{"en": "tabby cat", "zh": "虎斑猫"}}
	dog := resnet.Class{ID: "n02110958", Labels: map[string]string{"en": "pug"}}
	own := resnet.Class{Labels: map[string]string{"en": "my cup", "zh": "我的杯子"}}
	for _, test := range []struct {
		name, in string
		want     []resnet.Class
	}{
		{"labels alone", "cat\nred panda\n", plain("cat", "red panda")},
		{"no final newline", "cat\ndog", plain("cat", "dog")},
		{"byte order mark and CRLF", "\ufeffcat\r\ndog\r\n", plain("cat", "dog")},
		{"padded", "  cat \ndog\t \n", nil},
		{"padded label", "  cat \n dog\n", plain("cat", "dog")},
		{"ids", "\ufeffn02123045\ttabby cat\t虎斑猫\r\nn02110958\tpug\r\n\tmy cup\t我的杯子", []resnet.Class{cat, dog, own}},
		{"ids alone", "n02123045 \nmy cup\nn02110958\tpug\n", []resnet.Class{tabby, plain("my cup")[0], dog}},
		{"an English label may be another line's Chinese one", "\tT\tU\n\tU\tT\n", []resnet.Class{
			{Labels: map[string]string{"en": "T", "zh": "U"}}, {Labels: map[string]string{"en": "U", "zh": "T"}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load(strings.NewReader(test.in))
			if test.want == nil {
				if err == nil {
					t.Fatalf("got %v, want an error", got)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, %v; want %v", got, err, test.want)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"nothing", "", "the file is empty"},
		{"mark alone", "\ufeff", "the file is empty"},
		{"empty line", "cat\n\ndog\n", "line 2: want a label, the line is empty"},
		{"empty lines", "cat\n\n\ndog\n\n", "line 2: want a label, the line is empty"},
		{"tabs alone", "cat\n\t\t\ndog", "line 2: want a label, the line is empty"},
		{"same label", "cat\ndog\ncat\n", `line 3: the English label "cat" is already on line 1`},
		{"same label, padded", "cat\n cat\r\n", `line 2: the English label "cat" is already on line 1`},
		{"same id", "n02123045\tcat\nn02123045\tdog\n", `line 2: the id "n02123045" is already on line 1`},
		{"same Chinese", "\tcat\t猫\n\tdog\t猫\n", `line 2: the Chinese label "猫" is already on line 1`},
		{"index for id", "0\ttench\n", `line 1: want a WordNet id such as n02099712 before the first tab, or nothing; found "0"`},
		{"short id", "n0212304\tcat\n", `line 1: want a WordNet id`},
		{"no label", "n02123045\t\n", "line 1: the English label is empty"},
		{"no Chinese", "n02123045\tcat\t\n", "line 1: the Chinese label is empty"},
		{"unknown id", "cat\nn00000001\n", "line 2: n00000001 is none of ImageNet's 1000 classes"},
		{"same id, alone", "n02123045\nn02123045\n", `line 2: the id "n02123045" is already on line 1`},
		{"NUL", "cat\ndo\x00g\n", "line 2: want text, found a byte 0"},
		{"four fields", "cat\nn02123045\tcat\t猫\tchat\n", "line 2: want at most id, English and Chinese label, found 4 fields"},
		{"UTF-16", "\xff\xfec\x00a\x00t\x00", "line 1: want UTF-8 text"},
		{"GBK", "cat\n\tdog\t\xb9\xb7\n", "line 2: want UTF-8 text"},
		{"endless line", "cat\n" + strings.Repeat("x", 1<<17), "line 2: want a label, the line is longer than 65536 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Load(strings.NewReader(test.in))
			if err == nil || !strings.HasPrefix(err.Error(), "labels: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v; want an error with %q", got, err, test.want)
			}
		})
	}
	broken := errors.New("broken disk")
	if _, err := Load(io.MultiReader(strings.NewReader("cat\n"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("got %v, want it to wrap %v", err, broken)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("cat\ndog\n")
	f.Add("\ufeffn02123045\ttabby cat\t虎斑猫\r\n\tmy cup\n")
	f.Fuzz(func(t *testing.T, in string) {
		classes, err := Load(strings.NewReader(in))
		if err != nil {
			return
		}
		var out strings.Builder
		for _, c := range classes {
			out.WriteString(c.ID + "\t" + c.Labels["en"])
			if s, ok := c.Labels["zh"]; ok {
				out.WriteString("\t" + s)
			}
			out.WriteString("\n")
		}
		again, err := Load(strings.NewReader(out.String()))
		if err != nil || !reflect.DeepEqual(again, classes) {
			t.Errorf("%q was read as %v, then as %v, %v", in, classes, again, err)
		}
	})
}

// TestBlankEnd reads a list with empty lines at its end, as editors leave them.
func TestBlankEnd(t *testing.T) {
	got, err := Load(strings.NewReader("cat\ndog\n\r\n \t\n"))
	if err != nil || len(got) != 2 || got[1].Label("en") != "dog" {
		t.Errorf("got %v, %v", got, err)
	}
}
