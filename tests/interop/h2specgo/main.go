// h2spec, the conformance tests of HTTP/2 servers, for route_h2spec_test.py: all of them, over TLS, against PORT and PATH of this machine.
// What came of each test goes into the JUnit report.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/summerwind/h2spec"
	"github.com/summerwind/h2spec/config"
)

func main() {
	c := config.Config{Host: "127.0.0.1", TLS: true, Insecure: true, Strict: true, MaxHeaderLen: 4000}
	flag.IntVar(&c.Port, "port", 0, "of the server")
	flag.StringVar(&c.Path, "path", "/", "that is asked for")
	flag.StringVar(&c.JUnitReport, "junit-report", "", "the file that gets the report")
	flag.DurationVar(&c.Timeout, "timeout", 2*time.Second, "what a test waits for an answer")
	flag.Parse()
	c.Sections = flag.Args()
	if _, err := h2spec.Run(&c); err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
		os.Exit(1)
	}
}
