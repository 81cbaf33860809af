// Command probe is what tests of the cluster run in pods: both ends of connections, and the user of a volume.
//
//	probe serve tcp:8080 udp:53 ...     answers every line and datagram with it, until it is ended
//	probe connect TARGET@TIMEOUT ...    tries all targets at once
//	probe hold INTERVAL TARGET          sends a line over one connection again and again and says "alive" for each answer, until none comes
//	probe write FILE MEBIBYTES          writes a file anew and says "written", or what the system said instead
//	probe size PATH                     prints the bytes of a file, or of the whole file system of a folder
//
// A target is tcp:HOST:PORT or udp:HOST:PORT, where serve answers, accept:HOST:PORT, where anything takes a TCP connection, or icmp:ADDRESS.
// connect prints a JSON object: for each target "open", "silent" (nothing came back in time) or "refused" (somebody said no).
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// patience is how often hold misses an answer, in intervals, before it takes the connection for cut.
const patience = 30

func main() {
	if len(os.Args) < 3 {
		fail(errors.New("usage: probe serve|connect|hold|write|size ..."))
	}
	var err error
	switch arguments := os.Args[2:]; os.Args[1] {
	case "serve":
		err = serve(arguments)
	case "connect":
		err = connectAll(arguments)
	case "hold":
		err = hold(arguments)
	case "write":
		err = write(arguments)
	case "size":
		err = size(arguments)
	default:
		err = fmt.Errorf("no command %q", os.Args[1])
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "probe:", err)
	os.Exit(1)
}

// serve listens on every port given and does not return while it can.
func serve(ports []string) error {
	failed := make(chan error)
	for _, text := range ports {
		network, port, _ := strings.Cut(text, ":")
		switch network {
		case "tcp":
			listener, err := net.Listen("tcp4", ":"+port)
			if err != nil {
				return err
			}
			go func() { failed <- serveStream(listener) }()
		case "udp":
			socket, err := net.ListenPacket("udp4", ":"+port)
			if err != nil {
				return err
			}
			go func() { failed <- serveDatagrams(socket) }()
		default:
			return fmt.Errorf("cannot serve %q", text)
		}
	}
	return <-failed
}

func serveStream(listener net.Listener) error {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			for lines := bufio.NewScanner(connection); lines.Scan(); {
				if _, err := fmt.Fprintln(connection, lines.Text()); err != nil {
					return
				}
			}
		}()
	}
}

func serveDatagrams(socket net.PacketConn) error {
	buffer := make([]byte, 1500)
	for {
		size, peer, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		// An answer that cannot be sent is for the other side to miss.
		_, _ = socket.WriteTo(buffer[:size], peer)
	}
}

func connectAll(arguments []string) error {
	var mutex sync.Mutex
	var all sync.WaitGroup
	results := map[string]string{}
	for _, argument := range arguments {
		target, text, _ := strings.Cut(argument, "@")
		timeout, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		all.Go(func() {
			result := outcome(connect(target, timeout))
			mutex.Lock()
			defer mutex.Unlock()
			results[target] = result
		})
	}
	all.Wait()
	return json.NewEncoder(os.Stdout).Encode(results)
}

func outcome(err error) string {
	var network net.Error
	switch {
	case err == nil:
		return "open"
	case errors.As(err, &network) && network.Timeout():
		return "silent"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	}
	return err.Error()
}

// connect sends something to the target and waits until it comes back.
func connect(target string, timeout time.Duration) error {
	network, address, _ := strings.Cut(target, ":")
	if network == "icmp" {
		return ping(address, timeout)
	}
	if network == "accept" {
		connection, err := net.DialTimeout("tcp4", address, timeout)
		if err == nil {
			connection.Close()
		}
		return err
	}
	deadline := time.Now().Add(timeout)
	connection, err := net.DialTimeout(network+"4", address, timeout)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}
	_, err = exchange(connection, bufio.NewReader(connection), "probe")
	return err
}

func exchange(connection net.Conn, answers *bufio.Reader, line string) (string, error) {
	if _, err := fmt.Fprintln(connection, line); err != nil {
		return "", err
	}
	return answers.ReadString('\n')
}

func ping(address string, timeout time.Duration) error {
	socket, err := icmp.ListenPacket("udp4", "0.0.0.0")
	if err != nil {
		return err
	}
	defer socket.Close()
	if err := socket.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	echo := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{Seq: 1, Data: []byte("probe")}}
	content, err := echo.Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := socket.WriteTo(content, &net.UDPAddr{IP: net.ParseIP(address)}); err != nil {
		return err
	}
	_, _, err = socket.ReadFrom(make([]byte, 1500))
	return err
}

// hold keeps one connection busy. It returns without an error when answers stop, whatever the reason.
func hold(arguments []string) error {
	interval, err := time.ParseDuration(arguments[0])
	if err != nil {
		return err
	}
	network, address, _ := strings.Cut(arguments[1], ":")
	connection, err := net.DialTimeout(network+"4", address, patience*interval)
	if err != nil {
		return err
	}
	defer connection.Close()
	for answers := bufio.NewReader(connection); ; time.Sleep(interval) {
		if err := connection.SetDeadline(time.Now().Add(patience * interval)); err != nil {
			return err
		}
		if _, err := exchange(connection, answers, "alive"); err != nil {
			fmt.Println("cut")
			return nil
		}
		fmt.Println("alive")
	}
}
