"""Models of IaC Dharma: numbers in, findings out. Knows nothing of Kubernetes."""
