"""What a workflow is made of in a cluster: Deployments, a Secret, its revisions. PURE."""
