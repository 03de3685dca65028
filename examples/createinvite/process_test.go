package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// TestMain lets the binary of the tests be the program, for what only a process
// of its own has: signals, a status, and the environment's proxy, which net/http
// reads once.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_CREATEINVITE") != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns the program, ready to run with testToken in its environment.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "RUN_CREATEINVITE=1", "TELEGRAM_BOT_TOKEN="+testToken,
		"GORACE=atexit_sleep_ms=0") // the race detector's default is a second
	return cmd
}

func TestDemoGoesPastTheProxy(t *testing.T) {
	cmd := program(t, "--demo", "--chat", "@a")
	cmd.Env = append(cmd.Env, "HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=", "TELEGRAM_BOT_TOKEN=")
	if out, err := cmd.Output(); err != nil || !json.Valid(out) {
		t.Errorf("%v, stdout %q, want JSON", err, out)
	}
}

func TestLinkSurvivesItsStdout(t *testing.T) {
	tests := []struct {
		name string
		open func() (*os.File, error)
	}{
		{"closed pipe", func() (*os.File, error) {
			r, w, err := os.Pipe()
			r.Close()
			return w, err
		}},
		{"full disk", func() (*os.File, error) { return os.OpenFile("/dev/full", os.O_WRONLY, 0) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stdout, err := test.open()
			if err != nil {
				t.Skip(err)
			}
			defer stdout.Close()
			for chat, want := range map[string]struct {
				status int
				stderr string
			}{
				"@a":        {3, `"invite_link": "https://t\.me/\+`},
				"@notfound": {1, `"error_code": 400`},
			} {
				var stderr bytes.Buffer
				cmd := program(t, "--demo", "--chat", chat)
				cmd.Stdout, cmd.Stderr = stdout, &stderr
				cmd.Run()
				if got := cmd.ProcessState.ExitCode(); got != want.status {
					t.Errorf("%s: %v, want exit status %d", chat, cmd.ProcessState, want.status)
				}
				if !regexp.MustCompile(want.stderr).Match(stderr.Bytes()) {
					t.Errorf("%s: stderr %q, want %s", chat, &stderr, want.stderr)
				}
			}
		})
	}
}
