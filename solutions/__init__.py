"""Reference Keras implementations, one module per unit. For instructors: a real course keeps this package private."""
