package workload

import (
	"os"
	"time"
)

// What the program does as a child of itself.
const (
	childIdle   = "idle"
	childMemory = "memory"
)

// child is a child of the main process. It ends when its standard input does, which the main
// process holds open.
type child struct {
	*os.Process
	stdin *os.File
}

// startChild starts the program itself. When it ends, nothing is done about it.
func startChild(directory, what string) (*child, error) {
	in, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	process, err := os.StartProcess("/proc/self/exe", []string{"podsim-workload", what}, &os.ProcAttr{
		Env:   []string{"PODSIM_DIRECTORY=" + directory},
		Files: []*os.File{in, os.Stdout, os.Stderr},
	})
	if err != nil {
		hold.Close()
		return nil, err
	}
	go process.Wait()
	return &child{Process: process, stdin: hold}, nil
}

// keepProcesses has as many children as are asked for. The child that uses the memory counts, too.
func (p *process) keepProcesses() {
	others := 1
	if p.ChildMemory && len(p.Memory) > 0 {
		others++
	}
	var children []*child
	for i := range p.Processes {
		time.Sleep(time.Until(p.start.Add(p.Processes[i].At)))
		want := max(0, min(p.Processes[i].Count, MostProcesses)-others)
		for len(children) > want {
			last := children[len(children)-1]
			last.stdin.Close()
			children = children[:len(children)-1]
		}
		for len(children) < want {
			c, err := startChild(p.directory, childIdle)
			if err != nil {
				complain(err)
				break
			}
			children = append(children, c)
		}
	}
	// Their standard inputs stay open.
	select {}
}
