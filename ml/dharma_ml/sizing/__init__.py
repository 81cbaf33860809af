"""Sizing: CPU and memory requests, replicas, disks, from the past of one workload."""
