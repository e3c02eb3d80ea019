"""Standing approvals: what a provider approves before it is asked, signed as a closed list; and what needs no approval at all."""
