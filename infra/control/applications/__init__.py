"""Applications, from draft to grant: signed acts in a log, folded by rules that nobody can talk round."""
