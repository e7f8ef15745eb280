"""What the steps of the training graph do, as plain functions of files: ``components.steps`` only unpacks paths."""
