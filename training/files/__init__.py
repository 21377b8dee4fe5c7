"""What is on disk while a long command runs, so that one that was killed goes on and nothing is lost."""
