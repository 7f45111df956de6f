"""Small networks that read a picture back. They score painters and never train one."""
