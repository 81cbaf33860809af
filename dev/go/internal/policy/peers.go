package policy

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
)

// peerSet is what the from or to of one rule comes to.
type peerSet struct {
	any       bool
	addresses []addressRange
}

// resolve finds the peers of a rule written in a namespace. An empty list is everybody.
func (c compiler) resolve(namespace string, peers []networkingv1.NetworkPolicyPeer) (peerSet, error) {
	set := peerSet{any: len(peers) == 0}
	for _, peer := range peers {
		if peer.IPBlock != nil {
			ranges, err := blockRanges(peer.IPBlock)
			if err != nil {
				return peerSet{}, err
			}
			set.addresses = append(set.addresses, ranges...)
			continue
		}
		for _, candidate := range c.workloads {
			selected, err := c.selects(namespace, peer, candidate)
			if err != nil {
				return peerSet{}, err
			}
			if selected {
				set.addresses = append(set.addresses, singleAddress(candidate.address))
			}
		}
	}
	set.addresses = mergeAddresses(set.addresses)
	return set, nil
}

// selects tells whether a peer's selectors match: its namespace's labels (without a selector: the policy's own namespace) and its own.
func (c compiler) selects(namespace string, peer networkingv1.NetworkPolicyPeer, candidate workload) (bool, error) {
	if peer.NamespaceSelector == nil {
		if candidate.namespace != namespace {
			return false, nil
		}
	} else if matched, err := matches(peer.NamespaceSelector, c.namespaces[candidate.namespace]); err != nil || !matched {
		return false, prefixed("namespaceSelector", err)
	}
	if peer.PodSelector == nil {
		return true, nil
	}
	matched, err := matches(peer.PodSelector, candidate.labels)
	return matched, prefixed("podSelector", err)
}

func prefixed(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", field, err)
}

// includes tells whether a pod is in the set, by selector or, as every address, by block.
func (s peerSet) includes(candidate workload) bool {
	return s.any || slices.ContainsFunc(s.addresses, func(r addressRange) bool { return r.contains(candidate.address) })
}
