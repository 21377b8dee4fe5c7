"""Roentgate's retraining side: data, recipes, fit, export, evaluation. Needs the extra `train`."""
