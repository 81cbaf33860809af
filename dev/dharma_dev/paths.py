"""Where everything of the development cluster lives, and the few names and addresses that all its parts share.

One cluster a machine: its state is outside the checkout, so that every clone finds the same one. `DHARMA_DEV_STATE` names another
state folder; that is of use only in a network namespace of its own (the tests do so), as addresses and ports stay the same.
"""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
DEV_DIR = CHECKOUT / "dev"
GO_DIR = DEV_DIR / "go"

_MACHINE_STATE = Path("/var/lib/iac-dharma-dev")
STATE = Path(os.environ.get("DHARMA_DEV_STATE", _MACHINE_STATE))
# Links of this checkout to the machine's cluster; not in git.
LINKS_DIR = CHECKOUT / ".dev" if STATE == _MACHINE_STATE else STATE / "links"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "iac-dharma"
BUILD_CACHE = CACHE / "build"
WHEEL_CACHE = CACHE / "wheels"

LOCK = STATE / "lock"
# Links to every program of the cluster (kubectl, helm, ctr, containerd, kube-apiserver, ...): stable while versions change.
BIN = STATE / "bin"
PKI = STATE / "pki"
KUBECONFIGS = STATE / "kubeconfigs"
# Full rights on the cluster.
KUBECONFIG = KUBECONFIGS / "admin"
CONFIG = STATE / "config"
LOGS = STATE / "logs"
ETCD_DATA = STATE / "etcd"
NODES = STATE / "nodes"
# JSON lines, one a request: every write, and the reads of everybody but the cluster's own components.
AUDIT_LOG = LOGS / "audit.log"

NODE_NAME = "node-1"
CONTAINERD_SOCKET = NODES / NODE_NAME / "containerd.sock"
# The containerd namespace that the kubelet sees.
CONTAINERD_NAMESPACE = "k8s.io"

BRIDGE = "cni0"
NODE_ADDRESS = "10.244.0.1"
CLUSTER_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
KUBERNETES_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
API_SERVER = f"https://{NODE_ADDRESS}:6443"

# Written by the image build: a Helm values fragment that names the images.
IMAGES_VALUES = LINKS_DIR / "images.yaml"
