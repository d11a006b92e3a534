"""What generated lips are worth, in numbers: pure functions, and the table they are shown in."""
