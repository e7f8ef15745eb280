"""What the gateway can say about models from the product's records: speed, errors, accuracy, drift, use, cost."""
