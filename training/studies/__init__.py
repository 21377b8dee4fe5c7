"""Trainings and scorings side by side: what a network, a setting or a spoilt scan is worth."""
