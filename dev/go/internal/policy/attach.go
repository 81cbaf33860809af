package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/iac-dharma/iac-dharma/dev/go/internal/attach"
)

// attachTimeout is how long a pod's start may wait for its rules.
const attachTimeout = 10 * time.Second

// attachments remembers the addresses that the network plugin reported, until the pod's sandbox is gone or the pod is.
type attachments struct {
	mutex sync.Mutex
	byPod map[types.NamespacedName]attach.Request
}

func newAttachments() *attachments {
	return &attachments{byPod: map[types.NamespacedName]attach.Request{}}
}

func (a *attachments) add(request attach.Request) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.byPod[types.NamespacedName{Namespace: request.Namespace, Name: request.Name}] = request
}

// remove forgets a sandbox; an address that a newer sandbox of the same pod got stays.
func (a *attachments) remove(request attach.Request) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for pod, known := range a.byPod {
		if known.Sandbox == request.Sandbox {
			delete(a.byPod, pod)
		}
	}
}

// known gives the reported addresses of the pods that exist.
func (a *attachments) known(pods []*corev1.Pod) map[netip.Addr]types.UID {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	found := map[netip.Addr]types.UID{}
	for _, pod := range pods {
		request, reported := a.byPod[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}]
		if reported && request.UID == uidOf(pod) {
			found[request.Address] = pod.UID
		}
	}
	return found
}

// Listen opens the unix socket for the network plugin. Requests wait in it until the controller runs.
func Listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("socket for the network plugin: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("socket for the network plugin: %w", err)
	}
	return listener, nil
}

// serve answers the network plugin: a pod whose sandbox was just given an address may start when its rules are in force.
func (c *Controller) serve(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("socket for the network plugin: %w", err)
		}
		go c.answer(ctx, connection)
	}
}

func (c *Controller) answer(ctx context.Context, connection net.Conn) {
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	var request attach.Request
	reply := attach.Reply{}
	err := json.NewDecoder(connection).Decode(&request)
	if errors.Is(err, io.EOF) {
		return // somebody only looked whether we are here
	}
	if err == nil {
		err = c.attach(ctx, request)
	}
	if err != nil {
		reply.Error = err.Error()
		c.log.Warn("pod's network not secured", "namespace", request.Namespace, "pod", request.Name, "error", err)
	}
	if err := json.NewEncoder(connection).Encode(reply); err != nil {
		c.log.Warn("network plugin went away", "namespace", request.Namespace, "pod", request.Name, "error", err)
	}
}

// attach records what happened to a sandbox and, for a new one, waits until the rules for it are in force.
func (c *Controller) attach(ctx context.Context, request attach.Request) error {
	if request.Removed {
		c.given.remove(request)
		c.loop.ask()
		return nil
	}
	if err := c.seen(ctx, request); err != nil {
		return err
	}
	c.given.add(request)
	return c.loop.wait(ctx, c.loop.ask())
}

// seen waits until the caches know the pod and its namespace.
func (c *Controller) seen(ctx context.Context, request attach.Request) error {
	for {
		pod, podErr := c.pods.Pods(request.Namespace).Get(request.Name)
		_, namespaceErr := c.spaces.Get(request.Namespace)
		if podErr == nil && namespaceErr == nil && uidOf(pod) == request.UID {
			return nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the API server does not show the pod (uid %s): %w", request.UID, errors.Join(podErr, namespaceErr, ctx.Err()))
		}
	}
}
