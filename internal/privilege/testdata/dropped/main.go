// Command dropped gives up being root and tells what it is then.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/smartcore-ireland/hems/internal/privilege"
)

func main() {
	// Threads that exist before must be dropped too.
	var begun sync.WaitGroup
	stay := make(chan struct{})
	for range 4 {
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			begun.Done()
			<-stay
		}()
	}
	begun.Wait()
	if err := privilege.Drop(64901, 64902, []int{64903, 64902}); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) < 5 {
		fmt.Println("threads:", tasks, err)
		os.Exit(1)
	}
	var all []string
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		all = append(all, summary(string(b)))
	}
	for _, s := range slices.Compact(all) {
		fmt.Println("every thread:", s)
	}
	_, err = os.ReadFile("/etc/shadow")
	var errno syscall.Errno
	errors.As(err, &errno)
	fmt.Println("root's file:", errno)
}

// summary is the part of a status that is about rights.
func summary(status string) string {
	var out []string
	for _, want := range []string{"Uid", "Gid", "Groups", "NoNewPrivs", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		for line := range strings.Lines(status) {
			if name, value, _ := strings.Cut(line, ":"); name == want {
				if v := strings.TrimLeft(strings.TrimSpace(value), "0"); v != "" {
					value = v
				} else {
					value = "0"
				}
				out = append(out, name+" "+strings.Join(strings.Fields(value), " "))
			}
		}
	}
	return strings.Join(out, " ")
}
