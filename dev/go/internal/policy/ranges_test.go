package policy

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

func TestBlockRanges(t *testing.T) {
	for _, test := range []struct {
		cidr   string
		except []string
		wanted string
	}{
		{"10.0.0.0/8", nil, "10.0.0.0-10.255.255.255"},
		{"10.0.0.7/24", nil, "10.0.0.0-10.0.0.255"},
		{"10.0.0.7/32", nil, "10.0.0.7"},
		{"0.0.0.0/0", []string{"10.0.0.0/8"}, "0.0.0.0-9.255.255.255, 11.0.0.0-255.255.255.255"},
		{"10.0.0.0/24", []string{"10.0.0.0/25"}, "10.0.0.128-10.0.0.255"},
		{"10.0.0.0/24", []string{"10.0.0.128/25"}, "10.0.0.0-10.0.0.127"},
		{"10.0.0.0/24", []string{"10.0.0.4/30", "10.0.0.6/32", "10.0.0.255/32"}, "10.0.0.0-10.0.0.3, 10.0.0.8-10.0.0.254"},
		{"10.0.0.0/24", []string{"10.0.0.0/24"}, ""},
		{"10.0.0.0/24", []string{"192.168.0.0/16"}, "10.0.0.0-10.0.0.255"},
		{"fd00::/8", nil, ""},
	} {
		got, err := blockRanges(&networkingv1.IPBlock{CIDR: test.cidr, Except: test.except})
		if err != nil || joined(got) != test.wanted {
			t.Errorf("%s except %v: %s (%v), wanted %s", test.cidr, test.except, joined(got), err, test.wanted)
		}
	}
}

func TestMergeAddresses(t *testing.T) {
	ranges, err := blockRanges(&networkingv1.IPBlock{CIDR: "0.0.0.0/0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cidr := range []string{"255.255.255.0/24", "10.0.0.0/8"} {
		more, err := blockRanges(&networkingv1.IPBlock{CIDR: cidr})
		if err != nil {
			t.Fatal(err)
		}
		ranges = append(ranges, more...)
	}
	if got := joined(mergeAddresses(ranges)); got != "0.0.0.0-255.255.255.255" {
		t.Errorf("overlapping blocks: %s", got)
	}
	touching := append(mustRanges(t, "10.0.0.8/29"), mustRanges(t, "10.0.0.0/29")...)
	if got := joined(mergeAddresses(touching)); got != "10.0.0.0-10.0.0.15" {
		t.Errorf("touching blocks: %s", got)
	}
}

func TestMergePorts(t *testing.T) {
	got := joined(mergePorts([]portRange{{90, 100}, {80, 80}, {81, 89}, {65535, 65535}, {95, 96}}))
	if wanted := "80-100, 65535"; got != wanted {
		t.Errorf("%s, wanted %s", got, wanted)
	}
}

func mustRanges(t *testing.T, cidr string) []addressRange {
	t.Helper()
	ranges, err := blockRanges(&networkingv1.IPBlock{CIDR: cidr})
	if err != nil {
		t.Fatal(err)
	}
	return ranges
}
