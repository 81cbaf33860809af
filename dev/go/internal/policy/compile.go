package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Snapshot is everything that the rules depend on, at one instant.
type Snapshot struct {
	// Node is the name of the node whose pods are filtered; the pods of others are only peers.
	Node       string
	Pods       []*corev1.Pod
	Namespaces []*corev1.Namespace
	Policies   []*networkingv1.NetworkPolicy
	// Attachments are the addresses that pods were given, known before their status shows them.
	Attachments map[netip.Addr]types.UID
}

// direction of a connection, as seen from the pod that a policy selects.
type direction string

const (
	ingress direction = "in"
	egress  direction = "out"
)

// allow lets through what matches both its peers and its ports.
type allow struct {
	policy  string // namespace/name, shown beside the rule
	anyPeer bool
	peers   []addressRange
	anyPort bool // every port of every protocol, and the protocols that have none
	ports   map[corev1.Protocol][]portRange
}

// isolation is what one pod's connections of one direction are checked against: what none of the rules allows is dropped.
type isolation struct {
	address   netip.Addr
	direction direction
	rules     []allow
}

// ruleset is the whole decision: one isolation for each local pod and direction that a policy selects.
type ruleset struct {
	isolations []isolation
}

// compiler holds a snapshot, indexed.
type compiler struct {
	workloads  []workload
	namespaces map[string]labels.Set
}

// compile decides what every local pod may be reached by and may reach. A policy that cannot be understood opens nothing;
// the problems are returned beside the rules.
func compile(snapshot Snapshot) (ruleset, []error) {
	c := compiler{workloads: workloads(snapshot), namespaces: map[string]labels.Set{}}
	for _, namespace := range snapshot.Namespaces {
		c.namespaces[namespace.Name] = namespace.Labels
	}
	policies := slices.SortedFunc(slices.Values(snapshot.Policies), func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	var result ruleset
	var problems []error
	for _, subject := range c.workloads {
		if !subject.local {
			continue
		}
		for _, way := range []direction{ingress, egress} {
			isolated, rules, errs := c.isolate(subject, way, policies)
			problems = append(problems, errs...)
			if isolated {
				result.isolations = append(result.isolations, isolation{subject.address, way, rules})
			}
		}
	}
	return result, problems
}

// isolate gathers the rules of all policies that select the pod for one direction.
func (c compiler) isolate(subject workload, way direction, policies []*networkingv1.NetworkPolicy) (isolated bool, rules []allow, problems []error) {
	for _, policy := range policies {
		if policy.Namespace != subject.namespace || !covers(policy, way) {
			continue
		}
		selects, err := matches(&policy.Spec.PodSelector, subject.labels)
		if err != nil {
			problems = append(problems, fmt.Errorf("NetworkPolicy %s/%s: podSelector: %w", policy.Namespace, policy.Name, err))
		}
		if !selects {
			continue
		}
		isolated = true
		for _, rule := range rulesOf(policy, way) {
			compiled, err := c.allows(subject, way, policy, rule)
			if err != nil {
				problems = append(problems, fmt.Errorf("NetworkPolicy %s/%s: %w", policy.Namespace, policy.Name, err))
			}
			rules = append(rules, compiled...)
		}
	}
	return isolated, rules, problems
}

// peerRule is an ingress or an egress rule: both have the same shape.
type peerRule struct {
	peers []networkingv1.NetworkPolicyPeer
	ports []networkingv1.NetworkPolicyPort
}

func rulesOf(policy *networkingv1.NetworkPolicy, way direction) []peerRule {
	var rules []peerRule
	if way == ingress {
		for _, rule := range policy.Spec.Ingress {
			rules = append(rules, peerRule{rule.From, rule.Ports})
		}
		return rules
	}
	for _, rule := range policy.Spec.Egress {
		rules = append(rules, peerRule{rule.To, rule.Ports})
	}
	return rules
}

// covers tells whether the policy isolates a direction: by its policyTypes, else ingress always and egress when it has egress rules.
func covers(policy *networkingv1.NetworkPolicy, way direction) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return way == ingress || len(policy.Spec.Egress) > 0
	}
	wanted := networkingv1.PolicyTypeIngress
	if way == egress {
		wanted = networkingv1.PolicyTypeEgress
	}
	return slices.Contains(policy.Spec.PolicyTypes, wanted)
}

// allows compiles one rule for one pod.
func (c compiler) allows(subject workload, way direction, policy *networkingv1.NetworkPolicy, rule peerRule) ([]allow, error) {
	peers, err := c.resolve(policy.Namespace, rule.peers)
	if err != nil {
		return nil, err
	}
	name := policy.Namespace + "/" + policy.Name
	if way == ingress {
		ports, anyPort := portsOf(subject, rule.ports)
		return nonEmpty(allow{policy: name, anyPeer: peers.any, peers: peers.addresses, anyPort: anyPort, ports: ports}), nil
	}
	return c.egressAllows(name, peers, rule.ports), nil
}

// egressAllows splits a rule in what holds for all its peers alike and, for named ports, what depends on the single peer.
func (c compiler) egressAllows(name string, peers peerSet, ports []networkingv1.NetworkPolicyPort) []allow {
	numeric, anyPort := portsOf(workload{}, ports)
	rules := nonEmpty(allow{policy: name, anyPeer: peers.any, peers: peers.addresses, anyPort: anyPort, ports: numeric})
	opened := map[port][]addressRange{}
	for _, peer := range c.workloads {
		if !peers.includes(peer) {
			continue
		}
		for _, number := range namedPorts(peer, ports) {
			opened[number] = append(opened[number], singleAddress(peer.address))
		}
	}
	order := func(a, b port) int {
		return cmp.Or(cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.number, b.number))
	}
	for _, number := range slices.SortedFunc(maps.Keys(opened), order) {
		rules = append(rules, allow{
			policy: name, peers: mergeAddresses(opened[number]),
			ports: map[corev1.Protocol][]portRange{number.protocol: {{number.number, number.number}}},
		})
	}
	return rules
}

// namedPorts resolves a rule's named ports on one peer.
func namedPorts(peer workload, ports []networkingv1.NetworkPolicyPort) []port {
	var found []port
	for _, wanted := range ports {
		if wanted.Port == nil || wanted.Port.Type != intstr.String {
			continue
		}
		protocol := protocolOrTCP(wanted.Protocol)
		if number, declared := peer.named[namedPort{protocol, wanted.Port.StrVal}]; declared {
			found = append(found, port{protocol, number})
		}
	}
	return found
}

// portsOf resolves ports against the pod that is connected to. Without any ports in the rule all are open.
func portsOf(target workload, ports []networkingv1.NetworkPolicyPort) (resolved map[corev1.Protocol][]portRange, anyPort bool) {
	if len(ports) == 0 {
		return nil, true
	}
	resolved = map[corev1.Protocol][]portRange{}
	for _, wanted := range ports {
		protocol := protocolOrTCP(wanted.Protocol)
		switch {
		case wanted.Port == nil:
			resolved[protocol] = append(resolved[protocol], everyPort)
		case wanted.Port.Type == intstr.String:
			if number, found := target.named[namedPort{protocol, wanted.Port.StrVal}]; found {
				resolved[protocol] = append(resolved[protocol], portRange{number, number})
			}
		default:
			last := wanted.Port.IntVal
			if wanted.EndPort != nil {
				last = *wanted.EndPort
			}
			resolved[protocol] = append(resolved[protocol], portRange{uint16(wanted.Port.IntVal), uint16(last)})
		}
	}
	for protocol, ranges := range resolved {
		resolved[protocol] = mergePorts(ranges)
	}
	return resolved, false
}

// nonEmpty drops a rule that can match nothing.
func nonEmpty(rule allow) []allow {
	if (!rule.anyPeer && len(rule.peers) == 0) || (!rule.anyPort && len(rule.ports) == 0) {
		return nil
	}
	return []allow{rule}
}

func matches(selector *metav1.LabelSelector, values labels.Set) (bool, error) {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return false, err
	}
	return parsed.Matches(values), nil
}
