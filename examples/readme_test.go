package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each piece of Go in the README is code that was compiled.
func TestREADME(t *testing.T) {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	files, err := filepath.Glob("*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range append(files, "../invite_test.go", "../README.md") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "../README.md" {
			code.WriteString(words(string(b)) + "\n")
			continue
		}
		blocks := strings.Split(string(b), "```go\n")[1:]
		for _, block := range blocks {
			block, _, _ = strings.Cut(block, "```")
			if !strings.Contains(code.String(), words(block)) {
				t.Errorf("this is in the README, but in no Go file:\n%s", block)
			}
		}
		if len(blocks) < 6 {
			t.Errorf("got %d pieces of Go in the README, want more", len(blocks))
		}
	}
}
