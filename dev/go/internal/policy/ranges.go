// Package policy turns networking.k8s.io/v1 NetworkPolicy objects into one nftables table and keeps it in force.
//
// Compile decides and Render writes the table's text, both pure; Controller does the watching and the applying.
package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
)

// addressRange is a closed interval of IPv4 addresses.
type addressRange struct{ first, last netip.Addr }

// portRange is a closed interval of ports.
type portRange struct{ first, last uint16 }

var everyPort = portRange{0, 65535}

func singleAddress(address netip.Addr) addressRange { return addressRange{address, address} }

func (r addressRange) contains(address netip.Addr) bool {
	return r.first.Compare(address) <= 0 && address.Compare(r.last) <= 0
}

func (r addressRange) String() string {
	if r.first == r.last {
		return r.first.String()
	}
	return r.first.String() + "-" + r.last.String()
}

func (r portRange) String() string {
	if r.first == r.last {
		return fmt.Sprint(r.first)
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// prefixRange gives the first and last address of an IPv4 prefix.
func prefixRange(prefix netip.Prefix) addressRange {
	first := prefix.Masked().Addr()
	bytes := first.As4()
	for bit := prefix.Bits(); bit < 32; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	return addressRange{first, netip.AddrFrom4(bytes)}
}

// blockRanges is an ipBlock's addresses less its exceptions. An IPv6 block has none: the cluster's pods have IPv4 addresses only.
func blockRanges(block *networkingv1.IPBlock) ([]addressRange, error) {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return nil, fmt.Errorf("ipBlock.cidr: %w", err)
	}
	if !prefix.Addr().Is4() {
		return nil, nil
	}
	remaining := []addressRange{prefixRange(prefix)}
	for _, text := range block.Except {
		except, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("ipBlock.except: %w", err)
		}
		if except.Addr().Is4() {
			remaining = subtract(remaining, prefixRange(except))
		}
	}
	return remaining, nil
}

// subtract cuts hole out of each range.
func subtract(ranges []addressRange, hole addressRange) []addressRange {
	var kept []addressRange
	for _, r := range ranges {
		if hole.last.Less(r.first) || r.last.Less(hole.first) {
			kept = append(kept, r)
			continue
		}
		if r.first.Less(hole.first) {
			kept = append(kept, addressRange{r.first, hole.first.Prev()})
		}
		if hole.last.Less(r.last) {
			kept = append(kept, addressRange{hole.last.Next(), r.last})
		}
	}
	return kept
}

// mergeAddresses sorts ranges and joins those that overlap or touch; nftables refuses overlapping intervals.
func mergeAddresses(ranges []addressRange) []addressRange {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b addressRange) int { return a.first.Compare(b.first) })
	var merged []addressRange
	for _, next := range sorted {
		if len(merged) > 0 {
			previous := &merged[len(merged)-1]
			if after := previous.last.Next(); !after.IsValid() || next.first.Compare(after) <= 0 {
				if previous.last.Less(next.last) {
					previous.last = next.last
				}
				continue
			}
		}
		merged = append(merged, next)
	}
	return merged
}

// mergePorts sorts ranges and joins those that overlap or touch.
func mergePorts(ranges []portRange) []portRange {
	sorted := slices.SortedFunc(slices.Values(ranges), func(a, b portRange) int { return cmp.Compare(a.first, b.first) })
	var merged []portRange
	for _, next := range sorted {
		if len(merged) > 0 {
			previous := &merged[len(merged)-1]
			if int(next.first) <= int(previous.last)+1 {
				previous.last = max(previous.last, next.last)
				continue
			}
		}
		merged = append(merged, next)
	}
	return merged
}
