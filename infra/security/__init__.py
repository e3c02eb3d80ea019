"""Who may do what on the cluster: principals and their credentials, ACLs derived from what is in force, quotas."""
