package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

const (
	node  = "node-1"
	web   = "10.244.0.10" // shop, app=web, port http=8080/TCP
	api   = "10.244.0.11" // shop, app=api, port http=9090/TCP, dns=53/UDP
	job   = "10.244.0.12" // shop, app=job
	guest = "10.244.0.20" // guests (team=guests), app=web
	afar  = "10.244.1.5"  // shop, app=api, on another node
	world = "192.0.2.7"
)

// policyOf reads a NetworkPolicy's spec; its namespace is shop.
func policyOf(t *testing.T, spec string) *networkingv1.NetworkPolicy {
	t.Helper()
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "tested"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &policy.Spec); err != nil {
		t.Fatalf("spec: %v\n%s", err, spec)
	}
	return policy
}

func podOf(namespace, name, address, on string, ports ...corev1.ContainerPort) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "/" + name), Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: on, Containers: []corev1.Container{{Ports: ports}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: address}}},
	}
}

func snapshotOf(policies ...*networkingv1.NetworkPolicy) Snapshot {
	return Snapshot{
		Node: node,
		Pods: []*corev1.Pod{
			podOf("shop", "web", web, node, corev1.ContainerPort{Name: "http", ContainerPort: 8080}),
			podOf("shop", "api", api, node, corev1.ContainerPort{Name: "http", ContainerPort: 9090},
				corev1.ContainerPort{Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}),
			podOf("shop", "job", job, node),
			podOf("guests", "web", guest, node, corev1.ContainerPort{Name: "http", ContainerPort: 8080}),
			podOf("shop", "api", afar, "node-2", corev1.ContainerPort{Name: "http", ContainerPort: 7070}),
		},
		Namespaces: []*corev1.Namespace{
			{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "shop"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "guests", Labels: map[string]string{"team": "guests"}}},
		},
		Policies: policies,
	}
}

// passes plays the rules for a connection to target, written "10.0.0.1:80/TCP"; without a port it is ICMP.
func passes(t *testing.T, rules ruleset, source, target string) bool {
	t.Helper()
	from := netip.MustParseAddr(source)
	host, rest, withPort := strings.Cut(target, ":")
	to := netip.MustParseAddr(host)
	var number uint16
	var protocol corev1.Protocol
	if withPort {
		if _, err := fmt.Sscanf(strings.Replace(rest, "/", " ", 1), "%d %s", &number, &protocol); err != nil {
			t.Fatalf("target %q: %v", target, err)
		}
	}
	for _, item := range rules.isolations {
		subject, peer := to, from
		if item.direction == egress {
			subject, peer = from, to
		}
		if item.address == subject && !anyMatches(item.rules, peer, protocol, number) {
			return false
		}
	}
	return true
}

func anyMatches(rules []allow, peer netip.Addr, protocol corev1.Protocol, number uint16) bool {
	for _, rule := range rules {
		peers, ports := rule.anyPeer, rule.anyPort
		for _, r := range rule.peers {
			peers = peers || r.contains(peer)
		}
		for _, r := range rule.ports[protocol] {
			ports = ports || (r.first <= number && number <= r.last)
		}
		if peers && ports {
			return true
		}
	}
	return false
}

func TestSemantics(t *testing.T) {
	for _, test := range []struct {
		name   string
		specs  []string
		passes []string // "source target"
		drops  []string
	}{
		{
			name:   "without a policy everything passes",
			passes: []string{guest + " " + web + ":80/TCP", world + " " + web + ":80/TCP", web + " " + world},
		},
		{
			name:   "policyTypes default to Ingress when there are no egress rules",
			specs:  []string{`podSelector: {matchLabels: {app: web}}`},
			passes: []string{web + " " + api + ":1/TCP", web + " " + world + ":443/TCP"},
			drops:  []string{api + " " + web + ":8080/TCP", guest + " " + web, world + " " + web + ":8080/TCP"},
		},
		{
			name:   "policyTypes default to both when there are egress rules",
			specs:  []string{`{podSelector: {matchLabels: {app: web}}, egress: [{to: [{podSelector: {matchLabels: {app: api}}}]}]}`},
			passes: []string{web + " " + api + ":1/TCP", web + " " + afar + ":1/UDP", web + " " + api},
			drops:  []string{web + " " + job + ":1/TCP", api + " " + web + ":8080/TCP"},
		},
		{
			name:   "policyTypes Egress alone leaves ingress open",
			specs:  []string{`{podSelector: {}, policyTypes: [Egress]}`},
			passes: []string{guest + " " + web + ":8080/TCP"},
			drops:  []string{web + " " + api + ":9090/TCP", web + " " + guest + ":8080/TCP", web + " " + world + ":443/TCP"},
		},
		{
			name:   "an empty rule opens everything",
			specs:  []string{`{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`},
			passes: []string{guest + " " + web + ":8080/TCP", web + " " + world, world + " " + web + ":1/SCTP"},
		},
		{
			name:   "an empty from with ports opens the ports to everybody",
			specs:  []string{`{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}`},
			passes: []string{world + " " + web + ":80/TCP", guest + " " + web + ":80/TCP"},
			drops:  []string{world + " " + web + ":81/TCP", world + " " + web + ":80/UDP", world + " " + web},
		},
		{
			name:   "a podSelector alone means the policy's own namespace",
			specs:  []string{`{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`},
			passes: []string{web + " " + api + ":9090/TCP"},
			drops:  []string{guest + " " + api + ":9090/TCP", job + " " + api + ":9090/TCP"},
		},
		{
			name:   "a namespaceSelector alone means all pods of the namespaces",
			specs:  []string{`{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: guests}}}]}]}`},
			passes: []string{guest + " " + api + ":9090/TCP"},
			drops:  []string{web + " " + api + ":9090/TCP"},
		},
		{
			name: "both selectors in one peer must match, in two peers one is enough",
			specs: []string{`
podSelector: {matchLabels: {app: api}}
ingress:
- from: [{namespaceSelector: {matchLabels: {team: guests}}, podSelector: {matchLabels: {app: job}}}]
  ports: [{port: 1}]
- from: [{namespaceSelector: {matchLabels: {team: guests}}}, {podSelector: {matchLabels: {app: job}}}]
  ports: [{port: 2}]`},
			passes: []string{guest + " " + api + ":2/TCP", job + " " + api + ":2/TCP"},
			drops:  []string{guest + " " + api + ":1/TCP", job + " " + api + ":1/TCP", web + " " + api + ":2/TCP"},
		},
		{
			name:   "an empty namespaceSelector means all pods, but nothing outside",
			specs:  []string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`},
			passes: []string{guest + " " + web + ":1/TCP", afar + " " + web + ":1/TCP"},
			drops:  []string{world + " " + web + ":1/TCP"},
		},
		{
			name:   "matchExpressions",
			specs:  []string{`{podSelector: {matchExpressions: [{key: app, operator: In, values: [web, job]}]}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [job]}]}}]}]}`},
			passes: []string{api + " " + web + ":1/TCP", guest + " " + api + ":1/TCP"},
			drops:  []string{job + " " + web + ":1/TCP", guest + " " + web + ":1/TCP"},
		},
		{
			name: "ipBlock with except",
			specs: []string{`{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [10.244.0.12/32, 10.244.1.0/24]}}]}],
egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.0.2.0/24]}}]}]}`},
			passes: []string{guest + " " + web + ":1/TCP", web + " 198.51.100.1:443/TCP", web + " " + api + ":1/TCP"},
			drops:  []string{job + " " + web + ":1/TCP", afar + " " + web + ":1/TCP", web + " " + world + ":443/TCP"},
		},
		{
			name:   "an IPv6 block opens nothing here",
			specs:  []string{`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`},
			passes: nil,
			drops:  []string{guest + " " + web + ":1/TCP"},
		},
		{
			name:   "a named ingress port is the selected pod's",
			specs:  []string{`{podSelector: {}, ingress: [{ports: [{port: http}]}]}`},
			passes: []string{guest + " " + web + ":8080/TCP", guest + " " + api + ":9090/TCP"},
			drops:  []string{guest + " " + web + ":9090/TCP", guest + " " + api + ":8080/TCP", guest + " " + job + ":8080/TCP", guest + " " + web + ":8080/UDP"},
		},
		{
			name:   "a named port of another protocol is another port",
			specs:  []string{`{podSelector: {}, ingress: [{ports: [{port: dns, protocol: UDP}, {port: dns, protocol: TCP}]}]}`},
			passes: []string{guest + " " + api + ":53/UDP"},
			drops:  []string{guest + " " + api + ":53/TCP", guest + " " + web + ":53/UDP"},
		},
		{
			name:   "a named egress port is each target's",
			specs:  []string{`{podSelector: {matchLabels: {app: job}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}, {port: 1}]}]}`},
			passes: []string{job + " " + web + ":8080/TCP", job + " " + api + ":9090/TCP", job + " " + afar + ":7070/TCP", job + " " + web + ":1/TCP"},
			drops:  []string{job + " " + web + ":9090/TCP", job + " " + guest + ":8080/TCP", job + " " + world + ":8080/TCP"},
		},
		{
			name:   "a named egress port without peers, and with a block, is that of the pods there",
			specs:  []string{`{podSelector: {matchLabels: {app: job}}, egress: [{ports: [{port: http}]}]}`, `{podSelector: {matchLabels: {app: api}}, egress: [{to: [{ipBlock: {cidr: 10.244.0.0/28}}], ports: [{port: http}]}]}`},
			passes: []string{job + " " + guest + ":8080/TCP", job + " " + afar + ":7070/TCP", afar + " " + guest + ":1/TCP"},
			drops:  []string{job + " " + world + ":8080/TCP", api + " " + guest + ":8080/TCP", api + " " + web + ":1/TCP"},
		},
		{
			name:   "endPort",
			specs:  []string{`{podSelector: {}, ingress: [{ports: [{port: 8000, endPort: 8010}, {port: 8005, endPort: 8020}, {port: 9000, protocol: UDP, endPort: 65535}]}]}`},
			passes: []string{guest + " " + web + ":8000/TCP", guest + " " + web + ":8015/TCP", guest + " " + web + ":8020/TCP", guest + " " + web + ":65535/UDP"},
			drops:  []string{guest + " " + web + ":7999/TCP", guest + " " + web + ":8021/TCP", guest + " " + web + ":8999/UDP", guest + " " + web + ":9000/TCP"},
		},
		{
			name:   "a protocol without a port is all its ports",
			specs:  []string{`{podSelector: {}, ingress: [{ports: [{protocol: SCTP}, {protocol: UDP, port: 5}]}]}`},
			passes: []string{guest + " " + web + ":7/SCTP", guest + " " + web + ":5/UDP"},
			drops:  []string{guest + " " + web + ":7/TCP", guest + " " + web + ":7/UDP", guest + " " + web},
		},
		{
			name: "several policies add up, and both ends must agree",
			specs: []string{
				`{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
				`{podSelector: {}, ingress: [{ports: [{port: 5}]}]}`,
				`{podSelector: {matchLabels: {app: web}}, egress: [{ports: [{port: 5}]}]}`,
			},
			passes: []string{web + " " + api + ":5/TCP", guest + " " + api + ":5/TCP", afar + " " + job + ":5/TCP"},
			drops:  []string{web + " " + api + ":6/TCP", guest + " " + api + ":6/TCP"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var policies []*networkingv1.NetworkPolicy
			for _, spec := range test.specs {
				policies = append(policies, policyOf(t, spec))
			}
			rules, problems := compile(snapshotOf(policies...))
			if len(problems) > 0 {
				t.Fatalf("problems: %v", problems)
			}
			check := func(pairs []string, wanted bool) {
				for _, pair := range pairs {
					source, target, _ := strings.Cut(pair, " ")
					if got := passes(t, rules, source, target); got != wanted {
						t.Errorf("%s -> %s: passes %v, wanted %v", source, target, got, wanted)
					}
				}
			}
			check(test.passes, true)
			check(test.drops, false)
		})
	}
}

func TestOnlyPodsOfThisNodeWithAnAddressOfTheirOwnAreFiltered(t *testing.T) {
	snapshot := snapshotOf(policyOf(t, `podSelector: {}`))
	done := podOf("shop", "done", "10.244.0.30", node)
	done.Status.Phase = corev1.PodSucceeded
	host := podOf("shop", "host", "10.244.0.1", node)
	host.Spec.HostNetwork = true
	young := podOf("shop", "young", "", node)
	young.Status.PodIPs = nil
	snapshot.Pods = append(snapshot.Pods, done, host, young)
	rules, _ := compile(snapshot)
	var isolated []string
	for _, item := range rules.isolations {
		isolated = append(isolated, item.address.String())
	}
	if got, wanted := strings.Join(isolated, " "), strings.Join([]string{web, api, job}, " "); got != wanted {
		t.Errorf("isolated: %s, wanted %s", got, wanted)
	}
}

func TestAnAttachmentCountsBeforeAndAboveTheStatus(t *testing.T) {
	snapshot := snapshotOf(policyOf(t, `podSelector: {matchLabels: {app: young}}`))
	young := podOf("shop", "young", "", node)
	young.Status.PodIPs = nil
	stale := podOf("shop", "stale", "10.244.0.40", node) // its status still shows the address that young has now
	snapshot.Pods = append(snapshot.Pods, young, stale)
	snapshot.Attachments = map[netip.Addr]types.UID{netip.MustParseAddr("10.244.0.40"): young.UID}
	rules, _ := compile(snapshot)
	if passes(t, rules, web, "10.244.0.40:1/TCP") {
		t.Error("a pod whose status has no address yet is not isolated at the address it was given")
	}
}

func TestOfTwoPodsWithOneAddressTheNewerHoldsIt(t *testing.T) {
	old, fresh := podOf("shop", "old", "10.244.0.50", node), podOf("shop", "fresh", "10.244.0.50", node)
	old.DeletionTimestamp = &metav1.Time{}
	for _, order := range [][]*corev1.Pod{{old, fresh}, {fresh, old}} {
		found := workloads(Snapshot{Node: node, Pods: order})
		if len(found) != 1 || found[0].name != "fresh" {
			t.Errorf("holders: %+v, wanted fresh alone", found)
		}
	}
}

func TestWhatCannotBeUnderstoodOpensNothingAndIsReported(t *testing.T) {
	policy := policyOf(t, `{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: nonsense}}]}, {ports: [{port: 80}]}]}`)
	rules, problems := compile(snapshotOf(policy))
	if len(problems) == 0 || !strings.Contains(problems[0].Error(), "shop/tested") {
		t.Errorf("problems %v do not name the policy", problems)
	}
	if passes(t, rules, guest, web+":81/TCP") || !passes(t, rules, guest, web+":80/TCP") {
		t.Error("a broken rule changes what the others say")
	}
}
