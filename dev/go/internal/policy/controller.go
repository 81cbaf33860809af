package policy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	networkinglisters "k8s.io/client-go/listers/networking/v1"
	"k8s.io/client-go/tools/cache"
)

// Controller keeps the table as the cluster's NetworkPolicies want it.
type Controller struct {
	node     string
	log      *slog.Logger
	pods     corelisters.PodLister
	spaces   corelisters.NamespaceLister
	policies networkinglisters.NetworkPolicyLister
	factory  informers.SharedInformerFactory
	given    *attachments
	loop     *loop
	applied  string
	at       time.Time
}

// New prepares a controller for the pods of one node; Run starts it.
func New(client kubernetes.Interface, node string, log *slog.Logger) (*Controller, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutManagedFields))
	controller := &Controller{
		node: node, log: log, factory: factory, given: newAttachments(),
		pods:     factory.Core().V1().Pods().Lister(),
		spaces:   factory.Core().V1().Namespaces().Lister(),
		policies: factory.Networking().V1().NetworkPolicies().Lister(),
	}
	controller.loop = newLoop(controller.apply)
	changed := func() { controller.loop.ask() }
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	}
	for _, informer := range []cache.SharedIndexInformer{
		factory.Core().V1().Pods().Informer(),
		factory.Core().V1().Namespaces().Informer(),
		factory.Networking().V1().NetworkPolicies().Informer(),
	} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return nil, fmt.Errorf("watch for network policy: %w", err)
		}
	}
	return controller, nil
}

// Run keeps the table in force and serves the network plugin until the context ends. The table stays when it returns: without the agent the
// last known rules hold.
func (c *Controller) Run(ctx context.Context, plugin net.Listener) error {
	if err := filterBridgedFrames(); err != nil {
		return err
	}
	c.factory.Start(ctx.Done())
	for kind, synced := range c.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("network policy: the agent was stopped before its cache of %v was filled", kind)
		}
	}
	c.loop.ask()
	go c.loop.start(ctx, func(err error) { c.log.Error("network policy not applied, retrying", "error", err) })
	return c.serve(ctx, plugin)
}

// apply compiles the caches' state and replaces the table if that changes it, or if it was last written a while ago.
func (c *Controller) apply() error {
	started := time.Now()
	snapshot, err := c.snapshot()
	if err != nil {
		return err
	}
	rules, problems := compile(snapshot)
	text := render(rules)
	if text == c.applied && time.Since(c.at) < refresh {
		return nil
	}
	if err := nft(text); err != nil {
		return err
	}
	if text != c.applied {
		c.log.Info("network policy applied", "pods", len(snapshot.Pods), "policies", len(snapshot.Policies),
			"isolations", len(rules.isolations), "took", time.Since(started).Round(time.Microsecond))
		if len(problems) > 0 {
			c.log.Error("rules that cannot be understood open nothing", "error", errors.Join(problems...))
		}
	}
	c.applied, c.at = text, time.Now()
	return nil
}

func (c *Controller) snapshot() (Snapshot, error) {
	everything := labels.Everything()
	pods, podsErr := c.pods.List(everything)
	namespaces, namespacesErr := c.spaces.List(everything)
	policies, policiesErr := c.policies.List(everything)
	return Snapshot{
		Node: c.node, Pods: pods, Namespaces: namespaces, Policies: policies, Attachments: c.given.known(pods),
	}, errors.Join(podsErr, namespacesErr, policiesErr)
}

// nft runs one transaction: all of it or nothing.
func nft(text string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(text)
	var complaint bytes.Buffer
	command.Stderr = &complaint
	if err := command.Run(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}

// filterBridgedFrames makes the kernel show frames between pods on the bridge to the rules; without it none would be seen.
func filterBridgedFrames() error {
	for _, name := range []string{"bridge-nf-call-iptables", "bridge-nf-call-ip6tables"} {
		if err := os.WriteFile("/proc/sys/net/bridge/"+name, []byte("1"), 0); err != nil {
			return fmt.Errorf("network policies cannot be enforced: sysctl net.bridge.%s (is the kernel module br_netfilter there?): %w", name, err)
		}
	}
	return nil
}

// uidOf is the identity that the kubelet passes to network plugins: a static pod's is the hash of its manifest.
func uidOf(pod *corev1.Pod) string {
	if hash, static := pod.Annotations[corev1.MirrorPodAnnotationKey]; static {
		return hash
	}
	return string(pod.UID)
}

// withoutManagedFields saves the caches the larger part of most objects.
func withoutManagedFields(object any) (any, error) {
	if accessor, err := meta.Accessor(object); err == nil {
		accessor.SetManagedFields(nil)
	}
	return object, nil
}
