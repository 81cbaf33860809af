"""Cost: what each workload costs, and what it will use."""
