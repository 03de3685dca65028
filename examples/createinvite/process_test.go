package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the binary of the tests be the program, for what only a process of its
// own has: signals, an exit status and a standard output that is a file.
func TestMain(m *testing.M) {
	if os.Getenv("RUN_CREATEINVITE") != "" {
		main()
	}
	os.Exit(m.Run())
}

// program returns the program, ready to run. The proxy in its environment must not
// matter, because net/http uses none for 127.0.0.1.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "RUN_CREATEINVITE=1", "TELEGRAM_BOT_TOKEN="+testToken,
		"HTTP_PROXY=http://127.0.0.1:1", "NO_PROXY=", "GORACE=atexit_sleep_ms=0")
	return cmd
}

func TestNothingElseOnStderr(t *testing.T) {
	cmd := program(t, "--limit", testPassword)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	want := "createinvite: --limit takes a number from 1 to 99999, or 0 for no limit; see createinvite -h\n"
	if got := stderr.String(); err == nil || got != want {
		t.Errorf("error %v, stderr %q, want %q", err, got, want)
	}
}

func TestLinkOutlivesStdout(t *testing.T) {
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
			var stderr bytes.Buffer
			cmd := program(t, "--demo", "--chat", "@a")
			cmd.Stdout, cmd.Stderr = stdout, &stderr
			cmd.Run()
			if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(stderr.String(), `"invite_link": "https://t.me/+`) {
				t.Errorf("%v, stderr %q, want exit status 3 and the link", cmd.ProcessState, &stderr)
			}
		})
	}
}

// TestSignals sends a signal while the server has the request. A program that goes on
// gets a link after that.
func TestSignals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can send these signals")
	}
	tests := []struct {
		name   string
		signal os.Signal
		trap   string // signals that the parent of the program ignores
		status int
	}{
		{"interrupt", os.Interrupt, "", 3},
		{"terminate", syscall.SIGTERM, "", 3},
		{"hang up", syscall.SIGHUP, "", 3},
		{"quit", syscall.SIGQUIT, "", 3},
		{"interrupt in the background", os.Interrupt, "INT", 0},
		{"hang up under nohup", syscall.SIGHUP, "HUP", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.trap == "" && signal.Ignored(test.signal) {
				t.Skip("the tests themselves ignore the signal")
			}
			arrived, release := make(chan struct{}), make(chan struct{})
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // only then the server sees that a client goes
				close(arrived)
				select {
				case <-release:
					io.WriteString(w, `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`)
				case <-r.Context().Done():
				}
			})
			var stdout, stderr bytes.Buffer
			cmd := program(t, "--chat", "@a", "--api", url)
			if test.trap != "" {
				cmd.Args = append([]string{"sh", "-c", `trap "" ` + test.trap + `; exec "$0" "$@"`}, cmd.Args...)
				cmd.Path = "/bin/sh"
			}
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-arrived
			cmd.Process.Signal(test.signal)
			if test.status == 0 {
				close(release)
			}
			cmd.Wait()
			if cmd.ProcessState.ExitCode() != test.status || (stdout.Len() > 0) != (test.status == 0) {
				t.Errorf("%v, stdout %q, want exit status %d", cmd.ProcessState, &stdout, test.status)
			}
			if got := stderr.String(); strings.Contains(got, ": interrupted; do not try again") != (test.status == 3) {
				t.Errorf("stderr %q, want it to say interrupted, if it was", got)
			}
		})
	}
}
