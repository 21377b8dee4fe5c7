"""From a data folder and a recipe to what a network is shown: a sample is a function of its position."""
