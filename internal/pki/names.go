package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// names are what the appliance is called by.
type names struct {
	dns       []string
	addresses []netip.Addr   // private ones and those of the machine itself
	networks  []netip.Prefix // that the addresses are in
}

// The machine itself, whatever network it is in.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}

const (
	maxNetworks  = 16 // that a certificate of the authority names
	maxAddresses = 16
)

// namesOf are the names of a host in the given networks.
func namesOf(host string, own []netip.Prefix) names {
	host = strings.ToLower(host)
	n := names{dns: []string{host + ".local", host}, networks: slices.Clone(loopback)}
	if host != "localhost" {
		n.dns = append(n.dns, "localhost")
	}
	for _, p := range loopback {
		n.addresses = append(n.addresses, p.Addr())
	}
	for _, p := range own {
		p = netip.PrefixFrom(p.Addr().Unmap().WithZone(""), p.Bits())
		if !private(p.Addr()) || slices.Contains(n.addresses, p.Addr()) || len(n.addresses) == maxAddresses {
			continue
		}
		n.addresses = append(n.addresses, p.Addr())
		if network := networkOf(p); !slices.Contains(n.networks, network) {
			n.networks = append(n.networks, network)
		}
	}
	slices.SortFunc(n.addresses, netip.Addr.Compare)
	return n
}

// private tells the addresses of a home from those of the internet.
func private(a netip.Addr) bool {
	return a.IsPrivate() || a.Is4() && a.IsLinkLocalUnicast()
}

// networkOf is the network of an address as far as it is reasonable that one
// home has it: a router that hands out 10.0.0.0/8 does not own all of it.
func networkOf(p netip.Prefix) netip.Prefix {
	least, whole := 16, 32
	if p.Addr().Is6() {
		least, whole = 48, 128
	}
	bits := p.Bits()
	if bits < 0 {
		bits = whole
	}
	return netip.PrefixFrom(p.Addr(), max(bits, least)).Masked()
}

// Addresses are the addresses of this machine's network interfaces that are up.
func Addresses() ([]netip.Prefix, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing the network interfaces: %w", err)
	}
	var out []netip.Prefix
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone meanwhile
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// permits says whether the authority's certificate lets it answer for an
// address.
func permits(ca *x509.Certificate, a netip.Addr) bool {
	return slices.ContainsFunc(permitted(ca), func(p netip.Prefix) bool { return p.Contains(a) })
}

// permitted are the networks in the authority's certificate.
func permitted(ca *x509.Certificate) (out []netip.Prefix) {
	for _, r := range ca.PermittedIPRanges {
		addr, ok := netip.AddrFromSlice(r.IP)
		ones, bits := r.Mask.Size()
		if ok && bits == addr.BitLen() {
			out = append(out, netip.PrefixFrom(addr, ones))
		}
	}
	return out
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
