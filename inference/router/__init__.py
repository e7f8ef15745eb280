"""The weighted local router: stands where an HTTPRoute stands on a cluster, with the same header and random split."""
