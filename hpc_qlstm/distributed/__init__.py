"""The model on a grid of ranks: batches, gradients, scores, reports."""
