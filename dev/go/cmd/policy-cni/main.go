// Command policy-cni is a chained CNI plugin that keeps a pod from starting before its network policies are in force.
//
// It stands after the plugin that gives the address, tells the agent which pod has it, and returns when the rules are there.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/iac-dharma/iac-dharma/dev/go/internal/attach"
)

// configuration is the plugin's entry in the network's list; Socket is the agent's.
type configuration struct {
	types.NetConf
	Socket string `json:"socket"`
}

// podArguments are what the container runtime says about the pod.
type podArguments struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString //nolint:revive // the names are the runtime's
	K8S_POD_NAME      types.UnmarshallableString //nolint:revive
	K8S_POD_UID       types.UnmarshallableString //nolint:revive
}

func main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: remove, Check: nothing, GC: nothing, Status: nothing},
		version.All, "policy-cni: waits for a pod's network policies")
}

func nothing(*skel.CmdArgs) error { return nil }

func add(arguments *skel.CmdArgs) error {
	config, result, err := parse(arguments)
	if err != nil {
		return err
	}
	request, err := requestOf(arguments)
	if err != nil {
		return err
	}
	request.Address, err = ipv4(result)
	if err != nil {
		return err
	}
	if err := attach.Send(config.Socket, request); err != nil {
		return err
	}
	return types.PrintResult(result, config.CNIVersion)
}

// remove must succeed even without the agent, or pods could not be deleted; the agent forgets the address when the pod is gone.
func remove(arguments *skel.CmdArgs) error {
	var config configuration
	if err := json.Unmarshal(arguments.StdinData, &config); err != nil {
		return fmt.Errorf("plugin configuration: %w", err)
	}
	attach.Notify(config.Socket, attach.Request{Removed: true, Sandbox: arguments.ContainerID})
	return nil
}

func parse(arguments *skel.CmdArgs) (configuration, *current.Result, error) {
	var config configuration
	if err := json.Unmarshal(arguments.StdinData, &config); err != nil {
		return config, nil, fmt.Errorf("plugin configuration: %w", err)
	}
	if err := version.ParsePrevResult(&config.NetConf); err != nil {
		return config, nil, fmt.Errorf("result of the plugin before: %w", err)
	}
	if config.PrevResult == nil {
		return config, nil, errors.New("policy-cni is chained: it must stand after the plugin that gives the address")
	}
	result, err := current.NewResultFromResult(config.PrevResult)
	return config, result, err
}

func requestOf(arguments *skel.CmdArgs) (attach.Request, error) {
	var pod podArguments
	if err := types.LoadArgs(arguments.Args, &pod); err != nil {
		return attach.Request{}, fmt.Errorf("arguments of the runtime: %w", err)
	}
	return attach.Request{
		Sandbox: arguments.ContainerID, Namespace: string(pod.K8S_POD_NAMESPACE), Name: string(pod.K8S_POD_NAME), UID: string(pod.K8S_POD_UID),
	}, nil
}

func ipv4(result *current.Result) (netip.Addr, error) {
	for _, given := range result.IPs {
		if address, valid := netip.AddrFromSlice(given.Address.IP.To4()); valid {
			return address, nil
		}
	}
	return netip.Addr{}, errors.New("the plugin before gave no IPv4 address")
}
