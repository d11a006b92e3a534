"""Training data: clips of single faces with their sound, written into shards and read from them."""
