"""Dead letters: listed, explained, and ordered to be judged once more."""
