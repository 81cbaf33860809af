// Command agent does for one node what a network plugin and a storage driver do elsewhere: it enforces NetworkPolicies and provisions volumes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/iac-dharma/iac-dharma/dev/go/internal/policy"
	"github.com/iac-dharma/iac-dharma/dev/go/internal/volumes"
)

// socketName is the file in the state folder at which the network plugin asks for a new pod's rules.
const socketName = "network.sock"

// accessRetry is the pause between two attempts to reach the API server.
const accessRetry = 200 * time.Millisecond

type options struct {
	kubeconfig, volumesRoot, stateDir, node string
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	chosen, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "dharma-agent:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err = run(ctx, chosen, log)
	switch {
	case ctx.Err() != nil:
		log.Info("the agent was stopped", "unfinished", err)
	case err != nil:
		log.Error("the agent ends", "error", err)
		os.Exit(1)
	}
}

func parse(arguments []string) (options, error) {
	var chosen options
	flags := flag.NewFlagSet("dharma-agent", flag.ContinueOnError)
	flags.StringVar(&chosen.kubeconfig, "kubeconfig", "", "file with the API server's address and credentials")
	flags.StringVar(&chosen.volumesRoot, "volumes-root", "", "folder of the volumes' files and mounts")
	flags.StringVar(&chosen.stateDir, "state-dir", "", "folder of the socket "+socketName+" for the network plugin")
	flags.StringVar(&chosen.node, "node", "", "name of the node this agent is for")
	if err := flags.Parse(arguments); err != nil {
		return chosen, err
	}
	var missing error
	flags.VisitAll(func(one *flag.Flag) {
		if one.Value.String() == "" {
			missing = errors.Join(missing, fmt.Errorf("--%s is needed: the %s", one.Name, one.Usage))
		}
	})
	return chosen, missing
}

// run does both jobs until the context ends or one of them fails.
func run(ctx context.Context, chosen options, log *slog.Logger) error {
	if err := os.MkdirAll(chosen.stateDir, 0o700); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", chosen.kubeconfig)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	config.UserAgent = "dharma-agent"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.QPS, config.Burst = 100, 200
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("kubeconfig: %w", err)
	}
	network, err := policy.New(client, chosen.node, log)
	if err != nil {
		return err
	}
	storage, err := volumes.New(client, chosen.node, chosen.volumesRoot, log)
	if err != nil {
		return err
	}
	plugin, err := policy.Listen(filepath.Join(chosen.stateDir, socketName))
	if err != nil {
		return err
	}
	defer plugin.Close()
	if err := access(ctx, client, log); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	finished := make(chan error, 2)
	go func() { finished <- network.Run(ctx, plugin) }()
	go func() { finished <- storage.Run(ctx) }()
	first := <-finished
	stop(first)
	return errors.Join(first, <-finished)
}

// access returns when the API server answers and lets the agent in: watches begun before that would be retried later and later.
func access(ctx context.Context, client kubernetes.Interface, log *slog.Logger) error {
	told := false
	for {
		_, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{Limit: 1})
		if err == nil {
			return nil
		}
		if !told {
			log.Info("waiting for the API server", "error", err)
			told = true
		}
		select {
		case <-time.After(accessRetry):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
