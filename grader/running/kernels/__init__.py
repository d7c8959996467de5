"""Kernels that grade: forked from a process that has imported Keras, each in a sandbox of its own."""
