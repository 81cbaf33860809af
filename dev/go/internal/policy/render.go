package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Table is the nftables table that this package owns; it touches no other.
const Table = "inet dharma-policy"

// bridge is the interface behind which all pods of the node are.
const bridge = "cni0"

// The base chains. Every packet of a connection is judged, in both directions, by who opened it and whom it reached: conntrack's original
// source, and the source of the reply, which is the pod behind a Service. So replies pass exactly as long as the connection is allowed, and
// one that was open when a policy came to forbid it is cut.
//
// What the node itself opens is never filtered: it comes by the output hook, and only replies to pods are judged there. ICMP errors belong to
// a connection and pass. The pods' network is IPv4; their link-local IPv6 addresses would be a way around the rules.
const baseChains = `	chain judge {
		meta l4proto icmp ct state related return
		ct original ip saddr . ct reply ip saddr @itself return
		ct original ip saddr vmap @out
		ct reply ip saddr vmap @in
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname "` + bridge + `" meta nfproto ipv6 drop
		ct state { invalid, untracked } ip saddr @isolated drop
		ct state { invalid, untracked } ip daddr @isolated drop
		jump judge
	}
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "` + bridge + `" meta nfproto ipv6 drop
		iifname "` + bridge + `" ct state { invalid, untracked } ip saddr @isolated drop
		iifname "` + bridge + `" meta l4proto icmp ct state related return
		iifname "` + bridge + `" ct original ip saddr vmap @out
	}
	chain output {
		type filter hook output priority filter; policy accept;
		oifname "` + bridge + `" meta l4proto icmp ct state related return
		oifname "` + bridge + `" ct direction reply ct original ip saddr vmap @out
	}
`

// render writes the ruleset as one nft transaction that replaces the table. Equal rulesets give equal text.
//
// A packet costs two map look-ups and the rules of its own two pods, however many pods and policies there are. Pods whose rules are equal
// share a chain, equal peers share a set; both are named by a hash of their content.
func render(rules ruleset) string {
	body := tableBody{sets: map[string]string{}, chains: map[string]string{}, jumps: map[direction][]string{}}
	var isolated, itself []string
	for _, item := range rules.isolations {
		body.isolate(item)
		if address := item.address.String(); !slices.Contains(isolated, address) {
			isolated = append(isolated, address)
			itself = append(itself, address+" . "+address)
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "add table %s\ndelete table %s\ntable %s {\n", Table, Table, Table)
	text.WriteString(block("set itself", "typeof ct original ip saddr . ct reply ip saddr", itself))
	text.WriteString(block("set isolated", "type ipv4_addr", isolated))
	for _, definitions := range []map[string]string{body.sets, body.chains} {
		for _, name := range slices.Sorted(maps.Keys(definitions)) {
			text.WriteString(definitions[name])
		}
	}
	for _, way := range []direction{ingress, egress} {
		text.WriteString(block("map "+string(way), "type ipv4_addr : verdict", body.jumps[way]))
	}
	text.WriteString(baseChains + "}\n")
	return text.String()
}

// tableBody collects definitions by name, and for each direction the map's elements.
type tableBody struct {
	sets   map[string]string
	chains map[string]string
	jumps  map[direction][]string
}

func (t *tableBody) isolate(item isolation) {
	var lines strings.Builder
	for _, rule := range item.rules {
		for _, match := range t.matches(item.direction, rule) {
			fmt.Fprintf(&lines, "\t\t%sreturn comment %q\n", match, comment(rule.policy))
		}
	}
	lines.WriteString("\t\tcounter drop\n")
	name := string(item.direction) + "-" + digest(lines.String())
	t.chains[name] = fmt.Sprintf("\tchain %s {\n%s\t}\n", name, lines.String())
	t.jumps[item.direction] = append(t.jumps[item.direction], fmt.Sprintf("%s : jump %s", item.address, name))
}

// matches are the conditions of one rule, one for each protocol that it names.
func (t *tableBody) matches(way direction, rule allow) []string {
	peer := ""
	if !rule.anyPeer {
		side := "ct original ip saddr"
		if way == egress {
			side = "ct reply ip saddr"
		}
		peer = fmt.Sprintf("%s @%s ", side, t.peerSet(rule.peers))
	}
	if rule.anyPort {
		return []string{peer}
	}
	var found []string
	for _, protocol := range slices.Sorted(maps.Keys(rule.ports)) {
		found = append(found, peer+portMatch(protocol, rule.ports[protocol]))
	}
	return found
}

func portMatch(protocol corev1.Protocol, ranges []portRange) string {
	match := "meta l4proto " + strings.ToLower(string(protocol)) + " "
	if len(ranges) == 1 && ranges[0] == everyPort {
		return match
	}
	return match + "ct reply proto-src { " + joined(ranges) + " } "
}

// peerSet defines the set of some addresses and gives its name.
func (t *tableBody) peerSet(ranges []addressRange) string {
	elements := strings.Split(joined(ranges), ", ")
	name := "peers-" + digest(strings.Join(elements, ","))
	t.sets[name] = block("set "+name, "type ipv4_addr; flags interval", elements)
	return name
}

// block is a set or map: its type, and its elements if it has any.
func block(head, kind string, elements []string) string {
	if len(elements) == 0 {
		return fmt.Sprintf("\t%s { %s; }\n", head, kind)
	}
	return fmt.Sprintf("\t%s { %s; elements = { %s }; }\n", head, kind, strings.Join(elements, ", "))
}

func joined[T fmt.Stringer](ranges []T) string {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}

// digest is short enough for a chain's name and long enough not to collide.
func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:8])
}

// comment shortens a policy's name to what nft takes (128 bytes with the final zero).
func comment(name string) string {
	const longest = 127
	return name[:min(len(name), longest)]
}
