"""What a runner is asked and answers: pure, and only of the standard library."""
