package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const mebibyte = 1 << 20

// write fills a file and has it on the disk before it says so.
func write(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("write needs a file and a size in MiB")
	}
	count, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	var said syscall.Errno
	if err := fill(arguments[0], count); errors.As(err, &said) {
		fmt.Println(said)
		return nil
	} else if err != nil {
		return err
	}
	fmt.Println("written")
	return nil
}

func fill(path string, count int) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	chunk := make([]byte, mebibyte)
	for range count {
		if _, err := file.Write(chunk); err != nil {
			return err
		}
	}
	return file.Sync()
}

func size(arguments []string) error {
	info, err := os.Stat(arguments[0])
	if err != nil {
		return err
	}
	if !info.IsDir() {
		fmt.Println(info.Size())
		return nil
	}
	var state unix.Statfs_t
	if err := unix.Statfs(arguments[0], &state); err != nil {
		return err
	}
	fmt.Println(int64(state.Blocks) * state.Bsize)
	return nil
}
