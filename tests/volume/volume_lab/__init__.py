"""Hosts made of namespaces, network file systems between them, and replicas that save and load there."""
