package sqlite

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// records are rows that are kept whole.
type records [][]Value

func (r records) Len() int       { return len(r) }
func (r records) Size(i int) int { return RecordSize(r[i]...) }
func (r records) Append(dst []byte, i int) ([]byte, error) {
	return AppendRecord(dst, r[i]...), nil
}

// sample is a database of n rows in a table of two columns with an index, plus fillers empty tables, which grow the schema.
func sample(n, textSize, fillers int) []Table {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var rows, index records
	for i := range n {
		key := make([]byte, rng.IntN(textSize+1))
		for j := range key {
			key[j] = 'a' + byte(rng.IntN(26))
		}
		rows = append(rows, []Value{TextValue(key), IntValue(rng.Int64() >> rng.IntN(64))})
		index = append(index, []Value{TextValue(key), IntValue(int64(i) + 1)})
	}
	slices.SortFunc(index, func(a, b []Value) int {
		return cmp.Or(bytes.Compare(a[0].Bytes, b[0].Bytes), cmp.Compare(a[1].Int, b[1].Int))
	})
	tables := []Table{{Name: "t", SQL: "CREATE TABLE t (key TEXT, num INTEGER)", Rows: rows,
		Indexes: []Index{{Name: "i", SQL: "CREATE INDEX i ON t(key)", Rows: index}}}}
	for i := range fillers {
		name := fmt.Sprintf("filler_%d", i)
		tables = append(tables, Table{Name: name, SQL: "CREATE TABLE " + name + " (x, y)", Rows: records{}})
	}
	return tables
}

func build(t testing.TB, tables []Table) []byte {
	t.Helper()
	f, err := Plan(tables)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	n, err := f.WriteTo(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(buf.Len()) || n != f.Size() {
		t.Fatalf("WriteTo returned %d, wrote %d, announced %d", n, buf.Len(), f.Size())
	}
	return buf.Bytes()
}

func readAll(data []byte) (map[string]records, error) {
	r, err := NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	schema, err := r.Schema()
	if err != nil {
		return nil, err
	}
	out := map[string]records{}
	for _, e := range schema {
		if e.Type != "table" {
			continue
		}
		next := int64(1)
		rows := records{}
		err := r.Scan(e.Root, func(rowid int64, v []Value) error {
			if rowid != next {
				return fmt.Errorf("rowid %d where %d is next", rowid, next)
			}
			next++
			rows = append(rows, v)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		out[e.Name] = rows
	}
	return out, nil
}

// shapes are the sizes at which trees change their form: empty, one leaf, the row after a full leaf, several levels, cells
// with overflow pages, a schema on one page and on several.
var shapes = []struct {
	summary          string
	n, text, fillers int
}{
	{"an empty table", 0, 0, 0},
	{"one row", 1, 10, 0},
	{"two rows and a schema of several pages", 2, 10, 150},
	{"a few leaves", 300, 60, 49},
	{"three levels", 30000, 20, 0},
	{"index cells that need overflow pages", 200, 2500, 0},
	{"rows that need several overflow pages", 40, 30000, 0},
	{"few and large index cells, hence small fan-out", 3000, 1200, 0},
}

func TestRoundTrip(t *testing.T) {
	for _, c := range shapes {
		tables := sample(c.n, c.text, c.fillers)
		got, err := readAll(build(t, tables))
		if err != nil {
			t.Errorf("%s: %v", c.summary, err)
			continue
		}
		if len(got) != len(tables) {
			t.Errorf("%s: %d tables, want %d", c.summary, len(got), len(tables))
		}
		if want := tables[0].Rows.(records); !(len(want) == 0 && len(got["t"]) == 0) && !reflect.DeepEqual(got["t"], want) {
			t.Errorf("%s: rows differ", c.summary)
		}
	}
}

// TestIntegrity lets SQLite itself judge the files, and count through the index.
func TestIntegrity(t *testing.T) {
	sqlite3 := program(t, "sqlite3")
	check := func(summary string, tables []Table, n int) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "x.sqlite")
		if err := os.WriteFile(file, build(t, tables), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(sqlite3, "-readonly", file, "PRAGMA integrity_check", "PRAGMA freelist_count",
			"SELECT count(*) FROM t INDEXED BY i WHERE key >= ''", "PRAGMA journal_mode").CombinedOutput()
		if want := fmt.Sprintf("ok\n0\n%d\ndelete\n", n); err != nil || string(out) != want {
			t.Errorf("%s: got %q (%v), want %q", summary, out, err, want)
		}
	}
	for _, c := range shapes {
		check(c.summary, sample(c.n, c.text, c.fillers), c.n)
	}
	for n := range 120 {
		check(fmt.Sprintf("%d rows of up to 400 bytes", n), sample(n, 400, n%60), n)
	}
	for n := 400; n < 1400; n += 29 {
		check(fmt.Sprintf("%d rows of up to 900 bytes", n), sample(n, 900, 0), n)
	}
}

// TestRecordMatchesSQLite stores values at the edges of the integer types and compares with what SQLite selects.
func TestRecordMatchesSQLite(t *testing.T) {
	sqlite3 := program(t, "sqlite3")
	var rows records
	var want strings.Builder
	for _, shift := range []uint{0, 7, 15, 23, 31, 47, 62} {
		for _, i := range []int64{-1<<shift - 1, -1 << shift, 0, 1, 1<<shift - 1, 1 << shift} {
			rows = append(rows, []Value{NullValue(), IntValue(i)})
			fmt.Fprintf(&want, "%d\n", i)
		}
	}
	file := filepath.Join(t.TempDir(), "x.sqlite")
	tables := []Table{{Name: "t", SQL: "CREATE TABLE t (id INTEGER PRIMARY KEY, num)", Rows: rows}}
	if err := os.WriteFile(file, build(t, tables), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(sqlite3, "-readonly", file, "SELECT num FROM t ORDER BY id").CombinedOutput()
	if err != nil || string(out) != want.String() {
		t.Errorf("got %q (%v), want %q", out, err, want.String())
	}
}

// TestReadsFilesOfSQLite reads what the engine writes: other page sizes, deleted rows, a tree that grew by insertion.
func TestReadsFilesOfSQLite(t *testing.T) {
	sqlite3 := program(t, "sqlite3")
	for _, pageSize := range []int{512, 1024, 4096, 65536} {
		file := filepath.Join(t.TempDir(), "x.sqlite")
		sql := fmt.Sprintf(`PRAGMA page_size=%d; CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, f);
			WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<500)
			INSERT INTO t SELECT x*7, zeroblob(x*13), 1.5 FROM c; DELETE FROM t WHERE id %% 3 = 0`, pageSize)
		if out, err := exec.Command(sqlite3, file, sql).CombinedOutput(); err != nil {
			t.Fatalf("sqlite3: %s", out)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		schema, err := r.Schema()
		if err != nil {
			t.Fatal(err)
		}
		rows := 0
		err = r.Scan(schema[0].Root, func(rowid int64, v []Value) error {
			rows++
			if len(v) != 3 || v[0].Kind != Null || v[1].Kind != Blob || int64(len(v[1].Bytes)) != rowid/7*13 || v[2].Kind != Float {
				return fmt.Errorf("row %d: %d columns, blob of %d bytes", rowid, len(v), len(v[1].Bytes))
			}
			return nil
		})
		if err != nil || rows != 334 {
			t.Errorf("page size %d: %d rows, want 334; %v", pageSize, rows, err)
		}
	}
}

func TestReaderRefuses(t *testing.T) {
	good := build(t, sample(300, 60, 150))
	for _, c := range []struct {
		summary, want string
		change        func([]byte) []byte
	}{
		{"an empty file", "not an SQLite 3 database", func(b []byte) []byte { return nil }},
		{"another format", "not an SQLite 3 database", func(b []byte) []byte { b[0] = 'X'; return b }},
		{"a page size that is no power of two", "page size 4095", func(b []byte) []byte { b[16], b[17] = 0x0f, 0xff; return b }},
		{"a page size of 256", "page size 256", func(b []byte) []byte { b[16], b[17] = 1, 0; return b }},
		{"UTF-16", "text encoding 2 is not UTF-8", func(b []byte) []byte { b[59] = 2; return b }},
		{"a file cut to less than a page", "less than a page", func(b []byte) []byte { return b[:1000] }},
		{"a file cut in the middle", "of a database of 2", func(b []byte) []byte { return b[:2*pageSize] }},
		{"a schema page of an unknown type", "type 0x7", func(b []byte) []byte { b[100] = 7; return b }},
		{"a root that points to itself", "deeper than 20", func(b []byte) []byte { copy(b[108:], "\x00\x00\x00\x01"); return b }},
		{"more cells than a page holds", "5000 cells do not fit", func(b []byte) []byte { b[103], b[104] = 5000>>8, 5000&0xff; return b }},
		{"a cell outside its page", "cell 0 lies outside", func(b []byte) []byte { b[112], b[113] = 0xff, 0xff; return b }},
	} {
		if _, err := readAll(c.change(slices.Clone(good))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
}

// failing gives an error at one row, or a record of another length than announced.
type failing struct {
	records
	err error
}

func (f failing) Append(dst []byte, i int) ([]byte, error) {
	if f.err == nil {
		dst = append(dst, 0)
	}
	dst, _ = f.records.Append(dst, i)
	return dst, f.err
}

func TestWriteReportsErrorsOfRows(t *testing.T) {
	rows := records{{TextValue([]byte("x"))}}
	for _, c := range []struct {
		summary, want string
		rows          Rows
	}{
		{"the row cannot be read", "no such header", failing{rows, errors.New("no such header")}},
		{"the row has changed since the plan", "4 bytes where 3 were announced", failing{rows, nil}},
	} {
		f, err := Plan([]Table{{Name: "t", SQL: "CREATE TABLE t (x)", Rows: c.rows}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", c.summary, err, c.want)
		}
	}
	if _, err := Plan([]Table{{Name: "t", SQL: "CREATE TABLE t (x)", Rows: huge{}}}); err == nil || !strings.Contains(err.Error(), "SQLite's limit") {
		t.Errorf("a row above the limit: got %v", err)
	}
}

type huge struct{}

func (huge) Len() int                                 { return 1 }
func (huge) Size(int) int                             { return maxRecord + 1 }
func (huge) Append(dst []byte, _ int) ([]byte, error) { return dst, nil }

func TestVarint(t *testing.T) {
	for shift := range 64 {
		for _, v := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			b := appendVarint(nil, v)
			got, n := readVarint(append(slices.Clone(b), 0xff))
			if got != v || n != len(b) || n != varintLen(v) {
				t.Errorf("%#x: read %#x, %d bytes of %d", v, got, n, len(b))
			}
			if _, n := readVarint(b[:len(b)-1]); n != 0 {
				t.Errorf("%#x: cut off, but %d bytes were read", v, n)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(build(f, sample(0, 0, 0)))
	f.Add(build(f, sample(2, 10, 70)))
	f.Add(build(f, sample(4, 9000, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		schema, err := r.Schema()
		if err != nil {
			return
		}
		for _, e := range schema[:min(len(schema), 100)] {
			total := 0
			r.Scan(e.Root, func(_ int64, values []Value) error {
				for _, v := range values {
					total += len(v.Bytes)
				}
				return nil
			})
			// Every page is visited once, and a cell of a leaf may be pointed to by many cell pointers of its page.
			if limit := len(data) / 2 * len(data); total > limit {
				t.Fatalf("%d bytes came out of %d", total, len(data))
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(AppendRecord(nil, NullValue(), IntValue(-1<<40), TextValue([]byte("text")), BlobValue(make([]byte, 200))))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, err := ParseRecord(data)
		if err != nil {
			return
		}
		again := AppendRecord(nil, values...)
		if len(again) != RecordSize(values...) {
			t.Fatalf("%d bytes, RecordSize says %d", len(again), RecordSize(values...))
		}
		second, err := ParseRecord(again)
		if err != nil || len(second) != len(values) {
			t.Fatalf("written anew: %v", err)
		}
		for i := range values {
			if values[i].Kind != second[i].Kind || values[i].Int != second[i].Int || !bytes.Equal(values[i].Bytes, second[i].Bytes) {
				t.Fatalf("column %d: %v became %v", i, values[i], second[i])
			}
		}
	})
}

// program finds a program, or skips the test and says what it did not check.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: SQLite itself did not judge our files", name)
	}
	return path
}

// TestLog reads databases whose newest pages are still in the write-ahead log, as SQLite leaves them when it is cut off.
func TestLog(t *testing.T) {
	sqlite3, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("sqlite3 is not installed: no write-ahead log of SQLite itself was read")
	}
	dir := t.TempDir()
	// The copy is made while the database is open; at its end SQLite would move the log into the database.
	out, err := exec.Command(sqlite3, filepath.Join(dir, "db"), `PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a INTEGER PRIMARY KEY, b BLOB);
		INSERT INTO t SELECT value, zeroblob(value*50) FROM generate_series(1,100);
		PRAGMA wal_checkpoint(FULL);
		UPDATE t SET b='new' WHERE a=7; DELETE FROM t WHERE a>90; INSERT INTO t VALUES(1000,zeroblob(30000));`,
		".system cp "+filepath.Join(dir, "db")+" "+filepath.Join(dir, "copy"),
		".system cp "+filepath.Join(dir, "db-wal")+" "+filepath.Join(dir, "copy-wal")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "copy"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "copy-wal"))
	if err != nil || len(log) < 1000 {
		t.Fatalf("a log of %d bytes (%v)", len(log), err)
	}
	read := func(log []byte) string {
		count, seventh := 0, 0
		r, err := NewReader(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			err = r.AddLog(bytes.NewReader(log), int64(len(log)))
		}
		var schema []SchemaEntry
		if err == nil {
			schema, err = r.Schema()
		}
		if err == nil {
			err = r.Scan(schema[0].Root, func(rowid int64, v []Value) error {
				if count++; rowid == 7 {
					seventh = len(v[1].Bytes)
				}
				return nil
			})
		}
		return fmt.Sprint(count, " ", seventh, " ", err)
	}
	change := func(at int) []byte {
		out := bytes.Clone(log)
		out[at] ^= 1
		return out
	}
	for _, c := range []struct {
		summary, want string
		log           []byte
	}{
		{"no log", "100 350 <nil>", nil},
		{"the log", "91 3 <nil>", log},
		{"a log with less than a header", "100 350 <nil>", log[:20]},
		{"a log cut within its first frame", "100 350 <nil>", log[:1000]},
		{"a log whose start is damaged", "100 350 <nil>", change(25)},
		{"a log whose first frame is damaged", "100 350 <nil>", change(100)},
		{"something else", "0 0 reading write-ahead log: it starts with 0x73737373", bytes.Repeat([]byte("s"), 5000)},
	} {
		if got := read(c.log); got != c.want {
			t.Errorf("%s: got %s, want %s", c.summary, got, c.want)
		}
	}
	// SQLite itself must see the same in the same files.
	out, err = exec.Command(sqlite3, filepath.Join(dir, "copy"), "SELECT count(*) FROM t; SELECT length(b) FROM t WHERE a=7").CombinedOutput()
	if string(out) != "91\n3\n" {
		t.Errorf("SQLite says %q (%v)", out, err)
	}
}
