package volumes

import (
	"os"
	"strings"
)

// mountState is a mount: its device (empty when nothing is mounted) and at how many other places the same file system is mounted.
type mountState struct {
	device    string
	elsewhere int
}

// mountedAt tells what is mounted at a path.
func mountedAt(path string) (mountState, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return mountState{}, err
	}
	return findMount(string(table), path), nil
}

// findMount reads the kernel's mount table (proc_pid_mountinfo(5)): fields 3 and 5 are the device's number and the mount point; the
// device's path is the second field after the lone hyphen.
func findMount(table, path string) mountState {
	var found mountState
	number := ""
	count := map[string]int{}
	for _, line := range strings.Split(table, "\n") {
		before, after, complete := strings.Cut(line, " - ")
		fields, source := strings.Fields(before), strings.Fields(after)
		if !complete || len(fields) < 5 || len(source) < 2 {
			continue
		}
		count[fields[2]]++
		if unescape(fields[4]) == path {
			number, found.device = fields[2], source[1]
		}
	}
	if number != "" {
		found.elsewhere = count[number] - 1
	}
	return found
}

// unescape undoes the octal escapes of blanks and backslashes.
func unescape(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(field)
}
