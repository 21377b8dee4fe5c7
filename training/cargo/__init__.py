"""Container and vehicle scans: the training set of simulated freight, and the benchmark."""
