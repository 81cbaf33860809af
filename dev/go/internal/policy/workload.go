package policy

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// port is one protocol and number.
type port struct {
	protocol corev1.Protocol
	number   uint16
}

// workload is a pod as policies see it: running, with an address of its own.
type workload struct {
	namespace string
	name      string
	labels    map[string]string
	address   netip.Addr
	// named maps protocol and port name to a number.
	named map[namedPort]uint16
	// local pods are those whose own traffic is filtered here.
	local bool
}

type namedPort struct {
	protocol corev1.Protocol
	name     string
}

// workloads lists the pods that policies can select, one an address, in the order of addresses.
func workloads(snapshot Snapshot) []workload {
	given := map[types.UID]netip.Addr{}
	for address, uid := range snapshot.Attachments {
		given[uid] = address
	}
	holders := map[netip.Addr]*corev1.Pod{}
	for _, pod := range snapshot.Pods {
		if pod.Spec.HostNetwork || terminated(pod) {
			continue
		}
		address, attached := given[pod.UID]
		if !attached {
			address = statusAddress(pod)
		}
		if uid, known := snapshot.Attachments[address]; !address.IsValid() || (known && uid != pod.UID) {
			continue // has no address yet, or another pod has it since
		}
		if holder, taken := holders[address]; !taken || newer(pod, holder) {
			holders[address] = pod
		}
	}
	var found []workload
	for address, pod := range holders {
		found = append(found, podWorkload(pod, address, pod.Spec.NodeName == snapshot.Node))
	}
	slices.SortFunc(found, func(a, b workload) int { return a.address.Compare(b.address) })
	return found
}

// statusAddress is the IPv4 address in the pod's status, invalid while there is none.
func statusAddress(pod *corev1.Pod) netip.Addr {
	for _, podIP := range pod.Status.PodIPs {
		if address, err := netip.ParseAddr(podIP.IP); err == nil && address.Is4() {
			return address
		}
	}
	return netip.Addr{}
}

func terminated(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// newer tells which of two pods that claim one address holds it now.
func newer(a, b *corev1.Pod) bool {
	if (a.DeletionTimestamp == nil) != (b.DeletionTimestamp == nil) {
		return a.DeletionTimestamp == nil
	}
	return b.CreationTimestamp.Before(&a.CreationTimestamp)
}

func podWorkload(pod *corev1.Pod, address netip.Addr, local bool) workload {
	named := map[namedPort]uint16{}
	for _, container := range slices.Concat(sidecars(pod), pod.Spec.Containers) {
		for _, declared := range container.Ports {
			if declared.Name != "" {
				named[namedPort{protocolOrTCP(&declared.Protocol), declared.Name}] = uint16(declared.ContainerPort)
			}
		}
	}
	return workload{
		namespace: pod.Namespace, name: pod.Name, labels: pod.Labels, address: address, named: named, local: local,
	}
}

// sidecars are the init containers that run as long as the pod.
func sidecars(pod *corev1.Pod) []corev1.Container {
	return slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), func(container corev1.Container) bool {
		return container.RestartPolicy == nil || *container.RestartPolicy != corev1.ContainerRestartPolicyAlways
	})
}

func protocolOrTCP(protocol *corev1.Protocol) corev1.Protocol {
	if protocol == nil || *protocol == "" {
		return corev1.ProtocolTCP
	}
	return *protocol
}
