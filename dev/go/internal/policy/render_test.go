package policy

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const everyKindOfRule = `
podSelector: {}
policyTypes: [Ingress, Egress]
ingress:
- from: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
  ports: [{port: 80}, {port: 8000, endPort: 8010}, {port: http}, {protocol: UDP}, {protocol: SCTP, port: 5}]
- from: [{namespaceSelector: {}}]
egress:
- to: [{podSelector: {}}]
  ports: [{port: http}]
- ports: [{port: 53, protocol: UDP}]
- {}`

func TestRenderIsTheSameForTheSameState(t *testing.T) {
	snapshot := snapshotOf(policyOf(t, everyKindOfRule))
	rules, _ := compile(snapshot)
	first := render(rules)
	slices.Reverse(snapshot.Pods)
	slices.Reverse(snapshot.Namespaces)
	rules, _ = compile(snapshot)
	if again := render(rules); again != first {
		t.Errorf("another order gives another text:\n%s\n%s", first, again)
	}
}

func TestPodsWithEqualRulesShareAChain(t *testing.T) {
	rules, _ := compile(snapshotOf(policyOf(t, `{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`)))
	if got := strings.Count(render(rules), "chain in-"); got != 1 {
		t.Errorf("%d chains for pods with the same rules", got)
	}
}

func TestOneTransactionReplacesOnlyTheOwnTable(t *testing.T) {
	text := render(ruleset{})
	if !strings.HasPrefix(text, "add table "+Table+"\ndelete table "+Table+"\ntable "+Table+" {\n") {
		t.Errorf("the transaction begins with %q", text[:100])
	}
	if got := strings.Count(text, "table "); got != 3 {
		t.Errorf("%d statements on tables, wanted 3", got)
	}
}

// The kernel and nft have the last word on the text.
func TestNftAcceptsTheText(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for a network namespace of its own")
	}
	full, problems := compile(snapshotOf(policyOf(t, everyKindOfRule), policyOf(t, `podSelector: {}`)))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, rules := range map[string]ruleset{"empty": {}, "full": full} {
		command := exec.Command("unshare", "-n", "nft", "-f", "-")
		command.Stdin = strings.NewReader(render(rules) + render(rules))
		if output, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, output, render(rules))
		}
	}
}
