"""The operator's HTTP side: what the kubelet and Prometheus ask."""
