"""Stopping the cluster so that nothing of it is left on the machine but files."""

from dharma_dev import bridge, cgroups, containers, files, firewall, mounts, paths, processes
from dharma_dev.node import NODES
from dharma_dev.run import UserError, say

# The reverse of the order of their start: etcd is the last, as an API server without it does not end.
ORDER = ["agent", "kube-proxy", "kubelet", "containerd", "kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"]
# The kubelet goes first: it would put back the pods that end.
BEFORE_PODS = ["kubelet"]
# Seconds.
COMPONENT_GRACE = 20.0
POD_GRACE = 10.0


def stop_everything() -> None:
    """End all processes and pods, and remove mounts, loop devices, nftables tables, control groups and the bridge."""
    stop_processes(BEFORE_PODS)
    for node in NODES:
        cgroups.kill(node.cgroup, POD_GRACE)
    stop_processes([name for name in ORDER if name not in BEFORE_PODS])
    stop_processes(sorted(processes.running()))
    shims = processes.shims()
    processes.end_all(shims, 0.0, lambda pid: pid in processes.shims())
    for node in NODES:
        cgroups.kill(node.cgroup, 0.0)
        containers.forget(node)
    mounts.unmount_below(paths.STATE)
    mounts.detach_loops_below(paths.STATE)
    firewall.clear()
    for node in NODES:
        bridge.remove(node)
        cgroups.remove(node.cgroup)


def stop_processes(names: list[str]) -> None:
    """Stop components, one after the other, each waited for."""
    for name in names:
        found = processes.running().get(name, [])
        if found:
            say(f"  stopping {name}")
            processes.stop(found, COMPONENT_GRACE)


def leftovers() -> list[str]:
    """Return what of the cluster is still on the machine, apart from files."""
    found = [f"process {process.pid} ({name})" for name, some in processes.running().items() for process in some]
    found += [f"process {pid} ({processes.SHIM})" for pid in processes.shims()]
    found += [f"mount {point}" for point in mounts.below(paths.STATE)]
    found += [f"loop device {device}" for device in mounts.loops_below(paths.STATE)]
    found += [f"nftables table {family} {name}" for family, name in firewall.ours()]
    for node in NODES:
        if bridge.exists(node):
            found.append(f"bridge {node.bridge}")
        if cgroups.exists(node.cgroup):
            found.append(f"control group {node.cgroup}")
    return found


def down(*, delete: bool) -> None:
    """Stop the cluster; with `delete`, remove its data too. Raises UserError when something is left over."""
    if not any(entry != paths.LOCK for entry in paths.STATE.iterdir()):
        say("There is no cluster on this machine.")
        return
    stop_everything()
    left = leftovers()
    if left:
        raise UserError(f"The cluster was stopped, but this is left of it: {', '.join(left)}; run the command again, or reboot.")
    if delete:
        for node in NODES:
            containers.delete_traces(node)
        for entry in paths.STATE.iterdir():
            if entry != paths.LOCK:
                files.remove(entry)
        say("The cluster is stopped and its data are deleted.")
    else:
        say("The cluster is stopped; its data are kept (`down --delete` removes them).")
