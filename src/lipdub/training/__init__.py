"""Training of Diff2Lip. Importing this imports torch."""
