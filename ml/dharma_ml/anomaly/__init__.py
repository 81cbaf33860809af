"""Anomalies in streams of one or many channels: causal, online, one set of parameters for all streams."""
