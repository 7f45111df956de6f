"""SPADE: the label map says what is where, a style says how it looks (chapter 04)."""
