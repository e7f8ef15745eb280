"""Financial mathematics that more than one model needs; numpy and SciPy only, so that serving may import it."""
