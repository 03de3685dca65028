//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// TestSignals sends a signal while Telegram has the request. If the program goes
// on, it gets a link after that.
func TestSignals(t *testing.T) {
	const advice = "only the bot can revoke it, with revokeChatInviteLink\n"
	tests := []struct {
		name    string
		signal  os.Signal
		ignored bool // by the parent of the program
		status  int
		stderr  string // its end
	}{
		{"interrupt", os.Interrupt, false, 3, advice},
		{"terminate", syscall.SIGTERM, false, 3, advice},
		{"hang up", syscall.SIGHUP, false, 3, advice},
		{"interrupt in the background", os.Interrupt, true, 0, ""},
		{"hang up under nohup", syscall.SIGHUP, true, 0, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if signal.Ignored(test.signal) && !test.ignored {
				t.Skip("the tests themselves run under nohup or in the background")
			}
			arrived, release := make(chan struct{}), make(chan struct{})
			url := telegramAt(t, func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body) // only then the server sees that a client goes
				close(arrived)
				select {
				case <-release:
					io.WriteString(w, `{"ok":true,"result":{"invite_link":"https://t.me/+a"}}`)
				case <-r.Context().Done():
				}
			})
			var stdout, stderr bytes.Buffer
			cmd := program(t, "--chat", "@a", "--api", url, "--timeout", "60s")
			if test.ignored {
				cmd.Args = append([]string{"sh", "-c", `trap "" HUP INT; exec "$0" "$@"`}, cmd.Args...)
				cmd.Path = "/bin/sh"
			}
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			<-arrived
			cmd.Process.Signal(test.signal)
			if test.ignored {
				close(release)
			}
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != test.status || (stdout.Len() > 0) != test.ignored {
				t.Errorf("%v, stdout %q, want exit status %d", cmd.ProcessState, &stdout, test.status)
			}
			if !strings.HasSuffix(stderr.String(), test.stderr) || strings.Contains(stderr.String(), testSecret) {
				t.Errorf("stderr %q, want advice and no token", &stderr)
			}
		})
	}
}
