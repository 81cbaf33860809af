package volumes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// errBusy says that a volume is still mounted by a pod.
var errBusy = errors.New("still in use")

const (
	finished   = ".img" // a volume's file
	unfinished = ".new" // a file whose PersistentVolume does not exist yet
)

// disk keeps the files and mounts of one node's volumes in a folder.
type disk struct{ root string }

func (d disk) image(name string) string { return filepath.Join(d.root, name+finished) }

func (d disk) draft(name string) string { return filepath.Join(d.root, name+unfinished) }

func (d disk) mountPoint(name string) string { return filepath.Join(d.root, "mounts", name) }

// data is the folder that pods get. It is in the volume, so that it does not exist while the volume is not mounted, and the kubelet then
// waits instead of giving the pod a folder of the node's own disk.
func (d disk) data(name string) string { return filepath.Join(d.mountPoint(name), "data") }

// create makes a volume and mounts it; it stays a draft until commit. A draft that is there is made anew; a finished volume is an error.
func (d disk) create(name string, capacity int64) error {
	if _, err := os.Stat(d.image(name)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists and belongs to a volume that was forgotten: move it away", d.image(name))
	}
	if err := d.remove(name); err != nil {
		return err
	}
	if err := os.MkdirAll(d.root, 0o700); err != nil {
		return err
	}
	if err := d.format(name, capacity); err != nil {
		return errors.Join(err, d.remove(name))
	}
	return nil
}

func (d disk) format(name string, capacity int64) error {
	if err := extend(d.draft(name), fileSize(capacity)); err != nil {
		return err
	}
	// -K: the file is new, there is nothing to discard.
	if err := run("mkfs.xfs", "-q", "-K", "-l", fmt.Sprintf("size=%d", journal), d.draft(name)); err != nil {
		return err
	}
	if err := d.attach(name, d.draft(name)); err != nil {
		return err
	}
	// As on a new disk of any cloud, only root may write: pods that are not root say so with an fsGroup.
	return os.Mkdir(d.data(name), 0o755)
}

// commit says that the volume's object exists: from now on the file is data.
func (d disk) commit(name string) error {
	err := os.Rename(d.draft(name), d.image(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ensure mounts a volume that exists. It never makes one: a missing file is an error, not an empty volume.
func (d disk) ensure(name string) error {
	if err := d.commit(name); err != nil {
		return err
	}
	mounted, err := mountedAt(d.mountPoint(name))
	if err != nil || mounted.device != "" {
		return err
	}
	return d.attach(name, d.image(name))
}

// grow enlarges a mounted volume while it is in use. Repeating it is harmless.
func (d disk) grow(name string, capacity int64) error {
	mounted, err := mountedAt(d.mountPoint(name))
	if err != nil {
		return err
	}
	if err := extend(d.image(name), fileSize(capacity)); err != nil {
		return err
	}
	device, err := os.OpenFile(mounted.device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("let %s see the size of its file: %w", mounted.device, err)
	}
	return run("xfs_growfs", d.mountPoint(name))
}

// unmount ends the volume's mount, and with it its loop device. It returns errBusy while a pod has it.
func (d disk) unmount(name string) error {
	mounted, err := mountedAt(d.mountPoint(name))
	if err != nil {
		return err
	}
	if mounted.device != "" {
		if mounted.elsewhere > 0 {
			return errBusy
		}
		err := unix.Unmount(d.mountPoint(name), 0)
		if errors.Is(err, unix.EBUSY) {
			return errBusy
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", d.mountPoint(name), err)
		}
	}
	return ignoreMissing(os.Remove(d.mountPoint(name)))
}

// remove ends a volume and its data. It returns errBusy while a pod has it.
func (d disk) remove(name string) error {
	if err := d.unmount(name); err != nil {
		return err
	}
	return errors.Join(ignoreMissing(os.Remove(d.image(name))), ignoreMissing(os.Remove(d.draft(name))))
}

// drafts names the volumes whose making was not finished.
func (d disk) drafts() ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(d.root, "*"+unfinished))
	for i, path := range paths {
		paths[i] = strings.TrimSuffix(filepath.Base(path), unfinished)
	}
	return paths, err
}

// attach mounts a file through a loop device that goes away with its last mount.
func (d disk) attach(name, file string) error {
	if err := os.MkdirAll(d.mountPoint(name), 0o755); err != nil {
		return err
	}
	device, err := loopDevice(file)
	if err != nil {
		return fmt.Errorf("loop device for %s: %w", file, err)
	}
	defer device.Close()
	if err := unix.Mount(device.Name(), d.mountPoint(name), "xfs", 0, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", file, d.mountPoint(name), err)
	}
	return nil
}

// loopDevice opens the loop device of a file. One that exists is taken again: a copy of an unmounted mount may live on in another mount
// namespace, and a second device on the same file would be a second file system on the same blocks (XFS refuses that by its UUID).
func loopDevice(file string) (*os.File, error) {
	existing, err := existingLoop(file)
	if err != nil {
		return nil, err
	}
	if existing != "" {
		return os.OpenFile(existing, os.O_RDWR, 0)
	}
	return newLoop(file)
}

// existingLoop names the loop device of a file, empty when it has none.
func existingLoop(file string) (string, error) {
	known, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return "", err
	}
	for _, path := range known {
		content, err := os.ReadFile(path)
		if err == nil && strings.TrimSuffix(string(content), "\n") == file {
			return "/dev/" + filepath.Base(filepath.Dir(filepath.Dir(path))), nil
		}
	}
	return "", nil
}

// newLoop sets up a free loop device, which frees itself when nobody has it open or mounted any more.
func newLoop(file string) (*os.File, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, err
		}
		device, err := os.OpenFile(fmt.Sprintf("/dev/loop%d", number), os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
		err = unix.IoctlLoopConfigure(int(device.Fd()), &config)
		if err == nil {
			return device, nil
		}
		device.Close()
		if !errors.Is(err, unix.EBUSY) { // busy: somebody else was given the same free device
			return nil, err
		}
	}
}

// extend makes a sparse file at least as large as size, in bytes.
func extend(path string, size int64) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return file.Truncate(size)
}

// run executes a program and returns what it complained about.
func run(name string, arguments ...string) error {
	if output, err := exec.Command(name, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(string(output)))
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
