//go:build unix || windows

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// endSignals ask the program to end.
var endSignals = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// A closed pipe must be an error of Write: SIGPIPE would end the program, and the
// link would be lost.
func init() { signal.Ignore(syscall.SIGPIPE) }
