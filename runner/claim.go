package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// claimFile is the file of a run's folder that its owner holds locked as long as it lives, whatever kills it.
const claimFile = "run.lock"

// lockFileName is the file of the folder of all claims whose lock who changes it holds.
const lockFileName = ".lock"

// claim is what is known of a run whoever owns it: where it is played and where its files are.
type claim struct {
	Run      string `json:"run"`
	Endpoint string `json:"endpoint"`
	// Directory is the folder of the run's files on the node.
	Directory string `json:"directory"`
	PID       int    `json:"pid"`

	// folder is where the claim stands, file is open and locked by who holds the claim.
	folder string
	file   *os.File
}

// claims is the folder of all claims: one in it for each run.
type claims string

// lockAll waits for the lock of the folder: as long as it is held no run begins, none ends, and none is found to
// have lost its owner.
func (c claims) lockAll() (unlock func(), err error) {
	path := filepath.Join(string(c), lockFileName)
	for {
		if err := os.MkdirAll(string(c), 0o755); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = awaitLock(f)
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		// The last run's end may have removed the file meanwhile.
		if sameFile(f, path) {
			return func() { f.Close() }, nil
		}
		f.Close()
	}
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// claim begins a run: its folders are there then.
func (c claims) claim(run, endpoint, directory string) (*claim, error) {
	unlock, err := c.lockAll()
	if err != nil {
		return nil, err
	}
	k := &claim{Run: run, Endpoint: endpoint, Directory: directory, PID: os.Getpid(), folder: filepath.Join(string(c), run)}
	err = k.make()
	unlock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the folder of the run: %w", err), k.remove())
	}
	return k, nil
}

// make makes the folders and takes the claim.
func (k *claim) make() error {
	for _, d := range []string{k.folder, k.Directory} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := k.take(os.O_CREATE | os.O_RDWR); err != nil {
		return err
	}
	data, err := json.Marshal(k)
	if err != nil {
		return err
	}
	_, err = k.file.WriteAt(append(data, '\n'), 0)
	return err
}

// errClaimed says that the owner of a run lives.
var errClaimed = errors.New("somebody plays the run")

// take takes the claim's lock.
func (k *claim) take(flag int) error {
	f, err := os.OpenFile(filepath.Join(k.folder, claimFile), flag, 0o600)
	if err != nil {
		return err
	}
	ok, err := lockFile(f)
	if err == nil && !ok {
		err = errClaimed
	}
	if err != nil {
		f.Close()
		return err
	}
	k.file = f
	return nil
}

// release gives the lock up; the claim stays for who removes what the run has left.
func (k *claim) release() { k.file.Close() }

// remove ends the claim when nothing of the run is left; with the last one goes what all runs have in common.
func (k *claim) remove() error {
	defer k.release()
	folder := filepath.Dir(k.folder)
	unlock, err := claims(folder).lockAll()
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.RemoveAll(k.folder); err != nil {
		return err
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 1 {
		return err
	}
	removeEmptyCgroups(cgroupOfAll)
	return os.RemoveAll(folder)
}

// all are the claims that stand there, in the order of their runs' ids: those whose owner lives, and the others, which
// the caller holds from now on.
func (c claims) all() (living, dead []*claim, err error) {
	unlock, err := c.lockAll()
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	entries, err := os.ReadDir(string(c))
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		k := c.read(e)
		if k == nil {
			continue
		}
		switch err := k.take(os.O_RDWR); {
		case errors.Is(err, errClaimed):
			living = append(living, k)
		case err == nil:
			dead = append(dead, k)
		}
	}
	return living, dead, nil
}

// read reads a claim; nil if it is none.
func (c claims) read(e fs.DirEntry) *claim {
	folder := filepath.Join(string(c), e.Name())
	data, err := os.ReadFile(filepath.Join(folder, claimFile))
	if !e.IsDir() || !isRunID(e.Name()) || err != nil {
		return nil
	}
	k := &claim{}
	// A run that was killed as it began has written nothing yet, and made nothing.
	if json.Unmarshal(data, k) != nil || k.Run != e.Name() || filepath.Base(k.Directory) != k.Run {
		k = &claim{Run: e.Name(), Directory: folder}
	}
	k.folder = folder
	return k
}
