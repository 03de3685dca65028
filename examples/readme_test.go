package examples

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each piece of Go in a README is code that was compiled.
func TestREADME(t *testing.T) {
	var code strings.Builder
	for _, name := range glob(t, "../invite_test.go", "*/*.go") {
		code.WriteString(words(read(t, name)) + "\n")
	}
	for _, name := range glob(t, "../README.md", "README.md", "*/README.md") {
		for _, block := range strings.Split(read(t, name), "```go\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			if !strings.Contains(code.String(), words(block)) {
				t.Errorf("this is in %s, but in no Go file:\n%s", name, block)
			}
		}
	}
}

// glob returns the files of all patterns, of which each must have one.
func glob(t *testing.T, patterns ...string) (all []string) {
	t.Helper()
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: got %q, %v", pattern, names, err)
		}
		all = append(all, names...)
	}
	return all
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }
