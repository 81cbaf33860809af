// Package attach is what the network plugin and the agent say to each other over the agent's unix socket: one request, one reply, as JSON.
package attach

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Timeout bounds a whole exchange.
const Timeout = 15 * time.Second

// Request says that a pod's sandbox was given an address, or is gone.
type Request struct {
	Removed   bool       `json:"removed,omitempty"`
	Sandbox   string     `json:"sandbox"`
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	UID       string     `json:"uid"`
	Address   netip.Addr `json:"address"`
}

// Reply is sent when the rules are in force; Error says why they are not.
type Reply struct {
	Error string `json:"error,omitempty"`
}

// Send asks the agent, which may still be starting, and returns once it has done what was asked.
func Send(socket string, request Request) error {
	deadline := time.Now().Add(Timeout)
	connection, err := dial(socket, deadline)
	if err != nil {
		return fmt.Errorf("the network policy agent does not answer at %s, bring the cluster up again to repair it: %w", socket, err)
	}
	defer connection.Close()
	return exchange(connection, deadline, request)
}

func exchange(connection net.Conn, deadline time.Time, request Request) error {
	if err := connection.SetDeadline(deadline); err != nil {
		return err
	}
	if err := json.NewEncoder(connection).Encode(request); err != nil {
		return fmt.Errorf("ask the network policy agent: %w", err)
	}
	var reply Reply
	if err := json.NewDecoder(connection).Decode(&reply); err != nil {
		return fmt.Errorf("read the network policy agent's reply: %w", err)
	}
	if reply.Error != "" {
		return errors.New("network policy agent: " + reply.Error)
	}
	return nil
}

// Notify tells the agent if it is there, and does not wait for it otherwise.
func Notify(socket string, request Request) {
	connection, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer connection.Close()
	_ = exchange(connection, time.Now().Add(time.Second), request)
}

func dial(socket string, deadline time.Time) (net.Conn, error) {
	for {
		connection, err := net.Dial("unix", socket)
		if err == nil || time.Now().After(deadline) {
			return connection, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
