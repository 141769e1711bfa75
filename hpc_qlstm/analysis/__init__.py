"""What is done with finished runs: evaluation, prediction, figures, reports."""
