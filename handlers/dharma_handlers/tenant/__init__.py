"""What a Tenant needs: namespaces, quota, limits, policies, rights."""
