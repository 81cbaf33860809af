"""The configuration files of the components, as pure functions of a node and what was built."""

import json
from typing import Any

from dharma_dev import paths
from dharma_dev.build import POLICY_PLUGIN
from dharma_dev.node import Node

# Users of the cluster's own components: their reads are of no interest in the audit log, nor is what they write in passing.
COMPONENT_USERS = [
    "system:apiserver",
    "system:kube-controller-manager",
    "system:kube-scheduler",
    "system:kube-proxy",
    "dev.dharma.io:agent",
]
IN_PASSING = [{"group": "coordination.k8s.io", "resources": ["leases"]}, {"group": "", "resources": ["events"]}, {"group": "events.k8s.io"}]
NETWORK_NAME = "iac-dharma-dev"
READS = ["get", "list", "watch"]


def as_json(content: dict[str, Any]) -> str:
    """Return a configuration as text; every component reads JSON where YAML is usual."""
    return json.dumps(content, indent=2) + "\n"


def audit_policy() -> dict[str, Any]:
    """Log every write, and the reads of people and operators, with metadata only: who, what, when, by which user agent."""
    by_components = [{"users": COMPONENT_USERS}, {"userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]}]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["*"]},
            *({"level": "None", "verbs": READS, **who} for who in by_components),
            *({"level": "None", "resources": IN_PASSING, **who} for who in by_components),
            {"level": "Metadata"},
        ],
    }


def kubelet(node: Node) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(paths.PKI / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(paths.PKI / f"kubelet-serving-{node.name}.crt"),
        "tlsPrivateKeyFile": str(paths.PKI / f"kubelet-serving-{node.name}.key"),
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        # The runtime cannot lower a score without CAP_SYS_RESOURCE, and a quota on ephemeral storage needs a file system that has them.
        "localStorageCapacityIsolation": False,
        "clusterDomain": paths.CLUSTER_DOMAIN,
        "clusterDNS": [paths.DNS_SERVICE_ADDRESS],
        # A development machine may well be full: neither evict pods nor collect images that no registry could give back.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        # Another kubelet's iptables chains are of no use here, and would be left behind.
        "makeIPTablesUtilChains": False,
        "podLogsDir": str(node.pod_logs),
        "volumePluginDir": str(node.folder / "volume-plugins"),
        "maxPods": 200,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "healthzBindAddress": "127.0.0.1",
        "shutdownGracePeriod": "0s",
    }


def kube_proxy(node: Node, kubeconfig: str) -> dict[str, Any]:
    """kube-proxy's configuration. Node ports are open on the node's own address only, not on the machine's."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig},
        "mode": "nftables",
        "clusterCIDR": paths.CLUSTER_CIDR,
        "hostnameOverride": node.name,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [f"{node.address}/32"],
        "conntrack": {"maxPerCore": 0, "min": 0},
    }


def network(node: Node) -> dict[str, Any]:
    """Return the CNI configuration: one bridge, addresses from the node's range, no masquerading: pods reach the cluster only."""
    bridge = {
        "type": "bridge",
        "bridge": node.bridge,
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(node.pod_addresses),
            "ranges": [[{"subnet": node.pod_cidr, "gateway": node.address}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    # A pod starts only when its network policies are in force.
    policy = {"type": POLICY_PLUGIN, "socket": str(node.agent_socket)}
    return {"cniVersion": "1.0.0", "name": NETWORK_NAME, "plugins": [bridge, policy]}


def containerd(node: Node, sandbox_image: str, runc: str) -> str:
    """Return the configuration of containerd: all of it within the node's folder."""
    return f"""\
version = 3
root = "{node.containerd_root}"
state = "{node.containerd_state}"

[grpc]
  address = "{node.containerd_socket}"

[plugins."io.containerd.nri.v1.nri"]
  disable = true

[plugins."io.containerd.internal.v1.opt"]
  path = "{node.folder}/opt"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{sandbox_image}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE a score cannot be lowered below containerd's own.
  restrict_oom_score_adj = true
  # Pods' network namespaces stay out of /run/netns: `ip netns` and podman remount that folder, and pods could then not be removed.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{paths.BIN}"]
    conf_dir = "{node.network_config}"
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
        SystemdCgroup = false
"""


COREFILE = f"""\
.:53 {{
    errors
    health {{
        lameduck 2s
    }}
    ready
    kubernetes {paths.CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
        pods insecure
        ttl 5
    }}
    cache 30 {{
        disable success {paths.CLUSTER_DOMAIN}
        disable denial {paths.CLUSTER_DOMAIN}
    }}
    reload
}}
"""
