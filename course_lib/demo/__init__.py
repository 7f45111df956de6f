"""The studio as a web application on this machine: ``course demo``."""
