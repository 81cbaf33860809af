package volumes

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindMount(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 7:3 / /volumes/mounts/a\040b rw,relatime shared:1 - xfs /dev/loop3 rw
31 22 7:3 /data /pods/1/volumes/x rw,relatime shared:1 - xfs /dev/loop3 rw
32 22 7:4 / /volumes/mounts/c rw,relatime - xfs /dev/loop4 rw
`
	for path, wanted := range map[string]mountState{
		"/volumes/mounts/a b": {"/dev/loop3", 1},
		"/volumes/mounts/c":   {"/dev/loop4", 0},
		"/volumes/mounts":     {},
	} {
		if got := findMount(table, path); got != wanted {
			t.Errorf("%s: %+v, wanted %+v", path, got, wanted)
		}
	}
}

// A volume's whole life on a real file system: needs root for loop devices and mounts.
func TestDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for loop devices and mounts")
	}
	d := disk{t.TempDir()}
	const name = "pvc-1"
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { must(d.remove(name)) })

	must(d.create(name, 300*mebibyte))
	must(d.create(name, 300*mebibyte)) // a second attempt starts anew
	if drafts, err := d.drafts(); err != nil || len(drafts) != 1 || drafts[0] != name {
		t.Errorf("drafts %v (%v), wanted the one volume", drafts, err)
	}
	must(d.commit(name))
	must(d.ensure(name))
	if err := d.create(name, 300*mebibyte); err == nil {
		t.Fatal("a volume with data was made anew")
	}
	if got := sizeAt(t, d.data(name)); got != 300*mebibyte {
		t.Errorf("the file system has %d bytes, wanted %d", got, 300*mebibyte)
	}
	if err := fill(filepath.Join(d.data(name), "big"), 310*mebibyte); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing past the size: %v, wanted ENOSPC", err)
	}

	must(d.grow(name, 400*mebibyte))
	must(d.grow(name, 400*mebibyte))
	if got := sizeAt(t, d.data(name)); got != 400*mebibyte {
		t.Errorf("the grown file system has %d bytes, wanted %d", got, 400*mebibyte)
	}
	must(fill(filepath.Join(d.data(name), "big"), 310*mebibyte))

	// After a reboot the mount is gone and the data are not.
	must(os.WriteFile(filepath.Join(d.data(name), "kept"), []byte("row"), 0o600))
	must(d.unmount(name))
	if _, err := os.Stat(d.data(name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without the mount pods would get a folder of the node: %v", err)
	}
	must(d.ensure(name))
	if content, err := os.ReadFile(filepath.Join(d.data(name), "kept")); err != nil || string(content) != "row" {
		t.Errorf("read back %q (%v)", content, err)
	}

	// A copy of the mount lives on in another mount namespace, as with whatever was started in one of its own.
	other := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", "echo ready; read line")
	input, err := other.StdinPipe()
	must(err)
	output, err := other.StdoutPipe()
	must(err)
	must(other.Start())
	_, err = io.ReadFull(output, make([]byte, len("ready")))
	must(err)
	must(unix.Unmount(d.mountPoint(name), 0))
	must(d.ensure(name))
	if content, err := os.ReadFile(filepath.Join(d.data(name), "kept")); err != nil || string(content) != "row" {
		t.Errorf("read back %q (%v)", content, err)
	}
	must(input.Close())
	_ = other.Wait() // it ends with read's complaint about the end of its input

	// A pod's mount keeps it.
	pod := t.TempDir()
	must(unix.Mount(d.data(name), pod, "", unix.MS_BIND, ""))
	if err := d.remove(name); !errors.Is(err, errBusy) {
		t.Errorf("removing a volume in use: %v, wanted %v", err, errBusy)
	}
	must(unix.Unmount(pod, 0))
	must(d.remove(name))
	must(d.remove(name))
	if left, err := os.ReadDir(d.root); err != nil || len(left) != 1 {
		t.Errorf("left over: %v (%v), wanted the empty folder of mounts", left, err)
	}
	if err := d.ensure(name); err == nil {
		t.Error("a missing file was taken for a volume")
	}
	must(d.unmount(name))
}

func sizeAt(t *testing.T, path string) int64 {
	t.Helper()
	var state unix.Statfs_t
	if err := unix.Statfs(path, &state); err != nil {
		t.Fatal(err)
	}
	return int64(state.Blocks) * state.Bsize
}

// fill writes a file of some size, in bytes.
func fill(path string, size int64) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	chunk := make([]byte, mebibyte)
	for range size / mebibyte {
		if _, err := file.Write(chunk); err != nil {
			return err
		}
	}
	return file.Sync()
}
