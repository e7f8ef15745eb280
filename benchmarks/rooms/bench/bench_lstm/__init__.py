"""W3 of the serving benchmark: an LSTM with attention."""
