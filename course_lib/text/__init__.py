"""Captions to embeddings: reading sentences, the words that are known, the encoder."""
